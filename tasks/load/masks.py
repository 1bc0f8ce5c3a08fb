"""Masks of class indices: the numbers that a PNG holds, never the colours that they stand for."""

from __future__ import annotations

import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.errors import Rejected
from tasks.load import png
from tasks.load.header import Limits, sniff
from tasks.load.verdicts import verdicts

BAD: Final = "bad_annotations"

_DTYPES: Final = {"1": np.uint8, "L": np.uint8, "P": np.uint8, "I;16": np.uint16}


def read_mask(data: bytes, limits: Limits) -> NDArray[Any]:
    """Give a mask, H x W, of a gray or palette PNG: uint8, and uint16 where it has 16 bits.

    Colours, transparency, profiles and orientation are not looked at: the mask is of the image as it is shown. Raises
    ``Rejected`` (``bad_annotations``) where it is no such file, or a broken one.
    """
    try:
        if sniff(data) != "png":
            raise Rejected(BAD, "it is no PNG")
        found = png.parse(data)
        png.read_header(data, limits)
        png.check(data, found)
        with verdicts("png"), Image.open(io.BytesIO(data)) as image:
            if image.mode not in _DTYPES:
                raise Rejected(BAD, f"it has colours ({image.mode}), not class indices: store it as gray or palette")
            mask = np.asarray(image).astype(_DTYPES[image.mode])
        few = found.depth in (2, 4) and found.color == 0  # Pillow spreads their values over 0..255
        return mask // np.uint8(255 // (2**found.depth - 1)) if few else mask
    except Rejected as rejected:
        raise Rejected(BAD, f"the mask cannot be used: {rejected.message}") from rejected
