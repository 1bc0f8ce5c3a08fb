"""Images a second for `resize` to 256 px JPEG: imagemill against a hand-written loop and Hugging Face datasets.

One run, one folder, two processes each, in turn and several rounds, since machines are shared and noisy: compare by
ratio. The photographs are made here from those that scikit-image ships, unless a folder is named.

    python benchmarks/throughput.py                       # 10,000 photographs, 3 rounds
    python benchmarks/throughput.py --photos FOLDER --count 2000 --rounds 5
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

SIDE = 256
QUALITY = 95
PROCESSES = 2
PIPELINE = """
version: 1
pipelines:
  throughput:
    source: {{path: {source}, labels: none}}
    steps:
      - resize: {{size: [{side}, {side}]}}
    cluster: {{workers: {processes}}}
"""


def main() -> None:
    """Run the contenders in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder of JPEG files; by default made from scikit-image's")
    parser.add_argument("--count", type=int, default=10_000, help="how many images")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imagemill-bench-") as folder:
        work = Path(folder)
        photos = work / "photos"
        collect(photos, options.photos, options.count)
        figures: dict[str, list[float]] = {"raw loop": [], "datasets.map": [], "imagemill": [], "imagemill (whole)": []}
        few = min(options.count, 1000)  # for the slow one: its rate does not depend on how many there are
        for number in range(options.rounds):
            figures["raw loop"].append(options.count / raw_loop(photos, work / f"raw-{number}"))
            figures["datasets.map"].append(few / huggingface(photos, work / f"hf-{number}", few))
            making, whole = imagemill(photos, work / f"mill-{number}")
            figures["imagemill"].append(making)
            figures["imagemill (whole)"].append(options.count / whole)
            print(f"round {number + 1} of {options.rounds} done", file=sys.stderr)
    show(figures, options.json)


def show(figures: dict[str, list[float]], as_json: bool) -> None:
    """Print images a second, and the median over the rounds of each round's ratio to the raw loop."""
    rows = []
    for name, rates in figures.items():
        ratios = [rate / raw for rate, raw in zip(rates, figures["raw loop"], strict=True)]
        rows.append(
            {
                "name": name,
                "images_per_second": round(statistics.median(rates)),
                "ratio": round(statistics.median(ratios), 3),
            }
        )
    if as_json:
        print(json.dumps(rows))
        return
    print(f"{'':<20}{'images/s':>10}{'of the raw loop':>18}")
    for row in rows:
        print(f"{row['name']:<20}{row['images_per_second']:>10}{row['ratio']:>18.2f}")


def collect(folder: Path, photos: Path | None, count: int) -> None:
    """Lay out ``count`` distinct JPEG files: copies carry a comment, so that no two have equal bytes."""
    folder.mkdir(parents=True)
    originals = sorted(photos.glob("*.jp*g")) if photos else made(folder.parent / "originals")
    for i in range(count):
        data = originals[i % len(originals)].read_bytes()
        comment = f"imagemill {i}".encode()
        marker = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        (folder / f"{i:06d}.jpg").write_bytes(data[:2] + marker + data[2:])


def made(folder: Path) -> list[Path]:
    """Cut photographs of common sizes from those that scikit-image ships."""
    import cv2
    import skimage.data

    folder.mkdir()
    paths = []
    photographs = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea(), skimage.data.rocket()]
    for i in range(48):
        image = photographs[i % 4]
        width = 400 + 25 * (i % 9)
        size = (width, round(width * image.shape[0] / image.shape[1]))
        pixels = cv2.resize(image[:, :: -1 if i % 3 else 1], size, interpolation=cv2.INTER_AREA)
        path = folder / f"{i:02d}.jpg"
        cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
        paths.append(path)
    return paths


def _encode(paths: list[Path]) -> list[dict[str, Any]]:
    import cv2
    import simplejpeg

    cv2.setNumThreads(1)
    rows = []
    for path in paths:
        data = path.read_bytes()
        pixels = simplejpeg.decode_jpeg(data, colorspace="RGB")
        small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        encoded = simplejpeg.encode_jpeg(small, quality=QUALITY, colorsubsampling="420")
        rows.append({"name": path.name, "sha256": hashlib.sha256(data).hexdigest(), "image": encoded})
    return rows


def _part(paths: list[Path], target: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = _encode(paths)
    pq.write_table(
        pa.Table.from_pylist(rows),
        target,
        compression={"name": "zstd", "sha256": "zstd", "image": "none"},
        use_dictionary=False,
    )
    return len(rows)


def raw_loop(photos: Path, target: Path) -> float:
    """Do it by hand: libjpeg-turbo, OpenCV area, SHA-256, Arrow, two warm processes. Gives seconds."""
    target.mkdir()
    paths = sorted(photos.iterdir())
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        list(pool.map(_part, [paths[:2], paths[:2]], [target / "warm-0", target / "warm-1"]))
        start = time.perf_counter()
        chunks = [paths[i : i + 64] for i in range(0, len(paths), 64)]
        list(pool.map(_part, chunks, [target / f"{i}.parquet" for i in range(len(chunks))]))
        return time.perf_counter() - start


def _resize_row(row: dict[str, Any]) -> dict[str, Any]:
    encoded = io.BytesIO()
    row["image"].convert("RGB").resize((SIDE, SIDE)).save(encoded, "JPEG", quality=QUALITY)
    return {"image": {"bytes": encoded.getvalue(), "path": None}}  # a picture itself would be stored as PNG


def huggingface(photos: Path, target: Path, few: int) -> float:
    """Do it with datasets.map: Pillow, two processes. Gives seconds."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import datasets

    datasets.disable_progress_bars()
    start = time.perf_counter()
    listed = datasets.Dataset.from_dict({"image": [str(path) for path in sorted(photos.iterdir())[:few]]})
    listed = listed.cast_column("image", datasets.Image())
    listed.map(_resize_row, num_proc=PROCESSES, cache_file_name=str(target) + ".arrow")
    return time.perf_counter() - start


def imagemill(photos: Path, target: Path) -> tuple[float, float]:
    """Run the command. Gives its images a second while making and sealing, and the seconds of the whole command."""
    file = target.with_suffix(".yaml")
    file.write_text(PIPELINE.format(source=photos, side=SIDE, processes=PROCESSES))
    command = [
        sys.executable,
        "-m",
        "flows.cli",
        "run",
        "throughput",
        "--file",
        str(file),
        "--output",
        str(target),
        "--json",
        "--quiet",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout)
    shutil.rmtree(target)
    return result["images_per_second"], result["seconds"]


if __name__ == "__main__":
    main()
