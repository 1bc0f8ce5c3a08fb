"""Gray: gray images among colour ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from tasks.errors import Rejected
from tasks.image.sample import Pixels
from tasks.operation import Check


class Gray(Check):
    """Reject gray images among colour ones.

    The score is 0 for gray and 1 for colour. ``by: mode`` calls gray what is decoded to one channel (CleanVision);
    ``by: content`` also what is stored in colour with three equal channels. A gray image is rejected (``gray``).
    Any dtype.

    Source: CleanVision 0.3.7, issue ``grayscale``.
    """

    by: Literal["mode", "content"] = "mode"

    def measure(self, pixels: Pixels) -> dict[str, float]:
        gray = pixels.shape[2] == 1 or (self.by == "content" and bool(np.all(pixels == pixels[:, :, :1])))
        return {"": 0.0 if gray else 1.0}

    def measures(self) -> tuple[str, ...]:
        return ("",)

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        if measures[""] > 0:
            return None
        message = "the image is gray" if self.by == "mode" else "the image is gray: its channels are equal"
        return Rejected("gray", message, step=self.name(), measure=measures[""], limit=0.0)
