"""Normalize: values in the range, or with the statistics, that a model expects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from tasks.errors import ImagemillError, Rejected
from tasks.fitted import FITTED, Fitted, parts
from tasks.image import levels, moments
from tasks.image.render import value_range
from tasks.image.sample import Curve, Pixels, Sample
from tasks.operation import File, Pointwise, Range
from tasks.standardize.percentiles import Per, Percentiles, percentiles
from tasks.standardize.statistics import Landmarks, Limits, Statistics, Values

KNOWN = {
    "imagenet": Statistics(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "clip": Statistics(mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711)),
}
FLAT = 1e-8  # a spread below this divides by one instead: a flat image becomes zeros
NAMES = ("imagenet", "clip", "image")  # statistics that are no collection's
FIT: dict[str, type[BaseModel]] = {  # what each method's statistics are
    "mean_std": Statistics,
    "percentile": Limits,
    "histogram": Landmarks,
}
INNER = (10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90)  # percentiles that are landmarks, between the two that are set


class Normalize(Fitted, Pointwise):
    """Normalize values and give float32.

    ``method``: ``unit`` gives fractions of the range, 0 to 1. ``mean_std`` subtracts a mean and divides by a standard
    deviation: those named by ``statistics`` (``imagenet``, ``clip``, the ``image``'s own, or ``{mean: [...], std:
    [...]}`` as fractions of the range, one value a channel or one for all). ``zscore`` is ``mean_std`` with the image's
    own. ``minmax`` takes the image's least value to 0 and its greatest to 1; ``percentile`` does so with its
    ``percentiles`` (0 to 100) and clips. ``histogram`` takes the image's percentiles (those two, and the deciles and
    quartiles between) to the landmarks that they have on average in the collection, and what lies between in
    proportion. What is the image's own is measured ``per: image``, or for each ``channel``; a flat image becomes zeros.

    ``statistics: fitted`` measures the collection: ``mean_std`` over all pixels, ``percentile`` likewise (``{low:
    [...], high: [...]}``; exact for integers, within 1/8192 of the value for float32), ``histogram`` the mean landmarks
    of its images (``{landmarks: [[...]]}``). It is fitted on the kept images of the split ``train``, for each channel
    unless ``per: image`` is set; augmented copies do not count. Later runs keep what was fitted, until ``--refit``. The
    path of a dataset takes what was fitted there. Left out, ``percentile`` takes the image's own, ``histogram`` fits.

    An image with another number of channels than the statistics is rejected (``wrong_channels``). Every dtype is taken.
    Boxes do not change.

    Source: torchvision ``Normalize``, MONAI ``NormalizeIntensity`` and ``ScaleIntensityRangePercentiles``, nnU-Net's
    percentiles; Nyul, Udupa and Zhang 2000, "New variants of a method of MRI scale standardization", as in TorchIO's
    ``HistogramStandardization``.
    """

    method: Literal["unit", "mean_std", "minmax", "percentile", "zscore", "histogram"] = "mean_std"
    statistics: Annotated[
        Literal["imagenet", "clip", "image", "fitted"] | Values | File, Field(union_mode="left_to_right")
    ] = "imagenet"
    per: Per = "image"
    percentiles: Percentiles = Range(0.5, 99.5)

    @model_validator(mode="before")
    @classmethod
    def _of_a_collection(cls, given: Any) -> Any:
        """Fill in what a collection's statistics are where that is left out: fitted, and a channel's own."""
        if not isinstance(given, Mapping):
            return given
        said = given.get("statistics")
        if said is None and given.get("method") == "histogram":
            said = FITTED
        collected = isinstance(said, str) and said not in NAMES
        return {**given, "statistics": said, "per": given.get("per", "channel")} if collected else given

    @model_validator(mode="after")
    def _sensible(self) -> Normalize:
        if self.method not in (*FIT, "zscore") and "statistics" in self.model_fields_set:
            raise ValueError(f"statistics belong to method: {', '.join(FIT)}, not to {self.method}")
        if self.method == "zscore" and self.fit_from is not None:
            raise ValueError("zscore is each image's own: use method: mean_std for a collection's")
        if isinstance(self.statistics, (Statistics, Limits, Landmarks)):
            self._refuse_other(self.statistics)
        elif self.method in ("percentile", "histogram") and self.statistics in ("imagenet", "clip"):
            if "statistics" in self.model_fields_set:
                raise ValueError(f"{self.statistics} has a mean and a deviation: use method: mean_std")
        elif self.method == "histogram" and self.statistics == "image":
            raise ValueError("a histogram is normalized to a collection's: use statistics: fitted")
        return self

    def _refuse_other(self, values: Statistics | Limits | Landmarks) -> None:
        wanted = FIT.get(self.method, Statistics)
        if not isinstance(values, wanted):
            names = " and ".join(wanted.model_fields)
            raise ValueError(f"method: {self.method} takes {names}, got {' and '.join(type(values).model_fields)}")
        if isinstance(values, Landmarks) and len(values.landmarks[0]) != len(self._shares):
            raise ValueError(f"these percentiles have {len(self._shares)} landmarks, got {len(values.landmarks[0])}")

    def gives(self, dtype: str) -> str:
        return "float32"

    @property
    def measured(self) -> bool:
        if self.method == "mean_std":
            return self.statistics == "image"
        if self.method == "percentile":
            return not self._collected
        return self.method != "unit"

    @property
    def _collected(self) -> bool:
        """Whether the statistics are a collection's, fitted or given."""
        return not isinstance(self.statistics, str) or self.statistics not in NAMES

    @property
    def _shares(self) -> tuple[float, ...]:
        """The percentiles that are landmarks."""
        low, high = self.percentiles
        return (low, *(share for share in INNER if low < share < high), high)

    def apply(self, sample: Sample, **params: Any) -> Sample:
        if self.method == "histogram":
            sample = sample.settled()
            own = tuple(zip(*percentiles(sample.picture(), self._shares, self.per), strict=True))
            wanted = self._values(sample.channels)
            assert isinstance(wanted, Landmarks)
            return sample.curved(Curve(self, (("own", own), ("wanted", wanted.landmarks)), "float32"))
        if self.measured:
            sample = sample.settled()
            low, spread = self._measure(sample.picture())
        else:
            low, spread = self._given(sample.channels)
        return sample.curved(Curve(self, (("low", low), ("spread", spread)), "float32"))

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        """Give (value - low) / spread, for tuples with a number for each channel, or one for all; or by landmarks."""
        if self.method == "histogram":
            return _between(values, params["own"], params["wanted"])
        moved: NDArray[np.float64] = (values - np.array(params["low"])) / np.array(params["spread"])
        return np.clip(moved, 0.0, 1.0) if self.method == "percentile" else moved

    def _given(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        if self.method == "unit":
            return (0.0,), (1.0,)
        given = self._values(channels)
        if isinstance(given, Limits):
            return given.low, tuple(high - low for low, high in zip(given.low, given.high, strict=True))
        assert isinstance(given, Statistics)
        return given.mean, given.std

    def _values(self, channels: int) -> Statistics | Limits | Landmarks:
        """Give the statistics for an image of so many channels."""
        if self.fit_from is not None:
            raise ImagemillError(f"normalize: its statistics ({self.statistics}) are filled in by a run: run it first")
        given = KNOWN[self.statistics] if isinstance(self.statistics, str) else self.statistics
        if given.channels not in (1, channels):
            message = (
                f"statistics of {given.channels} channels for an image of {channels}: put "
                f"`convert_color: {{space: {'rgb' if channels == 1 else 'gray'}}}` before normalize"
            )
            raise Rejected("wrong_channels", message, step=self.name())
        return given

    def _measure(self, pixels: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
        values = self._columns(pixels) / np.float64(value_range(pixels.dtype))
        if self.method == "minmax":
            low, spread = values.min(axis=0), np.ptp(values, axis=0)
        elif self.method == "percentile":
            low, high = np.percentile(values, self.percentiles, axis=0)
            spread = high - low
        else:
            low, spread = values.mean(axis=0), values.std(axis=0)
        spread = np.where(spread < FLAT, 1.0, spread)
        return tuple(low.tolist()), tuple(spread.tolist())

    def _columns(self, pixels: Pixels) -> Pixels:
        """Give the values as columns: one a channel, or one of all."""
        return pixels.reshape(-1, pixels.shape[2] if self.per == "channel" else 1)

    @property
    def fit_from(self) -> str | None:
        return self.statistics if isinstance(self.statistics, str) and self._collected else None

    def accumulators(self) -> Mapping[str, pa.DataType]:
        return {{"mean_std": "moments", "percentile": "levels"}.get(self.method, "landmarks"): pa.binary()}

    def accumulate(self, sample: Sample) -> Mapping[str, Any]:
        pixels = sample.picture()
        if self.method == "mean_std":
            return {"moments": moments.moments(self._columns(pixels))}
        if self.method == "percentile":
            return {"levels": levels.levels(self._columns(pixels))}
        own = np.array(percentiles(pixels, self._shares, self.per)).T
        return {"landmarks": np.ascontiguousarray(own).tobytes()}

    def fit(self, tables: Iterable[pa.Table]) -> dict[str, Any]:
        images = parts(tables)
        if self.method == "mean_std":
            means, deviations = moments.merged(images)
            return {"mean": means, "std": [1.0 if std < FLAT else std for std in deviations]}
        if self.method == "percentile":
            found = levels.merged(images)
            low, high = ([levels.percentile(one, share) for one in found] for share in self.percentiles)
            return {"low": low, "high": [b if b - a > FLAT else a + 1.0 for a, b in zip(low, high, strict=True)]}
        return {"landmarks": _mean_landmarks(images, len(self._shares))}

    def with_fit(self, values: Mapping[str, Any]) -> Self:
        return type(self).model_validate(
            {"method": self.method, "statistics": dict(values), "per": self.per, "percentiles": self.percentiles}
        )

    def refuse(self, channels: int | None) -> None:
        values = self.statistics
        if self.fit_from == FITTED and self.per == "channel" and channels is None:
            raise ValueError(
                "statistics for each channel need a known number of them: put grayscale or `convert_color: {space: "
                "rgb}` before normalize, or set `per: image`"
            )
        if not isinstance(values, str) and channels is not None and values.channels not in (1, channels):
            raise ValueError(f"the statistics are of {values.channels} channels, the images have {channels}")


def _between(values: NDArray[np.float64], own: Any, wanted: Any) -> NDArray[np.float64]:
    """Take values from a channel's own landmarks to the wanted ones, in proportion between and beyond them."""
    made = np.zeros_like(values)
    for channel in range(values.shape[-1]):
        places, targets = (np.array(of[channel % len(of)]) for of in (own, wanted))
        if places[-1] - places[0] < FLAT:
            continue
        spans = np.diff(places)
        slopes = np.where(spans < FLAT, 0.0, np.diff(targets) / np.where(spans < FLAT, 1.0, spans))
        at = np.clip(np.searchsorted(places, values[..., channel], "right") - 1, 0, len(spans) - 1)
        made[..., channel] = targets[at] + slopes[at] * (values[..., channel] - places[at])
    return made


def _mean_landmarks(images: Iterable[bytes], count: int) -> list[list[float]]:
    """Give each channel's landmarks, averaged over the images, each image's first at 0 and last at 1."""
    landmarks = np.array([np.frombuffer(image, dtype=np.float64).reshape(-1, count) for image in images])
    found = []
    for channel in range(landmarks.shape[1]):
        own = landmarks[:, channel]
        own = own[own[:, -1] - own[:, 0] >= FLAT]
        if not len(own):
            raise ValueError("all images are flat: there is no histogram to fit")
        scaled = (own - own[:, :1]) / (own[:, -1:] - own[:, :1])
        found.append([math.fsum(column) / len(own) for column in scaled.T])
    return found
