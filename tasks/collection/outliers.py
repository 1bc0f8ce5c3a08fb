"""Outliers: images whose features are unlike those of the collection."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tasks.collection.scored import scored
from tasks.collection.vectors import packed_exactly, unpacked_exactly
from tasks.image.sample import Sample
from tasks.operation import Dataset, Names

LIMITS = {"isolation_forest": 0.6, "local_outlier_factor": 1.5}
TREES = 200
NEIGHBOURS = 20
FITTED = 20_000  # rows that local outlier factors are fitted on: they take n log n at best, n^2 in many dimensions
BLOCK = 1 << 16
SEED = 7


class Outliers(Dataset):
    """Find images whose feature vectors are unlike the others'.

    ``of`` names a feature step before this one, or several, whose vectors are joined; each component is scaled to mean
    0 and deviation 1 over the collection. ``method: isolation_forest`` (200 trees) scores 0 to 1 by how few random cuts
    set an image apart, 0.5 is usual; ``local_outlier_factor`` compares its density with that of its 20 nearest (1 is
    usual), fitted on 20,000 images at most. Images that score more than ``above`` (0.6, 1.5) are noted with their
    scores in the dataset's decisions (``outlier``); ``action: reject`` rejects them. Rows without a vector pass. Any
    dtype; boxes play no part.

    Source: scikit-learn ``IsolationForest``, ``LocalOutlierFactor`` (``pip install 'imagemill[outliers]'``); Liu et al.
    2008, "Isolation forest"; Breunig et al. 2000, "LOF".
    """

    uses: ClassVar[tuple[str, ...]] = ("numpy",)
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
        """What decides the vectors that it measures."""
        whole = super().canonical()
        return {**whole, "parameters": {"of": list(self.of)}}

    def hashes(self) -> dict[str, pa.DataType]:
        return {"vector": pa.large_binary()}

    def examine(self, sample: Sample) -> dict[str, Any]:
        """Give the vectors of the feature steps, joined."""
        found = [sample.features.get(name) for name in self.of]
        there = [vector for vector in found if vector is not None]
        return {"vector": packed_exactly(np.concatenate(there)) if len(there) == len(found) else None}

    def decide(self, table: pa.Table) -> pa.Table:
        table = table.filter(table.column("vector").is_valid())
        vectors = unpacked_exactly(table.column("vector").combine_chunks())
        scores = self._scores(_scaled(vectors)) if len(vectors) > 2 else np.zeros(len(vectors))
        said = f"its {', '.join(self.of)} is unlike the collection's ({self.method.replace('_', ' ')})"
        return scored(table, scores > self.limit, scores, self.limit, "outlier", said)

    def _scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        from sklearn.ensemble import IsolationForest
        from sklearn.neighbors import LocalOutlierFactor

        starts = range(0, len(vectors), BLOCK)
        if self.method == "isolation_forest":
            forest = IsolationForest(n_estimators=TREES, random_state=SEED, n_jobs=1).fit(vectors)
            return np.concatenate([-forest.score_samples(vectors[i : i + BLOCK]) for i in starts])
        neighbours = min(NEIGHBOURS, len(vectors) - 1)
        if len(vectors) <= FITTED:
            factor = LocalOutlierFactor(n_neighbors=neighbours, n_jobs=1).fit(vectors)
            return -np.asarray(factor.negative_outlier_factor_)
        chosen = np.random.Generator(np.random.Philox(SEED)).choice(len(vectors), FITTED, replace=False)
        factor = LocalOutlierFactor(n_neighbors=neighbours, novelty=True, n_jobs=1).fit(vectors[np.sort(chosen)])
        return np.concatenate([-factor.score_samples(vectors[i : i + BLOCK]) for i in starts])


def _scaled(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give each component with mean 0 and deviation 1; a constant one is 0."""
    mean, deviation = vectors.mean(axis=0, dtype=np.float64), vectors.std(axis=0, dtype=np.float64)
    return np.asarray((vectors - mean) / np.where(deviation > 0, deviation, 1), dtype=np.float32)
