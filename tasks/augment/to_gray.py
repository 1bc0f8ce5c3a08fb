"""To gray: colours by chance without colour."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from tasks.image.randomness import Generator
from tasks.image.sample import Pixels, Sample
from tasks.image.values import REC601
from tasks.operation import Params, Probability, RandomFilter


class ToGray(RandomFilter):
    """Take the colour out, and keep three channels.

    Happens with probability ``p`` (0.5): all channels become the gray of Rec. 601. Gray images stay as they are. Every
    dtype is kept and rounded. Boxes do not change. ``grayscale`` gives one channel instead.

    Source: torchvision ``RandomGrayscale`` (whose p is 0.1), Albumentations ``ToGray``.
    """

    p: Probability = 0.5

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {}

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if pixels.shape[2] == 1:
            return pixels
        return np.asarray(cv2.transform(pixels, np.array([REC601] * 3, dtype=np.float32)))
