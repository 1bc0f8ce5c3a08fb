"""A JSON file read as a stream: the elements of its arrays, one after the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import TextIOWrapper
from typing import Any, BinaryIO, Final

from tasks.errors import RequestError

STARTED: Final = object()
"""What comes before an array's first element."""

_CHUNK: Final = 1 << 20


class Reader:
    """Walks a JSON object and gives the elements of its arrays one by one: the memory is one element's."""

    def __init__(self, file: BinaryIO, title: str) -> None:
        self._file = TextIOWrapper(file, "utf-8-sig", newline="\n")
        self._title = title
        self._text = ""
        self._at = 0
        self._line = 1
        self._column = 0  # characters of this line that are no longer in the text
        self._scan = json.JSONDecoder().raw_decode

    def elements(self, parts: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        """Give ``(part, element)`` for the arrays of these names, with ``STARTED`` before the first element."""
        self._take("{")
        if self._peek() == "}":
            self._take("}")
        else:
            yield from self._members(parts)
        if self._peek():
            raise self.error("expected the end of the file")

    def _members(self, parts: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        while True:
            name = self._value()
            if not isinstance(name, str):
                raise self.error("expected a name in double quotes")
            self._take(":")
            if name not in parts:
                self._value()
            elif name in seen:
                raise self.error(f"{name!r} stands twice")
            else:
                seen.add(name)
                yield name, STARTED
                yield from ((name, value) for value in self._elements())
            if self._take(",}") == "}":
                return

    def _elements(self) -> Iterator[Any]:
        self._take("[")
        if self._peek() == "]":
            self._take("]")
            return
        while True:
            yield self._value()
            if self._take(",]") == "]":
                return

    def error(self, message: str, at: int | None = None) -> RequestError:
        """Say what is wrong, and where."""
        at = self._at if at is None else at
        line = self._line + self._text.count("\n", 0, at)
        start = self._text.rfind("\n", 0, at)
        column = at - start if start >= 0 else self._column + at + 1
        return RequestError(f"{self._title}, line {line}, column {column}: {message}")

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos > len(self._text) - 64
                if not cut or not self._more():
                    raise self.error(error.msg, error.pos) from error
            except (RecursionError, ValueError) as error:
                raise self.error(f"cannot be read ({error})") from error
            else:
                if end + 8 < len(self._text) or not self._more():  # a number might go on: 1 of 1.5e-7
                    self._at = end
                    return value

    def _take(self, expected: str) -> str:
        found = self._peek()
        if not found or found not in expected:
            text = " or ".join(repr(character) for character in expected)
            raise self.error(f"expected {text}, found {repr(found) if found else 'the end of the file'}")
        self._at += 1
        return found

    def _peek(self) -> str:
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Read on, dropping what is done; at least as much as is kept, so that a long value costs no squares."""
        try:
            chunk = self._file.read(max(_CHUNK, len(self._text) - self._at))
        except UnicodeDecodeError as error:
            raise RequestError(f"{self._title}: is not UTF-8 ({error}); save it as UTF-8") from error
        if not chunk:
            return False
        lines = self._text.count("\n", 0, self._at)
        self._column = self._at - self._text.rfind("\n", 0, self._at) - 1 if lines else self._column + self._at
        self._line += lines
        self._text = self._text[self._at :] + chunk
        self._at = 0
        return True
