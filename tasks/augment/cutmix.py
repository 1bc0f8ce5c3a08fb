"""Cutmix: a rectangle of another image pasted in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from tasks.image.geometry import Move, Size, translation
from tasks.image.mixing import Rectangle, assembled, covered, joined, laid, mixture, stretched
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Mixing, Params


class Cutmix(Mixing):
    """Paste a rectangle of another image in, at the place where it was.

    The rectangle has a share of the area drawn from Beta(``alpha``, ``alpha``) (above 0, at most 100: 1 is uniform),
    the image's proportions and a uniformly drawn center; what lies outside the image is cut off. The other image is the
    next one of its split, stretched where its size differs, so resize before. ``labels`` hold both classes by their
    shares of the picture; ``label`` stays the image's own. Boxes are clipped to what is still seen of them, on either
    side, and visibility counts against the whole box; masks are pasted alike. Pixels of every dtype are copied.

    Source: Yun et al. 2019, "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features";
    torchvision ``CutMix``.
    """

    alpha: Annotated[float, Field(gt=0, le=100)] = 1.0

    def draw(self, rng: Generator, sample: Sample) -> Params:
        width, height = sample.size
        side = math.sqrt(float(rng.beta(self.alpha, self.alpha)))
        x, y = (float(rng.uniform(0, length)) for length in sample.size)
        left, right = (min(width, max(0, round(x + end * side * width / 2))) for end in (-1, 1))
        top, bottom = (min(height, max(0, round(y + end * side * height / 2))) for end in (-1, 1))
        return {"x": left, "y": top, "width": right - left, "height": bottom - top}

    def mix(self, sample: Sample, others: Sequence[Sample], **params: Any) -> Sample:
        pasted = Rectangle(**params)
        if not pasted.width * pasted.height:
            return sample
        other = stretched(others[0], sample.size).settled()
        cut = other.moved(Move(translation(-pasted.x, -pasted.y), Size(pasted.width, pasted.height)))
        pixels = sample.picture().copy()
        pixels[pasted.part] = cut.picture()
        (own, gone), (its, lost) = laid(sample), laid(cut, (pasted.x, pasted.y))
        mask = assembled(sample.size, [(Rectangle(0, 0, *sample.size), own), (pasted, its)])
        left, hidden = covered(own, sample.size, pasted)
        share = pasted.width * pasted.height / (sample.size.width * sample.size.height)
        targets = joined([left, its], mask)
        return mixture(sample, pixels, targets, gone + hidden + lost, [(sample, 1 - share), (other, share)])
