"""Pad to multiple: sides that a network can halve."""

from __future__ import annotations

from typing import Any

from tasks.image.geometry import Size
from tasks.operation import SquareSize
from tasks.standardize.placed import Placed


class PadToMultiple(Placed):
    """Pad until both sides are multiples of a number.

    ``multiple`` is that number in pixels, or one for [width, height]; 32 suits networks that halve five times.
    ``position`` places the image; in the center round(d / 2 - 0.1) pixels come first. ``border``: ``constant`` fills
    with ``fill``, a fraction of the value range; ``reflect`` mirrors without repeating the edge; ``replicate`` repeats
    the edge. Pixels of every dtype are copied, never resampled; boxes move with them.

    Source: MONAI ``DivisiblePad``, Albumentations ``PadIfNeeded`` (``pad_height_divisor``).
    """

    multiple: SquareSize = Size(32, 32)

    def canvas(self, size: Size, **params: Any) -> Size:
        across, down = self.multiple
        return Size(-(-size.width // across) * across, -(-size.height // down) * down)
