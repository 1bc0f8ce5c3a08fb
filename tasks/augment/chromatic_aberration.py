"""Chromatic aberration: red and blue not quite where green is."""

from __future__ import annotations

from typing import Annotated, Any

import cv2
import numpy as np
from cv2.typing import MatLike

from tasks.image.sample import Pixels
from tasks.operation import RandomFilter, Range, Ranged, within


class ChromaticAberration(Ranged, RandomFilter):
    """Scale red and blue a little against green, as simple lenses do.

    ``red`` and ``blue`` (-0.1 to 0.1; a number, or [low, high] to draw from) make their channel larger about the
    center, by 1 + themselves; edges get coloured fringes away from the center. The border repeats its pixels. Gray
    images stay as they are. Every dtype is kept. Boxes do not change.

    Source: Kang 2007, "Automatic removal of chromatic aberration from a single image"; Albumentations
    ``ChromaticAberration``.
    """

    red: Annotated[Range, within(-0.1, 0.1)] = Range(-0.01, 0.01)
    blue: Annotated[Range, within(-0.1, 0.1)] = Range(-0.01, 0.01)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if pixels.shape[2] == 1:
            return pixels
        red, green, blue = cv2.split(pixels)
        return np.asarray(cv2.merge([_enlarged(red, params["red"]), green, _enlarged(blue, params["blue"])]))


def _enlarged(channel: MatLike, by: float) -> MatLike:
    height, width = channel.shape
    scale, x, y = 1 + by, -by * (width - 1) / 2, -by * (height - 1) / 2
    about = np.array([[scale, 0.0, x], [0.0, scale, y]])
    return cv2.warpAffine(channel, about, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
