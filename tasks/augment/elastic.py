"""Elastic: as on rubber."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tasks.augment.clouds import smooth
from tasks.augment.seeded import Seeded, field
from tasks.augment.warp import Warp
from tasks.image.geometry import Size
from tasks.operation import Range, within


class Elastic(Seeded, Warp):
    """Distort smoothly at random, as on rubber.

    Every pixel moves by a smooth random field. ``shift`` is the root mean square of the distance along each axis, as a
    fraction of the short side (0 to 0.1); ``sigma`` the Gaussian smoothness of the field, as a fraction of it too (0.01
    to 1). Each is a number, or [low, high] to draw from; a shift of more than a quarter of sigma may fold the image.
    The alpha of other libraries does not port: what it moves depends on sigma and on the size. ``border`` says what
    opens: ``constant`` (``fill``, a fraction of the value range), ``reflect`` or ``replicate``. Every dtype is kept.
    Boxes become the bounds of their outlines, to half a pixel.

    Source: Simard et al. 2003, "Best practices for convolutional neural networks applied to visual document analysis";
    Albumentations ``ElasticTransform``.
    """

    shift: Annotated[Range, within(0, 0.1)] = Range(0.005, 0.015)
    sigma: Annotated[Range, within(0.01, 1)] = Range(0.06, 0.1)

    def field(self, size: Size, **params: Any) -> NDArray[np.float32]:
        return smooth(field(params["seed"]), size, params["sigma"] * min(size), 2) * np.float32(
            params["shift"] * min(size)
        )
