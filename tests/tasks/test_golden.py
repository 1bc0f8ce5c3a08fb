"""The bytes that each operation makes, pinned: they change only together with its version.

``python -m tests.tasks.test_golden NAME ...`` pins operations anew in tests/golden.json; without names, all.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from tasks.errors import Rejected
from tasks.extract.pca import Pca
from tasks.image.sample import Sample
from tasks.operation import Check, Dataset, Expander, Feature, KeyedDraws, Operation, Step, canonical_json, shipped
from tasks.pipeline.rewrite import settles
from tests.tasks.images import KINDS, in_dtype, make, perform, sample

FILE = Path(__file__).parents[1] / "golden.json"

# Beside its example: parameters under which an operation takes other ways.
CASES: dict[str, list[dict[str, Any]]] = {
    "resize": [
        {"size": [40, 30]},
        {"size": 50, "fit": "pad"},
        {"size": 33, "fit": "crop"},
        {"size": 30, "fit": "shortest"},
        *({"size": [41, 90], "interpolation": name} for name in ("nearest", "linear", "cubic", "area", "lanczos")),
    ],
    "center_crop": [{"size": 40}, {"size": [100, 60], "fill": 0.3}],
    "crop": [{"box": [5, 6, 70, 30]}, {"box": [-5, 6, 70, 90], "fill": 1}],
    "grayscale": [{"weights": name} for name in ("rec601", "rec709", "mean")],
    "convert_color": [{"space": name} for name in ("rgb", "gray", "hsv", "lab", "ycrcb")],
    "convert_dtype": [
        {"dtype": name, "rounding": how} for name in ("uint8", "uint16", "float32") for how in ("nearest", "down")
    ],
    "normalize": [
        {"statistics": {"mean": [0.5], "std": [0.25]}},
        {"method": "unit"},
        *({"method": name, "per": per} for name in ("minmax", "percentile", "zscore") for per in ("image", "channel")),
        {"method": "percentile", "statistics": {"low": [0.1, 0.2, 0.3], "high": [0.7, 0.8, 0.6]}},
        *(
            {"method": "histogram", "per": per, "statistics": {"landmarks": [[i**2 / 144 for i in range(13)]]}}
            for per in ("image", "channel")
        ),
    ],
    "reinhard": [{"target": {"mean": [-0.9, 0.1, 0.02], "std": [0.4, 0.1, 0.03]}}],
    "macenko": [
        {},
        {"target": {"stains": [[0.67, 0.65, 0.35], [0.24, 0.48, 0.84]], "greatest": [0.8, 2.2]}, "beta": 0.1},
    ],
    "pca": [{"of": "hog", "components": 3, "whiten": how} for how in (False, True)],
    "letterbox": [{"size": 80}, {"size": [90, 60], "upscale": False, "position": "top_right", "fill": 0}],
    "pad": [{"padding": [1, 2, 3, 4], "border": name} for name in ("constant", "reflect", "replicate")],
    "crop_or_pad": [{"size": 60}, {"size": [80, 40], "position": "bottom_left", "border": "reflect"}],
    "square": [{"fit": name} for name in ("pad", "crop")],
    "crop_to_content": [{"background": name, "threshold": 0.4} for name in ("corners", "dark", "light")],
    "tile": [{"size": 40}, {"size": [30, 60], "overlap": 0}],
    "white_balance": [{"method": name} for name in ("gray_world", "white_patch")],
    "window": [{"center": 0.4, "width": 0.5, "function": name} for name in ("linear_exact", "linear", "sigmoid")],
    "quantize": [{"rounding": name} for name in ("nearest", "down")],
    "stretch": [{"per": name} for name in ("image", "channel")],
    "equalize": [{"channels": name} for name in ("each", "luminance")],
    "clahe": [{}, {"clip_limit": [1, 5], "tiles": [3, 4]}],
    "gamma": [{"gamma": 0.5}, {"gamma": [0.5, 2]}],
    "posterize": [{"bits": 4}, {"bits": [1, 8]}],
    "retinex": [{}, {"sigmas": [3]}],
    "median_blur": [{}, {"size": 5}, {"size": 9}],
    "bilateral": [{}, {"diameter": 5, "sigma_color": 0.3, "sigma_space": 1}],
    "denoise_nl_means": [{}, {"h": 0.1, "patch": 3, "distance": 2}],
    "denoise_wavelet": [{"method": name, "mode": how} for name in ("bayes", "visu") for how in ("soft", "hard")],
    "wiener": [{}, {"size": 3, "sigma": 0.05}],
    **{
        name: [{"footprint": shape, "radius": 3} for shape in ("disk", "square", "diamond")]
        for name in ("erosion", "dilation", "opening", "closing", "white_tophat", "black_tophat")
    },
    "rolling_ball": [{"radius": 7}, {"radius": 20}, {"radius": 60}],
    "anisotropic_diffusion": [{"conductance": name} for name in ("exponential", "quadratic")],
    **{name: [{"ridges": which} for which in ("dark", "bright")] for name in ("frangi", "sato")},
    "inpaint": [{"above": 0.8, "method": name} for name in ("telea", "navier_stokes")],
    "gray": [{"by": name} for name in ("mode", "content")],
    "canny": [{}, {"sigma": 0, "low": 0.5, "high": 1}],
    "edge_density": [{}, {"low": 0.1, "high": 0.2, "orientations": 5}],
    "rotate": [{"p": 1, "expand": how} for how in ("keep", "fit", "crop")],
    "random_crop": [{"size": [30, 20]}, {"size": [90, 20]}],
    "random_resized_crop": [{"size": 32}, {"size": [90, 80], "interpolation": "cubic"}],
    "affine": [{}, {"scale": 0.3, "fill": 1}],
    **{name: [{"border": border} for border in ("constant", "reflect")] for name in ("elastic", "optical_distortion")},
    "glass_blur": [{}, {"reach": 3, "rounds": 2}],
    "ten_crop": [{"size": 20, "flip": flip} for flip in ("horizontal", "vertical")],
    "multi_crop": [{"size": 40, "small_size": 16}],
    "rand_augment": [{"n": 14, "magnitude": 20}],
    "augmix": [{}, {"width": 10, "depth": 2}],
    "corruption": [{"type": name} for name in ("impulse_noise", "elastic_transform", "gaussian_blur")],
    "hog": [{"cell": 8}, {"cell": [10, 6], "block": [3, 2], "orientations": 8}],
    "lbp": [{}, {"points": [8, 16], "radius": [1, 2.5], "method": "nri_uniform"}],
    "glcm": [{}, {"distances": [1, 3], "levels": 8, "symmetric": False, "properties": ["mean", "variance", "entropy"]}],
    "gabor": [{}, {"frequencies": [0.25], "orientations": 6}],
    "hu_moments": [{"scale": name} for name in ("log", "linear")],
    "zernike_moments": [{}, {"degree": 12, "radius": 1}],
    "color_histogram": [
        *({"space": name} for name in ("rgb", "gray", "hsv", "lab", "ycrcb")),
        {"method": "joint", "bins": 5},
    ],
    "color_moments": [{"space": name} for name in ("rgb", "gray", "hsv", "lab", "ycrcb")],
    "intensity_statistics": [{}, {"percentiles": []}],
    "entropy": [{}, {"bins": 4096}],
    "fast": [{"arc": arc} for arc in (9, 7, 5)],
    "sift": [{}, {"pooling": "top", "top": 3}],
    "daisy": [{}, {"step": 5, "radius": 9, "rings": 2, "histograms": 5, "orientations": 6}],
    "deduplicate": [{"method": "phash"}],
    "balance": [{}, {"ratio": 2.5}],
    "mosaic": [{}, {"size": [50, 31]}],
    "split": [{}, {"train": 0.5, "test": 0.5, "group": "patient"}],
}


def picture(channels: int, dtype: str) -> NDArray[Any]:
    """A fixed picture: waves, an edge, noise, from integers alone."""
    y, x = np.mgrid[0:53, 0:67]
    noise = (x * 7919 + y * 104_729 + x * y * 31) % 23
    gray = (x * 3 + y * 2 + (x // 9 % 2) * 60 + (y > 30) * 40 + noise) % 256
    return in_dtype(
        np.stack([(gray + 50 * c * (x > y)) % 256 for c in range(channels)], axis=2).astype(np.uint8), dtype
    )


def digest(operation: Operation) -> str:
    """Everything that an operation makes of the pictures, as one SHA-256."""
    sha = hashlib.sha256()
    for dtype, channels in KINDS:
        with suppress(Rejected):  # statistics of three channels, stains: gray images are refused
            for part in made(operation, sample(picture(channels, dtype), b"golden")):
                sha.update(part)
    return sha.hexdigest()


def made(operation: Operation, start: Sample) -> list[bytes]:
    step = Step(id=operation.name(), operation=operation)
    draws = KeyedDraws(7, settles([(step.id, operation)]))
    if isinstance(operation, Check):
        return [canonical_json(operation.examine(start)).encode()]
    if isinstance(operation, Feature):
        return [operation.extract(start.picture()).tobytes()]
    if isinstance(operation, Pca):
        rows = [np.array([(i * 7919 + j * j * 31 + i * i * j) % 97 for j in range(9)], np.float32) for i in range(40)]
        table = pa.table({"vector": pa.array([row.tobytes() for row in rows], pa.binary())})
        fitted = operation.with_fit(operation.fit([table]))
        return [np.asarray(fitted.derive({operation.of: row})).tobytes() for row in rows]
    if isinstance(operation, Dataset):
        parts = [value for value in operation.measure(start.picture()).values() if isinstance(value, bytes)]
        if hasattr(operation, "assign"):
            keys = [hashlib.sha256(bytes([i])).digest() for i in range(100)]
            parts += [",".join(operation.assign(key, group) for key in keys for group in (None, "g")).encode()]
        elif operation.name() == "balance":
            labels = ["cat", *["dog"] * 4, *["owl"] * 2, None]
            ids = [f"{i:020x}" for i in range(len(labels))]
            table = pa.table({"id": ids, "key": [name.encode() for name in ids], "label": labels})
            parts.append(canonical_json(operation.decide(table).to_pylist()).encode())
        elif parts:
            parts.append(decisions(operation, parts[0]))
        return parts
    samples = [start]
    if isinstance(operation, Expander):
        samples = operation.expand(start, step.id, draws)
    else:
        samples = [perform(step, replace(start, content=content), step.id, draws) for content in (b"1", b"2", b"3")]
    return [part for one in samples for part in (about(one).encode(), one.picture().tobytes())]


def about(one: Sample) -> str:
    lineage = canonical_json([list(done) for done in one.lineage])
    return f"{one.picture().dtype}{one.picture().shape}{one.suffix}{lineage}"


def decisions(operation: Dataset, value: bytes) -> bytes:
    hashes = [value, value, bytes([value[0] ^ 255]) + value[1:], bytes(32), bytes([255] * 32)]
    rows = [
        {"id": f"{i:020x}", "uri": f"{i}", "sha256": one, "bytes": i, "width": 5, "height": 5 + i % 2, "phash": one}
        for i, one in enumerate(hashes)
    ]
    return canonical_json(operation.decide(pa.Table.from_pylist(rows)).to_pylist()).encode()


def golden(name: str, kind: type[Operation]) -> dict[str, Any]:
    cases = CASES.get(name) or [dict(kind.example)]
    whole = hashlib.sha256("".join(digest(make(name, **_certain(kind, case))) for case in cases).encode()).hexdigest()
    return {"version": kind.version, "sha256": whole}


def _certain(kind: type[Operation], case: dict[str, Any]) -> dict[str, Any]:
    return {"p": 1, **case} if "p" in kind.model_fields else case


def platform_class() -> str:
    """What else decides bytes: libraries, and the processor's features that they use."""
    features = ",".join(sorted(line for line in cv2.getCPUFeaturesLine().split() if line[-1] != "?"))
    return f"{platform.machine()} numpy {np.__version__} opencv {cv2.__version__} {features}"


