"""Rolling ball: what a ball rolling below the image's surface does not reach."""

from __future__ import annotations

import math
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions
from tasks.operation import Filter

SHRINK = ((10, 1), (30, 2), (math.inf, 4))  # up to which radius to shrink how far: ImageJ's, but never by 8


class RollingBall(Filter):
    """Subtract a smooth dark background.

    The background is where the top of a ball of ``radius`` pixels (1 to 200; as high as ``radius`` levels of 255)
    comes when it rolls below the image's surface; the image minus it is given, for each channel. Exact to a radius
    of 10; above, the ball rolls below the least values of 2 x 2 pixels, and from 31 on of 4 x 4 (after ImageJ: on
    fine texture some levels off, and a hundred times faster than scikit-image, whose default radius is 100). For a
    bright background, put ``invert`` before and after. Every dtype is kept. Boxes do not change.

    Source: Sternberg 1983, "Biomedical Image Processing"; scikit-image ``restoration.rolling_ball``.
    """

    radius: Annotated[int, Field(ge=1, le=200)] = 50

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        values = fractions(pixels)
        factor = next(factor for limit, factor in SHRINK if self.radius <= limit)
        background = self._tops(_least(values, factor), factor)
        if factor > 1:
            height, width = background.shape[:2]
            size = width * factor, height * factor
            background = np.asarray(cv2.resize(background, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)
        background = background[: values.shape[0], : values.shape[1]].reshape(values.shape)
        return from_fractions(np.maximum(values - background, 0.0), pixels.dtype)

    def _tops(self, values: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
        """Give the height of the ball's top, for each place below the surface of an image shrunk by ``factor``."""
        height, width, reach = *values.shape[:2], self.radius // factor
        beyond = np.pad(values, ((reach, reach), (reach, reach), (0, 0)), constant_values=np.inf)
        tops = values
        for y in range(-reach, reach + 1):
            for x in range(-reach, reach + 1):
                square = self.radius**2 - factor**2 * (x * x + y * y)
                if square >= 0:
                    below = np.float32((self.radius - math.sqrt(square)) / 255)  # the top, how far the ball is below it
                    around = beyond[reach + y : reach + y + height, reach + x : reach + x + width]
                    tops = np.minimum(tops, around + below)
        return tops


def _least(values: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Shrink by the least value of each ``factor`` x ``factor`` pixels."""
    height, width, channels = values.shape
    grown = np.pad(values, ((0, -height % factor), (0, -width % factor), (0, 0)), mode="edge")
    blocks = grown.reshape(grown.shape[0] // factor, factor, grown.shape[1] // factor, factor, channels)
    return np.asarray(blocks.min(axis=(1, 3)))
