"""What features of key points share: a vector of fixed length from the mean, or the strongest, of descriptors."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.extract.planes import byte_gray
from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.operation import Feature


class KeyPoints(Feature):
    """Finds key points and sums up their descriptors."""

    pooling: Literal["mean_std", "top"] = "mean_std"
    top: Annotated[int, Field(ge=1, le=1000)] = 8
    features: Annotated[int, Field(ge=1, le=100_000)] = 500

    @abstractmethod
    def describe(self, gray: NDArray[np.uint8]) -> tuple[Any, NDArray[Any]]:
        """Give OpenCV's key points and their descriptors, N x ``length``."""

    @abstractmethod
    def length(self) -> int:
        """Give the length of one descriptor."""

    def extract(self, pixels: Pixels) -> NDArray[np.float32]:
        points, descriptors = self.describe(byte_gray(pixels))
        keys = [(-point.response, point.pt[1], point.pt[0], point.size, point.angle) for point in points]
        order = sorted(range(len(keys)), key=keys.__getitem__)[: self.features]
        ranked = descriptors[order].astype(np.float64)
        if self.pooling == "top":
            chosen = np.zeros((self.top, self.length()))
            chosen[: len(order)] = ranked[: self.top]
            return np.concatenate([[len(order)], chosen.ravel()]).astype(np.float32)
        if not order:
            return np.zeros(1 + 2 * self.length(), dtype=np.float32)
        return np.concatenate([[len(order)], ranked.mean(axis=0), ranked.std(axis=0)]).astype(np.float32)

    def components(self, size: Size | None, channels: int | None) -> list[str]:
        groups = ["mean", "std"]
        if self.pooling == "top":
            groups = [f"top_{n}" for n in range(1, self.top + 1)]
        return ["count", *(f"{group}.{n}" for group in groups for n in range(self.length()))]
