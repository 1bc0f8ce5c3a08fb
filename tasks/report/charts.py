"""The charts: Vega-Lite specifications drawn to SVG when the page is made, in the page's own colours."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.report.statistics import Measure, Point

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
MOST_BARS = 40
SPLIT_COLORS = [f"var(--c{i})" for i in range(1, 7)]
CONFIG: Mapping[str, Any] = {
    "aria": False,  # the drawing has one label of its own
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "gridColor": "var(--line)",
        "gridOpacity": 0.6,
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "titleFontWeight": "normal",
        "labelFontSize": 11,
        "titleFontSize": 11,
    },
    "legend": {"labelColor": "var(--fg)", "orient": "top", "title": None, "symbolType": "square"},
    "text": {"color": "var(--fg)", "fontSize": 11},
}
FORMAT = ",d"
FATES = {"kept": "var(--kept)", "rejected": "var(--lost)"}
TAG = re.compile("<[^<>]*>")
ARIA = re.compile(r' (?:role|aria-\w+|class)="[^"]*"')  # Vega's own, of parts that say nothing by themselves

Spec = dict[str, Any]


def svg(spec: Spec, label: str) -> str:
    """Draw a specification; ``label`` says it to those who do not see it.

    vl-convert (100 MB) is imported only here, and reaches no network.
    """
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg({"$schema": SCHEMA, "config": CONFIG, **spec}, allowed_base_urls=[])
    bare = TAG.sub(lambda tag: ARIA.sub("", tag[0]), drawn)
    return bare.replace("<svg ", f'<svg role="img" aria-label="{html.escape(label)}" ', 1)


def stacked(counts: Mapping[str, Mapping[str, int]], splits: Sequence[str], what: str) -> Spec:
    """Draw bars by name, each divided by split, with the sum at its end; the longest first, at most 40."""
    largest = sorted(counts, key=lambda name: (-sum(counts[name].values()), name))[:MOST_BARS]
    values = [
        {"name": _printable(name), "split": split, "n": counts[name].get(split, 0), "order": splits.index(split)}
        for name in largest
        for split in splits
    ]
    sums = [{"name": _printable(name), "n": sum(counts[name].values())} for name in largest]
    shown = [one["name"] for one in sums]
    axis = {"labelLimit": 220, "ticks": False, "domain": False}
    y = {"field": "name", "type": "nominal", "sort": shown, "title": None, "axis": axis}
    x = {"type": "quantitative", "title": what, "axis": {"format": FORMAT, "tickCount": 5, "tickMinStep": 1}}
    colors = {"domain": list(splits), "range": [SPLIT_COLORS[i % len(SPLIT_COLORS)] for i in range(len(splits))]}
    bars = {
        "data": {"values": values},
        "mark": "bar",
        "encoding": {
            "x": {**x, "field": "n", "stack": "zero"},
            "color": {"field": "split", "type": "nominal", "scale": colors, "sort": list(splits)},
            "order": {"field": "order", "type": "quantitative"},
        },
    }
    ends = {
        "data": {"values": sums},
        "mark": {"type": "text", "align": "left", "dx": 5},
        "encoding": {"x": {**x, "field": "n"}, "text": {"field": "n", "type": "quantitative", "format": FORMAT}},
    }
    return {"width": 480, "height": {"step": 22}, "encoding": {"y": y}, "layer": [bars, ends]}


def _printable(name: str) -> str:
    """Spell out what has no shape: Vega's expressions end at a line separator, and SVG takes no control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def histogram(measure: Measure) -> Spec:
    """Draw a measure's distribution; what lies beyond the threshold in another colour, and the threshold as a line."""
    threshold = measure.threshold
    values = [
        {"from": low, "to": high, "n": n, "bad": is_bad}
        for low, high, images, bad in measure.bars()
        for n, is_bad in ((bad, True), (images - bad, False))
        if n
    ]
    scale = {"nice": False, "domain": [measure.low, measure.high]}
    x = {"type": "quantitative", "title": None, "axis": {"grid": False, "tickCount": 6}, "scale": scale}
    short = {"format": "~s" if measure.measured >= 10_000 else FORMAT, "tickCount": 4, "tickMinStep": 1}
    y = {"type": "quantitative", "title": "images", "axis": short}
    colors = {"domain": [False, True], "range": list(FATES.values())}
    bars = {
        "data": {"values": values},
        "mark": {"type": "bar", "binSpacing": 1},
        "encoding": {
            "x": {**x, "field": "from", "bin": "binned"},
            "x2": {"field": "to"},
            "y": {**y, "field": "n"},
            "order": {"field": "bad", "sort": "descending"},
            "color": {"field": "bad", "type": "nominal", "legend": None, "scale": colors},
        },
    }
    layers: list[Spec] = [bars]
    if threshold is not None and measure.low <= threshold.limit <= measure.high:
        mark = {"type": "rule", "color": "var(--fg)", "strokeDash": [4, 3], "strokeWidth": 1.5}
        value = {"values": [{"x": threshold.limit}]}
        layers.append({"data": value, "mark": mark, "encoding": {"x": {**x, "field": "x"}}})
    return {"width": 290, "height": 130, "layer": layers}


