"""Augment: several versions of every image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from tasks.augment.members import agreed, fold, gives, same_dtype
from tasks.errors import Rejected
from tasks.image.geometry import Size
from tasks.image.sample import Sample
from tasks.operation import Draws, Expander, Step, perform

BALANCED: Final = "balanced"  # as many as the balance step before says
MOST: Final = 1000
DEFAULT: Final = "default"  # the classes that are not named

Copies = Annotated[int, Field(ge=0, le=MOST)]
PerClass = Annotated[
    tuple[tuple[str, Copies], ...],
    Field(min_length=1),
    BeforeValidator(
        lambda value: tuple(sorted(value.items())) if isinstance(value, Mapping) else value,
        json_schema_input_type=dict[str, Copies],
    ),
]


class Augment(Expander):
    """Make copies of every image, each by transforms drawn for it.

    ``copies`` (1 to 1000) go through ``transforms`` in order. The ``original`` stays too, unchanged, with its id. A
    copy that a transform rejects is left out and noted in the lineage of the first row that stays; the image is
    rejected where no row stays. Dtypes and boxes: as the transforms treat them; with the original they must keep the
    dtype.

    ``copies: {cat: 5, dog: 0, default: 1}`` makes as many (0 to 1000) of each class's images; ``default`` is for all
    other images, and 1 where it is left out. ``copies: balanced`` takes them from the ``balance`` step before.

    Source: Albumentations ``Compose``, torchvision ``Compose``.
    """

    example: ClassVar[Mapping[str, Any]] = {"copies": 3, "transforms": ["hflip", {"rotate": {"degrees": [-10, 10]}}]}

    transforms: Annotated[tuple[Step, ...], Field(min_length=1)]
    copies: Literal["balanced"] | Annotated[int, Field(ge=1, le=MOST)] | PerClass = 1
    original: bool = True

    @model_validator(mode="after")
    def _one_dtype(self) -> Augment:
        if self.original:
            same_dtype(self.name(), [str, self.gives])
        return self

    @model_validator(mode="after")
    def _some_row(self) -> Augment:
        none = [name for name, count in self._per_class.items() if count + self.original == 0]
        if none:
            raise ValueError(f"without the original, nothing is left of {', '.join(none)}: at least one copy each")
        return self

    @property
    def steps(self) -> Sequence[Step]:
        return self.transforms

    @property
    def _per_class(self) -> dict[str, int]:
        return dict(self.copies) if isinstance(self.copies, tuple) else {}

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(name for name in self._per_class if name != DEFAULT)

    def copies_of(self, label: str | None) -> int:
        """Give how many copies an image of a class gets; 1 as long as it is not known what balances."""
        if isinstance(self.copies, int):
            return self.copies
        several = self._per_class
        return several.get(label if label is not None else DEFAULT, several.get(DEFAULT, 1))

    def rows(self) -> int:
        return max(self.rows_of(name) for name in (None, *self.classes))

    def rows_of(self, label: str | None) -> int:
        return self.copies_of(label) + self.original

    def keeps_original(self) -> bool:
        return self.original

    def expand(self, sample: Sample, path: str, draws: Draws) -> list[Sample]:
        made = [sample] if self.original else []
        failed: list[tuple[str, Rejected]] = []
        tile = sample.suffix if sample.copy else sample.tile  # copies of copies draw apart
        for n in range(1, self.copies_of(sample.label) + 1):
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
