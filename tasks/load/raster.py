"""Everything that Pillow reads whole: its plugins called by name, its modes brought to gray or RGB."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    Jpeg2KImagePlugin,
    PcxImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    QoiImagePlugin,
    SgiImagePlugin,
    TgaImagePlugin,
    WebPImagePlugin,
)

from tasks.errors import Rejected
from tasks.load.color import cmyk_to_rgb, over_white, to_srgb
from tasks.load.header import Header, Limits, check_frames, check_size
from tasks.load.orientation import orientation, shown, upright
from tasks.load.verdicts import CORRUPT, TRUNCATED, UNSUPPORTED_DTYPE, UNSUPPORTED_FORMAT, verdicts

# Called directly, not by Image.open: that would try every plugin, and apply its own size limit with a warning.
_PLUGINS: Final[dict[str, type[ImageFile.ImageFile]]] = {
    "png": PngImagePlugin.PngImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "ppm": PpmImagePlugin.PpmImageFile,
    "jpeg2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "tga": TgaImagePlugin.TgaImageFile,
    "pcx": PcxImagePlugin.PcxImageFile,
    "sgi": SgiImagePlugin.SgiImageFile,
    "qoi": QoiImagePlugin.QoiImageFile,
}
_ANIMATED: Final = frozenset({"gif", "webp", "avif", "png"})


def read_header(data: bytes, format: str, limits: Limits) -> Header:
    """What Pillow's plugin says, after what the container shows."""
    if format == "gif":
        check_frames("gif", _gif_frames(data), limits)
    with verdicts(format):
        _check_whole(data, format)
        with _open(data, format) as image:
            check_size(format, *image.size, limits)
            _check_depth(data, format, image)
            frames = int(getattr(image, "n_frames", 1)) if format in _ANIMATED else 1
            check_frames(format, frames, limits)
            width, height = shown(*image.size, orientation(image.info.get("exif") or b""))
            return Header(format, width, height, frames, image.mode)


def said(data: bytes, format: str) -> dict[Any, Any]:
    """What Pillow's plugin says beside the pixels: ``exif``, ``xmp``, ``comment`` and more."""
    with verdicts(format), _open(data, format) as image:
        return dict(image.info)


def decode_from(data: bytes, format: str, frame: int = 0) -> Iterator[NDArray[Any]]:
    """The frames from this number on, the file opened once: a GIF's frame needs those before it."""
    with verdicts(format):
        image = _open(data, format)
    while True:
        with verdicts(format):
            if frame:
                image.seek(frame)
            turn = orientation(image.info.get("exif") or b"")
            wide = _ppm_color(data, image) if format == "ppm" else None
            if wide is None:
                image.load()
                pixels = to_pixels(image, image.info.get("icc_profile"))
            else:
                pixels = wide
            # A gray palette is a palette: frame 0 must not differ in kind from the next.
            if format == "gif" and pixels.shape[2] == 1:
                pixels = np.repeat(pixels, 3, axis=2)
        yield upright(pixels, turn)
        frame += 1


def to_pixels(image: Image.Image, profile: bytes | None) -> NDArray[Any]:
    """A loaded Pillow image as gray or sRGB (H x W x C): palette looked up, profile applied, alpha over white."""
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.mode == "PA" or image.has_transparency_data else "RGB")
    elif image.mode in ("1", "L", "RGB") and "transparency" in image.info:
        image = image.convert("RGBA" if image.mode == "RGB" else "LA")
    elif image.mode in _PLAINER:
        image = image.convert(_PLAINER[image.mode])
    pixels = np.asarray(image)
    pixels = pixels.reshape(image.height, image.width, -1)
    if image.mode == "CMYK":
        return cmyk_to_rgb(pixels, profile)
    if image.mode in ("LA", "RGBA"):
        return over_white(to_srgb(pixels[..., :-1], profile), pixels[..., -1])
    if image.mode in ("L", "RGB"):
        return to_srgb(pixels, profile)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return to_srgb(narrowed(pixels, "image"), profile)
    raise Rejected(UNSUPPORTED_FORMAT, f"the colour space {image.mode} is not read here")


