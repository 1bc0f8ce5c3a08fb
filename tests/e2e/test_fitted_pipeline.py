"""A fitted pipeline by the real command: two passes on the cluster, pinned, and fitted again when asked."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

import imagemill
from tasks.run.verify import verify
from tests.e2e.conftest import Command
from tests.tasks.run.serial import files, serial

PIPELINE = """
version: 1
pipelines:
  fitted:
    source: {path: images}
    steps:
      - split: {train: 0.7, test: 0.3}
      - resize: {size: [24, 16]}
      - convert_color: {space: rgb}
        id: square
      - normalize: {statistics: fitted}
    outputs:
      tensors: {from: normalize}
      images: {from: square}
"""


def add(images: Path, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(seed, 120 + seed, (20, 30, 3), dtype=np.uint8)
    cv2.imwrite(str(images / f"{seed}.png"), pixels)


def test_one_worker_and_a_refit_by_three_give_the_bytes_of_no_cluster_at_all(command: Command) -> None:
    images = command.folder / "images"
    images.mkdir()
    for seed in range(40):
        add(images, seed)
    (command.folder / "pipelines.yaml").write_text(PIPELINE)
    first = command.run("fitted", "--output", "out", "--workers", "1")
    serial(command.folder / "pipelines.yaml", "fitted", command.folder / "alone")
    assert files(command.folder / "out") == files(command.folder / "alone")
    assert "fit" in first["stages"]

    add(images, 100)
    refitted = command("run", "fitted", "--output", "out", "--workers", "3", "--refit")
    assert refitted.code == 0, refitted.err
    assert "mean 0." in refitted.out, "the summary tells what was fitted"
    serial(command.folder / "pipelines.yaml", "fitted", command.folder / "again")
    assert files(command.folder / "out") == files(command.folder / "again") != files(command.folder / "alone")

    fits = imagemill.open(command.folder / "out").fits
    assert "(on 31 images)" in first["fits"]["normalize"] and fits["normalize"]["images"] == 32
    assert "`normalize`: mean 0." in (command.folder / "out" / "README.md").read_text()
    assert "normalize: mean 0." in command("plan", "fitted", "--output", "out").out
    assert verify(command.folder / "out", None)["problems"] == []
