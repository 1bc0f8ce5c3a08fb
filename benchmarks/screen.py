"""Which files imagemill and CleanVision flag in one folder, issue by issue, and how long each takes.

The folder holds photographs and, planted among them, spoilt ones: dark, light, blurred, of one colour, narrow, tiny,
gray, copied, saved again. CleanVision runs in an interpreter of its own, since it brings packages of its own:

    python -m venv /tmp/cleanvision && /tmp/cleanvision/bin/pip install cleanvision
    python benchmarks/screen.py --photos FOLDER --cleanvision /tmp/cleanvision/bin/python

With ``--upscaled`` it says instead what the check ``upscaled`` finds of enlarged photographs.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from PIL import Image

import imagemill
from tasks.clean.upscaled import Upscaled
from tasks.operation import registry
from tasks.store.schema import FLAGS

EVERY = 12  # a photograph in so many is spoilt in each way
ISSUES = {  # CleanVision's name: ours
    "dark": "dark",
    "light": "light",
    "blurry": "cleanvision_blurry",
    "low_information": "low_information",
    "odd_aspect_ratio": "odd_aspect_ratio",
    "odd_size": "odd_size",
    "grayscale": "gray",
    "exact_duplicates": "exact",
    "near_duplicates": "near",
}
PIPELINE = """
version: 1
pipelines:
  screen:
    source: {{path: {source}, labels: none}}
    steps:
      - screen:
          dark: {{below: 0}}
          light: {{below: 0}}
          cleanvision_blurry: {{below: 0}}
          low_information: {{below: 0}}
          odd_aspect_ratio: {{below: 0}}
      - odd_size: {{action: flag}}
      - deduplicate: {{method: pixels, action: flag}}
        id: exact
      - deduplicate: {{method: phash, bits: 64, distance: 0, action: flag}}
        id: near
      - gray: {{by: mode}}
      - resize: {{size: [32, 32]}}
"""
CLEANVISION = """
import json, sys, time
from cleanvision import Imagelab
start = time.monotonic()
lab = Imagelab(data_path=sys.argv[1])
lab.find_issues(verbose=False, n_jobs=2)
seconds = time.monotonic() - start
found = {name[3:-6]: [path.rsplit("/", 1)[-1] for path in lab.issues.index[lab.issues[name]]]
         for name in lab.issues.columns if name.startswith("is_")}
print("\\n" + json.dumps({"seconds": seconds, "found": found}))
"""


def main() -> None:
    """Plant, run both, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="a folder of JPEG files")
    parser.add_argument("--cleanvision", type=Path, help="the interpreter in which CleanVision is installed")
    parser.add_argument("--upscaled", action="store_true", help="measure the check `upscaled` instead")
    options = parser.parse_args()
    photos = sorted(options.photos.glob("*.jpg")) + sorted(options.photos.glob("*.JPEG"))
    if options.upscaled:
        print(upscaled(photos))
        return
    with tempfile.TemporaryDirectory(prefix="imagemill-bench-") as folder:
        work = Path(folder)
        count = plant(photos, work / "images")
        ours, seconds = imagemill_flags(work)
        theirs, their_seconds = cleanvision_flags(options.cleanvision, work / "images")
    print(f"{count} files; imagemill {seconds:.1f} s (whole command), CleanVision {their_seconds:.1f} s\n")
    print("| issue | both | only CleanVision | only imagemill |\n|---|---|---|---|")
    for name in ISSUES:
        a, b = theirs[name], ours[name]
        print(f"| {name} | {len(a & b)} | {shown(a - b)} | {shown(b - a)} |")


def shown(names: set[str]) -> str:
    few = ", ".join(sorted(names)[:3])
    return f"{len(names)}" + (f" ({few}{' ...' if len(names) > 3 else ''})" if names else "")


def plant(photos: list[Path], folder: Path) -> int:
    """Write the photographs and the spoilt ones as files; give how many."""
    folder.mkdir(parents=True)
    for i, photo in enumerate(photos):
        data = photo.read_bytes()
        (folder / f"{i:04d}.jpg").write_bytes(data)
        if i % EVERY == 0:
            for name, spoilt in spoilings(data):
                (folder / f"{i:04d}_{name}").write_bytes(spoilt)
    return len(list(folder.iterdir()))


