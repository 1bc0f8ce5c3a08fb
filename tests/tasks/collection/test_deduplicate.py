"""Deduplicate: one of each group, whatever the order of rows."""

from __future__ import annotations

import random
from typing import Any

import cv2
import imagehash
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from tasks.collection.deduplicate import Deduplicate, phash
from tasks.operation import DECISION
from tests.tasks.images import in_dtype, picture

PHOTOGRAPHS = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket(), data.camera()[:, :, None]]


def apart(left: bytes, right: bytes) -> int:
    return sum((a ^ b).bit_count() for a, b in zip(left, right, strict=True))


def table(rows: list[dict[str, Any]]) -> pa.Table:
    filled = []
    for i, row in enumerate(rows):
        usual = {
            "id": f"{i:020x}",
            "uri": f"{i:06}.jpg",
            "sha256": bytes([i % 251]) * 32,
            "bytes": 100,
            "width": 10,
            "height": 10,
        }
        filled.append({**usual, "phash": None, **row})
    binary = pa.schema([("id", pa.string()), ("uri", pa.string()), ("sha256", pa.binary()), ("bytes", pa.int64()),
                        ("width", pa.int32()), ("height", pa.int32()), ("phash", pa.binary(32))])  # fmt: skip
    return pa.Table.from_pylist(filled, schema=binary)


def flipped(value: bytes, bits: range) -> bytes:
    number = int.from_bytes(value, "big")
    for bit in bits:
        number ^= 1 << bit
    return number.to_bytes(32, "big")


def decided(operation: Deduplicate, rows: list[dict[str, Any]]) -> dict[str, tuple[str, float]]:
    made = operation.decide(table(rows))
    assert made.schema.equals(DECISION)
    return {row["id"]: (row["keeper"], row["score"]) for row in made.to_pylist()}


@pytest.mark.parametrize("pixels", PHOTOGRAPHS)
def test_the_hash_is_imagehashes_within_8_bits(pixels: np.ndarray) -> None:
    wanted = np.packbits(imagehash.phash(Image.fromarray(pixels.squeeze()), hash_size=16).hash.ravel()).tobytes()
    assert apart(phash(pixels), wanted) <= 8


@pytest.mark.parametrize("pixels", PHOTOGRAPHS)
def test_resized_and_recompressed_photographs_are_near_and_others_far(pixels: np.ndarray) -> None:
    height, width, channels = pixels.shape
    small = cv2.resize(pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    small = small.reshape(height // 2, width // 2, channels)
    _, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 50])
    worse = cv2.imdecode(coded, cv2.IMREAD_UNCHANGED).reshape(pixels.shape)
    assert apart(phash(pixels), phash(small)) <= 60 and apart(phash(pixels), phash(worse)) <= 60
    others = [apart(phash(pixels), phash(other)) for other in PHOTOGRAPHS if other is not pixels]
    assert min(others) > 80


@pytest.mark.parametrize("channels", [1, 3])
def test_the_hash_does_not_depend_on_the_depth(channels: int) -> None:
    pixels = picture(97, 71, "uint8", channels)
    assert len({phash(in_dtype(pixels, dtype)) for dtype in ("uint8", "uint16", "float32")}) == 1
    assert len(phash(picture(1, 1))) == 32


def test_exact_duplicates_are_equal_files_frame_by_frame() -> None:
    same = {"sha256": b"x" * 32}
    rows = [{**same, "id": f"{name}{frame}"} for name in ("a" * 20, "b" * 20) for frame in (".f0", ".f1")] + [{}]
    assert decided(Deduplicate(method="exact"), rows) == {
        "b" * 20 + ".f0": ("a" * 20 + ".f0", 0),
        "b" * 20 + ".f1": ("a" * 20 + ".f1", 0),
    }
    assert Deduplicate(method="exact").hashes() == Deduplicate(method="exact").measure(picture()) == {}
    assert Deduplicate().hashes() == {"phash": pa.binary(32)}


def test_the_largest_or_the_first_is_kept() -> None:
    value = bytes(range(32))
    rows = [{"phash": value, "uri": "b"}, {"phash": value, "uri": "c", "width": 20}, {"phash": value, "uri": "a"}]
    ids = [f"{i:020x}" for i in range(3)]
    assert decided(Deduplicate(), rows) == {ids[0]: (ids[1], 0), ids[2]: (ids[1], 0)}
    assert decided(Deduplicate(keep="first"), rows) == {ids[0]: (ids[2], 0), ids[1]: (ids[2], 0)}
    rows[0]["bytes"] = 200
    rows[1]["width"] = 10
    assert set(decided(Deduplicate(), rows)) == {ids[1], ids[2]}


def test_each_member_is_verified_against_its_keeper() -> None:
    value = bytes(range(32))
    rows = [
        {"phash": value, "width": 30},
        {"phash": flipped(value, range(50))},
        {"phash": flipped(value, range(100)), "width": 20},  # near the second, not the first: stays
        {"phash": flipped(value, range(150))},
        {"phash": None},
    ]
    ids = [f"{i:020x}" for i in range(5)]
    assert decided(Deduplicate(), rows) == {ids[1]: (ids[0], 50), ids[3]: (ids[2], 50)}
    assert decided(Deduplicate(distance=49), rows) == {}


def test_the_verdict_says_why_by_how_much_and_for_whom() -> None:
    value = bytes(range(32))
    made = Deduplicate().decide(table([{"phash": value}, {"phash": flipped(value, range(7))}])).to_pylist()
    assert made == [
        {
            "id": f"{1:020x}",
            "reason": "duplicate",
            "message": "looks like 000000.jpg: 7 of 256 bits differ, at most 60 may",
            "keeper": f"{0:020x}",
            "score": 7.0,
            "limit": 60.0,
        }
    ]
    assert Deduplicate().decide(table([])).num_rows == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 40))
def test_the_order_of_rows_does_not_count(seed: int, count: int) -> None:
    rng = random.Random(seed)
    centers = [rng.randbytes(32) for _ in range(4)]
    rows = []
    for i in range(count):
        value = rng.choice(centers)
        for bit in rng.sample(range(256), rng.randrange(0, 70)):
            value = flipped(value, range(bit, bit + 1))
        rows.append({"phash": value, "id": f"{i:020x}", "uri": f"{rng.random()}", "width": rng.randrange(1, 5)})
    for method in ("phash", "exact"):
        wanted = decided(Deduplicate(method=method), rows)
        assert decided(Deduplicate(method=method), rng.sample(rows, len(rows))) == wanted
        kept = {str(row["id"]) for row in rows} - set(wanted)
        assert all(keeper in kept and score <= 60 for keeper, score in wanted.values())


@pytest.mark.parametrize(
    ("count", "bits", "least"), [(3_000, 24, 1), (3_000, 60, 0.97), (30_000, 12, 1), (30_000, 24, 0.97)]
)
def test_planted_duplicates_are_found_without_comparing_all_pairs(count: int, bits: int, least: float) -> None:
    rng = np.random.default_rng(5)
    values = rng.integers(0, 256, (count, 32), dtype=np.uint8)
    near = np.unpackbits(values[:300], axis=1)
    for row in near:
        row[rng.choice(256, bits, replace=False)] ^= 1  # anywhere: runs of bits would spare whole bands
    planted = [{"phash": row.tobytes()} for row in (*values, *np.packbits(near, axis=1))]
    found = decided(Deduplicate(keep="first"), planted)
    assert least <= len(found) / 300 <= 1
    assert all(score == bits for _, score in found.values())
