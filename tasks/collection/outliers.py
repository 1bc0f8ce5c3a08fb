"""Outliers: images whose features are unlike those of the collection."""

from __future__ import annotations

import hashlib
import importlib.util
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tasks.collection.scored import scored
from tasks.collection.vectors import blocks, packed_exactly
from tasks.image.sample import Sample
from tasks.operation import Dataset, Names

LIMITS = {"isolation_forest": 0.6, "local_outlier_factor": 1.5}
TREES = 200
NEIGHBOURS = 20
FITTED = 20_000  # rows that are fitted on: local outlier factors take n log n at best, n^2 in many dimensions
SEED = 7
LEAST = 1e-10  # added to mean distances, as scikit-learn does: vectors may differ by less than can be told
AT_ONCE: Final = 65_536  # ids that are Python objects at a time

Matrix = NDArray[np.float32]  # vectors, a row each


class Outliers(Dataset):
    """Find images whose feature vectors are unlike the others'.

    ``of`` names a feature step before this one, or several, whose vectors are joined; each component is scaled to mean
    0 and deviation 1 over the collection. ``method: isolation_forest`` (200 trees) scores 0 to 1 by how few random cuts
    set an image apart, 0.5 is usual; ``local_outlier_factor`` compares its density with that of its 20 nearest (1 is
    usual), where equal vectors are one neighbour that counts as often as it occurs. Both are fitted on 20,000 images at
    most, drawn by their ids. Images that score more than ``above`` (0.6, 1.5) are noted with their scores in the
    dataset's decisions (``outlier``); ``action: reject`` rejects them. Rows without a vector pass. Any dtype; boxes
    play no part.

    All vectors are in memory while it decides, once: 4 bytes a number and some 150 a row, so that 10 million images
    take 15 GB with 324 numbers each (``hog`` of 32 x 32 px in cells of 8), 4 GB with 64 (as after ``pca``).

    Source: scikit-learn ``IsolationForest``, ``LocalOutlierFactor`` (``pip install 'imagemill[outliers]'``); Liu et al.
    2008, "Isolation forest"; Breunig et al. 2000, "LOF".
    """

    uses: ClassVar[tuple[str, ...]] = ("numpy", "scikit-learn")
    example: ClassVar[Mapping[str, Any]] = {"of": "hog"}

    of: Names
    method: Literal["isolation_forest", "local_outlier_factor"] = "isolation_forest"
    above: Annotated[float, Field(gt=0)] | None = None
    action: Literal["flag", "reject"] = "flag"

    @model_validator(mode="after")
    def _installed(self) -> Outliers:
        if importlib.util.find_spec("sklearn") is None:
            raise ValueError("outliers needs scikit-learn: pip install 'imagemill[outliers]'")
        return self

    @property
    def reads(self) -> tuple[str, ...]:
        return self.of

    @property
    def flags(self) -> frozenset[str]:
        return frozenset({"outlier"} if self.action == "flag" else ())

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    @property
    def limit(self) -> float:
        """The score above which an image is an outlier."""
        return LIMITS[self.method] if self.above is None else self.above

    def canonical(self) -> dict[str, Any]:
        """What decides the vectors that it measures: neither how they are scored, nor by which scikit-learn."""
        whole = super().canonical()
        libraries = {name: version for name, version in whole["libraries"].items() if name != "scikit-learn"}
        return {**whole, "parameters": {"of": list(self.of)}, "libraries": libraries}

    def hashes(self) -> dict[str, pa.DataType]:
        return {"vector": pa.large_binary()}

    def examine(self, sample: Sample) -> dict[str, Any]:
        """Give the vectors of the feature steps, joined."""
        found = [sample.features.get(name) for name in self.of]
        there = [vector for vector in found if vector is not None]
        return {"vector": packed_exactly(np.concatenate(there)) if len(there) == len(found) else None}

    def decide(self, table: pa.Table) -> pa.Table:
        ids, column = table.column("id"), table.column("vector")
        scores = np.zeros(table.num_rows)
        rows, scale = _measured(column)
        if len(rows) > 2:
            import sklearn.neighbors  # noqa: F401 - its threads must be there before they are limited
            from threadpoolctl import threadpool_limits

            with threadpool_limits(1):  # n_jobs leaves OpenMP alone, whose threads decide among equally near ones
                score = self._fitted(_gathered(column, _drawn(ids, rows), scale))
                for some, vectors in blocks(column):
                    scores[some] = score(scale(vectors))
        said = f"its {', '.join(self.of)} is unlike the collection's ({self.method.replace('_', ' ')})"
        return scored(table, scores > self.limit, scores, self.limit, "outlier", said)

    def _fitted(self, vectors: Matrix) -> Callable[[Matrix], NDArray[np.float64]]:
        """Fit on scaled vectors, and give what scores others."""
        if self.method == "local_outlier_factor":
            return Factors(vectors)
        from sklearn.ensemble import IsolationForest

        forest = IsolationForest(n_estimators=TREES, random_state=SEED, n_jobs=1).fit(vectors)
        return lambda others: -np.asarray(forest.score_samples(others))


