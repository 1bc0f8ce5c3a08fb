"""TIFF: pages and segments by tifffile, 8-bit pixels by Pillow, wider ones by OpenCV (all three: libtiff's codecs).

Frames are the pages that are images of their own: thumbnails, pyramid levels and masks (NewSubfileType) are not.
Camera raw files are TIFFs whose first page is a preview: they are refused, not mistaken for it.
"""

from __future__ import annotations

import ctypes
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import cv2
import cv2.utils.logging as opencv_log
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import TiffImagePlugin, _imaging

from tasks.errors import Rejected
from tasks.load.color import over_white, to_srgb
from tasks.load.header import Header, Limits, check_frames, check_size
from tasks.load.orientation import shown, upright
from tasks.load.raster import narrowed, to_pixels
from tasks.load.verdicts import (
    CORRUPT,
    NO_SUCH_FRAME,
    TRUNCATED,
    UNSUPPORTED_CHANNELS,
    UNSUPPORTED_DTYPE,
    UNSUPPORTED_FORMAT,
    verdicts,
)

_REDUCED_OR_MASK: Final = 1 | 4
_ORIENTATION, _PROFILE, _DNG, _BITS = 274, 34675, 50706, 258
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _SEPARATED = 0, 1, 2, 5
_PALETTE, _YCBCR = 3, 6
_MODES: Final = {
    _WHITE_IS_ZERO: "L",
    _BLACK_IS_ZERO: "L",
    _RGB: "RGB",
    _PALETTE: "P",
    _SEPARATED: "CMYK",
    _YCBCR: "YCbCr",
}
_UNSPECIFIED, _PREMULTIPLIED = 0, 1


def read_header(data: bytes, limits: Limits) -> Header:
    """Every page's directory, checked against the limits and the file's length."""
    with verdicts("tiff"), tifffile.TiffFile(io.BytesIO(data)) as tiff:
        # Counted before they are read: a chain of directories may be long, or a circle.
        check_frames("tiff", len(tiff.pages), limits)
        pages = _images(tiff)
        for _, page in pages:
            _check_page(page, len(data), limits)
        first = pages[0][1]
        width, height = shown(first.imagewidth, first.imagelength, _orientation(first))
        return Header("tiff", width, height, len(pages), _mode(first))


def decode_from(data: bytes, frame: int = 0) -> Iterator[NDArray[Any]]:
    """The frames from this number on, the directories read once."""
    with verdicts("tiff"):
        pages = _images(tifffile.TiffFile(io.BytesIO(data)))
    if frame >= len(pages):
        raise Rejected(NO_SUCH_FRAME, f"tiff: there is no frame {frame} among {len(pages)}")
    image: TiffImagePlugin.TiffImageFile | None = None
    for number, page in pages[frame:]:
        with verdicts("tiff"):
            if _is_wide(page):
                pixels = _wide(data, number, page)
            else:
                image = image or TiffImagePlugin.TiffImageFile(io.BytesIO(data))
                pixels = _narrow(image, number, page)
        size = shown(page.imagewidth, page.imagelength, _orientation(page))
        if pixels.shape[1::-1] != size:
            found = f"{pixels.shape[1]} x {pixels.shape[0]}"
            raise Rejected(CORRUPT, f"tiff: {size[0]} x {size[1]} pixels said, {found} found")
        yield pixels


def _images(tiff: Any) -> list[tuple[int, Any]]:
    # Their number first: tifffile then knows where a circle closes; walking it without would never end.
    pages = [(number, tiff.pages[number]) for number in range(len(tiff.pages))]
    tiff.filehandle.seek(8)
    if tiff.filehandle.read(2) == b"CR" or pages[0][1].tags.get(_DNG) is not None:
        raise Rejected(UNSUPPORTED_FORMAT, "the content is camera raw (rawpy reads it), which is not read here")
    images = [(number, page) for number, page in pages if not page.subfiletype & _REDUCED_OR_MASK]
    if not images or images[0][0] != 0:
        raise Rejected(UNSUPPORTED_FORMAT, "tiff: the first page is a preview of another (perhaps camera raw)")
    return images


