"""Every registered operation, as its documentation shows it, works as a step of a pipeline on every kind of image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tasks.errors import Rejected
from tasks.fitted import Derived
from tasks.image.sample import Pixels, Sample
from tasks.operation import DTYPES, Applied, Check, Composer, Dataset, Expander, Feature, KeyedDraws, Mixing, registry
from tasks.pipeline.graph import Graph, build
from tasks.pipeline.spec import SpecError, thaw
from tasks.run.course import Course
from tests.tasks.images import KINDS, picture, sample

ROOT = Path(__file__).parents[2]
SIZES = [(1, 1), (7, 5), (64, 48)]
PIXELS = (Applied, Composer, Expander)
VERDICTS = {  # why an operation may refuse an image of these; anything else that it raises is a mistake
    "wrong_channels",
    "too_small",
}


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples name files of the sample by their paths from there."""
    monkeypatch.chdir(ROOT)


def pipeline(name: str, parameters: Mapping[str, Any], size: tuple[int, int]) -> Graph:
    """A pipeline of one step; features, whose length may depend on it, get a known size."""
    step: dict[str, Any] = {name: {**parameters}}
    if issubclass(registry()[name], Mixing):
        step = {"augment": {"transforms": [step]}}
    derived = issubclass(registry()[name], Derived) or name == "outliers"
    sized = derived or issubclass(registry()[name], Feature)
    known = {"resize": {"size": [*size]}} if sized else {"min_size": [1, 1]}
    before = [{**known, "id": "start"}, *([{"hog": None}] if derived else [])]
    graph = build(
        thaw(
            {
                "version": 1,
                "name": "one",
                "source": {"path": "data/sample/quickstart"},
                "steps": [*before, {**step, "id": "step"}],
                "outputs": {"images": {"from": "start"}},
            },
            ROOT,
        )
    )
    return graph.with_fits({one: operation.fit([vectors_of(graph)]) for one, operation in graph.waiting.items()})


def vectors_of(graph: Graph) -> pa.Table:
    """What an operation that derives is fitted on here: vectors as long as the step's before it."""
    hog = graph.nodes["hog"]
    assert isinstance(hog.operation, Feature)
    length = len(hog.operation.components(hog.size, hog.channels))
    rows = np.random.default_rng(5).random((80, length), dtype=np.float32)
    return pa.table({"vector": pa.array([row.tobytes() for row in rows], pa.binary())})


def run(graph: Graph, start: Sample) -> tuple[dict[str, Sample], Course]:
    course = Course(graph, start, KeyedDraws(7, graph.settles), {"split": "train", "label": None})
    return course.rows("step"), course


def seen(rows: Mapping[str, Sample], course: Course) -> list[Any]:
    """Everything that a row has of a step."""
    made = [
        (suffix, one.picture().dtype.name, one.picture().shape, one.picture().tobytes(), one.lineage, vectors(one))
        for suffix, one in rows.items()
    ]
    return [made, course.measures, course.row_measures, {key: str(why) for key, why in course.failures.items()}]


def vectors(one: Sample) -> dict[str, bytes]:
    return {name: vector.tobytes() for name, vector in one.features.items()}


def fits(name: str, parameters: Mapping[str, Any], size: tuple[int, int]) -> Graph | None:
    """The graph, or nothing where the operation says beforehand that an image of this size will not do."""
    try:
        return pipeline(name, parameters, size)
    except SpecError as error:
        if f"image of [{size[0]}, {size[1]}] px" in str(error):
            return None
        raise


@pytest.mark.parametrize("name", sorted(registry()))
def test_it_says_what_it_is(name: str) -> None:
    kind = registry()[name]
    assert kind.name() == name
    assert kind.summary().endswith(".") and kind.source()
    pixels = {"geometric", "pointwise", "filter", "composer", "expander", "mixing"}
    assert kind.kind in pixels | {"target", "check", "feature", "dataset"}
    assert kind.takes and set(kind.takes) <= set(DTYPES)
    required = {field for field, info in kind.model_fields.items() if info.is_required()}
    assert required <= set(kind.example), "a parameter without a default stands in the example"


@pytest.mark.parametrize("name", sorted(registry()))
def test_its_example_runs_on_every_kind_of_image(name: str) -> None:
    kind = registry()[name]
    certain = {"p": 1} if "p" in kind.model_fields else {}
    for size in SIZES:
        graph = fits(name, {**certain, **kind.example}, size)
        if graph is None:
            continue
        for dtype, channels in KINDS:
            if dtype in kind.takes:
                one_image(graph, picture(*size, dtype, channels))


def one_image(graph: Graph, pixels: Pixels) -> None:
    operation = graph.nodes["step"].operation
    before = pixels.copy()
    pixels.setflags(write=False)
    first, course = run(graph, sample(pixels))
    again = run(graph, sample(pixels))
    assert seen(first, course) == seen(*again), "two runs differ"
    assert np.array_equal(pixels, before)
    about = f"{pixels.dtype} {pixels.shape}"
    if not isinstance(operation, Check):
        refused = {failure.reason for failure in course.failures.values() if isinstance(failure, Rejected)}
        assert first or refused <= VERDICTS, f"{about}: {refused}"
    for suffix, one in first.items():
        made = one.picture()
        changed = isinstance(operation, PIXELS) and (suffix or not isinstance(operation, Expander))
        assert made.dtype.name == (operation.gives(pixels.dtype.name) if changed else pixels.dtype.name), about
        assert made.ndim == 3 and made.shape[2] in (1, 3) and made.size and np.isfinite(made).all(), about
        if isinstance(operation, Feature):
            size, channels = graph.nodes["step"].size, pixels.shape[2]
            vector = one.features["step"]
            assert vector.dtype == np.float32 and len(vector) == len(operation.components(size, channels)), about
            assert np.isfinite(vector).all(), about
        elif isinstance(operation, (Check, Dataset)):
            assert np.array_equal(made, before), about


@pytest.mark.parametrize("name", sorted(registry()))
def test_its_defaults_make_a_pipeline_where_nothing_is_required(name: str) -> None:
    kind = registry()[name]
    if any(info.is_required() for info in kind.model_fields.values()):
        pytest.skip("its example stands for the defaults")
    graph = pipeline(name, {}, (64, 48))
    dtype = "uint8" if "uint8" in kind.takes else kind.takes[0]
    one_image(graph, picture(64, 48, dtype, 3))
