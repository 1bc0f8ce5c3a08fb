"""What fitted steps were fitted to, in words: for the plan, the summary and the dataset card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST = 6  # numbers that are written out


def in_words(fit: Mapping[str, Any]) -> str:
    """Tell a fit on one line: ``mean 0.48, 0.46, 0.41; std 0.23, 0.22, 0.23 (on 800 images)``.

    Values written as text (the directions of principal components) are too long for it.
    """
    told = {name: _short(value) for name, value in fit["values"].items() if not isinstance(value, str)}
    values = "; ".join(f"{name} {value}" for name, value in told.items())
    source = f" of {fit['dataset']}" if "dataset" in fit else ""
    return f"{values} (on {fit['images']:,} images{source})"


def _short(value: Any) -> str:
    if not isinstance(value, Sequence):
        return f"{value:.4g}"
    if value and isinstance(value[0], Sequence):
        return f"{len(value)} x ({_short(value[0])})" if len(value) > 3 else " | ".join(_short(one) for one in value)
    more = f", ... ({len(value)} in all)" if len(value) > MOST else ""
    return ", ".join(f"{one:.4g}" for one in value[:MOST]) + more
