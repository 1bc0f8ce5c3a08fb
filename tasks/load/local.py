"""The files of a local folder, or of anything that is mounted like one."""

# pathlib would rewrite names (a//b, a/./b), and costs more than the reading of a small file.
# ruff: noqa: PTH112, PTH114, PTH116, PTH123

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from tasks.errors import Rejected, RequestError
from tasks.load.files import (
    HOUSE,
    MISSING,
    UNREADABLE,
    Files,
    Found,
    on_the_way,
    refusing,
    sized,
    stat_local,
    too_large,
    unknown,
)
from tasks.load.listing import escape, legible


class LocalFiles(Files):
    """The files below a local folder.

    A link to a file is that file. A link to a folder is not followed (it may lead back to where it lies), but listed,
    so that it ends as a rejected row and nothing is skipped in silence.
    """

    folds_slashes = True
    has_index = False

    def __init__(self, folder: str) -> None:
        self.root = folder
        self._prefix = folder.rstrip("/") + "/"
        self._device = self._find_device()

    def _find_device(self) -> int:
        try:
            return os.stat(self._prefix + ".").st_dev  # the dot makes autofs mount
        except OSError:
            return -1

    def check(self) -> None:
        """Refuse a folder that is not there or may not be listed."""
        with refusing(self.root):
            os.scandir(self.root).close()

    def walk(self, *, hidden: bool = False, depth: int | None = None, below: str = "") -> Iterator[Found]:
        """Descend depth first, one folder open a level. A folder that is an imagemill dataset is passed over."""
        folders = [(self._scan(""), "")]
        try:
            while folders:
                entries, prefix = folders[-1]
                for entry in entries:
                    name = entry.name
                    if name[0] == "." and not hidden:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        inner = f"{prefix}{name}/"
                        if not on_the_way(inner, below):
                            continue
                        if (depth is None or len(folders) < depth) and not _is_dataset(entry):
                            folders.append((self._scan(prefix + name), inner))
                            break
                    else:
                        yield (prefix + name, *_stat_entry(entry))
                else:
                    folders.pop()
        finally:
            for entries, _ in folders:
                cast(Any, entries).close()

    def _scan(self, name: str) -> Iterator[os.DirEntry[str]]:
        try:
            return os.scandir(self._prefix + name)
        except PermissionError as error:
            place = legible(self._prefix + name)
            raise RequestError(
                f"{place}: the folder may not be listed, so its images would be missing; make it readable, "
                "or give it a name that begins with a dot"
            ) from error
        except FileNotFoundError:
            if name:  # removed since its parent was listed
                return _nothing()
            raise

    def stat(self, name: str) -> tuple[int, str]:
        """Follow a link."""
        return stat_local(self._prefix + name)

    def open(self, name: str) -> BinaryIO:
        """Open it."""
        with refusing(self._prefix + name):
            return open(self._prefix + name, "rb")

    def read(self, name: str, limit: int) -> bytes:
        """Two or three system calls: about 15 microseconds for a small file."""
        path = self._prefix + name
        try:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode):
                raise Rejected(UNREADABLE, f"{escape(name)}: is {_kind(path, status.st_mode)}")
            if status.st_size > limit:
                raise too_large(escape(name), status.st_size, limit)
            return _read(path, status.st_size, limit)
        except (FileNotFoundError, NotADirectoryError) as error:
            self._mind_the_mount(error)
            raise Rejected(MISSING, f"{escape(name)}: there is no such file") from error
        except PermissionError as error:
            raise Rejected(UNREADABLE, f"{escape(name)}: the permission to read it is missing") from error
        except ValueError as error:
            raise Rejected(MISSING, f"{escape(name)}: no file can have this name ({error})") from error
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise Rejected(MISSING, f"{escape(name)}: no file can have so long a name") from error
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
                raise Rejected(UNREADABLE, f"{escape(name)}: {error.strerror}") from error
            raise

    def _mind_the_mount(self, error: OSError) -> None:
        """A lost mount is not a missing image: then the folder is gone, empty, or on another device."""
        if self._device != -1 and self._find_device() == self._device:
            with os.scandir(self.root) as entries:
                if next(entries, None) is not None:
                    return
        raise OSError(
            errno.EIO, f"{legible(self.root)}: the source's folder is gone or empty; is it mounted?"
        ) from error

    def inside(self, place: str) -> str | None:
        """By its text: links are not resolved."""
        return place[len(self._prefix) :] if place.startswith(self._prefix) and place != self._prefix else None


def _read(path: str, size: int, limit: int) -> bytes:
    """Read a whole file in two system calls where its size holds; O_NONBLOCK for one swapped for a pipe meanwhile."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        data = os.read(file, size + 1)
        if len(data) == size:
            return data
        chunks = [data]
        total = len(data)
        while data and total <= limit:
            data = os.read(file, 1 << 24)
            chunks.append(data)
            total += len(data)
        if total > limit:
            raise too_large(escape(path), total, limit)
        return b"".join(chunks)
    finally:
        os.close(file)


def _stat_entry(entry: os.DirEntry[str]) -> tuple[int, str]:
    try:
        return sized(entry.stat())
    except OSError as error:
        return unknown(error)


def _kind(path: str, mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a link to a folder, which is not followed" if os.path.islink(path) else "a folder"
    for test, kind in ((stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket")):
        if test(mode):
            return kind
    return "a device"


def _is_dataset(folder: os.DirEntry[str]) -> bool:
    """Say whether results lie here: below their own source, they would be read as images of the next run."""
    return os.path.isdir(f"{folder.path}/{HOUSE}")


def _nothing() -> Iterator[os.DirEntry[str]]:
    yield from ()
