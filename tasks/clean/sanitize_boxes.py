"""Sanitize boxes: those that are nothing to learn from leave."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from tasks.image.sample import Sample
from tasks.operation import Fraction, Target


class SanitizeBoxes(Target):
    """Drop boxes that are too small or hardly visible, as they lie by now.

    Dropped is what is narrower or lower than ``min_size`` pixels, smaller than ``min_area`` square pixels, or of whose
    source's area less than ``min_visibility`` is in view; with ``duplicates`` (the default) also a box that has the
    category, position and size of one before it, to a hundredth of a pixel. What belongs to a box leaves with it, and
    the row's lineage names it. An output's own ``boxes`` limits come after. Pixels of every dtype pass unchanged.

    Source: torchvision ``SanitizeBoundingBoxes``, which keeps duplicates.
    """

    min_size: Annotated[float, Field(ge=0)] = 1.0
    min_area: Annotated[float, Field(ge=0)] = 1.0
    min_visibility: Fraction = 0.0
    duplicates: bool = True

    def apply(self, sample: Sample, **params: Any) -> Sample:
        targets = sample.targets
        placed = targets.placed(sample.whole, self.min_visibility, self.min_size)
        dropped, kept, seen = list(placed.dropped), [], set[tuple[str, ...]]()
        for i, box in zip(placed.kept, placed.boxes.tolist(), strict=True):
            same = (targets.categories[i], *(f"{value:.2f}" for value in box))
            number = targets.number(i)
            if box[2] * box[3] < self.min_area:
                dropped.append({"box": number, "reason": "too_small", "area": round(box[2] * box[3], 6)})
            elif self.duplicates and same in seen:
                dropped.append({"box": number, "reason": "duplicate"})
            else:
                kept.append(i)
            seen.add(same)
        for one in sorted(dropped, key=lambda one: int(one["box"])):
            sample = sample.did("objects", "dropped", one)
        return sample.annotated(targets.only(kept)) if dropped else sample
