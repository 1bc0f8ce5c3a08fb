"""Match histogram: every image with the tones of one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions, luma
from tasks.operation import File, Filter
from tasks.standardize.reference import reference

Quantiles = tuple[NDArray[np.float64], NDArray[np.float64]]  # the shares of pixels up to each value, the values


class MatchHistogram(Filter):
    """Give the image the histogram of a reference image.

    ``reference`` is the path of an image file that OpenCV reads, relative to the pipeline file; its content, not
    its path, decides whether rows are made again. Each channel is matched for itself, by fractions of the range, so
    depths may differ; a gray image is matched to the luma (Rec. 601) of a colour reference, each channel of a colour
    image to a gray one. Every dtype is kept. Boxes do not change.

    Source: scikit-image ``exposure.match_histograms`` (which truncates integers; here they are rounded).
    """

    example: ClassVar[Mapping[str, Any]] = {"reference": "data/sample/quickstart/photos/coffee.jpg"}

    reference: File

    @field_validator("reference")
    @classmethod
    def _readable(cls, path: str) -> str:
        _reference(path)
        return path

    def canonical(self) -> dict[str, Any]:
        return {**super().canonical(), "parameters": {"reference": _reference(self.reference)[0]}}

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        wanted = _reference(self.reference)[1]
        if pixels.shape[2] == 1 or len(wanted) == 1:
            wanted = wanted[:1] * pixels.shape[2]
        else:
            wanted = wanted[1:]
        channels = (pixels[:, :, channel] for channel in range(pixels.shape[2]))
        return np.stack([_matched(one, *to) for one, to in zip(channels, wanted, strict=True)], axis=2)


def _matched(channel: NDArray[Any], shares: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[Any]:
    if channel.dtype.kind == "u":
        below = np.cumsum(np.bincount(channel.ravel(), minlength=np.iinfo(channel.dtype).max + 1)) / channel.size
        return np.asarray(from_fractions(np.interp(below, shares, values), channel.dtype)[channel])
    _, which, counts = np.unique(channel, return_inverse=True, return_counts=True)
    matched = np.interp(np.cumsum(counts) / channel.size, shares, values)
    return np.asarray(matched.astype(channel.dtype)[which.reshape(channel.shape)])


@lru_cache(maxsize=8)
def _reference(path: str) -> tuple[str, tuple[Quantiles, ...]]:
    """Give the file's SHA-256 and the quantiles of its luma and then, in colour, of its channels."""
    sha256, pixels = reference(path)
    gray = [luma(np.ascontiguousarray(pixels))]
    channels = gray + [pixels[:, :, channel] for channel in range(pixels.shape[2])] * (pixels.shape[2] == 3)
    return sha256, tuple(_quantiles(one) for one in channels)


def _quantiles(channel: NDArray[Any]) -> Quantiles:
    values, counts = np.unique(fractions(channel), return_counts=True)
    return np.cumsum(counts) / channel.size, values.astype(np.float64)
