"""PCA: a feature's vectors along the directions in which the collection varies most."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any, ClassVar, Final, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.errors import ImagemillError
from tasks.fitted import Derived, Fitted, parts
from tasks.image.sample import Sample
from tasks.operation import File

LONGEST: Final = 4096  # components of a feature: its covariance then takes 134 MB, and 20 s
FLAT = 1e-12  # of the greatest variance: a direction with less has no scale to be whitened by
ROUNDED = 1e-12  # of the greatest mean: a deviation below is rounding, also where it is the greatest
ROWS = 1024  # taken at a time, in key order


class Directions(BaseModel):
    """What was fitted: a mean and directions as float64 in base64, their variances, and their shares of the whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: str
    directions: str
    variance: tuple[float, ...]
    share: tuple[float, ...]


class Pca(Fitted, Derived):
    """Turn a feature into its principal components: a shorter vector that keeps most of what varies.

    ``of`` is the id of a feature step before this one, ``components`` how many numbers are kept (those that vary most
    first), ``whiten`` divides each by its standard deviation. ``statistics``: ``fitted`` finds the directions in the
    kept images of the split ``train``, augmented copies not counted, and pins them until ``--refit``; the folder of a
    dataset takes what was fitted there. A direction's number of greatest size is positive. Rows without the feature
    have none of these. Any dtype; neither pixels nor boxes change.

    Source: scikit-learn ``PCA`` with ``svd_solver="covariance_eigh"``.
    """

    uses: ClassVar[tuple[str, ...]] = ("numpy", "scipy")
    example: ClassVar[Mapping[str, Any]] = {"of": "hog", "components": 64, "whiten": True}

    of: Annotated[str, Field(min_length=1)]
    components: Annotated[int, Field(ge=1, le=LONGEST)] = 64
    whiten: bool = False
    statistics: Annotated[Literal["fitted"] | Directions | File, Field(union_mode="left_to_right")] = "fitted"

    @model_validator(mode="after")
    def _sensible(self) -> Pca:
        if isinstance(self.statistics, Directions) and len(self.statistics.variance) != self.components:
            raise ValueError(f"{len(self.statistics.variance)} directions are given for {self.components} components")
        return self

    def names(self) -> list[str]:
        return [f"component_{i + 1}" for i in range(self.components)]

    def refuse_length(self, length: int) -> None:
        if length > LONGEST:
            raise ValueError(f"{self.of} has {length:,} numbers; at most {LONGEST:,} can be fitted: make it coarser")
        if length < self.components:
            raise ValueError(f"{self.of} has {length:,} numbers, {self.components} components are asked for")
        if isinstance(self.statistics, Directions) and len(_values(self.statistics.mean)) != length:
            raise ValueError(f"{self.of} has {length:,} numbers, the fit {len(_values(self.statistics.mean)):,}")

    def derive(self, features: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32] | None:
        if not isinstance(self.statistics, Directions):
            raise ImagemillError(f"pca: its directions ({self.statistics}) are filled in by a run: run it first")
        if self.of not in features:
            return None
        fit = self.statistics
        directions = _values(fit.directions).reshape(self.components, -1)
        # einsum and not matmul: a BLAS adds in another order on another number of threads.
        along = np.einsum("kd,d->k", directions, features[self.of] - _values(fit.mean))
        return np.asarray(along / np.sqrt(fit.variance) if self.whiten else along, dtype=np.float32)

    @property
    def fit_from(self) -> str | None:
        return self.statistics if isinstance(self.statistics, str) else None

    def accumulators(self) -> Mapping[str, pa.DataType]:
        return {"vector": pa.binary()}

    def accumulate(self, sample: Sample) -> Mapping[str, Any]:
        vector = sample.features.get(self.of)
        return {} if vector is None else {"vector": vector.tobytes()}

    def fit(self, tables: Iterable[pa.Table]) -> dict[str, Any]:
        import scipy.linalg  # noqa: F401 - its BLAS must be there before it is limited
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, user_api="blas"):  # several threads add up in another order
            return self._fitted(*_scatter(parts(tables)))

    def _fitted(self, count: int, mean: NDArray[np.float64], squares: NDArray[np.float64]) -> dict[str, Any]:
        if count <= self.components:
            raise ValueError(f"{self.components} components need more than {self.components} images")
        covariance = squares / (count - 1)
        length = len(covariance)
        from scipy.linalg import eigh

        variance, vectors = eigh(covariance, subset_by_index=(length - self.components, length - 1))
        variance, directions = variance[::-1], vectors[:, ::-1].T
        least = max(FLAT * float(variance[0]), (ROUNDED * float(np.abs(mean).max())) ** 2)
        varying = int((variance > least).sum())
        if self.whiten and not varying:
            raise ValueError(f"nothing varies, {self.of} is the same for all: name another feature, or whiten: false")
        if self.whiten and varying < self.components:
            raise ValueError(f"only {varying} directions vary: set components: {varying}, or whiten: false")
        greatest = np.abs(directions).argmax(axis=1)
        directions = directions * np.sign(directions[np.arange(len(directions)), greatest])[:, None]
        whole = float(np.trace(covariance))
        share = variance / whole if whole > 0 else np.zeros_like(variance)
        text = {"mean": _text(mean), "directions": _text(directions)}
        return {**text, "variance": np.maximum(variance, 0.0).tolist(), "share": share.tolist()}

    def with_fit(self, values: Mapping[str, Any]) -> Self:
        given = Directions.model_validate(dict(values))
        return type(self)(of=self.of, components=self.components, whiten=self.whiten, statistics=given)


def _scatter(vectors: Iterable[bytes]) -> tuple[int, NDArray[np.float64], NDArray[np.float64]]:
    """Give how many vectors there are, their mean, and the sum of outer products of what is apart from it.

    Batches are merged in order (Chan, Golub and LeVeque 1979), so that each vector is seen once.
    """
    waiting, count = iter(vectors), 0
    mean = squares = np.zeros(0)
    while some := list(islice(waiting, ROWS)):
        batch = np.array([np.frombuffer(one, dtype=np.float32) for one in some], dtype=np.float64)
        middle = batch.mean(axis=0)
        apart = batch - middle
        if not count:
            count, mean, squares = len(batch), middle, apart.T @ apart
            continue
        both, shift = count + len(batch), middle - mean
        squares = squares + apart.T @ apart + np.outer(shift, shift) * (count * len(batch) / both)
        count, mean = both, mean + shift * (len(batch) / both)
    return count, mean, squares


def _text(values: NDArray[np.float64]) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode("ascii")


@lru_cache(maxsize=16)
def _values(text: str) -> NDArray[np.float64]:
    return np.frombuffer(base64.b64decode(text), dtype="<f8")
