"""Macenko: histology with the stains of one image, or of the collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, Self

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.errors import Rejected
from tasks.fitted import Fitted, parts
from tasks.image.render import value_range
from tasks.image.sample import Pixels, Sample
from tasks.image.values import from_fractions
from tasks.operation import File, Filter, Fraction
from tasks.standardize.reference import fit_from, of_target, with_content

LIGHT = 240 / 255  # what shines through where there is no tissue
LEAST = 16  # pixels of tissue that two stains can be told from
EXTREME = 99  # percentile that stands for a stain's greatest concentration
FAINT = 1e-6  # a stain with less than this at its greatest is none

Three = tuple[float, float, float]


class Stains(BaseModel):
    """The optical densities of red, green and blue of two stains, and the greatest concentration of each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stains: tuple[Three, Three]
    greatest: tuple[float, float]


# Those of the method's published code: haematoxylin, then eosin.
PUBLISHED = Stains(stains=((0.5626, 0.7201, 0.4062), (0.2159, 0.8012, 0.5581)), greatest=(1.9705, 1.0308))


class Macenko(Fitted, Filter):
    """Give histology images of two stains, such as haematoxylin and eosin, the stains of a target.

    Each image's stains are the extremes (``alpha`` and 100 - ``alpha`` percentiles) of the directions of its pixels'
    optical densities in their plane; pixels with a density below ``beta`` in any channel are not tissue. ``target``
    gives the stains and their greatest concentrations (99th percentile): ``published``, the path of an image file
    (relative to the pipeline file; its content decides whether rows are made again), ``fitted`` (their means over the
    kept images of the split ``train``, pinned until ``--refit``), the folder of a dataset whose fit is taken, or
    ``{stains: [[...], [...]], greatest: [...]}``. An image with fewer than 16 pixels of tissue stays as it is. Every
    dtype is kept; results are clipped to 0..1. Gray images are rejected (``wrong_channels``). Boxes do not change.

    Source: Macenko et al. 2009, "A method for normalizing histology slides for quantitative analysis", with the
    constants of its published code; means over images as in Ivanov et al. 2024, "Multi-target stain normalization for
    histology slides".
    """

    target: Annotated[Literal["published", "fitted"] | Stains | File, Field(union_mode="left_to_right")] = "published"
    alpha: Annotated[float, Field(ge=0, lt=50)] = 1.0
    beta: Fraction = 0.15

    example: ClassVar[Mapping[str, Any]] = {"target": "published"}

    @model_validator(mode="after")
    def _usable(self) -> Macenko:
        if self.fit_from is None:
            self._wanted()
        return self

    def canonical(self) -> dict[str, Any]:
        whole = super().canonical()
        return whole if self.target == "published" else with_content(whole, "target", self.target)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        wanted = self._wanted()
        found = _stains(_densities(pixels, self.name()), self.alpha, self.beta)
        if found is None:
            return pixels
        own, concentrations = found
        scale = np.diag(np.array(wanted.greatest) / np.array(own.greatest))
        mixed = cv2.transform(concentrations, np.array(wanted.stains).T @ scale)
        return from_fractions(np.clip(LIGHT * np.exp(-np.asarray(mixed)), 0.0, 1.0), pixels.dtype)

    def _wanted(self) -> Stains:
        if isinstance(self.target, Stains):
            return self.target
        return PUBLISHED if self.target == "published" else _of_file(self.target, self.alpha, self.beta)

    @property
    def fit_from(self) -> str | None:
        return None if self.target == "published" else fit_from(self.target)

    def accumulators(self) -> Mapping[str, pa.DataType]:
        return {"stains": pa.binary()}

    def accumulate(self, sample: Sample) -> Mapping[str, Any]:
        found = _stains(_densities(sample.picture(), self.name()), self.alpha, self.beta)
        if found is None:
            return {}
        own, _ = found
        return {"stains": np.array([*np.ravel(own.stains), *own.greatest]).tobytes()}

    def fit(self, tables: Iterable[pa.Table]) -> dict[str, Any]:
        images = np.array([np.frombuffer(part, dtype=np.float64) for part in parts(tables)])
        mean = images.mean(axis=0)
        stains = mean[:6].reshape(2, 3)
        stains /= np.sqrt((stains**2).sum(axis=1, keepdims=True))
        return {"stains": stains.tolist(), "greatest": mean[6:].tolist()}

    def with_fit(self, values: Mapping[str, Any]) -> Self:
        return type(self)(target=Stains.model_validate(dict(values)), alpha=self.alpha, beta=self.beta)


def _densities(pixels: Pixels, step: str) -> NDArray[np.float64]:
    """Give optical densities (H x W x 3); one 8-bit level is added, since black has no logarithm."""
    if pixels.shape[2] != 3:
        raise Rejected("wrong_channels", f"{step} takes colour images, this one is gray", step=step)
    values = np.maximum(pixels / np.float64(value_range(pixels.dtype)), 0.0)
    return np.asarray(-np.log((values + 1 / 255) / LIGHT))


def _stains(densities: NDArray[np.float64], alpha: float, beta: float) -> tuple[Stains, NDArray[np.float64]] | None:
    """Find an image's stains, the one that absorbs more red first, and their concentrations (H x W x 2).

    Nothing where there is too little tissue.
    """
    tissue = densities[(densities >= beta).all(axis=2)]
    if len(tissue) < LEAST:
        return None
    # einsum and not matmul: a BLAS adds in another order on another number of threads.
    apart = tissue - tissue.mean(axis=0)
    _, vectors = np.linalg.eigh(np.einsum("ni,nj->ij", apart, apart) / (len(tissue) - 1))
    plane = vectors[:, 1:] * np.where(vectors[:, 1:].sum(axis=0) < 0, -1.0, 1.0)
    along = np.einsum("ni,ik->nk", tissue, plane)
    angles = np.percentile(np.arctan2(along[:, 1], along[:, 0]), (alpha, 100 - alpha))
    ends = [plane[:, 0] * np.cos(angle) + plane[:, 1] * np.sin(angle) for angle in angles]
    first, second = sorted((tuple(end.tolist()) for end in ends), key=lambda end: -end[0])
    found = Stains(stains=(first, second), greatest=(1.0, 1.0))
    concentrations = np.asarray(cv2.transform(densities, _unmixing(found)), dtype=np.float64)
    greatest = np.percentile(concentrations.reshape(-1, 2), EXTREME, axis=0)
    if greatest.min() < FAINT:
        return None
    return Stains(stains=found.stains, greatest=(float(greatest[0]), float(greatest[1]))), concentrations


def _unmixing(found: Stains) -> NDArray[np.float64]:
    """Give the 2 x 3 matrix from densities to the concentrations that explain them best (least squares)."""
    return np.asarray(np.linalg.pinv(np.array(found.stains).T))


@lru_cache(maxsize=8)
def _of_file(path: str, alpha: float, beta: float) -> Stains:
    pixels = of_target(path, "macenko")
    found = _stains(_densities(pixels, "macenko"), alpha, beta) if pixels.shape[2] == 3 else None
    if found is None:
        raise ValueError(f"{path}: there is too little coloured tissue in this image to take two stains from")
    return found[0]
