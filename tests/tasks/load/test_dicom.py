"""DICOM: the values that a file's users expect, or a verdict; never a word of the patient."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from skimage import data as samples

from tasks.errors import Rejected
from tasks.load.codecs import Limits, decode, decode_frames, read_header
from tasks.load.verdicts import REASONS

COLOR = np.ascontiguousarray(samples.astronaut()[100:134, 180:230])
GRAY = np.ascontiguousarray(samples.camera()[100:134, 180:230])
RAMP = (np.arange(34 * 50) * 37 % 4096).astype(np.uint16).reshape(34, 50)
CT = RAMP.astype(np.int16) - 1024
PATIENT = "Doe^Secret"


def dicom(
    pixels: np.ndarray,
    syntax: str = ExplicitVRLittleEndian,
    *,
    frames: int = 1,
    encoded: list[bytes] | None = None,
    **elements: Any,
) -> bytes:
    """A file as a scanner writes it: a patient, a private sequence, the picture."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName = PATIENT
    dataset.PatientID = "4711"
    item = Dataset()
    item.CodeValue = PATIENT[:10]
    dataset.AnatomicRegionSequence = [item]
    dataset["AnatomicRegionSequence"].is_undefined_length = True
    color = pixels.ndim - (frames > 1) == 3
    dataset.Rows, dataset.Columns = pixels.shape[-3:-1] if color else pixels.shape[-2:]
    dataset.SamplesPerPixel = 3 if color else 1
    dataset.PhotometricInterpretation = "RGB" if color else "MONOCHROME2"
    if color:
        dataset.PlanarConfiguration = 0
    if frames > 1:
        dataset.NumberOfFrames = frames
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.HighBit = elements.get("HighBit", dataset.BitsStored - 1)
    if encoded is None:
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        dataset.PixelData += b"\0" * (len(dataset.PixelData) % 2)
        dataset["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    else:
        dataset.PixelData = encapsulate(encoded)
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    return written(dataset)


def written(dataset: Dataset) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def edited(data: bytes, **elements: Any) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(data))
    for name, value in elements.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    return written(dataset)


def rle(data: bytes) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    return written(dataset)


def saved(pixels: np.ndarray, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format, **options)
    return out.getvalue()


def load(data: bytes, frame: int = 0) -> np.ndarray:
    return decode(data, read_header(data), frame)


def verdict(data: bytes, **limits: int) -> str:
    with pytest.raises(Rejected) as caught:
        list(decode_frames(data, read_header(data, Limits(**limits))))
    assert caught.value.reason in REASONS
    assert PATIENT not in caught.value.message
    return caught.value.reason


def full(values: np.ndarray, bits: int) -> np.ndarray:
    """Values of these bits as fractions of the range here, in floating point."""
    return np.rint(values.astype(float) / (2**bits - 1) * (255 if bits <= 8 else 65535))[..., None]


def ybr(pixels: np.ndarray) -> np.ndarray:
    """PS3.3 C.7.6.3.1.2, rounded."""
    weights = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    return np.clip(np.rint(pixels @ weights.T + [0, 128, 128]), 0, 255).astype(np.uint8)


def group(slope: float, intercept: float) -> Dataset:
    """An item of an Enhanced object's functional groups."""
    transform, item = Dataset(), Dataset()
    transform.RescaleSlope, transform.RescaleIntercept, transform.RescaleType = slope, intercept, "HU"
    item.PixelValueTransformationSequence = [transform]
    return item


