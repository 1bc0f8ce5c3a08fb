"""Mixing images: whose pixels lie where, what becomes of boxes, masks and labels, and what the lineage says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tasks.errors import Rejected
from tasks.image.geometry import Geometry, Move, Size, translation
from tasks.image.mixing import Rectangle, covered
from tasks.image.sample import Other, Sample
from tasks.image.targets import Targets
from tasks.operation import KeyedDraws, RecordedDraws
from tasks.pipeline.rewrite import settles
from tests.tasks.images import make, perform, picture, run, sample, step

WHOLE = Geometry(Size(100, 60))


class Given:
    """These images, as partners."""

    def __init__(self, *others: Sample) -> None:
        self.others = others

    def find(self, sample: Sample, path: str, count: int) -> list[Other]:
        return [Other(one, {"uri": f"{i}.png"}) for i, one in enumerate(self.others[:count])]


class Fixed(KeyedDraws):
    """Draws what a test says."""

    def __init__(self, **params: Any) -> None:
        super().__init__(0)
        self.given = params

    def params(self, operation: Any, sample: Sample, path: str) -> dict[str, Any]:
        return self.given


def flat(value: int, label: str | None = None, size: tuple[int, int] = (100, 60), **more: Any) -> Sample:
    return sample(np.full((size[1], size[0], 3), value, np.uint8), label=label, **more)


def boxes(*values: list[float], **more: Any) -> Targets:
    names = tuple(f"{i}" for i in range(len(values)))
    return Targets(np.array(values, dtype=np.float64).reshape(-1, 4), names, numbers=tuple(range(len(values))), **more)


def mixed(name: str, start: Sample, *others: Sample, **params: Any) -> Sample:
    given = sample(start.base.pixels, label=start.label, targets=start.targets, others=Given(*others))
    return perform(step(name), given, name, Fixed(**params))


def placed(one: Sample, visibility: float = 0.1) -> list[list[float]]:
    return one.targets.placed(one.whole, visibility, 1.0).boxes.tolist()


def test_mixup_blends_by_the_share() -> None:
    made = mixed("mixup", flat(200, "cat"), flat(100, "dog"), share=0.3)
    assert (made.picture() == 130).all()
    assert dict(made.labels) == pytest.approx({"cat": 0.3, "dog": 0.7})


def test_mixup_of_one_class_keeps_it_whole() -> None:
    assert dict(mixed("mixup", flat(1, "cat"), flat(2, "cat"), share=0.3).labels) == pytest.approx({"cat": 1})


def test_mixup_has_the_boxes_of_both() -> None:
    start, other = flat(1, targets=boxes([10, 10, 20, 20])), flat(2, size=(50, 30), targets=boxes([5, 5, 10, 10]))
    made = mixed("mixup", start, other, share=0.5)
    assert placed(made) == [[10, 10, 20, 20], [10, 10, 20, 20]]
    assert made.targets.numbers == (0, 1) and made.lineage[-1].params["parents"] == [{"uri": "0.png", "first_box": 1}]


def test_mixup_refuses_masks() -> None:
    with pytest.raises(Rejected, match="cutmix or mosaic"):
        mixed("mixup", flat(1, targets=Targets(mask=np.zeros((60, 100), np.uint8))), flat(2), share=0.5)


def test_cutmix_pastes_the_same_place_of_the_other() -> None:
    start, other = sample(picture(100, 60)), sample(picture(100, 60)[:, ::-1].copy())
    made = mixed("cutmix", start, other, x=10, y=20, width=30, height=25).picture()
    expected = start.picture().copy()
    expected[20:45, 10:40] = other.picture()[20:45, 10:40]
    assert np.array_equal(made, expected)


def test_cutmix_weighs_labels_by_area() -> None:
    made = mixed("cutmix", flat(1, "cat"), flat(2, "dog"), x=0, y=0, width=50, height=30)
    assert dict(made.labels) == pytest.approx({"cat": 0.75, "dog": 0.25})
    assert (made.picture() == 2).mean() == pytest.approx(0.25)


def test_cutmix_clips_boxes_on_either_side() -> None:
    own = boxes([0, 0, 20, 10], [0, 40, 60, 10], [20, 20, 10, 10], [40, 0, 20, 60])
    other = flat(2, targets=boxes([0, 0, 20, 20], [80, 40, 20, 20]))
    made = mixed("cutmix", flat(1, targets=own), other, x=10, y=10, width=40, height=30)
    # Beside it; below it; under it whole; its right half seen, and above and below the rectangle all of it.
    assert placed(made) == [[0, 0, 20, 10], [0, 40, 60, 10], [40, 0, 20, 60], [10, 10, 10, 10]]
    dropped = [done.params for done in made.lineage if done.operation == "dropped"]
    assert [one["box"] for one in dropped] == [2, 5] and {one["reason"] for one in dropped} == {"not_visible"}


def test_a_box_that_is_cut_by_the_rectangle_becomes_what_is_left() -> None:
    made = mixed("cutmix", flat(1, targets=boxes([0, 20, 40, 10])), flat(2), x=10, y=10, width=60, height=30)
    assert placed(made, 0.25) == [[0, 20, 10, 10]]
    assert placed(made, 0.26) == []  # a quarter of it is seen


def test_visibility_counts_against_the_source_through_all_that_follows() -> None:
    made = mixed("cutmix", flat(1, targets=boxes([0, 20, 40, 10])), flat(2), x=20, y=10, width=60, height=30)
    cropped = made.moved(Move(translation(-10, 0), Size(90, 60)))
    assert placed(cropped, 0.25) == [[0, 20, 10, 10]] and placed(cropped, 0.26) == []


def test_outlines_are_cut_with_their_boxes() -> None:
    square = np.array([[0, 20], [40, 20], [40, 30], [0, 30]], dtype=np.float64)
    left, _ = covered(boxes([0, 20, 40, 10], polygons=((square,),)), WHOLE.size, Rectangle(10, 10, 20, 30))
    assert left.boxes.tolist() == [[0, 20, 40, 10]]
    assert sorted(part.min(axis=0).tolist() for part in left.polygons[0]) == [[0, 20], [30, 20]]
    assert left.shares is not None and left.shares.tolist() == [0.5]


def test_key_points_under_the_rectangle_are_out_of_view() -> None:
    points = np.array([[[5.0, 25, 2], [20, 25, 2]]])
    left, _ = covered(boxes([0, 20, 40, 10], key_points=points), WHOLE.size, Rectangle(10, 10, 20, 30))
    assert left.key_points is not None and left.key_points.tolist() == [[[5, 25, 2], [0, 0, 0]]]


def test_cutmix_pastes_masks_too() -> None:
    own, its = np.full((60, 100), 1, np.uint8), np.full((60, 100), 2, np.uint8)
    made = mixed(
        "cutmix", flat(1, targets=Targets(mask=own)), flat(2, targets=Targets(mask=its)), x=5, y=6, width=7, height=8
    )
    assert made.targets.mask is not None and (made.targets.mask == made.picture()[:, :, 0]).all()
    assert (made.targets.mask == 2).sum() == 56 and made.targets.void is None


def test_a_mask_is_not_mixed_with_none() -> None:
    own = Targets(mask=np.zeros((60, 100), np.uint8))
    with pytest.raises(Rejected, match="another has none"):
        mixed("cutmix", flat(1, targets=own), flat(2), x=5, y=6, width=7, height=8)


def test_a_mosaic_has_four_images_about_its_center() -> None:
    others = [flat(value, name) for value, name in ((2, "dog"), (3, "owl"), (4, "dog"))]
    made = mixed("mosaic", flat(1, "cat"), *others, x=40, y=20, part=2)
    values = made.picture()[:, :, 0]
    assert [values[0, 0], values[0, 99], values[59, 0], values[59, 99]] == [2, 3, 1, 4]
    assert (values[:20, :40] == 2).all() and (values[20:, :40] == 1).all() and (values[20:, 40:] == 4).all()
    expected = {"cat": 40 * 40 / 6000, "dog": (40 * 20 + 60 * 40) / 6000, "owl": 60 * 20 / 6000}
    assert dict(made.labels) == pytest.approx(expected)


def test_a_mosaics_boxes_lie_where_their_images_do() -> None:
    """Each image has a white rectangle, and its box: the boxes must be the rectangles' bounds in the mosaic."""
    images = []
    for x, y, width, height in ((10, 10, 30, 20), (60, 20, 30, 30), (40, 5, 20, 50), (5, 30, 50, 20)):
        pixels = np.zeros((60, 100, 3), np.uint8)
        pixels[y : y + height, x : x + width] = 255
        images.append(sample(pixels, targets=boxes([x, y, width, height])))
    made = mixed("mosaic", *images, x=48, y=33, part=0)
    values, found = made.picture()[:, :, 0] > 127, placed(made)
    parts = [(0, 0, 48, 33), (48, 0, 100, 33), (0, 33, 48, 60), (48, 33, 100, 60)]
    assert len(found) == 4
    for (left, top, right, bottom), (x, y, width, height) in zip(parts, found, strict=True):
        ys, xs = np.nonzero(values[top:bottom, left:right])
        seen = [xs.min() + left, ys.min() + top, xs.max() + 1 + left, ys.max() + 1 + top]
        assert np.allclose(seen, [x, y, x + width, y + height], atol=0.51)


