"""One image's way through the steps: what a step may not make of it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tasks.store.dataset import open_dataset
from tests.tasks.run.serial import serial

PIPELINE = """version: 1
pipelines:
  small:
    source: {path: source}
    steps:
      - ratio: {}
        use: ratio:Ratio
      - STEP
    outputs:
      images: {from: LAST, encode: {format: png}}
"""
RATIO = '''
import numpy as np
from tasks.operation import Feature


class Ratio(Feature):
    """Give how bright the corners are for the middle: not finite where that is black."""

    def extract(self, pixels):
        return np.divide(pixels[[0, 0, -1], [0, -1, 0], 0], pixels[4, 4, 0], dtype=np.float32)

    def components(self, size, channels):
        return ["a", "b", "c"]
'''


@pytest.mark.filterwarnings("ignore:(invalid value|divide by zero)")
@pytest.mark.parametrize(
    "step",
    [
        "outliers: {of: ratio}",
        "outliers: {of: ratio, method: local_outlier_factor, action: reject}",
        "deduplicate: {method: embedding, of: ratio}",
        "pca: {of: ratio, components: 2}",
    ],
)
def test_an_image_whose_vector_is_not_finite_is_rejected(tmp_path: Path, step: str) -> None:
    (tmp_path / "source").mkdir()
    for i in range(12):
        pixels = np.random.default_rng(i).integers(1, 255, (9, 9, 3), dtype=np.uint8)
        pixels[4, 4] = i if i < 2 else 100  # 0: two infinities and a NaN
        pixels[0, 0, 2] = i
        cv2.imwrite(str(tmp_path / "source" / f"{i:02}.png"), pixels)
    (tmp_path / "ratio.py").write_text(RATIO)
    text = PIPELINE.replace("STEP", step).replace("LAST", step.split(":")[0])
    (tmp_path / "pipelines.yaml").write_text(text)
    serial(tmp_path / "pipelines.yaml", "small", tmp_path / "out")
    found = {row["uri"]: row for row in open_dataset(tmp_path / "out").rejected.to_pylist()}
    broken = found["00.png"]
    assert (broken["step"], broken["reason"]) == ("ratio", "not_finite")
    assert broken["message"] == "3 of the 3 numbers that ratio makes are NaN or infinite"
    assert all(row["reason"] != "not_finite" for uri, row in found.items() if uri != "00.png")
