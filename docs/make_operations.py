"""Write docs/operations.md from the code, with a picture before and after for each operation.

``python docs/make_operations.py``; a test compares the text with the code.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the script runs from a checkout that is not installed, too

from tasks.errors import Rejected  # noqa: E402
from tasks.fitted import Derived  # noqa: E402
from tasks.image.sample import Base, Other, Pixels, Sample  # noqa: E402
from tasks.image.values import fractions  # noqa: E402
from tasks.operation import (  # noqa: E402
    Check,
    Dataset,
    Expander,
    Feature,
    KeyedDraws,
    Mixing,
    Step,
    Target,
    perform,
    registry,
)
from tasks.pipeline.graph import build, step_of  # noqa: E402
from tasks.pipeline.reference import example_yaml, listing, type_name  # noqa: E402
from tasks.pipeline.spec import thaw  # noqa: E402

PAGE = ROOT / "docs" / "operations.md"
PICTURES = ROOT / "docs" / "operations"
SIZE = 250, 190  # px: the picture that operations get; no square, no multiple of 32
SHOWS = 3  # levels of 8 bits, on average: an operation that changes less gets another picture
PANEL = 176  # px: the side of one picture in a strip
GAP = 8
DRAWS = 12  # contents tried for an operation that draws: the one that shows most is taken

INTRODUCTION = """# Operations

Made from the code by `docs/make_operations.py`; `imagemill operations NAME` shows the same in the terminal.
Ranges `[low, high]` are drawn uniformly for each copy, `p` is the probability that a step happens at all. Parameters
are fractions of the value range unless a unit is named, so they mean the same for uint8, uint16 and float32.

Pictures show the example before and after: on scikit-image's astronaut, or, where that shows nothing, with noise, on
black, in gray or on a tilted page. Random operations have one fixed draw. Checks show a picture that passes and one
that is rejected; features their vector as bars.
"""


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    for file in PICTURES.glob("*.webp"):
        if file.stem not in registry():
            file.unlink()
    photograph = astronaut()
    for about in listing():
        panels = strip(about["name"], photograph)
        if panels:
            write(PICTURES / f"{about['name']}.webp", panels)
    PAGE.write_text(page())


def page() -> str:
    """Give the whole page. Pictures are named where they lie there."""
    groups = [(group, list(members)) for group, members in groupby(listing(), key=lambda about: about["group"])]
    contents = [f"**{group}**: {', '.join(map(link, members))}" for group, members in groups]
    parts = [INTRODUCTION, *contents]
    for group, members in groups:
        parts += [f"## {group}", *(section(about) for about in members)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def link(about: Mapping[str, Any]) -> str:
    return f"[{about['name']}](#{about['name']})"


def section(about: Mapping[str, Any]) -> str:
    name = about["name"]
    documentation = about["documentation"].partition("Source:")[0].strip()
    lines = [f"### {name}", f"*{about['kind']}; {', '.join(about['dtypes'])}*", documentation]
    if (PICTURES / f"{name}.webp").is_file():
        lines.append(f"![{name}: before and after](operations/{name}.webp)")
    if about["parameters"]:
        rows = [
            f"| `{parameter}` | {escaped(type_name(one['schema']))} | {default(one)} |"
            for parameter, one in about["parameters"].items()
        ]
        lines.append("\n".join(["| parameter | takes | default |", "|---|---|---|", *rows]))
    lines += [f"Source: {about['source']}", f"```yaml\n{example_yaml(about)}\n```"]
    return "\n\n".join(lines)


def escaped(text: str) -> str:
    return text.replace("|", "\\|")


def default(parameter: Mapping[str, Any]) -> str:
    if parameter["required"]:
        return "required"
    return escaped(f"`{json.dumps(rounded(parameter['default']))}`")


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return [rounded(item) for item in value] if isinstance(value, list) else value


def astronaut() -> Pixels:
    """Give face and shoulder of scikit-image's astronaut."""
    from skimage import data

    return np.asarray(cv2.resize(data.astronaut()[10:314, 60:460], SIZE, interpolation=cv2.INTER_AREA))


def subjects(photograph: Pixels) -> Iterator[Pixels]:
    """Give pictures for operations that show nothing on the photograph."""
    from skimage import data

    yield photograph
    yield noisy(photograph)
    yield bordered(photograph)
    yield grayed(photograph)
    page = data.page()[:, :250]
    turned = cv2.getRotationMatrix2D((page.shape[1] / 2, page.shape[0] / 2), 6, 0.85)
    yield np.asarray(cv2.warpAffine(page, turned, SIZE, borderValue=[255]))[:, :, None]


def noisy(photograph: Pixels) -> Pixels:
    noise = np.random.Generator(np.random.Philox(7)).normal(0, 25, photograph.shape)
    return np.clip(photograph + noise, 0, 255).astype(np.uint8)


def grayed(photograph: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(photograph, cv2.COLOR_RGB2GRAY))[:, :, None]


def bordered(photograph: Pixels) -> Pixels:
    black = np.zeros_like(photograph)
    black[40:150, 50:190] = photograph[40:150, 50:190]
    return black


def strip(name: str, photograph: Pixels) -> list[Pixels]:
    """Give the pictures that show an operation, before and after; nothing where it changes no pixels."""
    if issubclass(registry()[name], (Dataset, Derived)):
        return []
    step, settles = one_step(name)
    operation = step.operation
    if isinstance(operation, Target):
        return []
    if isinstance(operation, Feature):
        return [photograph, bars(operation.extract(photograph))]
    if isinstance(operation, Check):
        return [photograph, *rejected(operation, photograph)]
    strips = (shown(step, subject, settles) for subject in subjects(photograph))
    first = next(strips)
    return next((one for one in (first, *strips) if changed(one) >= SHOWS), first)


