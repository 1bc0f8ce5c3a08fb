"""Bytes to pixels and back: any image file as H x W x C, gray or sRGB, upright, or a verdict. Never a half image.

Pixels come as uint8, uint16 or float32, as they were stored: 1-bit as 0 and 255, 16-bit kept, float16 and float64 as
float32, 32-bit integers as uint16 where they fit. EXIF orientation is applied, embedded profiles are converted to
sRGB, CMYK to RGB, palettes looked up, alpha composited over white. Animations come composited, a frame at a time.

One file here does one thing: ``verdicts`` (the reasons), ``header`` (formats and limits), ``jpeg`` (the hot path,
libjpeg-turbo), ``png`` (checksums, 16 bits), ``tiff``, ``dicom`` (by pydicom, where installed), ``raster`` (all that
Pillow reads), ``color``, ``orientation``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.errors import Rejected
from tasks.load import dicom, jpeg, png, raster, tiff
from tasks.load.header import Header, Limits, check_bytes, sniff
from tasks.load.jpeg import encode_jpeg
from tasks.load.png import encode_png
from tasks.load.verdicts import CORRUPT, NO_SUCH_FRAME

__all__ = [
    "ENCODER_VERSION",
    "VERSION",
    "Header",
    "Limits",
    "decode",
    "decode_frames",
    "encode_jpeg",
    "encode_png",
    "read_header",
]

VERSION: Final = 1
"""The decoder's integer: it changes when any decoded pixel changes."""

ENCODER_VERSION: Final = 1
"""The encoders' integer: it changes when any encoded byte changes."""

_DEFAULT: Final = Limits()


def read_header(data: bytes, limits: Limits = _DEFAULT) -> Header:
    """What the bytes are, without decoding a pixel; a verdict where they are no image or beyond the limits."""
    check_bytes(data, limits)
    format = sniff(data)
    if format == "jpeg":
        return jpeg.read_header(data, limits)
    if format == "png":
        return png.read_header(data, limits)
    if format == "tiff":
        return tiff.read_header(data, limits)
    if format == "dicom":
        return dicom.read_header(data, limits)
    return raster.read_header(data, format, limits)


def decode(data: bytes, header: Header, frame: int = 0) -> NDArray[Any]:
    """One frame's pixels, H x W x C with C 1 or 3, C-contiguous; ``header`` is what ``read_header`` said of the bytes.

    Frames of animations have the header's size; the pages of a TIFF each their own.
    """
    if not 0 <= frame < header.frames:
        raise Rejected(NO_SUCH_FRAME, f"{header.format}: there is no frame {frame} among {header.frames}")
    if header.format == "jpeg":
        pixels = jpeg.decode(data)
    elif header.format == "png":
        pixels = _decode_png(data, frame)
    else:
        pixels = next(_decode_from(data, header.format, frame))
    return _checked(pixels, header, frame)


def decode_frames(data: bytes, header: Header) -> Iterator[NDArray[Any]]:
    """All frames in order, as ``decode`` gives each; an animation is walked once, not once a frame."""
    if header.frames == 1:
        yield decode(data, header)
        return
    if header.format == "png":
        png.check(data, png.parse(data))
    frames = _decode_from(data, header.format)
    for frame in range(header.frames):
        yield _checked(next(frames), header, frame)


def _decode_from(data: bytes, format: str, frame: int = 0) -> Iterator[NDArray[Any]]:
    if format == "tiff":
        return tiff.decode_from(data, frame)
    if format == "dicom":
        return dicom.decode_from(data, frame)
    return raster.decode_from(data, format, frame)


def _decode_png(data: bytes, frame: int) -> NDArray[Any]:
    found = png.parse(data)
    png.check(data, found)
    return png.decode_wide(data, found) if found.wide else next(raster.decode_from(data, "png", frame))


def _checked(pixels: NDArray[Any], header: Header, frame: int) -> NDArray[Any]:
    """The last guard: what leaves here is what the header promised."""
    if pixels.shape[:2] != (header.height, header.width) and (frame == 0 or header.format != "tiff"):
        said, found = f"{header.width} x {header.height}", f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise Rejected(CORRUPT, f"{header.format}: the header says {said} pixels, the content has {found}")
    return np.ascontiguousarray(pixels)