def palette(bits: int, order: str = "<", entries: int = 256) -> dict[str, Any]:
    table = np.stack([np.arange(256), 255 - np.arange(256), np.arange(256) // 2], axis=1)[:entries]
    elements: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, column in zip(("Red", "Green", "Blue"), table.T, strict=True):
        values = column.astype("u1") if bits == 8 else (column * 257 - (column > 0)).astype(f"{order}u2")
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [entries, 0, bits]
        elements[f"{name}PaletteColorLookupTableData"] = values.tobytes()
    return elements


FRAMES = np.stack([np.roll(RAMP, 7 * n, axis=1) for n in range(4)])
VALID: dict[str, bytes] = {
    "gray 8": dicom(GRAY),
    "gray 12": dicom(RAMP, BitsStored=12),
    "gray 16": dicom(RAMP * 16),
    "big endian": dicom(RAMP * 16, ExplicitVRBigEndian),
    "implicit": dicom(RAMP * 16, ImplicitVRLittleEndian),
    "ct": dicom(CT, RescaleSlope="2", RescaleIntercept="-10.5"),
    "monochrome1": dicom(GRAY, PhotometricInterpretation="MONOCHROME1"),
    "rgb": dicom(COLOR),
    "palette": dicom(GRAY, **palette(8)),
    "frames": dicom(FRAMES, frames=4, BitsStored=12),
    "enhanced": dicom(FRAMES, frames=4, PerFrameFunctionalGroupsSequence=[group(n + 1, -7) for n in range(4)]),
    "rle 12": rle(dicom(RAMP, BitsStored=12)),
    "rle rgb": rle(dicom(COLOR)),
    "rle frames": rle(dicom(FRAMES, frames=4, BitsStored=12)),
    "jpeg": dicom(COLOR, JPEGBaseline8Bit, encoded=[saved(COLOR, "JPEG")], PhotometricInterpretation="YBR_FULL_422"),
    "jpeg 2000": dicom(GRAY, JPEG2000Lossless, encoded=[saved(GRAY, "JPEG2000", irreversible=False, no_jp2=True)]),
}
kinds = pytest.mark.parametrize("kind", VALID)


# --- the right pixels


@pytest.mark.parametrize(
    ("kind", "mode", "frames"),
    [
        ("gray 8", "L", 1),
        ("gray 12", "I;12", 1),
        ("ct", "I;16S", 1),
        ("rgb", "RGB", 1),
        ("palette", "P", 1),
        ("frames", "I;12", 4),
        ("jpeg", "YCbCr", 1),
    ],
)
def test_a_header_says_what_the_elements_say(kind: str, mode: str, frames: int) -> None:
    header = read_header(VALID[kind])
    assert (header.format, header.width, header.height) == ("dicom", 50, 34)
    assert (header.mode, header.frames) == (mode, frames)


def test_8_bits_are_uint8() -> None:
    pixels = load(VALID["gray 8"])
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels[..., 0], GRAY)


@pytest.mark.parametrize("kind", ["gray 16", "big endian", "implicit"])
def test_16_bits_are_uint16_in_every_byte_order(kind: str) -> None:
    pixels = load(VALID[kind])
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels[..., 0], RAMP * 16)


@pytest.mark.parametrize("bits", [1, 5, 7, 8, 9, 10, 12, 14, 15, 16])
@pytest.mark.parametrize("compressed", [False, True])
def test_fewer_bits_fill_the_whole_range(bits: int, compressed: bool) -> None:
    values = (RAMP.astype(int) * 16 % 2**bits).astype(np.uint16)
    values[0, :2] = 0, 2**bits - 1
    if bits <= 8:
        values = values.astype(np.uint8)
    data = dicom(values, BitsStored=bits)
    pixels = load(rle(data) if compressed else data)
    assert pixels.dtype == (np.uint8 if bits <= 8 else np.uint16)
    assert pixels.max() == np.iinfo(pixels.dtype).max
    np.testing.assert_array_equal(pixels, full(values, bits))


def test_8_bits_in_16_are_uint8() -> None:
    pixels = load(dicom(GRAY.astype(np.uint16), BitsStored=8))
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels[..., 0], GRAY)


def test_bytes_in_words_of_the_other_order_are_put_in_order() -> None:
    data = dicom(GRAY, ExplicitVRBigEndian).replace(b"\x7f\xe0\0\x10OB", b"\x7f\xe0\0\x10OW")
    np.testing.assert_array_equal(load(data).reshape(-1, 2)[:, ::-1], GRAY.reshape(-1, 2))


def test_bits_above_those_stored_are_ignored() -> None:
    data = dicom(RAMP | 0x5000, BitsStored=12)  # an overlay, as old files have it
    np.testing.assert_array_equal(load(data), full(RAMP, 12))
    np.testing.assert_array_equal(load(rle(data)), full(RAMP, 12))


def test_bits_that_do_not_start_at_the_lowest_are_refused() -> None:
    assert verdict(dicom(RAMP << 4, BitsStored=12, HighBit=15)) == "unsupported_dtype"


