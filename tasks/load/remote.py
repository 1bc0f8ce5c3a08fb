"""The files below a URL, by fsspec: object stores, web servers, archives."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, Final, cast

from tasks.errors import ImagemillError, Rejected, RequestError
from tasks.load.files import (
    MISSING,
    UNKNOWN,
    UNREADABLE,
    URL,
    USER,
    Files,
    Found,
    on_the_way,
    redacted,
    refusing,
    secrets,
    without_credentials,
)
from tasks.load.listing import escape
from tasks.load.verdicts import TOO_MANY_BYTES

_INSTALL: Final = {"s3": "imagemill[s3]", "s3a": "imagemill[s3]", "gs": "imagemill[gcs]", "gcs": "imagemill[gcs]"}
_PAGE: Final = 8192
_NUMBERS: Final = {FileNotFoundError: errno.ENOENT, PermissionError: errno.EACCES, TimeoutError: errno.ETIMEDOUT}


class RemoteFiles(Files):
    """The files below a URL."""

    folds_slashes = False

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.root = without_credentials(url).rstrip("/") if URL.match(url) else without_credentials(url)
        self._secrets = secrets(url, options)
        self._fs, path = filesystem(url, options)
        path, mark, query = path.partition("?") if path.startswith("http") else (path, "", "")
        self._query = mark + query
        self._folder = path.rstrip("/")
        self.has_index = not path.startswith("http")
        self._prefix = self._folder + "/" if self._folder or getattr(self._fs, "root_marker", "") else ""

    def check(self) -> None:
        """Refuse a folder that is not there or may not be listed."""
        with refusing(self.root, self._secrets):
            if self._fs.info(self._folder + self._query).get("type") == "file" and self.has_index:
                raise NotADirectoryError(errno.ENOTDIR, "not a folder")

    def walk(self, *, hidden: bool = False, depth: int | None = None, below: str = "") -> Iterator[Found]:
        """List, page by page or folder by folder."""
        with self._speaking():
            self._fs.invalidate_cache()
            pages = self._pages(below) if _is_s3(self._fs) else self._folders(hidden, depth, below)
            for entry in pages:
                name = entry["name"]
                if not name.startswith(self._prefix) or name.endswith("/"):
                    continue  # a marker of a folder
                name = name[len(self._prefix) :]
                if not hidden and (name[0] == "." or "/." in name):
                    continue
                if depth is None or name.count("/") < depth:
                    yield (name, *_described(entry))

    def _pages(self, below: str) -> Iterator[dict[str, Any]]:
        """s3fs: one flat listing, page by page. Its own ``find`` and ``walk`` hold all objects, 1 kB each."""
        from fsspec.asyn import sync

        bucket, _, prefix = (self._prefix + below).partition("/")
        pages = self._fs._iterdir(bucket, delimiter="", prefix=prefix)

        async def take() -> list[dict[str, Any]]:
            taken = []
            async for entry in pages:
                taken.append(entry)
                if len(taken) == _PAGE:
                    break
            return taken

        while entries := sync(self._fs.loop, take):
            yield from entries

    def _folders(self, hidden: bool, depth: int | None, below: str) -> Iterator[dict[str, Any]]:
        pending = [(self._folder + self._query or self._prefix, 1)]
        while pending:
            folder, level = pending.pop()
            entries = self._fs.ls(folder, detail=True)
            self._fs.invalidate_cache(folder)
            for entry in entries:
                name = entry["name"].rstrip("/")
                if entry.get("type") != "directory":
                    yield entry
                elif name.startswith(self._prefix) and len(name) > len(folder.rstrip("/")) + 1:
                    seen = hidden or not posixpath.basename(name).startswith(".")
                    seen &= on_the_way(name[len(self._prefix) :] + "/", below)
                    if seen and (depth is None or level < depth):
                        pending.append((name, level + 1))

    def stat(self, name: str) -> tuple[int, str]:
        """One request."""
        try:
            with self._speaking():
                entry = self._fs.info(self._path(name))
                return UNKNOWN if entry.get("type") == "directory" else _described(entry)
        except FileNotFoundError:
            return UNKNOWN

    def open(self, name: str) -> BinaryIO:
        """Open it, with the driver's read-ahead."""
        with refusing(f"{self.root}/{name}", self._secrets):
            return cast(BinaryIO, self._fs.open(self._path(name), "rb"))

    def read(self, name: str, limit: int) -> bytes:
        """One request."""
        with self._speaking():
            return fetch(self._fs, self._path(name), escape(name), limit)

    def inside(self, place: str) -> str | None:
        """By its text."""
        return place[len(self.root) + 1 :] if place.startswith(self.root + "/") else None

    def _path(self, name: str) -> str:
        folder = self._prefix
        while name.startswith("../"):
            folder, name = posixpath.dirname(folder.rstrip("/")) + "/", name[3:]
        return folder + name + self._query

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        with speaking(self.root, self._secrets):
            yield


