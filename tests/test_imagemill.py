"""The public face: what a user imports, and the plain word when another package hides ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import imagemill
from tests.tasks.run.test_run import Collection

ROOT = Path(__file__).parents[1]


def test_a_dataset_opens_with_counts_rows_and_rejections(tmp_path: Path) -> None:
    Collection(tmp_path).run("a")
    dataset = imagemill.open(tmp_path / "a")
    assert dataset.outputs == ["images", "features"]
    assert set(dataset.splits) == {"train", "validation", "test"}
    assert dataset.table(split="train").num_rows == dataset.version["counts"]["rows"]["images"]["train"]
    first = dataset.table(columns=["id"])["id"][0].as_py()
    row = dataset.row(first)
    assert row is not None
    assert row["id"] == first
    assert dataset.row("f" * 20) is None
    assert dataset.rejected.num_rows == dataset.version["counts"]["rejected"]


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(imagemill.RequestError, match="no imagemill dataset"):
        imagemill.open(tmp_path)
    with pytest.raises(imagemill.RequestError, match="no pipeline `nothing`"):
        imagemill.run("nothing", file=ROOT / "pipelines.yaml")
    Collection(tmp_path).run("a")
    with pytest.raises(imagemill.RequestError, match="no output 'imagse'"):
        imagemill.open(tmp_path / "a").files("imagse")


@pytest.mark.parametrize("name", ["flows", "tasks"])
def test_a_package_that_hides_ours_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import imagemill"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode != 0
    assert f"`{name}` is hidden by another of that name" in done.stderr
    assert str(tmp_path / name) in done.stderr


def test_importing_imagemill_imports_neither_prefect_nor_dask() -> None:
    code = "import sys, imagemill; print(sorted({'prefect', 'dask', 'distributed'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
