"""What a fitted operation is: its values come from the collection, and are pinned in the version until a refit.

Three small methods: ``accumulate`` measures one image (a row of columns), ``fit`` merges the rows of the train split,
``with_fit`` gives the operation with the values. The engine does the rest: two passes, pins, fingerprints.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.image.sample import Sample
from tasks.operation import Operation

FITTED: Final = "fitted"  # what a parameter says whose values are to be fitted on this collection


def parts(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    """Give the only column of tables, value by value: a whole collection's are never held at once."""
    for table in tables:
        for value in table.column(0):
            yield value.as_py()


class Fitted(Operation):
    """An operation that may need values fitted on a whole collection before it can run."""

    @property
    @abstractmethod
    def fit_from(self) -> str | None:
        """Where its values are to come from: ``FITTED``, the path of a dataset, or nothing: it has them."""

    @abstractmethod
    def accumulators(self) -> Mapping[str, pa.DataType]:
        """Give the columns that ``accumulate`` makes, with their types."""

    @abstractmethod
    def accumulate(self, sample: Sample) -> Mapping[str, Any]:
        """Give one image's columns; ``sample`` is as this step takes it. Null columns: nothing to fit on."""

    @abstractmethod
    def fit(self, tables: Iterable[pa.Table]) -> dict[str, Any]:
        """Give the values, plain JSON, fitted on rows in key order, a table at a time; no row is null, one is there.

        Raises ``ValueError``, saying what to do, where they do not suffice.
        """

    @abstractmethod
    def with_fit(self, values: Mapping[str, Any]) -> Self:
        """Give the operation with fitted values. Raises ``ValueError`` where they are another method's."""

    def refuse(self, channels: int | None) -> None:
        """Raise ``ValueError`` where the step cannot be fitted on, or its values not used for, this many channels."""


class Derived(Operation):
    """Makes a vector of fixed length from one that the row has, without looking at pixels."""

    kind: ClassVar[str] = "feature"

    of: str

    @abstractmethod
    def derive(self, features: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32] | None:
        """Give the vector for a row's features by step; nothing where it has not the one that is needed."""

    @abstractmethod
    def names(self) -> list[str]:
        """Name each component."""

    def refuse_length(self, length: int) -> None:
        """Raise ``ValueError`` where the vector cannot be made of one of this length."""
