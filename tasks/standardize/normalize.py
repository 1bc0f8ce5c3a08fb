"""Normalize: values in the range, or with the statistics, that a model expects."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.errors import Rejected
from tasks.image.render import value_range
from tasks.image.sample import Curve, Pixels, Sample
from tasks.operation import Pointwise, Range


class Statistics(BaseModel):
    """A mean and a standard deviation for each channel, as fractions of the value range."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[float, ...] = Field(min_length=1, max_length=3)
    std: tuple[float, ...] = Field(min_length=1, max_length=3)

    @model_validator(mode="after")
    def _match(self) -> Statistics:
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} values, std has {len(self.std)}: give one of each a channel")
        if min(self.std) <= 0:
            raise ValueError(f"std must be above 0, got {list(self.std)}")
        return self


KNOWN = {
    "imagenet": Statistics(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "clip": Statistics(mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711)),
}
FLAT = 1e-8  # a spread below this divides by one instead: a flat image becomes zeros


class Normalize(Pointwise):
    """Normalize values and give float32.

    ``method``: ``unit`` gives fractions of the range, 0 to 1. ``mean_std`` subtracts a mean and divides by a standard
    deviation: those named by ``statistics`` (``imagenet``, ``clip``, the ``image``'s own, or ``{mean: [...], std:
    [...]}`` as fractions of the range, one value a channel or one for all). ``zscore`` is ``mean_std`` with the image's
    own. ``minmax`` takes the image's least value to 0 and its greatest to 1; ``percentile`` does so with its
    ``percentiles`` (0 to 100) and clips. What is the image's own is measured ``per: image``, or for each ``channel``;
    a flat image becomes zeros. An image with another number of channels than the statistics is rejected
    (``wrong_channels``). Every dtype is taken. Boxes do not change.

    Source: torchvision ``Normalize``, MONAI ``NormalizeIntensity`` and ``ScaleIntensityRangePercentiles``, nnU-Net's
    percentiles.
    """

    method: Literal["unit", "mean_std", "minmax", "percentile", "zscore"] = "mean_std"
    statistics: Literal["imagenet", "clip", "image"] | Statistics = "imagenet"
    per: Literal["image", "channel"] = "image"
    percentiles: Range = Range(0.5, 99.5)

    @model_validator(mode="after")
    def _sensible(self) -> Normalize:
        if self.method not in ("mean_std", "zscore") and "statistics" in self.model_fields_set:
            raise ValueError(f"statistics belong to method: mean_std, not to {self.method}")
        if not 0 <= self.percentiles.low < self.percentiles.high <= 100:
            raise ValueError(f"expected percentiles with 0 <= low < high <= 100, got {list(self.percentiles)}")
        return self

    def gives(self, dtype: str) -> str:
        return "float32"

    @property
    def measured(self) -> bool:
        if self.method == "mean_std":
            return self.statistics == "image"
        return self.method != "unit"

    def apply(self, sample: Sample, **params: Any) -> Sample:
        if self.measured:
            sample = sample.settled()
            low, spread = self._measure(sample.picture())
        else:
            low, spread = self._given(sample.channels)
        return sample.curved(Curve(self, (("low", low), ("spread", spread)), "float32"))

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        """Give (value - low) / spread, for tuples with a number for each channel, or one for all."""
        moved: NDArray[np.float64] = (values - np.array(params["low"])) / np.array(params["spread"])
        return np.clip(moved, 0.0, 1.0) if self.method == "percentile" else moved

    def _given(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        if self.method == "unit":
            return (0.0,), (1.0,)
        given = self.statistics if isinstance(self.statistics, Statistics) else KNOWN[self.statistics]
        if len(given.mean) not in (1, channels):
            message = (
                f"statistics of {len(given.mean)} channels for an image of {channels}: put "
                f"`convert_color: {{space: {'rgb' if channels == 1 else 'gray'}}}` before normalize"
            )
            raise Rejected("wrong_channels", message, step=self.name())
        return given.mean, given.std

    def _measure(self, pixels: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
        values = pixels.reshape(-1, pixels.shape[2]) / np.float64(value_range(pixels.dtype))
        if self.per == "image":
            values = values.reshape(-1, 1)
        if self.method == "minmax":
            low, spread = values.min(axis=0), np.ptp(values, axis=0)
        elif self.method == "percentile":
            low, high = np.percentile(values, self.percentiles, axis=0)
            spread = high - low
        else:
            low, spread = values.mean(axis=0), values.std(axis=0)
        spread = np.where(spread < FLAT, 1.0, spread)
        return tuple(low.tolist()), tuple(spread.tolist())
