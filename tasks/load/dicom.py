"""DICOM: the element table by pydicom, the pixels by pydicom or the codecs here. Of a patient, nothing but pixels.

Values come as a file's users expect them:

- Unsigned gray and colour of up to 16 bits are fractions of the range here as in the file: 8 bits stored or fewer fill
  uint8, 9 to 16 fill uint16 (12 bits: v * 65535 / 4095, rounded), so ``window`` takes center / 4095 and width / 4095.
- Values with a rescale (slope and intercept; in Enhanced objects each frame's) are quantities, in CT Hounsfield units:
  float32 in the file's unit. One rescaled frame makes all float32. So are signed values without a rescale, as stored.
- MONOCHROME1 comes as MONOCHROME2 would store it: inverted within the bits stored, before any rescale.
- Palettes are looked up (16-bit entries that hold 8 bits give uint8), YBR is converted to RGB, ICC profiles to sRGB.

Not applied: the window that the file proposes (what a viewer shows first; the next file has another), overlays, padding
values. Elements are read by their tag, raw: no value of any other is looked at, and no message quotes one. Which
decoders read a file never depends on what else is installed: pixels must not.
"""

from __future__ import annotations

import io
import logging
import math
import struct
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.errors import Rejected
from tasks.load.dicom_pixels import (
    BIG_ENDIAN,
    END,
    GRAY,
    IMPLICIT,
    JPEG,
    JPEG2000,
    MODES,
    NATIVE,
    PALETTE,
    RLE,
    UNDEFINED,
    Body,
    Picture,
    check_container,
    check_native,
    encoded_frames,
    given_pixels,
    stored_values,
)
from tasks.load.header import Header, Limits, check_frames, check_size
from tasks.load.verdicts import (
    BROKEN,
    CORRUPT,
    TRUNCATED,
    UNSUPPORTED_CHANNELS,
    UNSUPPORTED_DTYPE,
    UNSUPPORTED_FORMAT,
    broken,
    verdicts,
)

_CLASS, _SYNTAX = 0x00020002, 0x00020010
_SAMPLES, _PHOTOMETRIC, _PLANAR, _FRAMES = 0x00280002, 0x00280004, 0x00280006, 0x00280008
_ROWS, _COLUMNS, _ALLOCATED, _STORED, _HIGH, _SIGNED = (
    0x00280010,
    0x00280011,
    0x00280100,
    0x00280101,
    0x00280102,
    0x00280103,
)
_INTERCEPT, _SLOPE, _LOOKUP, _TRANSFORM = 0x00281052, 0x00281053, 0x00283000, 0x00289145
_DESCRIPTORS, _TABLES = (0x00281101, 0x00281102, 0x00281103), (0x00281201, 0x00281202, 0x00281203)
_PROFILE, _SHARED, _PER_FRAME = 0x00282000, 0x52009229, 0x52009230
_SPACING, _IMAGER_SPACING = 0x00280030, 0x00181164
_OFFSETS, _LENGTHS = 0x7FE00001, 0x7FE00002
_WANTED: Final[list[Any]] = [
    *(_SAMPLES, _PHOTOMETRIC, _PLANAR, _FRAMES, _ROWS, _COLUMNS, _ALLOCATED, _STORED, _HIGH, _SIGNED),
    *(_INTERCEPT, _SLOPE, _LOOKUP, *_DESCRIPTORS, *_TABLES, _PROFILE, _SHARED, _PER_FRAME, _OFFSETS, _LENGTHS),
    *(_SPACING, _IMAGER_SPACING),
]
_PIXELS: Final = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}


def read_header(data: bytes, limits: Limits) -> Header:
    """What the elements say; the container of compressed frames is walked to its end."""
    with verdicts("dicom"):
        picture = _read(data, limits)
    return Header("dicom", picture.columns, picture.rows, picture.frames, _mode(picture), picture.spacing)


def decode_from(data: bytes, frame: int = 0) -> Iterator[NDArray[Any]]:
    """The frames from this number on, the elements read once."""
    with verdicts("dicom"):
        picture = _read(data, None)
        encoded = None if picture.syntax in NATIVE else islice(encoded_frames(data, picture), frame, None)
    for number in range(frame, picture.frames):
        with verdicts("dicom"):
            pixels = given_pixels(stored_values(data, picture, number, encoded), picture, number)
        yield pixels


