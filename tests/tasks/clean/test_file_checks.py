"""Checks that look beyond the pixels: at the file, the boxes, the spectrum, a model's opinion."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError
from skimage import data

from tasks.image.sample import Encoded, Sample
from tasks.image.targets import Targets
from tasks.operation import Check
from tests.tasks.images import in_dtype, make, picture, sample
from tests.tasks.run.serial import serial

MODEL = str(Path(__file__).parents[3] / "data" / "models" / "thumbnail.onnx")


def check(name: str, **parameters: Any) -> Check:
    operation = make(name, **parameters)
    assert isinstance(operation, Check)
    return operation


def saved(pixels: np.ndarray, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, format, **options)
    return file.getvalue()


def of_file(uri: str, data: bytes, format: str) -> Sample:
    return sample(picture(8, 8), file=Encoded(uri, data, format))


@settings(deadline=None)
@given(st.integers(1, 100), st.booleans())
def test_the_quality_of_a_jpeg_is_the_one_it_was_saved_with(quality: int, gray: bool) -> None:
    pixels = picture(16, 16, channels=1 if gray else 3)
    one = of_file("a.jpg", saved(pixels, "JPEG", quality=quality), "jpeg")
    measured = check("jpeg_quality", below=50).examine(one)[""]
    # Qualities of the same table are the same file; the table says the best of them.
    same = saved(pixels, "JPEG", quality=int(measured)) == saved(pixels, "JPEG", quality=quality)
    assert measured == quality or (measured > quality and same)


def test_opencvs_files_have_their_quality_too() -> None:
    for quality in (10, 50, 75, 95):
        data = cv2.imencode(".jpg", picture(64, 48), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        assert check("jpeg_quality", below=50).examine(of_file("a.jpg", data, "jpeg")) == {"": quality}


def test_a_poor_jpeg_is_rejected_and_a_png_never() -> None:
    operation = check("jpeg_quality", below=50)
    verdict = operation.verdict({"": 49.0})
    assert verdict is not None
    assert (verdict.reason, verdict.message) == ("low_jpeg_quality", "JPEG quality 49 is below 50")
    assert operation.verdict({"": 50.0}) is None
    png = of_file("a.png", saved(picture(8, 8), "PNG"), "png")
    assert operation.examine(png) == operation.examine(sample(picture(8, 8))) == {"": 100.0}


@pytest.mark.parametrize(
    ("uri", "format", "score"),
    [
        ("a.jpg", "jpeg", 1),
        ("a.JPEG", "jpeg", 1),
        ("b/a.jpg", "png", 0),
        ("a.png", "webp", 0),
        ("archive.tar!/x.tif", "tiff", 1),
        ("a", "png", 1),
        ("a.dat", "png", 1),
        ("a.jpg.png", "jpeg", 0),
    ],
)
def test_an_extension_of_another_format_is_told(uri: str, format: str, score: float) -> None:
    operation = check("wrong_extension")
    measures = operation.examine(of_file(uri, b"", format))
    assert measures == {"": score}
    verdict = operation.verdict(measures)
    assert (verdict is None) == (score == 1)
    assert verdict is None or verdict.reason == "wrong_extension"


def test_what_pillow_calls_a_format_is_no_wrong_extension() -> None:
    Image.init()
    named = {"JPEG": "jpeg", "PNG": "png", "GIF": "gif", "TIFF": "tiff", "BMP": "bmp", "WEBP": "webp", "PPM": "ppm"}
    for extension, format in Image.registered_extensions().items():
        if format in named:
            one = of_file(f"a{extension}", b"", named[format])
            assert check("wrong_extension").examine(one) == {"": 1.0}, extension


@pytest.mark.parametrize("interpolation", [cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4])
@pytest.mark.parametrize("photograph", [data.astronaut(), data.coffee(), data.camera()[:, :, None]])
def test_an_enlarged_photograph_has_a_lower_score(photograph: np.ndarray, interpolation: int) -> None:
    operation = check("upscaled", below=0.2)
    half = cv2.resize(photograph, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    twice = cv2.resize(half, None, fx=2, fy=2, interpolation=interpolation)
    before, after = (operation.measure(one.reshape(*one.shape[:2], -1))[""] for one in (half, twice))
    assert after < 0.6 * before and after < 0.35 < before


def test_a_white_spectrum_is_no_sign_of_enlarging_and_small_or_even_pictures_are_not_judged() -> None:
    operation = check("upscaled", below=0.2)
    noise = np.random.default_rng(7).integers(0, 256, (200, 300, 3), np.uint8)
    assert operation.measure(noise)[""] > 0.8
    assert operation.measure(picture(63, 500))[""] == 1.0
    assert operation.measure(np.full((100, 100, 1), 77, np.uint8))[""] > 0.9


def test_depth_does_not_change_the_share_of_detail() -> None:
    pixels = np.ascontiguousarray(data.coffee()[:200, :200])
    scores = {check("upscaled", below=0.2).measure(in_dtype(pixels, d))[""] for d in ("uint8", "uint16", "float32")}
    assert len(scores) == 1


def boxed(*boxes: list[float], categories: tuple[str, ...] | None = None) -> Sample:
    targets = Targets(np.array(boxes, dtype=np.float64).reshape(-1, 4), categories or ("cat",) * len(boxes))
    return sample(picture(100, 50), targets=targets)


@pytest.mark.parametrize(
    ("one", "counts"),
    [
        (boxed(), (0, 0, 0, 0)),
        (boxed([0, 0, 100, 50], [10, 10, 5, 5]), (0, 0, 0, 0)),
        (boxed([-0.5, 0, 101, 50.5]), (0, 0, 0, 0)),
        (boxed([-2, 0, 10, 10], [95, 10, 10, 10], [0, 45, 5, 10]), (3, 0, 0, 0)),
        (boxed([5, 5, 0, 10], [5, 5, 10, -1]), (0, 2, 0, 0)),
        (boxed([5, 5, 9, 9], [5, 5, 9, 9], [5, 5, 9, 9]), (0, 0, 2, 0)),
        (boxed([5, 5, 9, 9], [5, 5, 9, 9], categories=("cat", "dog")), (0, 0, 0, 1)),
    ],
)
def test_boxes_that_cannot_be_right_are_counted(one: Sample, counts: tuple[int, ...]) -> None:
    operation = check("annotations", classes=["cat"])
    measures = operation.examine(one)
    assert tuple(measures.values()) == counts and tuple(measures) == operation.measures()
    verdict = operation.verdict(measures)
    assert (verdict is None) == (not any(counts))
    assert verdict is None or verdict.reason == "bad_annotations"
    assert check("annotations", at_most=3).verdict(measures) is None


def test_a_model_gives_the_score() -> None:
    pytest.importorskip("onnxruntime")
    vector = make("embedding", model=MODEL).extract(picture())  # type: ignore[attr-defined]
    operation = check("score_model", model=MODEL, below=0.0, component=3)
    measures = operation.measure(picture())
    assert measures == {"": float(vector[3])}
    verdict = operation.verdict({"": -0.1})
    assert verdict is not None and (verdict.reason, verdict.limit) == ("low_score", 0.0)
    assert operation.verdict({"": 0.0}) is None
    with pytest.raises(ValidationError, match="there is no component 4800"):
        make("score_model", model=MODEL, below=0, component=4800)


def test_screen_rejects_by_file_in_a_run_and_a_changed_limit_measures_nothing_again(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    pixels = picture(60, 40)
    (folder / "good.jpg").write_bytes(saved(pixels, "JPEG", quality=90))
    (folder / "poor.jpg").write_bytes(saved(pixels, "JPEG", quality=20))
    (folder / "png.jpg").write_bytes(saved(pixels, "PNG"))
    file = tmp_path / "pipelines.yaml"
    text = """
