"""Containers: files whose members are sources of their own, named ``CONTAINER!/MEMBER``.

A member's etag is its container's and its place in it: ``ETAG@PLACE``, a whole number that grows forwards. Where a
container's name does not say in which of its files a member lies (a dataset of imagemill's), the etag does.
"""

from __future__ import annotations

import errno
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import BinaryIO, Final, Generic, Protocol, TypeVar

from tasks.errors import ImagemillError
from tasks.load.files import Files
from tasks.load.listing import escape

INSIDE: Final = "!/"


def stamp(etag: str, place: int) -> str:
    """Give a member's etag."""
    return f"{etag}@{place}"


def unstamped(etag: str) -> tuple[str, int | None]:
    """Give the container's etag and the member's place, as far as they are known."""
    container, mark, place = etag.rpartition("@")
    return (container, int(place)) if mark and place.isdecimal() else ("", None)


def as_they_lie(uris: Sequence[str], etags: Sequence[str]) -> list[int]:
    """Give the positions in an order that reads each container forwards; other files keep theirs, and come first."""
    if not any(INSIDE in uri for uri in uris):
        return list(range(len(uris)))
    lies = [_place(uri, etag) for uri, etag in zip(uris, etags, strict=True)]
    return sorted(range(len(lies)), key=lies.__getitem__)


def _place(uri: str, etag: str) -> tuple[str, str, int]:
    container = uri.rpartition(INSIDE)[0]
    file, place = unstamped(etag) if container else ("", None)
    return container, file, place or 0


class Closing(Protocol):
    """What holds a file open."""

    def close(self) -> None:
        """Close it."""
        ...


Name = TypeVar("Name", bound=Hashable)
Container = TypeVar("Container", bound=Closing)

_OPEN: Final = 8  # containers that a process holds open


class Held(Generic[Name, Container]):
    """The containers read last, held open. A process may have several threads: whoever asks holds a lock."""

    def __init__(self) -> None:
        self._open: OrderedDict[Name, Container] = OrderedDict()

    def get(self, name: Name, open_it: Callable[[], Container]) -> Container:
        """Give a container, opened where it is not open; the one that was not asked for longest is closed."""
        if name not in self._open:
            self._open[name] = open_it()
        self._open.move_to_end(name)
        while len(self._open) > _OPEN:
            self._open.popitem(last=False)[1].close()
        return self._open[name]


def opened(files: Files, name: str, etag: str) -> BinaryIO:
    """Open a container as it was listed, or as it is where ``etag`` is not known.

    ``OSError`` where it is gone or another: what it holds now is found out by listing it again.
    """
    if etag and files.stat(name)[1] != etag:
        listed = (found for listed, _, found in files.walk(below=name) if listed == name)
        if next(listed, "") != etag:  # some drivers' listings say another etag than their look-ups
            raise OSError(errno.EIO, f"{escape(name)}: changed while it was read; run again when it is whole")
    try:
        return files.open(name)
    except ImagemillError as error:
        raise OSError(errno.EIO, str(error)) from error