# --- the elements


def _read(data: bytes, limits: Limits | None) -> Picture:
    """Read and check; ``limits`` is None where ``read_header`` has checked them."""
    try:
        import pydicom.filereader  # noqa: F401
        from pydicom.errors import BytesLengthException
    except ImportError:
        message = "the content is DICOM, which is read with pydicom: pip install 'imagemill[dicom]'"
        raise Rejected(UNSUPPORTED_FORMAT, message) from None
    # It logs values that it finds odd. (Not at the top: the import sets the level.)
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    file = io.BytesIO(data)
    try:
        return _picture(data, *_elements(data, file), limits)
    except (*BROKEN, BytesLengthException) as error:
        # Without its text: that quotes the bytes that could not be read.
        named = ValueError(f"an element that cannot be read ({type(error).__name__})")
        raise broken("dicom", named, cut=file.tell() >= len(data)) from None


def _elements(data: bytes, file: io.BytesIO) -> tuple[str, Body, Elements]:
    """The transfer syntax, where the pixels lie, and the elements before them."""
    from pydicom.filereader import read_dataset
    from pydicom.uid import UID

    file.seek(132)
    end, body = 132, None

    def stop(tag: int, vr: str | None, length: int) -> bool:
        """Called before each top-level value is read: of one that was cut, pydicom would give what is left."""
        nonlocal end, body
        start = file.tell()
        end = start + length
        if tag in _PIXELS:
            body = Body(_PIXELS[tag], vr or "OW", start, end if length != UNDEFINED else -1)
            return True
        if length != UNDEFINED and end > len(data):
            raise Rejected(TRUNCATED, "dicom: the file ends within an element")
        return False

    def stop_after_meta(tag: int, vr: str | None, length: int) -> bool:
        return tag >> 16 != 2 or stop(tag, vr, length)

    meta = Elements(read_dataset(file, False, True, stop_when=stop_after_meta), "<")
    syntax = meta.text(_SYNTAX)
    if not syntax:
        raise Rejected(TRUNCATED if file.tell() >= len(data) else CORRUPT, "dicom: no transfer syntax")
    if syntax not in NATIVE | JPEG | JPEG2000 | {RLE}:
        name = UID(syntax).name if UID(syntax).type else "unknown"  # not quoted: it may be damaged
        message = f"dicom: the transfer syntax ({name}) is not read here: convert it first (dcmconv, dcmdjpeg)"
        raise Rejected(UNSUPPORTED_FORMAT, message)
    little = syntax != BIG_ENDIAN
    found = read_dataset(file, syntax == IMPLICIT, little, stop_when=stop, specific_tags=_WANTED)
    elements = Elements(found, "<" if little else ">")
    if body is None:
        # A sequence of undefined length has a mark where it ends.
        mark = struct.pack(f"{elements.order}HHI", END >> 16, END & 0xFFFF, 0)
        whole = end == len(data) or (end > len(data) and data.endswith(mark))
        if not whole or _ROWS in found or "Image" in UID(meta.text(_CLASS)).name:
            raise Rejected(TRUNCATED, "dicom: the file ends before its pixels")
        raise Rejected(UNSUPPORTED_FORMAT, "dicom: no pixels (a report, a plan or another object without)")
    return syntax, body, elements


