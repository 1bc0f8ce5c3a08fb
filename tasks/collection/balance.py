"""Balance: classes nearer to equal numbers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tasks.collection.scored import scored
from tasks.operation import DECISION, Dataset

TOLERANCE: Final = 1e-9  # 1.15 of 100 images are 115
AT_ONCE: Final = 65_536  # keys that are Python objects at a time


class Balance(Dataset):
    """Bring the classes nearer to equal numbers of images.

    ``ratio`` (1 to 1000) is how many images the largest class may have for each one of the smallest. ``by: drop``
    rejects the images of larger classes that are too many (``too_many_of_class``): those with the largest SHA-256 of
    their key, so that few others come or go when the collection grows. ``by: augment`` counts the listed images and
    sets the copies of the ``augment`` step after it that says ``copies: balanced``: the whole number of rows an image
    that comes nearest, with at most ``most`` copies (1 to 1000). It is pinned in the dataset, and counted anew under
    ``--refit`` and ``--fresh``, with other classes, and where an image of a class should have 1.5 times or two thirds
    of its rows. ``by: weight`` keeps all as it is, and names a weight for each class in the version and the dataset
    card: drawn by them, the classes have that ratio; on average an image weighs 1.

    ``where: {split: train}`` balances that split alone, and counts there. Images without a label stay, and do not
    count. Any dtype; pixels and boxes do not change.

    Source: imbalanced-learn ``RandomUnderSampler``, scikit-learn ``compute_class_weight``.
    """

    uses: ClassVar[tuple[str, ...]] = ()
    example: ClassVar[Mapping[str, Any]] = {"ratio": 2}

    ratio: Annotated[float, Field(ge=1, le=1000)] = 1.0
    by: Literal["drop", "augment", "weight"] = "drop"
    most: Annotated[int, Field(ge=1, le=1000)] = 10

    @model_validator(mode="after")
    def _belong(self) -> Balance:
        if self.by != "augment" and self.most != type(self).model_fields["most"].default:
            raise ValueError(f"`most` is for by: augment; leave it out with {self.by}")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        return ("key", "label")

    def decide(self, table: pa.Table) -> pa.Table:
        counts = counted(table.column("label"))
        if self.by != "drop" or not counts:
            return DECISION.empty_table()
        smallest = min(counts, key=lambda label: (counts[label], label))
        limit = max(1, math.floor(self.ratio * counts[smallest] + TOLERANCE))
        left = [
            self._too_many(table.filter(pc.equal(table.column("label"), label)), label, limit, smallest)
            for label, count in counts.items()
            if count > limit
        ]
        return pa.concat_tables([DECISION.empty_table(), *left]).sort_by("id")

    def _too_many(self, rows: pa.Table, label: str, limit: int, smallest: str) -> pa.Table:
        places = _places(rows.column("key"))
        order = np.argsort(places, kind="stable")
        gone = np.zeros(len(order), dtype=bool)
        gone[order[limit:]] = True
        message = f"class {label} has {len(order)} images, {limit} stay: {self.ratio:g} times those of {smallest}"
        return scored(rows, gone, places, float(places[order[limit - 1]]), "too_many_of_class", message)

    def copies(self, counts: Mapping[str, int], original: bool) -> dict[str, int]:
        """Give the copies of each class's images: beside the original, where it stays."""
        largest = max(counts.values(), default=0)
        wanted = {label: int(largest / (self.ratio * count) + 0.5) for label, count in counts.items()}
        return {label: min(self.most, max(1, rows) - original) for label, rows in wanted.items()}

    def weights(self, counts: Mapping[str, int]) -> dict[str, float]:
        """Give the weight of each class's images."""
        least = max(counts.values(), default=0) / self.ratio
        shares = {label: max(count, least) for label, count in counts.items()}
        scale = sum(counts.values()) / sum(shares.values()) if shares else 1.0
        return {label: scale * shares[label] / count for label, count in counts.items()}


def counted(labels: pa.ChunkedArray) -> dict[str, int]:
    """Give how many there are of each label, by name; nulls do not count."""
    found = pc.value_counts(labels.drop_null()).to_pylist()
    return {one["values"]: one["counts"] for one in sorted(found, key=lambda one: str(one["values"]))}


def _places(keys: pa.ChunkedArray) -> NDArray[np.float64]:
    """Give each source's place among all, in 0..1: of its key, but not the key's leading bits, which shards use."""
    starts = range(0, len(keys), AT_ONCE)
    drawn = (
        hashlib.sha256(b"balance" + key).digest() for start in starts for key in keys.slice(start, AT_ONCE).to_pylist()
    )
    return np.fromiter((int.from_bytes(one[:8], "big") / 2**64 for one in drawn), np.float64, len(keys))
