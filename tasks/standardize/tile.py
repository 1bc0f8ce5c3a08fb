"""Tile: large images as many small ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from tasks.errors import Rejected
from tasks.image.geometry import Move, Size, translation
from tasks.image.sample import Sample
from tasks.operation import Draws, Expander, Fraction, SquareSize

MOST = 10_000  # tiles of one image


class Tile(Expander):
    """Cut every image into tiles of one size.

    ``size`` is [width, height] in pixels; a number is a square. Neighbours share ``overlap`` (0 to 0.95) of a side.
    The last column and row are moved back to end at the image's edge; an image smaller than a tile is padded at the
    right and the bottom with ``fill``, a fraction of the value range. Tiles are numbered from 1, row by row
    (``.tile:1``), and replace the whole image; their places go to the lineage. More than 10,000 of one image are a
    rejection (``too_many_tiles``). Pixels of every dtype are copied, never resampled; boxes are clipped to each tile.

    Source: SAHI ``get_slice_bboxes`` (Akyon et al. 2022), which cuts smaller slices from small images instead.
    """

    size: SquareSize = Size(512, 512)
    overlap: Annotated[float, Field(ge=0, le=0.95)] = 0.2
    fill: Fraction = 0.0

    def expand(self, sample: Sample, path: str, draws: Draws) -> list[Sample]:
        across = _starts(sample.size.width, self.size.width, self.overlap)
        down = _starts(sample.size.height, self.size.height, self.overlap)
        if len(across) * len(down) > MOST:
            message = f"{len(across)} x {len(down)} tiles of {list(self.size)} px: use a larger size or less overlap"
            raise Rejected("too_many_tiles", message, step=path)
        whole = sample.settled()
        tiles = []
        for n, (x, y) in enumerate([(x, y) for y in down for x in across], start=1):
            suffix = f"{sample.suffix}.{path}:{n}"
            moved = replace(whole, tile=suffix, suffix=suffix).moved(Move(translation(-x, -y), self.size, self.fill))
            tiles.append(moved.did(path, self.name(), {"x": x, "y": y}))
        return tiles

    def rows(self) -> int:
        return 1

    def keeps_original(self) -> bool:
        return False

    def fixed_size(self, size: Size | None) -> Size | None:
        return self.size


def _starts(side: int, tile: int, overlap: float) -> list[int]:
    """Give where tiles begin along a side: whole steps, the last one back from the end."""
    step = tile - int(overlap * tile)
    return sorted({min(start, max(0, side - tile)) for start in range(0, max(1, side - tile + step), step)})
