"""Deduplicate: one of each group, whatever the order of rows."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import cv2
import imagehash
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError
from skimage import data

from tasks.collection import keepers
from tasks.collection.deduplicate import Deduplicate
from tasks.collection.hashes import perceptual
from tasks.image.sample import Sample
from tasks.operation import DECISION
from tests.tasks.images import in_dtype, picture, sample

PHOTOGRAPHS = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket(), data.camera()[:, :, None]]


def phash(pixels: np.ndarray) -> bytes:
    return perceptual("phash", pixels, 256)


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


def with_columns(rows: list[dict[str, Any]], **columns: pa.DataType) -> pa.Table:
    whole = table([{name: value for name, value in row.items() if name not in columns} for row in rows])
    for name, kind in columns.items():
        values = pa.array([row.get(name) for row in rows], kind)
        places = whole.schema.get_field_index(name)
        whole = whole.set_column(places, name, values) if places >= 0 else whole.append_column(name, values)
    return whole


def left(operation: Deduplicate, whole: pa.Table) -> dict[str, str]:
    """The uris that leave or are flagged, with the reason."""
    uris = dict(zip(whole["id"].to_pylist(), whole["uri"].to_pylist(), strict=True))
    return {uris[row["id"]]: row["reason"] for row in operation.decide(whole).to_pylist()}


VALUE = bytes(range(32))
SAMPLE = sample(picture())


def test_the_sharpest_is_kept() -> None:
    rows = [{"phash": VALUE, "uri": name, "sharpness": sharp} for name, sharp in (("a", 1.0), ("b", 3.0), ("c", None))]
    whole = with_columns(rows, sharpness=pa.float64())
    assert set(left(Deduplicate(keep="sharpest"), whole)) == {"a", "c"}
    assert set(Deduplicate(keep="sharpest").hashes()) == {"phash", "sharpness"}


def test_an_image_of_an_earlier_partition_stays() -> None:
    rows = [
        {"phash": VALUE, "uri": "small but first", "partition": "2024-01-01"},
        {"phash": VALUE, "uri": "large", "width": 99, "partition": "2024-01-02"},
    ]
    assert left(Deduplicate(), with_columns(rows, partition=pa.string())) == {"large": "duplicate"}


def test_rows_of_another_dataset_stay_and_keep_others_out() -> None:
    rows = [
        {"phash": VALUE, "uri": "there", "foreign": True},
        {"phash": flipped(VALUE, range(50)), "uri": "there too", "foreign": True},
        {"phash": flipped(VALUE, range(90)), "uri": "near the second only", "width": 99, "foreign": False},
        {"phash": flipped(VALUE, range(200)), "uri": "new", "foreign": False},
    ]
    whole = with_columns(rows, foreign=pa.bool_())
    assert left(Deduplicate(), whole) == {"near the second only": "duplicate"}


def test_flagged_duplicates_stay_unless_they_would_leak() -> None:
    rows = [
        {"phash": VALUE, "uri": "train", "split": "train", "width": 99},
        {"phash": VALUE, "uri": "train too", "split": "train"},
        {"phash": flipped(VALUE, range(50)), "uri": "test", "split": "test"},
        {"phash": flipped(VALUE, range(110)), "uri": "near the test one", "split": "train"},
        {"phash": flipped(VALUE, range(165)), "uri": "near the last only", "split": "train"},
    ]
    whole = with_columns(rows, split=pa.string())
    operation = Deduplicate(action="flag")
    found = left(operation, whole)
    assert found == dict.fromkeys(("train", "train too", "near the test one"), "leaks_into_test")
    assert operation.flags == {"duplicate"} and Deduplicate().flags == frozenset()
    message = operation.decide(whole).to_pylist()[0]["message"]
    assert message.endswith("at most 60 may; its split is train, that one's test")
    assert set(left(Deduplicate(), whole).values()) == {"duplicate"}


def test_only_training_images_are_kept_apart_by_fold_whatever_others_there_are() -> None:
    tests = [{"phash": VALUE, "uri": f"test {fold}", "split": "test", "fold": fold} for fold in (0, 1)]
    other = flipped(VALUE, range(200))
    trained = [{"phash": other, "uri": f"train {fold}", "split": "train", "fold": fold} for fold in (0, 1)]
    foreign = [{"phash": flipped(VALUE, range(128)), "uri": "there", "foreign": True}]
    kinds = {"split": pa.string(), "fold": pa.int32(), "foreign": pa.bool_()}
    alone, both = (
        left(Deduplicate(action="flag"), with_columns([{"foreign": False, **row} for row in rows + foreign], **kinds))
        for rows in (tests, tests + trained)
    )
    assert alone == {"test 1": "duplicate"}
    assert both == {"test 1": "duplicate", "train 1": "leaks_into_fold"}


def test_another_datasets_images_are_in_no_split_and_never_leave() -> None:
    rows = [
        {"phash": VALUE, "uri": "A", "split": "A", "foreign": False},
        {"phash": flipped(VALUE, range(50)), "uri": "there", "foreign": True},
    ]
    whole = with_columns(rows, split=pa.string(), foreign=pa.bool_())
    assert left(Deduplicate(action="flag"), whole) == {"A": "duplicate"}


def test_no_kept_training_image_is_like_one_outside_train() -> None:
    rng = np.random.default_rng(4)
    values = rng.integers(0, 256, (40, 32), dtype=np.uint8)[rng.integers(0, 40, 300)]
    bits = np.unpackbits(values, axis=1)
    for row in bits:
        row[rng.choice(256, rng.integers(0, 45), replace=False)] ^= 1
    splits = rng.choice(["train", "validation", "test"], 300).tolist()
    rows = [
        {"phash": row.tobytes(), "split": split} for row, split in zip(np.packbits(bits, axis=1), splits, strict=True)
    ]
    whole = with_columns(rows, split=pa.string())
    for operation in (Deduplicate(), Deduplicate(action="flag")):
        gone = {r["id"] for r in operation.decide(whole).to_pylist() if r["reason"] not in operation.flags}
        kept = [row for row in whole.to_pylist() if row["id"] not in gone]
        outside = [row["phash"] for row in kept if row["split"] != "train"]
        inside = [row["phash"] for row in kept if row["split"] == "train"]
        assert outside and inside
        assert min(apart(one, other) for one in inside for other in outside) > 60


def test_mirrored_and_turned_copies_are_found() -> None:
    pixels = PHOTOGRAPHS[0]
    operation = Deduplicate(dihedral=True)
    turned = [pixels, pixels[:, ::-1], np.rot90(pixels), PHOTOGRAPHS[1]]
    rows = [operation.measure(np.ascontiguousarray(one)) for one in turned]
    assert len(left(operation, with_columns(rows, **operation.hashes()))) == 2
    assert left(Deduplicate(), table([Deduplicate().measure(np.ascontiguousarray(one)) for one in turned])) == {}


def test_strict_verification_keeps_images_whose_hashes_collide() -> None:
    operation = Deduplicate(verify="strict")
    thumbnails = [bytes([level] * 1024) for level in (100, 108, 120)]
    rows = [{"phash": VALUE, "thumbnail": one, "uri": str(one[0])} for one in thumbnails]
    assert left(operation, with_columns(rows, **operation.hashes())) == {"108": "duplicate"}
    assert left(Deduplicate(), table(rows)) == {"108": "duplicate", "120": "duplicate"}


def test_strict_verification_sees_turned_copies() -> None:
    operation = Deduplicate(verify="strict", dihedral=True)
    turned = [PHOTOGRAPHS[0], np.rot90(PHOTOGRAPHS[0]), PHOTOGRAPHS[0][::-1]]
    rows = [operation.measure(np.ascontiguousarray(one)) for one in turned]
    assert len(left(operation, with_columns(rows, **operation.hashes()))) == 2


def test_equal_pixels_are_found_whatever_the_bytes() -> None:
    operation = Deduplicate(method="pixels")
    same, other = PHOTOGRAPHS[0], 255 - PHOTOGRAPHS[0]
    rows = [{**operation.measure(one), "sha256": bytes([i]) * 32} for i, one in enumerate((same, same.copy(), other))]
    whole = with_columns([*rows, {}], **operation.hashes())
    assert left(operation, whole) == {"000001.jpg": "duplicate"}
    assert operation.decide(whole).to_pylist()[0]["message"] == "the same pixels as 000000.jpg"


def test_embeddings_are_compared_by_their_cosine() -> None:
    rng = np.random.default_rng(2)
    base = rng.standard_normal((200, 32)).astype(np.float32)
    near = 5 * (base[:50] + 0.1 * rng.standard_normal((50, 32)))
    operation = Deduplicate(method="embedding", of="deep")
    vectors = [operation.examine(with_features(vector.astype(np.float32))) for vector in (*base, *near)]
    whole = with_columns([*vectors, {"vector": None}], **operation.hashes())
    decided = operation.decide(whole).to_pylist()
    exact = np.einsum("ij,ij->i", base[:50], near) / np.linalg.norm(base[:50], axis=1) / np.linalg.norm(near, axis=1)
    assert len(decided) == (exact >= 0.95).sum() == 50
    scores = {row["id"]: row["score"] for row in decided}
    pairs = zip([f"{200 + i:020x}" for i in range(50)], exact, strict=True)
    assert all(abs(scores.get(name, score) - score) < 0.002 for name, score in pairs)
    assert "its deep is that of" in decided[0]["message"] and decided[0]["limit"] == 0.95


def with_features(vector: np.ndarray) -> Sample:
    return replace(SAMPLE, features={"deep": vector})


def test_a_group_that_chains_through_too_many_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keepers, "ROUNDS", 2)
    rows = [{"phash": flipped(VALUE, range(50 * i))} for i in range(6)]
    assert len(decided(Deduplicate(keep="first"), rows)) == 2
    assert "2 images stay that were not compared with all of their group" in caplog.text


def test_hashes_that_collide_are_told(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(3)
    alike = rng.integers(0, 256, (400, 32), dtype=np.uint8) & np.uint8(0x11)  # a quarter of the bits say something
    Deduplicate().decide(table([{"phash": row.tobytes()} for row in alike]))
    assert "pairs of unrelated images are expected within 60 bits of their phash" in caplog.text
    caplog.clear()
    Deduplicate().decide(table([{"phash": row.tobytes()} for row in rng.integers(0, 256, (400, 32), dtype=np.uint8)]))
    assert not caplog.text


def test_what_decides_on_the_table_measures_nothing_again() -> None:
    measured = Deduplicate().canonical()
    for other in (
        Deduplicate(distance=3),
        Deduplicate(keep="first"),
        Deduplicate(action="flag"),
        Deduplicate(against="x"),
    ):
        assert other.canonical() == measured
    for other in (
        Deduplicate(bits=64),
        Deduplicate(dihedral=True),
        Deduplicate(verify="strict"),
        Deduplicate(keep="sharpest"),
    ):
        assert other.canonical() != measured


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"method": "exact", "distance": 4}, "`distance` is for phash, dhash, whash; leave it out with exact"),
        ({"method": "embedding"}, "name the feature step whose vectors are compared: `of: STEP`"),
        ({"of": "hog"}, "`of` is for embedding; leave it out with phash"),
        ({"bits": 64, "distance": 40}, "a distance of 40 of 64 bits is chance: at most 32"),
        ({"method": "pixels", "dihedral": True}, "`dihedral` is for"),
        ({"distance": 200}, "less than or equal to 128"),
    ],
)
def test_parameters_that_mean_nothing_together_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Deduplicate.model_validate(wrong)
