"""Any bytes end in the right pixels or in one of the named verdicts."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import imageio.v3 as imageio
import numpy as np
import pytest
import simplejpeg
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import GifImagePlugin, Image, ImageCms, ImageOps
from skimage import data as samples

from tasks.errors import Rejected
from tasks.load import codecs, jpeg
from tasks.load.codecs import Limits, decode, decode_frames, encode_jpeg, encode_png, read_header
from tasks.load.verdicts import REASONS

COLOR = np.ascontiguousarray(samples.astronaut()[100:171, 180:277])
GRAY = np.ascontiguousarray(samples.camera()[100:171, 180:277])
COLOR16 = COLOR.astype(np.uint16) * 257 ^ np.arange(97, dtype=np.uint16)[None, :, None]


def saved(image: Image.Image | np.ndarray, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(out, format, **options)
    return out.getvalue()


def tiff(pixels: np.ndarray, **options: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, pixels, **options)
    return out.getvalue()


def load(data: bytes, frame: int = 0) -> np.ndarray:
    return decode(data, read_header(data), frame)


def verdict(data: bytes, **limits: int) -> str:
    with pytest.raises(Rejected) as caught:
        decode(data, read_header(data, Limits(**limits)))
    assert caught.value.reason in REASONS
    return caught.value.reason


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(rows: np.ndarray, color: int, *extra: bytes) -> bytes:
    """A PNG written by hand (no filter), for the kinds that no library here writes."""
    depth = rows.dtype.itemsize * 8
    raw = b"".join(b"\0" + row.tobytes() for row in rows.astype(rows.dtype.newbyteorder(">")))
    head = struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], depth, color, 0, 0, 0)
    body = chunk(b"IHDR", head) + b"".join(extra) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[274] = orientation
    return block.tobytes()


def animation() -> list[Image.Image]:
    frames = []
    for step in range(4):
        frame = Image.fromarray(COLOR).quantize(32).convert("RGB")
        frame.paste((step * 60, 0, 200), (step * 10, 5, step * 10 + 20, 40))
        frames.append(frame)
    return frames


def animated(format: str, **options: Any) -> bytes:
    first, *rest = animation()
    return saved(first, format, save_all=True, append_images=rest, duration=50, **options)


VALID: dict[str, bytes] = {
    "jpeg": saved(COLOR, "JPEG", quality=90),
    "jpeg gray": saved(GRAY, "JPEG"),
    "jpeg progressive": saved(COLOR, "JPEG", progressive=True),
    "jpeg cmyk": saved(Image.fromarray(COLOR).convert("CMYK"), "JPEG"),
    "png": saved(COLOR, "PNG"),
    "png palette": saved(Image.fromarray(COLOR).quantize(16), "PNG", transparency=3),
    "png 16": encode_png(COLOR16),
    "apng": animated("PNG"),
    "gif": saved(COLOR, "GIF"),
    "gif animated": animated("GIF"),
    "webp": saved(COLOR, "WEBP"),
    "webp animated": animated("WEBP", lossless=True),
    "avif": saved(COLOR, "AVIF"),
    "bmp": saved(COLOR, "BMP"),
    "tiff": saved(COLOR, "TIFF"),
    "tiff lzw": saved(COLOR, "TIFF", compression="tiff_lzw"),
    "tiff jpeg": saved(COLOR, "TIFF", compression="jpeg"),
    "tiff 16": tiff(COLOR16, photometric="rgb"),
    "tiff 16 deflate": tiff(COLOR16, photometric="rgb", compression="zlib", predictor=True),
    "tiff float": tiff(GRAY.astype(np.float32)),
    "tiff tiled": tiff(COLOR, photometric="rgb", tile=(32, 32)),
    "ppm": saved(COLOR, "PPM"),
    "jpeg2000": saved(COLOR, "JPEG2000"),
    "tga": saved(COLOR, "TGA"),
    "tga rle": saved(COLOR, "TGA", compression="tga_rle"),
    "pcx": saved(COLOR, "PCX"),
    "sgi": saved(COLOR, "SGI"),
    "qoi": saved(COLOR, "QOI"),
}
kinds = pytest.mark.parametrize("kind", VALID)


# --- golden: ours against Pillow, imageio, scikit-image's pictures


@pytest.mark.parametrize("picture", [samples.astronaut(), samples.camera()], ids=["color", "gray"])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_jpeg_decodes_as_pillow_and_imageio_decode_it(picture: np.ndarray, subsampling: int) -> None:
    data = saved(picture, "JPEG", quality=85, subsampling=subsampling)
    ours = load(data).squeeze()
    # Both are libjpeg-turbo with the accurate DCT: equal, not only close.
    np.testing.assert_array_equal(ours, np.asarray(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(ours, imageio.imread(data))


@pytest.mark.parametrize(
    "kind", sorted(set(VALID) - {"jpeg cmyk", "png palette", "png 16", "tiff 16", "tiff 16 deflate"})
)
def test_a_plain_image_decodes_as_pillow_decodes_it(kind: str) -> None:
    reference = Image.open(io.BytesIO(VALID[kind]))
    reference.load()
    wanted = reference.convert("RGB") if reference.mode in ("P", "RGBX", "RGBA") else reference
    np.testing.assert_array_equal(load(VALID[kind]).squeeze(), np.asarray(wanted))


@kinds
def test_the_header_says_what_decoding_gives(kind: str) -> None:
    header = read_header(VALID[kind])
    pixels = decode(VALID[kind], header)
    assert pixels.shape[:2] == (header.height, header.width) == (71, 97)
    assert pixels.shape[2] in (1, 3)
    assert pixels.flags["C_CONTIGUOUS"]
    assert pixels.dtype in (np.uint8, np.uint16, np.float32)
    assert header.format == kind.split()[0].removeprefix("a" if kind == "apng" else "")


@pytest.mark.filterwarnings("ignore::DeprecationWarning:PIL")
def test_every_format_that_pillow_writes_is_read_rightly_or_refused_by_name() -> None:
    Image.init()
    read: set[str] = set()
    refused: set[tuple[str, str]] = set()
    for format in sorted(Image.SAVE):
        for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "I;16", "F", "CMYK"):
            try:
                image = Image.fromarray(GRAY).convert("L") if mode == "I;16" else Image.fromarray(COLOR)
                data = saved(image.convert(mode), format)
            except (OSError, ValueError, KeyError, SystemError):
                continue  # Pillow cannot write this mode in this format
            try:
                pixels = load(data)
            except Rejected as rejected:
                refused.add((format, rejected.reason))
                continue
            read.add(format)
            reference = Image.open(io.BytesIO(data))
            if reference.mode in ("1", "L", "RGB", "F"):
                wanted = np.asarray(reference.convert("L") if reference.mode == "1" else reference)
                wanted = np.repeat(wanted[..., None], 3, axis=2) if format == "GIF" and wanted.ndim == 2 else wanted
                np.testing.assert_array_equal(pixels.squeeze(), wanted, err_msg=f"{format} {mode}")
    assert read >= {
        "AVIF",
        "BMP",
        "GIF",
        "JPEG",
        "JPEG2000",
        "MPO",
        "PCX",
        "PNG",
        "PPM",
        "QOI",
        "SGI",
        "TGA",
        "TIFF",
        "WEBP",
    }
    assert {format for format, _ in refused} >= {"EPS", "PDF", "ICO", "ICNS", "DDS"}
    assert {reason for _, reason in refused} == {"unsupported_format", "not_an_image"}
    assert not read & {format for format, _ in refused}


# --- whole or not at all


@kinds
def test_a_file_cut_anywhere_is_rejected_or_has_lost_no_pixel(kind: str) -> None:
    data = VALID[kind]
    whole = load(data)
    lost_nothing = 0
    cuts = sorted({int(len(data) * part / 1000) for part in range(1, 1000, 11)} | set(range(len(data) - 20, len(data))))
    for cut in cuts:
        try:
            header = read_header(data[:cut])
            pixels = decode(data[:cut], header)
        except Rejected:
            continue
        assert header == read_header(data), f"cut at {cut} of {len(data)}: another image"
        np.testing.assert_array_equal(pixels, whole, err_msg=f"cut at {cut} of {len(data)}")
        lost_nothing += 1
    # Only a file with a footer or padding may lose bytes and keep its pixels.
    assert lost_nothing == 0 or kind in ("bmp", "tga", "tga rle", "qoi", "pcx", "avif", "tiff jpeg"), lost_nothing


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("part", [0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999])
def test_a_truncated_jpeg_is_rejected_not_grayed(part: float, progressive: bool) -> None:
    data = saved(samples.astronaut(), "JPEG", quality=90, progressive=progressive)
    assert verdict(data[: int(len(data) * part)]) == "truncated"


@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_without_its_end_marker_is_truncated(missing: int) -> None:
    assert verdict(VALID["jpeg"][:-missing]) == "truncated"


@pytest.mark.parametrize("fill", [b"\0", b"\xff", b"\x55"])
def test_a_jpeg_cut_and_padded_is_rejected(fill: bytes) -> None:
    data = saved(samples.astronaut(), "JPEG", quality=90)
    half = len(data) // 2
    assert verdict(data[:half] + fill * half) == "truncated"


@pytest.mark.parametrize("kind", ["jpeg", "jpeg progressive", "jpeg gray", "jpeg cmyk"])
@settings(max_examples=60, deadline=None)
@given(draw=st.data())
def test_where_libjpeg_warns_of_damage_the_jpeg_is_corrupt(kind: str, draw: st.DataObject) -> None:
    data = bytearray(VALID[kind])
    scan = jpeg.markers(VALID[kind]).scan
    data[draw.draw(st.integers(scan, len(data) - 3))] ^= 1 << draw.draw(st.integers(0, 7))
    space = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}[read_header(VALID[kind]).mode]
    try:
        simplejpeg.decode_jpeg(bytes(data), space, strict=True)
    except ValueError:
        assert verdict(bytes(data)) in ("corrupt", "truncated")
    else:
        assert load(bytes(data)).shape[:2] == (71, 97)


def test_a_jpeg_with_an_early_end_marker_is_corrupt() -> None:
    data = VALID["jpeg"]
    middle = (jpeg.markers(data).scan + len(data)) // 2
    assert verdict(data[:middle] + b"\xff\xd9" + data[middle:]) == "corrupt"


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "webp"])
def test_bytes_after_the_end_are_no_fault(kind: str) -> None:
    np.testing.assert_array_equal(load(VALID[kind] + b"garbage" * 99), load(VALID[kind]))


@pytest.mark.parametrize("kind", ["png", "png 16", "apng"])
def test_a_png_of_wrong_checksum_is_corrupt(kind: str) -> None:
    data = bytearray(VALID[kind])
    at = data.find(b"IDAT") + 20
    data[at] ^= 0x10
    assert verdict(bytes(data)) == "corrupt"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_png_whose_rows_end_early_is_truncated_though_its_checksums_agree(dtype: type) -> None:
    rows: np.ndarray = COLOR.astype(dtype)
    whole = png(rows, 2)
    head = whole[: whole.find(b"IDAT") - 4]
    short = head + chunk(b"IDAT", zlib.compress(b"\0" * 9000)) + chunk(b"IEND", b"")
    assert verdict(short) == "truncated"


def test_an_animated_gif_cut_between_two_frames_is_truncated() -> None:
    data = VALID["gif animated"]
    cut = data.rfind(b"\x21\xf9\x04")
    assert GifImagePlugin.GifImageFile(io.BytesIO(data[:cut])).n_frames == 3  # Pillow takes three frames for all
    assert verdict(data[:cut]) == "truncated"


@pytest.mark.parametrize("kind", ["png", "tiff", "webp", "gif", "bmp", "ppm", "jpeg2000", "avif"])
def test_a_half_file_is_called_truncated(kind: str) -> None:
    assert verdict(VALID[kind][: len(VALID[kind]) // 2]) == "truncated"


# --- what cannot be an image


def test_no_bytes_are_empty() -> None:
    assert verdict(b"") == "empty"


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 5000,
        b"Hello, I am a text file\n" * 40,
        b"<html><body>404</body></html>",
        b"BMW is a car",
        b"P1ain text",
        b"x",
        bytes(range(256)) * 9,
    ],
)
def test_other_content_is_not_an_image(data: bytes) -> None:
    assert verdict(data) == "not_an_image"


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 99, "pillow-heif"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1" + b"\0" * 99, "video"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "Ghostscript"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\xd7\xcd\xc6\x9a" + b"\0" * 99, "WMF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"8BPS\0\1" + b"\0" * 99, "Photoshop"),
    ],
)
def test_a_known_format_that_is_not_read_is_named(data: bytes, named: str) -> None:
    with pytest.raises(Rejected) as caught:
        read_header(data)
    assert caught.value.reason == "unsupported_format"
    assert named in caught.value.message


def test_a_png_bomb_is_rejected_by_its_header_in_silence(recwarn: pytest.WarningsRecorder) -> None:
    side = 14_000
    deflate = zlib.compressobj(9)
    row = b"\0" * (1 + side // 8)
    body = b"".join(deflate.compress(row) for _ in range(side)) + deflate.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    assert len(bomb) < 30_000
    with pytest.raises(Rejected) as caught:
        read_header(bomb)
    assert (caught.value.reason, caught.value.measure, caught.value.limit) == ("too_many_pixels", side**2, 178_956_970)
    assert not recwarn.list


def test_an_image_that_pillow_would_warn_of_decodes_in_silence() -> None:
    large = saved(Image.new("1", (10_000, 9_000)), "PNG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(large).shape == (9_000, 10_000, 1)


@kinds
def test_limits_hold_for_every_format(kind: str) -> None:
    assert verdict(VALID[kind], pixels=97 * 71 - 1) == "too_many_pixels"
    assert verdict(VALID[kind], bytes=len(VALID[kind]) - 1) == "too_many_bytes"
    frames = read_header(VALID[kind], Limits(pixels=97 * 71, bytes=len(VALID[kind]))).frames
    if frames > 1:
        assert verdict(VALID[kind], frames=frames - 1) == "too_many_frames"


def test_a_circle_of_tiff_pages_ends() -> None:
    data = bytearray(tiff(np.stack([COLOR, COLOR]), photometric="rgb"))
    (first,) = struct.unpack_from("<I", data, 4)
    at = first
    for _ in range(2):
        last = at + 2 + 12 * struct.unpack_from("<H", data, at)[0]
        (at,) = struct.unpack_from("<I", data, last)
    struct.pack_into("<I", data, last, first)
    assert at == 0
    assert len(list(decode_frames(bytes(data), read_header(bytes(data))))) == 2


def test_the_pixel_limit_holds_for_every_page_of_a_tiff() -> None:
    data = saved(Image.new("L", (10, 10)), "TIFF", save_all=True, append_images=[Image.new("L", (300, 300))])
    assert verdict(data, pixels=1000) == "too_many_pixels"


def test_a_16_bit_png_of_a_broken_stream_is_rejected_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    whole = png(COLOR16, 2)
    head = whole[: whole.find(b"IDAT") - 4]
    body = whole[whole.find(b"IDAT") + 4 : -16]
    for broken in (body[:-4] + b"\0\0\0\0", body[:-4], body[:500] + b"\x55" * 40 + body[540:]):
        assert verdict(head + chunk(b"IDAT", broken) + chunk(b"IEND", b"")) in ("corrupt", "truncated")
    more = head + chunk(b"IDAT", body + b"more") + chunk(b"IEND", b"")
    np.testing.assert_array_equal(load(more), COLOR16)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("frame", [-1, 4, 99])
def test_a_frame_that_is_not_there_is_named(frame: int) -> None:
    with pytest.raises(Rejected) as caught:
        load(VALID["gif animated"], frame)
    assert caught.value.reason == "no_such_frame"


def test_a_jpeg_of_no_height_is_corrupt() -> None:
    data = bytearray(VALID["jpeg"])
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 7] = b"\0\0"
    assert verdict(bytes(data)) == "corrupt"


def test_a_png_of_no_width_is_corrupt() -> None:
    head = struct.pack(">IIBBBBB", 0, 5, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    assert verdict(data) == "corrupt"


def test_a_jpeg_of_countless_scans_is_corrupt() -> None:
    data = VALID["jpeg progressive"]
    at = data.rfind(b"\xff\xda")
    scan = data[at:-2]
    assert verdict(data[:-2] + scan * 600 + b"\xff\xd9") == "corrupt"


# --- orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("picture", [COLOR, GRAY], ids=["color", "gray"])
@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("JPEG", {}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg"}),
        ("AVIF", {}),
    ],
    ids=["jpeg", "png", "webp", "tiff", "tiff-lzw", "tiff-jpeg", "avif"],
)
def test_exif_orientation_is_applied_exactly_once(
    format: str, options: dict[str, Any], picture: np.ndarray, orientation: int
) -> None:
    data = saved(picture, format, exif=exif(orientation), **options)
    header = read_header(data)
    assert (header.width, header.height) == ((71, 97) if orientation >= 5 else (97, 71))
    reference = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(decode(data, header).squeeze(), np.asarray(reference))


UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("frame", [0, 1])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float16])
def test_orientation_of_wide_tiffs_is_applied_exactly_once(
    orientation: int, compression: str | None, frame: int, dtype: type
) -> None:
    pages = np.stack([COLOR16, COLOR16[::-1]]) // 2
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        for page in pages.astype(dtype):
            writer.write(page, photometric="rgb", compression=compression, extratags=[(274, 3, 1, orientation, True)])
    if dtype is np.float16 and compression:
        assert verdict(out.getvalue()) == "unsupported_format"
        return
    pixels = load(out.getvalue(), frame)
    wanted = pages[frame].astype(dtype).astype(np.uint16 if dtype is np.uint16 else np.float32)
    assert pixels.dtype == wanted.dtype
    np.testing.assert_array_equal(pixels, UPRIGHT[orientation](wanted))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_16_bit_png_is_applied_exactly_once(orientation: int) -> None:
    data = png(COLOR16, 2, chunk(b"eXIf", exif(orientation).removeprefix(b"Exif\0\0")))
    np.testing.assert_array_equal(load(data), UPRIGHT[orientation](COLOR16))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_a_nonsense_orientation_is_none(value: int) -> None:
    data = saved(COLOR, "JPEG", exif=exif(value))
    np.testing.assert_array_equal(load(data), load(saved(COLOR, "JPEG")))


# --- values


@pytest.mark.parametrize("frame", range(4))
@pytest.mark.parametrize("kind", ["gif animated", "apng", "webp animated"])
def test_a_frame_of_an_animation_is_composited_rgb(kind: str, frame: int) -> None:
    assert read_header(VALID[kind]).frames == 4
    np.testing.assert_array_equal(load(VALID[kind], frame), np.asarray(animation()[frame]))


@kinds
def test_all_frames_in_one_walk_are_the_frames_one_by_one(kind: str) -> None:
    header = read_header(VALID[kind])
    walked = list(decode_frames(VALID[kind], header))
    assert len(walked) == header.frames
    for frame, pixels in enumerate(walked):
        np.testing.assert_array_equal(pixels, decode(VALID[kind], header, frame))


def test_a_gray_gif_is_rgb_in_every_frame() -> None:
    first = Image.fromarray(GRAY)
    data = saved(first, "GIF", save_all=True, append_images=[Image.fromarray(COLOR)])
    header = read_header(data)
    assert [decode(data, header, frame).shape[2] for frame in range(header.frames)] == [3, 3]


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_gray_tiff_is_kept(order: str) -> None:
    gray = COLOR16[..., 0]
    pixels = load(tiff(gray.astype(f"{order}u2"), byteorder=order))
    assert pixels.dtype == np.dtype("uint16")
    np.testing.assert_array_equal(pixels[..., 0], gray)


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib", "predictor": True}, {"tile": (32, 32)}, {"bigtiff": True}]
)
def test_16_bit_rgb_tiff_is_kept(options: dict[str, Any]) -> None:
    np.testing.assert_array_equal(load(tiff(COLOR16, photometric="rgb", **options)), COLOR16)


def test_16_bit_rgb_tiff_of_lzw_and_of_planes_is_kept() -> None:
    encoded = cv2.imencode(".tif", COLOR16[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])[1].tobytes()
    np.testing.assert_array_equal(load(encoded), COLOR16)
    for picture in (COLOR16, COLOR):
        planes = tiff(np.moveaxis(picture, 2, 0).copy(), photometric="rgb", planarconfig="separate")
        np.testing.assert_array_equal(load(planes), picture)


def test_16_bit_png_is_kept() -> None:
    assert load(encode_png(COLOR16)).dtype == np.uint16
    np.testing.assert_array_equal(load(png(COLOR16, 2)), COLOR16)
    np.testing.assert_array_equal(load(saved(Image.fromarray(COLOR16[..., 0]), "PNG"))[..., 0], COLOR16[..., 0])


def test_16_bit_netpbm_is_kept() -> None:
    data = b"P6\n# made by hand\n97 71\n65535\n" + COLOR16.astype(">u2").tobytes()
    np.testing.assert_array_equal(load(data), COLOR16)
    gray = load(saved(Image.fromarray(COLOR16[..., 0]), "PPM"))
    assert gray.dtype == np.uint16
    np.testing.assert_array_equal(gray[..., 0], COLOR16[..., 0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_come_as_float32(dtype: type) -> None:
    values: np.ndarray = (GRAY / 255 - 0.25).astype(dtype)
    pixels = load(tiff(values))
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels[..., 0], values.astype(np.float32))
    rgb: np.ndarray = (COLOR / 255).astype(dtype)
    np.testing.assert_array_equal(load(tiff(rgb, photometric="rgb")), rgb.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint32])
def test_integers_that_fit_16_bits_come_as_uint16(dtype: type) -> None:
    pixels = load(tiff(GRAY.astype(dtype) * 100))
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels[..., 0], GRAY.astype(np.uint16) * 100)


@pytest.mark.parametrize(
    "values",
    [GRAY.astype(np.int32) * 1000, GRAY.astype(np.int16) - 9, GRAY.astype(np.int8), GRAY.astype(np.complex64)],
    ids=["int32", "negative", "int8", "complex"],
)
def test_values_that_no_dtype_keeps_are_named(values: np.ndarray) -> None:
    assert verdict(tiff(values)) == "unsupported_dtype"


def test_a_12_bit_jpeg_is_named() -> None:
    data = bytearray(VALID["jpeg"])
    data[data.find(b"\xff\xc0") + 4] = 12
    assert verdict(bytes(data)) == "unsupported_dtype"


def test_5_channels_are_named() -> None:
    data = tiff(np.dstack([COLOR, COLOR[..., :2]]), photometric="minisblack", planarconfig="contig")
    assert verdict(data) == "unsupported_channels"
    assert (
        verdict(tiff(COLOR[..., :2].copy(), photometric="minisblack", planarconfig="contig")) == "unsupported_channels"
    )


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM", "PCX"])
def test_1_bit_comes_as_0_and_255(format: str) -> None:
    image = Image.fromarray(GRAY).convert("1")
    pixels = load(saved(image, format))
    assert pixels.shape == (71, 97, 1)
    np.testing.assert_array_equal(pixels[..., 0], np.asarray(image.convert("L")))


def test_white_is_zero_is_inverted() -> None:
    np.testing.assert_array_equal(load(tiff(255 - GRAY, photometric="miniswhite"))[..., 0], GRAY)
    gray16 = COLOR16[..., 0]
    np.testing.assert_array_equal(load(tiff(65535 - gray16, photometric="miniswhite"))[..., 0], gray16)


def test_a_palette_is_looked_up() -> None:
    image = Image.fromarray(COLOR).quantize(16)
    for format in ("PNG", "GIF", "BMP", "TIFF"):
        np.testing.assert_array_equal(load(saved(image, format)), np.asarray(image.convert("RGB")))


def test_a_camera_raws_preview_is_not_its_picture() -> None:
    preview = tiff(COLOR, photometric="rgb", subfiletype=1)
    assert verdict(preview) == "unsupported_format"


def test_a_pyramids_levels_are_not_frames() -> None:
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(COLOR, photometric="rgb")
        writer.write(COLOR[::2, ::2], photometric="rgb", subfiletype=1)
        writer.write(COLOR[::-1].copy(), photometric="rgb")
    assert read_header(out.getvalue()).frames == 2
    np.testing.assert_array_equal(load(out.getvalue(), 1), COLOR[::-1])


# --- alpha


ALPHA = np.broadcast_to(np.linspace(0, 255, 97).astype(np.uint8), (71, 97))


def on_white(colors: np.ndarray, alpha: np.ndarray, top: int) -> np.ndarray:
    weight = alpha[..., None] / top
    return np.rint(colors * weight + top * (1 - weight))


@pytest.mark.parametrize("format", ["PNG", "TIFF", "TGA", "SGI", "QOI", "WEBP"])
def test_alpha_is_composited_over_white(format: str) -> None:
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    data = saved(np.dstack([COLOR, ALPHA]), format, **options)
    np.testing.assert_array_equal(load(data), on_white(COLOR, ALPHA, 255))


@pytest.mark.parametrize("format", ["PNG", "TIFF", "TGA"])
def test_gray_with_alpha_stays_gray(format: str) -> None:
    data = saved(Image.fromarray(np.dstack([GRAY, ALPHA]), "LA"), format)
    np.testing.assert_array_equal(load(data), on_white(GRAY[..., None], ALPHA, 255))


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_alpha_is_composited_over_white(channels: int) -> None:
    alpha = ALPHA.astype(np.uint16) * 257
    data = png(np.dstack([COLOR16[..., :channels], alpha]), {1: 4, 3: 6}[channels])
    pixels = load(data)
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, on_white(COLOR16[..., :channels].astype(float), alpha, 65535))
    if channels == 3:
        wide = tiff(np.dstack([COLOR16, alpha]), photometric="rgb", extrasamples=["unassalpha"])
        np.testing.assert_array_equal(load(wide), pixels)


def test_premultiplied_alpha_is_composited_once() -> None:
    plain = on_white(COLOR, ALPHA, 255)
    multiplied = np.rint(COLOR * (ALPHA[..., None] / 255)).astype(np.uint8)
    data = tiff(np.dstack([multiplied, ALPHA]), photometric="rgb", extrasamples=["assocalpha"])
    assert np.abs(load(data) - plain).max() <= 2  # twice rounded to 8 bits
    alpha = ALPHA.astype(np.uint16) * 257
    wide = np.rint(COLOR16 * (alpha[..., None] / 65535)).astype(np.uint16)
    data = tiff(np.dstack([wide, alpha]), photometric="rgb", extrasamples=["assocalpha"])
    assert np.abs(load(data) - on_white(COLOR16, alpha, 65535)).max() <= 2


def test_a_palettes_transparent_entry_is_white() -> None:
    image = Image.fromarray(COLOR).quantize(16)
    clear = np.asarray(image) == 3
    for format in ("PNG", "GIF"):
        pixels = load(saved(image, format, transparency=3))
        assert clear.any()
        assert (pixels[clear] == 255).all()
        np.testing.assert_array_equal(pixels[~clear], np.asarray(image.convert("RGB"))[~clear])


@pytest.mark.parametrize("rows", [GRAY, COLOR, COLOR16[..., 0], COLOR16], ids=["L", "RGB", "L16", "RGB16"])
def test_a_transparent_color_is_white(rows: np.ndarray) -> None:
    top = np.iinfo(rows.dtype).max
    key = np.atleast_1d(rows[3, 5])
    data = png(rows, 2 if rows.ndim == 3 else 0, chunk(b"tRNS", key.astype(">u2").tobytes()))
    solid = rows.reshape(71, 97, -1)
    clear = (solid == key).all(axis=2, keepdims=True)
    np.testing.assert_array_equal(load(data), np.where(clear, top, solid))


# --- color


def matrix_profile(gamma: float, names: str = "rgb", swap: bool = False) -> bytes:
    """An ICC profile by hand: sRGB's colorants (red and green swapped on request) and one gamma."""
    fixed = [
        struct.pack(">4sI3i", b"XYZ ", 0, *(round(v * 65536) for v in xyz))
        for xyz in (
            (0.4360747, 0.2225045, 0.0139322),
            (0.3850649, 0.7168786, 0.0971045),
            (0.1430804, 0.0606169, 0.7141733),
        )
    ]
    if swap:
        fixed[0], fixed[1] = fixed[1], fixed[0]
    curve = struct.pack(">4sIIH", b"curv", 0, 1, round(gamma * 256)) + b"\0\0"
    white = struct.pack(">4sI3i", b"XYZ ", 0, 63190, 65536, 54061)
    text = b"desc" + b"\0" * 4 + struct.pack(">I", 5) + b"test\0" + b"\0" * 79
    text += b"\0" * (-len(text) % 4)
    tags = {b"desc": text, b"wtpt": white, b"cprt": b"text\0\0\0\0none\0\0\0\0"}
    if names == "rgb":
        tags |= {bytes(c, "ascii") + b"XYZ": xyz for c, xyz in zip("rgb", fixed, strict=True)}
        tags |= {bytes(c, "ascii") + b"TRC": curve for c in "rgb"}
    else:
        tags[b"kTRC"] = curve
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        table += struct.pack(">4sII", name, at + len(body), len(tag))
        body += tag
    space = b"RGB " if names == "rgb" else b"GRAY"
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"lcms", 0x02400000, b"mntr", space, b"XYZ ")
    head += b"\0" * 12 + b"acsp" + b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061)
    return head + b"\0" * (128 - len(head)) + table + body


