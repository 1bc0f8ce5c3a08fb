"""Make ``data/sample`` from the images that scikit-image's wheel ships: ``python data/make_sample.py``.

Everything that lies in the sample is listed in ``FILES`` with the images it was made from; ``ATTRIBUTION.md`` is
written from the same table, so it is complete. No network, no clock, no floating-point kernels whose last bit depends
on the processor: the same library versions (``made_with.json``) give the same bytes.

What a file is for stands in the first word of its name:

- ``broken_``: cannot be read, must be rejected, never half shown
- ``poor_``: can be read, but a screen for dark or blurry images should find it
- ``copy_``: an exact or a resized copy of another file
- ``odd_``: a good image in a form that careless loaders get wrong
- none of these: a good image, no near copy of any other
"""

import argparse
import io
import json
from collections.abc import Callable
from functools import cache, partial
from math import isqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
import skimage
from PIL import Image, ImageDraw, ImageFilter
from skimage.measure import label, regionprops
from skimage.morphology import closing, footprint_rectangle

Box = tuple[int, int, int, int]  # x, y, width, height

SHIPPED = Path(skimage.__file__).parent / "data"
HERE = Path(__file__).parent
SEED = 7


class Source(NamedTuple):
    """An image of scikit-image's, and what its documentation says of origin and licence."""

    title: str
    origin: str
    licence: str


UNSTATED = "none stated; distributed with scikit-image (BSD-3-Clause)"
SOURCES = {
    "astronaut.png": Source(
        "Astronaut Eileen Collins", "NASA Great Images database, https://flic.kr/p/r9qvLn", "public domain"
    ),
    "brick.png": Source("Brick wall", "CC0Textures, https://cc0textures.com/view.php?tex=Bricks25", "CC0"),
    "camera.png": Source("Photographer with a camera", "Lav Varshney", "CC0"),
    "cell.png": Source(
        "Cell floating in saline", "P. Müller et al., Optics Express 26(8), 2018, doi:10.1364/OE.26.010729", "CC0"
    ),
    "chelsea.png": Source("Chelsea the cat", "Stefan van der Walt", "CC0"),
    "clock_motion.png": Source("Wall clock, camera moving", "Stefan van der Walt", "public domain"),
    "coffee.png": Source("Coffee cup", "Rachel Michetti, courtesy of Pikolo Espresso Bar", "CC0"),
    "coins.png": Source(
        "Greek coins from Pompeii",
        "Brooklyn Museum, https://www.brooklynmuseum.org/opencollection/archives/image/51611",
        "no known copyright restrictions",
    ),
    "grass.png": Source("Grass", "LinoLafett, https://www.deviantart.com/linolafett/art/Grass-01-434853879", "CC0"),
    "gravel.png": Source("Gravel", "CC0Textures, https://cc0textures.com/view.php?tex=Gravel04", "CC0"),
    "horse.png": Source("Silhouette of a horse", "Andreas Preuss (marauder), openclipart.org/detail/158377", "CC0"),
    "hubble_deep_field.jpg": Source(
        "Hubble eXtreme Deep Field",
        "NASA, http://hubblesite.org/newscenter/archive/releases/2012/37/image/a/",
        "may be freely used in the public domain",
    ),
    "ihc.png": Source(
        "Colonic glands, immunohistochemical staining",
        "Center for Microscopy And Molecular Imaging (CMMI)",
        "no known copyright restrictions",
    ),
    "lfw_subset.npy": Source(
        "Faces and backgrounds, 25 x 25 px",
        "subset of Labeled Faces in the Wild (Huang et al., 2012), http://vis-www.cs.umass.edu/lfw/",
        UNSTATED,
    ),
    "microaneurysms.png": Source(
        "Retina with lesions, green channel",
        "High-Resolution Fundus database, image 07_dr (Budai et al., 2013, doi:10.1155/2013/154860)",
        "CC0 given by the owner (Andreas Maier)",
    ),
    "phantom.png": Source(
        "Shepp-Logan phantom", "drawn after Shepp and Logan, 1974, doi:10.1109/TNS.1974.6499235", UNSTATED
    ),
    "retina.jpg": Source(
        "Fundus photograph of a normal left eye", "Mikael Häggström, 2014, doi:10.15347/wjm/2014.008", "CC0"
    ),
    "rocket.jpg": Source(
        "Falcon 9 carrying DSCOVR", "SpaceX, https://www.flickr.com/photos/spacexphotos/16511594820", "public domain"
    ),
    "text.png": Source(
        "Handwriting on squared paper", "https://en.wikipedia.org/wiki/File:Corner.png", "public domain"
    ),
}


