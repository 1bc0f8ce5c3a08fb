"""Draws depend on what they are for, never on when they are made."""

from __future__ import annotations

import hashlib

import pytest

from tasks.image.randomness import digest, generator


def test_a_digest_is_the_sha256_of_length_prefixed_parts() -> None:
    plain = (8).to_bytes(8, "big") + (7).to_bytes(8, "big") + (2).to_bytes(8, "big") + b"ab"
    assert digest(7, "ab") == hashlib.sha256(plain).digest()
    assert digest("ab", "c") != digest("a", "bc")


def test_a_generator_gives_the_numbers_it_always_gave() -> None:
    rng = generator(7, b"content", 0, "", 1, "augmented/rotate")
    assert rng.random() == EXPECTED


@pytest.mark.parametrize("other", [(8, b"c", 0, "", 1, "p"), (7, b"d", 0, "", 1, "p"), (7, b"c", 1, "", 1, "p")])
def test_every_part_of_the_key_counts(other: tuple) -> None:
    assert generator(7, b"c", 0, "", 1, "p").random() != generator(*other).random()
    assert generator(7, b"c", 0, "", 1, "p").random() == generator(7, b"c", 0, "", 1, "p").random()


EXPECTED = 0.8805126111488899
