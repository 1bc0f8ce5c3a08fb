"""DICOM's pixels: as a file stores them, compressed or not, and as they are given."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.errors import Rejected
from tasks.load import jpeg, raster
from tasks.load.color import to_srgb
from tasks.load.header import Limits
from tasks.load.verdicts import CORRUPT, TRUNCATED

IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
NATIVE: Final = frozenset({IMPLICIT, "1.2.840.10008.1.2.1", BIG_ENDIAN})
JPEG: Final = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})
JPEG2000: Final = frozenset({"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"})
RLE: Final = "1.2.840.10008.1.2.5"
UNDEFINED: Final = 0xFFFFFFFF
ITEM, END = 0xFFFEE000, 0xFFFEE0DD

GRAY: Final = frozenset({"MONOCHROME1", "MONOCHROME2"})
PALETTE: Final = "PALETTE COLOR"
MODES: Final = {
    "RGB": "RGB",
    "YBR_FULL": "YCbCr",
    "YBR_FULL_422": "YCbCr",
    "YBR_ICT": "YCbCr",
    "YBR_RCT": "YCbCr",
    PALETTE: "P",
}
# The markers by which libjpeg knows a JPEG's colours (a shorter Adobe marker does not count)
_SAYS_COLORS: Final = re.compile(rb"JFIF\0|\xff\xee\x00[\x0e-\xff]Adobe")
# JPEG's own word for "not YCbCr" (APP14, no transform).
_ADOBE_RGB: Final = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"


class Body(NamedTuple):
    """The element that holds the pixels, and where its value lies."""

    keyword: str
    vr: str
    start: int
    end: int


class Picture(NamedTuple):
    """What the elements say of the pixels."""

    syntax: str
    body: Body
    photometric: str
    samples: int
    planar: int
    frames: int
    rows: int
    columns: int
    allocated: int
    stored: int
    signed: bool
    rescale: tuple[tuple[float, float], ...] | None  # each frame's slope and intercept; None where all change nothing
    palette: tuple[int, NDArray[Any]] | None  # the first value that is looked up, and entries x 3
    profile: bytes | None
    offsets: tuple[bytes, bytes] | None
    spacing: tuple[float, float] | None  # mm from one pixel to the next, x before y

    @property
    def exact(self) -> bool:
        """Whether values are integers, not floating point."""
        return self.body.keyword == "PixelData"


# --- the pixels as stored


def check_native(data: bytes, picture: Picture) -> Body:
    """Give the body, checked: uncompressed pixels are there whole."""
    body = picture.body
    if body.end < 0:
        raise Rejected(CORRUPT, "dicom: uncompressed pixels of undefined length")
    if body.end > len(data):
        raise Rejected(TRUNCATED, "dicom: the file ends before the last of its pixels")
    samples = 2 if picture.photometric == "YBR_FULL_422" else picture.samples
    bits = picture.rows * picture.columns * picture.frames * samples * picture.allocated
    if body.end - body.start < (bits + 7) // 8:
        raise Rejected(CORRUPT, f"dicom: {body.end - body.start} bytes of pixels, not {(bits + 7) // 8}")
    if samples == 2 and picture.columns % 2:
        raise Rejected(CORRUPT, "dicom: YBR_FULL_422 of an odd width")
    return body


def check_container(data: bytes, picture: Picture) -> int:
    """Walk the fragments to the delimiter, whose place is given: pydicom does without one."""
    at = picture.body.start
    if picture.body.end >= 0:
        raise Rejected(CORRUPT, "dicom: compressed pixels of defined length")
    fragments = -1  # the first is the table of offsets
    while True:
        if at + 8 > len(data):
            raise Rejected(TRUNCATED, "dicom: the file ends before the last of its pixels")
        group, element, length = struct.unpack_from("<HHI", data, at)
        tag = group << 16 | element
        at += 8
        if tag == END:
            break
        if tag != ITEM or length == UNDEFINED:
            raise Rejected(CORRUPT, f"dicom: no fragment at byte {at - 8}")
        at += length
        fragments += 1
    if fragments < picture.frames:
        raise Rejected(CORRUPT, f"dicom: {picture.frames} frames said, {max(fragments, 0)} fragments found")
    return at


def encoded_frames(data: bytes, picture: Picture) -> Iterator[bytes]:
    """The frames of a compressed file, as encoded."""
    from pydicom.encaps import generate_frames

    body = data[picture.body.start : picture.body.end]
    return generate_frames(body, number_of_frames=picture.frames, extended_offsets=picture.offsets)


def stored_values(data: bytes, picture: Picture, number: int, encoded: Iterator[bytes] | None) -> NDArray[Any]:
    """One frame's values, H x W x samples: integers as wide as allocated, YBR as RGB already."""
    if encoded is None:
        body = memoryview(data)[picture.body.start : picture.body.end]
        if picture.allocated == 1:
            pixels = _bits(body, number * picture.rows * picture.columns, picture.rows * picture.columns)
        else:
            pixels = _by_pydicom(body, picture, number, picture.frames)
    else:
        frame = next(encoded, None)
        if frame is None:
            raise Rejected(CORRUPT, f"dicom: {picture.frames} frames said, {number} found")
        if picture.syntax in JPEG:
            pixels = _by_jpeg(frame, picture)
        elif picture.syntax == RLE:
            pixels = _by_rle(frame, picture)
        else:
            pixels = _by_jpeg2000(frame, picture)
    return np.asarray(pixels).reshape(picture.rows, picture.columns, picture.samples)


