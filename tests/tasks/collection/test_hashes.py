"""Hashes: imagehash's within a stated number of bits, in eight orientations; equal pixels, sharper images."""

from __future__ import annotations

from pathlib import Path

import cv2
import imagehash
import imageio.v3
import numpy as np
import pytest
from PIL import Image
from skimage import data

from tasks.collection import hashes
from tasks.load.codecs import decode, read_header
from tasks.load.header import Limits
from tests.tasks.images import in_dtype, picture

PHOTOGRAPHS = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket(), data.camera()[:, :, None]]
REFERENCES = {"phash": imagehash.phash, "dhash": imagehash.dhash, "whash": imagehash.whash}
WITHIN = {
    ("phash", 256): 8,
    ("phash", 64): 4,
    ("dhash", 256): 12,
    ("dhash", 64): 4,
    ("whash", 256): 4,
    ("whash", 64): 2,
}
TURNS = [
    lambda a: a,
    lambda a: a[:, ::-1],
    lambda a: a[::-1],
    lambda a: a[::-1, ::-1],
    lambda a: a.swapaxes(0, 1),
    lambda a: a[:, ::-1].swapaxes(0, 1),
    lambda a: a[::-1].swapaxes(0, 1),
    lambda a: a[::-1, ::-1].swapaxes(0, 1),
]


def apart(left: bytes, right: bytes) -> int:
    return sum((a ^ b).bit_count() for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize(("method", "bits"), WITHIN)
def test_a_hash_is_imagehashes_within_a_few_bits(method: str, bits: int) -> None:
    for pixels in PHOTOGRAPHS:
        side = round(bits**0.5)
        reference = REFERENCES[method](Image.fromarray(pixels.squeeze()), hash_size=side).hash
        assert apart(hashes.perceptual(method, pixels, bits), np.packbits(reference).tobytes()) <= WITHIN[method, bits]


@pytest.mark.parametrize("method", hashes.HASHES)
@pytest.mark.parametrize("bits", [64, 256])
def test_dihedral_hashes_are_those_of_the_turned_images(method: str, bits: int) -> None:
    size = bits // 8
    for pixels in PHOTOGRAPHS:
        every = hashes.perceptual(method, pixels, bits, dihedral=True)
        own = hashes.perceptual(method, pixels, bits)
        assert len(every) == 8 * size and every[:size] == own
        for number, turn in enumerate(TURNS):
            turned = hashes.perceptual(method, np.ascontiguousarray(turn(pixels)), bits)
            assert apart(every[number * size : (number + 1) * size], turned) <= bits // 32


@pytest.mark.parametrize("method", hashes.HASHES)
def test_every_dtype_has_the_same_hash(method: str) -> None:
    pixels = picture(97, 71, "uint8", 3)
    assert (
        len({hashes.perceptual(method, in_dtype(pixels, dtype), 256) for dtype in ("uint8", "uint16", "float32")}) == 1
    )


def test_files_that_decode_alike_have_equal_pixels(tmp_path: Path) -> None:
    pixels = PHOTOGRAPHS[0][:90, :70]
    found = set()
    for name in ("a.png", "a.bmp", "a.tiff", "a.webp"):
        imageio.v3.imwrite(tmp_path / name, pixels, **({"lossless": True} if name == "a.webp" else {}))
        data_ = (tmp_path / name).read_bytes()
        found.add(hashes.of_pixels(decode(data_, read_header(data_, Limits()), 0)))
    assert found == {hashes.of_pixels(pixels)}
    others = [pixels[:, ::-1], pixels[:-1], pixels.astype(np.uint16), 255 - pixels]
    assert not found & {hashes.of_pixels(other) for other in others}


def test_a_blurred_or_enlarged_copy_is_less_sharp() -> None:
    for pixels in PHOTOGRAPHS:
        small = cv2.resize(pixels, (60, 60), interpolation=cv2.INTER_AREA)
        enlarged = cv2.resize(small, pixels.shape[1::-1]).reshape(pixels.shape)
        blurred = cv2.GaussianBlur(pixels, (0, 0), 3).reshape(pixels.shape)
        assert hashes.sharpness(pixels) > max(hashes.sharpness(enlarged), hashes.sharpness(blurred))


def test_a_thumbnail_is_32_by_32_gray_means() -> None:
    pixels = picture(64, 96)
    whole = np.frombuffer(hashes.thumbnail(pixels), dtype=np.uint8).reshape(32, 32)
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    assert np.abs(whole - gray.reshape(32, 3, 32, 2).mean(axis=(1, 3))).max() <= 1
