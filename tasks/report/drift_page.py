"""The comparison of two datasets as one page, in the report's style."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from tasks.report import charts
from tasks.report.delivered import Values
from tasks.report.drift import KS_LARGE, KS_MODERATE, LARGE, MODERATE, Comparison, Summary, told
from tasks.report.page import FOLDER, environment, policy

TEMPLATE = "drift.html.j2"
BARS = 30


def write_comparison(found: Comparison, path: Path) -> Path:
    """Write the page, and give its path. Raises ``OSError`` where it cannot be written."""
    path.write_text(page(found), "utf-8")
    return path


def page(found: Comparison) -> str:
    """Give the page: the table, both distributions of measures and counts drawn over each other, how it is told."""
    style = (FOLDER / "page.css").read_text("utf-8")
    names = [f"{one.store.name}, version {one.version['version']}" for one in (found.a, found.b)]
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            found=found,
            names=names,
            told=told,
            drawings=_drawings(found),
            policy=policy(style, ""),
            css=Markup(style),
            psi=(MODERATE, LARGE),
            ks=(KS_MODERATE, KS_LARGE),
        )
    )


def _drawings(found: Comparison) -> list[tuple[str, Markup]]:
    drawn = []
    for one in found.drifts:
        label = f"{one.name}: {told(one.a, one.b)} in a, {told(one.b, one.a)} in b"
        if one.group == "measures":
            spec = charts.beside(*_shares(*found.measure(one.name)))
        elif not isinstance(one.a, Summary) and not isinstance(one.b, Summary):
            spec = charts.beside_by_name(one.a, one.b)
        else:
            continue
        drawn.append((one.name, Markup(charts.svg(spec, label))))
    return drawn


def _shares(a: Values, b: Values) -> tuple[list[float], list[float], list[float]]:
    """Give the edges of equal bins, and the share of each side in them."""
    every = np.concatenate([a, b])
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, BARS + 1)
    shares: list[Any] = [(np.histogram(side, edges)[0] / max(len(side), 1)).tolist() for side in (a, b)]
    return edges.tolist(), shares[0], shares[1]
