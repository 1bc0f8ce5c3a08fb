"""Where files lie: what a local folder and a file system of fsspec have in common, and what they tell a user.

Names are paths below the root, as the file system gives them; ``tasks.load.listing`` makes URIs of them.
"""

# pathlib would rewrite names (a//b, a/./b), and costs more than the reading of a small file.
# ruff: noqa: PTH116

from __future__ import annotations

import errno
import os
import posixpath
import re
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, ClassVar, Final

from tasks.errors import ImagemillError, Rejected, RequestError
from tasks.load.listing import escape, legible, unescape
from tasks.load.verdicts import TOO_MANY_BYTES

MISSING: Final = "missing"
"""The reason of a file that the listing names and that does not exist."""

UNREADABLE: Final = "unreadable"
"""The reason of a file that exists and may not or cannot be read: permissions, folders, devices, link loops."""

Found = tuple[str, int, str]
"""name, size, etag."""

UNKNOWN: Final = (-1, "")

HOUSE: Final = ".imagemill"
"""The folder in a dataset of imagemill's that holds its versions."""

VERSION_FILE: Final = re.compile(r"\d{8,}\.json")
"""The name of a version in ``HOUSE/versions``: its number."""

URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_LOCAL: Final = ("file", "local")
_SECRET_NAME: Final = (
    r"x-(?:amz|goog)-[\w-]+|awsaccesskeyid|signature|sig|se|sp|sv|sr|st|spr|skoid|sktid|expires"
    r"|(?:\w+[_-])?(?:token|secret|password|passwd|credentials?|api[_-]?key)|key|apikey|auth"
)
USER: Final = re.compile(r"(?<=://)[^/@\s]*@")
_SECRET: Final = re.compile(rf"(?i)(?<=[?&])(?:{_SECRET_NAME})=[^&#\s]*&?")


def on_the_way(folder: str, below: str) -> bool:
    """Say whether a walk narrowed to names that begin with ``below`` enters a folder (ending in a slash)."""
    return folder.startswith(below) or below.startswith(folder)


class Files(ABC):
    """The files below one root."""

    root: str  # an absolute path or a URL, without credentials
    folds_slashes: ClassVar[bool]  # whether a//b is a/b
    has_index: bool  # whether one listing is cheaper than asking for each file

    @abstractmethod
    def walk(self, *, hidden: bool = False, depth: int | None = None, below: str = "") -> Iterator[Found]:
        """Give every file, in no order: ``hidden`` those with a dotted name too, ``depth`` at most so many parts.

        ``below`` may narrow the walk to names that begin so, where that is cheaper.
        """

    @abstractmethod
    def stat(self, name: str) -> tuple[int, str]:
        """Give a file's size and etag, ``UNKNOWN`` where there is no such file."""

    def stat_uri(self, uri: str) -> tuple[int, str]:
        """Give size and etag by URI; ``UNKNOWN`` for a URL on another file system, which would cost a request."""
        if "://" not in uri:
            return self.stat(unescape(uri))
        if uri.startswith("file:///"):
            return stat_local(unescape(uri[len("file://") :]))
        return UNKNOWN

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """Open a file for reading in order."""

    @abstractmethod
    def read(self, name: str, limit: int) -> bytes:
        """Give a file's bytes. ``Rejected`` is a verdict on the file, ``OSError`` may pass when tried again."""

    @abstractmethod
    def inside(self, place: str) -> str | None:
        """Give the name of an absolute path or URL, or nothing where it does not lie below the root."""

    def resolve(self, text: str) -> str:
        """Give the URI of a file as a manifest names it: by a path from the root, an absolute path or a URL.

        What lies below the root becomes relative to it; what does not stays a URL. ``ValueError`` says what is wrong.
        """
        plain = text.isascii() and "%" not in text and ":" not in text and "!" not in text
        if plain and text and text[0] not in "./" and "/." not in text and "//" not in text and text[-1] != "/":
            return text
        if found := URL.match(text):
            if found[1].lower() not in _LOCAL:
                return self._resolve_url(text)
            text = text[found.end() :]
        if text.startswith("/"):
            path = posixpath.normpath(text)
            name = self.inside(path)
            return escape(name) if name is not None else "file://" + escape(path)
        return escape(self._resolve_name(text))

    def _resolve_url(self, text: str) -> str:
        if without_credentials(text) != text:
            raise ValueError(
                f"{without_credentials(text)} carries credentials or a signature, which expire and do not belong "
                "in a dataset; name the plain URL, and give the credentials as storage_options"
            )
        name = self.inside(text)
        return escape(self._resolve_name(name)) if name is not None else text

    def _resolve_name(self, text: str) -> str:
        parts: list[str] = []
        for part in text.split("/"):
            if part == ".." and parts and parts[-1] != "..":
                parts.pop()
            elif part != "." and (part or not self.folds_slashes):
                parts.append(part)
        if not parts or parts[-1] in ("", "..") or text.endswith(("/", "/.")):
            raise ValueError(f"{text!r} names no file")
        return "/".join(parts)


