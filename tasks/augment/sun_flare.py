"""Sun flare: the sun in the lens."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tasks.augment.shades import mixed
from tasks.image.sample import Pixels
from tasks.operation import RandomFilter, Range, Ranged, within

GHOSTS = ((0.4, 0.25), (0.9, 0.12), (1.4, 0.3), (1.8, 0.18))  # where on the way through the center, how large
FAINT = 0.25  # of the sun, as strong is a ghost


class SunFlare(Ranged, RandomFilter):
    """Let the sun shine into the lens.

    The sun stands at ``x`` and ``y``, fractions of width and height; its glow is ``radius`` wide (0.01 to 2, a fraction
    of the short side) and as strong as ``strength`` (0 to 1) in its middle. Four fainter disks lie on the line from it
    through the center, as reflections between lenses do. Each is a number, or [low, high] to draw from. All are mixed
    with white. Every dtype is kept; integers are rounded. Boxes do not change.

    Source: Albumentations ``RandomSunFlare``; Hullin et al. 2011, "Physically-based real-time lens flare rendering".
    """

    x: Annotated[Range, within(-1, 2)] = Range(0, 1)
    y: Annotated[Range, within(-1, 2)] = Range(0, 0.5)
    radius: Annotated[Range, within(0.01, 2)] = Range(0.2, 0.5)
    strength: Annotated[Range, within(0, 1)] = Range(0.5, 0.9)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        height, width = pixels.shape[:2]
        size = params["radius"] * min(height, width)
        sun_x, sun_y = params["x"] * width, params["y"] * height
        clear = 1 - np.float32(params["strength"]) * np.exp(-2 * _distance(width, height, sun_x, sun_y) / size**2)
        for way, wide in GHOSTS:
            x, y = sun_x + way * (width / 2 - sun_x), sun_y + way * (height / 2 - sun_y)
            edge = 1 - np.sqrt(_distance(width, height, x, y)) / max(1.0, wide * size)
            clear *= 1 - np.float32(FAINT * params["strength"]) * np.clip(4 * edge, 0, 1)
        return mixed(pixels, 1.0, 1 - clear)


def _distance(width: int, height: int, x: float, y: float) -> NDArray[np.float32]:
    """Give the square of each pixel's distance from a point."""
    across, down = np.arange(width) + 0.5 - x, np.arange(height) + 0.5 - y
    return np.asarray((across**2).astype(np.float32) + (down**2).astype(np.float32)[:, None])
