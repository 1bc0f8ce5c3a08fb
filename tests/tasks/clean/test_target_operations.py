"""Operations on targets: boxes from masks, boxes sanitized, labels remapped; pixels and fused groups pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage import measure

from tasks.errors import Rejected
from tasks.image.sample import Sample
from tasks.image.targets import Targets
from tasks.operation import Target
from tasks.pipeline.rewrite import settles
from tests.tasks.images import KINDS, make, picture, run, sample, step

BOXES = np.array([[10.0, 10, 20, 20], [10, 10, 20, 20], [50, 5, 0.5, 20], [60, 40, 1, 0.8], [200, 10, 9, 9]])


def after(targets: Targets, *steps: Any, size: tuple[int, int] = (97, 71)) -> Sample:
    return run([step(one) for one in steps], sample(picture(*size), targets=targets))


def noted(one: Sample) -> list[tuple[int, str]]:
    return [(d.params["box"], d.params["reason"]) for d in one.lineage if d.step == "objects"]


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
@pytest.mark.parametrize("size", [(1, 1), (31, 23)])
@pytest.mark.parametrize("name", ["boxes_from_masks", "sanitize_boxes", "remap_labels"])
def test_pixels_pass(name: str, size: tuple[int, int], dtype: str, channels: int) -> None:
    pixels = picture(*size, dtype, channels)
    mask = np.ones(size[::-1], np.uint8)
    made = run([step(name, **dict(make_example(name)))], sample(pixels, targets=Targets(mask=mask)))
    assert made.picture() is pixels
    assert len(made.targets.boxes) == (name == "boxes_from_masks")


def make_example(name: str) -> Any:
    return type(make(name, classes={1: "a"}) if name == "boxes_from_masks" else make(name)).example


def test_they_do_not_end_a_fused_group() -> None:
    rotate, sanitize, resize = (step(one).operation for one in ("rotate", "sanitize_boxes", {"resize": {"size": 40}}))
    assert not settles([("rotate", rotate), ("sanitize", sanitize), ("resize", resize)])
    nested = step({"sequence": {"transforms": ["sanitize_boxes", "hflip"]}}).operation
    assert not settles([("rotate", rotate), ("sequence", nested), ("resize", resize)])


def test_boxes_that_are_nothing_to_learn_from_leave_with_a_note() -> None:
    made = after(Targets(BOXES, tuple("aabcd")), "sanitize_boxes")
    assert noted(made) == [(1, "duplicate"), (2, "too_small"), (3, "too_small"), (4, "not_visible")]
    assert made.targets.boxes.tolist() == [[10, 10, 20, 20]] and made.targets.numbers == (0,)
    kept = after(
        Targets(BOXES, tuple("aabcd")), {"sanitize_boxes": {"duplicates": False, "min_size": 0, "min_area": 0}}
    )
    assert noted(kept) == [(4, "not_visible")]
    assert noted(after(Targets(BOXES, tuple("abbcd")), "sanitize_boxes"))[0] == (2, "too_small")  # another category


def test_boxes_are_judged_as_they_lie_by_now_and_numbered_as_in_the_source() -> None:
    half = {"resize": {"size": [48, 35]}}
    made = after(
        Targets(np.array([[9.0, 9, 15, 15], [30, 30, 30, 30]]), ("a", "b")), half, {"sanitize_boxes": {"min_size": 8}}
    )
    assert noted(made) == [(0, "too_small")]
    again = after(made.targets, {"remap_labels": {"categories": {"b": None}}})
    assert noted(again) == [(1, "category")] and not len(again.targets.boxes)


def test_categories_are_renamed_joined_and_dropped_at_once() -> None:
    targets = Targets(np.arange(16.0).reshape(4, 4), ("cat", "dog", "fox", "owl"))
    made = after(targets, {"remap_labels": {"categories": {"cat": "dog", "dog": "cat", "fox": "cat", "owl": None}}})
    assert made.targets.categories == ("dog", "cat", "cat")
    operation = make("remap_labels", categories={"cat": "animal", "dog": "animal", "owl": None})
    assert isinstance(operation, Target)
    assert operation.categories_after(("cat", "dog", "owl", "car")) == ("animal", "car")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_indices_are_remapped_at_once(dtype: str) -> None:
    mask = (np.arange(71 * 97).reshape(71, 97) % 256).astype(dtype)
    made = after(Targets(mask=mask), {"remap_labels": {"indices": {1: 2, 2: 1, 255: 0}}}).targets.mask
    assert made is not None and made.dtype == mask.dtype
    wanted = np.select([mask == 1, mask == 2, mask == 255], [2, 1, 0], mask.astype(int))
    assert np.array_equal(made, wanted)


def test_an_index_that_a_mask_does_not_hold_rejects_the_image() -> None:
    with pytest.raises(Rejected, match="300") as caught:
        after(Targets(mask=np.ones((71, 97), np.uint8)), {"remap_labels": {"indices": {1: 300}}})
    assert caught.value.reason == "bad_annotations"


@settings(max_examples=50, deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.integers(0, 2)))
def test_regions_are_those_of_scikit_image(mask: np.ndarray) -> None:
    height, width = mask.shape
    made = after(Targets(mask=mask), {"boxes_from_masks": {"classes": {1: "a", 2: "b"}}}, size=(width, height)).targets
    wanted = []
    for index, name in ((1, "a"), (2, "b")):
        for region in measure.regionprops(measure.label(mask == index, connectivity=2)):
            top, left, bottom, right = region.bbox
            wanted.append((name, [left, top, right - left, bottom - top]))
    assert sorted(zip(made.categories, made.boxes.tolist(), strict=True)) == sorted(wanted)


def test_a_class_may_be_one_object_and_specks_none() -> None:
    mask = np.zeros((71, 97), np.uint8)
    mask[5:10, 5:10] = mask[40:60, 50:80] = mask[0, 0] = 1
    before = Targets(np.array([[1.0, 2, 3, 4]]), ("old",), key_points=np.ones((1, 2, 3)), mask=mask)
    one = after(before, {"boxes_from_masks": {"classes": {1: "a"}, "regions": "class"}}).targets
    assert one.boxes.tolist() == [[1, 2, 3, 4], [0, 0, 80, 60]] and one.categories == ("old", "a")
    assert one.key_points is not None and one.key_points.shape == (2, 2, 3) and one.numbers == (0, 1)
    several = after(before, {"boxes_from_masks": {"classes": {1: "a"}, "min_area": 2}}).targets
    assert len(several.boxes) == 3


def test_boxes_from_masks_are_as_tight_as_their_regions_after_a_rotation() -> None:
    y, x = np.mgrid[:71, :97] + 0.5
    disc = ((x - 48) ** 2 + (y - 35) ** 2 < 400).astype(np.uint8)
    made = after(Targets(mask=disc), {"boxes_from_masks": {"classes": {1: "disc"}}}, {"rotate": {"degrees": [45, 45]}})
    assert abs(made.targets.placed(made.whole, 0.1, 1).boxes[0, 2] - 40) < 1.5  # corners of pixels; of the box 57
