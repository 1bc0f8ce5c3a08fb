"""Channel shuffle: red, green and blue change places."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from tasks.image.randomness import Generator
from tasks.image.sample import Pixels, Sample
from tasks.operation import Params, Probability, RandomFilter


class ChannelShuffle(RandomFilter):
    """Put the channels into another order.

    Happens with probability ``p`` (0.5); the order is then drawn, all six alike, the old one among them. Gray
    images stay as they are. Values of every dtype are copied. Boxes do not change.

    Source: Albumentations ``ChannelShuffle``, torchvision ``RandomChannelPermutation``.
    """

    p: Probability = 0.5

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {"order": [int(i) for i in rng.permutation(3)]}

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if pixels.shape[2] == 1:
            return pixels
        channels = cv2.split(pixels)
        return np.asarray(cv2.merge([channels[i] for i in params["order"]]))
