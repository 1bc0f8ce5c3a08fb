"""Five crop: the corners and the center."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tasks.augment.crops import Crops
from tasks.image.geometry import Matrix


class FiveCrop(Crops):
    """Cut out the four corners and the center, each as a row of its own.

    ``size`` is [width, height] in pixels; a number is a square. The rows are numbered top left, top right, bottom left,
    bottom right, center, and replace the whole image. A side that is too short is padded with ``fill``, a fraction of
    the value range. Pixels of every dtype are copied, never resampled; boxes are clipped to each.

    Source: torchvision ``FiveCrop``; Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural
    networks".
    """

    example: ClassVar[Mapping[str, Any]] = {"size": [224, 224]}

    def flips(self) -> tuple[tuple[str, Matrix | None], ...]:
        return (("none", None),)
