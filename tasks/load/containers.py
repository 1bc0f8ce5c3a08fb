"""Containers: files whose members are sources of their own, named ``CONTAINER!/MEMBER``.

A member's etag is its container's and its place in it: ``ETAG@PLACE``, a whole number that grows forwards.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import BinaryIO, Final

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
    lies = [(uri.rpartition(INSIDE)[0], unstamped(etag)[1] or 0) for uri, etag in zip(uris, etags, strict=True)]
    return sorted(range(len(lies)), key=lambda i: lies[i] if lies[i][0] else ("", 0))


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
