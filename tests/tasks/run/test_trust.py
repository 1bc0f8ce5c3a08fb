"""What a damaged dataset says of itself: checksums first, each kind of damage told apart, one clear line."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tasks.errors import ImagemillError, RequestError
from tasks.run.replay import replay
from tasks.run.trace import trace
from tasks.run.verify import verify
from tests.tasks.run.serial import Ran, files, serial
from tests.tasks.run.test_run import SAMPLE

PIPELINE = """
version: 1
pipelines:
  {name}:
    source: {{path: "${{PHOTOS}}/photos.csv"}}
    steps:
      - plain: {{}}
        use: my_ops:Plain
      - resize: {{size: 32}}
      - color_moments
    outputs:
      images: {{from: resize}}
      moments: {{from: color_moments}}
"""
PLAIN = '''
from tasks.operation import Filter

class Plain(Filter):
    """Change nothing."""

    def filter(self, pixels, **params):
        return pixels
'''


class Small:
    """A small dataset of a pipeline with a variable, a module of the user's and labels from a manifest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = folder / "photos"
        self.source.mkdir()
        for path in sorted((SAMPLE / "photos").glob("*.jpg"))[-6:]:
            shutil.copy(path, self.source)
        (self.source / "0123456789abcdef0123.jpg").write_bytes((SAMPLE / "photos" / "coffee.jpg").read_bytes())
        self.label()
        (folder / "my_ops.py").write_text(PLAIN)
        self.name()
        self.dataset = folder / "a"

    def label(self, *, first: str = "x") -> None:
        names = sorted(path.name for path in self.source.glob("*.jpg"))
        lines = [f"{name},{first if i == 0 else 'y'},{i}" for i, name in enumerate(names)]
        (self.source / "photos.csv").write_text("\n".join(["uri,label,number", *lines]))

    def name(self, name: str = "small") -> None:
        (self.folder / "pipelines.yaml").write_text(PIPELINE.format(name=name))

    def run(self, name: str = "small", **options: Any) -> Ran:
        return serial(self.folder / "pipelines.yaml", name, self.dataset, **options)

    def object(self, folder: str) -> Path:
        return min((self.dataset / ".imagemill" / folder).rglob("*.parquet"))

    def row(self) -> dict[str, Any]:
        found: dict[str, Any] = pq.read_table(self.dataset / "data", columns=["id", "source"]).to_pylist()[0]
        return found


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    monkeypatch.setenv("PHOTOS", str(tmp_path / "photos"))
    small = Small(tmp_path)
    small.run()
    return small


