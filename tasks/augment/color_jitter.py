"""Color jitter: brightness, contrast, saturation and hue, in any order."""

from __future__ import annotations

from typing import Annotated, Any

from tasks.augment.colors import changed
from tasks.image.randomness import Generator
from tasks.image.sample import Pixels, Sample
from tasks.operation import Params, RandomFilter, Range, Ranged, within


class ColorJitter(Ranged, RandomFilter):
    """Change brightness, contrast, saturation and hue, in a drawn order.

    Each is a number, or [low, high] to draw from, and does what the operation of its name does: ``brightness`` (-1 to
    1) is added; ``contrast`` and ``saturation`` (-1 to 10) multiply by 1 + themselves, about the middle of the range
    and about each pixel's gray (Rec. 601); ``hue`` (-0.5 to 0.5) turns by that part of the colour circle. Of gray
    images only brightness and contrast change. Integers are clipped, float32 only where a hue turns. Every dtype is
    kept. Boxes do not change.

    Source: torchvision ``ColorJitter``, whose brightness multiplies, and whose contrast is about the image's mean.
    """

    brightness: Annotated[Range, within(-1, 1)] = Range(-0.2, 0.2)
    contrast: Annotated[Range, within(-1, 10)] = Range(-0.2, 0.2)
    saturation: Annotated[Range, within(-1, 10)] = Range(-0.2, 0.2)
    hue: Annotated[Range, within(-0.5, 0.5)] = Range(-0.05, 0.05)

    @property
    def is_random(self) -> bool:
        return True

    def draw(self, rng: Generator, sample: Sample) -> Params:
        drawn = super().draw(rng, sample)
        return {**drawn, "order": [list(drawn)[i] for i in rng.permutation(len(drawn))]}

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        return changed(pixels, [(name, params[name]) for name in params["order"]])