def test_a_mosaics_mask_moves_with_its_images() -> None:
    def image(value: int) -> Sample:
        return flat(value, targets=Targets(mask=np.full((60, 100), value, np.uint8)))

    made = mixed("mosaic", *(image(value) for value in (1, 2, 3, 4)), x=30, y=20, part=1)
    assert made.targets.mask is not None and np.array_equal(made.targets.mask, made.picture()[:, :, 0])


def test_what_shows_nothing_of_any_source_stays_so() -> None:
    mask = Targets(mask=np.ones((60, 100), np.uint8))
    shifted = flat(1, targets=mask).moved(Move(translation(30, 0), Size(100, 60)))
    made = mixed("cutmix", flat(1, targets=mask), shifted, x=0, y=0, width=100, height=30)
    void = made.targets.void
    assert void is not None and void[:30, :30].all() and void.sum() == 900


@pytest.mark.parametrize("name", ["mixup", "cutmix", "mosaic"])
def test_a_replay_draws_nothing(name: str) -> None:
    targets = boxes([5, 5, 30, 30])
    first = run([step(name)], sample(picture(90, 50), targets=targets))
    recorded = RecordedDraws({done.step: done.params for done in first.lineage})
    again = run([step(name)], sample(picture(90, 50), b"other", targets=targets), recorded)
    assert np.array_equal(first.picture(), again.picture()) and first.lineage == again.lineage


