"""Ten crop: the corners and the center, and mirrored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from tasks.augment.crops import Crops
from tasks.image.geometry import Matrix, matrix


class TenCrop(Crops):
    """Cut out the four corners and the center, of the image and of its mirror image, each as a row of its own.

    ``size`` is [width, height] in pixels; a number is a square. The rows are numbered top left, top right, bottom left,
    bottom right, center, then the same of the image mirrored (``flip``: horizontal or vertical), and replace the whole
    image. A side that is too short is padded with ``fill``, a fraction of the value range. Pixels of every dtype are
    copied, never resampled; boxes are mirrored, and clipped to each.

    Source: torchvision ``TenCrop``; Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural
    networks".
    """

    example: ClassVar[Mapping[str, Any]] = {"size": [224, 224]}

    flip: Literal["horizontal", "vertical"] = "horizontal"

    def flips(self) -> tuple[tuple[str, Matrix | None], ...]:
        across = self.flip == "horizontal"
        mirror = matrix([[-1.0, 0.0, 1.0], [0.0, 1.0, 0.0]] if across else [[1.0, 0.0, 0.0], [0.0, -1.0, 1.0]])
        return (("none", None), (self.flip, mirror))
