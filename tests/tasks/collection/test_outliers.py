"""Outliers: by scikit-learn's scores, whatever the order of rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from sklearn.neighbors import LocalOutlierFactor

from tasks.collection import outliers
from tasks.collection.outliers import Outliers
from tasks.image.sample import Sample
from tests.tasks.images import picture, sample

SAMPLE = sample(picture())
RNG = np.random.default_rng(8)
USUAL = RNG.standard_normal((200, 6)).astype(np.float32) * np.array([1, 10, 100, 1, 1, 1], dtype=np.float32)
ODD = np.full((3, 6), 9, dtype=np.float32) * np.array([1, 10, 100, 1, 1, 1], dtype=np.float32)


def with_features(**features: np.ndarray) -> Sample:
    return replace(SAMPLE, features=features)


def table(operation: Outliers) -> pa.Table:
    """Rows of which the last three are far from the others, and one without a vector."""
    vectors = [operation.examine(with_features(hog=vector))["vector"] for vector in (*USUAL, *ODD)]
    ids = [f"{i:020x}" for i in range(len(vectors) + 1)]
    return pa.table({"id": ids, "vector": pa.array([*vectors, None], pa.large_binary())})


@pytest.mark.parametrize("method", outliers.LIMITS)
def test_what_is_far_from_the_others_is_found(method: str) -> None:
    operation = Outliers(of="hog", method=method)
    made = operation.decide(table(operation)).to_pylist()
    odd = {f"{i:020x}" for i in range(200, 203)}
    assert odd <= {row["id"] for row in made} and len(made) < 12
    assert all(row["score"] > row["limit"] and row["reason"] == "outlier" for row in made)


def test_the_local_outlier_factor_is_scikit_learns() -> None:
    operation = Outliers(of="hog", method="local_outlier_factor", above=1e-6)
    made = operation.decide(table(operation))
    whole = np.concatenate([USUAL, ODD]).astype(np.float64)
    scaled = (whole - whole.mean(axis=0)) / whole.std(axis=0)
    wanted = -LocalOutlierFactor(n_neighbors=20).fit(scaled.astype(np.float32)).negative_outlier_factor_
    assert np.allclose(made["score"].to_numpy(), wanted, rtol=1e-4)


def test_more_images_than_are_fitted_on_are_scored_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outliers, "FITTED", 100)
    operation = Outliers(of="hog", method="local_outlier_factor")
    made = {row["id"] for row in operation.decide(table(operation)).to_pylist()}
    assert {f"{i:020x}" for i in range(200, 203)} & made


def test_it_is_flagged_unless_it_is_to_be_rejected() -> None:
    assert Outliers(of="hog").flags == {"outlier"} and Outliers(of="hog", action="reject").flags == frozenset()
    assert Outliers(of=["hog", "lbp"]).reads == ("hog", "lbp")
    joined = Outliers(of=["hog", "lbp"]).examine(with_features(hog=USUAL[0], lbp=USUAL[1]))["vector"]
    assert np.frombuffer(joined, dtype=np.float32).tolist() == [*USUAL[0].tolist(), *USUAL[1].tolist()]
    assert Outliers(of=["hog", "lbp"]).examine(with_features(hog=USUAL[0])) == {"vector": None}
    assert Outliers(of="hog", above=0.7).canonical() == Outliers(of="hog", action="reject").canonical()


def test_few_images_have_no_outliers() -> None:
    operation = Outliers(of="hog")
    assert operation.decide(table(operation).slice(0, 2)).num_rows == 0
    assert operation.decide(table(operation).slice(0, 0)).num_rows == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({}, "Field required"), ({"of": []}, "at least 1"), ({"of": "hog", "above": 0}, "greater than 0")],
)
def test_mistakes_are_named(wrong: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Outliers.model_validate(wrong)
