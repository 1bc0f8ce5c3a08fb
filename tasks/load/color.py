"""To sRGB or gray: embedded ICC profiles, CMYK, alpha.

Profiles are applied relative-colorimetric with black point compensation, as photo editors and browsers do. A profile
that cannot be read, or that is for another kind of image (an RGB profile on a gray image), is ignored and the pixels
are kept: a profile is metadata, and a broken one is no reason to lose an image. A profile that moves no colour of a
probe by more than one level is sRGB, whatever its name, and is skipped.
Alpha is composited over white, as viewers show it. Float pixels are measurements: no profile touches them.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from tasks.load.verdicts import BROKEN

Pixels = NDArray[Any]

_SRGB: Final = ImageCms.createProfile("sRGB")
_SPACES: Final = {"RGB": b"RGB ", "L": b"GRAY", "CMYK": b"CMYK"}
# XYZ (D50, as profiles hold it) to linear sRGB: the inverse of the sRGB profile's own colorants.
_FROM_XYZ: Final = np.linalg.inv(
    np.array([[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]])
)


def to_srgb(pixels: Pixels, profile: bytes | None) -> Pixels:
    """Gray or RGB pixels (H x W x 1 or 3), with their embedded profile if they have one, as gray or sRGB."""
    if not profile or pixels.dtype not in (np.uint8, np.uint16):
        return pixels
    mode = "L" if pixels.shape[2] == 1 else "RGB"
    if profile[16:20] != _SPACES[mode]:
        return pixels
    if pixels.dtype == np.uint16:
        convert = _shaper(profile)
        return pixels if convert is None else convert(pixels)
    if mode == "L":
        table = _gray_table(profile)
        return pixels if table is None else table[pixels]
    transform = _transform(profile, mode)
    if transform is None:
        return pixels
    return np.asarray(ImageCms.applyTransform(Image.fromarray(np.ascontiguousarray(pixels)), transform))


def cmyk_to_rgb(inks: Pixels, profile: bytes | None) -> Pixels:
    """CMYK (H x W x 4, uint8, 255 = full ink) as sRGB: by its profile, or by the plain product without one."""
    image = Image.fromarray(np.ascontiguousarray(inks), mode="CMYK")
    transform = _transform(profile, "CMYK") if profile and profile[16:20] == _SPACES["CMYK"] else None
    return np.asarray(image.convert("RGB") if transform is None else ImageCms.applyTransform(image, transform))


def over_white(colors: Pixels, alpha: Pixels) -> Pixels:
    """Colours (H x W x C, not premultiplied) over white, by alpha (H x W), rounded to nearest in exact integers."""
    if colors.dtype == np.float32:
        weight = np.clip(alpha, 0, 1)[..., None]
        return np.asarray(colors * weight + (1 - weight), np.float32)
    top = np.iinfo(colors.dtype).max
    if bool((alpha == top).all()):
        return colors
    wide = np.uint32 if colors.dtype == np.uint8 else np.uint64
    weight = alpha[..., None].astype(wide)
    mixed = colors * weight + (top - weight) * wide(top)
    return np.asarray((mixed + wide(top // 2)) // wide(top), colors.dtype)


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform to sRGB; None where the profile is sRGB already, or broken."""
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(
            source,
            _SRGB,
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if mode == "CMYK":
            return transform
        steps = np.linspace(0, 255, 9).round().astype(np.uint8)
        probe = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(27, 27, 3)
        shown = np.asarray(ImageCms.applyTransform(Image.fromarray(probe), transform))
    except BROKEN:
        return None
    return None if int(np.abs(shown.astype(int) - probe).max()) <= 1 else transform


@lru_cache(maxsize=32)
def _gray_table(profile: bytes) -> NDArray[np.uint8] | None:
    """By the profile's curve, as for 16 bits: LittleCMS is off by three levels in the dark at 8 bits."""
    convert = _shaper(profile)
    if convert is None:
        return None
    ramp = np.arange(256, dtype=np.uint16)[:, None, None] * 257
    return np.asarray((convert(ramp).ravel().astype(np.uint32) + 128) // 257, np.uint8)


@lru_cache(maxsize=8)
def _shaper(profile: bytes) -> Callable[[Pixels], Pixels] | None:
    """Conversion in 16 bits by a profile's curves and matrix, since Pillow's transforms are 8-bit.

    None where it would move nothing by a level of 8 bits. Profiles of tables (A2B0) are ignored here: None.
    """
    try:
        tags = _tags(profile)
        if b"A2B0" in tags or profile[20:24] != b"XYZ ":
            return None
        gray = profile[16:20] == b"GRAY"
        curves = [_curve(tags[name]) for name in ((b"kTRC",) if gray else (b"rTRC", b"gTRC", b"bTRC"))]
        matrix = None if gray else _FROM_XYZ @ np.array([_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]).T
    except BROKEN:
        return None
    if gray:
        table = _encode(curves[0])[:, None]
        return None if _is_identity(table) else lambda pixels: table[pixels[..., 0]]

    def convert(pixels: Pixels) -> Pixels:
        out = np.empty_like(pixels)
        for row in range(len(pixels)):  # by rows: a whole image in float64 would be four times its size, thrice
            linear = np.stack([curve[pixels[row, :, i]] for i, curve in enumerate(curves)], axis=-1)
            out[row] = _encode(linear @ matrix.T if matrix is not None else linear)
        return out

    ramp = np.arange(0, 65536, 257, dtype=np.uint16)
    corners = np.array([[65535, 0, 0], [0, 65535, 0], [0, 0, 65535]], np.uint16)
    probe = np.concatenate([np.repeat(ramp[:, None], 3, axis=1), corners])[None]
    return None if int(np.abs(convert(probe).astype(int) - probe).max()) <= 257 else convert


def _is_identity(table: Pixels) -> bool:
    return int(np.abs(table[:, 0].astype(int) - np.arange(65536)).max()) <= 257


def _encode(linear: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Linear light as 16-bit sRGB."""
    clipped = np.clip(linear, 0, 1)
    shown = np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(shown * 65535), np.uint16)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(count, 100))]
    return {name: profile[offset : offset + size] for name, offset, size in entries}


def _xyz(tag: bytes) -> tuple[float, ...]:
    return tuple(value / 65536 for value in struct.unpack_from(">3i", tag, 8))


def _curve(tag: bytes) -> NDArray[np.float64]:
    """A tone curve (ICC.1:2022, 10.6 and 10.18) as 65,536 values of linear light."""
    x = np.linspace(0, 1, 65536)
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return x
        values = np.frombuffer(tag, ">u2", count, 12)
        if count == 1:
            return np.asarray(x ** (int(values[0]) / 256))
        return np.interp(x, np.linspace(0, 1, count), values / 65535)
    if tag[:4] != b"para":
        raise ValueError(f"a curve of type {tag[:4]!r}")
    (kind,) = struct.unpack_from(">H", tag, 8)
    g, a, b, c, d, e, f = 1.0, 1.0, 0.0, 0.0, -1.0, 0.0, 0.0
    numbers = [value / 65536 for value in struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", tag, 12)]
    if kind == 0:
        (g,) = numbers
    elif kind in (1, 2):
        g, a, b, *shift = numbers
        d = -b / a
        c, e, f = 0.0, sum(shift), sum(shift)
    elif kind == 3:
        g, a, b, c, d = numbers
    else:
        g, a, b, c, d, e, f = numbers
    return np.asarray(np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f))