def pace(seconds: float, images: Sequence[int]) -> Spec:
    """Draw how many images a second were made, over the seconds since the first unit was."""
    each = seconds / len(images)
    values = [{"from": i * each, "to": (i + 1) * each, "rate": n / each} for i, n in enumerate(images)]
    scale = {"domain": [0, seconds], "nice": False}
    x = {"type": "quantitative", "title": "seconds since the first unit", "scale": scale}
    y = {"field": "rate", "type": "quantitative", "title": "images a second", "axis": {"format": "~s", "tickCount": 5}}
    mean = {"values": [{"rate": sum(images) / seconds}]}
    return {
        "width": 700,
        "height": 160,
        "layer": [
            {
                "data": {"values": values},
                "mark": {"type": "bar", "binSpacing": 0.5, "color": "var(--kept)"},
                "encoding": {
                    "x": {**x, "field": "from", "bin": "binned", "axis": {"grid": False, "tickCount": 8}},
                    "x2": {"field": "to"},
                    "y": y,
                },
            },
            {
                "data": mean,
                "mark": {"type": "rule", "color": "var(--fg)", "strokeDash": [4, 3], "strokeWidth": 1.5},
                "encoding": {"y": y},
            },
        ],
    }


def scatter(points: Sequence[Point]) -> Spec:
    """Draw source sizes: a point a size, larger for more images; axes are logarithmic where sizes span much."""
    values = [{"w": p.width, "h": p.height, "fate": "kept" if p.kept else "rejected", "n": p.images} for p in points]
    axes = {name: _size_axis([getattr(p, name) for p in points], f"{name} in px") for name in ("width", "height")}
    fate = {"field": "fate", "type": "nominal"}
    by_number = {"type": "sqrt", "range": [32, 320], "domain": [1, max(30, *(p.images for p in points))]}
    return {
        "width": 480,
        "height": 320,
        "data": {"values": values},
        "mark": {"type": "point", "filled": True, "opacity": 0.7},
        "encoding": {
            "x": {"field": "w", **axes["width"]},
            "y": {"field": "h", **axes["height"]},
            "color": {**fate, "scale": {"domain": list(FATES), "range": list(FATES.values())}},
            "shape": {**fate, "scale": {"domain": list(FATES), "range": ["circle", "cross"]}},
            "size": {"field": "n", "type": "quantitative", "legend": None, "scale": by_number},
        },
    }


def _size_axis(sides: Sequence[int], title: str) -> Spec:
    low, high = min(sides), max(sides)
    margin = max(1.0, (high - low) * 0.05)
    scale: Spec = {"zero": False, "nice": False, "domain": [low - margin, high + margin]}
    if high > 8 * low:
        scale = {"type": "log", "nice": False, "domain": [low / 1.08, high * 1.08]}
    axis = {"format": FORMAT, "tickCount": 6, "tickMinStep": 1}
    return {"type": "quantitative", "title": title, "scale": scale, "axis": axis}


SIDES = {"domain": ["a", "b"], "range": ["var(--c1)", "var(--c2)"]}
BY_SIDE = {"field": "side", "type": "nominal", "scale": SIDES}


def beside(edges: Sequence[float], a: Sequence[float], b: Sequence[float]) -> Spec:
    """Draw two distributions over each other as steps: the share of images in each bin, of a filled and of b a line."""
    values = [
        {"at": at, "share": share, "side": side}
        for side, shares in (("a", a), ("b", b))
        for at, share in zip(edges, (*shares, shares[-1]), strict=True)
    ]
    scale = {"nice": False, "domain": [edges[0], edges[-1]]}
    x = {
        "field": "at",
        "type": "quantitative",
        "title": None,
        "scale": scale,
        "axis": {"grid": False, "tickCount": 5, **({"format": "~s"} if edges[-1] >= 10_000 else {})},
    }
    y = {"field": "share", "type": "quantitative", "title": "share", "axis": {"format": ".0%", "tickCount": 4}}
    encoding = {"x": x, "y": {**y, "stack": None}, "color": BY_SIDE}
    area = {"type": "area", "interpolate": "step-after", "opacity": 0.35}
    line = {"type": "line", "interpolate": "step-after", "strokeWidth": 1.5}
    layers = [{"mark": area, "encoding": encoding}, {"mark": line, "encoding": encoding}]
    return {"width": 290, "height": 130, "data": {"values": values}, "layer": layers}


def beside_by_name(a: Mapping[str, int], b: Mapping[str, int]) -> Spec:
    """Draw the shares by name side by side, the commonest of a first, at most 40."""
    shares = {side: {name: n / max(sum(by.values()), 1) for name, n in by.items()} for side, by in (("a", a), ("b", b))}
    names = sorted({*a, *b}, key=lambda name: (-shares["a"].get(name, 0), name))[:MOST_BARS]
    values = [
        {"name": _printable(name), "side": side, "share": by.get(name, 0)}
        for side, by in shares.items()
        for name in names
    ]
    axis = {"labelLimit": 140, "ticks": False, "domain": False}
    sort = [_printable(name) for name in names]
    share = {"field": "share", "type": "quantitative", "title": "share", "axis": {"format": ".0%", "tickCount": 5}}
    return {
        "width": 220,
        "height": {"step": 10},
        "data": {"values": values},
        "mark": "bar",
        "encoding": {
            "y": {"field": "name", "type": "nominal", "sort": sort, "title": None, "axis": axis},
            "yOffset": {"field": "side"},
            "x": share,
            "color": BY_SIDE,
        },
    }
