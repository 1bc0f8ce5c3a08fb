"""Where files lie: a local folder, or any file system that fsspec knows. Walked, looked up and read by name.

Names are paths below the root, as the file system gives them; ``tasks.load.listing`` makes URIs of them.
"""

# pathlib would rewrite names (a//b, a/./b), and costs more than the reading of a small file.
# ruff: noqa: PTH

from __future__ import annotations

import errno
import os
import posixpath
import re
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, Final, cast

from tasks.errors import ImagemillError, Rejected, RequestError
from tasks.load.listing import escape, unescape
from tasks.load.verdicts import TOO_MANY_BYTES

MISSING: Final = "missing"
"""The reason of a file that the listing names and that does not exist."""

UNREADABLE: Final = "unreadable"
"""The reason of a file that exists and may not or cannot be read: permissions, folders, devices, link loops."""

Found = tuple[str, int, str]
"""name, size, etag."""

UNKNOWN: Final = (-1, "")

URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_LOCAL: Final = ("file", "local")
_INSTALL: Final = {"s3": "imagemill[s3]", "s3a": "imagemill[s3]"}
_SECRET_NAME: Final = (
    r"x-(?:amz|goog)-[\w-]+|awsaccesskeyid|signature|sig|se|sp|sv|sr|st|spr|skoid|sktid|expires"
    r"|(?:\w+[_-])?(?:token|secret|password|passwd|credentials?|api[_-]?key)|key|apikey|auth"
)
_USER: Final = re.compile(r"(?<=://)[^/@\s]*@")
_SECRET: Final = re.compile(rf"(?i)(?<=[?&])(?:{_SECRET_NAME})=[^&#\s]*&?")
_PAGE: Final = 8192


class Files(ABC):
    """The files below one root."""

    root: str  # an absolute path or a URL, without credentials

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
            return LocalFiles("/").stat(unescape(uri[len("file:///") :]))
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
            elif part != "." and (part or not isinstance(self, LocalFiles)):
                parts.append(part)
        if not parts or parts[-1] in ("", "..") or text.endswith(("/", "/.")):
            raise ValueError(f"{text!r} names no file")
        return "/".join(parts)


class LocalFiles(Files):
    """The files below a local folder.

    A link to a file is that file. A link to a folder is not followed (it may lead back to where it lies), but listed,
    so that it ends as a rejected row and nothing is skipped in silence.
    """

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
        with _refusing(self.root):
            os.scandir(self.root).close()

    def walk(self, *, hidden: bool = False, depth: int | None = None, below: str = "") -> Iterator[Found]:
        """Descend depth first, one folder open a level."""
        folders = [(self._scan(""), "")]
        try:
            while folders:
                entries, prefix = folders[-1]
                for entry in entries:
                    name = entry.name
                    if name[0] == "." and not hidden:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if depth is None or len(folders) < depth:
                            folders.append((self._scan(prefix + name), f"{prefix}{name}/"))
                            break
                    else:
                        yield (prefix + name, *_sized(entry))
                else:
                    folders.pop()
        finally:
            for entries, _ in folders:
                cast(Any, entries).close()

    def _scan(self, name: str) -> Iterator[os.DirEntry[str]]:
        try:
            return os.scandir(self._prefix + name)
        except PermissionError as error:
            place = escape(self._prefix + name)
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
        try:
            return _size(os.stat(self._prefix + name))
        except (OSError, ValueError) as error:
            return _unknown(error)

    def open(self, name: str) -> BinaryIO:
        """Open it."""
        with _refusing(self._prefix + name):
            return open(self._prefix + name, "rb")

    def read(self, name: str, limit: int) -> bytes:
        """Two or three system calls: about 15 microseconds for a small file."""
        path = self._prefix + name
        try:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode):
                raise Rejected(UNREADABLE, f"{_shown(name)}: is {_kind(path, status.st_mode)}")
            if status.st_size > limit:
                raise _too_large(name, status.st_size, limit)
            return _read(path, status.st_size, limit)
        except (FileNotFoundError, NotADirectoryError) as error:
            self._mind_the_mount(error)
            raise Rejected(MISSING, f"{_shown(name)}: there is no such file") from error
        except PermissionError as error:
            raise Rejected(UNREADABLE, f"{_shown(name)}: the permission to read it is missing") from error
        except ValueError as error:
            raise Rejected(MISSING, f"{_shown(name)}: no file can have this name ({error})") from error
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise Rejected(MISSING, f"{_shown(name)}: no file can have so long a name") from error
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
                raise Rejected(UNREADABLE, f"{_shown(name)}: {error.strerror}") from error
            raise

    def _mind_the_mount(self, error: OSError) -> None:
        """A lost mount is not a missing image: then the folder is gone, empty, or on another device."""
        if self._device != -1 and self._find_device() == self._device:
            with os.scandir(self.root) as entries:
                if next(entries, None) is not None:
                    return
        raise OSError(
            errno.EIO, f"{escape(self.root)}: the source's folder is gone or empty; is it mounted?"
        ) from error

    def inside(self, place: str) -> str | None:
        """By its text: links are not resolved."""
        return place[len(self._prefix) :] if place.startswith(self._prefix) and place != self._prefix else None


