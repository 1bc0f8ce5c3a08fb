"""The sample collection is what ``data/make_sample.py`` says it is."""

import importlib.util
import io
import json
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from types import ModuleType

import imagehash
import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image, ImageOps, UnidentifiedImageError
from skimage.measure import blur_effect

DATA = Path(__file__).parents[2] / "data"
SAMPLE = DATA / "sample"
QUICKSTART = SAMPLE / "quickstart"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_sample", DATA / "make_sample.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def shown(file: Path) -> Image.Image:
    """The image as a viewer shows it, RGB of 8 bits."""
    with Image.open(file) as image:
        image.load()
        if image.mode.startswith("I"):
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        return ImageOps.exif_transpose(image).convert("RGB")


def readable() -> list[Path]:
    return sorted(p for p in QUICKSTART.rglob("*.*") if not p.name.startswith("broken_"))


def good() -> list[Path]:
    return [p for p in readable() if not p.name.startswith(("poor_", "copy_"))]


def brightness(image: Image.Image) -> float:
    """The 99th percentile of perceived brightness, in 0..1."""
    squares = np.asarray(image, np.float64) ** 2
    return float(np.percentile(np.sqrt(squares @ [0.241, 0.691, 0.068]), 99) / 255)


def sharpness(image: Image.Image) -> float:
    gray = image.convert("L")
    gray.thumbnail((512, 512))
    return 1 - float(blur_effect(np.asarray(gray)))


def test_it_is_small() -> None:
    assert sum(len(content) for content in files(SAMPLE).values()) < 4_000_000


