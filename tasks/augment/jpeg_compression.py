"""JPEG compression: what a JPEG file leaves of the image."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from tasks.augment.counts import Count, counted
from tasks.augment.shades import added
from tasks.image.randomness import Generator
from tasks.image.sample import Pixels, Sample
from tasks.image.values import as_bytes, with_channels
from tasks.operation import Params, RandomFilter


class JpegCompression(RandomFilter):
    """Leave the marks of JPEG.

    ``quality`` (1 to 100; a whole number, or [low, high] to draw from) is libjpeg's; colour is stored at half
    resolution (4:2:0), as most files have it. uint8 becomes what is decoded. uint16 and float32 keep their depth: the
    change at 8 bits is added to them. Boxes do not change.

    Source: Albumentations ``ImageCompression``, torchvision ``JPEG``; libjpeg-turbo.
    """

    uses: ClassVar[tuple[str, ...]] = ("numpy", "opencv-python-headless", "simplejpeg")
    shorthand: ClassVar[str | None] = "quality"

    quality: Annotated[Count, *counted(1, 100)] = Count(30, 95)

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {"quality": self.quality.drawn(rng)}

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        space = "GRAY" if pixels.shape[2] == 1 else "RGB"
        before = np.ascontiguousarray(as_bytes(pixels))
        subsampling = "Gray" if space == "GRAY" else "420"
        data = simplejpeg.encode_jpeg(before, params["quality"], space, subsampling)
        after: NDArray[np.uint8] = with_channels(np.asarray(simplejpeg.decode_jpeg(data, space)))
        if pixels.dtype == np.uint8:
            return after
        return added(pixels, (after.astype(np.float32) - before) * np.float32(1 / 255))
