"""A dataset in an object store: worked on in a local copy of its newest version, committed by a conditional write.

There the shards lie in ``data/`` and so on, named by their content, and README.md names those of the newest version;
measures, decisions and versions lie in ``.imagemill/``. Creating the version's file, which the store does once only, is
the commit. What it no longer names is removed a day later, so that readers of the version before can finish.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from tasks.errors import ImagemillError
from tasks.load.files import HOUSE, VERSION_FILE, secrets, without_credentials
from tasks.load.remote import filesystem, speaking
from tasks.store.history import time_of
from tasks.store.local import Store, entries, sha256_of, version_text

CACHE = "IMAGEMILL_CACHE"  # the environment's name for where local copies lie
LEASE_SECONDS = 60.0
RENEWED = 3  # times within that
GRACE = timedelta(days=1)


def store_at(location: str | Path) -> Store:
    """Give the store at a folder or a URL. Raises ``RequestError`` where a URL's driver is not installed."""
    return ObjectStore.at(location) if isinstance(location, str) and "://" in location else Store(Path(location))


def store_to_read(location: str | Path) -> Store:
    """Give the store at a folder or a URL, with what its newest version names at hand."""
    store = store_at(location)
    return store.pull() if isinstance(store, ObjectStore) else store


@dataclass(frozen=True)
class ObjectStore(Store):
    """The files of one dataset at a URL; ``root`` is the local copy."""

    url: str

    @classmethod
    def at(cls, url: str) -> ObjectStore:
        """Give the store at a URL, with its local copy below ``IMAGEMILL_CACHE`` or the user's cache folder."""
        shown = without_credentials(url).rstrip("/")
        usual = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "imagemill"
        name = f"{shown.rpartition('/')[2]}-{hashlib.sha256(shown.encode()).hexdigest()[:12]}"
        return cls(Path(os.environ.get(CACHE) or usual) / name, url.rstrip("/"))

    @property
    def location(self) -> str:
        """The URL, without credentials."""
        return without_credentials(self.url)

    @property
    def name(self) -> str:
        """The last part of its location."""
        return self.location.rpartition("/")[2]

    @cached_property
    def _remote(self) -> tuple[Any, str]:
        return filesystem(self.url, {})

    def _path(self, name: str) -> str:
        return f"{self._remote[1].rstrip('/')}/{name}"

    @contextmanager
    def _speaking(self) -> Iterator[Any]:
        """Give the file system, freshly asked; its errors are told with the URL and without secrets."""
        fs = self._remote[0]
        fs.invalidate_cache()
        try:
            with speaking(self.location, secrets(self.url, {})):
                yield fs
        except FileExistsError:
            raise
        except OSError as error:
            text = str(error.strerror or error).removeprefix(f"{self.location}: ")
            raise ImagemillError(
                f"{self.location}: {text}; each version is there whole or not at all, run again"
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the dataset, here and there: a lease that is renewed while the run goes on, and ends with it.

        Raises ``ImagemillError`` at once where another run holds it. A killed run's lease ends after a minute.
        """
        with super().locked(), self._leased():
            self.pull()
            yield

    @contextmanager
    def _leased(self) -> Iterator[None]:
        self._take()
        done = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(done,), daemon=True)
        renewing.start()
        try:
            yield
        finally:
            done.set()
            renewing.join()
            with self._speaking() as fs:
                fs.rm_file(self._path(f"{HOUSE}/lease.json"))

    def _lease(self) -> bytes:
        until = datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS)
        holder = f"process {os.getpid()} at {socket.gethostname()}"
        return json.dumps({"holder": holder, "until": until.isoformat()}).encode()

    def _take(self) -> None:
        path = self._path(f"{HOUSE}/lease.json")
        try:
            with self._speaking() as fs:
                fs.pipe_file(path, self._lease(), mode="create")
        except FileExistsError:
            with self._speaking() as fs:
                held = json.loads(fs.cat_file(path))
                if datetime.fromisoformat(held["until"]) > datetime.now(UTC):
                    raise ImagemillError(
                        f"{self.location}: another run is writing this dataset ({held['holder']}, until "
                        f"{held['until'][:19]}); wait for it, or name another --output"
                    ) from None
                fs.rm_file(path)  # a killed run's; who creates the next one first has it
                fs.invalidate_cache()
            self._take()

    def _renew(self, done: threading.Event) -> None:
        """Renew the lease; should that fail for long, the version's conditional write still decides."""
        while not done.wait(LEASE_SECONDS / RENEWED):
            try:
                with speaking(self.location, secrets(self.url, {})):
                    self._remote[0].pipe_file(self._path(f"{HOUSE}/lease.json"), self._lease())
            except OSError:
                time.sleep(1)

    def pull(self) -> ObjectStore:
        """Bring what the newest version names into the local copy; what is there is not fetched again."""
        with self._speaking() as fs:
            folder = self._path(f"{HOUSE}/versions")
            there = [Path(name).name for name in fs.ls(folder, detail=False)] if fs.isdir(folder) else []
        numbers = {int(name[:-5]): name for name in there if VERSION_FILE.fullmatch(name)}
        for number in set(super().versions()) - set(numbers):  # never committed there
            self.version_path(number).unlink()
        for number in sorted(set(numbers) - set(super().versions())):
            self._fetch(f"{HOUSE}/versions/{numbers[number]}", self.version_path(number))
        version = self.latest()
        for entry in entries(version) if version else ():
            if not self.holds(entry):
                self._fetch(_name(entry), self.path(entry["object"]), entry["sha256"])
        return self

    def _fetch(self, name: str, final: Path, sha256: str | None = None) -> None:
        temporary = self.temporary()
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._speaking() as fs:
                fs.get_file(self._path(name), str(temporary))
            if sha256 is not None and sha256_of(temporary) != sha256:
                raise ImagemillError(f"{self.location}/{name}: its SHA-256 is not the one that was committed")
            temporary.chmod(0o444)
            temporary.replace(final)
        finally:
            temporary.unlink(missing_ok=True)

    def commit(self, version: Mapping[str, Any]) -> None:
        """Put what is new there, then the version's file, once: this is the commit; then here.

        Raises ``ImagemillError`` where the number is taken.
        """
        with self._speaking() as fs:
            there = fs.find(self._path(""), detail=True) if fs.isdir(self._remote[1]) else {}
            sizes = {name: about["size"] for name, about in there.items()}
            for entry in entries(version):
                path = self._path(_name(entry))
                if sizes.get(path) != entry["bytes"]:
                    fs.put_file(str(self.path(entry["object"])), path)
        name = f"{HOUSE}/versions/{self.version_path(version['version']).name}"
        try:
            with self._speaking() as fs:
                fs.pipe_file(self._path(name), version_text(version).encode(), mode="create")
        except FileExistsError as error:
            raise ImagemillError(
                f"{self.location}: version {version['version']} was committed by another run meanwhile; run again"
            ) from error
        super().commit(version)

    def write_beside(self, name: str, text: str | bytes) -> None:
        """Replace a generated file, here and there."""
        super().write_beside(name, text)
        if not name.startswith(HOUSE):
            with self._speaking() as fs:
                fs.pipe_file(self._path(name), text.encode() if isinstance(text, str) else text)

    def mark_written(self, version: Mapping[str, Any]) -> None:
        """Remember that the pages tell of this version; then remove what was superseded a day ago."""
        super().mark_written(version)
        named = {self._path(_name(entry)) for one in self._read(version) for entry in entries(one)}
        with self._speaking() as fs:
            for path, about in fs.find(self._path(""), detail=True).items():
                if path.endswith(".parquet") and path not in named and _age(about) > GRACE:
                    fs.rm_file(path)

    def _read(self, newest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Give the versions that someone may be reading: the newest, and those superseded less than a day ago."""
        yield newest
        since = (datetime.now(UTC) - GRACE).timestamp()
        for number, after in pairwise(self.versions()):
            if time_of(self.version(after)) > since:
                yield self.version(number)


def _age(about: Mapping[str, Any]) -> timedelta:
    """Give how old an object is; one that does not say is new."""
    times = (about.get(name) for name in ("LastModified", "updated", "last_modified", "created"))
    modified = next((one for one in times if isinstance(one, datetime)), None)
    return datetime.now(UTC) - modified if modified is not None else timedelta()


def _name(entry: Mapping[str, Any]) -> str:
    """Give where a file of a version lies there: where readers look for it, or in our own folder."""
    return str(entry.get("path") or f"{HOUSE}/{entry['object']}")
