"""The statistics that values are normalized by: of a mean and a deviation, of two percentiles, of landmarks."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

Channels = Annotated[tuple[float, ...], Field(min_length=1, max_length=3)]


class Statistics(BaseModel):
    """A mean and a standard deviation for each channel, as fractions of the value range."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: Channels
    std: Channels

    @model_validator(mode="after")
    def _match(self) -> Statistics:
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} values, std has {len(self.std)}: give one of each a channel")
        if min(self.std) <= 0:
            raise ValueError(f"std must be above 0, got {list(self.std)}")
        return self

    @property
    def channels(self) -> int:
        """For how many channels there are values."""
        return len(self.mean)


class Limits(BaseModel):
    """What becomes 0 and what becomes 1, for each channel, as fractions of the value range."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: Channels
    high: Channels

    @model_validator(mode="after")
    def _match(self) -> Limits:
        if len(self.low) != len(self.high):
            raise ValueError(f"low has {len(self.low)} values, high has {len(self.high)}: give one of each a channel")
        if not all(low < high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError(f"each low must be below its high, got {list(self.low)} and {list(self.high)}")
        return self

    @property
    def channels(self) -> int:
        """For how many channels there are values."""
        return len(self.low)


class Landmarks(BaseModel):
    """Where an image's landmarks (percentiles, in order) are taken, from 0 to 1, for each channel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    landmarks: Annotated[tuple[tuple[float, ...], ...], Field(min_length=1, max_length=3)]

    @model_validator(mode="after")
    def _match(self) -> Landmarks:
        if len({len(channel) for channel in self.landmarks}) > 1 or len(self.landmarks[0]) < 2:
            raise ValueError("give every channel the same number of landmarks, at least two")
        if not all(low <= high for channel in self.landmarks for low, high in pairwise(channel)):
            raise ValueError("a channel's landmarks never fall")
        return self

    @property
    def channels(self) -> int:
        """For how many channels there are values."""
        return len(self.landmarks)


def _kind(value: Any) -> str:
    names = value if isinstance(value, Mapping) else type(value).model_fields if isinstance(value, BaseModel) else ()
    return "limits" if "low" in names or "high" in names else "landmarks" if "landmarks" in names else "statistics"


Values = Annotated[
    Annotated[Statistics, Tag("statistics")]
    | Annotated[Limits, Tag("limits")]
    | Annotated[Landmarks, Tag("landmarks")],
    Discriminator(_kind),
]