class Recipe(NamedTuple):
    """A file of the sample: the images it was made from, what was done, and the bytes."""

    sources: tuple[str, ...]
    what: str
    bytes: Callable[[], bytes]


FILES: dict[str, Recipe] = {}


# --- reading and writing ---------------------------------------------------------------------------------------------


@cache
def shipped(name: str) -> Image.Image:
    """An image as scikit-image ships it, read from the wheel's folder and nowhere else."""
    with Image.open(SHIPPED / name) as image:
        image.load()
        return image


@cache
def faces() -> np.ndarray:
    """The 100 faces and 100 backgrounds of ``lfw_subset``, uint8."""
    return np.rint(np.load(SHIPPED / "lfw_subset.npy") * 255).astype(np.uint8)


def cut(name: str, box: Box | None = None, size: tuple[int, int] | None = None) -> Image.Image:
    """A part of a shipped image, made smaller to ``size`` (width, height)."""
    image = shipped(name)
    if box is not None:
        x, y, width, height = box
        image = image.crop((x, y, x + width, y + height))
    return image if size is None else image.resize(size, Image.Resampling.LANCZOS)


def jpeg(image: Image.Image, quality: int = 90, **options: object) -> bytes:
    """JPEG bytes, the mode kept."""
    return encoded(image, "JPEG", quality=quality, **options)


def png(image: Image.Image) -> bytes:
    """PNG bytes, the mode kept."""
    return encoded(image, "PNG", optimize=True)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    """The image in a file format, without metadata of its own."""
    image = image.copy()
    image.info = {}
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def describe(box: Box | None, size: tuple[int, int] | None) -> str:
    """What ``cut`` did, in words."""
    where = "whole image" if box is None else "crop [{}, {}, {}, {}]".format(*box)
    return where if size is None else f"{where}, resized to {size[0]} x {size[1]}"


def add(path: str, name: str, box: Box | None = None, size: tuple[int, int] | None = None) -> None:
    """List a plain cut of a shipped image under ``path``."""
    encode = png if path.endswith(".png") else jpeg
    FILES[path] = Recipe((name,), describe(box, size), lambda: encode(cut(name, box, size)))


# --- quickstart: folders as labels -----------------------------------------------------------------------------------

