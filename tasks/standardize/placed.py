"""Placed: pixels laid on a canvas of another size, copied, never resampled."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal

from tasks.image.geometry import Matrix, Size, translation
from tasks.operation import Fraction, Geometric

Position = Literal["center", "top_left", "top_right", "bottom_left", "bottom_right"]
Border = Literal["constant", "reflect", "replicate"]


def offset(room: int, position: Position, start: Literal["left", "top"]) -> int:
    """Give where pixels begin on an axis with ``room`` to spare, below zero where that many are cut off.

    In the center round(d / 2 - 0.1) pixels of padding come first, as Ultralytics' ``LetterBox`` has it; of a cut
    floor(d / 2).
    """
    if position == "center":
        return round(room / 2 - 0.1) if room > 0 else -(-room // 2)
    return 0 if start in position else room


class Placed(Geometric):
    """Lays the image on a canvas: what is left is filled or bordered, what is too much is cut off."""

    exact: ClassVar[bool] = True

    position: Position = "center"
    border: Border = "constant"
    fill: Fraction | None = None

    @abstractmethod
    def canvas(self, size: Size, **params: Any) -> Size:
        """Give the size of the canvas for an image of ``size``."""

    def matrix(self, size: Size, **params: Any) -> Matrix:
        width, height = self.canvas(size)
        left = offset(width - size.width, self.position, "left")
        return translation(left, offset(height - size.height, self.position, "top"))