def test_packed_bits_are_black_and_white() -> None:
    bits = np.random.default_rng(0).random((3, 5, 7)) < 0.5  # frames that begin within a byte
    packed = np.packbits(bits.ravel(), bitorder="little")
    data = dicom(np.zeros((3, 5, 7), np.uint8), frames=3, BitsAllocated=1, BitsStored=1)
    data = edited(data, PixelData=packed.tobytes())
    assert read_header(data).mode == "1"
    for frame, pixels in enumerate(decode_frames(data, read_header(data))):
        np.testing.assert_array_equal(pixels[..., 0], bits[frame] * 255)


def test_a_ct_is_in_hounsfield_units() -> None:
    pixels = load(VALID["ct"])
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels[..., 0], CT * 2.0 - 10.5)
    reference = pydicom.pixels.apply_rescale(CT, pydicom.dcmread(io.BytesIO(VALID["ct"])))
    np.testing.assert_array_equal(pixels[..., 0], reference)


def test_a_rescale_of_unsigned_values_gives_floats() -> None:
    pixels = load(dicom(RAMP, BitsStored=12, RescaleSlope="1", RescaleIntercept="-1024"))
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels[..., 0], RAMP.astype(float) - 1024)


def test_a_rescale_that_changes_nothing_changes_nothing() -> None:
    pixels = load(dicom(GRAY, RescaleSlope="1.0", RescaleIntercept="0"))
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels[..., 0], GRAY)


@pytest.mark.parametrize("compressed", [False, True])
def test_signed_values_without_a_rescale_are_floats_as_stored(compressed: bool) -> None:
    values = np.where(CT > 2000, -5, CT).astype(np.int16)
    stored = (values.view(np.uint16) & 0x0FFF).view(np.int16)  # the sign stands in bit 11
    data = dicom(stored, BitsStored=12)
    pixels = load(rle(data) if compressed else data)
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels[..., 0], values)


def test_an_enhanced_object_is_rescaled_by_its_groups() -> None:
    shared = dicom(FRAMES, frames=4, SharedFunctionalGroupsSequence=[group(2, -7)])
    header = read_header(shared)
    for stored, pixels in zip(FRAMES, decode_frames(shared, header), strict=True):
        np.testing.assert_array_equal(pixels[..., 0], stored * 2.0 - 7)
    # A frame whose own rescale changes nothing is of the others' dtype.
    own = dicom(FRAMES, frames=4, PerFrameFunctionalGroupsSequence=[group(n + 1, 0) for n in range(4)])
    for n, (stored, pixels) in enumerate(zip(FRAMES, decode_frames(own, header), strict=True)):
        assert pixels.dtype == np.float32
        np.testing.assert_array_equal(pixels[..., 0], stored * (n + 1.0))
        np.testing.assert_array_equal(load(own, n), pixels)


