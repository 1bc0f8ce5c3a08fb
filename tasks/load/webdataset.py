"""WebDataset's archives: neighbouring members with one name up to the first dot are a sample.

A sample's images are its members with an image's ending (each is a source); ``.mask.png`` is a mask of class indices;
``.cls`` the label; ``.json`` an object whose ``label``, where it is text, goes before ``.cls``, whose ``objects`` are
boxes, and whose other fields are columns (lists and objects as JSON text); ``.txt`` a column of that name. Other
members (vectors, sound) are not carried. A sample without an image is listed by its first member, and rejected.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from tasks.errors import Rejected, RequestError
from tasks.load.containers import INSIDE, stamp
from tasks.load.files import Files
from tasks.load.gathered import Found
from tasks.load.listing import escape
from tasks.load.objects import annotated, masked
from tasks.load.tar import ENDING, Member, TarMembers, hidden

IMAGES: Final = frozenset(
    ("jpg", "jpeg", "png", "webp", "tif", "tiff", "bmp", "gif", "ppm", "pgm", "pbm", "pnm", "jp2", "dcm", "tga", "avif")
)
MASK: Final = "mask.png"
_TEXT: Final = ("txt", "text", "caption", "transcript")
_SMALL: Final = 16 << 20  # bytes of a member that is held

Sample = dict[str, tuple[Member, bytes]]
"""A sample's members by ending; the bytes of those that are read."""


def samples(files: Files, archives: Iterator[tuple[str, int, str]], tars: TarMembers) -> Iterator[Found]:
    """Give the images of all archives, with what their samples say of them.

    Raises ``RequestError`` where a file is compressed.
    """
    for name, size, etag in archives:
        if name.endswith((".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.xz")):
            raise RequestError(
                f"{files.root}/{name}: a compressed archive cannot be read from the middle; uncompress it"
            )
        if not name.endswith(ENDING):
            yield Found(escape(name), size, etag)
            continue
        try:
            for sample in _samples(tars.members(name)):
                yield from _images(escape(name), etag, sample)
        except Rejected:  # reading the archive itself says what is wrong
            yield Found(escape(name), size, etag)


def _samples(members: Iterator[tuple[Member, BinaryIO]]) -> Iterator[Sample]:
    """Group neighbours; the last group of a broken archive is given before its verdict."""
    sample: Sample = {}
    current = None
    try:
        for member, file in members:
            if hidden(member.name):
                continue
            folder, slash, base = member.name.rpartition("/")
            name, _, ending = base.lower().partition(".")
            if folder + slash + name != current or ending in sample:
                if sample:
                    yield sample
                sample, current = {}, folder + slash + name
            sample[ending] = (member, _small(member, ending, file))
    except Rejected:
        if sample:
            yield sample
        raise
    if sample:
        yield sample


def _small(member: Member, ending: str, file: BinaryIO) -> bytes:
    if ending not in ("cls", "json", *_TEXT) or member.size > _SMALL:
        return b""
    file.seek(member.data)
    return file.read(member.size)


def _images(archive: str, etag: str, sample: Sample) -> Iterator[Found]:
    said, columns, label = _said(archive, sample)
    if MASK in sample:
        mask = sample[MASK][0]
        said = masked(said, f"{archive}{INSIDE}{escape(mask.name)}", mask.size, stamp(etag, mask.offset))
    images = [ending for ending in sample if ending.rpartition(".")[2] in IMAGES and ending != MASK]
    for ending in images or list(sample)[:1]:
        member = sample[ending][0]
        uri = f"{archive}{INSIDE}{escape(member.name)}"
        yield Found(uri, member.size, stamp(etag, member.offset), label, said, columns)


def _said(archive: str, sample: Sample) -> tuple[dict[str, Any] | None, dict[str, Any], str | None]:
    """Give a sample's annotations, columns and label."""
    said: dict[str, Any] | None = None
    columns: dict[str, Any] = {}
    label = None
    try:
        if "cls" in sample:
            label = sample["cls"][1].decode().strip() or None
        for ending in _TEXT:
            if ending in sample:
                columns[ending] = sample[ending][1].decode()
        if "json" in sample:
            value = json.loads(sample["json"][1])
            if not isinstance(value, dict):
                raise ValueError(f"expected an object, found {type(value).__name__}")
            if isinstance(named := value.get("label"), (str, int)):
                label = named or label if isinstance(named, str) else label or str(named)
                del value["label"]
            if "objects" in value:
                said = annotated(value.pop("objects"))
            columns |= value
    except ValueError as error:
        member = next(iter(sample.values()))[0].name
        said = {"problem": f"{archive}{INSIDE}{member}: what its sample says cannot be read ({error})"}
    return said, columns, label