def narrowed(values: NDArray[Any], format: str) -> NDArray[Any]:
    """uint8, uint16 and float32 as they are; integers that fit as uint16; other floats as float32."""
    if values.dtype.kind == "f":
        return values.astype(np.float32, copy=False)
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        message = f"{format}: integers from {low} to {high} do not fit 16 bits: store them as uint16 or float32"
        raise Rejected(UNSUPPORTED_DTYPE, message)
    return values.astype(np.uint16)


_PLAINER: Final = {"1": "L", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB"}


def _open(data: bytes, format: str) -> ImageFile.ImageFile:
    return _PLUGINS[format](io.BytesIO(data))


def _check_whole(data: bytes, format: str) -> None:
    """Cuts that the container shows: Pillow would call them corrupt, or give fewer frames."""
    if format == "webp" and int.from_bytes(data[4:8], "little") + 8 > len(data) + 1:
        raise Rejected(TRUNCATED, "webp: the file is shorter than its header says")
    if format == "jpeg2000" and b"\xff\xd9" not in data[-64:]:
        raise Rejected(TRUNCATED, "jpeg2000: the end marker is missing")
    if format == "avif":
        at = 0
        while at + 8 <= len(data):
            size = int.from_bytes(data[at : at + 4], "big")
            if size == 1:
                size = int.from_bytes(data[at + 8 : at + 16], "big")
            if at + (size or 8) > len(data):
                raise Rejected(TRUNCATED, "avif: the file ends within a box")
            if size < 8:
                break
            at += size


def _check_depth(data: bytes, format: str, image: ImageFile.ImageFile) -> None:
    """Formats whose 16-bit values Pillow would cut to 8 bits."""
    if format == "sgi" and data[3] == 2:
        raise Rejected(UNSUPPORTED_DTYPE, "sgi: 16 bits a value; 8 are read here")
    if format == "jpeg2000" and image.mode != "I;16":
        at = data.find(b"\xff\x4f\xff\x51") + 42  # SOC, SIZ: the depth of each component, less one
        for component in range(int.from_bytes(data[at - 2 : at], "big")):
            depth = (data[at + 3 * component] & 0x7F) + 1
            if depth > 8:
                raise Rejected(UNSUPPORTED_DTYPE, f"jpeg2000: {depth}-bit colour; 8 bits are read here, 16 for gray")


def _ppm_color(data: bytes, image: ImageFile.ImageFile) -> NDArray[Any] | None:
    """A raw colour PPM of more than 8 bits as uint16: Pillow would cut it to 8. None for all others."""
    tile = image.tile[0]
    top = tile.args[1] if isinstance(tile.args, tuple) and len(tile.args) > 1 else 0
    if image.mode != "RGB" or not isinstance(top, int) or top <= 255:
        return None
    if not data.startswith(b"P6"):
        raise Rejected(UNSUPPORTED_DTYPE, "ppm: 16-bit colour as text; use its raw form (P6)")
    width, height = image.size
    if len(data) - tile.offset < width * height * 6:
        raise Rejected(TRUNCATED, "ppm: the file ends before the image does")
    values = np.frombuffer(data, ">u2", width * height * 3, tile.offset).reshape(height, width, 3)
    if top == 65535:
        return values.astype(np.uint16)
    return np.asarray((np.minimum(values, top).astype(np.uint32) * 65535 + top // 2) // top, np.uint16)


def _gif_frames(data: bytes) -> int:
    """Walk the blocks to the trailer and count the images: cheap, and shows a cut between two frames."""

    def byte(at: int) -> int:
        if at >= len(data):
            raise Rejected(TRUNCATED, "gif: the file ends before its trailer")
        return data[at]

    def past_table(at: int, flags: int) -> int:
        return at + (3 << (flags & 7) + 1 if flags & 0x80 else 0)

    def past_blocks(at: int) -> int:
        while size := byte(at):
            at += 1 + size
        return at + 1

    frames = 0
    at = past_table(13, byte(10))
    while (kind := byte(at)) != 0x3B:
        if kind == 0x21:
            at = past_blocks(at + 2)
        elif kind == 0x2C:
            frames += 1
            at = past_blocks(past_table(at + 10, byte(at + 9)) + 1)
        elif kind == 0:
            at += 1  # padding that some writers leave between blocks
        else:
            raise Rejected(CORRUPT, f"gif: no block at byte {at}")
    return frames
