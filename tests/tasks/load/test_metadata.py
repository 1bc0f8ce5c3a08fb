"""What files say beside their pixels: named, dropped and noted; kept only where it is asked for."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin

from tasks.load.codecs import read_header
from tasks.load.metadata import kinds, told
from tests.tasks.run.serial import serial

SECRET = "37 15 50"  # where it was taken
PIPELINE = """
version: 1
pipelines:
  small:
    source: {path: images, labels: none, metadata: KEPT}
    steps:
      - resize: {size: [16, 16]}
"""


def exif(place: bool = True) -> Image.Exif:
    made = Image.Exif()
    made[ExifTags.Base.Make] = "Lumiere"
    made[ExifTags.Base.Artist] = "A. Photographer"
    made.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.LensModel] = "50 mm"
    if place:
        made.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (37.0, 15.0, 50.0), 29: SECRET})
    return made


def saved(format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 255, (24, 32, 3), np.uint8)
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def with_iptc(data: bytes) -> bytes:
    block = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + (8).to_bytes(4, "big") + b"\x1c\x02\x50\0\x03Ann"
    return data[:2] + b"\xff\xed" + (len(block) + 2).to_bytes(2, "big") + block + data[2:]


def texts(**said: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for name, text in said.items():
        info.add_itxt("XML:com.adobe.xmp" if name == "xmp" else name, text)
    return info


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (saved("JPEG"), ()),
        (saved("JPEG", exif=exif()), ("exif", "gps")),
        (saved("JPEG", exif=exif(place=False)), ("exif",)),
        (saved("JPEG", xmp=b"<x/>", comment="by me"), ("xmp", "comment")),
        (with_iptc(saved("JPEG", progressive=True)), ("iptc",)),
        (saved("PNG"), ()),
        (saved("PNG", exif=exif()), ("exif", "gps")),
        (saved("PNG", pnginfo=texts(xmp="<x/>")), ("xmp",)),
        (saved("PNG", pnginfo=texts(Author="me")), ("comment",)),
        (saved("WEBP", exif=exif(), xmp=b"<x/>"), ("exif", "gps", "xmp")),
        (saved("GIF", comment=b"hello"), ("comment",)),
        (saved("BMP"), ()),
        (saved("TIFF"), ()),
        (saved("TIFF", tiffinfo={ExifTags.Base.Artist: "me", ExifTags.Base.XMLPacket: b"<x/>"}), ("exif", "xmp")),
        (saved("AVIF", exif=exif()), ("exif", "gps")),
    ],
)
def test_each_kind_is_named(data: bytes, expected: tuple[str, ...]) -> None:
    assert kinds(data, read_header(data).format) == expected


def with_exif(block: bytes, data: bytes | None = None) -> bytes:
    data = data or saved("JPEG")
    return data[:2] + b"\xff\xe1" + (len(block) + 8).to_bytes(2, "big") + b"Exif\0\0" + block + data[2:]


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=40), st.sampled_from([b"", b"II*\0", b"MM\0*", b"II*\0\x08\0\0\0"]))
def test_a_block_of_nonsense_harms_no_image(block: bytes, beginning: bytes) -> None:
    data = with_exif(beginning + block)
    assert set(kinds(data, "jpeg")) <= {"exif", "gps"}
    kept = told(data, "jpeg", ["exif", "gps"])
    assert kept is None or set(json.loads(kept)) <= {"exif", "gps", "unreadable"}


def test_a_run_keeps_an_image_whose_metadata_is_nonsense(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(with_exif(b"garbage!!"))
    assert set(rows(tmp_path, "[]")) == {"a.jpg"}
    assert rows(tmp_path, "[exif]")["a.jpg"]["metadata"] is None


def test_what_is_asked_for_is_told_by_its_exif_names_and_nothing_else() -> None:
    data = saved("JPEG", exif=exif(), comment="by me")
    kept = json.loads(told(data, "jpeg", ["exif", "comment"]) or "")
    assert kept["exif"]["Make"] == "Lumiere" and kept["exif"]["LensModel"] == "50 mm"
    assert kept["comment"] == "by me" and SECRET not in json.dumps(kept)
    assert SECRET in (told(data, "jpeg", ["gps"]) or "")
    assert told(data, "jpeg", ["xmp"]) is None


def rows(folder: Path, kept: str) -> dict[str, dict[str, Any]]:
    file = folder / "pipelines.yaml"
    file.write_text(PIPELINE.replace("KEPT", kept))
    serial(file, "small", folder / "out")
    return {row["source"]["uri"]: row for row in pq.read_table(folder / "out" / "data").to_pylist()}


def test_a_row_carries_none_of_it_and_notes_what_was_dropped(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(saved("JPEG", exif=exif()))
    (tmp_path / "images" / "b.jpg").write_bytes(saved("JPEG"))
    made = rows(tmp_path, "[]")
    noted = {uri: [one["params"] for one in row["lineage"] if one["step"] == "source"] for uri, row in made.items()}
    assert noted == {"a.jpg": ['{"metadata":["exif","gps"]}'], "b.jpg": []}
    assert "metadata" not in made["a.jpg"]
    for file in (tmp_path / "out").rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes() and b"Lumi" not in file.read_bytes(), file
    kept = rows(tmp_path, "[exif]")
    assert json.loads(kept["a.jpg"]["metadata"])["exif"]["Artist"] == "A. Photographer"
    assert kept["b.jpg"]["metadata"] is None
    assert [one["params"] for one in kept["a.jpg"]["lineage"] if one["step"] == "source"] == ['{"metadata":["gps"]}']