class Beside:
    """Three other photographs, for operations that mix images."""

    def find(self, sample: Sample, path: str, count: int) -> list[Other]:
        from skimage import data

        photographs = [data.chelsea(), data.coffee(), data.rocket()]
        resized = [cv2.resize(one, SIZE, interpolation=cv2.INTER_AREA) for one in photographs[:count]]
        return [Other(Sample(Base(np.asarray(one))), {"uri": f"{i}.jpg"}) for i, one in enumerate(resized)]


def shown(step: Step, subject: Pixels, settles: frozenset[str]) -> list[Pixels]:
    """Give a picture and what a step makes of it, with the draw that changes most; alone where it is rejected.

    Mixtures have the draw in the middle.
    """
    tried: list[list[Pixels]] = []
    for n in range(DRAWS if step.operation.is_random else 1):
        with suppress(Rejected):
            tried.append([subject, *done(step, Sample(Base(subject), bytes([n]), others=Beside()), settles)])
    tried.sort(key=changed)
    most = len(tried) // 2 if step.operation.mixes else -1  # what changes most is the other image alone
    return tried[most] if tried else [subject]


def changed(pictures: list[Pixels]) -> float:
    return float(np.abs(panel(pictures[0]).astype(float) - panel(pictures[-1])).mean())


def one_step(name: str) -> tuple[Step, frozenset[str]]:
    """Give an operation's example as the only step of a pipeline, certain to happen, and where its groups end."""
    kind = registry()[name]
    certain = {"p": 1} if "p" in kind.model_fields else {}
    step: dict[str, Any] = {name: {**certain, **kind.example}}
    if issubclass(kind, Mixing):
        step = {"augment": {"transforms": [step]}}
    steps = [{"resize": {"size": [*SIZE]}, "id": "start"}, {**step, "id": "step"}]
    source = {"path": "data/sample/quickstart"}
    frozen = {"version": 1, "name": "one", "source": source, "steps": steps, "outputs": {"images": {"from": "start"}}}
    graph = build(thaw(frozen, ROOT))
    return step_of(graph.nodes["step"]), graph.settles


def done(step: Step, sample: Sample, settles: frozenset[str]) -> list[Pixels]:
    draws = KeyedDraws(7, settles)
    if isinstance(step.operation, Expander):
        return [made.picture() for made in step.operation.expand(sample, step.id, draws) if made.suffix][:3]
    return [perform(step, sample, step.id, draws).picture()]


def rejected(check: Check, photograph: Pixels) -> list[Pixels]:
    """Give the first spoilt picture that a check rejects, or nothing."""
    for spoilt in spoilings(photograph):
        try:
            if check.verdict(check.examine(Sample(Base(spoilt)))) is not None:
                return [spoilt]
        except Rejected:
            return [spoilt]
    return []


def spoilings(photograph: Pixels) -> Iterator[Pixels]:
    yield np.asarray(cv2.GaussianBlur(photograph, (0, 0), 6))
    yield (photograph // 6).astype(np.uint8)
    yield (245 + photograph // 26).astype(np.uint8)
    yield np.asarray(cv2.imdecode(cv2.imencode(".jpg", photograph, [cv2.IMWRITE_JPEG_QUALITY, 8])[1], cv2.IMREAD_COLOR))
    yield np.full_like(photograph, 200)
    yield np.repeat(grayed(photograph), 3, axis=2)
    yield grayed(photograph)
    yield photograph[70:130]
    yield photograph[60:100, 60:110]
    yield bordered(photograph)
    yield np.clip((photograph.astype(float) - 128) * 6 + 128, 0, 255).astype(np.uint8)
    yield noisy(photograph)
    yield np.asarray(cv2.resize(photograph, None, fx=40, fy=1))


def bars(vector: NDArray[np.float32]) -> Pixels:
    """Draw a vector: a bar a component, upwards or downwards from 0; a count beside fractions is cut."""
    most = min(float(np.abs(vector).max()), 2 * float(np.quantile(np.abs(vector), 0.9))) or 1.0
    heights = np.clip(vector / most, -1, 1)[np.arange(PANEL) * len(vector) // PANEL]
    room = PANEL - 16
    base = PANEL - 8 if vector.min() >= 0 else PANEL // 2
    tops = np.rint(base - heights * (room if vector.min() >= 0 else room / 2))
    y = np.arange(PANEL)[:, None]
    filled = (y >= np.minimum(tops, base)) & (y <= np.maximum(tops, base))
    return np.where(filled[:, :, None], np.uint8([40, 70, 110]), np.uint8([245, 245, 245]))


def panel(pixels: Pixels) -> Pixels:
    """Fit a picture into a square on white, 8 bits, RGB."""
    values = fractions(pixels)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        values = (values - low) / (high - low)
    whole = np.rint(values * 255).astype(np.uint8)
    height, width = whole.shape[:2]
    scale = PANEL / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    whole = np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST_EXACT))
    whole = whole.reshape(size[1], size[0], -1)
    square = np.full((PANEL, PANEL, 3), 255, np.uint8)
    top, left = (PANEL - size[1]) // 2, (PANEL - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = whole
    return square


def write(file: Path, panels: list[Pixels]) -> None:
    gap = np.full((PANEL, GAP, 3), 255, np.uint8)
    parts = [part for one in panels for part in (gap, panel(one))][1:]
    image = Image.fromarray(np.concatenate(parts, axis=1))
    for quality in range(75, 0, -15):
        image.save(file, quality=quality, method=6)
        if file.stat().st_size <= 15_000:
            return


if __name__ == "__main__":
    main()