class Elements:
    """Values by tag, from their raw bytes: pydicom's conversions quote what they cannot read."""

    def __init__(self, dataset: Any, order: str) -> None:
        self.dataset, self.order = dataset, order

    def raw(self, tag: int) -> bytes:
        """The bytes of a value; none where it is missing or empty."""
        value = self.dataset.get_item(tag).value if tag in self.dataset else b""
        return value if isinstance(value, bytes) else b""

    def text(self, tag: int) -> str:
        """A text without its padding."""
        return self.raw(tag).decode("ascii", "replace").strip(" \0")

    def integers(self, tag: int, count: int) -> tuple[int, ...]:
        """16-bit unsigned values."""
        raw = self.raw(tag)
        if len(raw) < 2 * count:
            raise Rejected(CORRUPT, f"dicom: {_named(tag)} is missing")
        return struct.unpack_from(f"{self.order}{count}H", raw)

    def integer(self, tag: int, default: int | None = None) -> int:
        """A 16-bit unsigned value; the default, where there is one, if it is missing."""
        return default if default is not None and not self.raw(tag) else self.integers(tag, 1)[0]

    def number(self, tag: int, default: float) -> float:
        """A number as text."""
        text = self.text(tag)
        try:
            value = float(text) if text else default
        except ValueError:
            value = math.nan
        if not abs(value) < 1e28:  # 2 ** 32 of it fit float32
            raise Rejected(CORRUPT, f"dicom: {_named(tag)} is no number")
        return value

    def spacing(self) -> tuple[float, float] | None:
        """Millimetres between pixels, x before y (the element has rows first); none where it says none or nonsense."""
        text = self.text(_SPACING) or self.text(_IMAGER_SPACING)
        try:
            down, across = (float(part) for part in text.split("\\"))
        except ValueError:
            return None
        return (across, down) if 0 < across < math.inf and 0 < down < math.inf else None

    def items(self, tag: int) -> list[Elements]:
        """The items of a sequence."""
        value = self.dataset[tag].value if tag in self.dataset else None
        return [Elements(item, self.order) for item in value or ()]


def _named(tag: int) -> str:
    from pydicom.datadict import keyword_for_tag

    return f"{keyword_for_tag(tag)} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _picture(data: bytes, syntax: str, body: Body, elements: Elements, limits: Limits | None) -> Picture:
    rows, columns = elements.integer(_ROWS), elements.integer(_COLUMNS)
    said = elements.number(_FRAMES, 1)
    frames = int(said) or 1  # empty and 0 are one
    if limits is not None:
        check_size("dicom", columns, rows, limits)
        check_frames("dicom", frames, limits)
    exact = body.keyword == "PixelData"
    photometric = elements.text(_PHOTOMETRIC)
    samples = elements.integer(_SAMPLES)
    allocated = elements.integer(_ALLOCATED)
    stored = elements.integer(_STORED) if exact else allocated
    signed = elements.integer(_SIGNED) if exact else 0
    high = elements.integer(_HIGH, stored - 1) if exact else stored - 1
    _check_kind(syntax, exact, photometric, samples, allocated, stored, signed, high)
    if elements.items(_LOOKUP):
        raise Rejected(UNSUPPORTED_FORMAT, "dicom: values behind a modality lookup table are not read here")
    rescale = _rescale(elements, frames) if photometric in GRAY and exact else None
    if stored > 16 and exact and (rescale is None or photometric not in GRAY):
        raise Rejected(UNSUPPORTED_DTYPE, f"dicom: {stored}-bit integers without a rescale; up to 16 are read here")
    picture = Picture(
        syntax,
        body,
        photometric,
        samples,
        elements.integer(_PLANAR, 0),
        frames,
        rows,
        columns,
        allocated,
        stored,
        bool(signed),
        rescale,
        _palette(elements) if photometric == PALETTE else None,
        elements.raw(_PROFILE) or None,
        (elements.raw(_OFFSETS), elements.raw(_LENGTHS)) if elements.raw(_OFFSETS) else None,
        elements.spacing(),
    )
    if syntax in NATIVE:
        return picture._replace(body=check_native(data, picture))
    return picture._replace(body=body._replace(end=check_container(data, picture)))


