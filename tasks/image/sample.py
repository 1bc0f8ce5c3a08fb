"""One image on its way: pixels with the moves and curves still to be done to them, targets, and what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.image.geometry import Geometry, Move, Size
from tasks.image.render import Base, look_up, render
from tasks.image.targets import Targets

Pixels = NDArray[Any]  # H x W x C, C of 1 (gray) or 3 (RGB), uint8, uint16 or float32


class HasCurve(Protocol):
    """What a curve needs of its operation."""

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        """Give new values for values as fractions of the range."""


class Curve(NamedTuple):
    """One pointwise step with its drawn parameters: hashable, so that a table is made once for equal curves."""

    operation: HasCurve
    params: tuple[tuple[str, Any], ...]
    dtype: str

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the values after the step."""
        return self.operation.curve(values, **dict(self.params))


class Done(NamedTuple):
    """One step that touched pixels or targets, with the parameters as drawn."""

    step: str
    operation: str
    params: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Encoded:
    """The file that an image was decoded from: its URI, its bytes, and its format by content (``jpeg``, ``png``).

    ``spacing`` is how many millimetres lie between its pixels, [x, y], where it says so.
    """

    uri: str
    data: bytes
    format: str
    spacing: tuple[float, float] | None = None


class Other(NamedTuple):
    """Another image of the collection that one is mixed with, and what the lineage says of it: uri, sha256."""

    sample: Sample
    parent: Mapping[str, Any]


class Others(Protocol):
    """Where an image finds those that it is mixed with."""

    def find(self, sample: Sample, path: str, count: int) -> Sequence[Other]:
        """Give the partners for the step at ``path``; ``Rejected`` (``no_partner``) where there are too few."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One image on its way, a value: every step gives a new one and never writes to shared pixels.

    ``moves`` and then ``curves`` are still to be done to ``base``; ``settled`` does them. ``before`` are the moves
    that ``base`` has had already, so that targets go through all of them at once. ``label`` is the source's, ``labels``
    what mixing made of it.
    """

    base: Base
    content: bytes = b""
    frame: int = 0
    tile: str = ""
    copy: int = 0
    suffix: str = ""
    moves: tuple[Move, ...] = ()
    curves: tuple[Curve, ...] = ()
    before: tuple[Move, ...] = ()
    targets: Targets = field(default_factory=Targets)
    lineage: tuple[Done, ...] = ()
    features: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    file: Encoded | None = None
    label: str | None = None
    labels: tuple[tuple[str, float], ...] = ()
    others: Others | None = None

    @property
    def size(self) -> Size:
        """The size after the pending moves."""
        return self.moves[-1].size if self.moves else self.base.size

    @property
    def dtype(self) -> str:
        """The dtype after the pending curves."""
        return self.curves[-1].dtype if self.curves else self.base.pixels.dtype.name

    @property
    def weights(self) -> tuple[tuple[str, float], ...]:
        """The labels with their shares of the picture: the source's own alone, unless it was mixed."""
        own = ((self.label, 1.0),) if self.label is not None else ()
        return self.labels or own

    @cached_property
    def whole(self) -> Geometry:
        """All moves since the source was decoded, as one geometry."""
        return Geometry(self.base.origin, self.before + self.moves)

    @property
    def channels(self) -> int:
        """How many channels the pixels have."""
        return int(self.base.pixels.shape[2])

    def picture(self) -> Pixels:
        """Give the pixels with everything done: the picture after this step."""
        return self._picture

    @cached_property
    def _picture(self) -> Pixels:
        moved = self.moves or self.base.actual != self.base.size
        pixels = render(self.base, Geometry(self.base.size, self.moves)) if moved else self.base.pixels
        return look_up(pixels, self.curves) if self.curves else pixels

    def settled(self) -> Sample:
        """End the fused group: do what is pending, so that the next step starts from these pixels."""
        return self.repainted(self.picture()) if self.moves or self.curves else self

    def moved(self, move: Move) -> Sample:
        """Add a move to the group; a fill that was not set is that of the move before."""
        if move.fill is None:
            move = replace(move, fill=self.moves[-1].fill if self.moves else 0.0)
        return replace(self, moves=(*self.moves, move))

    def curved(self, curve: Curve) -> Sample:
        """Add a curve to the group, after the moves."""
        return replace(self, curves=(*self.curves, curve))

    def repainted(self, pixels: Pixels) -> Sample:
        """Go on from new pixels, in which the pending moves and curves are done."""
        base = Base(pixels, self.base.origin)
        return replace(self, base=base, before=self.before + self.moves, moves=(), curves=())

    def annotated(self, targets: Targets) -> Sample:
        """Go on with other targets, in the source's coordinates."""
        return replace(self, targets=targets)

    def featured(self, step: str, vector: NDArray[np.float32]) -> Sample:
        """Add a vector made by a step."""
        return replace(self, features={**self.features, step: vector})

    def did(self, step: str, operation: str, params: Mapping[str, Any]) -> Sample:
        """Record a step in the lineage."""
        return replace(self, lineage=(*self.lineage, Done(step, operation, params)))
