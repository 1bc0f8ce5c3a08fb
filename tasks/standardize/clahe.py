"""Clahe: contrast-limited adaptive histogram equalization."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions, with_channels
from tasks.operation import RandomFilter, Range, Ranged, SquareSize, within

BINS = 256


class Clahe(Ranged, RandomFilter):
    """Equalize the histogram of each part of the image, with limited contrast.

    Each of ``tiles`` [across, down] (a number is a square) is equalized, and pixels between their centers are
    interpolated. ``clip_limit`` (1 to 100; a number, or [low, high] to draw from) is how many times the mean count a
    bin may hold, as in OpenCV (whose default is 40; scikit-image's is a fraction instead); what is more is spread over
    all bins. Of colour images L of CIE Lab is equalized, so hues stay. Histograms have 256 bins for every dtype: uint16
    and float32 (clipped to 0..1) are interpolated between them, and come out as uint8 does: gray within 1 level of 255,
    colour within 4 on average, since OpenCV's Lab of uint8 is rounded. Boxes do not change.

    Source: Zuiderveld 1994; OpenCV ``createCLAHE``, Albumentations ``CLAHE``.
    """

    shorthand: ClassVar[str | None] = "clip_limit"

    clip_limit: Annotated[Range, within(1, 100)] = Range(2, 2)
    tiles: SquareSize = Size(8, 8)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        limit = params["clip_limit"]
        if pixels.dtype == np.uint8:
            equalizer = cv2.createCLAHE(limit, self.tiles)
            if pixels.shape[2] == 1:
                return with_channels(np.asarray(equalizer.apply(pixels)))
            light, *colour = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab))
            return np.asarray(cv2.cvtColor(cv2.merge([equalizer.apply(light), *colour]), cv2.COLOR_Lab2RGB))
        values = np.clip(fractions(pixels), 0, 1, dtype=np.float32)
        if pixels.shape[2] == 1:
            return from_fractions(self._equalized(values[:, :, 0], limit)[:, :, None], pixels.dtype)
        lab = cv2.cvtColor(values, cv2.COLOR_RGB2Lab)
        lab[:, :, 0] = 100 * self._equalized(lab[:, :, 0] / 100, limit)
        return from_fractions(np.asarray(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB)), pixels.dtype)

    def _equalized(self, values: NDArray[np.float32], limit: float) -> NDArray[np.float32]:
        """Do as OpenCV does for 8 bits, but interpolate between the bins: its 16 bits never limit small tiles."""
        height, width = values.shape
        tables, tile = self._tables(values, limit)
        x = np.clip(np.arange(width, dtype=np.float32) / tile.width - 0.5, 0, self.tiles.width - 1)
        y = np.clip(np.arange(height, dtype=np.float32) / tile.height - 0.5, 0, self.tiles.height - 1)
        above = np.floor(y)
        level, share = values * np.float32(BINS - 1), (y - above)[:, None]

        def row(down: NDArray[np.float32]) -> NDArray[np.float32]:
            at = (down[:, None] * self.tiles.width + x).astype(np.float32)
            return np.asarray(cv2.remap(tables, level, at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))

        below = np.minimum(above + 1, self.tiles.height - 1)
        return np.asarray(row(above) * (1 - share) + row(below) * share, dtype=np.float32)

    def _tables(self, values: NDArray[np.float32], limit: float) -> tuple[NDArray[np.float32], Size]:
        """Give each tile's curve (tiles, row by row, x bins; 0 to 1), and a tile's size."""
        (across, down), (height, width) = self.tiles, values.shape
        more = (0, 0) if height % down == width % across == 0 else (down - height % down, across - width % across)
        bins = np.rint(values * (BINS - 1)).astype(np.uint8)
        bins = np.asarray(cv2.copyMakeBorder(bins, 0, more[0], 0, more[1], cv2.BORDER_REFLECT_101))
        tile = Size(bins.shape[1] // across, bins.shape[0] // down)
        area = tile.width * tile.height
        tiled = bins.reshape(down, tile.height, across, tile.width).transpose(0, 2, 1, 3).reshape(-1, area)
        counts = np.stack([np.bincount(one, minlength=BINS) for one in tiled])
        most = max(1, int(limit * area / BINS))
        spare = np.maximum(counts - most, 0).sum(axis=1)
        counts = np.minimum(counts, most) + (spare // BINS)[:, None]
        for row, rest in zip(counts, (spare % BINS).tolist(), strict=True):
            if rest:
                row[np.arange(0, BINS, BINS // rest)[:rest]] += 1
        return (np.cumsum(counts, axis=1) / area).astype(np.float32), tile