def _check_page(page: Any, size: int, limits: Limits) -> None:
    """What the directory promises must be within the limits, be of a kind that is read, and lie within the file."""
    check_size("tiff", page.imagewidth, page.imagelength, limits)
    if page.imagedepth != 1:
        raise Rejected(UNSUPPORTED_FORMAT, f"tiff: a volume of {page.imagedepth} slices in one page")
    if page.is_tiled and page.tilewidth * page.tilelength > max(limits.pixels, 1 << 20):
        raise Rejected(CORRUPT, f"tiff: a tile of {page.tilewidth} x {page.tilelength} pixels")
    _check_kind(page)
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    if len(segments) < int(np.prod(page.chunked)) or any(offset < 8 or count < 1 for offset, count in segments):
        raise Rejected(CORRUPT, "tiff: segments of pixels are missing")
    if any(offset + count > size for offset, count in segments):
        raise Rejected(TRUNCATED, "tiff: the file ends before the last of its pixels")
    needed = (page.imagewidth * page.samplesperpixel * page.bitspersample + 7) // 8 * page.imagelength
    if page.compression == 1 and sum(count for _, count in segments) < needed:
        raise Rejected(CORRUPT, f"tiff: uncompressed segments hold fewer than {needed} bytes")


def _check_kind(page: Any) -> None:
    bits, samples, kind = page.bitspersample, page.samplesperpixel, int(page.photometric)
    allowed = {1: (1, 2, 4, 8, 16, 32), 2: (16, 32), 3: (16, 32, 64)}.get(int(page.sampleformat), ())
    if bits not in allowed:
        names = {1: "unsigned", 2: "signed", 3: "float"}
        name = names.get(int(page.sampleformat), "complex or unknown")
        raise Rejected(UNSUPPORTED_DTYPE, f"tiff: {bits}-bit {name} values")
    declared = page.tags.get(_BITS)
    if declared is not None and isinstance(declared.value, tuple) and len(set(declared.value)) > 1:
        raise Rejected(UNSUPPORTED_DTYPE, f"tiff: channels of different depths {declared.value}")
    if kind not in _MODES:
        raise Rejected(UNSUPPORTED_FORMAT, f"tiff: the colour space {page.photometric!r} is not read here")
    base = {_RGB: 3, _SEPARATED: 4, _YCBCR: 3}.get(kind, 1)
    extra = tuple(int(sample) for sample in page.extrasamples)
    gray_and_more = base == 1 and samples == 2 and (not extra or extra[0] == _UNSPECIFIED)
    if not base <= samples <= 4 or samples - base > 1 or gray_and_more:
        raise Rejected(UNSUPPORTED_CHANNELS, f"tiff: {samples} channels; gray, RGB and CMYK are read here, and alpha")
    if _is_wide(page) and (kind not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB) or samples == 2):
        raise Rejected(UNSUPPORTED_DTYPE, f"tiff: {bits}-bit values in {samples} channels of {_MODES[kind]}")


def _is_wide(page: Any) -> bool:
    return bool(page.bitspersample > 8)


def _mode(page: Any) -> str:
    mode = _MODES[int(page.photometric)]
    alpha = "A" if page.extrasamples and mode in ("L", "RGB", "P") else ""
    if page.bitspersample == 1:
        return "1"
    if not _is_wide(page):
        return mode + alpha
    if int(page.sampleformat) == 3:
        mode = "F" if mode == "L" else mode + "F"
    elif mode == "L":
        mode = "I"
    return "F" if (mode, page.bitspersample) == ("F", 32) else f"{mode}{alpha};{page.bitspersample}"


def _orientation(page: Any) -> int:
    tag = page.tags.get(_ORIENTATION)
    value = int(tag.value) if tag is not None and isinstance(tag.value, int) else 1
    return value if 1 <= value <= 8 else 1


