"""PNG: chunks and their checksums, and 16-bit colour, which Pillow would cut to 8 bits."""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.errors import Rejected
from tasks.load.color import over_white, to_srgb
from tasks.load.header import Header, Limits, check_frames, check_size
from tasks.load.orientation import orientation, shown, upright
from tasks.load.verdicts import CORRUPT, TRUNCATED, UNSUPPORTED_DTYPE, verdicts

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_MODES: Final = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# Adam7: the first column and row, and the steps, of each pass.
_PASSES: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
# An ICC profile of more than this is not one (the largest, for printing, have 2 MB).
_PROFILE: Final = 1 << 24


class Chunk(NamedTuple):
    """A chunk, and where its body lies in the file."""

    kind: bytes
    start: int
    end: int


class Png(NamedTuple):
    """The header's fields and the chunks in order."""

    width: int
    height: int
    depth: int
    color: int
    interlaced: bool
    chunks: list[Chunk]

    def first(self, data: bytes, kind: bytes) -> bytes | None:
        """The body of the first chunk of this kind."""
        return next((data[chunk.start : chunk.end] for chunk in self.chunks if chunk.kind == kind), None)

    @property
    def wide(self) -> bool:
        """16 bits a value: Pillow keeps them for gray alone, without its transparent value."""
        return self.depth == 16


def parse(data: bytes) -> Png:
    """The chunks from IHDR to IEND; what follows IEND is no fault."""
    chunks: list[Chunk] = []
    at = len(_SIGNATURE)
    while not chunks or chunks[-1].kind != b"IEND":
        if at + 12 > len(data):
            raise Rejected(TRUNCATED, "png: the file ends before its IEND chunk")
        start = at + 8
        chunk = Chunk(data[at + 4 : start], start, start + int.from_bytes(data[at : at + 4], "big"))
        if not chunk.kind.isalpha():
            raise Rejected(CORRUPT, f"png: no chunk at byte {at}")
        if chunk.end + 4 > len(data):
            raise Rejected(TRUNCATED, f"png: the file ends within its {chunk.kind.decode()} chunk")
        chunks.append(chunk)
        at = chunk.end + 4
    head = chunks[0]
    if head.kind != b"IHDR" or head.end - head.start != 13:
        raise Rejected(CORRUPT, "png: the file does not begin with its header")
    width, height, depth, color, compression, filtering, interlace = struct.unpack_from(">IIBBBBB", data, head.start)
    if depth not in _DEPTHS.get(color, ()) or compression or filtering or interlace > 1:
        raise Rejected(CORRUPT, f"png: a header of colour type {color} at {depth} bits")
    return Png(width, height, depth, color, interlace == 1, chunks)


def read_header(data: bytes, limits: Limits) -> Header:
    """The header's fields, turned as shown, and the number of frames of an animation."""
    png = parse(data)
    check_size("png", png.width, png.height, limits)
    frames = 1
    if (control := png.first(data, b"acTL")) is not None and len(control) == 8:
        said = int.from_bytes(control[:4], "big")
        check_frames("png", said, limits)
        kinds = [chunk.kind for chunk in png.chunks]
        if b"IDAT" not in kinds or kinds.count(b"fcTL") < said:
            raise Rejected(TRUNCATED, f"png: of {said} frames only {kinds.count(b'fcTL')} are there")
        # A picture before the first frame's control chunk is for viewers that do not animate: Pillow counts it first.
        frames = said + (b"fcTL" not in kinds[: kinds.index(b"IDAT")])
        check_frames("png", frames, limits)
        if png.wide:
            raise Rejected(UNSUPPORTED_DTYPE, "png: an animation of 16 bits a value; 8 are read here")
    width, height = shown(png.width, png.height, orientation(png.first(data, b"eXIf") or b""))
    mode = {(0, 1): "1", (0, 16): "I;16"}.get((png.color, png.depth), _MODES[png.color])
    return Header("png", width, height, frames, f"{mode};16" if png.wide and png.color else mode)


