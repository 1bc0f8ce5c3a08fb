"""What a listing says of each source: its URI, its key, and what is known before it is read.

**The URI grammar.** A URI is the path below the source's root, with ``/`` between folders, as it is: spaces, ``#``,
``?``, line breaks and Unicode of any normal form stand for themselves. Four things are percent-encoded, so that every
file name has exactly one URI and every URI names exactly one file:

- a byte that is not UTF-8 (``%80`` to ``%FF``);
- ``%`` where what follows would read as one of these escapes (``%25``; ``100%.jpg`` and ``a%20b.jpg`` stay);
- ``!`` before ``/`` (``%21``), because ``a.tar!/x.jpg`` is the member ``x.jpg`` of the container ``a.tar``;
- ``:`` before ``//`` (``%3A``), because what holds ``://`` is a whole URL: a file outside the root, kept verbatim
  (``file://`` with these escapes).

A relative URI may begin with ``../`` where a manifest says so.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import pyarrow as pa

LISTING: Final = pa.schema(
    [
        ("key", pa.binary(32)),
        ("uri", pa.string()),
        ("size", pa.int64()),  # bytes; -1 where unknown, or where there is no such file
        ("etag", pa.string()),  # the object store's; local: mtime_ns as decimal text; "" where unknown
        ("label", pa.string()),
        ("annotations", pa.string()),  # canonical JSON, as Targets.read takes it
    ]
)
"""The columns of every listing; those of a manifest follow."""

RESERVED: Final = frozenset(LISTING.names) | frozenset(
    (
        *("id", "image", "labels", "objects", "mask", "keypoints", "width", "height", "split", "copy", "source"),
        *("lineage", "partition", "digest", "sha256", "frame", "pixels"),
    )
)
"""Names that rows and listings use themselves: a manifest's column of that name becomes ``manifest_NAME``."""

Row = tuple[str, int, str, str | None, str | None]
"""uri, size, etag, label, annotations."""

_SURROGATES = re.compile("[\ud800-\udfff]")
_MARKS = re.compile(r"%(?=21|25|3A|[89A-F][0-9A-F])|!(?=/)|:(?=//)")
_ESCAPES = re.compile(rb"%(21|25|3A|[89A-F][0-9A-F])")


def key(uri: str) -> bytes:
    """Give the 32 bytes on which everything that must not depend on order hangs."""
    data = uri.encode()
    return hashlib.sha256(len(data).to_bytes(8, "big") + data).digest()


def with_keys(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Put each row's key before a batch that has none."""
    keys = pa.py_buffer(b"".join(map(key, batch.column("uri").to_pylist())))
    column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), batch.num_rows, [None, keys])
    return pa.RecordBatch.from_arrays([column, *batch.columns], schema=batch.schema.insert(0, LISTING.field("key")))


def batches(rows: Iterable[Row], batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Put rows into batches of the listing, never holding more than one batch's."""
    rows = iter(rows)
    schema = LISTING.remove(0)
    while chunk := list(islice(rows, batch_rows)):
        arrays = [pa.array(column, field.type) for column, field in zip(zip(*chunk, strict=True), schema, strict=True)]
        yield with_keys(pa.RecordBatch.from_arrays(arrays, schema=schema))


def escape(name: str) -> str:
    """Give the URI of a path below the root, as ``os`` names it (bytes that are not UTF-8 as lone surrogates)."""
    if "%" in name or "!/" in name or "://" in name:
        name = _MARKS.sub(lambda mark: f"%{ord(mark[0]):02X}", name)
    return legible(name)


def legible(name: str) -> str:
    """Percent-encode the bytes of a name that are not UTF-8, and nothing else."""
    return name if name.isascii() else _SURROGATES.sub(_percent, name)


def _percent(match: re.Match[str]) -> str:
    code = ord(match[0])
    escaped = 0xDC80 <= code <= 0xDCFF  # a byte as os.fsdecode gives it; any other lone surrogate came from JSON
    data = bytes([code - 0xDC00]) if escaped else match[0].encode("utf-8", "surrogatepass")
    return "".join(f"%{byte:02X}" for byte in data)


def unescape(uri: str) -> str:
    """Give the path below the root of a URI that ``escape`` made."""
    if "%" not in uri:
        return uri
    data = _ESCAPES.sub(lambda found: bytes([int(found[1], 16)]), uri.encode())
    return data.decode("utf-8", "surrogateescape")