def filesystem(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """Give fsspec's file system for a URL, and its path there."""
    import fsspec

    hush = secrets(url, options)
    protocol = url.split("://")[0].split("::")[-1]
    place = without_credentials(url)
    if protocol in _INSTALL and USER.search(url):
        raise RequestError(
            f"{place}: credentials in the URL are not read; give storage_options: {{key: ..., secret: ...}}"
        )
    try:
        return cast("tuple[Any, str]", fsspec.core.url_to_fs(url, **options))
    except ImportError as error:
        package = _INSTALL.get(protocol)
        advice = f"install it: pip install '{package}'" if package else redacted(str(error), hush)
        raise RequestError(f"{place}: the driver of {protocol}:// is not installed; {advice}") from error
    except ValueError as error:
        if "not known" not in str(error):
            raise RequestError(f"{place}: {redacted(str(error), hush)}") from None
        raise RequestError(
            f"{place}: {protocol}:// is no protocol that fsspec knows; use a path, file://, s3://, gs://, abfs://, "
            "https:// or another of fsspec's"
        ) from None
    except (TypeError, OSError) as error:
        raise RequestError(f"{place}: storage_options do not fit: {redacted(str(error), hush)}") from None


def _is_s3(fs: Any) -> bool:
    return "s3" in fs.protocol and hasattr(fs, "_iterdir")


def fetch(fs: Any, path: str, shown: str, limit: int) -> bytes:
    """Give an object's bytes by one request, at most ``limit`` of them."""
    try:
        data = _get(fs, path, limit + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        if _code(error) == "NoSuchBucket":
            raise OSError(errno.EIO, "the bucket is gone") from None
        raise Rejected(MISSING, f"{shown}: there is no such object") from None
    except PermissionError as error:
        if _code(error) not in ("", "403", "AccessDenied", "AllAccessDisabled", "InvalidObjectState"):
            raise  # the credentials expired or are wrong: not a verdict on this image
        raise Rejected(UNREADABLE, f"{shown}: the permission to read it is missing") from None
    if len(data) > limit:
        raise Rejected(
            TOO_MANY_BYTES,
            f"{shown}: the object holds more bytes than the limit of {limit:,}",
            measure=len(data),
            limit=limit,
        )
    return data


def _get(fs: Any, path: str, end: int) -> bytes:
    try:
        return bytes(fs.cat_file(path, start=0, end=end))
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception:
        with suppress(Exception):  # the first error counts
            if fs.info(path).get("size") == 0:  # no range of an empty object can be had
                return b""
        raise


@contextmanager
def speaking(place: str, hush: tuple[str, ...] = ()) -> Iterator[None]:
    """Make an ``OSError`` of whatever a driver raises (botocore's and aiohttp's are none), without credentials."""
    try:
        yield
    except (ImagemillError, Rejected, MemoryError):
        raise
    except Exception as error:
        text = redacted(str(error), hush)
        if isinstance(error, OSError) and text == str(error):
            raise
        number = next((number for type, number in _NUMBERS.items() if isinstance(error, type)), errno.EIO)
        raise OSError(number, f"{place}: {type(error).__name__}: {text}") from None


def _described(entry: Mapping[str, Any]) -> tuple[int, str]:
    size = entry.get("size")
    for field in ("ETag", "etag", "LastModified", "last_modified", "mtime", "modified", "created"):
        if value := entry.get(field):
            text = value.isoformat() if hasattr(value, "isoformat") else str(value).strip('"')
            return (-1 if size is None else int(size), text)
    return (-1 if size is None else int(size), "")


def _code(error: BaseException) -> str:
    """The object store's own error code, where botocore is behind the error."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
