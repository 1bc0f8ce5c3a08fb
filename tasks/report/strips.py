"""One strip of pictures for each reason of rejection: what the run page shows beside the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from tasks.errors import Rejected
from tasks.load.codecs import decode, read_header
from tasks.load.source import Source
from tasks.report.pictures import data_uri, fitted, visible
from tasks.store.local import Store

PICTURES = 5  # a reason
SIDE = 96  # px
GAP = 4  # px
LARGEST = 64 * 10**6  # bytes of a file that is read for a thumbnail
DANGEROUS = ("crashed", "out_of_memory", "timeout")  # what ended a worker must not end the driver


def strips(store: Store, version: Mapping[str, Any], source: Source) -> dict[str, str]:
    """Give a WebP data URI for each reason: the first images by id, a random sample, read again from the source.

    A reason whose images cannot be decoded, or are no longer there, has none.
    """
    found: dict[str, list[Image.Image]] = {}
    wanted = {reason: min(n, PICTURES) for reason, n in version["counts"]["reasons"].items() if reason not in DANGEROUS}
    for row in _rejected(store, version):
        left = wanted.get(row["reason"], 0)
        if not left:
            continue
        wanted[row["reason"]] = left - 1
        picture = _picture(source, row)
        if picture is not None:
            found.setdefault(row["reason"], []).append(picture)
        if not any(wanted.values()):
            break
    return {reason: data_uri(_beside(pictures)) for reason, pictures in sorted(found.items())}


def _rejected(store: Store, version: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in version["rejected"]:
        for batch in pq.ParquetFile(store.path(entry["object"])).iter_batches(
            columns=["uri", "frame", "reason", "bytes"]
        ):
            yield from batch.to_pylist()


def _picture(source: Source, row: Mapping[str, Any]) -> Image.Image | None:
    if (row["bytes"] or 0) > LARGEST:
        return None
    try:
        data = source.read(row["uri"])
        return fitted(visible(decode(data, read_header(data), row["frame"] or 0))[0], SIDE)
    except (Rejected, OSError):
        return None


def _beside(pictures: list[Image.Image]) -> Image.Image:
    width = sum(one.width for one in pictures) + GAP * (len(pictures) - 1)
    strip = Image.new("RGBA", (width, max(one.height for one in pictures)))  # the page may be light or dark
    x = 0
    for one in pictures:
        strip.paste(one, (x, 0))
        x += one.width + GAP
    return strip
