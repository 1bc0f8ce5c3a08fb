"""Box crop: a window that depends on where the image's boxes lie."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.image.geometry import Matrix, Size, translation
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Params, RandomGeometric


class BoxCrop(RandomGeometric):
    """Cuts out a drawn box [x, y, width, height]."""

    exact: ClassVar[bool] = True

    @abstractmethod
    def window(self, rng: Generator, size: Size, boxes: NDArray[np.float64]) -> list[int]:
        """Draw [x, y, width, height] in an image, given the boxes (N x 4) that are visible in it."""

    def draw(self, rng: Generator, sample: Sample) -> Params:
        boxes = sample.targets.placed(sample.whole, 0.0, 0.0).boxes
        return {"box": self.window(rng, sample.size, boxes)}

    def canvas(self, size: Size, **params: Any) -> Size:
        return Size(*params["box"][2:])

    def fixed_size(self, size: Size | None) -> Size | None:
        return None

    def matrix(self, size: Size, **params: Any) -> Matrix:
        return translation(-params["box"][0], -params["box"][1])
