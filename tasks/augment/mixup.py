"""Mixup: two images blended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from tasks.errors import Rejected
from tasks.image.mixing import joined, laid, mixture, stretched
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.image.values import fractions, from_fractions
from tasks.operation import Mixing, Params


class Mixup(Mixing):
    """Blend each image with another.

    The image has a share drawn from Beta(``alpha``, ``alpha``) (above 0, at most 100: 0.2 keeps most mixtures near one
    of the two, 32 near the middle), the next image of its split the rest. An image of another size is stretched to fit,
    so resize before. ``labels`` hold both classes by their shares; ``label`` stays the image's own. Boxes are those of
    both, whole; a mask, which holds one class a pixel, cannot be blended: use cutmix or mosaic. Every dtype is kept;
    integers are rounded.

    Source: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization"; torchvision ``MixUp``.
    """

    alpha: Annotated[float, Field(gt=0, le=100)] = 0.2

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {"share": float(rng.beta(self.alpha, self.alpha))}

    def mix(self, sample: Sample, others: Sequence[Sample], **params: Any) -> Sample:
        other, share = stretched(others[0], sample.size), params["share"]
        if sample.targets.mask is not None or other.targets.mask is not None:
            raise Rejected("has_mask", "mixup cannot blend masks: use cutmix or mosaic")
        blend = fractions(sample.picture()) * np.float32(share) + fractions(other.picture()) * np.float32(1 - share)
        (own, gone), (its, lost) = laid(sample), laid(other)
        pixels = from_fractions(blend, sample.picture().dtype)
        return mixture(sample, pixels, joined([own, its]), gone + lost, [(sample, share), (other, 1 - share)])
