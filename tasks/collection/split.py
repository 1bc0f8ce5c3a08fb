"""Split: which part of the dataset each image belongs to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from itertools import accumulate
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from tasks.operation import Dataset, Fraction

TOLERANCE = 1e-9
USUAL = {"train": 0.8, "validation": 0.1, "test": 0.1}

Shares = Annotated[
    tuple[tuple[str, Fraction], ...],
    BeforeValidator(lambda value: list(value.items()) if isinstance(value, Mapping) else value),
]


def _schema(schema: dict[str, Any]) -> None:
    """Describe how the file says it: a share for each split's name, beside the other parameters."""
    share = {"type": "number", "minimum": 0, "maximum": 1}
    schema["properties"].pop("shares", None)
    schema["properties"].update({name: {**share, "default": value} for name, value in USUAL.items()})
    schema["patternProperties"] = {r"^\w+$": share}


class Split(Dataset):
    """Divide the images into parts, such as train, validation and test.

    Each part has a share; the shares, in the order in which they are written, sum to 1. Any name of letters, digits and
    underscores may stand beside or instead of ``train``, ``validation`` and ``test``; bare: 0.8, 0.1 and 0.1. An
    image's part follows from its key alone, so no image ever moves when others come or go. ``group`` names a column,
    such as a patient: images with an equal value stay together (an image without one goes by its key). ``stratify``
    names a column, such as ``label``: each of its values is divided by itself, and an image whose value changes is
    drawn anew. Shares are thresholds, never quotas: of n images of a class, a share p is met to within about
    sqrt(p (1 - p) / n), with ``stratify`` or without: a class of few images may have none in a small part. ``folds``
    adds a column ``fold``, 0 to ``folds`` - 1, for cross-validation, that follows from the key or the group in the same
    way. Any dtype; boxes do not change.

    A deduplicate step keeps near duplicates from straddling parts and folds: of each group one image stays, or with its
    ``action: flag`` none that is like an image of another part.

    Source: Géron 2022, "Hands-On Machine Learning", section 2: splitting by a hash of the identifier.
    """

    model_config = ConfigDict(json_schema_extra=_schema)

    uses: ClassVar[tuple[str, ...]] = ()
    example: ClassVar[Mapping[str, Any]] = USUAL

    shares: Shares = tuple(USUAL.items())
    group: str | None = None
    stratify: str | None = None
    folds: Annotated[int, Field(ge=2, le=1000)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, value: Any) -> Any:
        """Take every name that is no parameter as a split's."""
        if not isinstance(value, Mapping):
            return value
        shares = {name: share for name, share in value.items() if name not in cls.model_fields}
        if not shares:
            return value
        if "shares" in value:
            raise ValueError("write the shares beside the other parameters, or all of them under `shares`")
        return {**{name: value[name] for name in cls.model_fields if name in value}, "shares": shares}

    @field_validator("shares")
    @classmethod
    def _whole(cls, shares: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
        names = [name for name, _ in shares]
        for name in names:
            if not re.fullmatch(r"\w+", name, re.ASCII):
                raise ValueError(f"a split's name has letters, digits and underscores only, got {name!r}")
        if len(set(names)) < len(names):
            raise ValueError(f"each split stands once, got {', '.join(names)}")
        total = sum(share for _, share in shares)
        if abs(total - 1) > TOLERANCE:
            raise ValueError(f"the shares of {', '.join(names) or 'no split'} sum to {total:g}; they must sum to 1")
        return shares

    @model_validator(mode="after")
    def _either(self) -> Split:
        if self.group is not None and self.stratify is not None:
            raise ValueError("`group` and `stratify` exclude each other: a group may hold images of several classes")
        return self

    def canonical(self) -> dict[str, Any]:
        """What decides the parts; see ``Operation.canonical``. What is not used says nothing."""
        whole = super().canonical()
        unused = [name for name in ("stratify", "folds") if getattr(self, name) is None]
        return {**whole, "parameters": {k: v for k, v in whole["parameters"].items() if k not in unused}}

    @property
    def names(self) -> tuple[str, ...]:
        """The splits that hold any images, in the order given."""
        return tuple(name for name, share in self.shares if share > 0)

    def assign(self, key: bytes, group: str | None = None, stratum: str | None = None) -> str:
        """Give the split of a source, by its group's value or else by its key, within its stratum."""
        within = b"" if stratum is None else stratum.encode() + b"\0"
        drawn = _drawn(b"split" + within, key, group)
        limits = accumulate(share for _, share in self.shares)
        chosen = (name for (name, share), limit in zip(self.shares, limits, strict=True) if share > 0 and drawn < limit)
        return next(chosen, self.names[-1])

    def fold(self, key: bytes, group: str | None = None) -> int:
        """Give the fold of a source, by its group's value or else by its key."""
        folds = self.folds or 1
        return min(folds - 1, int(_drawn(b"fold", key, group) * folds))


def _drawn(purpose: bytes, key: bytes, group: str | None) -> float:
    """Give a number in [0, 1] that depends on the key, or on the group, alone."""
    of = hashlib.sha256(purpose + (key if group is None else group.encode())).digest()
    return int.from_bytes(of[:8], "big") / 2**64