@contextmanager
def refusing(place: str, hush: tuple[str, ...] = ()) -> Iterator[None]:
    """Say what a user can do about a source that cannot be opened."""
    place = legible(without_credentials(place))
    try:
        yield
    except ImagemillError:
        raise
    except FileNotFoundError as error:
        raise RequestError(f"{place}: there is nothing here; check the path, and that it is mounted") from error
    except NotADirectoryError as error:
        raise RequestError(
            f"{place}: this is one file; a source is a folder, a glob such as photos/**/*.jpg, or a manifest "
            "(.csv, .parquet)"
        ) from error
    except IsADirectoryError as error:
        raise RequestError(f"{place}: this is a folder, where a file is expected") from error
    except PermissionError as error:
        raise RequestError(f"{place}: the permission to read it is missing ({redacted(str(error), hush)})") from None
    except Exception as error:  # noqa: BLE001 - every driver has its own errors, and their texts may hold secrets
        text = f"{type(error).__name__}: {redacted(str(error), hush)}"
        raise ImagemillError(f"{place}: cannot be opened ({text}); check address and credentials, try again") from None


def without_credentials(url: str) -> str:
    """Strip user names, passwords, tokens and signatures from a URL."""
    if "://" not in url:
        return url
    url = _SECRET.sub("", USER.sub("", url))
    return url.rstrip("?&")


def secrets(url: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the texts of a URL and its options that no message may show."""
    named = re.compile(rf"(?i){_SECRET_NAME}|.*(?:key|secret|token|password|credential).*")
    found = [value for name, value in options.items() if isinstance(value, str) and named.fullmatch(name)]
    for user in USER.findall(url):
        found += [user.rstrip("@"), user.rstrip("@").partition(":")[2]]
    found += [text.rstrip("&").partition("=")[2] for text in _SECRET.findall(url)]
    return tuple(sorted((text for text in found if len(text) > 3), key=len, reverse=True))


def redacted(text: str, hush: tuple[str, ...]) -> str:
    """Take secrets out of a driver's message."""
    for secret in hush:
        text = text.replace(secret, "***")
    return _SECRET.sub("", USER.sub("", text))


def too_large(shown: str, size: int, limit: int) -> Rejected:
    """Give the verdict on a file that is not read at all."""
    message = f"{shown}: {size:,} bytes are more than the limit of {limit:,}"
    return Rejected(TOO_MANY_BYTES, message, measure=size, limit=limit)


def stat_local(path: str) -> tuple[int, str]:
    """Give a local file's size and etag, following links; ``UNKNOWN`` where there is none."""
    try:
        return sized(os.stat(path))
    except (OSError, ValueError) as error:
        return unknown(error)


def sized(status: os.stat_result) -> tuple[int, str]:
    """Give a local file's size and etag."""
    return (status.st_size, str(status.st_mtime_ns)) if stat.S_ISREG(status.st_mode) else UNKNOWN


def unknown(error: OSError | ValueError) -> tuple[int, str]:
    """A dangling link, a loop, a file just removed or locked away is listed all the same; reading it says why."""
    lost = (errno.ENOENT, errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG)
    if isinstance(error, OSError) and error.errno not in lost:
        raise error
    return UNKNOWN
