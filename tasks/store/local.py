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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import ImagemillError, RequestError
from tasks.load.files import HOUSE, VERSION_FILE

FORMAT = 1  # of the version file
VIEWED = "viewed"  # names the version that the views show
WRITTEN = "written"  # names the version that the pages tell of
PAGES = ("README.md", "croissant.json", "report.html")
TABLES = ("files", "rejected", "measures", "decisions")  # in a version: lists of entries, each naming an object


def entries(version: Mapping[str, Any], tables: Sequence[str] = TABLES) -> list[dict[str, Any]]:
    """Give all entries of a version, or those of some of its tables."""
    return [entry for table in tables for entry in version[table]]


def version_text(version: Mapping[str, Any]) -> str:
    """Give what a version's file says."""
    return json.dumps(version, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)


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
    def location(self) -> str:
        """What people call it by: the folder."""
        return str(self.root)

    @property
    def name(self) -> str:
        """The last part of its location."""
        return self.root.absolute().name

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
        return sorted(int(name[:-5]) for name in self._version_names() if VERSION_FILE.fullmatch(name))

    def strays(self) -> list[str]:
        """Give the names among the versions that are none: they count for nothing."""
        return sorted(f"versions/{name}" for name in self._version_names() if not VERSION_FILE.fullmatch(name))

    def _version_names(self) -> list[str]:
        folder = self.house / "versions"
        return [path.name for path in folder.iterdir()] if folder.is_dir() else []

    def version_path(self, number: int) -> Path:
        """Give where a version is committed."""
        return self.house / "versions" / f"{number:08d}.json"

    def version(self, number: int) -> dict[str, Any]:
        """Read one version.

        Raises ``RequestError`` where there is none of this number, or a newer imagemill wrote it, and
        ``ImagemillError`` where its file is damaged.
        """
        path = self.version_path(number)
        if not path.is_file():
            raise RequestError(f"{self.root}: no version {number}; there are {self.versions() or 'none'}")
        try:
            loaded = json.loads(path.read_text("utf-8"))
        except ValueError:
            loaded = None
        if not isinstance(loaded, dict) or loaded.get("version") != number:
            raise ImagemillError(
                f"{path}: this version's file is damaged; put a copy of it back, or move it away: "
                "the versions before it are whole without it"
            )
        if loaded.get("format", FORMAT) != FORMAT:
            raise RequestError(f"{path}: written by another imagemill (format {loaded['format']}); install its version")
        return loaded

    def holds(self, entry: Mapping[str, Any]) -> bool:
        """Say whether a file that a version names is there, as long as it was committed."""
        path = self.path(entry["object"])
        return path.is_file() and path.stat().st_size == entry["bytes"]

    def damage(self, entry: Mapping[str, Any]) -> str | None:
        """Say what is wrong with a file that a version names; nothing where it is as it was committed."""
        path = self.path(entry["object"])
        if not path.is_file():
            return "missing"
        if path.stat().st_size != entry["bytes"] or sha256_of(path) != entry["sha256"]:
            return "tampered with or damaged: its SHA-256 is not the one that was committed"
        return None

    def table(
        self, entry: Mapping[str, Any], columns: Sequence[str] | None = None, filters: list[Any] | None = None
    ) -> pa.Table:
        """Read a file that a version names, its pages checked. Raises ``ImagemillError`` where it is not whole."""
        with whole(self.path(entry["object"])) as path:
            return pq.read_table(
                path, columns=list(columns) if columns else None, filters=filters, page_checksum_verification=True
            )

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
                file.write(version_text(version))
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o444)
            os.link(temporary, self.version_path(version["version"]))
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
        with self._lock_file() as file:
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

    def refuse_file(self) -> None:
        """Raise ``RequestError`` where the root is a file."""
        if self.root.exists() and not self.root.is_dir():
            raise RequestError(f"{self.root}: a dataset is a folder, and this is a file; name another --output")

    def _prepare(self) -> None:
        self.refuse_file()
        with self._writing():
            if self.root.exists() and not self.house.exists() and any(self.root.iterdir()):
                raise RequestError(
                    f"{self.root}: not empty and no imagemill dataset; name another --output or empty it"
                )
            staging_folder(self.root).mkdir(parents=True, exist_ok=True)

    def _lock_file(self) -> TextIO:
        with self._writing():
            return (self.house / "lock").open("a+")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
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

    def _mark(self, name: str) -> dict[str, Any]:
        """Read which version something was made from; nothing where that cannot be told: then it is made again."""
        try:
            loaded = json.loads((self.house / name).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return loaded if isinstance(loaded, dict) else {}

    def _shown(self) -> list[str]:
        return list(self._mark(VIEWED).get("folders", []))

    def is_shown(self, version: Mapping[str, Any]) -> bool:
        """Say whether the views show this version: a run killed after its commit left the one before."""
        there = all((self.root / e["path"]).is_file() for e in (*version["files"], *version["rejected"]))
        return there and bool(self._mark(VIEWED).get("version") == version["version"])

    def mark_written(self, version: Mapping[str, Any]) -> None:
        """Remember that the pages tell of this version, once all of them do."""
        self.write_beside(f"{HOUSE}/{WRITTEN}", json.dumps({"version": version["version"]}))

    def is_written(self, version: Mapping[str, Any]) -> bool:
        """Say whether the pages tell of this version."""
        there = all((self.root / name).is_file() for name in PAGES)
        return there and bool(self._mark(WRITTEN).get("version") == version["version"])

    def write_beside(self, name: str, text: str | bytes) -> None:
        """Replace a generated file at the root of the dataset, whole."""
        temporary = self.temporary()
        temporary.write_bytes(text.encode() if isinstance(text, str) else text)
        temporary.replace(self.root / name)

    def clear_staging(self) -> None:
        """Remove what was staged: after a commit it is in the shards."""
        shutil.rmtree(staging_folder(self.root), ignore_errors=True)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Read a file of a version. Raises ``ImagemillError``, naming it, where it is missing or damaged."""
    try:
        yield path
    except FileNotFoundError as error:
        raise ImagemillError(f"{path}: missing; {MENDING}") from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, not the file's: may help to try again
            raise
        raise ImagemillError(f"{path}: damaged ({_first_line(error)}); {MENDING}") from error


MENDING = "`imagemill verify` says what else is wrong, `imagemill run --fresh` makes all of it again from the source"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")


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
