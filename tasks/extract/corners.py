"""What the corner features share: the structure of gradients, its peaks, and a vector of fixed length for them."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.extract.planes import LEVELS, deep_gray
from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.operation import Feature

TRUNCATE = 4  # sigmas, as scikit-image and SciPy


class Corners(Feature):
    """Finds corners and describes them by their number and the places of the strongest."""

    top: Annotated[int, Field(ge=0, le=1000)] = 10

    @abstractmethod
    def corners(self, pixels: Pixels) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give the corners: N x 2 whole x and y, and N strengths above 0."""

    def extract(self, pixels: Pixels) -> NDArray[np.float32]:
        height, width = pixels.shape[:2]
        points, strengths = self.corners(pixels)
        order = np.lexsort((points[:, 0], points[:, 1], -strengths))[: self.top]
        described = np.zeros((self.top, 3))
        if order.size:
            places = (points[order] + 0.5) / (width, height)
            described[: order.size] = np.column_stack([places, strengths[order] / strengths[order[0]]])
        found = len(points), len(points) / (width * height)
        return np.array([*found, *described.ravel()], dtype=np.float32)

    def components(self, size: Size | None, channels: int | None) -> list[str]:
        strongest = [f"corner_{n}.{what}" for n in range(1, self.top + 1) for what in ("x", "y", "strength")]
        return ["count", "density", *strongest]


class Structured(Corners):
    """Finds corners where a response of the structure tensor peaks."""

    sigma: Annotated[float, Field(gt=0, le=100)] = 1.0
    distance: Annotated[int, Field(ge=1, le=1000)] = 5
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.01

    @abstractmethod
    def response(self, xx: NDArray[Any], xy: NDArray[Any], yy: NDArray[Any]) -> NDArray[np.float64]:
        """Give the response for the products of gradients, each averaged around the pixel."""

    def corners(self, pixels: Pixels) -> tuple[NDArray[Any], NDArray[Any]]:
        return _peaks(self.response(*structure(pixels, self.sigma)), self.distance, self.threshold)


def structure(pixels: Pixels, sigma: float) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Give the structure tensor: xx, xy and yy of Sobel gradients, smoothed by a Gaussian; the border is mirrored."""
    values = deep_gray(pixels).astype(np.float64) / (LEVELS - 1)
    x = cv2.Sobel(values, cv2.CV_64F, 1, 0, ksize=3, borderType=cv2.BORDER_REFLECT_101)
    y = cv2.Sobel(values, cv2.CV_64F, 0, 1, ksize=3, borderType=cv2.BORDER_REFLECT_101)
    width = 2 * math.floor(TRUNCATE * sigma + 0.5) + 1
    xx, xy, yy = (
        np.asarray(cv2.GaussianBlur(product, (width, width), sigma, borderType=cv2.BORDER_REFLECT_101))
        for product in (x * x, x * y, y * y)
    )
    return xx, xy, yy


def _peaks(response: NDArray[np.float64], distance: int, threshold: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the pixels that are the greatest within ``distance``, one of each plateau, above a share of the best."""
    strongest = float(response.max())
    square = np.ones((2 * distance + 1, 2 * distance + 1), dtype=np.uint8)
    least = max(threshold * strongest, float(np.finfo(np.float32).eps))
    peaks = (response == cv2.dilate(response, square)) & (response > least)
    _, plateaus = cv2.connectedComponents(peaks.astype(np.uint8))
    inside = np.flatnonzero(peaks)
    _, first = np.unique(plateaus.ravel()[inside], return_index=True)
    y, x = np.divmod(inside[first], response.shape[1])
    return np.column_stack([x, y]), response[y, x]
