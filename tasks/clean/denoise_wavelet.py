"""Denoise wavelet: small wavelet coefficients are noise."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from tasks.clean.noise import noise_of
from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions
from tasks.operation import Filter

HAAR = 2  # px: what is narrower has no coefficients
METHODS = {"bayes": "BayesShrink", "visu": "VisuShrink"}


class DenoiseWavelet(Filter):
    """Remove noise by shrinking wavelet coefficients.

    ``method``: ``bayes`` has a threshold for each band, ``visu`` one for all, which smooths more. ``mode``:
    ``soft`` takes the threshold from every coefficient, ``hard`` only sets those below it to zero. ``sigma`` is the
    noise's standard deviation as a fraction of the range, or ``estimated`` from each channel; 0 changes nothing.
    Wavelet: Daubechies 1, so an image of one row or column stays as it is; each channel by itself. Every dtype is
    kept. Boxes do not change.

    Source: Chang et al. 2000 (bayes), Donoho and Johnstone 1994 (visu); scikit-image
    ``restoration.denoise_wavelet``.
    """

    uses: ClassVar[tuple[str, ...]] = ("numpy", "opencv-python-headless", "scikit-image", "PyWavelets")

    method: Literal["bayes", "visu"] = "bayes"
    mode: Literal["soft", "hard"] = "soft"
    sigma: Annotated[float, Field(ge=0, le=1)] | Literal["estimated"] = "estimated"

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if min(pixels.shape[:2]) < HAAR:
            return pixels
        values = fractions(pixels)
        noise = noise_of(values) if self.sigma == "estimated" else [self.sigma] * pixels.shape[2]
        shrunk = [self._shrunk(values[:, :, c], sigma) if sigma else values[:, :, c] for c, sigma in enumerate(noise)]
        return from_fractions(np.stack(shrunk, axis=-1), pixels.dtype)

    def _shrunk(self, channel: Pixels, sigma: float) -> Pixels:
        from skimage.restoration import denoise_wavelet

        return np.asarray(denoise_wavelet(channel, sigma, mode=self.mode, method=METHODS[self.method]))
