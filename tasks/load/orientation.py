"""EXIF orientation: read once from the file, applied once to the pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

_TAG: Final = 0x0112
_ORDERS: Final = {b"II*\0": "little", b"MM\0*": "big"}


def entries(exif: bytes) -> Iterator[tuple[int, int]]:
    """The tags in the first directory of an EXIF block (with or without its ``Exif`` prefix) or a TIFF file.

    Each comes with its value, where that is one SHORT or LONG. None where the block is damaged from its beginning.
    """
    if exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    order = _ORDERS.get(bytes(exif[:4]))
    if order is None:
        return

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], "little" if order == "little" else "big")

    first = number(4, 4)
    for at in range(first + 2, min(first + 2 + 12 * number(first, 2), len(exif) - 11), 12):
        # A SHORT by the standard; some writers use a LONG.
        yield number(at, 2), number(at + 8, 4 if number(at + 2, 2) == 4 else 2)


def orientation(exif: bytes) -> int:
    """The orientation 1-8 in an EXIF block; 1 where it says none or nonsense.

    XMP's orientation is not read: browsers do not, and the two may contradict.
    """
    value = next((value for tag, value in entries(exif) if tag == _TAG), 1)
    return value if 1 <= value <= 8 else 1


def shown(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Width and height as shown, of an image stored in this size and orientation."""
    return (height, width) if orientation >= 5 else (width, height)


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The pixels as shown: H x W x C in, H x W x C out, exact."""
    if orientation == 1:
        return pixels
    if orientation == 2:
        turned = cv2.flip(pixels, 1)
    elif orientation == 3:
        turned = cv2.rotate(pixels, cv2.ROTATE_180)
    elif orientation == 4:
        turned = cv2.flip(pixels, 0)
    elif orientation == 5:
        turned = cv2.transpose(pixels)
    elif orientation == 6:
        turned = cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE)
    elif orientation == 7:
        turned = cv2.rotate(cv2.transpose(pixels), cv2.ROTATE_180)
    else:
        turned = cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE)
    # OpenCV drops a channel axis of one.
    return np.asarray(turned).reshape(turned.shape[0], turned.shape[1], pixels.shape[2])
