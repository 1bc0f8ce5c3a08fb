"""Photometric distort: the colours that detectors are trained on."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from tasks.augment.colors import changed
from tasks.image.randomness import Generator
from tasks.image.sample import Pixels, Sample
from tasks.operation import Params, Probability, RandomFilter, Range, Ranged, within


class PhotometricDistort(Ranged, RandomFilter):
    """Change brightness, contrast, saturation, hue and the order of channels, each by chance.

    ``brightness`` (-1 to 1) is added; ``contrast`` and ``saturation`` (-1 to 10) multiply by 1 + themselves, about the
    middle of the range and about each pixel's gray; ``hue`` (-0.5 to 0.5) is a part of the colour circle. Each is a
    number, or [low, high] to draw from, and happens with probability ``chance`` (0.5); so does a shuffling of the
    channels at the end. Contrast comes before saturation and hue or, as often, after them. Of gray images only
    brightness and contrast change. Integers are clipped, float32 only where a hue turns. Every dtype is kept. Boxes do
    not change.

    Source: torchvision ``RandomPhotometricDistort`` (whose brightness multiplies); Liu et al. 2016, "SSD: single shot
    multibox detector".
    """

    brightness: Annotated[Range, within(-1, 1)] = Range(-0.125, 0.125)
    contrast: Annotated[Range, within(-1, 10)] = Range(-0.5, 0.5)
    saturation: Annotated[Range, within(-1, 10)] = Range(-0.5, 0.5)
    hue: Annotated[Range, within(-0.5, 0.5)] = Range(-0.05, 0.05)
    chance: Probability = 0.5

    @property
    def is_random(self) -> bool:
        return True

    def draw(self, rng: Generator, sample: Sample) -> Params:
        drawn = super().draw(rng, sample)
        late = bool(rng.random() < 0.5)
        order = ["brightness", "saturation", "hue", "contrast"] if late else list(drawn)
        changes = [[name, drawn[name]] for name in order if rng.random() < self.chance]
        shuffled = rng.random() < self.chance
        return {"changes": changes, "channels": rng.permutation(3).tolist() if shuffled else [0, 1, 2]}

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        made = changed(pixels, [(name, amount) for name, amount in params["changes"]])
        if made.shape[2] == 1 or params["channels"] == [0, 1, 2]:
            return made
        return np.ascontiguousarray(made[:, :, params["channels"]])
