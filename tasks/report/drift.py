"""Drift: how two datasets' measures, labels and features differ, one distribution at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.errors import RequestError
from tasks.report.statistics import BATCH, Statistics

BINS = 10  # of as many images of the first dataset each
MODERATE, LARGE = 0.1, 0.25  # PSI
CHANCE = 0.001  # how often equal collections may be called different by one comparison
ROWS = 20_000  # whose features are read: the first by id, so a random sample
ALWAYS = ("width", "height", "bytes")
SHOWN = 3  # names of a distribution by name
LEVELS = ("stable", "moderate", "large")

Level = Literal["stable", "moderate", "large"]
Values = NDArray[np.float64]


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
    """What differs between two datasets; ``lacking`` names what only one of them has."""

    a: Statistics
    b: Statistics

    @cached_property
    def drifts(self) -> list[Drift]:
        """Every distribution that both have: measures, then counts by name, then features; the largest drift first."""
        found = [
            *(self._numbers("measures", name, *self.measure(name)) for name in self._both(_measures)),
            *self._names(),
            *(self._feature(name) for name in self._both(_features)),
        ]
        return sorted(found, key=lambda one: (-LEVELS.index(one.level), -one.psi, one.group, one.name))

    @cached_property
    def lacking(self) -> dict[str, list[str]]:
        """What stands in one dataset only."""
        sides = [{*_measures(one), *_features(one)} for one in (self.a, self.b)]
        return {"a": sorted(sides[1] - sides[0]), "b": sorted(sides[0] - sides[1])}

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
        return {**sides, "level": self.level, "lacking": self.lacking, "drifts": [asdict(one) for one in self.drifts]}

    def measure(self, name: str) -> tuple[Values, Values]:
        """Give one measure of every image that was measured, kept or not, in both datasets."""
        a, b = (_column(one, one.version["measures"], name) for one in (self.a, self.b))
        return a, b

    def _both(self, names: Any) -> list[str]:
        theirs = set(names(self.b))
        return [name for name in names(self.a) if name in theirs]

    def _numbers(self, group: str, name: str, a: Values, b: Values) -> Drift:
        if not len(a) or not len(b):
            return Drift(group, name, "stable", 0.0, None, Summary.of(a), Summary.of(b))
        counts = _binned(a, b)
        psi = population_stability(*counts)
        return Drift(group, name, _level(psi, *counts), psi, kolmogorov_smirnov(a, b), Summary.of(a), Summary.of(b))

    def _names(self) -> Iterator[Drift]:
        for group, counted in (("labels", _labels), ("categories", _categories), ("fates", _fates)):
            a, b = counted(self.a), counted(self.b)
            names = sorted({*a, *b})
            if not names or not sum(a.values()) or not sum(b.values()):
                continue
            p, q = (np.array([one.get(name, 0) for name in names], dtype=np.float64) for one in (a, b))
            psi = population_stability(p, q)
            yield Drift(group, group, _level(psi, p, q), psi, None, a, b)

    def _feature(self, name: str) -> Drift:
        """Compare a feature by its component that differs most; chance has as many tries as there are components."""
        a, b = (_vectors(one, name) for one in (self.a, self.b))
        components = _components(self.b, name)
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
        level = _level(psis[worst], *binned[worst], tries=tries)
        ks = kolmogorov_smirnov(a[:, worst], b[:, worst])
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


def _level(psi: float, a: Values, b: Values, tries: int = 1) -> Level:
    """Say how large a drift is: nothing that equal collections of this size show by chance.

    Source: Yurdakul 2018, "Statistical properties of the population stability index": chi-square by sizes.
    """
    from scipy.stats import chi2

    chance = chi2.isf(CHANCE / tries, max(len(a) - 1, 1)) * (1 / a.sum() + 1 / b.sum())
    if psi < max(MODERATE, chance):
        return "stable"
    return "moderate" if psi < LARGE else "large"


def _binned(a: Values, b: Values) -> tuple[Values, Values]:
    """Count both in bins that hold as many of the first, as far as its values differ."""
    edges = np.unique(np.quantile(a, np.linspace(0, 1, BINS + 1)[1:-1]))
    inner = np.append(edges, np.inf)
    counts = tuple(
        np.bincount(np.searchsorted(inner, side), minlength=len(inner)).astype(np.float64) for side in (a, b)
    )
    return counts[0], counts[1]


def _measures(one: Statistics) -> list[str]:
    """Name the measures: what checks gave, and the file's size."""
    files = one.version["measures"]
    if not files:
        return []
    schema = one.open(files[0]).schema_arrow
    return [f.name for f in schema if f.name in ALWAYS or (pa.types.is_floating(f.type) and "." not in f.name)]


def _features(one: Statistics) -> list[str]:
    """Name the features of any output."""
    found = {field.name: None for name in one.outputs for field in one.schema(name) if _is_feature(field)}
    return list(found)


def _is_feature(field: pa.Field) -> bool:
    return pa.types.is_fixed_size_list(field.type) and b"components" in (field.metadata or {})


def _column(one: Statistics, files: list[dict[str, Any]], name: str) -> Values:
    parts = [batch.column(0) for entry in files for batch in one.open(entry).iter_batches(BATCH, columns=[name])]
    whole = pa.chunked_array(parts, pa.float64()) if not parts else pa.chunked_array(parts).cast(pa.float64())
    values: Values = np.asarray(whole.drop_null().to_numpy())
    return np.asarray(values[np.isfinite(values)])


def _with(one: Statistics, feature: str) -> str:
    return next(name for name in one.outputs if feature in one.schema(name).names)


def _components(one: Statistics, feature: str) -> list[str]:
    field = one.schema(_with(one, feature)).field(feature)
    names: list[str] = json.loads(field.metadata[b"components"])
    return names


def _vectors(one: Statistics, feature: str) -> Values:
    """Read a feature of the first originals by id."""
    output = _with(one, feature)
    width = one.schema(output).field(feature).type.list_size
    rows: list[Values] = []
    left = ROWS
    for entry in one.files(output):
        for batch in one.open(entry).iter_batches(BATCH, columns=["copy", feature]) if left else ():
            originals = batch.filter(pc.equal(batch.column("copy"), 0)).column(feature).drop_null()
            taken = originals.slice(0, left).flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
            rows.append(taken.astype(np.float64))
            left -= len(taken)
    return np.concatenate(rows) if rows else np.zeros((0, width))


def _labels(one: Statistics) -> Mapping[str, int]:
    return {name: sum(by.values()) for name, by in one.classes.items()}


def _categories(one: Statistics) -> Mapping[str, int]:
    return {name: sum(by.values()) for name, by in one.categories.items()}


def _fates(one: Statistics) -> Mapping[str, int]:
    """Count the images by what became of them: kept, or a reason."""
    return {"kept": one.counts["kept"], **one.counts["reasons"]}


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
