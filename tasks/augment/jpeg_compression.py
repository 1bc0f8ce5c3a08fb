"""JPEG compression: what a JPEG file leaves of the image."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import cv2
import numpy as np

from tasks.augment.counts import Count, counted
from tasks.augment.shades import added
from tasks.errors import Rejected
from tasks.image.randomness import Generator
from tasks.image.sample import Pixels, Sample
from tasks.image.values import as_bytes, with_channels
from tasks.operation import Params, RandomFilter

LARGEST = 65_500  # pixels a side, libjpeg's limit
SUBSAMPLING = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420)


class JpegCompression(RandomFilter):
    """Leave the marks of JPEG.

    ``quality`` (1 to 100; a whole number, or [low, high] to draw from) is libjpeg's; colour is stored at half
    resolution (4:2:0), as most files have it. uint8 becomes what is decoded. uint16 and float32 keep their depth: the
    change at 8 bits is added to them. Boxes do not change.

    Source: Albumentations ``ImageCompression``, torchvision ``JPEG``; libjpeg-turbo
    (its accurate DCT: the bytes of Pillow).
    """

    shorthand: ClassVar[str | None] = "quality"

    quality: Annotated[Count, *counted(1, 100)] = Count(30, 95)

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {"quality": self.quality.drawn(rng)}

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if max(pixels.shape[:2]) > LARGEST:
            message = f"JPEG holds at most {LARGEST} pixels a side, not {pixels.shape[1]} x {pixels.shape[0]}"
            raise Rejected("too_many_pixels", message)
        before = as_bytes(pixels)
        gray = pixels.shape[2] == 1
        bgr = before if gray else cv2.cvtColor(before, cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, params["quality"], *SUBSAMPLING])
        after = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR_RGB)
        after = with_channels(np.asarray(after))
        if pixels.dtype == np.uint8:
            return after
        return added(pixels, (after.astype(np.float32) - before) * np.float32(1 / 255))
