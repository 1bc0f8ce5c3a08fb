"""One strip of pictures for each reason of rejection: what the run page shows beside the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from tasks.errors import Rejected
from tasks.load.codecs import decode, read_header
from tasks.load.source import Source
from tasks.report.pictures import data_uri, fitted, visible
from tasks.report.statistics import Statistics
from tasks.run.ring import RETRIED
from tasks.store.local import Store

PICTURES = 5  # a reason
SIDE = 96  # px
GAP = 4  # px
LARGEST = 64 * 10**6  # bytes of a file that is read for a thumbnail


def strips(store: Store, version: Mapping[str, Any], source: Source) -> dict[str, str]:
    """Give a WebP data URI for each reason: some of the first images by id, read again from the source.

    A reason whose images cannot be decoded, or are no longer there, has none.
    """
    found = {}
    for reason in Statistics(store, version).reasons:
        if reason.name not in RETRIED:  # what ended a worker must not end the driver
            pictures = [made for row in reason.rows[:PICTURES] if (made := _picture(source, row)) is not None]
            if pictures:
                found[reason.name] = data_uri(_beside(pictures))
    return dict(sorted(found.items()))


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
