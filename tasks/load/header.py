"""What an image file says about itself, which format it is by its content, and the limits it must keep."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.errors import Rejected
from tasks.load.verdicts import (
    CORRUPT,
    EMPTY,
    NOT_AN_IMAGE,
    TOO_MANY_BYTES,
    TOO_MANY_FRAMES,
    TOO_MANY_PIXELS,
    UNSUPPORTED_FORMAT,
)


@dataclass(frozen=True)
class Limits:
    """What one file may hold, checked on its header before any pixel is decoded.

    ``pixels`` is a frame's: twice Pillow's ``MAX_IMAGE_PIXELS``, the number above which Pillow itself refuses (it warns
    from half of it). As RGB that is 0.5 GB.
    """

    pixels: int = 178_956_970
    bytes: int = 1 << 30
    frames: int = 1000


@dataclass(frozen=True)
class Header:
    """What the file says: ``width`` and ``height`` as shown (after EXIF orientation), of frame 0; ``mode`` as stored.

    ``format`` follows the content, never the name. ``mode`` is Pillow's word (``L``, ``RGB``, ``P``, ``CMYK``,
    ``I;16``), with the bits where Pillow has none (``RGB;16``, ``F;64``). ``spacing`` is how many millimetres lie
    between pixels, [x, y], where a medical file says so.
    """

    format: str
    width: int
    height: int
    frames: int
    mode: str
    spacing: tuple[float, float] | None = None


def sniff(data: bytes) -> str:
    """The format by content; a verdict where it is none that is read here."""
    if not data:
        raise Rejected(EMPTY, "the file holds no bytes")
    for offset, magic, format in _READ:
        if data.startswith(magic, offset) and _plausible(format, data):
            return format
    for offset, magic, what in _NOT_READ:
        if data.startswith(magic, offset):
            raise Rejected(UNSUPPORTED_FORMAT, f"the content is {what}, which is not read here")
    if data.startswith(b"ftyp", 4):
        return _by_brand(data)
    if _is_tga(data):
        return "tga"
    raise Rejected(NOT_AN_IMAGE, f"no image format begins with the bytes {data[:8].hex(' ')}")


def check_bytes(data: bytes, limits: Limits) -> None:
    """Refuse a file of too many bytes."""
    if len(data) > limits.bytes:
        message = f"{len(data):,} bytes are more than the limit of {limits.bytes:,}"
        raise Rejected(TOO_MANY_BYTES, message, measure=len(data), limit=limits.bytes)


def check_size(format: str, width: int, height: int, limits: Limits) -> None:
    """Refuse a frame without pixels, or with too many."""
    if width < 1 or height < 1:
        raise Rejected(CORRUPT, f"{format}: the header says {width} x {height} pixels")
    if width * height > limits.pixels:
        message = f"{format}: {width} x {height} pixels are more than the limit of {limits.pixels:,}"
        raise Rejected(TOO_MANY_PIXELS, message, measure=width * height, limit=limits.pixels)


def check_frames(format: str, frames: int, limits: Limits) -> None:
    """Refuse a file without frames, or with too many."""
    if frames < 1:
        raise Rejected(CORRUPT, f"{format}: the file holds no image")
    if frames > limits.frames:
        message = f"{format}: {frames:,} frames are more than the limit of {limits.frames:,}"
        raise Rejected(TOO_MANY_FRAMES, message, measure=frames, limit=limits.frames)


_READ: tuple[tuple[int, bytes, str], ...] = (
    # First: its 128 bytes before are free, and scanners leave TIFF's magic there, with or without a TIFF behind it.
    (128, b"DICM", "dicom"),
    (0, b"\xff\xd8", "jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (8, b"WEBP", "webp"),
    (0, b"BM", "bmp"),
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"II+\0", "tiff"),
    (0, b"MM\0+", "tiff"),
    (0, b"P1", "ppm"),
    (0, b"P2", "ppm"),
    (0, b"P3", "ppm"),
    (0, b"P4", "ppm"),
    (0, b"P5", "ppm"),
    (0, b"P6", "ppm"),
    (0, b"Pf", "ppm"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "jpeg2000"),
    (0, b"\xff\x4f\xff\x51", "jpeg2000"),
    (0, b"qoif", "qoi"),
    (0, b"\x01\xda", "sgi"),
    (0, b"\x0a", "pcx"),
)

_GHOSTSCRIPT = "needs Ghostscript, an interpreter of programs"
_NOT_READ: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%!PS", f"PostScript ({_GHOSTSCRIPT})"),
    (0, b"\xc5\xd0\xd3\xc6", f"EPS ({_GHOSTSCRIPT})"),
    (0, b"%PDF", "PDF (pypdfium2 renders it)"),
    (0, b"\xd7\xcd\xc6\x9a", "WMF (drawing commands, not pixels)"),
    (40, b" EMF", "EMF (drawing commands, not pixels)"),
    (0, b"<svg", "SVG (drawing commands; resvg renders it)"),
    (0, b"<?xml", "XML, perhaps SVG (drawing commands; resvg renders it)"),
    (0, b"\xff\x0a", "JPEG XL (pillow-jxl-plugin reads it)"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL (pillow-jxl-plugin reads it)"),
    (0, b"8BPS", "Photoshop (layers; psd-tools reads it)"),
    (0, b"\0\0\1\0", "an icon (ICO; several sizes of one picture)"),
    (0, b"icns", "an icon (ICNS; several sizes of one picture)"),
    (0, b"DDS ", "DDS (a texture)"),
    (0, b"BLP", "BLP (a texture)"),
    (0, b"P7", "PAM (netpbm reads it)"),
    (0, b"PF", "a colour PFM (netpbm reads it)"),
    (0, b"v/1\x01", "OpenEXR (the OpenEXR package reads it)"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"SIMPLE  =", "FITS (astropy reads it)"),
    (0, b"\x89HDF", "HDF5 (h5py reads it)"),
    (0, b"BUFR", "BUFR (a weather record)"),
    (0, b"GRIB", "GRIB (a weather record)"),
    (0, b"Image type:", "IM"),
    (0, b"DanM", "MSP (Microsoft Paint 1)"),
    (0, b"LinS", "MSP (Microsoft Paint 2)"),
    (0, b"#define ", "XBM (C source)"),
    (0, b"/* XPM */", "XPM (C source)"),
    (0, b"FUJIFILMCCD-RAW", "camera raw (rawpy reads it)"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (8, b"AVI ", "a video (AVI)"),
    (0, b"\x1aE\xdf\xa3", "a video (Matroska)"),
    (0, b"\0\0\x01\xb3", "a video (MPEG)"),
    (0, b"\0\0\x01\xba", "a video (MPEG)"),
)

_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def _plausible(format: str, data: bytes) -> bool:
    """Whether more than a short magic agrees: two letters also begin texts."""
    if format == "bmp":
        return len(data) >= 18 and data[14] in (12, 16, 40, 52, 56, 64, 108, 124)
    if format == "ppm":
        return data[2:3].isspace()
    if format == "webp":
        return data.startswith(b"RIFF")
    if format == "sgi":
        return len(data) < 12 or (data[2] <= 1 and data[3] in (1, 2) and 1 <= data[5] <= 3)
    if format == "pcx":
        return len(data) > 65 and data[1] in (0, 2, 3, 5) and data[2] == 1 and data[3] in (1, 2, 4, 8)
    return True


def _by_brand(data: bytes) -> str:
    """ISO media files share one beginning; their brands tell AVIF from HEIC from video."""
    end = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12]] + [data[at : at + 4] for at in range(16, end - 3, 4)]
    if b"avif" in brands or b"avis" in brands:
        return "avif"
    if _HEIF.intersection(brands):
        raise Rejected(UNSUPPORTED_FORMAT, "the content is HEIC/HEIF (pillow-heif reads it), which is not read here")
    name = brands[0].decode("ascii", "replace").strip()
    raise Rejected(UNSUPPORTED_FORMAT, f"the content is an ISO media file ({name}), perhaps a video: not read here")


def _is_tga(data: bytes) -> bool:
    """TGA has no magic: its second version has a footer, its first only a header whose fields must agree."""
    if len(data) < 18:
        return False
    kind, mapped, depth = data[2], data[1], data[16]
    agree = mapped == 1 if kind in (1, 9) else mapped == 0 and kind in (2, 3, 10, 11)
    depths = {1: (8,), 9: (8,), 2: (16, 24, 32), 10: (16, 24, 32), 3: (1, 8, 16), 11: (8, 16)}
    return agree and depth in depths.get(kind, ()) and data[17] & 0xC0 == 0 and any(data[12:14]) and any(data[14:16])
