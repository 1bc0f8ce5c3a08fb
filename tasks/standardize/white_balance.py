"""White balance: without the colour of the light."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.image.render import value_range
from tasks.image.sample import Curve, Pixels, Sample
from tasks.operation import Pointwise
from tasks.standardize.percentiles import percentiles


class WhiteBalance(Pointwise):
    """Remove the colour of the light by a gain for each channel.

    ``method``: ``gray_world`` gives every channel the mean of all three; ``white_patch`` takes each channel's
    ``percentile`` (0 to 100; 100 is its greatest value) to 1, which brightens too. Gains work on the values as they
    are stored (sRGB), as usual. Gray images and channels that are all 0 stay as they are. Every dtype is kept; integers
    are clipped, float32 is not. Boxes do not change.

    Source: Buchsbaum 1980 (gray world), Land and McCann 1971 (white patch); OpenCV ``xphoto``.
    """

    method: Literal["gray_world", "white_patch"] = "gray_world"
    percentile: Annotated[float, Field(gt=0, le=100)] = 100

    @property
    def measured(self) -> bool:
        return True

    def apply(self, sample: Sample, **params: Any) -> Sample:
        if sample.channels == 1:
            return sample
        sample = sample.settled()
        return sample.curved(Curve(self, (("gains", self._gains(sample.picture())),), sample.dtype))

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        """Give the values times ``gains``, one a channel."""
        return np.asarray(values * np.array(params["gains"]))

    def _gains(self, pixels: Pixels) -> tuple[float, ...]:
        if self.method == "gray_world":
            levels = np.array(cv2.mean(pixels)[:3]) / value_range(pixels.dtype)
            white = float(levels.mean())
        else:
            levels, white = np.array(percentiles(pixels, (self.percentile,), "channel")[0]), 1.0
        return tuple(white / level if level > 0 else 1.0 for level in levels.tolist())
