"""The order in which members are read: each file forwards."""

from __future__ import annotations

from random import Random

from tasks.load.containers import as_they_lie, stamp


def order(members: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [members[i] for i in as_they_lie(*(list(names) for names in zip(*members, strict=True)))]


def test_the_files_of_a_dataset_are_read_forwards_one_after_another() -> None:
    lie = [(f"images!/image/{(7 * (3 * i + row)) % 9}", stamp(f"{i}" * 16, row)) for i in range(3) for row in range(3)]
    for seed in range(5):
        assert order(Random(seed).sample(lie, len(lie))) == lie


def test_archives_are_read_forwards_after_files_that_keep_their_order() -> None:
    files = [("z.jpg", "9"), ("a.jpg", "b@3"), ("m.jpg", "")]
    lie = [(f"{name}.tar!/{9 - at}.jpg", stamp("e", at)) for name in ("a", "b") for at in (0, 512, 10_240)]
    mixed = [lie[3], files[0], lie[0], files[1], lie[5], lie[2], lie[1], files[2], lie[4]]
    assert order(mixed) == [*files, *lie]
