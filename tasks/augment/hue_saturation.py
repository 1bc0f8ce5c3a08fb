"""Hue and saturation: other colours, stronger or weaker."""

from __future__ import annotations

from typing import Annotated, Any

from tasks.augment.colors import turned
from tasks.image.sample import Pixels
from tasks.operation import RandomFilter, Range, Ranged, within


class HueSaturation(Ranged, RandomFilter):
    """Turn the hue and change saturation and value (HSV).

    ``hue`` (-0.5 to 0.5) is a part of the colour circle; ``saturation`` and ``value`` (-1 to 10) multiply by 1 +
    themselves, so that gray stays gray (Albumentations adds, and tints it). Each is a number, or [low, high] to draw
    from. Gray images stay as they are. Every dtype is kept; float32 is clipped to 0..1. Boxes do not change.

    Source: Albumentations ``HueSaturationValue``, imgaug ``MultiplyHueAndSaturation``; Smith 1978, "Color gamut
    transform pairs".
    """

    hue: Annotated[Range, within(-0.5, 0.5)] = Range(-0.05, 0.05)
    saturation: Annotated[Range, within(-1, 10)] = Range(-0.3, 0.3)
    value: Annotated[Range, within(-1, 10)] = Range(-0.1, 0.1)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if pixels.shape[2] == 1 or not any(params.values()):
            return pixels
        return turned(pixels, params["hue"], 1 + params["saturation"], 1 + params["value"])
