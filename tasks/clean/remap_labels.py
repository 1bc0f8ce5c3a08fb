"""Remap labels: other names for the categories of boxes, other numbers for the classes of masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import numpy as np

from tasks.clean.mappings import Index, Name, mapping
from tasks.errors import Rejected
from tasks.image.masks import Mask
from tasks.image.sample import Sample
from tasks.image.targets import BAD
from tasks.operation import Target


class RemapLabels(Target):
    """Rename or join the categories of boxes, and the classes of masks.

    ``categories`` gives a category's new name; null drops its boxes, with all that belongs to them, and the row's
    lineage names them. ``indices`` gives a mask's class its new index. What is not named stays, and all are replaced at
    once: {a: b, b: a} exchanges two. A mask keeps its dtype; an image whose mask cannot hold a new index is rejected
    (``bad_annotations``). The class labels of whole images stay. Pixels of every dtype pass unchanged.

    Source: MONAI ``MapLabelValue``, FiftyOne ``map_labels``.
    """

    example: ClassVar[Mapping[str, Any]] = {"categories": {"car": "vehicle", "truck": "vehicle", "crowd": None}}

    categories: Annotated[tuple[tuple[Name, Name | None], ...], mapping(Name, Name | None)] = ()
    indices: Annotated[tuple[tuple[Index, Index], ...], mapping(Index, Index)] = ()

    def categories_after(self, names: tuple[str, ...]) -> tuple[str, ...]:
        new = dict(self.categories)
        return tuple(dict.fromkeys(name for old in names if (name := new.get(old, old)) is not None))

    def apply(self, sample: Sample, **params: Any) -> Sample:
        targets, new = sample.targets, dict(self.categories)
        names = [new.get(name, name) for name in targets.categories]
        for i, name in enumerate(names):
            if name is None:
                about = {"box": targets.number(i), "reason": "category", "category": targets.categories[i]}
                sample = sample.did("objects", "dropped", about)
        kept = [i for i, name in enumerate(names) if name is not None]
        renamed = replace(targets.only(kept), categories=tuple(name for name in names if name is not None))
        return sample.annotated(replace(renamed, mask=self._remapped(targets.mask)))

    def _remapped(self, mask: Mask | None) -> Mask | None:
        if mask is None or not self.indices:
            return mask
        most = int(np.iinfo(mask.dtype).max)
        table = np.arange(most + 1, dtype=np.int64)
        for old, index in self.indices:
            if old <= most:
                table[old] = index
        made = table[mask]
        if made.max(initial=0) > most:
            raise Rejected(BAD, f"the mask is {mask.dtype}, which does not hold the index {int(made.max())}")
        return made.astype(mask.dtype)
