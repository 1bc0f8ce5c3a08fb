"""One of: a choice between transforms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from tasks.augment.members import agreed, same_dtype
from tasks.image.geometry import Size
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Composer, Draws, Params, Random, Step, perform


class OneOf(Random, Composer):
    """Do one of several transforms.

    One of ``transforms`` is drawn, all alike, with probability ``p``; it then draws its own parameters, its own ``p``
    included. Dtypes and boxes: as the transforms treat them; all must give the same dtype.

    Source: torchvision ``RandomChoice``, Albumentations ``OneOf``.
    """

    example: ClassVar[Mapping[str, Any]] = {"transforms": [{"rotate": {"degrees": [-10, 10]}}, "brightness_contrast"]}

    transforms: Annotated[tuple[Step, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_dtype(self) -> OneOf:
        kept = [str] if self.p < 1 else []
        same_dtype(self.name(), [*kept, *(step.operation.gives for step in self.transforms)])
        return self

    @property
    def steps(self) -> Sequence[Step]:
        return self.transforms

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {"index": int(rng.integers(len(self.transforms)))}

    def compose(self, sample: Sample, path: str, draws: Draws, **params: Any) -> Sample:
        step = self.transforms[params["index"]]
        return perform(step, sample, f"{path}/{step.id}", draws)

    def gives(self, dtype: str) -> str:
        return self.transforms[0].operation.gives(dtype)

    def fixed_size(self, size: Size | None) -> Size | None:
        kept = [size] if self.p < 1 else []
        return agreed([*kept, *(step.operation.fixed_size(size) for step in self.transforms)])

    def fixed_channels(self, channels: int | None) -> int | None:
        kept = [channels] if self.p < 1 else []
        return agreed([*kept, *(step.operation.fixed_channels(channels) for step in self.transforms)])
