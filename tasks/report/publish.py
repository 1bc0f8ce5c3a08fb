"""Publish: everything that people and readers open - views, card, Croissant, report - made from one version.

A run, a rollback, and whatever finds that a killed one left them behind all come here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.errors import RequestError
from tasks.report.page import NAME, page
from tasks.report.statistics import Statistics
from tasks.store.card import card
from tasks.store.croissant import croissant
from tasks.store.dataset import Dataset, open_dataset
from tasks.store.history import Unneeded, remove, restored, unneeded
from tasks.store.local import Store
from tasks.store.remote import ObjectStore


def publish(store: Store, version: Mapping[str, Any]) -> None:
    """Show the newest version in the folders that readers open, and write the pages that tell of it.

    What already shows it is left alone; a kill in between is made good by the next call.
    """
    if not store.is_shown(version):
        store.show(version)
    if not store.is_written(version):
        write_pages(store, version)


def write_pages(store: Store, version: Mapping[str, Any]) -> None:
    """Write README.md, croissant.json and report.html of the newest version, whatever is there."""
    schemas = Dataset(store, version).schemas
    store.write_beside("README.md", card(version, schemas))
    store.write_beside("croissant.json", json.dumps(croissant(version, schemas), indent=1))
    store.write_beside(NAME, page(Statistics(store, version)))
    store.mark_written(version)


def rollback(root: str | Path, number: int) -> tuple[dict[str, Any], bool]:
    """Commit a new version with the contents of version ``number`` and publish it; give it, and whether it is new.

    Raises ``RequestError`` where there is no such version, ``ImagemillError`` where files of it are gone.
    """
    store = _existing(root)
    with store.locked():
        version = restored(store, number)
        newest = store.version(store.versions()[-1])
        if version is not None:
            store.commit(version)
        publish(store, version or newest)
        return version or newest, version is not None


def clean(root: str | Path, keep: int, age: float, dry_run: bool = False) -> Unneeded:
    """Remove the versions that may go, and the files that no other names; with ``dry_run`` only say which.

    See ``tasks.store.history.unneeded`` for ``keep`` and ``age`` (in seconds).
    """
    store = _existing(root)
    if isinstance(store, ObjectStore):
        raise RequestError(f"{root}: in an object store runs themselves remove what was superseded a day ago")
    with store.locked():
        found = unneeded(store, keep, age)
        newest = store.version(store.versions()[-1])
        if not dry_run:
            publish(store, newest)
            remove(store, found)
            if found.versions:
                write_pages(store, newest)  # the report lists the versions
        return found


def _existing(root: str | Path) -> Store:
    return open_dataset(root).store
