"""Tan-Triggs: faces without their illumination."""

from __future__ import annotations

from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions, luma, with_channels
from tasks.operation import Filter, Range
from tasks.standardize.difference_of_gaussians import blurred

FLAT = 1e-6  # as a fraction of the range: nothing but rounding is left of a flat image


class TanTriggs(Filter):
    """Remove illumination: gamma, difference of Gaussians, contrast equalization.

    The gray image (Rec. 601) is raised to ``gamma`` (0.01 to 1), blurred by the two ``sigmas`` (0 to 100 px) and
    subtracted, divided by its mean absolute value to the power of ``alpha`` (0.01 to 1), once as it is and once cut at
    ``tau`` (0.1 to 100), and drawn into -tau..tau by a hyperbolic tangent. 0 is then the middle of the range, tau its
    end. The result has one channel; flat images become the middle. The border is mirrored. Every dtype is kept;
    negative float32 values count as 0. Boxes do not change.

    Source: Tan and Triggs 2010, "Enhanced local texture feature sets for face recognition"; ``bob.ip.base``.
    """

    gamma: Annotated[float, Field(ge=0.01, le=1)] = 0.2
    sigmas: Range = Range(1, 2)
    alpha: Annotated[float, Field(ge=0.01, le=1)] = 0.1
    tau: Annotated[float, Field(ge=0.1, le=100)] = 10.0

    @model_validator(mode="after")
    def _sensible(self) -> TanTriggs:
        if not 0 <= self.sigmas.low < self.sigmas.high <= 100:
            raise ValueError(f"expected sigmas with 0 <= low < high <= 100, got {list(self.sigmas)}")
        return self

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        values = with_channels(np.asarray(cv2.pow(np.maximum(fractions(luma(pixels)), 0), self.gamma)))
        details = blurred(values, self.sigmas.low) - blurred(values, self.sigmas.high)
        if np.abs(details).max() < FLAT:
            return from_fractions(np.full(details.shape, 0.5), pixels.dtype)
        details = details / np.float32(self._mean(np.abs(details)))
        details = details / np.float32(self._mean(np.minimum(np.abs(details), np.float32(self.tau))))
        return from_fractions(0.5 + 0.5 * np.tanh(details / np.float32(self.tau)), pixels.dtype)

    def fixed_channels(self, channels: int | None) -> int | None:
        return 1

    def _mean(self, values: NDArray[np.float32]) -> float:
        return float(cv2.mean(cv2.pow(values, self.alpha))[0] ** (1 / self.alpha))
