"""D4: the eight ways to lay a square."""

from __future__ import annotations

from typing import Any, ClassVar

from tasks.image.geometry import Matrix, Size, matrix, scaling, translation
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Params, RandomGeometric

QUARTERS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # cosine and sine


class D4(RandomGeometric):
    """Turn by quarters and mirror, in one of the eight ways.

    All are drawn alike, the unchanged image among them: 0 to 3 quarter turns (counter-clockwise), then a mirroring left
    to right or none. One and three exchange width and height. For images without an upside: from above, under a
    microscope. Pixels of every dtype are copied, never resampled; boxes go with them.

    Source: Albumentations ``D4``; the dihedral group of the square.
    """

    exact: ClassVar[bool] = True

    def draw(self, rng: Generator, sample: Sample) -> Params:
        element = int(rng.integers(8))
        return {"turns": element % 4, "mirrored": element > 3}

    def canvas(self, size: Size, **params: Any) -> Size:
        return size if params["turns"] % 2 == 0 else Size(size.height, size.width)

    def fixed_size(self, size: Size | None) -> Size | None:
        return size if size is not None and size.width == size.height else None

    def matrix(self, size: Size, **params: Any) -> Matrix:
        c, s = QUARTERS[params["turns"]]
        x, y = self.canvas(size, **params).center
        turn = matrix([[float(c), float(s), 0.0], [float(-s), float(c), 0.0]])
        mirror = scaling(-1.0 if params["mirrored"] else 1.0, 1.0)
        return translation(x, y) @ mirror @ turn @ translation(-size.width / 2, -size.height / 2)
