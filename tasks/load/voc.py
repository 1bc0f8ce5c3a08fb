"""Pascal VOC: an XML file an image. ``JPEGImages/a/x.jpg`` goes with ``Annotations/a/x.xml``.

``annotations`` names another folder than ``Annotations``; without a folder ``JPEGImages`` the images are all files but
those in it, in ``ImageSets`` and in ``SegmentationClass``. An image without XML is a source without boxes; XML whose
image is missing is listed (and rejected as ``missing``). XML that cannot be read, or a box that is none, rejects its
image alone, with file and line. Corners count pixels from 1 with both ends included, as VOC's own do: 1, 1, width,
height is the whole image. Objects marked difficult are kept; parts, masks and poses are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import splitext
from typing import Any, Final
from xml.etree import ElementTree

from tasks.errors import Rejected, RequestError
from tasks.load.files import UNKNOWN, Files
from tasks.load.gathered import Found
from tasks.load.listing import escape

IMAGES: Final = "JPEGImages/"
ANNOTATIONS: Final = "Annotations"
_OTHERS: Final = ("ImageSets/", "SegmentationClass/", "SegmentationObject/")
_ENDINGS: Final = ("jpg", "jpeg", "png", "JPG", "JPEG", "PNG", "bmp", "tif", "webp")
_LIMIT: Final = 16 << 20  # bytes of an XML file
_CORNERS: Final = ("xmin", "ymin", "xmax", "ymax")


def images(files: Files, place: str) -> Iterator[Found]:
    """Give the images with their boxes. Raises ``RequestError`` where there is no XML at all."""
    folder = "" if place in (".", "./") else place.rstrip("/") + "/"
    within = IMAGES if any(name.startswith(IMAGES) for name, _, _ in files.walk(below=IMAGES)) else ""
    for name, size, etag in files.walk():
        if name.startswith(within) and not name.endswith(".xml") and (within or not name.startswith(_OTHERS)):
            said = _said(files, f"{folder}{splitext(name[len(within) :])[0]}.xml")
            yield Found(escape(name), size, etag, None, said or {"boxes": [], "categories": []})
    count = 0
    for name, _, _ in files.walk(below=folder):
        if name.startswith(folder) and name.endswith(".xml"):
            count += 1
            if missing := _missing(files, within, name[len(folder) :], name):
                yield missing
    if not count:
        raise RequestError(
            f"{files.root}/{folder}: holds no XML, and Pascal VOC has an XML file an image there; "
            "annotations: names another folder"
        )


def _missing(files: Files, within: str, name: str, xml: str) -> Found | None:
    """Give the image that an XML file is about where no image goes with it."""
    stem = within + splitext(name)[0]
    if any(files.stat(f"{stem}.{ending}") != UNKNOWN for ending in _ENDINGS):
        return None
    tree = _parsed(files, xml)
    named = tree.findtext("filename") if isinstance(tree, ElementTree.Element) else None
    place = f"{stem}.{(named or '').rpartition('.')[2] or _ENDINGS[0]}"
    return Found(escape(place), *UNKNOWN, None, _said(files, xml)) if files.stat(place) == UNKNOWN else None


def _parsed(files: Files, name: str) -> ElementTree.Element | str | None:
    """Read XML: its root, or what is wrong with it; nothing where there is none. Expat itself refuses bombs."""
    try:
        return ElementTree.fromstring(files.read(name, _LIMIT))
    except Rejected as rejected:
        return None if rejected.reason == "missing" else rejected.message
    except ElementTree.ParseError as error:
        return f"{escape(name)}, line {error.position[0]}: is no XML ({error})"


def _said(files: Files, name: str) -> dict[str, Any] | None:
    tree = _parsed(files, name)
    if tree is None:
        return None
    made: dict[str, Any] = {"boxes": [], "categories": []}
    if isinstance(tree, str):
        return {**made, "problem": tree}
    for number, one in enumerate(tree.findall("object"), 1):
        try:
            left, top, right, bottom = (float(one.findtext(f"bndbox/{corner}") or "") for corner in _CORNERS)
            category = (one.findtext("name") or "").strip()
            if not category or not (0 <= right - left + 1 < 1e9 and 0 <= bottom - top + 1 < 1e9):
                raise ValueError("its name or its box is none")
        except ValueError as error:
            made.setdefault("problem", f"{escape(name)}: object {number}: {error}")
        else:
            made["boxes"].append([left - 1, top - 1, right - left + 1, bottom - top + 1])
            made["categories"].append(category)
    return made