@pytest.mark.parametrize("name", sorted(shipped()))
def test_the_bytes_of_an_operation_change_only_with_its_version(name: str) -> None:
    stored = json.loads(FILE.read_text())
    kind = shipped()[name]
    how = f"run `python -m tests.tasks.test_golden {name}`"
    if name not in stored["operations"]:
        pytest.skip("not pinned yet")
    pinned = stored["operations"][name]
    assert pinned["version"] == kind.version, f"{name} has a new version: {how}"
    if stored["platform"] != platform_class():
        pytest.skip("pinned on another class of machine")
    assert golden(name, kind) == pinned, f"the bytes of {name} changed: bump version in its class, then {how}"


def test_every_operation_is_pinned() -> None:
    missing = sorted(set(shipped()) - set(json.loads(FILE.read_text())["operations"]))
    assert not missing, f"run `python -m tests.tasks.test_golden {' '.join(missing)}`"


def test_no_operation_is_pinned_that_is_gone() -> None:
    assert set(json.loads(FILE.read_text())["operations"]) <= set(shipped())


def main(names: list[str]) -> None:
    """Pin operations anew, all of them where none is named."""
    stored = json.loads(FILE.read_text()) if FILE.exists() and names else {"operations": {}}
    pinned = stored["operations"] | {name: golden(name, shipped()[name]) for name in names or shipped()}
    whole = {"platform": platform_class(), "operations": dict(sorted(pinned.items()))}
    FILE.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
