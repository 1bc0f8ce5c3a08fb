"""A sample is a value on its way through steps."""

from __future__ import annotations

import numpy as np

from tests.tasks.images import picture, run, sample, step


def test_steps_wait_until_a_picture_is_asked_for() -> None:
    made = run([step("resize", size=40), step("hflip", p=1), step("brightness_contrast")], sample(picture()))
    assert len(made.moves) == 2 and len(made.curves) == 1
    assert made.size == (40, 40) and made.dtype == "uint8" and made.channels == 3
    assert made.picture() is made.picture()
    assert [done.step for done in made.lineage] == ["resize", "hflip", "brightness_contrast"]


def test_a_fill_that_is_not_set_is_that_of_the_step_before_in_its_group() -> None:
    pad, turn = step("resize", size=90, fit="pad"), step("rotate", degrees=[20, 20])
    made = run([pad, turn], sample(np.zeros((71, 97, 1), np.uint8)))
    assert made.picture()[0, 0, 0] == 114
    apart = run([pad, step("gaussian_blur", sigma=1), turn], sample(np.zeros((71, 97, 1), np.uint8)))
    assert apart.picture()[0, 0, 0] == 0


def test_settling_does_what_is_pending_and_keeps_the_way_for_targets() -> None:
    made = run([step("resize", size=40), step("rotate", degrees=[5, 5])], sample(picture()))
    settled = made.settled()
    assert settled.moves == settled.curves == ()
    assert np.array_equal(settled.picture(), made.picture())
    assert np.allclose(settled.whole.matrix, made.whole.matrix)
    assert settled.settled() is settled