version: 1
pipelines:
  files:
    source: {path: images}
    steps:
      - screen: {jpeg_quality: {below: LIMIT}, wrong_extension: {}}
"""
    file.write_text(text.replace("LIMIT", "50"))
    ran = serial(file, "files", tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "rejected")
    reasons = dict(zip(table["uri"].to_pylist(), table["reason"].to_pylist(), strict=True))
    assert reasons == {"poor.jpg": "low_jpeg_quality", "png.jpg": "wrong_extension"}
    assert ran.made == 3
    row = pq.read_table(tmp_path / "out" / "data").to_pylist()[0]
    measured = {name: value for name, value in row.items() if "quality" in name or "extension" in name}
    assert set(measured.values()) == {90.0, 1.0}, measured
    file.write_text(text.replace("LIMIT", "10"))
    ran = serial(file, "files", tmp_path / "out")
    assert ran.version["counts"]["reasons"] == {"wrong_extension": 1}
    assert ran.made == 1  # the one that had no rows yet


def test_what_a_screen_flags_stays_and_is_noted(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for name, pixels in (("dark", np.zeros((40, 60, 3), np.uint8)), ("good", picture(60, 40))):
        (folder / f"{name}.png").write_bytes(saved(pixels, "PNG"))
    file = tmp_path / "pipelines.yaml"
    steps = "    steps:\n      - screen: {dark: {}, action: ACTION}\n"
    text = f"version: 1\npipelines:\n  p:\n    source: {{path: images}}\n{steps}"
    file.write_text(text.replace("ACTION", "flag"))
    version = serial(file, "p", tmp_path / "out").version
    assert version["counts"]["rejected"] == 0 and version["counts"]["kept"] == 2
    (entry,) = version["decisions"]
    (note,) = pq.read_table(tmp_path / "out" / ".imagemill" / entry["object"]).to_pylist()
    assert (note["step"], note["reason"], note["score"], note["limit"]) == ("screen", "dark", 0.0, 0.32)
    file.write_text(text.replace("ACTION", "reject"))
    ran = serial(file, "p", tmp_path / "out")
    assert ran.version["counts"]["reasons"] == {"dark": 1} and ran.made == 0
