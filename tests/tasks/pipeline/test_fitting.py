"""What fitted and derived steps ask of the graph, refused at their lines before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.extract.hog import Hog
from tasks.pipeline.fingerprint import measures_fingerprint
from tasks.pipeline.spec import SpecError
from tests.tasks.pipeline.test_graph import graph

RGB = "      - resize: {size: 64}\n      - convert_color: {space: rgb}\n        id: rgb\n"
FITTED = RGB + "      - normalize: {statistics: fitted}\n"
VALUES = {"normalize": {"mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]}}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (FITTED + "      - dark\n", "dark is measured before normalize can be fitted"),
        (FITTED + "      - deduplicate\n", "deduplicate is measured before normalize can be fitted"),
        (FITTED + "      - normalize: {statistics: fitted}\n", "normalize_2 is measured before normalize can be"),
        (
            RGB + "      - sequence: {transforms: [{normalize: {statistics: fitted}}]}\n",
            "stands at a pipeline's own steps",
        ),
        ("      - normalize: {statistics: fitted}\n", "need a known number of them"),
        (
            RGB + "      - augment: {transforms: [hflip], original: false}\n      - normalize: {statistics: fitted}\n",
            "fitted on originals, and none is left here",
        ),
        (RGB + "      - split: {a: 0.5, b: 0.5}\n      - normalize: {statistics: fitted}\n", "the split `train`"),
        (
            FITTED + "        where: {split: test}\n      - convert_dtype: {dtype: uint8}\n",
            "fitted on the split `train`, and `where` names 'test'",
        ),
        (RGB + "      - pca: {of: hog}\n", "`of: hog` is no feature step before this one: no feature comes"),
        (RGB + "      - lbp\n      - pca: {of: hog}\n", "the features before it are lbp"),
        (RGB + "      - lbp\n      - pca: {of: lbp}\n", "pca: lbp has 10 numbers, 64 components are asked for"),
        (RGB + "      - hog: {cell: [4, 4]}\n      - pca: {of: hog}\n", "at most 4,096 can be fitted"),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_its_place(tmp_path: Path, steps: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        graph(tmp_path, steps)
    assert "pipelines.yaml:" in str(caught.value) and caught.value.exit_code == 2


def test_a_check_beside_the_fitted_step_is_no_mistake(tmp_path: Path) -> None:
    made = graph(tmp_path, FITTED + "      - dark: {}\n        needs: rgb\n", "      images: {from: normalize}\n")
    assert [node.id for node in made.fits] == ["normalize"] == list(made.waiting)


def test_values_make_outputs_ready_and_leave_the_measures_alone(tmp_path: Path) -> None:
    made = graph(tmp_path, FITTED)
    given = made.with_fits(VALUES)
    assert (made.is_ready(made.outputs[0]), given.is_ready(given.outputs[0])) == (False, True)
    assert measures_fingerprint(made) == measures_fingerprint(given)
    assert [node.id for node in given.fits] == ["normalize"], "what it is fitted on is still measured"


def test_components_are_named_in_the_output(tmp_path: Path) -> None:
    made = graph(tmp_path, RGB + "      - hog\n      - pca: {of: hog, components: 2}\n")
    assert made.outputs[0].form == "none"
    assert made.outputs[0].features["pca"] == ["component_1", "component_2"]


def test_only_what_derives_a_vector_asks_for_the_lengths_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Hog] = []
    components = Hog.components
    monkeypatch.setattr(Hog, "components", lambda self, *about: (asked.append(self), components(self, *about))[1])
    counts = []
    for more in ("", 3 * "      - outliers: {of: hog}\n"):
        asked.clear()
        graph(tmp_path, RGB + "      - hog\n" + more, "      features: {from: hog}\n")
        counts.append(len(asked))
    assert counts[0] == counts[1], "to tell its length, an embedding runs its model"
