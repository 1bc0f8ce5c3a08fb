"""Outliers: by scikit-learn's scores, whatever the order of rows."""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from sklearn.neighbors import LocalOutlierFactor
from threadpoolctl import threadpool_limits

from tasks.collection import outliers, vectors
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


def rows_of(found: Sequence[np.ndarray | None]) -> pa.Table:
    """A table of vectors as they are measured."""
    packed = [None if vector is None else vectors.packed_exactly(vector) for vector in found]
    return pa.table({"id": [f"{i:020x}" for i in range(len(packed))], "vector": pa.array(packed, pa.large_binary())})


def scores_of(method: str, found: Sequence[np.ndarray | None]) -> dict[int, float]:
    """Every row's score, by its place."""
    made = Outliers(of="hog", method=method, above=1e-9).decide(rows_of(found)).to_pylist()
    return {int(row["id"], 16): row["score"] for row in made}


def wide(count: int, length: int = 40) -> np.ndarray:
    return np.random.default_rng(3).standard_normal((count, length)).astype(np.float32)


@pytest.mark.parametrize("method", outliers.LIMITS)
def test_what_is_far_from_the_others_is_found(method: str) -> None:
    operation = Outliers(of="hog", method=method)
    made = operation.decide(table(operation)).to_pylist()
    odd = {f"{i:020x}" for i in range(200, 203)}
    assert odd <= {row["id"] for row in made} and len(made) < 12
    assert all(row["score"] > row["limit"] and row["reason"] == "outlier" for row in made)


def test_the_local_outlier_factor_is_scikit_learns() -> None:
    operation = Outliers(of="hog", method="local_outlier_factor", above=1e-6)
    made = operation.decide(rows_of([*USUAL, ODD[0]]))
    whole = np.concatenate([USUAL, ODD[:1]]).astype(np.float64)
    scaled = (whole - whole.mean(axis=0)) / whole.std(axis=0)
    wanted = -LocalOutlierFactor(n_neighbors=20).fit(scaled.astype(np.float32)).negative_outlier_factor_
    assert np.allclose(made["score"].to_numpy(), wanted, rtol=1e-4)


def test_more_images_than_are_fitted_on_are_scored_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outliers, "FITTED", 100)
    operation = Outliers(of="hog", method="local_outlier_factor")
    made = {row["id"] for row in operation.decide(table(operation)).to_pylist()}
    assert {f"{i:020x}" for i in range(200, 203)} & made


@pytest.mark.parametrize("method", outliers.LIMITS)
def test_a_vector_that_is_not_finite_spoils_no_other(method: str) -> None:
    """Such are refused before; this is for those that were stored when they were not."""
    broken = USUAL[:2].copy()
    broken[0, 3], broken[1, 0] = np.nan, np.inf
    found = scores_of(method, [*USUAL, *ODD, *broken])
    assert found == scores_of(method, [*USUAL, *ODD]) and set(found) == set(range(203))


@pytest.mark.parametrize("scale", [1, 0])
@pytest.mark.parametrize("fitted", [20_000, 250])
@pytest.mark.parametrize("method", outliers.LIMITS)
def test_equal_vectors_have_equal_scores_and_make_no_others_odd(
    method: str, fitted: int, scale: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outliers, "FITTED", fitted)
    usual = wide(300)
    usual[7] *= scale
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = scores_of(method, [*usual, *[usual[7]] * 25])
        alone = scores_of(method, usual)
    assert len({found[i] for i in (7, *range(300, 325))}) == 1
    limit = outliers.LIMITS[method]
    assert max(alone.values()) < limit and max(found.values()) < limit
    assert max(abs(found[i] - alone[i]) for i in range(300)) < 0.25


@pytest.mark.parametrize("blank", [3, 25, 150])
def test_blank_images_are_outliers_while_they_are_few(blank: int) -> None:
    usual = wide(300) + 5
    found = scores_of("local_outlier_factor", [*usual, *np.zeros((blank, 40), dtype=np.float32)])
    assert len({found[i] for i in range(300, 300 + blank)}) == 1
    assert (found[300] > 1.5) == (blank < 150)
    assert max(found[i] for i in range(300)) < 1.5


@pytest.mark.parametrize("method", outliers.LIMITS)
@pytest.mark.parametrize("fitted", [20_000, 30])
def test_images_that_are_all_equal_have_no_outliers(method: str, fitted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outliers, "FITTED", fitted)
    found = scores_of(method, [np.full(7, 0.1, dtype=np.float32)] * 60)
    assert all(np.isclose(score, 0.5 if method == "isolation_forest" else 1.0) for score in found.values())


@pytest.mark.parametrize("method", outliers.LIMITS)
def test_scores_depend_neither_on_threads_nor_on_chunks(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outliers, "FITTED", 400)
    monkeypatch.setattr(vectors, "AT_ONCE", 40 * 4 * 150)
    operation = Outliers(of="hog", method=method, above=1e-9)
    ties = np.random.default_rng(5).integers(0, 2, (600, 40)).astype(np.float32)
    whole = rows_of([None, *wide(200), *ties])
    cut = pa.concat_tables([whole.slice(0, 7), whole.slice(7, 500), whole.slice(507)])
    made = []
    for threads, rows in [(1, whole), (2, whole), (1, cut)]:
        with threadpool_limits(threads):
            made.append(operation.decide(rows))
    assert made[0].equals(made[1]) and made[0].equals(made[2]) and made[0].num_rows == 800


def test_what_is_fitted_on_is_drawn_by_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outliers, "FITTED", 50)
    ids = pa.chunked_array([[f"{i:020x}" for i in range(1000)]])
    rows = np.arange(0, 1000, 2)
    drawn = outliers._drawn(ids, rows)
    order = np.random.default_rng(1).permutation(1000)
    again = outliers._drawn(ids.take(pa.array(order)), np.flatnonzero(order % 2 == 0))
    assert set(order[again]) == set(drawn) and len(drawn) == 50 and (np.diff(drawn) > 0).all()
    grown = outliers._drawn(ids, np.arange(0, 900, 2))  # others come or go: most stay drawn
    assert len(set(grown) & set(drawn)) >= 40


@pytest.mark.parametrize("method", outliers.LIMITS)
def test_it_holds_no_copy_of_the_vectors(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outliers, "FITTED", 200)
    monkeypatch.setattr(vectors, "AT_ONCE", 1 << 20)
    rows = rows_of(wide(10_000, 400))
    scores_of(method, wide(50))  # what is loaded once does not count
    vectors_bytes, before = 10_000 * 400 * 4, pa.total_allocated_bytes()
    tracemalloc.start()
    Outliers(of="hog", method=method).decide(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < vectors_bytes / 2 and pa.total_allocated_bytes() - before < vectors_bytes / 10


def test_scikit_learn_decides_but_measures_nothing() -> None:
    assert "scikit-learn" in Outliers.uses
    assert Outliers(of="hog").canonical()["libraries"] == {"numpy": version("numpy")}


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


def test_threads_do_not_decide_among_equally_near_vectors() -> None:
    tied = np.random.default_rng(3).integers(0, 4, (1500, 32)).astype(np.float32)
    found = []
    for threads in (1, 4):
        with threadpool_limits(threads):
            found.append(
                Outliers(of="hog", method="local_outlier_factor", above=0.1).decide(rows_of(list(tied))).to_pylist()
            )
    assert len(found[0]) == 1500 and found[0] == found[1]