SWAPPED = matrix_profile(2.2, swap=True)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def by_littlecms(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    shown = ImageCms.profileToProfile(
        Image.fromarray(pixels),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return np.asarray(shown)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_an_embedded_profile_is_converted_to_srgb(format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    plain = load(saved(COLOR, format, **options))
    pixels = load(saved(COLOR, format, icc_profile=SWAPPED, **options))
    np.testing.assert_array_equal(pixels, by_littlecms(plain, SWAPPED))
    # Red and green have changed places, and gamma 2.2 is nearly sRGB's curve.
    assert np.abs(pixels[..., 0].astype(int) - plain[..., 1]).mean() < 4


def test_a_profile_is_applied_before_alpha() -> None:
    data = saved(np.dstack([COLOR, ALPHA]), "PNG", icc_profile=SWAPPED)
    np.testing.assert_array_equal(load(data), on_white(by_littlecms(COLOR, SWAPPED), ALPHA, 255))


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_an_srgb_profile_changes_no_pixel(format: str) -> None:
    np.testing.assert_array_equal(load(saved(COLOR, format, icc_profile=SRGB)), load(saved(COLOR, format)))


@pytest.mark.parametrize(
    "profile",
    [b"not a profile", SRGB[:200], b"\0" * 500, SWAPPED[:128] + b"\xff" * 300],
    ids=["text", "cut", "empty", "overwritten"],  # bytes as names would have the second in which it was made
)
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_a_broken_profile_is_ignored_and_the_pixels_kept(format: str, profile: bytes) -> None:
    np.testing.assert_array_equal(load(saved(COLOR, format, icc_profile=profile)), load(saved(COLOR, format)))


def test_a_profile_for_another_kind_of_image_is_ignored() -> None:
    np.testing.assert_array_equal(load(saved(GRAY, "PNG", icc_profile=SWAPPED))[..., 0], GRAY)


def test_a_gray_profile_is_converted_and_gray_stays_gray() -> None:
    profile = matrix_profile(1.0, "gray")
    pixels = load(saved(GRAY, "PNG", icc_profile=profile))
    linear = GRAY / 255
    wanted = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    assert pixels.shape == (71, 97, 1)
    assert np.abs(pixels[..., 0] - wanted).max() <= 1
    wide = png(GRAY.astype(np.uint16) * 257, 0, chunk(b"iCCP", b"p\0\0" + zlib.compress(profile)))
    assert np.abs(load(wide)[..., 0] / 257 - wanted).max() <= 0.01


def test_a_profile_is_applied_to_16_bits_as_to_8() -> None:
    wide = COLOR.astype(np.uint16) * 257
    pixels = load(png(wide, 2, chunk(b"iCCP", b"p\0\0" + zlib.compress(SWAPPED))))
    assert pixels.dtype == np.uint16
    assert np.abs(pixels / 257 - by_littlecms(COLOR, SWAPPED)).max() <= 1.5
    in_tiff = tiff(wide, photometric="rgb", iccprofile=SWAPPED)
    np.testing.assert_array_equal(load(in_tiff), pixels)
    np.testing.assert_array_equal(load(tiff(wide, photometric="rgb", iccprofile=SRGB)), wide)


def test_cmyk_becomes_rgb_as_pillow_converts_it() -> None:
    reference = np.asarray(Image.open(io.BytesIO(VALID["jpeg cmyk"])).convert("RGB"))
    assert read_header(VALID["jpeg cmyk"]).mode == "CMYK"
    np.testing.assert_array_equal(load(VALID["jpeg cmyk"]), reference)
    assert np.abs(reference.astype(int) - COLOR).mean() < 4  # the colors, not their negative
    inks = Image.fromarray(COLOR).convert("CMYK")
    np.testing.assert_array_equal(load(saved(inks, "TIFF")), np.asarray(inks.convert("RGB")))


def test_ycck_becomes_rgb() -> None:
    # A CMYK JPEG whose Adobe marker says YCCK: the same bytes, another transform.
    data = bytearray(VALID["jpeg cmyk"])
    at = data.find(b"Adobe")
    assert data[at + 11] == 0
    data[at + 11] = 2
    reference = np.asarray(Image.open(io.BytesIO(bytes(data))).convert("RGB"))
    np.testing.assert_array_equal(load(bytes(data)), reference)


def test_an_rgb_jpeg_is_not_taken_for_ycc() -> None:
    data = saved(COLOR, "JPEG", quality=95, keep_rgb=True)
    np.testing.assert_array_equal(load(data), np.asarray(Image.open(io.BytesIO(data))))


# --- any bytes at all


@kinds
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(draw=st.data())
def test_mutated_bytes_give_a_verdict_or_an_image_and_print_nothing(kind: str, draw: st.DataObject) -> None:
    data = bytearray(VALID[kind])
    # Headers are where the interesting damage is: half of the places lie in the first 400 bytes.
    place = st.one_of(st.integers(0, min(400, len(data) - 1)), st.integers(0, len(data) - 1))
    for at, value in draw.draw(st.lists(st.tuples(place, st.integers(0, 255)), min_size=1, max_size=8)):
        data[at] = value
    cut = draw.draw(st.one_of(st.just(len(data)), st.integers(0, len(data))))
    gives_a_verdict_or_an_image(bytes(data[:cut]))


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=300), kind=st.sampled_from(sorted(VALID)), head=st.integers(0, 40))
def test_a_magic_and_any_bytes_give_a_verdict_or_an_image(data: bytes, kind: str, head: int) -> None:
    gives_a_verdict_or_an_image(VALID[kind][:head] + data)


def gives_a_verdict_or_an_image(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            header = read_header(data, Limits(pixels=1 << 20, frames=20))
            frames = list(decode_frames(data, header))
        except Rejected as rejected:
            reason, message, frames = rejected.reason, rejected.message, []
        else:
            reason, message = "", "none"
            assert len(frames) == header.frames
    assert message
    assert not reason or reason in REASONS
    for frame, pixels in enumerate(frames):
        assert pixels.dtype in (np.uint8, np.uint16, np.float32)
        assert pixels.ndim == 3
        assert pixels.shape[2] in (1, 3)
        if frame == 0 or header.format != "tiff":
            assert pixels.shape[:2] == (header.height, header.width)


@kinds
def test_damage_prints_nothing(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(1)
    for _ in range(60):
        data = bytearray(VALID[kind])
        for at in random.integers(0, len(data) if random.random() < 0.5 else min(len(data), 2000), 4):
            data[at] ^= 1 << random.integers(8)
        gives_a_verdict_or_an_image(bytes(data[: random.integers(len(data) // 2, len(data) + 1)]))
    assert capfd.readouterr() == ("", "")


def test_a_shortage_of_memory_is_not_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "load", short)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", short)
    with pytest.raises(MemoryError):
        load(VALID["bmp"])


def test_a_verdict_travels_between_processes() -> None:
    with pytest.raises(Rejected) as caught:
        read_header(b"")
    assert pickle.loads(pickle.dumps(caught.value)).reason == "empty"


# --- encoders


@pytest.mark.parametrize(
    "pixels", [COLOR, GRAY[..., None], COLOR16, COLOR16[..., :1]], ids=["rgb", "gray", "rgb16", "gray16"]
)
def test_a_png_round_trip_is_exact(pixels: np.ndarray) -> None:
    again = load(encode_png(pixels))
    assert again.dtype == pixels.dtype
    np.testing.assert_array_equal(again, pixels)
    assert encode_png(pixels) == encode_png(pixels.copy())


@pytest.mark.parametrize("pixels", [samples.astronaut(), samples.camera()[..., None]], ids=["rgb", "gray"])
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_a_jpeg_round_trip_is_close(pixels: np.ndarray, subsampling: str) -> None:
    encoded = encode_jpeg(pixels, 95, subsampling)
    again = load(encoded)
    assert again.shape == pixels.shape
    error = np.mean((again.astype(float) - pixels) ** 2)
    assert 10 * np.log10(255**2 / error) > 35
    assert encoded == encode_jpeg(np.asfortranarray(pixels), 95, subsampling)
    if pixels.shape[2] == 3:
        sampling = simplejpeg.decode_jpeg_header(encoded)[3]
        assert sampling == subsampling.replace(":", "")


def test_an_encoder_refuses_what_it_cannot_hold() -> None:
    with pytest.raises(TypeError):
        encode_jpeg(COLOR16, 90, "4:4:4")
    with pytest.raises(ValueError, match="4:1:1"):
        encode_jpeg(COLOR, 90, "4:1:1")
    with pytest.raises(TypeError):
        encode_png(COLOR.astype(np.float32))
    with pytest.raises(Rejected, match="65500"):
        encode_jpeg(np.zeros((1, 65501, 1), np.uint8), 90, "4:4:4")


GOLDEN = {
    # ENCODER_VERSION, VERSION -> SHA-256 of the encoded bytes, and of the pixels decoded from them
    (1, 1): (
        "9bc342088c9bfa1b438c906c582697194af792b02d917f22ef526a9e573e85b4",
        "5710ee7431c072d98110d328dea7ed3308bd5b9e0f166dd879e2780fa28ae11a",
    ),
}


def test_the_bytes_of_these_versions_do_not_change() -> None:
    encoded = [encode_jpeg(COLOR, 90, "4:2:0"), encode_jpeg(GRAY[..., None], 75, "4:4:4"), encode_png(COLOR16)]
    pixels = [load(data).tobytes() for data in encoded]
    found = hashlib.sha256(b"".join(encoded)).hexdigest(), hashlib.sha256(b"".join(pixels)).hexdigest()
    assert found == GOLDEN[codecs.ENCODER_VERSION, codecs.VERSION]