def test_monochrome1_is_inverted() -> None:
    np.testing.assert_array_equal(load(VALID["monochrome1"])[..., 0], 255 - GRAY)
    pixels = load(dicom(RAMP, BitsStored=12, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(pixels, 65535 - full(RAMP, 12))
    np.testing.assert_array_equal(load(dicom(CT, PhotometricInterpretation="MONOCHROME1"))[..., 0], -1.0 - CT)


def test_monochrome1_is_inverted_before_the_rescale() -> None:
    elements = {"RescaleSlope": "2", "RescaleIntercept": "-10.5", "PhotometricInterpretation": "MONOCHROME1"}
    np.testing.assert_array_equal(load(dicom(CT, **elements))[..., 0], (-1.0 - CT) * 2 - 10.5)
    film = load(dicom(RAMP, BitsStored=12, **elements))
    np.testing.assert_array_equal(film[..., 0], (4095.0 - RAMP) * 2 - 10.5)


def test_wide_integers_need_a_rescale() -> None:
    wide = RAMP.astype(np.uint32) * 100_000
    assert verdict(dicom(wide)) == "unsupported_dtype"
    pixels = load(dicom(wide, RescaleSlope="1e-5", RescaleIntercept="0"))
    np.testing.assert_allclose(pixels[..., 0], RAMP, rtol=1e-6)


@pytest.mark.parametrize(("keyword", "dtype", "mode"), [("Float", "f4", "F"), ("DoubleFloat", "f8", "F;64")])
def test_floats_are_floats(keyword: str, dtype: str, mode: str) -> None:
    values = (CT / 7).astype(dtype)
    data = edited(
        dicom(CT, BitsAllocated=values.itemsize * 8), PixelData=None, BitsStored=None, PixelRepresentation=None
    )
    data = edited(data, **{f"{keyword}PixelData": values.tobytes()})
    assert read_header(data).mode == mode
    np.testing.assert_array_equal(load(data)[..., 0], values.astype(np.float32))


def test_rgb_is_rgb_by_pixel_and_by_plane() -> None:
    np.testing.assert_array_equal(load(VALID["rgb"]), COLOR)
    planes = np.ascontiguousarray(COLOR.transpose(2, 0, 1)).reshape(COLOR.shape)
    np.testing.assert_array_equal(load(dicom(planes, PlanarConfiguration=1)), COLOR)


@pytest.mark.parametrize("planar", [0, 1])
def test_rle_is_by_plane_whatever_the_element_says(planar: int) -> None:
    np.testing.assert_array_equal(load(edited(VALID["rle rgb"], PlanarConfiguration=planar)), COLOR)


def test_16_bit_rgb_is_kept() -> None:
    wide = COLOR.astype(np.uint16) * 257 + 3
    np.testing.assert_array_equal(load(dicom(wide)), wide)
    np.testing.assert_array_equal(load(dicom(wide >> 6, BitsStored=10)), full(wide >> 6, 10)[..., 0])


@pytest.mark.parametrize("compressed", [False, True])
def test_ybr_becomes_rgb(compressed: bool) -> None:
    data = dicom(ybr(COLOR), PhotometricInterpretation="YBR_FULL")
    assert np.abs(load(rle(data) if compressed else data).astype(int) - COLOR).max() <= 1


def test_ybr_of_half_resolution_becomes_rgb() -> None:
    flat = np.repeat(COLOR[:, ::2], 2, axis=1)
    pairs = ybr(flat).reshape(34, 25, 2, 3)
    halved = np.concatenate([pairs[..., 0], pairs[:, :, 0, 1:]], axis=2)
    data = edited(dicom(COLOR, PhotometricInterpretation="YBR_FULL_422"), PixelData=halved.tobytes())
    assert np.abs(load(data).astype(int) - flat).max() <= 1
    assert verdict(edited(data, PixelData=halved.tobytes()[:-2])) == "corrupt"


@pytest.mark.parametrize(("bits", "order"), [(8, "<"), (16, "<"), (16, ">")])
def test_a_palette_is_looked_up(bits: int, order: str) -> None:
    syntax = ExplicitVRBigEndian if order == ">" else ExplicitVRLittleEndian
    pixels = load(dicom(GRAY, syntax, **palette(bits, order)))
    wanted = np.stack([GRAY, 255 - GRAY, GRAY // 2], axis=2)
    assert pixels.dtype == (np.uint8 if bits == 8 else np.uint16)
    np.testing.assert_array_equal(pixels, wanted if bits == 8 else wanted.astype(np.uint16) * 257 - (wanted > 0))


@pytest.mark.parametrize("factor", [256, 257])
def test_a_palette_of_16_bits_that_holds_8_gives_uint8(factor: int) -> None:
    elements = palette(8)
    for name in ("Red", "Green", "Blue"):
        column = np.frombuffer(elements[f"{name}PaletteColorLookupTableData"], "u1")
        elements[f"{name}PaletteColorLookupTableData"] = (column * np.uint16(factor)).tobytes()
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
    np.testing.assert_array_equal(load(dicom(GRAY, **elements)), load(VALID["palette"]))


def test_values_beyond_a_palette_are_its_ends() -> None:
    elements = palette(8, entries=100)
    for name in ("Red", "Green", "Blue"):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [100, 20, 8]
    index = np.clip(GRAY.astype(int) - 20, 0, 99)
    wanted = np.stack([index, 255 - index, index // 2], axis=2)
    np.testing.assert_array_equal(load(dicom(GRAY, **elements)), wanted)


@pytest.mark.parametrize("kind", ["frames", "rle frames"])
def test_each_frame_is_the_same_by_number_and_in_order(kind: str) -> None:
    data = VALID[kind]
    header = read_header(data)
    for n, pixels in enumerate(decode_frames(data, header)):
        np.testing.assert_array_equal(pixels, full(FRAMES[n], 12))
        np.testing.assert_array_equal(decode(data, header, n), pixels)
    with pytest.raises(Rejected, match="no frame 4"):
        decode(data, header, 4)


@pytest.mark.parametrize("has_table", [True, False])
@pytest.mark.parametrize("fragments", [1, 3])
def test_frames_are_found_in_any_fragments(has_table: bool, fragments: int) -> None:
    frames = [saved(np.roll(GRAY, n, axis=1), "JPEG", quality=95) for n in range(4)]
    data = dicom(np.stack([GRAY] * 4), JPEGBaseline8Bit, frames=4, encoded=frames)
    data = edited(data, PixelData=encapsulate(frames, fragments_per_frame=fragments, has_bot=has_table))
    for n, pixels in enumerate(decode_frames(data, read_header(data))):
        np.testing.assert_array_equal(pixels[..., 0], np.asarray(Image.open(io.BytesIO(frames[n]))))


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2"])
def test_rle_is_what_pydicom_decodes(dtype: str) -> None:
    random = np.random.default_rng(3)
    values = np.where(RAMP % 5 < 2, 7, random.integers(0, 100, RAMP.shape)).astype(dtype)
    values.flat[0] = np.iinfo(dtype).min
    data = rle(dicom(values, RescaleSlope="0.5", RescaleIntercept="1"))
    reference = pydicom.dcmread(io.BytesIO(data)).pixel_array
    np.testing.assert_array_equal(load(data)[..., 0], (reference * 0.5 + 1).astype(np.float32))


@pytest.mark.parametrize("marked", [True, False], ids=["marked", "unmarked"])
@pytest.mark.parametrize("space", ["RGB", "YBR_FULL_422"])
def test_a_jpegs_colors_are_those_that_the_elements_name(space: str, marked: bool) -> None:
    encoded = saved(COLOR, "JPEG", quality=95, subsampling=0, keep_rgb=space == "RGB")
    if not marked:  # without the markers by which JPEG itself tells RGB from YCbCr, as in DICOM they may be
        if space == "RGB":
            encoded = bytearray(encoded)
            assert encoded[2:6] == b"\xff\xee\0\x0e"
            encoded[2:18] = b"\xff\xee\0\x0cAdobe" + b"\0" * 5  # too short to count
            for marker, step, at in ((b"\xff\xc0", 3, 10), (b"\xff\xda", 2, 5)):
                start = encoded.index(marker)
                encoded[start + at : start + at + 3 * step : step] = b"\1\2\3"
            encoded = bytes(encoded)
        else:
            encoded = encoded[:2] + encoded[20:]
            assert b"JFIF" not in encoded
    data = dicom(COLOR, JPEGBaseline8Bit, encoded=[encoded], PhotometricInterpretation=space)
    pixels = load(data)
    assert np.abs(pixels.astype(int) - COLOR).mean() < 3
    reference = pydicom.dcmread(io.BytesIO(data)).pixel_array
    assert np.abs(pixels.astype(int) - reference).max() <= 2


@pytest.mark.parametrize("values", [GRAY, RAMP * 16, COLOR], ids=["8", "16", "rgb"])
def test_jpeg_2000_is_lossless_where_it_is(values: np.ndarray) -> None:
    encoded = saved(values, "JPEG2000", irreversible=False, no_jp2=True, mct=0)
    data = dicom(values, JPEG2000Lossless, encoded=[encoded])
    np.testing.assert_array_equal(load(data), values.reshape(34, 50, -1))


def test_jpeg_2000_beyond_the_bits_said_is_refused() -> None:
    encoded = saved(RAMP * 16, "JPEG2000", irreversible=False, no_jp2=True)
    assert verdict(dicom(RAMP, JPEG2000Lossless, encoded=[encoded], BitsStored=12)) == "corrupt"


def test_an_icc_profile_is_applied() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_array_equal(load(dicom(COLOR, ICCProfile=profile)), COLOR)
    np.testing.assert_array_equal(load(dicom(COLOR, ICCProfile=b"not a profile!")), COLOR)


def test_a_tiffs_magic_in_the_preamble_changes_nothing() -> None:
    data = b"II*\0\x08\0\0\0" + VALID["gray 8"][8:]  # as scanners write it
    assert read_header(data).format == "dicom"


# --- verdicts


def test_without_preamble_it_is_not_an_image() -> None:
    assert verdict(VALID["gray 8"][128:]) == "not_an_image"


def test_limits_are_checked_before_pixels() -> None:
    assert verdict(VALID["gray 8"], pixels=34 * 50 - 1) == "too_many_pixels"
    assert verdict(VALID["frames"], frames=3) == "too_many_frames"
    assert verdict(edited(VALID["gray 8"], Rows=65535, Columns=65535)) == "too_many_pixels"
    assert verdict(edited(VALID["gray 8"], NumberOfFrames="2000000000")) == "too_many_frames"
    assert verdict(edited(VALID["gray 8"], Rows=0)) == "corrupt"


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"PhotometricInterpretation": "HSV"}, "unsupported_format"),
        ({"PhotometricInterpretation": "RGB"}, "corrupt"),
        ({"SamplesPerPixel": 4}, "unsupported_channels"),
        ({"BitsAllocated": 12, "BitsStored": 12, "HighBit": 11}, "unsupported_dtype"),
        ({"BitsStored": 9, "HighBit": 8}, "corrupt"),
        ({"RescaleSlope": "0", "RescaleIntercept": "1"}, "corrupt"),
        ({"Columns": None}, "corrupt"),
        ({"NumberOfFrames": "-1"}, "corrupt"),
        ({"NumberOfFrames": "2"}, "corrupt"),
    ],
    ids=str,
)
def test_elements_that_cannot_be_are_named(elements: dict[str, Any], reason: str) -> None:
    assert verdict(edited(VALID["gray 8"], **elements)) == reason


def test_a_modality_table_is_refused_not_ignored() -> None:
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType, item.LUTData = [2, 0, 16], "HU", b"\0\0\1\0"
    item["LUTDescriptor"].VR, item["LUTData"].VR = "US", "OW"
    assert verdict(dicom(GRAY, ModalityLUTSequence=[item])) == "unsupported_format"


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless, DeflatedExplicitVRLittleEndian])
def test_a_transfer_syntax_that_is_not_read_is_named(syntax: UID) -> None:
    with pytest.raises(Rejected, match=re.escape(syntax.name)) as caught:
        read_header(dicom(GRAY, syntax, encoded=[b"frame"]))
    assert caught.value.reason == "unsupported_format"


