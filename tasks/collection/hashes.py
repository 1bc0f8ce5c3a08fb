"""What deduplicate measures: perceptual hashes, a hash of the pixels, a thumbnail, sharpness.

Source: imagehash 4.3 (phash, dhash, whash); Zauner 2010, "Implementation and benchmarking of perceptual image hash
functions".
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.image.geometry import Size
from tasks.image.render import resize
from tasks.image.sample import Pixels
from tasks.image.values import as_bytes, luma

Gray = NDArray[np.uint8]
Bits = NDArray[np.bool_]

THUMBNAIL = 32  # px, and as many across
SHARP_SIDE = 256  # px at which copies of different sizes are compared for sharpness
OVERSAMPLED = 4  # the side that hashes start from, in sides of the hash


def gray(pixels: Pixels) -> Gray:
    """Give luma of 8 bits, H x W x 1; what is gray already is not copied."""
    return luma(as_bytes(pixels))[:, :, None]


def _squeezed(pixels: Pixels, side: int) -> Gray:
    return np.asarray(resize(gray(pixels), Size(side, side))[:, :, 0])


def phash(small: Gray, side: int) -> Iterator[Bits]:
    """Give the signs of the lowest frequencies against their median, and those of the seven other orientations.

    Mirroring changes the sign of every other column or row, transposing transposes: one transform gives all eight.
    """
    # OpenCV's transform is orthonormal, SciPy's (imagehash) is not: its first row and column are larger.
    scales = np.array([math.sqrt(2)] + [1.0] * (side - 1), dtype=np.float32)
    low = np.asarray(cv2.dct(small.astype(np.float32)))[:side, :side] * scales[:, None] * scales
    odd = np.where(np.arange(side) % 2, np.float32(-1), np.float32(1))
    mirrored = [low, low * odd, low * odd[:, None], low * odd * odd[:, None]]
    return (one > np.median(one) for one in (*mirrored, *(one.T for one in mirrored)))


def dhash(small: Gray, side: int) -> Iterator[Bits]:
    """Give where the image grows brighter to the right, for each orientation."""
    # Means of areas would differ from imagehash's, by Pillow's Lanczos, in 22 of 256 bits on average; this in 4.
    turned = (Image.fromarray(np.ascontiguousarray(one)) for one in orientations(small))
    reduced = (np.asarray(one.resize((side + 1, side), Image.Resampling.LANCZOS)) for one in turned)
    return (one[:, 1:] > one[:, :-1] for one in reduced)


def whash(small: Gray, side: int) -> Iterator[Bits]:
    """Give where the coarse part of its Haar wavelets, the means of squares, lies above its median, likewise."""
    means = np.asarray(cv2.resize(small.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA))
    median = np.median(means)
    return (one > median for one in orientations(means))


def orientations(images: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Give views of images (... x H x W) in all eight orientations, their own first: four mirrored, then transposed."""
    mirrored = (images, images[..., ::-1], images[..., ::-1, :], images[..., ::-1, ::-1])
    yield from mirrored
    yield from (one.swapaxes(-1, -2) for one in mirrored)


HASHES: dict[str, Callable[[Gray, int], Iterator[Bits]]] = {"phash": phash, "dhash": dhash, "whash": whash}


def perceptual(method: str, pixels: Pixels, bits: int, *, dihedral: bool = False) -> bytes:
    """Give an image's hash of 64 or 256 bits; with ``dihedral`` those of its eight orientations, its own first."""
    side = math.isqrt(bits)
    found = HASHES[method](_squeezed(pixels, OVERSAMPLED * side), side)
    return b"".join(np.packbits(one).tobytes() for one in islice(found, 8 if dihedral else 1))


def of_pixels(pixels: Pixels) -> bytes:
    """Give the SHA-256 of shape, dtype and values: equal for files that decode to the same."""
    sha256 = hashlib.sha256(f"{pixels.shape} {pixels.dtype.name} ".encode())
    sha256.update(np.ascontiguousarray(pixels).data)
    return sha256.digest()


def thumbnail(pixels: Pixels) -> bytes:
    """Give 32 x 32 gray values, row by row."""
    return _squeezed(pixels, THUMBNAIL).tobytes()


def sharpness(pixels: Pixels) -> float:
    """Give the variance of the Laplacian at 256 x 256 px, in squared levels."""
    edges = cv2.Laplacian(_squeezed(pixels, SHARP_SIDE).astype(np.float32), cv2.CV_32F)
    return float(np.var(edges, dtype=np.float64))
