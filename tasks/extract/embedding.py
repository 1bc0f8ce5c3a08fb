"""Embedding: the vector that a neural network makes of an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.extract.onnx_model import OnnxModel
from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.operation import Feature


class Embedding(OnnxModel, Feature):
    """Describe an image by the output of an ONNX model.

    ``model`` is the path of a file, relative to the pipeline file; its content, not its path, decides whether rows
    are made again. The image is resized to ``size`` [width, height]: ``fit: crop`` scales it to cover and cuts the
    middle, ``stretch`` distorts it. Values are fractions of the range (float32 clipped), less ``mean``, divided by
    ``std``, a number a channel or one for all (ImageNet's). A model of one channel gets Rec. 601 gray, all others
    sRGB, gray images repeated; ``layout`` is that of its first input, of which it gets one image at a time. The vector
    is ``output`` (the first), flattened, and divided by its length where ``unit_length``. It runs on one CPU thread.
    Every dtype is taken. Boxes play no part.

    Source: ONNX Runtime (``pip install 'imagemill[onnx]'``).
    """

    example: ClassVar[Mapping[str, Any]] = {"model": "data/models/thumbnail.onnx"}

    def extract(self, pixels: Pixels) -> NDArray[np.float32]:
        return self.vector(pixels)

    def components(self, size: Size | None, channels: int | None) -> list[str]:
        return [str(n) for n in range(self.blank().size)]
