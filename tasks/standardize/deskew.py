"""Deskew: lines that lean a little become level."""

from __future__ import annotations

from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.image.geometry import Matrix, Size, about, rotation
from tasks.image.randomness import Generator
from tasks.image.render import resize
from tasks.image.sample import Pixels, Sample
from tasks.image.values import fractions, luma
from tasks.operation import Fraction, Params, RandomGeometric, Ranged

LONG_SIDE = 512
COARSE, FINE = 0.5, 0.05  # degrees


class Deskew(Ranged, RandomGeometric):
    """Rotate so that the dominant lines are level.

    The angle is that, up to ``max_degrees`` (0 to 45) either way, along which edges, of an image of at most 512 px,
    add up to the sharpest profiles, horizontal and vertical ones together; it is found to 0.05 degrees and goes to the
    row's lineage. It is meant for pages and plates: photographs have dominant lines too, that need not be level. An
    image without edges stays as it is. The image keeps its size; corners that open are filled with
    ``fill``, a fraction of the value range (that of the step before in its fused group, else 0). Every dtype is kept.
    Boxes become the bounds of their rotated corners.

    Source: Postl 1986; Bloomberg, Kopec and Dasari 1995 (Leptonica's ``pixFindSkew``: squared differences between
    neighbouring sums), on gradients instead of black pixels.
    """

    max_degrees: Annotated[float, Field(ge=0, le=45)] = 15
    fill: Fraction | None = None

    def draw(self, rng: Generator, sample: Sample) -> Params:
        x, y, weight = _edges(sample.picture())
        steps = int(self.max_degrees / COARSE)
        coarse = _sharpest(x, y, weight, [COARSE * i for i in range(-steps, steps + 1)])
        around = range(round((coarse - COARSE) / FINE), round((coarse + COARSE) / FINE) + 1)
        return {"degrees": _sharpest(x, y, weight, [i / 20 for i in around if abs(i / 20) <= self.max_degrees])}

    def matrix(self, size: Size, **params: Any) -> Matrix:
        return about(size.center, rotation(params["degrees"]))


def _edges(pixels: Pixels) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Give x, y (from the center) and magnitude of the gradients that stand out."""
    height, width = pixels.shape[:2]
    shrink = min(1.0, LONG_SIDE / max(height, width))
    gray = luma(fractions(resize(pixels, Size(max(1, round(width * shrink)), max(1, round(height * shrink))))))
    magnitude = np.hypot(cv2.Scharr(gray, cv2.CV_32F, 1, 0), cv2.Scharr(gray, cv2.CV_32F, 0, 1)).astype(np.float64)
    y, x = np.nonzero(magnitude > magnitude.mean() + magnitude.std())
    return x - (gray.shape[1] - 1) / 2, y - (gray.shape[0] - 1) / 2, magnitude[y, x]


def _sharpest(
    x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64], angles: list[float]
) -> float:
    """Give the angle to turn by after which rows and columns differ most from their neighbours; 0 before others."""
    scores = {}
    for angle in sorted(angles, key=abs):
        c, s = float(np.cos(np.deg2rad(angle))), float(np.sin(np.deg2rad(angle)))
        scores[angle] = sum(_sharpness(along, weight) for along in (c * y - s * x, c * x + s * y))
    return max(scores, key=lambda angle: scores[angle])


def _sharpness(along: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    profile = np.bincount(np.floor(along).astype(np.intp) + LONG_SIDE, weight)
    return float((np.diff(profile) ** 2).sum())
