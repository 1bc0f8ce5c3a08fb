"""Augment: several versions of every image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from tasks.augment.members import agreed, fold, gives, same_dtype
from tasks.errors import Rejected
from tasks.image.geometry import Size
from tasks.image.sample import Sample
from tasks.operation import Draws, Expander, Step, perform


class Augment(Expander):
    """Make copies of every image, each by transforms drawn for it.

    ``copies`` (1 to 1000) go through ``transforms`` in order. The ``original`` stays too, unchanged, with its id. A
    copy that a transform rejects is left out and noted in the lineage of the first row that stays; the image is
    rejected where no row stays. Dtypes and boxes: as the transforms treat them; with the original they must keep the
    dtype.

    Source: Albumentations ``Compose``, torchvision ``Compose``.
    """

    example: ClassVar[Mapping[str, Any]] = {"copies": 3, "transforms": ["hflip", {"rotate": {"degrees": [-10, 10]}}]}

    transforms: Annotated[tuple[Step, ...], Field(min_length=1)]
    copies: Annotated[int, Field(ge=1, le=1000)] = 1
    original: bool = True

    @model_validator(mode="after")
    def _one_dtype(self) -> Augment:
        if self.original:
            same_dtype(self.name(), [str, self.gives])
        return self

    @property
    def steps(self) -> Sequence[Step]:
        return self.transforms

    def rows(self) -> int:
        return self.copies + self.original

    def keeps_original(self) -> bool:
        return self.original

    def expand(self, sample: Sample, path: str, draws: Draws) -> list[Sample]:
        made = [sample] if self.original else []
        failed: list[tuple[str, Rejected]] = []
        tile = sample.suffix if sample.copy else sample.tile  # copies of copies draw apart
        for n in range(1, self.copies + 1):
            copy = replace(sample, copy=n, tile=tile, suffix=f"{sample.suffix}.{path}:{n}")
            try:
                for step in self.transforms:
                    copy = perform(step, copy, f"{path}/{step.id}", draws)
            except Rejected as rejected:
                failed.append((copy.suffix, rejected))
            else:
                made.append(copy)
        if not made:
            raise failed[0][1]
        for suffix, verdict in failed:
            about = {"row": suffix, "reason": verdict.reason, "message": verdict.message}
            made[0] = made[0].did(path, "rejected", about)
        return made

    def gives(self, dtype: str) -> str:
        return fold(self.transforms, gives, dtype)

    def fixed_size(self, size: Size | None) -> Size | None:
        copies = fold(self.transforms, lambda operation, known: operation.fixed_size(known), size)
        return agreed([size, copies]) if self.original else copies

    def fixed_channels(self, channels: int | None) -> int | None:
        copies = fold(self.transforms, lambda operation, known: operation.fixed_channels(known), channels)
        return agreed([channels, copies]) if self.original else copies