def _bits(body: memoryview, start: int, count: int) -> NDArray[Any]:
    """Bits from this one on; pydicom misses the last of frames that begin within a byte."""
    packed = np.frombuffer(body[start // 8 : (start + count + 7) // 8], np.uint8)
    return np.unpackbits(packed, bitorder="little")[start % 8 :][:count]


def _by_pydicom(body: Any, picture: Picture, number: int, frames: int) -> NDArray[Any]:
    from pydicom.pixels.decoders.base import get_decoder

    said: dict[str, Any] = {
        "pixel_keyword": picture.body.keyword,
        "pixel_vr": picture.body.vr,
        "photometric_interpretation": picture.photometric,
        "samples_per_pixel": picture.samples,
        "planar_configuration": picture.planar,
        "number_of_frames": frames,
        "rows": picture.rows,
        "columns": picture.columns,
        "bits_allocated": picture.allocated,
        "bits_stored": picture.stored,
        "pixel_representation": int(picture.signed),
        "allow_excess_frames": False,
    }
    # Named, lest a package that happens to be installed decodes instead.
    plugin = "" if picture.syntax in NATIVE else "pillow"
    pixels, _ = get_decoder(picture.syntax).as_array(body, index=number, decoding_plugin=plugin, **said)
    return np.asarray(pixels)


def _by_jpeg(frame: bytes, picture: Picture) -> NDArray[Any]:
    """Not by pydicom: Pillow lets libjpeg fill what is damaged."""
    if not frame.startswith(b"\xff\xd8"):
        raise Rejected(CORRUPT, "dicom: a frame that is no JPEG")
    found = jpeg.markers(frame)
    _check_frame(picture, found.width, found.height, found.channels)
    if picture.photometric == "RGB" and not _SAYS_COLORS.search(frame, 0, found.scan):
        frame = frame[:2] + _ADOBE_RGB + frame[2:]  # libjpeg would take it for YCbCr
    return jpeg.decode(frame)


def _by_jpeg2000(frame: bytes, picture: Picture) -> NDArray[Any]:
    from pydicom.encaps import encapsulate

    limits = Limits(pixels=max(Limits().pixels, picture.rows * picture.columns))
    header = raster.read_header(frame, "jpeg2000", limits)
    _check_frame(picture, header.width, header.height, 3 if header.mode == "RGB" else 1)
    return _by_pydicom(encapsulate([frame]), picture, 0, 1)


def _check_frame(picture: Picture, width: int, height: int, channels: int) -> None:
    if (width, height, channels) != (picture.columns, picture.rows, picture.samples):
        said = f"{picture.columns} x {picture.rows} x {picture.samples}"
        raise Rejected(CORRUPT, f"dicom: {said} said, a frame has {width} x {height} x {channels}")


def _by_rle(frame: bytes, picture: Picture) -> NDArray[Any]:
    """A segment a byte of each channel, the highest first, each packed as Macintosh's PackBits.

    By Pillow, not pydicom, which expands a segment to any length and takes 0.25 s for 4 megapixels, not 0.05.
    """
    width = picture.allocated // 8
    count = picture.samples * width
    if len(frame) < 64:
        raise Rejected(TRUNCATED, "dicom: a frame ends within its RLE header")
    said, *offsets = struct.unpack_from("<16I", frame)
    if said != count:
        raise Rejected(CORRUPT, f"dicom: {said} RLE segments, not {count}")
    bounds = [*offsets[:count], len(frame)]
    size = picture.rows * picture.columns
    planes = np.empty((size, picture.samples, width), np.uint8)
    for segment in range(count):
        start, end = bounds[segment], bounds[segment + 1]
        if not 64 <= start < end <= len(frame):
            raise Rejected(CORRUPT, "dicom: RLE segments that overlap")
        plane = Image.frombytes("L", (size, 1), frame[start:end], "packbits", "L")
        planes[:, segment // width, segment % width] = np.frombuffer(plane.tobytes(), np.uint8)
    values = planes.view(f">{'i' if picture.signed else 'u'}{width}")
    values = values.astype(values.dtype.newbyteorder("="))
    spare = picture.allocated - picture.stored
    values = (values << spare) >> spare  # the bits above those stored mean nothing, or carry overlays
    values = values.reshape(picture.rows, picture.columns, picture.samples)
    if "YBR" in picture.photometric:
        from pydicom.pixels.processing import convert_color_space

        values = convert_color_space(values, "YBR_FULL", "RGB")
    return np.asarray(values)


# --- the pixels as given


def given_pixels(values: NDArray[Any], picture: Picture, number: int) -> NDArray[Any]:
    """A frame as users of the file expect it (the module ``dicom`` says how), in uint8, uint16 or float32."""
    if not picture.exact:
        return values.astype(np.float32)
    if picture.palette is not None:
        first, table = picture.palette
        index = np.clip(values[..., 0].astype(np.int64) - first, 0, len(table) - 1)
        return to_srgb(np.ascontiguousarray(table[index]), picture.profile)
    if picture.photometric not in GRAY:
        return to_srgb(np.ascontiguousarray(_filled(values, picture.stored)), picture.profile)
    if picture.photometric == "MONOCHROME1":
        values = ~values if picture.signed else (1 << picture.stored) - 1 - values
    if picture.rescale is not None:
        slope, intercept = picture.rescale[number]
        return (values * np.float64(slope) + intercept).astype(np.float32)
    return values.astype(np.float32) if picture.signed else _filled(values, picture.stored)


def _filled(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Unsigned values of these bits as the same fractions of uint8 or uint16."""
    top = (1 << bits) - 1
    if int(values.max()) > top:
        raise Rejected(CORRUPT, f"dicom: {bits} bits said, values up to {int(values.max())} found")
    dtype = np.uint8 if bits <= 8 else np.uint16
    if bits in (8, 16):
        return values.astype(dtype)
    full = int(np.iinfo(dtype).max)
    table = (np.arange(top + 1, dtype=np.int64) * full + top // 2) // top
    return np.asarray(table.astype(dtype)[values])