class RemoteFiles(Files):
    """The files below a URL, by fsspec."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.root = without_credentials(url).rstrip("/") if URL.match(url) else without_credentials(url)
        self._secrets = secrets(url, options)
        self._fs, path = filesystem(url, options)
        path, mark, query = path.partition("?") if path.startswith("http") else (path, "", "")
        self._query = mark + query
        self._folder = path.rstrip("/")
        self._prefix = self._folder + "/" if self._folder or getattr(self._fs, "root_marker", "") else ""

    def check(self) -> None:
        """Refuse a folder that is not there or may not be listed."""
        with _refusing(self.root, self._secrets):
            if self._fs.info(self._folder + self._query).get("type") == "file" and not self._is_web():
                raise NotADirectoryError(errno.ENOTDIR, "not a folder")

    def walk(self, *, hidden: bool = False, depth: int | None = None, below: str = "") -> Iterator[Found]:
        """List, page by page or folder by folder."""
        with self._speaking():
            self._fs.invalidate_cache()
            pages = self._pages(below) if hasattr(self._fs, "_iterdir") else self._folders(hidden, depth)
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

    def _folders(self, hidden: bool, depth: int | None) -> Iterator[dict[str, Any]]:
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
        with _refusing(f"{self.root}/{name}", self._secrets):
            return cast(BinaryIO, self._fs.open(self._path(name), "rb"))

    def read(self, name: str, limit: int) -> bytes:
        """One request."""
        with self._speaking():
            return fetch(self._fs, self._path(name), name, limit)

    def inside(self, place: str) -> str | None:
        """By its text."""
        return place[len(self.root) + 1 :] if place.startswith(self.root + "/") else None

    def _path(self, name: str) -> str:
        folder = self._prefix
        while name.startswith("../"):
            folder, name = posixpath.dirname(folder.rstrip("/")) + "/", name[3:]
        return folder + name + self._query

    def _is_web(self) -> bool:
        return self._folder.startswith("http")

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
    if protocol in _INSTALL and _USER.search(url):
        raise RequestError(
            f"{place}: credentials in the URL are not read; give storage_options: {{key: ..., secret: ...}}"
        )
    try:
        return cast("tuple[Any, str]", fsspec.core.url_to_fs(url, **options))
    except ImportError as error:
        package = _INSTALL.get(protocol)
        advice = f"install it: pip install '{package}'" if package else _hidden(str(error), hush)
        raise RequestError(f"{place}: the driver of {protocol}:// is not installed; {advice}") from error
    except ValueError as error:
        if "not known" not in str(error):
            raise RequestError(f"{place}: {_hidden(str(error), hush)}") from None
        raise RequestError(
            f"{place}: {protocol}:// is no protocol that fsspec knows; use a path, file://, s3://, gs://, abfs://, "
            "https:// or another of fsspec's"
        ) from None
    except (TypeError, OSError) as error:
        raise RequestError(f"{place}: storage_options do not fit: {_hidden(str(error), hush)}") from None


def fetch(fs: Any, path: str, shown: str, limit: int) -> bytes:
    """Give an object's bytes by one request, at most ``limit`` of them."""
    try:
        data = _get(fs, path, limit + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        if _code(error) == "NoSuchBucket":
            raise OSError(errno.EIO, "the bucket is gone") from error
        raise Rejected(MISSING, f"{_shown(shown)}: there is no such object") from error
    except PermissionError as error:
        if _code(error) not in ("", "403", "AccessDenied", "AllAccessDisabled", "InvalidObjectState"):
            raise  # the credentials expired or are wrong: not a verdict on this image
        raise Rejected(UNREADABLE, f"{_shown(shown)}: the permission to read it is missing") from error
    if len(data) > limit:
        raise Rejected(
            TOO_MANY_BYTES,
            f"{_shown(shown)}: the object holds more bytes than the limit of {limit:,}",
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
        if fs.info(path).get("size") == 0:  # no range of an empty object can be had
            return b""
        raise


@contextmanager
def speaking(place: str, hush: tuple[str, ...] = ()) -> Iterator[None]:
    """Make an ``OSError`` of whatever a driver raises (botocore's and aiohttp's are none), without credentials."""
    try:
        yield
    except (ImagemillError, Rejected, FileNotFoundError, MemoryError):
        raise
    except Exception as error:
        text = _hidden(str(error), hush)
        if isinstance(error, OSError) and text == str(error):
            raise
        number = error.errno if isinstance(error, OSError) and error.errno else errno.EIO
        raise OSError(number, f"{place}: {type(error).__name__}: {text}") from None


@contextmanager
def _refusing(place: str, hush: tuple[str, ...] = ()) -> Iterator[None]:
    """Say what a user can do about a source that cannot be opened."""
    place = escape(without_credentials(place))
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
        raise RequestError(f"{place}: the permission to read it is missing ({_hidden(str(error), hush)})") from None
    except Exception as error:  # noqa: BLE001 - every driver has its own errors, and their texts may hold secrets
        text = f"{type(error).__name__}: {_hidden(str(error), hush)}"
        raise ImagemillError(f"{place}: cannot be opened ({text}); check address and credentials, try again") from None


def without_credentials(url: str) -> str:
    """Strip user names, passwords, tokens and signatures from a URL."""
    if "://" not in url:
        return url
    url = _SECRET.sub("", _USER.sub("", url))
    return url.rstrip("?&")


def secrets(url: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the texts of a URL and its options that no message may show."""
    named = re.compile(rf"(?i){_SECRET_NAME}|.*(?:key|secret|token|password|credential).*")
    found = [value for name, value in options.items() if isinstance(value, str) and named.fullmatch(name)]
    for user in _USER.findall(url):
        found += [user.rstrip("@"), user.rstrip("@").partition(":")[2]]
    found += [text.rstrip("&").partition("=")[2] for text in _SECRET.findall(url)]
    return tuple(sorted((text for text in found if len(text) > 3), key=len, reverse=True))


def _hidden(text: str, hush: tuple[str, ...]) -> str:
    for secret in hush:
        text = text.replace(secret, "***")
    return _SECRET.sub("", _USER.sub("", text))


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
            raise _too_large(path, total, limit)
        return b"".join(chunks)
    finally:
        os.close(file)


def _too_large(name: str, size: int, limit: int) -> Rejected:
    message = f"{_shown(name)}: {size:,} bytes are more than the limit of {limit:,}"
    return Rejected(TOO_MANY_BYTES, message, measure=size, limit=limit)


def _sized(entry: os.DirEntry[str]) -> tuple[int, str]:
    try:
        return _size(entry.stat())
    except OSError as error:
        return _unknown(error)


def _size(status: os.stat_result) -> tuple[int, str]:
    return (status.st_size, str(status.st_mtime_ns)) if stat.S_ISREG(status.st_mode) else UNKNOWN


def _unknown(error: OSError | ValueError) -> tuple[int, str]:
    """A dangling link, a loop, a file just removed or locked away is listed all the same; reading it says why."""
    lost = (errno.ENOENT, errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG)
    if isinstance(error, OSError) and error.errno not in lost:
        raise error
    return UNKNOWN


def _described(entry: Mapping[str, Any]) -> tuple[int, str]:
    size = entry.get("size")
    for field in ("ETag", "etag", "LastModified", "last_modified", "mtime", "modified", "created"):
        if value := entry.get(field):
            text = value.isoformat() if hasattr(value, "isoformat") else str(value).strip('"')
            return (-1 if size is None else int(size), text)
    return (-1 if size is None else int(size), "")


def _kind(path: str, mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a link to a folder, which is not followed" if os.path.islink(path) else "a folder"
    for test, kind in ((stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket")):
        if test(mode):
            return kind
    return "a device"


def _code(error: BaseException) -> str:
    """The object store's own error code, where botocore is behind the error."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _shown(name: str) -> str:
    return escape(name)


def _nothing() -> Iterator[os.DirEntry[str]]:
    yield from ()
