"""Recall and precision of deduplicate over planted copies of photographs, next to imagehash compared pair by pair.

Each photograph gets copies: the same bytes, JPEG at qualities 90, 70 and 50, 50 to 150 % of the size, 2 % cropped,
slightly brighter and darker. A copy is found where it and its original are called duplicates; a false one is a row
called a duplicate of another photograph. imagededup's perceptual hash has 64 bits, at distance 10; it installs PyTorch,
so it is run only where it is there already. Its hashing time includes decoding.

    python benchmarks/duplicates.py                                   # photographs made from scikit-image's
    python benchmarks/duplicates.py --photos FOLDER --beside FOLDER   # others; unlike images beside them
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import imagehash
import numpy as np
import pyarrow as pa
from PIL import Image

from tasks.collection.deduplicate import Deduplicate
from tasks.load.codecs import decode, read_header
from tasks.load.header import Limits

Pairs = set[tuple[str, str]]

OURS = [
    {"method": "exact"},
    {"method": "pixels"},
    {"method": "phash"},
    {"method": "phash", "verify": "strict"},
    {"method": "phash", "bits": 64},
    {"method": "dhash"},
    {"method": "dhash", "bits": 64},
    {"method": "whash"},
    {"method": "whash", "bits": 64},
]


def main() -> None:
    """Plant copies, let each contender find them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder of photographs, each unlike the others")
    parser.add_argument("--beside", type=Path, help="a folder of images that are searched beside, without copies")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imagemill-duplicates-") as folder:
        planted = Path(folder)
        plant(options.photos or generated(planted / "source"), planted / "images")
        for path in sorted(options.beside.rglob("*.jpg")) if options.beside else []:
            shutil.copy(path, planted / "images" / f"{path.stem}__beside{path.suffix}")
        files = sorted((planted / "images").iterdir())
        rows = [judged(files, f"imagemill {told(one)}", lambda one=one: ours(files, one)) for one in OURS]
        rows += [
            judged(files, f"imagehash phash {side * side} brute force", lambda s=side: brute(files, s))
            for side in (16, 8)
        ]
        if importlib.util.find_spec("imagededup"):
            rows.append(judged(files, "imagededup PHash", lambda: imagededup(planted / "images")))
    show(rows, len(files), options.json)


def told(parameters: dict[str, Any]) -> str:
    operation = Deduplicate.model_validate(parameters)
    if operation.method in ("exact", "pixels"):
        return operation.method
    return f"{operation.method} {operation.bits}, {operation.limit:g}{', strict' if operation.verify else ''}"