def test_without_others_there_is_no_partner() -> None:
    with pytest.raises(Rejected, match="no other image") as caught:
        run([step("mixup")], sample(picture(), others=None))
    assert caught.value.reason == "no_partner"


def test_shares_are_drawn_from_beta() -> None:
    """Means of 4000 shares, and of their squares, within 5 standard errors: a false alarm in 10^6."""
    for alpha in (0.2, 1.0, 5.0):
        operation: Any = make("mixup", alpha=alpha)
        rng = np.random.Generator(np.random.Philox(3))
        shares = np.array([operation.draw(rng, flat(0))["share"] for _ in range(4000)])
        variance = 1 / (4 * (2 * alpha + 1))
        assert abs(shares.mean() - 0.5) < 5 * np.sqrt(variance / 4000)
        squares = (shares - 0.5) ** 2
        assert abs(squares.mean() - variance) < 5 * squares.std() / np.sqrt(4000)


def test_cut_rectangles_lie_inside_and_have_the_images_proportions() -> None:
    operation: Any = make("cutmix")
    rng = np.random.Generator(np.random.Philox(3))
    drawn = [operation.draw(rng, flat(0)) for _ in range(2000)]
    assert all(0 <= d["x"] <= d["x"] + d["width"] <= 100 and 0 <= d["y"] <= d["y"] + d["height"] <= 60 for d in drawn)
    inner = [d for d in drawn if d["x"] and d["y"] and d["x"] + d["width"] < 100 and d["y"] + d["height"] < 60]
    ratios = np.array([d["width"] / d["height"] for d in inner if d["height"] > 15])
    assert len(ratios) > 50 and abs(ratios - 100 / 60).max() < 0.15


def test_a_mosaic_of_its_own_size_or_a_given_one() -> None:
    assert run([step("mosaic")], sample(picture(90, 50))).size == (90, 50)
    assert run([step("mosaic", size=[64, 32])], sample(picture(90, 50))).size == (64, 32)


def test_a_fused_group_ends_before_images_are_mixed() -> None:
    chain = [
        ("resize", make("resize", size=[32, 32])),
        ("augment", make("augment", transforms=["hflip", "mixup", "rotate"])),
    ]
    assert settles(chain) == {"augment/mixup"}