def _check_kind(
    syntax: str, exact: bool, photometric: str, samples: int, allocated: int, stored: int, signed: int, high: int
) -> None:
    if photometric not in GRAY and photometric not in MODES:
        raise Rejected(UNSUPPORTED_FORMAT, "dicom: its colour space (photometric interpretation) is not read here")
    if samples not in (1, 3):
        raise Rejected(UNSUPPORTED_CHANNELS, f"dicom: {samples} channels; gray and RGB are read here")
    gray = photometric in GRAY
    if (samples == 1) != (gray or photometric == PALETTE):
        raise Rejected(CORRUPT, f"dicom: {samples} channels of {photometric}")
    if not exact and (syntax not in NATIVE or not gray or allocated not in (32, 64)):
        raise Rejected(CORRUPT, f"dicom: {allocated}-bit floats of {photometric} in this transfer syntax")
    if not exact:
        return
    depths = (1, 8, 16, 32) if syntax in NATIVE else (8, 16)
    if allocated not in depths or (allocated == 1 and (not gray or syntax == BIG_ENDIAN)):
        raise Rejected(UNSUPPORTED_DTYPE, f"dicom: values of {allocated} bits of {photometric} in this transfer syntax")
    if not 1 <= stored <= allocated or signed > 1:
        raise Rejected(CORRUPT, f"dicom: {stored} of {allocated} bits stored, sign {signed}")
    if high != stored - 1:
        raise Rejected(UNSUPPORTED_DTYPE, f"dicom: {stored} bits up to bit {high}; the lowest bits are read here")
    if signed and (not gray or allocated == 1):
        raise Rejected(UNSUPPORTED_DTYPE, f"dicom: signed values of {photometric}")
    if syntax in JPEG and (stored != 8 or allocated != 8 or signed):
        raise Rejected(UNSUPPORTED_DTYPE, f"dicom: {stored}-bit JPEG; 8 bits are read here")
    if "YBR" in photometric and syntax not in JPEG | JPEG2000 and (stored != 8 or allocated != 8):
        raise Rejected(UNSUPPORTED_DTYPE, f"dicom: {stored}-bit {photometric}; 8 bits are read here")
    if photometric in ("YBR_ICT", "YBR_RCT") and syntax not in JPEG | JPEG2000:
        raise Rejected(CORRUPT, f"dicom: {photometric} in a transfer syntax without it")


def _rescale(elements: Elements, frames: int) -> tuple[tuple[float, float], ...] | None:
    """Each frame's slope and intercept, from its own group, the shared one, or the top."""
    shared, own = elements.items(_SHARED), elements.items(_PER_FRAME)
    found = []
    for frame in range(frames):
        groups = [group for items in (own[frame : frame + 1], shared[:1]) for group in items]
        at = next((items[0] for group in groups if (items := group.items(_TRANSFORM))), elements)
        slope, intercept = at.number(_SLOPE, 1), at.number(_INTERCEPT, 0)
        if slope == 0:
            raise Rejected(CORRUPT, "dicom: a rescale slope of 0")
        found.append((slope, intercept))
        if not own:
            found *= frames
            break
    return None if all(pair == (1, 0) for pair in found) else tuple(found)


def _palette(elements: Elements) -> tuple[int, NDArray[Any]]:
    columns = []
    first = 0
    for descriptor, tag in zip(_DESCRIPTORS, _TABLES, strict=True):
        entries, first, bits = elements.integers(descriptor, 3)
        entries = entries or 1 << 16
        table = elements.raw(tag)
        if not table:
            raise Rejected(UNSUPPORTED_FORMAT, "dicom: a palette in segments is not read here")
        if bits not in (8, 16) or len(table) < entries * bits // 8:
            raise Rejected(CORRUPT, f"dicom: a palette of {entries} entries at {bits} bits in {len(table)} bytes")
        # 8-bit entries stand in bytes, or each in a word of 16 bits.
        wide = len(table) >= 2 * entries
        values = np.frombuffer(table, f"{elements.order}u2" if wide else "u1", entries)
        columns.append(values.astype(np.uint8 if bits == 8 else np.uint16))
    if len({(column.dtype, len(column)) for column in columns}) > 1:
        raise Rejected(CORRUPT, "dicom: a palette whose colours differ in length or depth")
    colors = np.stack(columns, axis=1)
    high, low = colors >> 8, colors & 255
    if colors.dtype == np.uint16 and (not low.any() or bool((low == high).all())):
        colors = high.astype(np.uint8)
    return first, colors


def _mode(picture: Picture) -> str:
    if not picture.exact:
        return "F" if picture.allocated == 32 else "F;64"
    if picture.photometric in GRAY:
        if picture.stored == 1:
            return "1"
        if picture.signed:
            return f"I;{picture.stored}S"
        return "L" if picture.stored <= 8 else f"I;{picture.stored}"
    mode = MODES[picture.photometric]
    return mode if picture.stored <= 8 else f"{mode};{picture.stored}"
