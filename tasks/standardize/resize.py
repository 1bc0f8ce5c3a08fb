"""Resize: every image to one size, or to one side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from tasks.image.geometry import Matrix, Move, Size, scaling, translation
from tasks.operation import Fraction, Geometric, SquareSize

LETTERBOX = 114 / 255  # Ultralytics' gray


class Resize(Geometric):
    """Resize to a size, or to one side.

    ``size`` is [width, height] in pixels; a number is a square. ``fit`` says what becomes of another aspect ratio:
    ``stretch`` distorts it; ``pad`` scales to fit inside and fills the rest with ``fill``; ``crop`` scales to cover
    and cuts the rest; ``shortest`` and ``longest`` (one number) give that side its length and keep the ratio.
    ``position`` places the image that is padded, or the window that is cut: a centred pad has
    round(d / 2 - 0.1) pixels on the left, a centred cut takes floor(d / 2) from it.

    ``interpolation: auto`` averages areas along sides that shrink and is linear along those that grow. ``antialias``
    smooths before linear, cubic and lanczos shrink, as scikit-image does; nearest and area never need it.
    ``fill`` is a fraction of the value range, 114/255 for ``pad``. Every dtype is kept. Boxes move with the pixels.

    Source: scikit-image ``transform.resize``, torchvision ``Resize``; ``pad`` is Ultralytics' ``LetterBox``.
    """

    example: ClassVar[Mapping[str, Any]] = {"size": [640, 640]}

    size: SquareSize
    fit: Literal["stretch", "pad", "crop", "shortest", "longest"] = "stretch"
    interpolation: Literal["auto", "nearest", "linear", "cubic", "area", "lanczos"] = "auto"
    antialias: bool = True
    fill: Fraction | None = None
    position: Literal["center", "top_left", "top_right", "bottom_left", "bottom_right"] = "center"

    @model_validator(mode="after")
    def _one_side(self) -> Resize:
        if self.fit in ("shortest", "longest") and self.size.width != self.size.height:
            raise ValueError(f"fit: {self.fit} takes one number, the {self.fit} side, got {list(self.size)}")
        return self

    def canvas(self, size: Size, **params: Any) -> Size:
        return self._scaled(size) if self.fit in ("shortest", "longest") else self.size

    def fixed_size(self, size: Size | None) -> Size | None:
        if self.fit in ("shortest", "longest"):
            return None if size is None else self._scaled(size)
        return self.size

    def matrix(self, size: Size, **params: Any) -> Matrix:
        scaled = self._scaled(size)
        left = top = 0
        if self.fit in ("pad", "crop"):
            left = self._offset(self.size.width - scaled.width, "left")
            top = self._offset(self.size.height - scaled.height, "top")
        return translation(left, top) @ scaling(scaled.width / size.width, scaled.height / size.height)

    def move(self, size: Size, **params: Any) -> Move:
        fill = LETTERBOX if self.fill is None and self.fit == "pad" else self.fill
        return Move(self.matrix(size), self.canvas(size), fill, self.interpolation, antialias=self.antialias)

    def _scaled(self, size: Size) -> Size:
        """Give the size of the whole image after scaling, in whole pixels."""
        across, down = self.size.width / size.width, self.size.height / size.height
        if self.fit == "stretch":
            return self.size
        scale = min(across, down) if self.fit in ("pad", "longest") else max(across, down)
        return Size(max(1, round(size.width * scale)), max(1, round(size.height * scale)))

    def _offset(self, room: int, start: str) -> int:
        if self.position == "center":
            return round(room / 2 - 0.1) if room > 0 else -(-room // 2)
        return 0 if start in self.position else room