QUICKSTART = "quickstart"
GOOD: dict[str, tuple[str, Box | None, tuple[int, int] | None]] = {
    "faces/astronaut.jpg": ("astronaut.png", (130, 0, 210, 190), (105, 95)),
    "faces/cat.jpg": ("chelsea.png", None, (240, 160)),
    "faces/photographer.png": ("camera.png", (170, 50, 180, 180), None),
    "medical/microaneurysms.png": ("microaneurysms.png", None, None),
    "medical/phantom.png": ("phantom.png", None, None),
    "medical/retina_disc.jpg": ("retina.jpg", (80, 450, 380, 380), (136, 136)),
    "medical/retina_lower.jpg": ("retina.jpg", (480, 900, 380, 380), (228, 228)),
    "medical/retina_macula.jpg": ("retina.jpg", (520, 480, 380, 380), (228, 228)),
    "medical/retina_right.jpg": ("retina.jpg", (940, 480, 380, 380), (228, 228)),
    "medical/retina_upper.jpg": ("retina.jpg", (480, 80, 380, 380), (228, 228)),
    "microscopy/glands_1.jpg": ("ihc.png", (0, 0, 256, 256), None),
    "microscopy/glands_2.jpg": ("ihc.png", (256, 0, 256, 256), None),
    "microscopy/glands_3.jpg": ("ihc.png", (0, 256, 256, 256), None),
    "microscopy/glands_4.jpg": ("ihc.png", (256, 256, 256, 256), None),
    "photos/campus.jpg": ("camera.png", (352, 150, 160, 130), None),
    "photos/coffee.jpg": ("coffee.png", (130, 0, 380, 370), None),
    "photos/formulas.png": ("text.png", None, None),
    "photos/launch.jpg": ("rocket.jpg", (210, 100, 220, 327), None),
    "photos/shuttle.jpg": ("astronaut.png", (342, 0, 170, 310), (76, 138)),
    "photos/tower.jpg": ("rocket.jpg", (430, 60, 210, 367), None),
    "photos/tripod.jpg": ("camera.png", (200, 240, 200, 272), None),
    "space/deep_field_1.jpg": ("hubble_deep_field.jpg", (0, 0, 320, 420), None),
    "space/deep_field_2.jpg": ("hubble_deep_field.jpg", (330, 0, 320, 420), None),
    "space/deep_field_3.jpg": ("hubble_deep_field.jpg", (660, 0, 320, 420), None),
    "space/deep_field_4.jpg": ("hubble_deep_field.jpg", (0, 440, 320, 420), None),
    "space/deep_field_5.jpg": ("hubble_deep_field.jpg", (330, 440, 320, 420), None),
    "space/deep_field_6.jpg": ("hubble_deep_field.jpg", (660, 440, 320, 420), None),
    "textures/brick_1.png": ("brick.png", (0, 0, 256, 256), None),
    "textures/brick_2.jpg": ("brick.png", (256, 0, 256, 256), None),
    "textures/brick_3.jpg": ("brick.png", (0, 256, 512, 256), None),
    "textures/grass_1.jpg": ("grass.png", (0, 0, 256, 256), None),
    "textures/grass_2.jpg": ("grass.png", (256, 0, 256, 256), None),
    "textures/grass_3.jpg": ("grass.png", (0, 256, 256, 256), None),
    "textures/grass_4.jpg": ("grass.png", (256, 256, 256, 256), None),
    "textures/gravel_1.jpg": ("gravel.png", (0, 0, 256, 256), None),
    "textures/gravel_2.jpg": ("gravel.png", (256, 0, 256, 256), None),
    "textures/gravel_3.jpg": ("gravel.png", (0, 256, 256, 256), None),
    "textures/gravel_4.jpg": ("gravel.png", (256, 256, 256, 256), None),
}
for _path, _cut in GOOD.items():
    add(f"{QUICKSTART}/{_path}", *_cut)


def truncated() -> bytes:
    """A JPEG that ends in the middle of its pixels, as after a broken download."""
    whole = jpeg(cut("coffee.png", (0, 0, 300, 200)))
    return whole[: len(whole) * 55 // 100]


def half(path: str) -> bytes:
    """The image at half its size."""
    with Image.open(io.BytesIO(FILES[path].bytes())) as image:
        return jpeg(image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS))


