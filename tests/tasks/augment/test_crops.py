"""Random crops, box crops, views: what is cut is what was drawn, and boxes go with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from skimage import transform as reference

from tasks.augment.windows import window
from tasks.image.geometry import Size
from tasks.image.masks import moved
from tasks.image.sample import Sample
from tasks.image.targets import Targets, place
from tasks.operation import Expander, KeyedDraws, Range, RecordedDraws
from tests.tasks.images import KINDS, done, fractions, make, picture, run, sample, step

kinds = pytest.mark.parametrize(("dtype", "channels"), KINDS)
BOXES = np.array([[20.0, 10.0, 15.0, 20.0], [50.0, 30.0, 20.0, 25.0]])


def with_boxes(pixels: NDArray[Any], boxes: NDArray[np.float64] = BOXES) -> Sample:
    return sample(pixels, targets=Targets(boxes, tuple("ab"[: len(boxes)])))


@kinds
@pytest.mark.parametrize("size", [(40, 30), (97, 30), (120, 30), (120, 80)])
def test_random_crop_copies_a_window_of_the_padded_image(size: tuple[int, int], dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    padded = np.pad(pixels, ((80, 80), (120, 120), (0, 0)))
    seen = set()
    for seed in range(8):
        made = run([step("random_crop", size=size)], sample(pixels), KeyedDraws(seed))
        x, y = made.lineage[0].params["x"] + 120, made.lineage[0].params["y"] + 80
        assert np.array_equal(made.picture(), padded[y : y + size[1], x : x + size[0]])
        seen.add((x, y))
    assert len(seen) > 1


@kinds
def test_random_resized_crop_enlarges_as_scikit_image_and_shrinks_by_areas(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    made = run([step("random_resized_crop", size=[150, 140], scale=[0.1, 0.2])], sample(pixels))
    x, y, width, height = made.lineage[0].params["box"]
    part = fractions(pixels)[y : y + height, x : x + width]
    there = reference.resize(part, (140, 150), order=1, mode="edge", anti_aliasing=False)
    assert np.abs(fractions(made.picture()) - there).max() <= (1.01 / 255 if dtype == "uint8" else 1e-4)
    pixels = picture(96, 72, dtype, channels)
    whole = done("random_resized_crop", pixels, size=[24, 18], scale=1, ratio=4 / 3)
    means = fractions(pixels).reshape(18, 4, 24, 4, channels).mean(axis=(1, 3))
    assert np.abs(fractions(whole) - means).max() <= (0.51 / 255 if dtype == "uint8" else 1e-4)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 2**40))
def test_windows_lie_inside_and_have_the_area_and_shape_asked_for(width: int, height: int, seed: int) -> None:
    found = window(np.random.default_rng(seed), Size(width, height), Range(0.1, 0.5), Range(0.5, 2))
    if found is None:
        assert min(width, height) < 3 or max(width / height, height / width) > 2
        return
    x, y, across, down = found
    assert x >= 0 and y >= 0 and x + across <= width and y + down <= height
    if min(across, down) > 20:
        assert 0.09 < across * down / (width * height) < 0.55 and 0.45 < across / down < 2.2


def test_where_no_window_fits_the_middle_is_cut() -> None:
    made = run([step("random_resized_crop", size=8, scale=1, ratio=1)], sample(picture(90, 30)))
    assert made.lineage[0].params["box"] == [30, 0, 30, 30]


def test_crop_and_pad_is_a_resized_window() -> None:
    pixels = picture(60, 40)
    made = run([step("crop_and_pad", share=-0.25)], sample(pixels))
    assert made.lineage[0].params == {"left": -15, "top": -10, "right": -15, "bottom": -10}
    there = reference.resize(fractions(pixels)[10:30, 15:45], (40, 60), order=1, mode="edge", anti_aliasing=False)
    assert np.abs(fractions(made.picture()) - there).max() <= 1.01 / 255
    padded = run([step("crop_and_pad", share=0.5, fill=1)], with_boxes(pixels, BOXES[:1]))
    assert padded.picture()[0, 0].tolist() == [255, 255, 255]
    assert np.allclose(place(padded.targets.boxes, padded.whole, 0, 0).boxes, [[25.0, 15.0, 7.5, 10.0]])


@kinds
def test_zoom_out_lays_the_image_somewhere(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    made = run([step("zoom_out", scale=[1.5, 3], fill=1)], sample(pixels))
    p, got = made.lineage[0].params, made.picture()
    assert got.shape == (p["height"], p["width"], channels)
    assert np.array_equal(got[p["y"] : p["y"] + 23, p["x"] : p["x"] + 31], pixels)
    assert got.astype(np.float64).sum() - pixels.astype(np.float64).sum() == pytest.approx(
        (got.size - pixels.size) * {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    )


def test_a_box_safe_crop_cuts_no_box() -> None:
    cuts = []
    for seed in range(60):
        made = run([step("box_safe_crop", cut=0.9)], with_boxes(picture()), KeyedDraws(seed))
        x, y, width, height = made.lineage[0].params["box"]
        placed = place(made.targets.boxes, made.whole, 1.0, 1.0)
        assert placed.kept == [0, 1] and np.allclose(placed.boxes, BOXES - [x, y, 0, 0])
        assert np.array_equal(made.picture(), picture()[y : y + height, x : x + width])
        cuts.append(1 - width / 97)
    assert max(cuts) > 0.4 and min(cuts) < 0.1
    alone = [run([step("box_safe_crop")], sample(picture()), KeyedDraws(n)).size.width for n in range(60)]
    assert min(alone) >= 48 and max(alone) <= 97 and len(set(alone)) > 20


def test_an_iou_crop_overlaps_a_box_whose_center_it_holds() -> None:
    for seed in range(40):
        made = run([step("iou_crop", overlaps=[0.3])], with_boxes(picture()), KeyedDraws(seed))
        x, y, width, height = made.lineage[0].params["box"]
        if (width, height) == (97, 71):
            continue
        assert 0.5 <= width / height <= 2 and width >= 29 and height >= 21
        shares = []
        for bx, by, bw, bh in BOXES.tolist():
            if x < bx + bw / 2 < x + width and y < by + bh / 2 < y + height:
                common = (min(x + width, bx + bw) - max(x, bx)) * (min(y + height, by + bh) - max(y, by))
                shares.append(common / (bw * bh + width * height - common))
        assert max(shares) >= 0.3


def expand(name: str, start: Sample, **parameters: Any) -> list[Sample]:
    operation = make(name, **parameters)
    assert isinstance(operation, Expander)
    made = operation.expand(start, name, KeyedDraws(7))
    assert len(made) == operation.rows() and not operation.keeps_original()
    assert [one.suffix for one in made] == [f".{name}:{n}" for n in range(1, len(made) + 1)]
    return made


@kinds
@pytest.mark.parametrize("size", [(30, 20), (97, 20), (120, 20), (1, 1), (120, 80)])
def test_a_crop_of_a_non_empty_mask_shows_something_of_it(size: tuple[int, int], dtype: str, channels: int) -> None:
    pixels, mask = picture(97, 71, dtype, channels), np.zeros((71, 97), np.uint8)
    mask[60:64, 90:96], mask[:40, :50], mask[5, 70] = 1, 255, 2
    turned = np.pad(pixels, ((80, 80), (120, 120), (0, 0)))[:, ::-1]
    kinds_seen = set()
    for seed in range(12):
        start = sample(pixels, targets=Targets(mask=mask))
        steps = [step("hflip", p=1), step("crop_non_empty_mask", size=size, ignore=[255])]
        made = run(steps, start, KeyedDraws(seed))
        shown = moved(mask, made.whole)
        assert shown.shape == made.picture().shape[:2] == size[::-1] and set(np.unique(shown)) & {1, 2}
        x, y = made.lineage[1].params["x"] + 120, made.lineage[1].params["y"] + 80
        assert np.array_equal(made.picture(), turned[y : y + size[1], x : x + size[0]])
        if size[0] < 97:
            assert 120 <= x <= 217 - size[0] and 80 <= y <= 151 - size[1]
        kinds_seen |= set(np.unique(shown))
    assert 1 in kinds_seen


def test_every_place_that_shows_the_pixel_may_be_drawn() -> None:
    mask = np.zeros((71, 97), np.uint8)
    mask[30, 50] = 1
    start = sample(picture(), targets=Targets(mask=mask))
    drawn = [
        run([step("crop_non_empty_mask", size=[3, 2])], start, KeyedDraws(n)).lineage[0].params for n in range(120)
    ]
    assert {(one["x"], one["y"]) for one in drawn} == {(x, y) for x in (48, 49, 50) for y in (29, 30)}  # 1 in 10^8


@pytest.mark.parametrize("mask", [None, np.zeros((71, 97), np.uint8), np.full((71, 97), 255, np.uint8)])
def test_a_crop_of_an_empty_mask_is_a_random_crop(mask: NDArray[np.uint8] | None) -> None:
    start = sample(picture(), targets=Targets(mask=mask))
    found = [
        run([step(name, id="crop", size=[30, 20], **more)], start).lineage[0].params
        for name, more in (("random_crop", {}), ("crop_non_empty_mask", {"ignore": [255]}))
    ]
    assert found[0] == found[1]


@kinds
def test_five_and_ten_crop_are_the_corners_the_center_and_their_mirror_images(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    corners = [pixels[:30, :40], pixels[:30, -40:], pixels[-30:, :40], pixels[-30:, -40:], pixels[20:50, 28:68]]
    five = [one.picture() for one in expand("five_crop", sample(pixels), size=[40, 30])]
    assert all(np.array_equal(one, there) for one, there in zip(five, corners, strict=True))
    ten = [one.picture() for one in expand("ten_crop", sample(pixels), size=[40, 30])]
    mirrored = [corners[i][:, ::-1] for i in (1, 0, 3, 2)]
    assert all(np.array_equal(one, there) for one, there in zip(ten, [*corners, *mirrored], strict=False))
    assert np.array_equal(ten[9], pixels[:, ::-1][20:50, 28:68])
    over = [one.picture() for one in expand("ten_crop", sample(pixels), size=[40, 30], flip="vertical")]
    assert np.array_equal(over[5], pixels[::-1][:30, :40])


def test_boxes_go_into_each_crop() -> None:
    made = expand("ten_crop", with_boxes(picture()), size=[60, 50])
    assert np.allclose(place(made[0].targets.boxes, made[0].whole, 1, 1).boxes, BOXES[:1])
    mirrored = place(
        made[6].targets.boxes, made[6].whole, 1, 1
    ).boxes  # top right of the mirror image: top left, mirrored
    assert np.allclose(mirrored, [[60 - 35.0, 10.0, 15.0, 20.0]])


def test_multi_crop_gives_views_that_draw_apart_and_replay() -> None:
    sizes: dict[str, Any] = {"size": [40, 30], "small_size": 16, "large": 2, "small": 3}
    start = with_boxes(picture())
    made = expand("multi_crop", start, **sizes)
    assert [one.size for one in made] == [(40, 30)] * 2 + [(16, 16)] * 3
    boxes = [one.lineage[0].params["box"] for one in made]
    assert len({str(box) for box in boxes}) == 5
    assert (
        min(w * h for _, _, w, h in boxes[:2]) > 0.38 * 97 * 71 and max(w * h for _, _, w, h in boxes[2:]) < 0.42 * 6887
    )
    assert make("multi_crop").is_random and make("multi_crop").fixed_size(None) is None
    operation = make("multi_crop", **sizes)
    for n, one in enumerate(made):
        draws = RecordedDraws({done.step: dict(done.params) for done in one.lineage})
        again = operation.expand(start, "multi_crop", draws)[n]  # type: ignore[attr-defined]
        assert np.array_equal(again.picture(), one.picture())


def test_sizes_that_are_certain_are_known_before() -> None:
    assert make("random_crop", size=9).fixed_size(None) == (9, 9)
    assert make("random_crop", size=9, p=0.5).fixed_size(Size(10, 10)) is None
    assert make("random_resized_crop", size=9).fixed_size(Size(5, 5)) == (9, 9)
    for name in ("zoom_out", "box_safe_crop", "iou_crop"):
        assert make(name).fixed_size(Size(5, 5)) is None
    assert make("transpose").fixed_size(Size(5, 4)) is None and make("d4").fixed_size(Size(5, 5)) == (5, 5)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("random_crop", {"size": 0}),
        ("random_resized_crop", {"size": 9, "scale": [0, 1]}),
        ("crop_and_pad", {"share": -0.5}),
        ("zoom_out", {"scale": 0.5}),
        ("box_safe_crop", {"cut": 1}),
        ("iou_crop", {"overlaps": []}),
        ("iou_crop", {"overlaps": [2]}),
        ("crop_non_empty_mask", {"size": 9, "ignore": [-1]}),
        ("multi_crop", {"small": -1}),
    ],
)
def test_bounds_are_checked(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make(name, **wrong)
