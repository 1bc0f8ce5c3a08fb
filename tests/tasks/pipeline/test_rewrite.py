"""Where fused groups end: by the pipeline alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.errors import Rejected
from tasks.image.geometry import Matrix, Size, translation
from tasks.image.sample import Sample
from tasks.operation import Draws, Expander, Filter, Geometric, KeyedDraws, RandomFilter, Step
from tasks.pipeline.rewrite import settles
from tests.tasks.images import make, picture, run, sample, step


class ReflectPad(Geometric):
    """Pad by mirroring."""

    border: str = "reflect"

    def canvas(self, size: Size, **params: Any) -> Size:
        return Size(size.width + 8, size.height + 8)

    def matrix(self, size: Size, **params: Any) -> Matrix:
        return translation(4, 4)


class Grain(RandomFilter):
    """Add noise, or not."""

    p: float = 0.5

    def draw(self, rng: Any, sample: Any) -> dict[str, Any]:
        return {}

    def filter(self, pixels: NDArray[Any], **params: Any) -> NDArray[Any]:
        return pixels


class Tiles(Expander):
    """Cut into tiles."""

    def expand(self, sample: Sample, path: str, draws: Draws) -> list[Sample]:
        return [sample]

    def rows(self) -> int:
        return 1

    def keeps_original(self) -> bool:
        return False


REFLECT = Step(id="reflect", operation=ReflectPad())
GRAIN = Step(id="grain", operation=Grain())
TILES = Step(id="tiles", operation=Tiles())
CURVE, BLUR = "brightness_contrast", {"gaussian_blur": {"sigma": 1}}


def resize(side: int, **more: Any) -> dict[str, Any]:
    return {"resize": {"size": side, **more}, "id": f"to_{side}"}


def ends(*chain: Any) -> set[str]:
    steps = [step(one) for one in chain]
    return set(settles([(one.id, one.operation) for one in steps]))


@pytest.mark.parametrize(
    ("chain", "wanted"),
    [
        ([], set()),
        ([resize(9), "hflip", "rotate", CURVE], set()),  # curves come after moves
        ([resize(256), {"center_crop": {"size": 224}}, "normalize"], set()),
        ([CURVE, "rotate"], {"rotate"}),
        ([CURVE, "hflip", "rot90", "vflip"], set()),  # exact moves let curves pass
        ([CURVE, "hflip", "rotate"], {"rotate"}),
        ([CURVE, {"center_crop": {"size": 9}}], {"center_crop"}),  # no table crosses a constant fill
        ([CURVE, {"crop": {"box": [0, 0, 9, 9]}}, "hflip"], {"crop"}),
        ([{"center_crop": {"size": 9}}, CURVE], set()),
        ([resize(9), BLUR, "rotate"], {"gaussian_blur"}),
        ([BLUR, "rotate"], set()),  # nothing is pending before it, nor after
        ([resize(9), GRAIN, "rotate"], {"grain"}),  # drawn or not
        ([resize(9), "screen", {"hog": {}}, "deduplicate", "split", "rotate"], set()),
        ([resize(64), {**resize(128), "id": "large"}], {"large"}),  # enlarging after shrinking
        ([resize(128), resize(64)], set()),
        ([resize(64, fit="shortest"), {**resize(128, fit="longest"), "id": "large"}], {"large"}),
        ([resize(640, fit="pad"), {**resize(640), "id": "same"}], set()),
        ([{"center_crop": {"size": 64}}, resize(128)], set()),  # nothing was shrunk
        ([resize(64), BLUR, resize(128)], {"gaussian_blur"}),
        ([resize(64), "rotate", {**resize(128), "id": "large"}], {"large"}),
        ([resize(64, interpolation="linear"), {**resize(32, interpolation="cubic"), "id": "b"}], {"b"}),
        ([resize(64, interpolation="linear"), {**resize(32, interpolation="linear"), "id": "b"}], set()),
        ([resize(64, interpolation="linear"), "rotate", resize(32)], set()),
        (["rotate", REFLECT, "hflip"], {"reflect", "hflip"}),  # a mirrored border ends before and after
        ([REFLECT, CURVE], {CURVE}),
        ([resize(9), {"normalize": {"method": "minmax"}}], {"normalize"}),  # it measures what came before
        ([CURVE, "normalize"], set()),
        ([resize(9), TILES, "rotate"], {"rotate"}),
    ],
)
def test_a_group_ends_where_it_must(chain: list[Any], wanted: set[str]) -> None:
    assert ends(*chain) == wanted


def composer(name: str, *members: Any, **more: Any) -> dict[str, Any]:
    return {name: {"transforms": list(members), **more}}


@pytest.mark.parametrize(
    ("chain", "wanted"),
    [
        ([resize(9), composer("one_of", "hflip", "rotate"), "rotate"], set()),
        ([resize(9), composer("one_of", "hflip", BLUR), "rotate"], {"one_of", "rotate"}),  # before it and after it
        ([resize(9), composer("one_of", "hflip", CURVE), CURVE], {"one_of", CURVE}),
        ([CURVE, composer("one_of", "hflip", "rotate"), "hflip"], {"one_of"}),  # whichever is drawn
        ([CURVE, composer("one_of", "hflip", "vflip"), "rotate"], {"rotate"}),
        ([composer("sequence", CURVE, "rotate")], {"sequence/rotate"}),
        ([composer("one_of", resize(64), resize(128), original=True)] * 0, set()),
        ([composer("one_of", resize(64), resize(128))], set()),  # alternatives do not follow each other
        ([composer("some_of", resize(64), resize(128))], {"some_of/to_128"}),
        ([resize(128), composer("one_of", composer("sequence", "rotate", "hflip"), "vflip"), "rotate"], set()),
        ([composer("augment", "hflip", "rotate", CURVE), resize(9)], {"to_9"}),
        ([CURVE, composer("augment", "hflip", "rotate")], {"augment/rotate"}),  # the chain goes on inside
        (
            [resize(9), composer("augment", composer("one_of", "rotate", BLUR), "hflip")],
            {"augment/one_of", "augment/hflip"},
        ),
        (
            [composer("augment", composer("one_of", composer("sequence", CURVE, "rotate"), "hflip"))],
            {"augment/one_of/sequence/rotate"},
        ),
        ([CURVE, composer("augment", BLUR), "rotate"], {"augment/gaussian_blur", "rotate"}),  # the original waits still
        ([CURVE, composer("augment", BLUR, original=False), "rotate"], {"augment/gaussian_blur"}),
    ],
)
def test_composers_and_copies(chain: list[Any], wanted: set[str]) -> None:
    assert ends(*chain) == wanted


def test_nothing_that_is_drawn_decides() -> None:
    chain = [step(CURVE), step("one_of", transforms=["hflip", "rotate"]), step("rotate")]
    ending = settles([(one.id, one.operation) for one in chain])
    moves = set()
    for seed in range(30):
        made = run(chain, sample(picture()), KeyedDraws(seed, ending))
        moves.add(len(made.before))
    assert moves == {0}  # the group ended before one_of, and nowhere else


def test_a_curve_that_waits_for_exact_moves_changes_nothing() -> None:
    chain = [step(CURVE), step("hflip", p=1), step("rot90", p=1), step("vflip", p=1)]
    fused = run(chain, sample(picture()))
    one_by_one = sample(picture())
    for one in chain:
        one_by_one = run([one], one_by_one).settled()
    assert np.array_equal(fused.picture(), one_by_one.picture())


def test_a_filled_corner_is_not_brightened_by_a_curve_before_it() -> None:
    chain = [step(CURVE, brightness=[0.2, 0.2]), step("center_crop", size=[120, 90])]
    ending = settles([(one.id, one.operation) for one in chain])
    assert run(chain, sample(picture()), KeyedDraws(7, ending)).picture()[0, 0].tolist() == [0, 0, 0]


def test_a_box_that_misses_every_canvas_does_not_stop_the_plan() -> None:
    chain = [step(resize(64)), step("crop", box=[100, 0, 5, 5]), step("hflip")]
    assert settles([(one.id, one.operation) for one in chain]) == frozenset()
    with pytest.raises(Rejected):
        run(chain, sample(picture()))


def test_filters_and_composers_name_their_kind() -> None:
    assert isinstance(make("gaussian_blur", sigma=1), Filter)
