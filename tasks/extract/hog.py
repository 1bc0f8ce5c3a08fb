"""Hog: histograms of oriented gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from pydantic import Field

from tasks.image.geometry import Size
from tasks.image.render import value_range
from tasks.image.sample import Pixels
from tasks.operation import Feature, SquareSize

CLIP = 0.2
EPSILON = 1e-5


class Hog(Feature):
    """Describe shape by histograms of oriented gradients.

    Gradients (of the channel where they are steepest) vote into ``orientations`` bins over 180 degrees, in cells of
    ``cell`` [width, height] pixels; every block of ``block`` [width, height] cells is normalized by L2-Hys. Cells that
    do not fit whole at the right and the bottom are left out. Values are fractions of the range, so every dtype gives
    the same vector: within 1e-5 of scikit-image's for integers; in float32 rounding decides where channels tie.
    Components are named ``block_y.block_x.cell_y.cell_x.orientation`` and stand in this order. Boxes play no part.

    Source: Dalal and Triggs 2005; scikit-image ``feature.hog``.
    """

    example: ClassVar[Mapping[str, Any]] = {"cell": [16, 16]}

    orientations: Annotated[int, Field(ge=1, le=180)] = 9
    cell: SquareSize = Size(8, 8)
    block: SquareSize = Size(2, 2)

    def extract(self, pixels: Pixels) -> NDArray[np.float32]:
        height, width = pixels.shape[:2]
        across, down = self._cells(Size(width, height))
        inside = slice(down * self.cell.height), slice(across * self.cell.width)
        x, y, magnitude = (values[inside] for values in _gradients(pixels))
        votes = self._bins(x, y) + self.orientations * self._cell_of(across, down)
        sums = np.bincount(votes.ravel(), magnitude.ravel(), minlength=across * down * self.orientations)
        cells: NDArray[np.float64] = sums.reshape(down, across, -1) / (self.cell.width * self.cell.height)
        blocks = sliding_window_view(cells, self.block[::-1], axis=(0, 1)).transpose(0, 1, 3, 4, 2)
        flat: NDArray[np.float64] = blocks.reshape(*blocks.shape[:2], -1)
        flat = np.minimum(_unit(flat), CLIP)
        return _unit(flat).astype(np.float32).ravel()

    def components(self, size: Size | None, channels: int | None) -> list[str]:
        if size is None:
            raise ValueError("hog's length depends on the image's size, which is not fixed: put resize before it")
        across, down = self._cells(size)
        return [
            f"{block_y}.{block_x}.{cell_y}.{cell_x}.{orientation}"
            for block_y in range(down - self.block.height + 1)
            for block_x in range(across - self.block.width + 1)
            for cell_y in range(self.block.height)
            for cell_x in range(self.block.width)
            for orientation in range(self.orientations)
        ]

    def _cells(self, size: Size) -> tuple[int, int]:
        across, down = size.width // self.cell.width, size.height // self.cell.height
        if across < self.block.width or down < self.block.height:
            least = [self.block.width * self.cell.width, self.block.height * self.cell.height]
            raise ValueError(f"hog: an image of {list(size)} px holds no block of {least} px: make cell smaller")
        return across, down

    def _cell_of(self, across: int, down: int) -> NDArray[np.int32]:
        """Give the number of each pixel's cell, row by row."""
        rows = np.arange(down * self.cell.height, dtype=np.int32) // self.cell.height
        columns = np.arange(across * self.cell.width, dtype=np.int32) // self.cell.width
        return np.asarray(rows[:, None] * across + columns)

    def _bins(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Give the bin of each gradient by comparing it with the bins' edges: no arctan, so alike on every machine."""
        upper = np.where((y < 0) | ((y == 0) & (x < 0)), np.float32(-1), np.float32(1))
        x, y = x * upper, y * upper
        bins = np.zeros(x.shape, dtype=np.uint8)
        for edge in range(1, self.orientations):
            angle = math.pi * edge / self.orientations
            bins += y * np.float32(math.cos(angle)) >= x * np.float32(math.sin(angle))
        return bins


def _gradients(pixels: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Give x, y and magnitude of the steepest channel's gradients; 0 at the border. Integers stay exact."""
    exact = np.float64 if pixels.dtype == np.uint16 else np.float32  # holds the squares, so equal ones stay equal
    first, *others = [_differences(np.asarray(channel, dtype=exact)) for channel in cv2.split(pixels)]
    for other in others:
        steeper = cv2.compare(other[2], first[2], cv2.CMP_GT)
        for source, target in zip(other, first, strict=True):
            cv2.copyTo(source, steeper, target)
    x, y, square = first
    magnitude = np.sqrt(square) * (1 / value_range(pixels.dtype))
    return x.astype(np.float32), y.astype(np.float32), magnitude.astype(np.float32)


def _differences(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Give x, y and the squared magnitude of one channel's central differences."""
    x, y = np.zeros_like(values), np.zeros_like(values)
    np.subtract(values[:, 2:], values[:, :-2], out=x[:, 1:-1])
    np.subtract(values[2:], values[:-2], out=y[1:-1])
    return x, y, x * x + y * y


def _unit(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(blocks / np.sqrt((blocks * blocks).sum(axis=-1, keepdims=True) + EPSILON**2))