def dark() -> bytes:
    """A tenth of the light."""
    return jpeg(cut("rocket.jpg", (0, 0, 210, 300)).point([v // 10 for v in range(256)] * 3))


def blurred() -> bytes:
    """A clock taken by a moving camera, then out of focus as well."""
    return jpeg(shipped("clock_motion.png").filter(ImageFilter.GaussianBlur(6)))


def lying() -> bytes:
    """An upright image stored lying on its side; EXIF orientation 6 says: turn clockwise to show."""
    upright = cut("astronaut.png", (0, 190, 250, 322))
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(upright.transpose(Image.Transpose.ROTATE_90), exif=exif)


def cmyk() -> bytes:
    """Four inks, as from print."""
    return jpeg(cut("coffee.png", (0, 180, 130, 220)).convert("CMYK"))


def gray16() -> bytes:
    """More than 8 bits that are real: each pixel is the sum of sixteen."""
    pixels = np.asarray(shipped("grass.png"), np.uint16)
    return png(Image.fromarray(pixels.reshape(128, 4, 128, 4).sum((1, 3), np.uint16) * np.uint16(16)))


def rgba() -> bytes:
    """The whole retina, transparent where there is no eye."""
    image = cut("retina.jpg", None, (240, 240))
    eye = Image.new("L", image.size)
    ImageDraw.Draw(eye).ellipse((2, 2, 237, 237), fill=255)
    image.putalpha(eye)
    return png(image)


def animated() -> bytes:
    """Three frames: a horse on its way to the right."""
    shape = shipped("horse.png").getchannel("A").resize((160, 131))
    inks = shipped("horse.png").convert("L").resize((160, 131))
    frames = []
    for step in range(3):
        frame = Image.new("L", (240, 150), 235)
        frame.paste(inks, (10 + 30 * step, 10), shape)
        frames.append(frame.convert("P"))
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=200, loop=0)


def palette() -> bytes:
    """Sixty-four colours by number."""
    part = cut("coffee.png", (500, 0, 100, 400)).resize((100, 400))
    return png(part.quantize(64, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE))


def sinogram() -> np.ndarray:
    """The phantom's X-ray projections over half a turn, a row an angle, as exact integer sums (uint16)."""
    body = shipped("phantom.png").convert("L").resize((256, 256), Image.Resampling.BOX)
    turned = [np.asarray(body.rotate(angle, Image.Resampling.NEAREST), np.uint32) for angle in range(180)]
    return np.stack([view.sum(0) for view in turned]).astype(np.uint16)


def radiograph(angle: int, dose: int, bits: int) -> bytes:
    """The phantom as a film would show it: bright where little is absorbed, quantum noise by the dose (photons)."""
    turned = shipped("phantom.png").convert("L").rotate(angle, Image.Resampling.NEAREST)
    body = np.asarray(turned.crop((40, 0, 360, 400)))
    passed = np.rint(dose * np.exp(-np.arange(256) / 160)).astype(np.int64)[body]
    tosses = np.random.default_rng([SEED, dose, bits]).integers(0, 2, (4, *body.shape)).sum(0) - 2  # variance 1
    spread = np.asarray([isqrt(photons) for photons in range(dose + 1)])[passed]
    photons = (passed + spread * tosses).clip(0)
    full = (1 << bits) - 1
    return png(Image.fromarray((photons * full // (dose * 5 // 4)).clip(0, full).astype(f"uint{bits}")))


def special(path: str, sources: tuple[str, ...], what: str, make: Callable[[], bytes]) -> None:
    """List a file of quickstart that is more than a cut."""
    FILES[f"{QUICKSTART}/{path}"] = Recipe(sources, what, make)


special(
    "medical/radiograph.png",
    ("phantom.png",),
    "simulated radiograph: turned by 100 degrees, dose 2000, 8 bit",
    partial(radiograph, 100, 2000, 8),
)
special("photos/broken_truncated.jpg", ("coffee.png",), "the first 55 % of a JPEG's bytes", truncated)
special("photos/broken_text.jpg", (), "a text file that is called .jpg", lambda: b"This is not an image.\n" * 20)
special("photos/broken_empty.jpg", (), "zero bytes", lambda: b"")
special(
    "photos/copy_exact.jpg",
    FILES["quickstart/photos/coffee.jpg"].sources,
    "the bytes of photos/coffee.jpg",
    FILES["quickstart/photos/coffee.jpg"].bytes,
)
special(
    "microscopy/copy_half_size.jpg",
    FILES["quickstart/microscopy/glands_4.jpg"].sources,
    "microscopy/glands_4.jpg at 50 %",
    partial(half, "quickstart/microscopy/glands_4.jpg"),
)
special("photos/poor_dark.jpg", ("rocket.jpg",), "crop [0, 0, 210, 300], a tenth of the light", dark)
special("photos/poor_blurred.jpg", ("clock_motion.png",), "whole image, blurred further", blurred)
special("photos/odd_exif_6.jpg", ("astronaut.png",), "crop, stored lying, EXIF orientation 6", lying)
special("photos/odd_cmyk.jpg", ("coffee.png",), "crop [0, 180, 130, 220], CMYK JPEG", cmyk)
special("textures/odd_16_bit.png", ("grass.png",), "4 x 4 pixels summed, 16-bit PNG", gray16)
special("medical/odd_rgba.png", ("retina.jpg",), "resized to 240 x 240, transparent outside of the eye, RGBA PNG", rgba)
special("photos/odd_animated.gif", ("horse.png",), "three frames, animated GIF", animated)
special("photos/odd_palette.png", ("coffee.png",), "crop [500, 0, 100, 400], palette of 64 colours", palette)


# --- xray: gray, 8 and 16 bits ---------------------------------------------------------------------------------------

for _angle, _dose, _bits in [(0, 20000, 16), (25, 4000, 16), (-40, 900, 16), (10, 4000, 8)]:
    FILES[f"xray/phantom/dose_{_dose}_{_bits}_bit.png"] = Recipe(
        ("phantom.png",),
        f"simulated radiograph: turned by {_angle} degrees, dose {_dose}, {_bits} bit",
        partial(radiograph, _angle, _dose, _bits),
    )
FILES["xray/projections/sinogram_16_bit.png"] = Recipe(
    ("phantom.png",), "projections over 180 degrees (sinogram), 16 bit", lambda: png(Image.fromarray(sinogram()))
)
FILES["xray/retina/lesions_8_bit.png"] = Recipe(
    ("microaneurysms.png",), "whole image", lambda: png(shipped("microaneurysms.png"))
)
FILES["xray/retina/normal_8_bit.png"] = Recipe(
    ("retina.jpg",),
    "green channel, resized to 350 x 350",
    lambda: png(cut("retina.jpg", None, (350, 350)).getchannel("G")),
)


# --- faces: small portraits and backgrounds --------------------------------------------------------------------------


def portrait(index: int) -> bytes:
    """One of the 200 images of ``lfw_subset``."""
    return png(Image.fromarray(faces()[index]))


for _index in range(30):
    FILES[f"faces/face/{_index:03}.png"] = Recipe(("lfw_subset.npy",), f"image {_index}", partial(portrait, _index))
for _index in (106, 109, 120, 127, 130, 133, 134, 142, 144, 146, 175, 180, 181, 186, 188, 193, 194, 195):
    FILES[f"faces/other/{_index:03}.png"] = Recipe(("lfw_subset.npy",), f"image {_index}", partial(portrait, _index))


# --- detection: boxes in COCO's format -------------------------------------------------------------------------------

CATEGORIES = ["coin", "galaxy", "cell", "face", "cup", "spoon", "rocket", "cat"]


def blobs(name: str, above: int, least: int, surround: int = 0) -> list[Box]:
    """Bounds of an image's bright objects of ``least`` pixels or more: gray above a level, or above its surround."""
    image = shipped(name).convert("L")
    gray = np.asarray(image, np.int16)
    if surround:
        gray = gray - np.asarray(image.filter(ImageFilter.BoxBlur(surround)), np.int16)
    found = []
    for region in regionprops(label(closing(gray > above, footprint_rectangle((3, 3))))):
        top, left, bottom, right = (int(v) for v in region.bbox)
        if region.area >= least:
            found.append((left, top, right - left, bottom - top))
    return found


def within(boxes: list[Box], frame: Box) -> list[Box]:
    """The boxes that lie wholly in the frame, in its coordinates."""
    x, y, width, height = frame
    moved = [(left - x, top - y, w, h) for left, top, w, h in boxes]
    return [b for b in moved if b[0] >= 0 and b[1] >= 0 and b[0] + b[2] <= width and b[1] + b[3] <= height]


class Scene(NamedTuple):
    """An image for detection: a part of a shipped image, and what is to be found in it (in the whole's pixels)."""

    source: str
    box: Box
    objects: Callable[[], dict[str, list[Box]]]


def coins() -> dict[str, list[Box]]:
    """Each coin of the museum's photograph."""
    return {"coin": blobs("coins.png", 14, 300, surround=40)}


def galaxies() -> dict[str, list[Box]]:
    """The larger galaxies of the deep field."""
    return {"galaxy": blobs("hubble_deep_field.jpg", 75, 90)}


SCENES = {
    "coins_1.png": Scene("coins.png", (0, 0, 384, 78), coins),
    "coins_2.png": Scene("coins.png", (0, 78, 384, 70), coins),
    "coins_3.png": Scene("coins.png", (0, 148, 384, 78), coins),
    "coins_4.png": Scene("coins.png", (0, 226, 384, 77), coins),
    "deep_field_1.jpg": Scene("hubble_deep_field.jpg", (0, 0, 330, 430), galaxies),
    "deep_field_2.jpg": Scene("hubble_deep_field.jpg", (330, 0, 330, 430), galaxies),
    "deep_field_3.jpg": Scene("hubble_deep_field.jpg", (660, 430, 340, 430), galaxies),
    "cell.png": Scene("cell.png", (230, 150, 320, 360), lambda: {"cell": blobs("cell.png", 150, 1000)}),
    "astronaut.jpg": Scene("astronaut.png", (0, 0, 512, 512), lambda: {"face": [(176, 62, 96, 130)]}),
    "photographer.jpg": Scene("camera.png", (120, 40, 392, 392), lambda: {"face": [(208, 112, 52, 82)]}),
    "coffee.jpg": Scene(
        "coffee.png", (80, 0, 520, 400), lambda: {"cup": [(172, 20, 226, 280)], "spoon": [(320, 60, 106, 270)]}
    ),
    "launch.jpg": Scene("rocket.jpg", (160, 40, 400, 387), lambda: {"rocket": [(306, 126, 32, 284)]}),
    "cat.jpg": Scene("chelsea.png", (0, 0, 451, 300), lambda: {"cat": [(15, 0, 385, 300)]}),
    "gravel.jpg": Scene("gravel.png", (100, 100, 256, 256), dict),  # nothing to find is an annotation too
}


def annotations() -> bytes:
    """All boxes, as COCO's instance files have them."""
    images, boxes = [], []
    for number, (file_name, scene) in enumerate(SCENES.items(), 1):
        images.append({"id": number, "file_name": file_name, "width": scene.box[2], "height": scene.box[3]})
        for category, places in scene.objects().items():
            for box in within(places, scene.box):
                boxes.append(
                    {
                        "id": len(boxes) + 1,
                        "image_id": number,
                        "category_id": CATEGORIES.index(category) + 1,
                        "bbox": list(box),
                        "area": box[2] * box[3],
                        "iscrowd": 0,
                    }
                )
    coco = {
        "info": {"description": "Boxes of imagemill's sample collection", "version": "1"},
        "images": images,
        "annotations": boxes,
        "categories": [{"id": number, "name": name} for number, name in enumerate(CATEGORIES, 1)],
    }
    return (json.dumps(coco, indent=1) + "\n").encode()


for _path, _scene in SCENES.items():
    add(f"detection/{_path}", _scene.source, _scene.box)
FILES["detection/annotations.json"] = Recipe((), "boxes placed by this script", annotations)


# --- writing ---------------------------------------------------------------------------------------------------------


def attribution() -> str:
    """Who made what, and under which licence: a table of the sources, then one of the files."""
    used = sorted({source for recipe in FILES.values() for source in recipe.sources})
    lines = [
        "# Where the sample images come from",
        "",
        "Written by `make_sample.py`; do not edit. All images ship with scikit-image; origin and licence are given as",
        "its documentation (`skimage/data/_fetchers.py`) states them. Cropping, scaling and re-encoding are ours.",
        "",
        "| source | what | origin | licence |",
        "|---|---|---|---|",
        *(f"| `{name}` | {' | '.join(SOURCES[name])} |" for name in used),
        "",
        "| file in `sample/` | made from | how |",
        "|---|---|---|",
        *(f"| `{path}` | {', '.join(FILES[path].sources) or '-'} | {FILES[path].what} |" for path in sorted(FILES)),
        "",
    ]
    return "\n".join(lines)


def made_with() -> dict[str, str]:
    """The versions that decide the sample's bytes."""
    return {"numpy": np.__version__, "pillow": PIL.__version__, "scikit-image": skimage.__version__}


def write(folder: Path) -> None:
    """Write ``sample/``, ``ATTRIBUTION.md`` and ``made_with.json`` into the folder."""
    for path, recipe in FILES.items():
        file = folder / "sample" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(recipe.bytes())
    (folder / "ATTRIBUTION.md").write_text(attribution(), encoding="utf-8")
    (folder / "made_with.json").write_text(json.dumps(made_with(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=HERE, help="where sample/ is written (default: data/)")
    write(parser.parse_args().folder)
