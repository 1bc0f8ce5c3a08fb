"""Tiles cover the image, and boxes follow into each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import Rejected
from tasks.image.sample import Sample
from tasks.image.targets import Targets, place
from tasks.operation import KeyedDraws
from tasks.standardize.tile import Tile, _starts
from tests.tasks.images import KINDS, picture, run, sample, step


def tiles(start: Sample, **parameters: Any) -> list[Sample]:
    return Tile(**parameters).expand(start, "tile", KeyedDraws(7))


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_tiles_are_windows_of_the_image(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    made = tiles(sample(pixels), size=[40, 32], overlap=0.25)
    assert [one.suffix for one in made] == [f".tile:{n}" for n in range(1, len(made) + 1)]
    assert [tuple(one.lineage[-1].params.values()) for one in made] == [
        (x, y) for y in (0, 24, 39) for x in (0, 30, 57)
    ]
    for one in made:
        x, y = one.lineage[-1].params["x"], one.lineage[-1].params["y"]
        assert np.array_equal(one.picture(), pixels[y : y + 32, x : x + 40])


def sahi(side: int, tile: int, overlap: float) -> list[int]:
    """SAHI 0.11 ``get_slice_bboxes``, one axis."""
    starts, least, most = [], 0, 0
    while most < side:
        most = least + tile
        starts.append(max(0, min(side, most) - tile) if most > side else least)
        least = most - int(overlap * tile)
    return starts


@given(st.integers(1, 3000), st.integers(1, 700), st.floats(0, 0.95))
def test_tiles_begin_where_sahis_slices_do(side: int, tile: int, overlap: float) -> None:
    starts = _starts(side, tile, overlap)
    assert starts == sorted(set(sahi(side, tile, overlap)))
    covered = np.zeros(side, bool)
    for start in starts:
        covered[start : start + tile] = True
    assert covered.all()


def test_a_smaller_image_is_one_tile_padded_at_the_end() -> None:
    pixels = picture(31, 23)
    (made,) = tiles(sample(pixels), size=[40, 30], fill=1)
    assert np.array_equal(made.picture()[:23, :31], pixels)
    assert (made.picture()[23:] == 255).all() and (made.picture()[:, 31:] == 255).all()


def test_boxes_follow_and_are_clipped_to_each_tile() -> None:
    start = sample(picture(100, 100), targets=Targets(np.array([[30.0, 10.0, 40.0, 20.0]]), ("a",)))
    start = run([step("resize", size=[200, 200])], start)
    placed = [place(one.targets.boxes, one.whole, 0.0, 1.0).boxes.tolist() for one in tiles(start, size=100, overlap=0)]
    assert placed == [[[60, 20, 40, 40]], [[0, 20, 40, 40]], [], []]


def test_steps_before_are_done_once_for_all_tiles_and_copies_of_tiles_draw_apart() -> None:
    start = run([step("resize", size=[128, 128])], sample(picture(97, 71)))
    first, second, *_ = tiles(start, size=64)
    assert first.base is second.base
    assert first.tile != second.tile and first.copy == 0
    assert Tile().rows() == 1 and not Tile().keeps_original() and Tile(size=64).fixed_size(None) == (64, 64)  # type: ignore[arg-type]


def test_too_many_tiles_are_a_verdict() -> None:
    with pytest.raises(Rejected, match="101 x 101 tiles") as caught:
        tiles(sample(np.zeros((101, 101, 1), np.uint8)), size=1, overlap=0)
    assert caught.value.reason == "too_many_tiles"
