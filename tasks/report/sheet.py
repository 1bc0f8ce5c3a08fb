"""The contact sheet: a preview drawn as one picture, a line a source, a column a step."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tasks.errors import Rejected
from tasks.report.preview import SIDE, SOURCE, Cell, Column, Line, Preview

MARGIN, GAP, NAMES = 24, 10, 190  # px; NAMES is the width of the first column, which names the sources
TITLE, HEAD, TEXT = 58, 46, 15  # heights: the title, the columns' heads, a line of text
SAID = 4 * (TEXT - 1) + 4
DOWN = SIDE + SAID + 14  # from one source to the next
PAPER, CARD, INK, MUTED, LINE = "#f6f7f9", "#ffffff", "#1b1f24", "#57606a", "#d5dae0"
KEPT, LOST, LOST_PAPER, SPREAD = "#2f6fb7", "#b04500", "#fdeee3", "#c4d8ef"


def sheet(preview: Preview) -> bytes:
    """Draw a preview. Gives a PNG."""
    return _Sheet(preview).png()


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return font


class _Sheet:
    """The drawing and where things stand on it."""

    def __init__(self, preview: Preview) -> None:
        self.preview = preview
        self.left: dict[tuple[str, str], int] = {}
        x = MARGIN + NAMES + GAP
        for column in preview.columns:
            for row in column.rows:
                self.left[column.step, row] = x
                x += SIDE + GAP
            x += GAP
        notes = self._notes()
        self.top = MARGIN + TITLE + HEAD
        bottom = self.top + len(preview.lines) * DOWN
        self.image = Image.new("RGB", (max(x - GAP + MARGIN, 700), bottom + len(notes) * TEXT + MARGIN), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self._title()
        for column in preview.columns:
            self._head(column)
        for i, line in enumerate(preview.lines):
            self._line(line, self.top + i * DOWN)
        for i, note in enumerate(notes):
            self._text((MARGIN, bottom + i * TEXT), note, MUTED, 12)

    def png(self) -> bytes:
        file = io.BytesIO()
        self.image.save(file, "PNG", compress_level=3)  # half the time of 6, for 5 % more bytes
        return file.getvalue()

    def _text(self, at: tuple[float, float], text: str, color: str, size: int, anchor: str = "la") -> None:
        self.draw.text(at, text, fill=color, font=_font(size), anchor=anchor)

    def _strong(self, at: tuple[float, float], text: str, color: str, size: int) -> None:
        self.draw.text(at, text, fill=color, font=_font(size), stroke_width=0.4, stroke_fill=color)

    def _title(self) -> None:
        shown, all_of = len(self.preview.lines), self.preview.sources
        self._strong((MARGIN, MARGIN), self.preview.pipeline, INK, 24)
        about = f"{shown} of {all_of:,} sources in {self.preview.root}: the smallest keys, so the same every time"
        width = self.image.width - 2 * MARGIN
        self._text((MARGIN, MARGIN + 33), _shortened(about, 13, width), MUTED, 13)

    def _head(self, column: Column) -> None:
        left = self.left[column.step, column.rows[0]]
        right = self.left[column.step, column.rows[-1]] + SIDE
        name = column.step if column.step != SOURCE else "source"
        top = self.top - HEAD
        self._strong((left, top), _shortened(name, 15, right - left), INK, 15)
        self._text((left, top + 20), _shortened(column.below, 12, right - left), MUTED, 12)
        color = KEPT if column.expands else LINE
        self.draw.rectangle([left, top + 37, right, top + 38], fill=color)

    def _line(self, line: Line, top: int) -> None:
        width = NAMES - GAP
        folder, _, name = line.uri.rpartition("/")
        y = top
        for text in _wrapped(name, 13, width, 3):
            self._strong((MARGIN, y), text, INK, 13)
            y += TEXT + 2
        facts = [folder, f"label {line.label}" if line.label is not None else "", f"split {line.split}", *line.about]
        for text in filter(None, facts):
            self._text((MARGIN, y), _shortened(text, 12, width), MUTED, 12)
            y += TEXT
        if line.verdict is not None:
            self._text((MARGIN, y + 2), "rejected", LOST, 13)
        for (step, row), cell in line.cells.items():
            self._cell(cell, self.left[step, row], top)
        self._lost(line, top)

    def _cell(self, cell: Cell, left: int, top: int) -> None:
        self.draw.rectangle([left, top, left + SIDE, top + SIDE], fill=CARD, outline=LINE)
        if cell.picture is not None:
            x, y = left + (SIDE - cell.picture.width) // 2, top + (SIDE - cell.picture.height) // 2
            self.image.paste(cell.picture, (x, y))
        elif cell.values is not None and len(cell.values):
            self._bars(cell.values, left, top)
        size, did = cell.said
        y = top + SIDE + 4
        lines = [_shortened(size, 11, SIDE), *_wrapped(did, 11, SIDE, 3)]
        for i, text in enumerate(lines):
            self._text((left, y), text, INK if i else MUTED, 11)
            y += TEXT - 1

    def _bars(self, values: NDArray[np.float32], left: int, top: int) -> None:
        """Draw a vector: a bar a value; where they are many, the mean of neighbours before their extremes."""
        known = np.nan_to_num(values.astype(np.float64))
        wide = SIDE - 16
        parts = np.array_split(known, min(wide, len(known)))
        low, high = min(0.0, float(known.min())), max(0.0, float(known.max()))
        span = high - low or 1.0
        bottom, height, each = top + SIDE - 12, SIDE - 24, wide / len(parts)
        gap = 1.5 if each > 4 else 0.0

        def bar(i: int, one: float, other: float, color: str) -> None:
            ends = sorted(bottom - height * (value - low) / span for value in (one, other))
            x = left + 8 + i * each
            self.draw.rectangle([x, ends[0], max(x, x + each - 1 - gap), ends[1]], fill=color)

        for i, part in enumerate(parts):
            bar(i, float(part.min()), float(part.max()), SPREAD)
            bar(i, 0.0, float(part.mean()), KEPT)

    def _lost(self, line: Line, top: int) -> None:
        """Say over the columns that a source does not reach why it ended."""
        for verdict, run in groupby(self.preview.columns, key=lambda column: line.lost.get(column.step)):
            columns = list(run)
            if verdict is None:
                continue
            left = self.left[columns[0].step, columns[0].rows[0]]
            right = self.left[columns[-1].step, columns[-1].rows[-1]] + SIDE
            self.draw.rounded_rectangle([left, top, right, top + SIDE], 6, fill=LOST_PAPER)
            self._why(verdict, left + 12, top + 12, right - left - 24)

    def _why(self, verdict: Rejected, left: int, top: int, width: int) -> None:
        self._strong((left, top), _shortened(verdict.reason, 15, width), LOST, 15)
        self._text((left, top + 21), _shortened(f"at {verdict.step}", 12, width), LOST, 12)
        for i, text in enumerate(_wrapped(verdict.message, 12, width, 5)):
            self._text((left, top + 42 + i * TEXT), text, INK, 12)

    def _notes(self) -> list[str]:
        notes = []
        if self.preview.undecided:
            names = ", ".join(self.preview.undecided)
            notes.append(f"Not decided here, since it takes the whole collection: {names}.")
        if self.preview.unfitted:
            names = ", ".join(self.preview.unfitted)
            notes.append(f"Not shown, since a run fits their values on the whole collection first: {names}.")
        for uri, verdict in list(self.preview.unread.items())[:5]:
            notes.append(f"Left out: {uri}: {verdict.reason}: {verdict.message}")
        hidden = len(self.preview.unread) - 5
        return [*notes, f"{hidden} more cannot be read."] if hidden > 0 else notes


def _wide(text: str, size: int) -> float:
    return _font(size).getlength(text)


def _shortened(text: str, size: int, width: float) -> str:
    """Cut a text that its place does not hold."""
    text = " ".join(text.split())
    if _wide(text, size) <= width:
        return text
    most = len(text)
    while most and _wide(text[:most] + "…", size) > width:
        most -= 1
    return text[:most] + "…"


def _wrapped(text: str, size: int, width: float, most: int) -> Sequence[str]:
    """Break a text at blanks, or anywhere in long words, into at most so many lines; the last is cut."""
    lines: list[str] = []
    rest = " ".join(text.split())
    while rest and len(lines) < most - 1:
        end = len(rest)
        while end and _wide(rest[:end], size) > width:
            end -= 1
        if end < len(rest) and (blank := rest.rfind(" ", 1, end + 1)) > 0:
            end = blank
        end = max(end, 1)
        lines.append(rest[:end].strip())
        rest = rest[end:].strip()
    return [*lines, _shortened(rest, size, width)] if rest else lines
