"""Annotations: images whose boxes cannot be right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from tasks.errors import Rejected
from tasks.image.sample import Sample
from tasks.operation import Check

BESIDE = 1.0  # px: annotation tools round, so a box that ends this far outside is none of theirs
FAULTS = {
    "outside": "reach beyond the image",
    "empty": "have no area",
    "duplicate": "repeat another of their category",
    "unknown": "are of an unknown class",
}


class Annotations(Check):
    """Reject images whose boxes cannot be right.

    Counted are boxes that are ``outside`` (more than one pixel beyond the image), ``empty`` (no width or height),
    ``duplicate`` (the same place and category as one before) and, where ``classes`` are given, ``unknown`` (of none of
    these). An image with more than ``at_most`` of a kind is rejected (``bad_annotations``). ``sanitize_boxes`` mends
    instead: it leaves such boxes out and keeps the image. Boxes are looked at as the source has them. Any dtype.

    Source: torchvision ``SanitizeBoundingBoxes``; FiftyOne's dataset checks.
    """

    thresholds: ClassVar[frozenset[str]] = frozenset({"at_most"})

    at_most: Annotated[int, Field(ge=0)] = 0
    classes: tuple[str, ...] = ()

    def examine(self, sample: Sample) -> dict[str, float]:
        targets = sample.targets
        left, top, width, height = targets.boxes.T
        limit = np.array(sample.base.origin) + BESIDE
        beyond = (left < -BESIDE) | (top < -BESIDE) | (left + width > limit[0]) | (top + height > limit[1])
        different = {(name, *box) for name, box in zip(targets.categories, targets.boxes.tolist(), strict=True)}
        unknown = sum(name not in self.classes for name in targets.categories) if self.classes else 0
        counts = {
            "outside": beyond.sum(),
            "empty": ((width <= 0) | (height <= 0)).sum(),
            "duplicate": len(targets.boxes) - len(different),
            "unknown": unknown,
        }
        return {name: float(count) for name, count in counts.items()}

    def measures(self) -> tuple[str, ...]:
        return tuple(FAULTS)

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        for name, what in FAULTS.items():
            if measures[name] > self.at_most:
                message = f"{measures[name]:.0f} of its boxes {what}"
                return Rejected(
                    "bad_annotations", message, step=self.name(), measure=measures[name], limit=float(self.at_most)
                )
        return None