def _icc(page: Any) -> bytes | None:
    tag = page.tags.get(_PROFILE)
    return bytes(tag.value) if tag is not None and isinstance(tag.value, bytes) else None


def _narrow(image: TiffImagePlugin.TiffImageFile, number: int, page: Any) -> NDArray[Any]:
    image.seek(number)
    # Pillow turns TIFFs while loading: by this tag, and where it is missing by XMP, which no other format here obeys.
    image.getexif()[_ORIENTATION] = _orientation(page)
    image.load()
    return to_pixels(image, _icc(page))


def _wide(data: bytes, number: int, page: Any) -> NDArray[Any]:
    planes = page.planarconfig == 2 and page.samplesperpixel > 1
    if planes or (page.bitspersample == 16 and int(page.sampleformat) == 3):
        decoded = _uncompressed(page, planes)
    else:
        with _silent():
            done, decoded_pages = cv2.imdecodemulti(
                np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED, range=(number, number + 1)
            )
        if not done or len(decoded_pages) != 1:
            raise Rejected(CORRUPT, "tiff: the pixels cannot be decoded")
        decoded = np.asarray(decoded_pages[0])  # upright already: OpenCV turns TIFFs whatever its flags
        decoded = decoded.reshape(*decoded.shape[:2], -1)
        if decoded.shape[2] >= 3:
            decoded = decoded[..., [2, 1, 0, 3][: decoded.shape[2]]]
    if decoded.shape[2] != page.samplesperpixel or decoded.dtype != page.dtype:
        raise Rejected(CORRUPT, f"tiff: {page.samplesperpixel} x {page.dtype} said, {decoded.dtype} found")
    values = narrowed(decoded, "tiff")
    if int(page.photometric) == _WHITE_IS_ZERO and values.dtype == np.uint16:
        values = 65535 - values
    colors = values[..., :3] if values.shape[2] >= 3 else values
    alpha = values[..., 3] if values.shape[2] == 4 and int(page.extrasamples[0]) != _UNSPECIFIED else None
    if alpha is not None and int(page.extrasamples[0]) == _PREMULTIPLIED:
        colors = _unmultiplied(colors, alpha)
    colors = to_srgb(np.ascontiguousarray(colors), _icc(page))
    return colors if alpha is None else over_white(colors, alpha)


def _uncompressed(page: Any, planes: bool) -> NDArray[Any]:
    """float16, which OpenCV does not read, and separate planes, which it mixes up: by tifffile.

    Not compressed ones: tifffile fills a segment that decodes short with zeros, and says nothing.
    """
    if page.compression != 1:
        kind = "separate planes" if planes else "16-bit floats"
        raise Rejected(UNSUPPORTED_FORMAT, f"tiff: compressed {kind} are not read here: store them uncompressed")
    decoded = np.asarray(page.asarray())
    if planes:
        decoded = np.moveaxis(decoded, 0, 2)
    return upright(np.ascontiguousarray(decoded.reshape(*decoded.shape[:2], -1)), _orientation(page))


def _unmultiplied(colors: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    weight = np.maximum(alpha, 1 if alpha.dtype == np.uint16 else np.float32(1e-6))[..., None]
    if alpha.dtype == np.uint16:
        return np.asarray(np.minimum(colors.astype(np.uint64) * 65535 // weight, 65535), np.uint16)
    return np.asarray(colors / weight, np.float32)


def _hush() -> None:
    """Pillow's libtiff prints what it finds wrong to stderr; Pillow raises it as well, so the print is switched off.

    Once a process, on Pillow's own copy of the library; where that cannot be reached, the prints stay.
    """
    try:
        library = ctypes.CDLL(_imaging.__file__)
        for handler in (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler):
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)
    except (OSError, AttributeError):
        return


_hush()


@contextmanager
def _silent() -> Iterator[None]:
    """OpenCV prints libtiff's errors to stderr, one block each; here they become one verdict."""
    level = opencv_log.setLogLevel(opencv_log.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        opencv_log.setLogLevel(level)
