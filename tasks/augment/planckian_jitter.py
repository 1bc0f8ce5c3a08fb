"""Planckian jitter: the light of another temperature."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.operation import RandomPointwise, Range, Ranged, within

NEUTRAL = 6500.0  # kelvin
# From CIE XYZ to linear sRGB, IEC 61966-2-1.
SRGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])


class PlanckianJitter(Ranged, RandomPointwise):
    """Change the colour of the light, from candle to blue sky.

    Red, green and blue are multiplied, in linear light, by what a black body of ``kelvin`` (2000 to 25000; a number, or
    [low, high] to draw from) has more or less of them than one of 6500 K; green stays. On the stored sRGB values this
    is the factor's power of 1/2.4. Gray images stay as they are. Integers are clipped to their range, float32 is not.
    Boxes do not change.

    Source: Zini et al. 2022, "Planckian jitter: countering the color-crippling effects of color jitter"; the locus is
    that of Kim et al. 2002 (US patent 7024034), IEC 61966-2-1 makes sRGB of it.
    """

    shorthand: ClassVar[str | None] = "kelvin"

    kelvin: Annotated[Range, within(2000, 25_000)] = Range(3000, 15_000)

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        if values.shape[-1] == 1:
            return values
        return np.asarray(values * (light(params["kelvin"]) / light(NEUTRAL)) ** (1 / 2.4))


def light(kelvin: float) -> NDArray[np.float64]:
    """Give a black body's red and blue in linear sRGB against its green."""
    x, y = chromaticity(kelvin)
    rgb = np.maximum(SRGB @ np.array([x / y, 1.0, (1 - x - y) / y]), 1e-3)
    return np.asarray(rgb / rgb[1])


def chromaticity(kelvin: float) -> tuple[float, float]:
    """Give CIE 1931 x and y of a black body of 1667 to 25000 K."""
    t = 1000 / kelvin
    if kelvin <= 4000:
        x = -0.2661239 * t**3 - 0.2343589 * t**2 + 0.8776956 * t + 0.179910
    else:
        x = -3.0258469 * t**3 + 2.1070379 * t**2 + 0.2226347 * t + 0.240390
    if kelvin <= 2222:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif kelvin <= 4000:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    return x, y