def generated(folder: Path) -> Path:
    """Cut photographs from those that scikit-image ships."""
    from skimage import data

    folder.mkdir(parents=True)
    wholes = [
        data.astronaut(),
        data.coffee(),
        data.chelsea(),
        data.rocket(),
        data.immunohistochemistry(),
        data.retina(),
    ]
    for number, whole in enumerate(wholes):
        height, width = (side // 2 for side in whole.shape[:2])
        for corner in range(4):
            top, left = corner // 2 * height, corner % 2 * width
            part = whole[top : top + height, left : left + width]
            Image.fromarray(part).save(folder / f"{number}{corner}.jpg", quality=95)
    return folder


def plant(photos: Path, folder: Path) -> None:
    """Write each photograph with its copies: ``NAME__KIND.EXT``, the original's kind is ``0``."""
    folder.mkdir(parents=True)
    for path in sorted(photos.glob("*.jpg")):
        shutil.copy(path, folder / f"{path.stem}__0.jpg")
        shutil.copy(path, folder / f"{path.stem}__same bytes.jpg")
        pixels = np.asarray(Image.open(path).convert("RGB"))
        for kind, suffix, copy in copies(pixels):
            target = folder / f"{path.stem}__{kind}.{suffix}"
            quality = {"quality": int(kind[1:])} if kind[0] == "q" else {"quality": 92} if suffix == "jpg" else {}
            Image.fromarray(copy).save(target, **quality)


def copies(pixels: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    height, width = pixels.shape[:2]
    yield "lossless", "png", pixels
    for quality in (90, 70, 50):
        yield f"q{quality}", "jpg", pixels
    for percent in (50, 75, 125, 150):
        size = (max(1, width * percent // 100), max(1, height * percent // 100))
        yield (
            f"{percent} %",
            "jpg",
            cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if percent < 100 else cv2.INTER_CUBIC),
        )
    y, x = round(height * 0.01), round(width * 0.01)
    yield "crop 2 %", "jpg", pixels[y : height - y, x : width - x]
    for name, factor in (("brighter", 1.1), ("darker", 0.9)):
        yield name, "jpg", np.clip(pixels * factor, 0, 255).astype(np.uint8)


def judged(files: list[Path], name: str, find: Callable[[], tuple[Pairs, float, float]]) -> dict[str, Any]:
    """Count what a contender found, by kind: the share of copies in one group with their original."""
    found, hashing, searching = find()
    kinds, hits = Counter(path.stem.split("__")[1] for path in files), Counter[str]()
    parents = {path.name: path.name for path in files}

    def root(name: str) -> str:
        while parents[name] != name:
            name = parents[name]
        return name

    family = {path.name: path.stem.split("__")[0] for path in files}
    for left, right in found:
        if family[left] == family[right]:
            parents[root(left)] = root(right)
    originals = {path.stem.split("__")[0]: path.name for path in files if path.stem.endswith("__0")}
    for path in files:
        start, kind = path.stem.split("__")
        if kind not in ("0", "beside") and root(path.name) == root(originals[start]):
            hits[kind] += 1
    false = len({left for left, right in found if family[left] != family[right]})
    recall = {kind: round(100 * hits[kind] / many, 1) for kind, many in kinds.items() if kind not in ("0", "beside")}
    right = len({left for left, right in found if family[left] == family[right]})
    precision = round(100 * right / max(1, right + false), 1)
    return {
        "name": name,
        "recall": recall,
        "precision": precision,
        "false": false,
        "hash_s": hashing,
        "search_s": searching,
    }


def ours(files: list[Path], parameters: dict[str, Any]) -> tuple[Pairs, float, float]:
    operation = Deduplicate.model_validate({**parameters, "keep": "first"})
    rows, hashing = [], 0.0
    for number, path in enumerate(files):
        data = path.read_bytes()
        header = read_header(data, Limits())
        pixels = decode(data, header, 0)
        start = time.perf_counter()
        measured = operation.measure(pixels)
        hashing += time.perf_counter() - start
        size = {"width": pixels.shape[1], "height": pixels.shape[0], "bytes": len(data)}
        rows.append(
            {"id": f"{number:020x}", "uri": path.name, "sha256": hashlib.sha256(data).digest(), **size, **measured}
        )
    table = pa.Table.from_pylist(rows)
    for name, kind in operation.hashes().items():
        table = table.set_column(table.schema.get_field_index(name), name, table.column(name).cast(kind))
    start = time.perf_counter()
    decided = operation.decide(table).to_pylist()
    names = {row["id"]: row["uri"] for row in rows}
    return {(names[row["id"]], names[row["keeper"]]) for row in decided}, hashing, time.perf_counter() - start


def brute(files: list[Path], side: int) -> tuple[Pairs, float, float]:
    """Compare imagehash's hashes pair by pair: distance 60 of 256 bits, 10 of 64."""
    hashes, hashing = [], 0.0
    for path in files:
        image = Image.open(path)
        image.load()
        start = time.perf_counter()
        hashes.append(np.packbits(imagehash.phash(image, hash_size=side).hash.ravel()))
        hashing += time.perf_counter() - start
    words = np.stack(hashes).view(np.uint64)
    start = time.perf_counter()
    found: Pairs = set()
    for i in range(len(words)):
        far = np.bitwise_count(words[i + 1 :] ^ words[i]).sum(axis=1)
        found |= {
            (files[i + 1 + j].name, files[i].name) for j in np.flatnonzero(far <= (60 if side == 16 else 10)).tolist()
        }
    return found, hashing, time.perf_counter() - start


def imagededup(folder: Path) -> tuple[Pairs, float, float]:
    from imagededup.methods import PHash

    start = time.perf_counter()
    method = PHash(verbose=False)
    encodings = method.encode_images(image_dir=str(folder), num_enc_workers=0)
    hashing, start = time.perf_counter() - start, time.perf_counter()
    near = method.find_duplicates(encoding_map=encodings, max_distance_threshold=10, num_dist_workers=0)
    searching = time.perf_counter() - start
    return {(one, other) for one, others in near.items() for other in others if other < one}, hashing, searching


def show(rows: list[dict[str, Any]], count: int, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"images": count, "contenders": rows}))
        return
    kinds = list(rows[0]["recall"])
    print(
        f"{count} images. Recall in %, by kind of copy; precision in %, and rows called duplicates of another image.\n"
    )
    print(f"| | {' | '.join(kinds)} | precision | false | hashing s | search s |")
    print("|---|" + "--:|" * (len(kinds) + 4))
    for row in rows:
        recall = " | ".join(f"{row['recall'][kind]:g}" for kind in kinds)
        figures = f"{row['precision']:g} | {row['false']} | {row['hash_s']:.1f} | {row['search_s']:.2f}"
        print(f"| {row['name']} | {recall} | {figures} |")


if __name__ == "__main__":
    main()