def overwrite(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def test_a_missing_object_is_named_by_verify(small: Small) -> None:
    for folder in ("objects/data", "objects/moments", "objects/rejected", "measures"):
        small.object(folder).unlink()
    problems = verify(small.dataset)["problems"]
    assert [problem.split("/")[0] for problem in problems] == ["objects", "objects", "objects", "measures"]
    assert all(problem.endswith(": missing") for problem in problems)


def unset(small: Small, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("PHOTOS")
    return "PHOTOS is not set"


def change_module(small: Small, monkeypatch: pytest.MonkeyPatch) -> str:
    (small.folder / "my_ops.py").write_text(PLAIN + "\n")
    return "my_ops.py has changed"


def lose_module(small: Small, monkeypatch: pytest.MonkeyPatch) -> str:
    (small.folder / "my_ops.py").unlink()
    return "my_ops.py: No such file"


@pytest.mark.parametrize("obstacle", [unset, change_module, lose_module])
def test_what_prevents_replay_is_a_problem_that_hides_no_damage(
    small: Small, monkeypatch: pytest.MonkeyPatch, obstacle: Callable[[Small, pytest.MonkeyPatch], str]
) -> None:
    row = small.row()
    why = obstacle(small, monkeypatch)
    (problem,) = verify(small.dataset)["problems"]
    assert "no row can be made again here" in problem
    assert why in problem
    assert verify(small.dataset, sample=0)["problems"] == []
    found = replay(small.dataset, row["id"])
    assert (found["same"], why in found["message"]) == (False, True)
    shard = small.object("objects/data")
    overwrite(shard, shard.read_bytes()[:-1])
    assert [problem.split(": ")[1] for problem in verify(small.dataset)["problems"]] == ["tampered with or damaged"]
    assert "tampered with" in replay(small.dataset, row["id"])["message"]


def test_a_source_that_does_not_answer_is_one_problem(small: Small) -> None:
    small.source.rename(small.folder / "elsewhere")
    (problem,) = verify(small.dataset)["problems"]
    assert "the source does not answer" in problem
    assert "is it mounted?" in problem
    with pytest.raises(ImagemillError, match="is it mounted"):
        replay(small.dataset, small.row()["id"])


def test_a_changed_and_a_missing_source_are_told_apart(small: Small) -> None:
    row = small.row()
    source = small.source / row["source"]["uri"]
    data = source.read_bytes()
    source.write_bytes(data + b"\0")
    assert replay(small.dataset, row["id"])["message"] == "the source has changed since the row was made"
    source.unlink()
    assert "the source cannot be read" in replay(small.dataset, row["id"])["message"]
    source.write_bytes(data)
    assert replay(small.dataset, row["id"])["same"]


def _edit(dataset: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = dataset / ".imagemill" / "versions" / "00000001.json"
    version = json.loads(path.read_text())
    change(version)
    overwrite(path, json.dumps(version).encode())


def _tampered(dataset: Path) -> str:
    """Put one row's picture in another's place, under a checksum that is right; give the row's id."""
    import pyarrow as pa

    from tasks.store import writer

    shard = min((dataset / ".imagemill" / "objects" / "data").glob("*.parquet"))
    table = pq.read_table(shard)
    images = table["image"].to_pylist()
    images[0] = images[1]
    place = table.schema.get_field_index("image")
    swapped = table.set_column(place, table.schema.field("image"), pa.array(images, table.schema.field("image").type))
    shard.unlink()
    written = writer.write(shard, table.schema, swapped.to_batches(), table.num_rows)
    view = min((dataset / "data").glob("*.parquet"))
    view.unlink()
    os.link(shard, view)
    _edit(dataset, lambda v: v["files"][0].update(sha256=written.sha256, bytes=written.bytes))
    return str(table["id"][0])


def test_a_tampered_row_changed_annotations_and_another_library_are_told_apart(small: Small) -> None:
    name = _tampered(small.dataset)
    assert replay(small.dataset, name)["message"] == "image differ; the stored row was tampered with"
    _edit(small.dataset, lambda v: v["platform"]["libraries"].update({"opencv-python-headless": "4.0"}))
    assert "since then changed: opencv-python-headless 4.0 -> " in replay(small.dataset, name)["message"]
    _edit(small.dataset, lambda v: v["platform"].update(machine="m68k"))
    assert "the platform's machine" in replay(small.dataset, name)["message"]
    small.label(first="other")
    assert "what the source says of it" in replay(small.dataset, name)["message"]


def test_trace_tells_an_id_from_a_file_that_is_named_like_one(small: Small) -> None:
    for name in ("0123456789abcdef0123.jpg", small.row()["source"]["uri"]):
        found = trace(small.dataset, name)
        assert found["source"]["uri"] == name
        assert trace(small.dataset, found["id"])["rows"] == found["rows"]
        assert trace(small.dataset, f"moments:{found['id']}")["rows"] == found["rows"]


def test_trace_finds_a_file_whose_name_begins_like_an_output(small: Small) -> None:
    (small.source / "images:a.jpg").write_bytes((SAMPLE / "photos" / "campus.jpg").read_bytes())
    small.label()
    small.run()
    assert trace(small.dataset, "images:a.jpg")["source"]["uri"] == "images:a.jpg"


def test_a_torn_index_is_only_read_again(small: Small) -> None:
    image = small.source / small.row()["source"]["uri"]
    os.utime(image)
    assert (small.run().made, small.run().made) == (1, 0)
    (index,) = (small.dataset / ".imagemill" / "index").glob("*.parquet")
    for data in (index.read_bytes()[:-10], b"", b"PAR1 not at all PAR1"):
        index.write_bytes(data)
        again = small.run()
        assert (again.made, again.committed) == (1, False)
        assert small.run().made == 0


@pytest.mark.parametrize("data", [b"", b"PAR1 not at all PAR1", None])
def test_a_damaged_measures_leaf_is_named_and_fresh_makes_it_good(small: Small, data: bytes | None) -> None:
    before = files(small.dataset)
    measures = small.object("measures")
    whole = measures.read_bytes()
    overwrite(measures, whole[:-30] if data is None else data)
    with pytest.raises(ImagemillError, match=rf"{measures.name}: damaged .* --fresh"):
        small.run()
    small.run(fresh=True)
    assert measures.read_bytes() == whole
    assert files(small.dataset) == before
    assert verify(small.dataset)["problems"] == []


def test_a_missing_shard_is_not_named_by_the_next_version(small: Small) -> None:
    small.object("objects/moments").unlink()
    first = min(small.source.glob("*.jpg"))
    shutil.copy(first, small.source / "zz.jpg")
    small.label()
    with pytest.raises(ImagemillError, match=r"moments.*: missing; .*--fresh"):
        small.run()
    small.run(fresh=True)
    assert verify(small.dataset)["problems"] == []


def test_another_pipeline_does_not_replace_a_dataset_unless_asked(small: Small) -> None:
    small.name("other")
    with pytest.raises(RequestError, match=r"holds what the pipeline small made; other would replace it.*--fresh"):
        small.run("other")
    assert small.run("other", fresh=True).version["name"] == "other"


def test_fresh_forgets_what_a_killed_run_left_staged(small: Small) -> None:
    class Killed(Exception):
        pass

    def die(units: list[Any]) -> Any:
        yield from units
        raise Killed

    (small.folder / "pipelines.yaml").write_text(PIPELINE.format(name="small").replace("size: 32", "size: 40"))
    with pytest.raises(Killed):
        small.run(order=die)
    staged = {path.name for path in (small.dataset / ".imagemill" / "staging").glob("*.arrow")}
    assert staged
    ran = small.run(fresh=True)
    assert ran.made == ran.version["counts"]["listed"]


def test_results_below_their_source_are_no_images(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE / "space", tmp_path / "s")
    file = tmp_path / "pipelines.yaml"
    file.write_text(
        f"version: 1\npipelines:\n  p:\n    source: {{path: {tmp_path}/s}}\n    steps: [resize: {{size: 16}}]\n"
    )
    first = serial(file, "p", tmp_path / "s" / "results" / "a").version["counts"]
    again = serial(file, "p", tmp_path / "s" / "results" / "a")
    assert first["listed"] == len(list((SAMPLE / "space").iterdir()))
    assert (again.made, again.committed) == (0, False)
