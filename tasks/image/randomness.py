"""One generator for each random step of each copy of each image, keyed by what it is for, never by when it runs."""

from __future__ import annotations

import hashlib

import numpy as np

Generator = np.random.Generator


def digest(*parts: str | bytes | int) -> bytes:
    """Give the SHA-256 of length-prefixed parts, so that no two lists of parts share one.

    Integers count as 8 bytes, big-endian, signed; strings as UTF-8.
    """
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, int):
            data = part.to_bytes(8, "big", signed=True)
        else:
            data = part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "big"))
        sha.update(data)
    return sha.digest()


def generator(seed: int, content: bytes, frame: int, tile: str, copy: int, path: str) -> Generator:
    """Give the Philox generator of one step (``path``, such as ``augmented/one_of/rotate``) for one copy of one image.

    ``content`` is the source's SHA-256, so equal files draw alike; ``tile`` names the tile or crop, empty for none.
    """
    return keyed(seed, content, frame, tile, copy, path)


def keyed(*parts: str | bytes | int) -> Generator:
    """Give the Philox generator that these parts name.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (NumPy's ``Philox``).
    """
    key = digest(*parts)
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key[:16], "big")))
