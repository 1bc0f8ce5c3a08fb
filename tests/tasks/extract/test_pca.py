"""PCA of feature vectors: NumPy's singular value decomposition."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tasks.extract import pca as pca_module
from tasks.extract.pca import Pca


def vectors(count: int = 200, length: int = 30) -> NDArray[np.float32]:
    rng = np.random.default_rng(1)
    return (rng.normal(size=(count, length)) @ rng.normal(size=(length, length)) + 5).astype(np.float32)


def table(rows: NDArray[np.float32]) -> pa.Table:
    return pa.table({"vector": pa.array([row.tobytes() for row in rows], pa.binary())})


@pytest.mark.parametrize("whiten", [False, True])
def test_components_are_those_of_the_singular_values(whiten: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pca_module, "ROWS", 64)  # several batches
    rows = vectors()
    pca = Pca(of="hog", components=6, whiten=whiten)
    values = pca.fit([table(rows)])
    fitted = pca.with_fit(values)
    got = np.array([fitted.derive({"hog": row}) for row in rows])

    apart = rows.astype(np.float64) - rows.astype(np.float64).mean(axis=0)
    left, scale, directions = np.linalg.svd(apart, full_matrices=False)
    signs = np.sign(directions[np.arange(30), np.abs(directions).argmax(axis=1)])  # as scikit-learn's svd_flip
    wanted = (left * scale * signs)[:, :6]
    if whiten:
        wanted /= scale[:6] / np.sqrt(199)
        assert np.allclose(np.cov(got.T), np.eye(6), atol=1e-5)
    assert np.allclose(got, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())
    assert np.allclose(values["variance"], scale[:6] ** 2 / 199)
    assert np.allclose(values["share"], (scale**2 / (scale**2).sum())[:6])


def test_too_few_images_or_directions_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="6 components need more than 6 images"):
        Pca(of="hog", components=6).fit([table(vectors(6))])
    flat = np.repeat(vectors(50)[:, :2], 15, axis=1)
    with pytest.raises(ValueError, match="only 2 directions vary: set components: 2, or whiten: false"):
        Pca(of="hog", components=6, whiten=True).fit([table(flat)])


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_equal_vectors_say_that_nothing_varies(value: float) -> None:
    equal = np.full((1500, 30), value, dtype=np.float32)
    with pytest.raises(ValueError, match=r"nothing varies, hog is the same for all: name another feature, or whiten"):
        Pca(of="hog", components=6, whiten=True).fit([table(equal)])
    plain = Pca(of="hog", components=6)
    assert np.allclose(plain.with_fit(plain.fit([table(equal)])).derive({"hog": equal[0]}), 0)


def test_a_small_variation_of_large_numbers_is_none_of_rounding() -> None:
    rows = np.full((100, 30), 1e4, dtype=np.float32)
    rows[::2, 3] = np.nextafter(rows[0, 3], np.float32(np.inf))
    values = Pca(of="hog", components=1, whiten=True).fit([table(rows)])
    assert np.isclose(values["share"][0], 1)


def test_a_row_without_the_feature_has_no_components() -> None:
    pca = Pca(of="hog", components=3)
    assert pca.with_fit(pca.fit([table(vectors())])).derive({"lbp": vectors()[0]}) is None


def test_a_fit_of_another_length_is_refused() -> None:
    pca = Pca(of="hog", components=3)
    with pytest.raises(ValueError, match="hog has 40 numbers, the fit 30"):
        pca.with_fit(pca.fit([table(vectors())])).refuse_length(40)


def test_the_threads_of_blas_decide_nothing() -> None:
    rows = vectors(900, 300)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(Pca(of="hog", components=40).fit([table(rows)]))
    assert found[0] == found[1]
