"""The image file that an operation takes for its model: read once a process, named by its content."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from tasks.errors import ImagemillError
from tasks.fitted import FITTED
from tasks.image.sample import Pixels
from tasks.image.values import with_channels


class Reference(NamedTuple):
    """An image file's SHA-256, and its pixels (H x W x C, gray or RGB)."""

    sha256: str
    pixels: Pixels


@lru_cache(maxsize=8)
def reference(path: str) -> Reference:
    """Read an image that OpenCV reads. Raises ``ValueError``, saying what is wrong with the file."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}: give the path of an image file") from None
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR) if data else None
    if read is None:
        raise ValueError(f"{path}: OpenCV reads no image from this file")
    return Reference(hashlib.sha256(data).hexdigest(), with_channels(np.asarray(read))[:, :, ::-1])


def is_file(target: str) -> bool:
    """Say whether a target is an image file's path: a file, or not there, with a name that ends like a file's."""
    path = Path(target)
    return target != FITTED and not path.is_dir() and (path.is_file() or bool(path.suffix))


def fit_from(target: Any) -> str | None:
    """Give where a target's values come from; see ``Fitted.fit_from``."""
    return target if isinstance(target, str) and not is_file(target) else None


def of_target(target: str, step: str) -> Pixels:
    """Give the pixels of a target that is a file. Raises ``ImagemillError`` where its values are yet to be fitted."""
    if fit_from(target) is not None:
        raise ImagemillError(f"{step}: its target ({target}) is filled in by a run: run it first")
    return reference(target).pixels


def with_content(whole: dict[str, Any], name: str, target: Any) -> dict[str, Any]:
    """Put an image file's content in the place of its path."""
    if not isinstance(target, str) or fit_from(target):
        return whole
    return {**whole, "parameters": {**whole["parameters"], name: reference(target).sha256}}
