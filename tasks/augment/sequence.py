"""Sequence: several transforms as one."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Steps
from typing import Annotated, Any, ClassVar

from pydantic import Field

from tasks.augment.members import fold, gives
from tasks.image.geometry import Size
from tasks.image.sample import Sample
from tasks.operation import Composer, Draws, Step, perform


class Sequence(Composer):
    """Do several transforms, in order.

    It makes one member of ``one_of`` or ``some_of`` out of several ``transforms``; each draws its own parameters.
    Dtypes and boxes: as the transforms treat them.

    Source: torchvision ``Compose``, Albumentations ``Sequential``.
    """

    example: ClassVar[Mapping[str, Any]] = {"transforms": ["hflip", "rotate"]}

    transforms: Annotated[tuple[Step, ...], Field(min_length=1)]

    @property
    def steps(self) -> Steps[Step]:
        return self.transforms

    def compose(self, sample: Sample, path: str, draws: Draws, **params: Any) -> Sample:
        for step in self.transforms:
            sample = perform(step, sample, f"{path}/{step.id}", draws)
        return sample

    def gives(self, dtype: str) -> str:
        return fold(self.transforms, gives, dtype)

    def fixed_size(self, size: Size | None) -> Size | None:
        return fold(self.transforms, lambda operation, known: operation.fixed_size(known), size)

    def fixed_channels(self, channels: int | None) -> int | None:
        return fold(self.transforms, lambda operation, known: operation.fixed_channels(known), channels)
