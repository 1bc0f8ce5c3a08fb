"""Square: every image with equal sides."""

from __future__ import annotations

from typing import Any, Literal

from tasks.image.geometry import Size
from tasks.standardize.placed import Placed


class Square(Placed):
    """Make the image a square without resampling.

    ``fit: pad`` adds to the short side, ``crop`` cuts from the long one. ``position`` is the place of the image, or
    the part that is kept; in the center round(d / 2 - 0.1) pixels of padding come first, floor(d / 2) of a cut.
    ``border``: ``constant`` fills with ``fill``, a fraction of the value range; ``reflect`` mirrors without repeating
    the edge; ``replicate`` repeats the edge. Pixels of every dtype are copied, never resampled; boxes are clipped.

    Source: fastai ``Resize`` (its square pad and crop), Hugging Face LLaVA's ``expand2square``.
    """

    fit: Literal["pad", "crop"] = "pad"

    def canvas(self, size: Size, **params: Any) -> Size:
        side = max(size) if self.fit == "pad" else min(size)
        return Size(side, side)
