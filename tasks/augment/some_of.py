"""Some of: several transforms out of more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, model_validator

from tasks.augment.counts import Count, exactly
from tasks.augment.members import agreed, same_dtype
from tasks.image.geometry import Size
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Composer, Draws, Params, Random, Step, perform


class SomeOf(Random, Composer):
    """Do some of several transforms.

    ``n`` of ``transforms`` are drawn (a number, or [low, high] to draw the number too), none twice, with probability
    ``p``, and done in the order in which they are written; each draws its own parameters, its own ``p`` included.
    Dtypes and boxes: as the transforms treat them; each must keep the dtype.

    Source: imgaug ``SomeOf``, Albumentations ``SomeOf``.
    """

    example: ClassVar[Mapping[str, Any]] = {"n": 2, "transforms": ["hflip", "rotate", "brightness_contrast"]}

    transforms: Annotated[tuple[Step, ...], Field(min_length=1)]
    n: Annotated[Count, BeforeValidator(exactly, json_schema_input_type=int | tuple[int, int])] = Count(1, 1)

    @model_validator(mode="after")
    def _possible(self) -> SomeOf:
        if not 0 <= self.n.low <= self.n.high <= len(self.transforms):
            limit = len(self.transforms)
            raise ValueError(f"expected n with 0 <= low <= high <= {limit} transforms, got {list(self.n)}")
        for step in self.transforms:
            same_dtype(self.name(), [str, step.operation.gives])
        return self

    @property
    def steps(self) -> Sequence[Step]:
        return self.transforms

    def draw(self, rng: Generator, sample: Sample) -> Params:
        n = self.n.drawn(rng)
        return {"indices": sorted(int(i) for i in rng.permutation(len(self.transforms))[:n])}

    def compose(self, sample: Sample, path: str, draws: Draws, **params: Any) -> Sample:
        for step in (self.transforms[i] for i in params["indices"]):
            sample = perform(step, sample, f"{path}/{step.id}", draws)
        return sample

    def fixed_size(self, size: Size | None) -> Size | None:
        return agreed([size, *(step.operation.fixed_size(size) for step in self.transforms)])

    def fixed_channels(self, channels: int | None) -> int | None:
        return agreed([channels, *(step.operation.fixed_channels(channels) for step in self.transforms)])
