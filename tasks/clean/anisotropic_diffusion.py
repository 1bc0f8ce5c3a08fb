"""Anisotropic diffusion: heat that edges hold back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions
from tasks.operation import Filter


class AnisotropicDiffusion(Filter):
    """Smooth by diffusion that edges hold back.

    In each of ``iterations`` (0 to 1000; 0 changes nothing), every pixel moves towards its four neighbours by
    ``step`` (at most 0.25, where it is still stable) times the difference d times a conductance, which falls with
    d. ``conductance``: ``exponential``, exp(-(d / kappa)^2), keeps sharp edges best; ``quadratic``, 1 / (1 + (d /
    kappa)^2), wide areas. ``kappa`` is a fraction of the range. Each channel diffuses by itself, nothing crosses
    the border, and the mean stays. Every dtype is kept. Boxes do not change.

    Source: Perona and Malik 1990.
    """

    iterations: Annotated[int, Field(ge=0, le=1000)] = 10
    kappa: Annotated[float, Field(gt=0, le=100)] = 0.1
    step: Annotated[float, Field(gt=0, le=0.25)] = 0.2
    conductance: Literal["exponential", "quadratic"] = "exponential"

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if self.iterations == 0:
            return pixels
        channels = [self._diffused(np.array(channel)) for channel in cv2.split(fractions(pixels))]
        return from_fractions(np.stack(channels, axis=2), pixels.dtype)

    def _diffused(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        for _ in range(self.iterations):
            down, right = self._flow(np.diff(values, axis=0)), self._flow(np.diff(values, axis=1))
            values[:-1] += down
            values[1:] -= down
            values[:, :-1] += right
            values[:, 1:] -= right
        return values

    def _flow(self, difference: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give what flows from each pixel's neighbour to it, for the neighbour minus it."""
        squares = np.square(difference / np.float32(self.kappa))
        if self.conductance == "quadratic":
            return np.asarray(np.float32(self.step) * difference / (1 + squares))
        return np.asarray(np.float32(self.step) * difference * np.exp(-squares))