def test_two_runs_of_the_script_give_the_same_bytes(script: ModuleType, tmp_path: Path) -> None:
    script.write(tmp_path / "one")
    script.write(tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_the_script_gives_what_is_committed(script: ModuleType, tmp_path: Path) -> None:
    script.write(tmp_path)
    made, committed = files(tmp_path / "sample"), files(SAMPLE)
    assert made.keys() == committed.keys()
    assert (tmp_path / "ATTRIBUTION.md").read_text("utf-8") == (DATA / "ATTRIBUTION.md").read_text("utf-8")
    if script.made_with() != json.loads((DATA / "made_with.json").read_text("utf-8")):
        pytest.skip("other library versions than those that made the committed files: bytes may differ")
    assert [path for path in made if made[path] != committed[path]] == []


def test_every_source_is_attributed(script: ModuleType) -> None:
    used = {source for recipe in script.FILES.values() for source in recipe.sources}
    assert used == set(script.SOURCES)
    assert all(all(source) for source in script.SOURCES.values())


def test_there_are_about_forty_good_images_under_six_labels() -> None:
    assert len(good()) >= 40
    assert len({p.parent.name for p in good()}) >= 5


@pytest.mark.parametrize("file", good(), ids=lambda p: p.name)
def test_good_images_are_neither_dark_nor_blurry_nor_tiny(file: Path) -> None:
    image = shown(file)
    assert brightness(image) >= 0.32
    assert sharpness(image) >= 0.62
    assert min(image.size) >= 64


def test_good_images_are_no_near_copies_of_each_other() -> None:
    hashes = {p.name: imagehash.phash(shown(p), hash_size=16) for p in good()}
    assert [(a, b) for a, b in combinations(hashes, 2) if hashes[a] - hashes[b] <= 60] == []


def test_the_truncated_jpeg_starts_as_one_and_cannot_be_read() -> None:
    file = QUICKSTART / "photos/broken_truncated.jpg"
    assert file.read_bytes().startswith(b"\xff\xd8\xff")
    assert not file.read_bytes().endswith(b"\xff\xd9")
    with Image.open(file) as image, pytest.raises(OSError, match="truncated"):
        image.load()


def test_the_text_file_is_no_image() -> None:
    with pytest.raises(UnidentifiedImageError):
        Image.open(QUICKSTART / "photos/broken_text.jpg")


def test_the_empty_file_has_no_bytes() -> None:
    assert (QUICKSTART / "photos/broken_empty.jpg").stat().st_size == 0


def test_the_exact_copy_has_the_same_bytes() -> None:
    photos = QUICKSTART / "photos"
    assert (photos / "copy_exact.jpg").read_bytes() == (photos / "coffee.jpg").read_bytes()


def test_the_half_size_copy_is_a_near_duplicate() -> None:
    whole, half = (shown(QUICKSTART / "microscopy" / name) for name in ("glands_4.jpg", "copy_half_size.jpg"))
    assert half.size == (whole.width // 2, whole.height // 2)
    assert imagehash.phash(whole, hash_size=16) - imagehash.phash(half, hash_size=16) <= 60


def test_the_dark_image_is_dark() -> None:
    assert brightness(shown(QUICKSTART / "photos/poor_dark.jpg")) < 0.32


def test_the_blurred_image_is_blurry() -> None:
    assert sharpness(shown(QUICKSTART / "photos/poor_blurred.jpg")) < 0.4


def test_the_exif_image_is_stored_lying_and_shown_upright() -> None:
    with Image.open(QUICKSTART / "photos/odd_exif_6.jpg") as image:
        assert image.getexif()[0x0112] == 6
        assert image.width > image.height
        turned = ImageOps.exif_transpose(image)
    assert turned.width < turned.height


@pytest.mark.parametrize(
    ("name", "format", "mode"),
    [
        ("photos/odd_cmyk.jpg", "JPEG", "CMYK"),
        ("medical/odd_rgba.png", "PNG", "RGBA"),
        ("photos/odd_palette.png", "PNG", "P"),
    ],
)
def test_the_odd_modes_are_real(name: str, format: str, mode: str) -> None:
    with Image.open(QUICKSTART / name) as image:
        assert (image.format, image.mode) == (format, mode)


def test_the_rgba_image_has_transparent_and_opaque_parts() -> None:
    alpha = iio.imread(QUICKSTART / "medical/odd_rgba.png")[..., 3]
    assert alpha.min() == 0
    assert alpha.max() == 255


def test_the_16_bit_image_holds_more_than_8_bits() -> None:
    pixels = iio.imread(QUICKSTART / "textures/odd_16_bit.png")
    assert pixels.dtype == np.uint16
    assert len(np.unique(pixels)) > 256


def test_the_animated_gif_has_three_different_frames() -> None:
    frames = iio.imread(QUICKSTART / "photos/odd_animated.gif", index=None)
    assert len(frames) == 3
    assert all((a != b).any() for a, b in combinations(frames, 2))


def test_every_box_lies_within_its_image() -> None:
    coco = json.loads((SAMPLE / "detection/annotations.json").read_text("utf-8"))
    images = {image["id"]: image for image in coco["images"]}
    listed = {image["file_name"] for image in coco["images"]}
    assert listed == {p.name for p in (SAMPLE / "detection").iterdir()} - {"annotations.json"}
    for image in coco["images"]:
        with Image.open(SAMPLE / "detection" / image["file_name"]) as opened:
            assert opened.size == (image["width"], image["height"])
    for annotation in coco["annotations"]:
        x, y, width, height = annotation["bbox"]
        image = images[annotation["image_id"]]
        assert width > 0 and height > 0
        assert 0 <= x and x + width <= image["width"]
        assert 0 <= y and y + height <= image["height"]
    assert {c["id"] for c in coco["categories"]} == {a["category_id"] for a in coco["annotations"]}


def test_every_coin_is_found_once() -> None:
    coco = json.loads((SAMPLE / "detection/annotations.json").read_text("utf-8"))
    assert sum(annotation["category_id"] == 1 for annotation in coco["annotations"]) == 24


def test_the_xray_images_are_gray_and_some_have_16_bits() -> None:
    dtypes = set()
    for file in (SAMPLE / "xray").rglob("*.png"):
        pixels = iio.imread(file)
        assert pixels.ndim == 2
        assert pixels.dtype == (np.uint16 if "16_bit" in file.name else np.uint8)
        dtypes.add(str(pixels.dtype))
    assert dtypes == {"uint8", "uint16"}


def test_faces_are_as_scikit_image_ships_them() -> None:
    for file in (SAMPLE / "faces").rglob("*.png"):
        pixels = iio.imread(io.BytesIO(file.read_bytes()))
        assert pixels.shape == (25, 25)
        assert np.ptp(pixels) > 60


def test_the_versions_noted_are_of_installed_packages() -> None:
    for package in json.loads((DATA / "made_with.json").read_text("utf-8")):
        assert version(package)