def check(data: bytes, png: Png) -> None:
    """Every chunk's checksum: Pillow skips those of the pixels."""
    view = memoryview(data)
    for chunk in png.chunks:
        if zlib.crc32(view[chunk.start - 4 : chunk.end]) != int.from_bytes(data[chunk.end : chunk.end + 4], "big"):
            raise Rejected(CORRUPT, f"png: the checksum of its {chunk.kind.decode()} chunk is wrong")


def decode_wide(data: bytes, png: Png) -> NDArray[Any]:
    """16 bits a value, as uint16: by OpenCV, given the pixels' chunks alone, once these are known to be whole."""
    body = b"".join(data[chunk.start : chunk.end] for chunk in png.chunks if chunk.kind == b"IDAT")
    with verdicts("png"):
        body = _whole_rows(body, png)
        head = png.chunks[0]
        plain = _SIGNATURE + _chunk(b"IHDR", data[head.start : head.end]) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")
        decoded = cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype != np.uint16 or decoded.shape[:2] != (png.height, png.width):
        raise Rejected(CORRUPT, "png: the pixels cannot be decoded")
    pixels = np.asarray(decoded).reshape(png.height, png.width, -1)
    alpha = pixels[..., 3] if png.color in (4, 6) else None
    colors = np.ascontiguousarray(pixels[..., 2::-1] if png.color in (2, 6) else pixels[..., :1])
    key = png.first(data, b"tRNS")
    if key is not None and png.color in (0, 2) and len(key) == 2 * colors.shape[2]:
        clear = (colors == np.frombuffer(key, ">u2")).all(axis=2)
        alpha = np.where(clear, 0, 65535).astype(np.uint16)
    colors = to_srgb(colors, _profile(png.first(data, b"iCCP")))
    shown_colors = colors if alpha is None else over_white(colors, alpha)
    return upright(shown_colors, orientation(png.first(data, b"eXIf") or b""))


def encode_png(pixels: NDArray[Any]) -> bytes:
    """uint8 or uint16 pixels (H x W x 1 or 3) as PNG, losslessly.

    OpenCV at level 1: on a 512 px photograph 19 ms and 464 kB, against 76 ms and 425 kB by Pillow's default.
    """
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise TypeError(f"PNG holds uint8 or uint16 gray or RGB, not {pixels.dtype} of shape {pixels.shape}")
    ordered = np.ascontiguousarray(pixels[..., ::-1])
    done, encoded = cv2.imencode(".png", ordered, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise ValueError(f"OpenCV cannot write a PNG of shape {pixels.shape}")
    return encoded.tobytes()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _whole_rows(body: bytes, png: Png) -> bytes:
    """The compressed rows, known to be whole and with valid filters: of what is not, libpng prints on stderr."""
    bits = png.depth * _CHANNELS[png.color]
    grids = _PASSES if png.interlaced else ((0, 0, 1, 1),)
    sizes = [(-((x - png.width) // dx), -((y - png.height) // dy)) for x, y, dx, dy in grids]
    passes = [(rows, 1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns > 0 and rows > 0]
    expected = sum(rows * stride for rows, stride in passes)
    inflate = zlib.decompressobj()
    raw = inflate.decompress(body, expected + 1)
    rest = raw[expected:] or inflate.decompress(inflate.unconsumed_tail, 1)
    if len(raw) >= expected and (rest or not inflate.eof):
        raise Rejected(CORRUPT, "png: the compressed rows do not end where the image does")
    if len(raw) < expected:
        raise Rejected(TRUNCATED, f"png: {len(raw)} of {expected} bytes of pixels are there")
    at = 0
    for rows, stride in passes:
        if max(raw[at : at + rows * stride : stride]) > 4:
            raise Rejected(CORRUPT, "png: a row of unknown filter")
        at += rows * stride
    return body[: len(body) - len(inflate.unused_data)]


def _profile(chunk: bytes | None) -> bytes | None:
    if chunk is None:
        return None
    try:
        return zlib.decompressobj().decompress(chunk[chunk.index(b"\0") + 2 :], _PROFILE)
    except (ValueError, zlib.error):
        return None
