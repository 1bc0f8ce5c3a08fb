"""One pipeline of every listed operation, generated from the list, runs on the sample collection.

An operation stands with its default parameters, or as its documentation shows it where one is required. Operations of a
kind are a chain; those that make several rows of one are a branch each, and those that mix images stand in an augment.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from tasks.fitted import Derived, Fitted
from tasks.operation import Applied, Check, Composer, Dataset, Expander, Feature, Operation, registry
from tasks.run.verify import verify
from tests.tasks.images import make
from tests.tasks.run.serial import Ran, serial

ROOT = Path(__file__).parents[3]
FEW = 13  # of the smallest keys: gray and colour, 8 and 16 bits, 25 px and more
SIDE = 96
FEWER = {"pca": {"components": 4}}  # a fit of 64 takes more than 64 images


def listed(*kinds: type[Operation]) -> list[str]:
    return [name for name, kind in sorted(registry().items()) if issubclass(kind, kinds)]


def shown(name: str) -> Operation:
    return make(name, **registry()[name].example)


def step(name: str, needs: str = "") -> dict[str, Any]:
    """A step as a file writes it."""
    example = plain(registry()[name].example) | FEWER.get(name, {})
    return {name: example or None, "id": called(name), **({"needs": needs} if needs else {})}


def called(name: str) -> str:
    """A step's id; screen's columns are those of the checks in it."""
    return f"in_{name}" if name == "screen" else name


def plain(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("data/"):
        return str(ROOT / value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def branches() -> dict[str, list[str]]:
    """Every operation that stands at a step of its own, in chains that each start at the same pictures."""
    pixels = [name for name in listed(Applied, Composer) if not issubclass(registry()[name], Fitted)]
    found: dict[str, list[str]] = {}
    for name in pixels:
        one = shown(name)
        same = all(one.gives(dtype) == dtype for dtype in one.takes) and [*map(one.fixed_channels, (1, 3))] == [1, 3]
        found.setdefault(one.kind if same else "types", []).append(name)
    return {
        **found,
        "checks": listed(Check),
        "features": [*listed(Feature), *listed(Dataset), *listed(Derived)],  # some are of features
        **{name: [name] for name in [*listed(Expander), *of_colours()]},
    }


def of_colours() -> list[str]:
    """What has statistics of colours: gray images are rejected."""
    return [name for name in listed(Fitted) if not issubclass(registry()[name], Derived)]


def written(file: Path) -> set[str]:
    """Write the pipeline; give the operations that stand in it."""
    steps: list[dict[str, Any]] = [{"resize": {"size": [SIDE, SIDE]}, "id": "start"}]
    steps.append({"convert_color": {"space": "rgb"}, "id": "colours"})
    outputs = {}
    mixing = [name for name, kind in sorted(registry().items()) if kind.kind == "mixing"]
    for branch, names in branches().items():
        first = "colours" if branch in of_colours() else "start"
        steps += [step(names[0], first), *map(step, names[1:])]
        outputs[branch] = {"from": called(names[-1])}
    for name in mixing:
        transforms = [{name: plain(registry()[name].example)}]
        steps.append({"augment": {"copies": 1, "transforms": transforms}, "id": f"mixing_{name}", "needs": "start"})
        outputs[f"mixing_{name}"] = {"from": f"mixing_{name}"}
    source = {"path": str(ROOT / "data/sample"), "labels": "folder"}
    with file.open("w") as out:
        YAML().dump({"version": 1, "pipelines": {"all": {"source": source, "steps": steps, "outputs": outputs}}}, out)
    return {name for one in steps for name in one if name not in ("id", "needs")} | set(mixing)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    folder = tmp_path_factory.mktemp("all")
    assert written(folder / "all.yaml") == set(registry()), "every listed operation stands in it"
    return serial(folder / "all.yaml", "all", folder / "out", limit=FEW), folder / "out"


def rows(out: Path, output: str) -> Iterable[dict[str, Any]]:
    return pq.read_table(out / output).to_pylist()


def others(made: Ran) -> list[str]:
    """The outputs but the first, which lies in data/."""
    return [one["name"] for one in made.version["pipeline"]["outputs"][1:]]


def test_only_checks_and_decisions_reject(dataset: tuple[Ran, Path]) -> None:
    made, out = dataset
    judges = [called(name) for name in listed(Check, Dataset)]
    rejected = [(row["step"], row["reason"], row["message"]) for row in rows(out, "rejected")]
    assert not [one for one in rejected if one[0] not in judges]
    assert made.version["counts"]["kept"] >= FEW - 2


def test_every_branch_has_all_rows_of_all_kinds_of_images(dataset: tuple[Ran, Path]) -> None:
    made, out = dataset
    kept = {row["source"]["uri"] for row in rows(out, "data")}
    assert {uri.rpartition(".")[0] for uri in kept} >= {
        "quickstart/microscopy/glands_2",  # colours
        "quickstart/textures/grass_4",  # gray
        "xray/phantom/dose_20000_16_bit",
        "faces/other/186",  # 25 x 25 pixels
    }
    for name in others(made):
        found = {row["source"]["uri"] for row in rows(out, name)}
        assert found == kept or name in ("checks", "features"), name  # these judge, and drop duplicates


def test_no_copy_or_crop_failed(dataset: tuple[Ran, Path]) -> None:
    made, out = dataset
    for name in others(made):
        for row in rows(out, name):
            lost = [one for one in row.get("lineage") or [] if one["operation"] == "rejected"]
            assert not lost or row["split"] != "train", name  # in the other splits there may be no other to mix with


def test_rows_of_every_branch_are_made_again_to_the_same_bytes(dataset: tuple[Ran, Path]) -> None:
    assert verify(dataset[1], 3)["problems"] == []