class Factors:
    """Local outlier factors, among distinct vectors of which each counts as often as it occurs.

    Without that, all neighbours of a vector that occurs often lie at a distance of 0, and what is near it seems
    infinitely far off. The paper's remedy is the k-distinct-distance: the 20 nearest have 20 different places.
    """

    def __init__(self, vectors: Matrix) -> None:
        """Fit on vectors; where all differ, their factors are those of ``LocalOutlierFactor``."""
        from sklearn.neighbors import NearestNeighbors

        occurring = Counter(vector.tobytes() for vector in vectors)
        self.places = {key: i for i, key in enumerate(occurring)}
        self.counts = np.array(list(occurring.values()))
        distinct = np.frombuffer(b"".join(occurring), dtype=np.float32).reshape(len(occurring), -1)
        self.search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(distinct)), n_jobs=1).fit(distinct)
        own, most = np.arange(len(distinct))[:, None], min(NEIGHBOURS, len(distinct) - 1)
        far, near = self.search.kneighbors(n_neighbors=most) if most else (np.zeros((1, 0)), own[:, :0])
        far, near = np.hstack([np.zeros(own.shape), far]), np.hstack([own, near])  # its copies lie at 0
        self.reach = far[:, -1]
        weights = self.counts[near]
        weights[:, 0] -= 1
        self.density = self._densities(far, near, weights)
        self.factors = np.average(self.density[near], axis=1, weights=weights) / self.density

    def __call__(self, vectors: Matrix) -> NDArray[np.float64]:
        """Give the factor of each vector: that which it was fitted with, if it was."""
        places = np.array([self.places.get(vector.tobytes(), -1) for vector in vectors])
        factors, new = self.factors[places], places < 0
        if new.any():
            far, near = self.search.kneighbors(vectors[new])
            weights = self.counts[near]
            around = np.average(self.density[near], axis=1, weights=weights)
            factors[new] = around / self._densities(far, near, weights)
        return np.asarray(factors)

    def _densities(
        self, far: NDArray[np.float64], near: NDArray[np.int64], weights: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Give 1 / mean reachability distance of vectors from those ``near``."""
        apart = np.average(np.maximum(far, self.reach[near]), axis=1, weights=weights)
        return np.asarray(1 / (apart + LEAST))


class Scale(NamedTuple):
    """Each component's mean and deviation over a collection."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]  # 1 where it is 0

    def __call__(self, vectors: Matrix) -> Matrix:
        """Give vectors with mean 0 and deviation 1; a constant component tells none apart."""
        scaled = vectors - self.mean
        scaled /= self.deviation
        scaled += 0.0  # no -0: equal vectors have equal bytes
        return scaled.astype(np.float32)


def _measured(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], Scale]:
    """Give the rows that have a vector, and the scale of all: in two passes, block by block in the column's order."""
    rows, total = [np.zeros(0, dtype=np.int64)], np.zeros(1)
    for some, vectors in blocks(column):
        rows.append(some)
        total = total + vectors.sum(axis=0, dtype=np.float64)
    count = sum(map(len, rows))
    mean, squares = total / max(1, count), np.zeros(1)
    for _, vectors in blocks(column):
        apart = vectors - mean
        squares = squares + np.square(apart, out=apart).sum(axis=0)
    deviation = np.sqrt(squares / max(1, count))
    return np.concatenate(rows), Scale(mean, np.where(deviation > 0, deviation, 1))


def _drawn(ids: pa.ChunkedArray, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose what is fitted on: of more than ``FITTED`` rows those with the least hash of their id, in order."""
    if len(rows) <= FITTED:
        return rows
    starts = range(0, len(ids), AT_ONCE)
    digests = (
        hashlib.blake2b(name.encode(), digest_size=8, person=b"outliers").digest()
        for start in starts
        for name in ids.slice(start, AT_ONCE).to_pylist()
    )
    places = np.fromiter((int.from_bytes(one, "big") for one in digests), np.uint64, len(ids))
    return np.sort(rows[np.argpartition(places[rows], FITTED)[:FITTED]])


def _gathered(column: pa.ChunkedArray, rows: NDArray[np.int64], scale: Scale) -> Matrix:
    """Give the scaled vectors of some rows."""
    wanted = np.zeros(len(column), dtype=bool)
    wanted[rows] = True
    return np.concatenate([scale(vectors[wanted[some]]) for some, vectors in blocks(column)])
