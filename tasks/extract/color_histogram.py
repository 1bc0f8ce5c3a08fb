"""Colour histogram: how often each colour occurs."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tasks.extract.planes import CHANNELS, Space, colors
from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.operation import Feature

MOST = 4096  # components of a joint histogram


class ColorHistogram(Feature):
    """Describe colour by histograms.

    Values of each channel of ``space`` (rgb, gray, hsv, lab or ycrcb, each channel from 0 to 1 as ``convert_color``
    scales it) fall into ``bins`` (2 to 256) equal parts of the range. ``method: marginal`` counts each channel by
    itself; ``joint`` counts triples, with at most 16 bins a channel. Each histogram sums to 1. Gray images count as
    gray colours, so the length is the same. Values are taken at 16 bits, float32 clipped, so every dtype gives the
    same. Boxes play no part.

    Source: Swain and Ballard 1991; OpenCV ``calcHist``.
    """

    bins: Annotated[int, Field(ge=2, le=256)] = 16
    space: Space = "rgb"
    method: Literal["marginal", "joint"] = "marginal"

    @model_validator(mode="after")
    def _not_huge(self) -> ColorHistogram:
        many = self.bins ** len(CHANNELS[self.space])
        if self.method == "joint" and many > MOST:
            raise ValueError(f"{self.bins} bins a channel make {many} components: at most {MOST}, so at most 16 bins")
        return self

    def extract(self, pixels: Pixels) -> NDArray[np.float32]:
        values = colors(pixels, self.space)
        bins = np.clip((values * np.float32(self.bins)).astype(np.int32), 0, self.bins - 1)
        planes = [bins[:, :, c].ravel() for c in range(bins.shape[2])]
        if self.method == "joint":
            joined = planes[0]
            for plane in planes[1:]:
                joined = joined * self.bins + plane
            counts = np.bincount(joined, minlength=self.bins ** len(planes))
        else:
            counts = np.concatenate([np.bincount(plane, minlength=self.bins) for plane in planes])
        return (counts / planes[0].size).astype(np.float32)

    def components(self, size: Size | None, channels: int | None) -> list[str]:
        each = [[f"{name}_{n}" for n in range(self.bins)] for name in CHANNELS[self.space]]
        if self.method == "joint":
            return [".".join(names) for names in product(*each)]
        return [name for names in each for name in names]
