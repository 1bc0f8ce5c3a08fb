"""Tar archives: their members are sources of their own, named ``a.tar!/x.jpg``, and nothing is extracted.

Listed are all members but folders and what is hidden. A link, a device, a sparse file or a name that leads out of the
archive is listed too, and rejected when it is read. Where an archive ends early or is damaged, the members before are
listed, and then the archive itself, so that a row in ``rejected/`` says what is missing.

A member's etag is the archive's and the place of its header, so that reading it needs no search. Compressed archives
cannot be read from the middle: they are files like any other, and rejected.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from threading import Lock
from typing import BinaryIO, Final, NamedTuple

from tasks.errors import Rejected
from tasks.load.containers import INSIDE, Held, opened, stamp, unstamped
from tasks.load.files import MISSING, UNREADABLE, Files, too_large
from tasks.load.listing import escape, unescape
from tasks.load.verdicts import CORRUPT, NOT_AN_IMAGE, TRUNCATED

ENDING: Final = ".tar"


class Member(NamedTuple):
    """A member as its header tells of it: the header's place, and its data's."""

    name: str
    offset: int
    data: int
    size: int


class Tar:
    """An open archive, whose members are read in order or by place."""

    def __init__(self, file: BinaryIO, title: str) -> None:
        """``Rejected`` where the file is no tar archive (``not_an_image``) or an empty or damaged one."""
        self.file = file
        self._title = title
        self._names: dict[str, int] | None = None
        try:
            self._tar = tarfile.TarFile(fileobj=file, errorlevel=0)
        except tarfile.TarError as error:
            raise Rejected(NOT_AN_IMAGE, f"{title}: is no tar archive ({error})") from error

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def members(self) -> Iterator[Member]:
        """Give all members, forwards. ``Rejected`` (``truncated``, ``corrupt``) where the archive is not whole."""
        at, count = 0, 0
        end = self.file.seek(0, 2)
        while True:
            try:
                info, data, following = self._header(at)
            except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # not in typeshed
                return
            except (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
                message = f"{self._title}: ends early, without an end mark; the {count} members before are listed"
                raise Rejected(TRUNCATED, message) from error
            except (tarfile.HeaderError, ValueError) as error:
                message = f"{self._title}: is damaged at byte {at} ({error}); the {count} members before are listed"
                raise Rejected(CORRUPT, message) from error
            if following > end:
                message = f"{self._title}: ends within {info.name!r}; the {count} members before it are listed"
                raise Rejected(TRUNCATED, message)
            if not info.isdir():
                yield Member(_plain(info.name), at, data, info.size)
            at, count = following, count + 1

    def _header(self, at: int) -> tuple[tarfile.TarInfo, int, int]:
        """Read a header: the member, where its data begin, where the next header does."""
        self.file.seek(at)
        self._tar.offset = at
        info = tarfile.TarInfo.fromtarfile(self._tar)
        return info, info.offset_data, self._tar.offset

    def read(self, name: str, at: int | None, limit: int) -> bytes:
        """Give a member's bytes, found at ``at`` if it is still there, else by a search. ``Rejected`` is a verdict."""
        info, data = self._found(name, at)
        shown = f"{self._title}{INSIDE}{escape(name)}"
        if name.startswith("/") or ".." in name.split("/"):
            raise Rejected(UNREADABLE, f"{shown}: its name leads out of the archive")
        if not info.isreg() or info.issparse():
            raise Rejected(UNREADABLE, f"{shown}: is {_kind(info)}, not a file")
        if info.size > limit:
            raise too_large(shown, info.size, limit)
        self.file.seek(data)
        found = self.file.read(info.size)
        if len(found) < info.size:
            raise Rejected(TRUNCATED, f"{shown}: the archive ends within it")
        return found

    def _found(self, name: str, at: int | None) -> tuple[tarfile.TarInfo, int]:
        try:
            info, data, _ = self._header(self._search(name) if at is None else at)
            if _plain(info.name) == name:
                return info, data
        except tarfile.HeaderError:
            pass
        if at is None:
            raise Rejected(MISSING, f"{self._title}{INSIDE}{escape(name)}: there is no such member")
        return self._found(name, None)

    def _search(self, name: str) -> int:
        if self._names is None:
            self._names = {}
            try:
                for member in self.members():
                    self._names[member.name] = member.offset
            except Rejected:
                pass  # what lies behind the damage was not listed either
        return self._names.get(name, 0)


class TarMembers:
    """The members of all archives below a root."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._held: Held[tuple[str, str], Tar] = Held()
        self._lock = Lock()  # a process may have several threads, an open file has one position

    def listing(self, name: str, size: int, etag: str) -> Iterator[tuple[str, int, str]]:
        """Give the URI below the root, size and etag of an archive's members; of the archive where it is not whole."""
        try:
            for member, _ in self.members(name):
                if not hidden(member.name):
                    yield f"{escape(name)}{INSIDE}{escape(member.name)}", member.size, stamp(etag, member.offset)
        except Rejected:
            yield escape(name), size, etag

    def members(self, name: str) -> Iterator[tuple[Member, BinaryIO]]:
        """Give an archive's members with the open file. ``Rejected`` where it is not whole, after those before."""
        with self._files.open(name) as file:
            yield from ((member, file) for member in Tar(file, escape(name)).members())

    def read(self, uri: str, etag: str, limit: int) -> bytes | None:
        """Give a member's bytes; nothing where the URI is not an archive's or its member's."""
        archive, inside, member = uri.partition(INSIDE)
        if not inside:
            if uri.endswith(ENDING):
                self._refuse_broken(uri)
            return None
        listed, place = unstamped(etag)
        with self._lock:
            tar = self._held.get((archive, listed), lambda: self._opened(archive, listed))
            return tar.read(unescape(member), place, limit)

    def _refuse_broken(self, uri: str) -> None:
        """Raise what is wrong with an archive; return where it is none, or mended by now."""
        try:
            for _ in self.members(unescape(uri)):
                pass
        except Rejected as rejected:
            if rejected.reason != NOT_AN_IMAGE:
                raise

    def _opened(self, archive: str, etag: str) -> Tar:
        return Tar(opened(self._files, unescape(archive), etag), archive)


def hidden(name: str) -> bool:
    """Say whether a part of a name begins with a dot."""
    return any(part.startswith(".") and part != ".." for part in name.split("/"))


def _plain(name: str) -> str:
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name


def _kind(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return "a link, which is not followed"
    return "a sparse file" if info.issparse() else "a folder" if info.isdir() else "a device or pipe"
