"""Drift: how two datasets' measures, labels and features differ, one distribution at a time.

A level is the higher of what two numbers say: the population stability index (PSI), which sees values that are more or
less frequent, and of numbers the Kolmogorov-Smirnov distance (KS) too, which sees values that have moved. Neither
counts where equal collections of these sizes would show it by chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tasks.errors import RequestError
from tasks.report import delivered
from tasks.report.delivered import Values
from tasks.report.statistics import Statistics

BINS = 10  # of as many images of the first dataset each
MODERATE, LARGE = 0.1, 0.25  # PSI
KS_MODERATE, KS_LARGE = 0.125, 0.2  # of two normal distributions whose PSI is 0.1 and 0.25
CHANCE = 0.001  # how often equal collections may be called different by one comparison
SHOWN = 3  # names of a distribution by name
LEVELS = ("stable", "moderate", "large")

Level = Literal["stable", "moderate", "large"]


@dataclass(frozen=True)
class Summary:
    """One side of a comparison of numbers: how many there are, and how they lie."""

    images: int
    mean: float | None = None
    median: float | None = None
    low: float | None = None  # the 5th percentile
    high: float | None = None  # the 95th

    @classmethod
    def of(cls, values: Values) -> Summary:
        """Sum up values; of none there is only their number."""
        if not len(values):
            return cls(0)
        low, median, high = np.percentile(values, [5, 50, 95]).tolist()
        return cls(len(values), float(values.mean()), median, low, high)


@dataclass(frozen=True)
class Drift:
    """How one distribution differs: ``ks`` is nothing for names, ``a`` and ``b`` are counts by name for these."""

    group: str  # measures, features, labels ...
    name: str
    level: Level
    psi: float
    ks: float | None
    a: Summary | Mapping[str, int]
    b: Summary | Mapping[str, int]


@dataclass(frozen=True)
class Comparison:
    """What differs between two datasets; ``lacking`` names what only one has, ``notes`` what cannot be compared."""

    a: Statistics
    b: Statistics

    @cached_property
    def drifts(self) -> list[Drift]:
        """Every distribution that both have: measures, then counts by name, then features; the largest drift first."""
        found = [
            *(of_numbers("measures", name, *self.measure(name)) for name in self._both(delivered.measures)),
            *self._names(),
            *(self._feature(name) for name in self._both(delivered.features) if not self._refitted(name)),
        ]
        return sorted(found, key=lambda one: (-LEVELS.index(one.level), -one.psi, one.group, one.name))

    @cached_property
    def lacking(self) -> dict[str, list[str]]:
        """What stands in one dataset only."""
        sides = [{*delivered.measures(one), *delivered.features(one)} for one in (self.a, self.b)]
        return {"a": sorted(sides[1] - sides[0]), "b": sorted(sides[0] - sides[1])}

    @cached_property
    def notes(self) -> list[str]:
        """Say what both have and was left out, a sentence each: vectors whose numbers mean something else in each."""
        return [
            f"{name} is left out: {', '.join(steps)} was fitted to other values in b than in a, "
            "so equal numbers do not mean the same"
            for name in self._both(delivered.features)
            if (steps := self._refitted(name))
        ]

    @property
    def level(self) -> Level:
        """The largest drift of all."""
        return max((one.level for one in self.drifts), key=LEVELS.index, default="stable")

    def as_json(self) -> dict[str, Any]:
        """Give everything as plain values."""
        sides = {
            name: {"dataset": one.store.location, "version": one.version["version"], "images": one.counts["listed"]}
            for name, one in (("a", self.a), ("b", self.b))
        }
        about = {"level": self.level, "lacking": self.lacking, "notes": self.notes}
        return {**sides, **about, "drifts": [asdict(one) for one in self.drifts]}

    def measure(self, name: str) -> tuple[Values, Values]:
        """Give one measure of every image that was measured, kept or not, in both datasets."""
        a, b = (delivered.column(one, one.version["measures"], name) for one in (self.a, self.b))
        return a, b

    def _both(self, names: Any) -> list[str]:
        theirs = set(names(self.b))
        return [name for name in names(self.a) if name in theirs]

    def _refitted(self, feature: str) -> list[str]:
        """Name the steps that a vector comes from whose fitted values differ."""
        a, b = (delivered.fits(one, feature) for one in (self.a, self.b))
        return sorted(step for step in {*a, *b} if a.get(step) != b.get(step))

    def _names(self) -> Iterator[Drift]:
        for group, counted in (
            ("labels", delivered.labels),
            ("categories", delivered.categories),
            ("fates", delivered.fates),
        ):
            a, b = counted(self.a), counted(self.b)
            names = sorted({*a, *b})
            if not names or not sum(a.values()) or not sum(b.values()):
                continue
            p, q = (np.array([one.get(name, 0) for name in names], dtype=np.float64) for one in (a, b))
            psi = population_stability(p, q)
            yield Drift(group, group, _level(psi, None, p, q), psi, None, a, b)

    def _feature(self, name: str) -> Drift:
        """Compare a feature by its component that differs most; chance has as many tries as there are components."""
        a, b = (delivered.vectors(one, name) for one in (self.a, self.b))
        components = delivered.components(self.b, name)
        if a.shape[1] != b.shape[1]:
            raise RequestError(
                f"{name}: {self.a.store.location} has {a.shape[1]} components, {self.b.store.location} {b.shape[1]}: "
                "they were made with other parameters and cannot be compared"
            )
        if not len(a) or not len(b):
            return Drift("features", name, "stable", 0.0, None, Summary.of(a[:, 0]), Summary.of(b[:, 0]))
        tries = a.shape[1]
        binned = [_binned(a[:, i], b[:, i]) for i in range(tries)]
        psis = [population_stability(*counts) for counts in binned]
        worst = int(np.argmax(psis))
        ks = kolmogorov_smirnov(a[:, worst], b[:, worst])
        level = _level(psis[worst], ks, *binned[worst], tries=tries)
        sides = (Summary.of(a[:, worst]), Summary.of(b[:, worst]))
        return Drift("features", f"{name}[{components[worst]}]", level, psis[worst], ks, *sides)


def compare(a: str | Path, b: str | Path) -> Comparison:
    """Compare two datasets, the first as the one that was known; ``DATASET@3`` is version 3.

    Raises ``RequestError`` where one is none.
    """
    return Comparison(_opened(a), _opened(b))


def _opened(name: str | Path) -> Statistics:
    path, _, number = str(name).rpartition("@")
    if path and number.isdecimal() and not Path(name).exists():
        return Statistics.of(path, int(number))
    return Statistics.of(name)


def of_numbers(group: str, name: str, a: Values, b: Values) -> Drift:
    """Compare two collections of finite numbers, of which each may hold none: then nothing is known to differ."""
    if not len(a) or not len(b):
        return Drift(group, name, "stable", 0.0, None, Summary.of(a), Summary.of(b))
    counts = _binned(a, b)
    psi, ks = population_stability(*counts), kolmogorov_smirnov(a, b)
    return Drift(group, name, _level(psi, ks, *counts), psi, ks, Summary.of(a), Summary.of(b))


def population_stability(a: Values, b: Values) -> float:
    """Give the population stability index of two distributions over the same bins; 0 where they are alike.

    Half an image is added to each bin, so that an empty one does not make it infinite.

    Source: Siddiqi 2006, "Credit Risk Scorecards"; below 0.1 is stable, above 0.25 a large shift.
    """
    p, q = ((side + 0.5) / (side.sum() + 0.5 * len(side)) for side in (a, b))
    return float(((q - p) * np.log(q / p)).sum())


def kolmogorov_smirnov(a: Values, b: Values) -> float:
    """Give the greatest distance between two distributions, 0 to 1.

    Source: SciPy ``stats.ks_2samp``.
    """
    from scipy.stats import ks_2samp

    with np.errstate(divide="ignore"):  # of the p-value of very few images, which is not looked at
        return float(ks_2samp(a, b, method="asymp").statistic)


def _level(psi: float, ks: float | None, a: Values, b: Values, tries: int = 1) -> Level:
    """Say how large a drift is, by PSI and of numbers by KS too: the higher of both. ``a``, ``b`` are counts by bin.

    Nothing that equal collections of this size show by chance is more than stable.

    Source: Yurdakul 2018, "Statistical properties of the population stability index": chi-square by sizes; Smirnov
    1948, "Table for estimating the goodness of fit of empirical distributions".
    """
    from scipy.stats import chi2

    sizes = float(1 / a.sum() + 1 / b.sum())
    often = CHANCE / tries / (1 if ks is None else 2)  # two numbers are two chances
    by_psi = _reached(psi, MODERATE, LARGE, float(chi2.isf(often, max(len(a) - 1, 1))) * sizes)
    if ks is None:
        return by_psi
    by_ks = _reached(ks, KS_MODERATE, KS_LARGE, math.sqrt(-math.log(often / 2) / 2 * sizes))
    return max(by_psi, by_ks, key=LEVELS.index)


def _reached(value: float, moderate: float, large: float, chance: float) -> Level:
    if value < max(moderate, chance):
        return "stable"
    return "moderate" if value < large else "large"


def _binned(a: Values, b: Values) -> tuple[Values, Values]:
    """Count both in bins that hold as many of the first, as far as its values differ; empty bins are left out.

    A value that fills half a bin of the first or more has a bin of its own, so that what is below it, equal and above
    are told apart: else, where it is the least of the first, all of the second below it would be in the same bin.
    """
    edges = np.unique(np.quantile(a, np.linspace(0, 1, BINS + 1)[1:-1]))
    held = np.array([np.count_nonzero(a == edge) for edge in edges])
    often = (held * 2 * BINS >= len(a)) & (held >= min(2, len(a)))  # once is no tie, but of a single image
    inner = np.unique([*edges, *np.nextafter(edges[often], -np.inf), np.inf])
    p, q = (np.bincount(np.searchsorted(inner, side), minlength=len(inner)).astype(np.float64) for side in (a, b))
    used = p + q > 0
    return p[used], q[used]


def drawn(found: Comparison) -> str:
    """Give the comparison as a table for a terminal: what differs most comes first."""
    sides = [f"{one.store.location}, version {one.version['version']}" for one in (found.a, found.b)]
    lines = [f"a  {sides[0]}", f"b  {sides[1]}", ""]
    rows = [("", "PSI", "KS", "a", "b")]
    for one in found.drifts:
        ks = "" if one.ks is None else f"{one.ks:.3f}"
        rows.append((f"{one.level:<9} {one.name}", f"{one.psi:.3f}", ks, told(one.a, one.b), told(one.b, one.a)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for side, names in found.lacking.items():
        lines += [f"{side} has no {', '.join(names)}"] if names else []
    lines += found.notes
    return "\n".join(lines)


def told(side: Summary | Mapping[str, int], other: Summary | Mapping[str, int]) -> str:
    """Say a side in few words: where its numbers lie, or the names whose share differs most."""
    if isinstance(side, Summary):
        if side.median is None:
            return "none"
        return f"{side.median:.4g} ({side.low:.4g} to {side.high:.4g})"
    assert not isinstance(other, Summary)
    shares = {name: side.get(name, 0) / sum(side.values()) for name in {*side, *other}}
    apart = {name: abs(share - other.get(name, 0) / sum(other.values())) for name, share in shares.items()}
    most = sorted(shares, key=lambda name: (-apart[name], name))[:SHOWN]
    return ", ".join(f"{name} {shares[name]:.1%}" for name in most)
