"""What a file says beside its pixels - cameras, places, people - which no output carries unless it is asked for."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal

from PIL import ExifTags, Image

from tasks.errors import Rejected
from tasks.load import png, raster
from tasks.load.orientation import entries
from tasks.load.verdicts import verdicts

Kind = Literal["exif", "gps", "xmp", "iptc", "comment"]

KINDS: Final[tuple[str, ...]] = ("exif", "gps", "xmp", "iptc", "comment", "dicom")
GPS: Final = 0x8825
_SAYING: Final = (
    0x010E,
    0x010F,
    0x0110,
    0x0131,
    0x0132,
    0x013B,
    0x8298,
    0x8769,
)  # description, make ... the EXIF block
_IN_TIFF: Final = {**dict.fromkeys(_SAYING, "exif"), GPS: "gps", 0x02BC: "xmp", 0x83BB: "iptc"}
_ALONE: Final = frozenset(range(0xD0, 0xD8)) | {0x01, 0xFF}
_TEXTS: Final = (b"tEXt", b"zTXt", b"iTXt")
_XMP_IN_PNG: Final = b"XML:com.adobe.xmp"
_LONGEST: Final = 200  # characters of a value: maker notes are blobs


def kinds(data: bytes, format: str) -> tuple[str, ...]:
    """Name what a whole file says beside its pixels, of ``KINDS`` and in their order; colour profiles are not meant.

    ``gps`` is a place in the EXIF block, ``comment`` any free text, ``dicom`` all of a DICOM file's own attributes. A
    block that cannot be read is none of these: nothing of it is carried either. Big TIFF's tags are not read.
    """
    if format == "dicom":
        return ("dicom",)
    found = set(_WAYS.get(format, _in_others)(data, format))
    return tuple(kind for kind in KINDS if kind in found)


def told(data: bytes, format: str, wanted: Sequence[Kind]) -> str | None:
    """Give the wanted kinds as JSON, tags by their EXIF names, values shortened; nothing where the file has none.

    Where Pillow cannot read them, ``unreadable`` says why.
    """
    if format == "dicom":
        return None
    try:
        with verdicts(format):
            kept = _blocks(data, wanted)
    except Rejected as rejected:
        kept = {"unreadable": rejected.message}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False) if kept else None


def _blocks(data: bytes, wanted: Sequence[Kind]) -> dict[str, Any]:
    with Image.open(io.BytesIO(data)) as image:
        exif = image.getexif()
        blocks: dict[str, Any] = {
            "exif": {**_named(exif, ExifTags.TAGS), **_named(exif.get_ifd(ExifTags.IFD.Exif), ExifTags.TAGS)},
            "gps": _named(exif.get_ifd(ExifTags.IFD.GPSInfo), ExifTags.GPSTAGS),
            "xmp": _text(image.info.get("xmp") or image.info.get(_XMP_IN_PNG.decode())),
            "iptc": _text(image.info.get("photoshop", {}).get(0x0404)) if image.format == "JPEG" else None,
            "comment": _text(image.info.get("comment")),
        }
    return {kind: blocks[kind] for kind in wanted if blocks[kind]}


def _named(block: Any, names: Any) -> dict[str, str]:
    """Give a block's values by name, without the pointers to other blocks."""
    pointers = {int(one) for one in ExifTags.IFD}
    return {str(names.get(tag, tag)): _text(value) or "" for tag, value in block.items() if tag not in pointers}


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.replace("\0", "").strip()[:_LONGEST]


def _in_jpeg(data: bytes, format: str) -> Iterator[str]:
    """Walk the segments up to the first scan; the file is known to be whole."""
    at = 2
    while at + 4 <= len(data) and data[at + 1] != 0xDA:
        code = data[at + 1]
        if code in _ALONE:
            at += 1 if code == 0xFF else 2
            continue
        start, at = at + 4, at + 2 + (data[at + 2] << 8 | data[at + 3])
        if code == 0xFE:
            yield "comment"
        elif code == 0xED:
            yield "iptc"
        elif code == 0xE1 and data.startswith(b"Exif\0\0", start):
            yield from _in_exif(data[start:at])
        elif code == 0xE1 and data.startswith(b"http://ns.adobe.com/xap", start):
            yield "xmp"


def _in_png(data: bytes, format: str) -> Iterator[str]:
    for chunk in png.parse(data).chunks:
        if chunk.kind == b"eXIf":
            yield from _in_exif(data[chunk.start : chunk.end])
        elif chunk.kind in _TEXTS:
            yield "xmp" if data.startswith(_XMP_IN_PNG, chunk.start) else "comment"


def _in_tiff(data: bytes, format: str) -> Iterator[str]:
    """A TIFF file's own tags: those of its layout say nothing beside the pixels."""
    for tag, _ in entries(data):
        if tag in _IN_TIFF:
            yield _IN_TIFF[tag]


def _in_others(data: bytes, format: str) -> Iterator[str]:
    said = raster.said(data, format)
    yield from _in_exif(said.get("exif") or b"")
    yield from (kind for kind in ("xmp", "comment") if said.get(kind))


def _in_exif(block: bytes) -> Iterator[str]:
    """Say that there is a block, and whether it holds a place."""
    for tag, _ in entries(block):
        yield "gps" if tag == GPS else "exif"


_WAYS: Final[dict[str, Callable[[bytes, str], Iterator[str]]]] = {"jpeg": _in_jpeg, "png": _in_png, "tiff": _in_tiff}
