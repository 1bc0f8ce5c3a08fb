"""report.html: one file about one dataset, without network, for screen, keyboard and paper."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tasks.report import charts
from tasks.report.dag import draw, shortened
from tasks.report.feature_map import HEIGHT, TILE, WIDTH, FeatureMap, feature_map
from tasks.report.origins import Origins, Strip
from tasks.report.samples import Gallery, Teller, gallery
from tasks.report.statistics import POINTS, Measure, Statistics

NAME = "report.html"
TEMPLATE = "page.html.j2"
FOLDER = Path(__file__).parent
STRIP_ROWS = 4  # kept rows of a split that are tried, where sources are gone


def write_report(root: str | Path) -> str:
    """Write ``report.html`` of a dataset's newest version, and give its path or URL.

    Raises ``RequestError`` where there is no version, or one of its files is missing.
    """
    statistics = Statistics.of(root)
    statistics.store.write_beside(NAME, page(statistics))
    return f"{statistics.store.location}/{NAME}"


def environment() -> Environment:
    """Give what renders the pages: everything is escaped, nothing may be undefined."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters["bytes"] = _bytes
    made.filters["number"] = _number
    made.filters["short"] = shortened
    return made


def page(statistics: Statistics) -> str:
    """Give the page."""
    pictures = gallery(statistics)
    mapped = feature_map(statistics)
    origins = Origins(statistics)
    strips = _strips(statistics, origins, pictures)
    style, script = ((FOLDER / name).read_text("utf-8") for name in ("page.css", "page.js"))
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            s=statistics,
            root=statistics.store.name,
            drawing=draw(statistics.version, statistics.lost),
            charts=_charts(statistics),
            histograms=[(m, Markup(charts.svg(charts.histogram(m), _told(m)))) for m in statistics.measures],
            gallery=pictures,
            samples=_told_samples(pictures),
            strips=strips,
            rejects=origins.rejects(),
            groups=origins.groups(),
            map=mapped,
            map_size=(WIDTH, HEIGHT),
            dots=_told_dots(mapped),
            points=POINTS,
            most_bars=charts.MOST_BARS,
            least=lambda counts: min((sum(by.values()), name) for name, by in counts.items()),
            mixes=bool(strips) and origins.mixes,
            missing=origins.missing,
            policy=policy(style, script),
            css=Markup(style),
            javascript=Markup(script),
        )
    )


def _charts(statistics: Statistics) -> dict[str, Markup]:
    """Draw what there is to draw; vl-convert's SVG escapes the text in it."""
    drawn = dict.fromkeys(("splits", "classes", "categories", "sizes", "pace"), "")
    rows = {name: statistics.counts["rows"].get(name, {}) for name in statistics.outputs}
    if any(sum(by.values()) for by in rows.values()):
        label = "Rows by output and split: " + "; ".join(f"{name}: {_listed(by)}" for name, by in rows.items())
        drawn["splits"] = charts.svg(charts.stacked(rows, statistics.splits, "rows"), label)
    for name, what, counts in (
        ("classes", "rows", statistics.classes),
        ("categories", "boxes", statistics.categories),
    ):
        if any(sum(by.values()) for by in counts.values()):
            sums = sorted(((sum(by.values()), key) for key, by in counts.items()), reverse=True)[: charts.MOST_BARS]
            label = f"{what} by {name}: " + "; ".join(f"{key}: {n}" for n, key in sums)
            drawn[name] = charts.svg(charts.stacked(counts, statistics.splits, what), label)
    if statistics.sizes:
        label = "Width and height of source images, kept and rejected"
        drawn["sizes"] = charts.svg(charts.scatter(statistics.sizes), label)
    if pace := statistics.version.get("pace"):
        rate = sum(pace["images"]) / pace["seconds"]
        label = f"Images a second over {pace['seconds']:,.1f} seconds, {rate:,.0f} on average"
        drawn["pace"] = charts.svg(charts.pace(pace["seconds"], pace["images"]), label)
    return {name: Markup(one) for name, one in drawn.items()}


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items()) or "none"


def _told(measure: Measure) -> str:
    text = f"Distribution of {measure.name} over {measure.measured:,} images, median {measure.quantile(0.5):.3g}"
    if measure.threshold is None:
        return text
    return f"{text}; {measure.beyond:,} are {measure.threshold.side} the limit {measure.threshold.limit:g}"


def _told_samples(pictures: Gallery | None) -> dict[str, Any]:
    """Give what the dialog tells, by row id: plain values, put into the page as JSON."""
    if pictures is None:
        return {}
    shown = [*pictures.samples, *(row for family in pictures.families for row in family.rows)]
    return {sample.id: sample.about for sample in shown}


def _strips(statistics: Statistics, origins: Origins, pictures: Gallery | None) -> list[Strip]:
    """Take the first kept rows that hold pictures through the steps once more."""
    if pictures is None:
        return []
    teller = Teller(statistics, pictures.output)
    return origins.strips(row for split in statistics.splits for row in teller.originals(split, STRIP_ROWS))


def _told_dots(mapped: FeatureMap | None) -> dict[str, Any]:
    """Give what the map tells of each point: plain values, put into the page as JSON."""
    if mapped is None:
        return {}
    dots = [[dot.name, dot.group, dot.split, dot.tile] for dot in mapped.dots]
    return {"atlas": mapped.atlas, "across": mapped.across, "tile": TILE, "dots": dots}


def policy(style: str, script: str) -> str:
    """Give the content security policy: nothing but what stands in the page itself."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
