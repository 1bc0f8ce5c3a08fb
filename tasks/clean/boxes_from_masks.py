"""Boxes from masks: an object for each region of a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import cv2
import numpy as np
from pydantic import Field

from tasks.clean.mappings import Index, Name, mapping
from tasks.image.geometry import Polygon
from tasks.image.masks import Mask
from tasks.image.outlines import outlines
from tasks.image.sample import Sample
from tasks.operation import Target


class BoxesFromMasks(Target):
    """Make an object of each region of the mask, with its bounds as box.

    ``classes`` gives the mask's indices the names of the boxes' categories; other indices make none. A region is what
    is connected (``regions: connected``, corners included) or all pixels of a class (``regions: class``). The boxes
    come after those that the source has, and go with the region's outline through every later step, as tight as it. A
    region of fewer than ``min_area`` pixels of the source makes none. Images without a mask stay as they are. Pixels of
    every dtype pass unchanged.

    Source: torchvision ``masks_to_boxes``, scikit-image ``measure.regionprops``.
    """

    makes_boxes: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"classes": {1: "road", 2: "car"}}

    classes: Annotated[tuple[tuple[Index, Name], ...], mapping(Index, Name), Field(min_length=1)]
    regions: Literal["connected", "class"] = "connected"
    min_area: Annotated[int, Field(ge=1)] = 1

    def categories_after(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*names, *(name for _, name in self.classes))))

    def apply(self, sample: Sample, **params: Any) -> Sample:
        targets = sample.targets
        if targets.mask is None:
            return sample
        found = [(name, parts) for index, name in self.classes for parts in self._regions(targets.mask == index)]
        return sample.annotated(targets.with_regions(found))

    def _regions(self, mask: Mask) -> list[tuple[Polygon, ...]]:
        if np.count_nonzero(mask) < self.min_area:
            return []
        if self.regions == "class":
            return [outlines(mask)]
        count, labels, about, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        found = []
        for i in range(1, count):
            x, y, width, height, size = about[i].tolist()
            if size >= self.min_area:
                part = outlines(labels[y : y + height, x : x + width] == i)
                found.append(tuple(outline + np.array([x, y]) for outline in part))
        return found
