"""What a file says beside its pixels - cameras, places, people - which no output carries unless it is asked for."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from PIL import ExifTags, Image

Kind = Literal["exif", "gps", "xmp", "iptc", "comment"]

KINDS: Final[tuple[str, ...]] = ("exif", "gps", "xmp", "iptc", "comment", "dicom")
GPS: Final = 0x8825
_ALONE: Final = frozenset(range(0xD0, 0xD8)) | {0x01, 0xFF}
_TEXTS: Final = (b"tEXt", b"zTXt", b"iTXt")
_XMP_IN_PNG: Final = b"XML:com.adobe.xmp"
_LONGEST: Final = 200  # characters of a value: maker notes are blobs


def kinds(data: bytes, format: str) -> tuple[str, ...]:
    """Name what a whole file says beside its pixels, of ``KINDS`` and in their order; colour profiles are not meant.

    ``gps`` is a place in the EXIF block, ``comment`` any free text, ``dicom`` all of a DICOM file's own attributes.
    """
    if format == "dicom":
        return ("dicom",)
    found = set(_in_jpeg(data) if format == "jpeg" else _in_png(data) if format == "png" else _in_others(data))
    return tuple(kind for kind in KINDS if kind in found)


def told(data: bytes, wanted: Sequence[Kind]) -> str | None:
    """Give the wanted kinds as JSON, tags by their EXIF names, values shortened; nothing where the file has none."""
    with Image.open(io.BytesIO(data)) as image:
        exif = image.getexif()
        blocks: dict[str, Any] = {
            "exif": {**_named(exif, ExifTags.TAGS), **_named(exif.get_ifd(ExifTags.IFD.Exif), ExifTags.TAGS)},
            "gps": _named(exif.get_ifd(ExifTags.IFD.GPSInfo), ExifTags.GPSTAGS),
            "xmp": _text(image.info.get("xmp") or image.info.get(_XMP_IN_PNG.decode())),
            "iptc": _text(image.info.get("photoshop", {}).get(0x0404)) if image.format == "JPEG" else None,
            "comment": _text(image.info.get("comment")),
        }
    kept = {kind: blocks[kind] for kind in wanted if blocks[kind]}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False) if kept else None


def _named(block: Any, names: Any) -> dict[str, str]:
    """Give a block's values by name, without the pointers to other blocks."""
    pointers = {int(one) for one in ExifTags.IFD}
    return {str(names.get(tag, tag)): _text(value) or "" for tag, value in block.items() if tag not in pointers}


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.replace("\0", "").strip()[:_LONGEST]


def _in_jpeg(data: bytes) -> Iterator[str]:
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
            yield from _in_exif(data[start + 6 : at])
        elif code == 0xE1 and data.startswith(b"http://ns.adobe.com/xap", start):
            yield "xmp"


def _in_png(data: bytes) -> Iterator[str]:
    at = 8
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"eXIf":
            yield from _in_exif(data[at + 8 : at + 8 + length])
        elif kind in _TEXTS:
            yield "xmp" if data.startswith(_XMP_IN_PNG, at + 8) else "comment"
        at += 12 + length


def _in_exif(block: bytes) -> Iterator[str]:
    """Say that there is a block, and whether it holds a place."""
    exif = Image.Exif()
    exif.load(block)
    yield from _of(exif)


def _of(exif: Image.Exif) -> Iterator[str]:
    if len(exif):
        yield "exif"
    if GPS in exif:
        yield "gps"


def _in_others(data: bytes) -> Iterator[str]:
    with Image.open(io.BytesIO(data)) as image:
        yield from _of(image.getexif())
        if image.info.get("xmp"):
            yield "xmp"
        if image.info.get("comment"):
            yield "comment"
