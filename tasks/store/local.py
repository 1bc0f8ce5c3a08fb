"""A dataset on a file system: content-named objects, versions created once, and views that are swapped whole.

Shards lie in ``.imagemill/objects/`` (read-only); ``data/``, ``features/``, ``rejected/`` are folders of hard links to
those of the newest version. Creating a version file is the commit: all else is made from it, and mended from it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.errors import ImagemillError, RequestError

HOUSE = ".imagemill"
VIEWED = "viewed"  # names the version that the views show


def staging_folder(dataset: Path) -> Path:
    """Give the folder in which units are staged."""
    return dataset / HOUSE / "staging"


def sha256_of(path: Path) -> str:
    """Give a file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last through a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Store:
    """The files of one dataset below ``root``."""

    root: Path

    @property
    def house(self) -> Path:
        """The folder of what is ours: versions, objects, measures, staging."""
        return self.root / HOUSE

    def path(self, name: str) -> Path:
        """Give where a file of a version lies: its name is relative to the house."""
        return self.house / name

    def temporary(self) -> Path:
        """Give a new name on the same file system for a file that is being written."""
        folder = self.house / "staging"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f".{uuid.uuid4().hex}.tmp"

    def publish(self, temporary: Path, name: str, sha256: str) -> None:
        """Link a whole, synced file to its final, content-bearing name. The first writer wins; equal bytes agree."""
        final = self.path(name)
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary.chmod(0o444)
        try:
            os.link(temporary, final)
        except FileExistsError:
            if sha256_of(final) != sha256:
                temporary.replace(final)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(final.parent)

    def versions(self) -> list[int]:
        """Give the numbers of the versions, oldest first."""
        folder = self.house / "versions"
        return sorted(int(path.stem) for path in folder.glob("*.json")) if folder.is_dir() else []

    def version(self, number: int) -> dict[str, Any]:
        """Read one version. Raises ``RequestError`` where there is none of this number."""
        path = self.house / "versions" / f"{number:08d}.json"
        if not path.is_file():
            raise RequestError(f"{self.root}: no version {number}; there are {self.versions() or 'none'}")
        loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return loaded

    def latest(self) -> dict[str, Any] | None:
        """Read the newest version, or nothing where nothing was committed yet."""
        numbers = self.versions()
        return self.version(numbers[-1]) if numbers else None

    def commit(self, version: Mapping[str, Any]) -> None:
        """Create the version file, once: this is the commit. Raises ``ImagemillError`` where the number is taken."""
        folder = self.house / "versions"
        folder.mkdir(parents=True, exist_ok=True)
        temporary = self.temporary()
        try:
            with temporary.open("x", encoding="utf-8") as file:
                json.dump(version, file, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o444)
            os.link(temporary, folder / f"{version['version']:08d}.json")
        except FileExistsError as error:
            raise ImagemillError(
                f"{self.root}: version {version['version']} was committed by another run meanwhile; run again"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the dataset: one driver at a time. A killed one never blocks the next (flock).

        Raises ``ImagemillError`` at once where another run holds it.
        """
        self._prepare()
        with (self.house / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise ImagemillError(
                    f"{self.root}: another run is writing this dataset (process {holder}); "
                    "wait for it, or name another --output"
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def _prepare(self) -> None:
        if self.root.exists() and not self.house.exists() and any(self.root.iterdir()):
            raise RequestError(f"{self.root}: not empty and no imagemill dataset; name another --output or empty it")
        try:
            staging_folder(self.root).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RequestError(f"{self.root}: cannot be written ({error.strerror}); name another --output") from error

    def show(self, version: Mapping[str, Any]) -> None:
        """Make the folders that readers open show a version: built aside, then swapped in whole."""
        number = version["version"]
        aside = self.house / "views" / f"{number:08d}"
        shutil.rmtree(aside, ignore_errors=True)
        views: dict[str, Path] = {}
        for entry in (*version["files"], *version["rejected"]):
            folder, name = entry["path"].split("/", 1)
            view = views.setdefault(folder, aside / folder)
            view.mkdir(parents=True, exist_ok=True)
            os.link(self.path(entry["object"]), view / name)
        for folder, view in sorted(views.items()):
            swap(view, self.root / folder)
        for folder in sorted(set(self._shown()) - set(views)):
            shutil.rmtree(self.root / folder, ignore_errors=True)
        shutil.rmtree(self.house / "views", ignore_errors=True)
        self.write_beside(f"{HOUSE}/{VIEWED}", json.dumps({"version": number, "folders": sorted(views)}))

    def _viewed(self) -> dict[str, Any]:
        path = self.house / VIEWED
        loaded: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
        return loaded

    def _shown(self) -> list[str]:
        return list(self._viewed().get("folders", []))

    def is_shown(self, version: Mapping[str, Any]) -> bool:
        """Say whether the views show this version: a run killed after its commit left the one before."""
        there = all((self.root / e["path"]).is_file() for e in (*version["files"], *version["rejected"]))
        return there and bool(self._viewed().get("version") == version["version"])

    def write_beside(self, name: str, text: str | bytes) -> None:
        """Replace a generated file at the root of the dataset, whole."""
        temporary = self.temporary()
        temporary.write_bytes(text.encode() if isinstance(text, str) else text)
        temporary.replace(self.root / name)

    def clear_staging(self) -> None:
        """Remove what was staged: after a commit it is in the shards."""
        shutil.rmtree(staging_folder(self.root), ignore_errors=True)


RENAME_EXCHANGE = 2
AT_FDCWD = -100


def swap(new: Path, old: Path) -> None:
    """Put a folder where another is, in one step where the system can (renameat2), else in two renames."""
    if not old.exists():
        new.rename(old)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    rename = getattr(libc, "renameat2", None)
    if rename is not None and rename(AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(old), RENAME_EXCHANGE) == 0:
        return
    code = ctypes.get_errno()
    if rename is not None and code not in (errno.EINVAL, errno.ENOSYS, errno.EPERM):
        raise OSError(code, os.strerror(code), str(old))
    away = new.with_name(new.name + ".old")
    old.rename(away)
    new.rename(old)
