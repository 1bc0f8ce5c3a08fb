"""EXIF orientation: read once from the file, applied once to the pixels."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

_TAG: Final = 0x0112
_ORDERS: Final = {b"II*\0": "little", b"MM\0*": "big"}


def orientation(exif: bytes) -> int:
    """The orientation 1-8 in an EXIF block (with or without its ``Exif`` prefix); 1 where it says none or nonsense.

    XMP's orientation is not read: browsers do not, and the two may contradict.
    """
    if exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    order = _ORDERS.get(bytes(exif[:4]))
    if order is None:
        return 1

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], "little" if order == "little" else "big")

    entries = number(4, 4)
    for at in range(entries + 2, min(entries + 2 + 12 * number(entries, 2), len(exif) - 11), 12):
        if number(at, 2) == _TAG:
            # A SHORT by the standard; some writers use a LONG.
            value = number(at + 8, 4 if number(at + 2, 2) == 4 else 2)
            return value if 1 <= value <= 8 else 1
    return 1


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
