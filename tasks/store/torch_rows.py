"""Rows as PyTorch's data sets. Imports torch: only ``Rows.torch_dataset`` and ``torch_iterable`` import this."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch.distributed
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from tasks.store.reading import Rows, Share, Transform


class TorchRows(Dataset):  # type: ignore[misc]
    """A map-style data set: with a ``DistributedSampler`` for several ranks, as any other."""

    def __init__(self, rows: Rows, transform: Transform | None) -> None:
        self.rows = rows
        self._transform = transform or _same

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> Any:
        """Give a row, transformed."""
        return self._transform(self.rows[number])


class TorchStream(IterableDataset):  # type: ignore[misc]
    """A stream that shares itself out: each worker of each rank takes its part, every row once an epoch.

    A loader's workers know nothing of ranks, so the rank is asked for where this is made and where the epoch is set:
    after ``init_process_group``.
    """

    def __init__(self, rows: Rows, transform: Transform | None, **options: Any) -> None:
        self.rows = rows
        self._transform = transform or _same
        self._options = options
        self._epoch = 0
        self._rank = _rank() or (0, 1)

    def set_epoch(self, epoch: int) -> None:
        """Draw another order: before each epoch, in each rank."""
        self._epoch = epoch
        self._rank = _rank() or self._rank

    def __len__(self) -> int:
        """Give this rank's number of rows; with several workers and ``even`` a few fewer may come."""
        self._rank = _rank() or self._rank
        low, high = Share.of(*self._rank, 0, 1).bounds(len(self.rows), self._options["even"])
        return high - low

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        own = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        rows = self.rows.stream(self._epoch, share=Share.of(*(_rank() or self._rank), *own), **self._options)
        return map(self._transform, rows)


def _rank() -> tuple[int, int] | None:
    """Give this process's rank and how many there are; nothing where it was told of none, as a loader's worker."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return None


def _same(row: Any) -> Any:
    return row