def test_an_unknown_transfer_syntax_is_not_quoted() -> None:
    data = VALID["jpeg"].replace(JPEGBaseline8Bit.encode(), JPEGBaseline8Bit.encode()[:-2] + b"99", 1)
    with pytest.raises(Rejected, match=r"\(unknown\)"):
        read_header(data)
    at = data.index(b"\2\0\x10\0UI") + 6
    longer = data[:at] + b"\xff\0" + data[at + 2 :]  # up to the patient's name
    assert PATIENT.encode() in longer[at : at + 255]
    with pytest.raises(Rejected, match=r"\(unknown\)"):
        read_header(longer)


def test_an_object_without_pixels_is_named() -> None:
    report = edited(VALID["gray 8"], PixelData=None, Rows=None, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")
    report = report.replace(b"1.2.840.10008.5.1.4.1.1.7\0", b"1.2.840.10008.5.1.4.34.7\0\0")
    with pytest.raises(Rejected, match="no pixels") as caught:
        read_header(report)
    assert caught.value.reason == "unsupported_format"


def test_a_frame_of_another_size_is_refused_before_it_is_decoded() -> None:
    for syntax, format in ((JPEGBaseline8Bit, "JPEG"), (JPEG2000Lossless, "JPEG2000")):
        data = dicom(GRAY, syntax, encoded=[saved(np.zeros((900, 900), np.uint8), format)])
        with pytest.raises(Rejected, match="900 x 900"):
            load(data)


def test_rle_beyond_the_frame_is_padding() -> None:
    body = b"\x81\7" * 100_000
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + body
    assert load(dicom(np.zeros((3, 5), np.uint8), RLELossless, encoded=[frame])).tolist() == [[[7]] * 5] * 3


@kinds
def test_a_cut_anywhere_is_a_verdict(kind: str) -> None:
    data = VALID[kind]
    end = len(data) - 2  # the last two bytes may be padding
    points = [*range(132, min(1200, end), 7), *np.linspace(1200, end, 40, dtype=int).tolist()]
    found = {point: verdict(data[:point]) for point in points if point <= end}
    late = {reason for point, reason in found.items() if point > 500}
    assert late == {"truncated"}
    assert set(found.values()) <= {"truncated", "corrupt"}


def test_a_cut_that_the_container_hides_is_a_verdict() -> None:
    for kind, syntax in (("JPEG", JPEGBaseline8Bit), ("JPEG2000", JPEG2000Lossless)):
        whole = saved(GRAY, kind)
        data = dicom(GRAY, syntax, encoded=[whole[: len(whole) // 2]])
        assert verdict(data) == "truncated"
    frame = pydicom.encaps.get_frame(pydicom.dcmread(io.BytesIO(VALID["rle 12"])).PixelData, 0)
    assert verdict(dicom(RAMP, RLELossless, encoded=[frame[: len(frame) - 200]], BitsStored=12)) == "truncated"


def test_a_value_that_pydicom_cannot_read_is_not_quoted() -> None:
    for kind in ("ct", "rle 12"):
        at = VALID[kind].index(b"\x08\0\x05\0CS") + 4
        damaged = bytearray(VALID[kind])
        damaged[at : at + 2] = b"FD"  # ten bytes as numbers of eight
        with pytest.raises(Rejected, match="BytesLengthException") as caught:
            read_header(bytes(damaged))
        assert caught.value.reason == "corrupt"
        assert "ISO_IR" not in caught.value.message


def mutations(data: bytes) -> st.SearchStrategy[list[tuple[int, int]]]:
    place = st.one_of(st.integers(132, min(900, len(data) - 1)), st.integers(132, len(data) - 1))
    return st.lists(st.tuples(place, st.integers(0, 255)), min_size=1, max_size=8)


@kinds
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(draw=st.data())
def test_mutated_bytes_give_a_verdict_or_an_image(kind: str, draw: st.DataObject) -> None:
    data = bytearray(VALID[kind])
    for at, value in draw.draw(mutations(VALID[kind])):
        data[at] = value
    cut = draw.draw(st.one_of(st.just(len(data)), st.integers(132, len(data))))
    gives_a_verdict_or_an_image(bytes(data[:cut]))


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=400), head=st.sampled_from([132, 180, 300, 400, 600]))
def test_any_elements_give_a_verdict_or_an_image(body: bytes, head: int) -> None:
    gives_a_verdict_or_an_image(VALID["ct"][:head] + body)


def gives_a_verdict_or_an_image(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            header = read_header(data, Limits(pixels=1 << 20, frames=20))
            frames = list(decode_frames(data, header))
        except Rejected as rejected:
            reason, message, frames = rejected.reason, rejected.message, []
        else:
            reason, message = "", ""
            assert len(frames) == header.frames
    assert not reason or reason in REASONS
    assert PATIENT[:5] not in message
    for pixels in frames:
        assert pixels.dtype in (np.uint8, np.uint16, np.float32)
        assert pixels.shape[:2] == (header.height, header.width)
        assert pixels.shape[2] in (1, 3)


@kinds
def test_damage_prints_and_logs_nothing(
    kind: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    random = np.random.default_rng(1)
    for _ in range(60):
        data = bytearray(VALID[kind])
        for at in random.integers(132, len(data) if random.random() < 0.5 else 900, 4):
            data[at] ^= 1 << random.integers(8)
        gives_a_verdict_or_an_image(bytes(data[: random.integers(len(data) // 2, len(data) + 1)]))
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


# --- without pydicom


def test_without_pydicom_the_verdict_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom.filereader", None)
    with pytest.raises(Rejected, match=r"pip install 'imagemill\[dicom\]'") as caught:
        read_header(VALID["gray 8"])
    assert caught.value.reason == "unsupported_format"


def test_pydicom_is_imported_late() -> None:
    code = "import sys, tasks.load.codecs; sys.exit('pydicom' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