def spoilings(data: bytes) -> Iterator[tuple[str, bytes]]:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    pixels = np.asarray(image)
    width, height = image.size
    yield "dark.png", png((pixels * 0.15).astype(np.uint8))
    yield "light.png", png((245 + pixels * 0.04).astype(np.uint8))
    yield "blurred.png", png(cv2.GaussianBlur(pixels, (0, 0), max(width, height) / 30))
    yield "flat.png", png(np.full_like(pixels, 120))
    yield "narrow.png", png(np.ascontiguousarray(pixels[: max(1, height // 5)]))
    yield "tiny.png", png(cv2.resize(pixels, (24, 20), interpolation=cv2.INTER_AREA))
    yield "gray.png", png(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    yield "copy.jpg", data
    yield "again.png", png(pixels)


def png(pixels: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def imagemill_flags(work: Path) -> tuple[dict[str, set[str]], float]:
    """Run the pipeline, and judge each score by the check's own default."""
    file = work / "pipelines.yaml"
    file.write_text(PIPELINE.format(source=work / "images"))
    start = time.monotonic()
    command = [sys.executable, "-m", "flows.cli", "run", "screen", "-f", str(file), "--output", str(work / "out")]
    subprocess.run([*command, "--quiet"], check=True)
    seconds = time.monotonic() - start
    dataset = imagemill.open(work / "out")
    store, version = dataset.store, dataset.version
    rows = dataset.table(columns=["id", "source"]).to_pylist() + dataset.rejected.select(["id", "uri"]).to_pylist()
    names = {row["id"]: row.get("uri") or row["source"]["uri"] for row in rows}
    measures = pa.concat_tables([store.table(entry) for entry in version["measures"]])
    ids = [key.hex()[:20] for key in measures.column("key").to_pylist()]
    found: dict[str, set[str]] = {theirs: set() for theirs in ISSUES}
    for theirs, ours in ISSUES.items():
        if ours in measures.schema.names:
            scores = measures.column(ours).to_pylist()
            limit = registry()[ours].model_fields["below"].default if ours != "gray" else 0.5
            found[theirs] = {
                names[i] for i, score in zip(ids, scores, strict=True) if score is not None and score < limit
            }
    steps = {ours: theirs for theirs, ours in ISSUES.items()}
    for entry in (one for one in version["decisions"] if one["prefix"] == FLAGS):
        for row in store.table(entry).to_pylist():
            found[steps[row["step"]]] |= {names[row["id"]], *([names[row["keeper"]]] if row["keeper"] else [])}
    return found, seconds


def cleanvision_flags(interpreter: Path | None, images: Path) -> tuple[dict[str, set[str]], float]:
    """Run CleanVision with its defaults."""
    if interpreter is None:
        return {name: set() for name in ISSUES}, float("nan")
    command = [str(interpreter), "-c", CLEANVISION, str(images)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    found = json.loads(told)
    return {name: set(found["found"][name]) for name in ISSUES}, found["seconds"]


def upscaled(photos: list[Path]) -> str:
    """Say which share of photographs the check flags as they are, at half size, and enlarged to twice that."""
    check = Upscaled(below=0.2)
    scores: dict[str, list[float]] = {}
    for photo in photos:
        pixels = np.asarray(Image.open(photo).convert("RGB"))
        half = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        kinds = {"cubic": cv2.INTER_CUBIC, "linear": cv2.INTER_LINEAR, "Lanczos": cv2.INTER_LANCZOS4}
        twice = {f"half, x 2 {name}": cv2.resize(half, None, fx=2, fy=2, interpolation=i) for name, i in kinds.items()}
        more = cv2.resize(half, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
        for name, one in {"as it is": pixels, "half": half, **twice, "half, x 1.5 cubic": more}.items():
            scores.setdefault(name, []).append(check.score(np.ascontiguousarray(one)))
    lines = [
        f"| {name} | {np.mean(np.array(s) < check.below):.1%} | {np.median(s):.2f} |" for name, s in scores.items()
    ]
    return "\n".join(
        [f"{len(photos)} photographs", "| photographs | flagged | median score |", "|---|---|---|", *lines]
    )


if __name__ == "__main__":
    main()
