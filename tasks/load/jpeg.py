"""JPEG by libjpeg-turbo, strictly: whatever libjpeg would only warn about is a verdict, never a half-gray image.

A file without its end marker is ``truncated`` even if all pixels seem there: nothing else tells a whole file from one
cut at the end of a scan, or cut and padded. Bytes after the end marker (previews, motion photos, MPO) are no fault.
Damage that leaves a valid Huffman stream cannot be seen by any decoder: JPEG has no checksums.
"""

from __future__ import annotations

import io
from typing import Any, Final, NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import JpegImagePlugin

from tasks.errors import Rejected
from tasks.load.color import cmyk_to_rgb, to_srgb
from tasks.load.header import Header, Limits, check_size
from tasks.load.orientation import orientation, shown, upright
from tasks.load.verdicts import (
    CORRUPT,
    TOO_MANY_PIXELS,
    TRUNCATED,
    UNSUPPORTED_CHANNELS,
    UNSUPPORTED_DTYPE,
    broken,
    verdicts,
)

_MODES: Final = {1: "L", 3: "RGB", 4: "CMYK"}
_SPACES: Final = {1: "GRAY", 3: "RGB", 4: "CMYK"}
_PROGRESSIVE: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0-15, without DHT, JPG and DAC
_ALONE: Final = frozenset(range(0xD0, 0xD8)) | {0x01}  # RST0-7 and TEM have no length
# A scan takes ten bytes and makes the decoder walk the whole image: real progressive files have about ten scans.
# Counted only where several may be: over a photograph of 100 kB that costs 0.1 ms.
_SCANS: Final = 500
# libjpeg's JPEG_MAX_DIMENSION.
_SIDE: Final = 65500


class Markers(NamedTuple):
    """What stands before the first scan."""

    width: int
    height: int
    channels: int
    orientation: int
    profile: bytes | None
    scan: int
    scans: bool  # whether several may follow


def read_header(data: bytes, limits: Limits) -> Header:
    """The frame header's size, turned as EXIF says."""
    found = markers(data)
    check_size("jpeg", found.width, found.height, limits)
    width, height = shown(found.width, found.height, found.orientation)
    return Header("jpeg", width, height, 1, _MODES[found.channels])


def decode(data: bytes) -> NDArray[Any]:
    """The picture as gray or sRGB, upright."""
    found = markers(data)
    if found.scans and data.count(b"\xff\xda", found.scan) > _SCANS:
        raise Rejected(CORRUPT, f"jpeg: more than {_SCANS} scans")
    try:
        pixels: NDArray[Any] = simplejpeg.decode_jpeg(data, _SPACES[found.channels], strict=True)
    except ValueError as error:
        if "subsampling" in str(error):
            pixels = _unusual_sampling(data)
        else:
            # An end marker somewhere after the scan's start: the bytes are there, but damaged.
            raise broken("jpeg", error, cut=data.find(b"\xff\xd9", found.scan) < 0) from error
    if found.channels == 4:
        # libjpeg gives the inverted inks that Adobe writes; like Pillow and Chrome, believe that of every file.
        pixels = cmyk_to_rgb(255 - pixels, found.profile)
    elif found.profile:
        pixels = to_srgb(pixels, found.profile)
    return upright(pixels, found.orientation)


def encode_jpeg(pixels: NDArray[Any], quality: int, subsampling: str) -> bytes:
    """uint8 pixels (H x W x 1 or 3) as baseline JPEG; ``subsampling`` is ``4:2:0`` or ``4:4:4`` (gray has none)."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise TypeError(f"JPEG holds uint8 gray or RGB, not {pixels.dtype} of shape {pixels.shape}")
    if subsampling not in ("4:2:0", "4:4:4"):
        raise ValueError(f"subsampling is 4:2:0 or 4:4:4, not {subsampling!r}")
    if not 1 <= quality <= 100:
        raise ValueError(f"quality is 1 to 100, not {quality}")
    if max(pixels.shape[:2]) > _SIDE:
        size = f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise Rejected(TOO_MANY_PIXELS, f"JPEG holds at most {_SIDE} pixels a side, not {size}: resize, or use PNG")
    gray = pixels.shape[2] == 1
    encoded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels),
        quality=quality,
        colorspace="GRAY" if gray else "RGB",
        colorsubsampling="Gray" if gray else subsampling.replace(":", ""),
    )
    return encoded


def markers(data: bytes) -> Markers:
    """Walk the segments up to the first scan: a few microseconds, where Pillow takes fifty."""
    at, end = 2, len(data)
    frame: tuple[int, int, int] | None = None
    progressive = False
    turn = 0
    profile: dict[int, bytes] = {}
    while True:
        if at + 4 > end:
            raise Rejected(TRUNCATED, "jpeg: the file ends within its header")
        code = data[at + 1]
        if data[at] != 0xFF:
            raise Rejected(CORRUPT, f"jpeg: no marker at byte {at}")
        if code == 0xFF:
            at += 1
            continue
        if code in _ALONE:
            at += 2
            continue
        if code == 0xD9:
            raise Rejected(CORRUPT, "jpeg: the file holds no scan")
        start, at = at + 4, at + 2 + (data[at + 2] << 8 | data[at + 3])
        if at < start:
            raise Rejected(CORRUPT, f"jpeg: a segment of impossible length at byte {start - 2}")
        if at > end:
            raise Rejected(TRUNCATED, "jpeg: the file ends within its header")
        if code == 0xE1 and not turn and data.startswith(b"Exif\0\0", start):
            turn = orientation(data[start:at])
        elif code == 0xE2 and data.startswith(b"ICC_PROFILE\0", start) and at - start > 14:
            profile[data[start + 12]] = data[start + 14 : at]
        elif code in _FRAMES:
            if frame is not None or at - start < 6:
                raise Rejected(CORRUPT, "jpeg: a damaged or second frame header")
            if data[start] != 8:
                raise Rejected(UNSUPPORTED_DTYPE, f"jpeg: {data[start]} bits a sample; 8 are read here")
            progressive = code in _PROGRESSIVE
            frame = data[start + 3] << 8 | data[start + 4], data[start + 1] << 8 | data[start + 2], data[start + 5]
        elif code == 0xDA:
            break
    if frame is None:
        raise Rejected(CORRUPT, "jpeg: a scan before any frame header")
    width, height, channels = frame
    if channels not in _MODES:
        raise Rejected(UNSUPPORTED_CHANNELS, f"jpeg: {channels} channels; 1, 3 and 4 are read here")
    joined = b"".join(profile[number] for number in sorted(profile)) if profile else None
    return Markers(
        width, height, channels, turn or 1, joined, at, progressive or data[start : start + 1] < bytes([channels])
    )


def _unusual_sampling(data: bytes) -> NDArray[Any]:
    """Sampling factors that TurboJPEG's interface has no name for; Pillow's libjpeg reads them, noticing cuts."""
    if b"\xff\xd9" not in data[-2048:]:
        raise Rejected(TRUNCATED, "jpeg: the end marker is missing")
    with verdicts("jpeg"):
        image = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
        image.load()
        pixels = np.asarray(image)
    # Pillow gives inks the way that prints read them.
    return 255 - pixels if image.mode == "CMYK" else pixels.reshape(*pixels.shape[:2], -1)
