"""YAML text -> plain values with positions, safely.

YAML is what it looks like: the core schema of YAML 1.2 and nothing else (``no`` and ``2026-01-01`` are text, a key is
the text that was written), one document, no key twice, no tags that make objects, and aliases that stay small.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from tasks.errors import RequestError
from tasks.pipeline.mistakes import Document, Mistakes, Path, Place, SpecError, dotted

LARGEST_FILE = 10_000_000  # bytes
MOST_NODES = 100_000  # with aliases expanded; 300 bytes of nested aliases can stand for billions
DEEPEST = 64

TAG = "tag:yaml.org,2002:"
NULL = re.compile(r"null|Null|NULL|~|")
TRUE = re.compile(r"true|True|TRUE")
FALSE = re.compile(r"false|False|FALSE")
INTEGER = re.compile(r"[-+]?[0-9]+")
OCTAL = re.compile(r"0o[0-7]+")
HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN")
LONGEST_NUMBER = 100  # characters


@dataclass(frozen=True)
class _Node:
    """A value as written; aliases share nodes, so a file's nodes stay few however much they stand for."""

    line: int
    column: int
    scalar: Any = None
    items: tuple[_Node, ...] | None = None
    entries: tuple[tuple[_Key, _Node], ...] | None = None


@dataclass(frozen=True)
class _Key:
    text: str
    line: int
    column: int
    merges: bool


def load(file: FilePath) -> Document:
    """Read a file. Raises ``RequestError`` where there is none, ``SpecError`` where it is not the YAML meant here."""
    try:
        if file.is_dir():
            raise RequestError(f"{file}: a folder; name the pipeline file in it, such as {file / 'pipelines.yaml'}")
        with file.open("rb") as opened:
            data = opened.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise RequestError(f"{file}: no such file; name the pipeline file with --file") from None
    except OSError as error:
        raise RequestError(f"{file}: cannot be read: {error.strerror}") from error
    if len(data) > LARGEST_FILE:
        raise RequestError(f"{file}: more than {LARGEST_FILE // 1_000_000} MB: this is not a pipeline file")
    return parse(data, str(file))


def parse(data: bytes, file: str) -> Document:
    """Parse YAML text. ``file`` is its name in messages."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = error.start - before.rfind(b"\n")
        raise _error(file, before.count(b"\n") + 1, column, "not UTF-8 text: save the file as UTF-8") from None
    try:
        root = _Composer(file, text).root()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _error(file, line, column, _syntax(error)) from None
    except ReaderError as error:
        before_text = text[: error.position]
        line, column = before_text.count("\n") + 1, len(before_text) - before_text.rfind("\n")
        message = f"the character U+{ord(text[error.position]):04X} does not belong in a text file"
        raise _error(file, line, column, message) from None
    except (YAMLError, RecursionError, ValueError) as error:
        raise _error(file, 1, 1, f"not valid YAML: {' '.join(str(error).split())}") from None
    if root is None or (root.scalar is None and root.items is None and root.entries is None):
        raise RequestError(f"{file}: empty; begin with `version: 1` and `pipelines:`")
    return _Expander(file).document(root)


def _error(file: str, line: int, column: int, message: str) -> SpecError:
    return SpecError.at(Place(file, line, column, ""), message)


def _syntax(error: MarkedYAMLError) -> str:
    problem = " ".join(str(error.problem or error.context or "not valid YAML").split())
    if "'\\t'" in problem:
        return "a tab: indent with spaces"
    hints = {
        "mapping values are not allowed": "a second `:` in one line, or wrong indentation (quote text with a colon)",
        "found character '@'": "text cannot begin with `@`: quote it",
        "found character '`'": "text cannot begin with a backquote: quote it",
        "found character '%'": "text cannot begin with `%`: quote it",
        "found unexpected end of stream": "a quote that is not closed",
        "but found '?'": "wrong indentation: a list's items and a mapping's keys do not mix",
        "but found '-'": "wrong indentation: a list's items and a mapping's keys do not mix",
        "<stream end>": "a bracket that is not closed",
    }
    return next((hint for part, hint in hints.items() if part in problem), f"not valid YAML: {problem}")


class _Composer:
    """Builds nodes from the parser's events, with every limit checked while they come."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.events: Iterator[Any] = iter(YAML(typ="safe", pure=True).parse(text))
        self.anchors: dict[str, _Node] = {}
        self.mistakes = Mistakes(Document(None, file))
        self.nodes = 0

    def root(self) -> _Node | None:
        found: _Node | None = None
        documents = 0
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.error(event, "a second document (`---`): a pipeline file is one")
                if event.version not in (None, (1, 2)) or event.tags:
                    raise self.error(
                        event, "a directive: pipeline files are YAML 1.2; remove the line that begins with %"
                    )
            elif isinstance(event, (AliasEvent, ScalarEvent, SequenceStartEvent, MappingStartEvent)):
                found = self.node(event, 0)
        return found

    def error(self, event: Any, message: str) -> SpecError:
        return _error(self.file, event.start_mark.line + 1, event.start_mark.column + 1, message)

    def node(self, event: Any, depth: int) -> _Node:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise self.error(event, f"more than {MOST_NODES} values: this is not a pipeline file")
        if depth > DEEPEST:
            raise self.error(event, f"nested more than {DEEPEST} deep")
        if isinstance(event, AliasEvent):
            if event.anchor not in self.anchors:
                raise self.error(
                    event, f"the alias *{event.anchor} needs an anchor &{event.anchor} that ends before it"
                )
            return self.anchors[event.anchor]
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, ScalarEvent):
            made = _Node(line, column, scalar=self.scalar(event))
        elif isinstance(event, SequenceStartEvent):
            self.check_tag(event, "seq")
            made = _Node(line, column, items=tuple(self.items(depth)))
        else:
            self.check_tag(event, "map")
            made = _Node(line, column, entries=tuple(self.entries(depth)))
        if event.anchor:
            self.anchors[event.anchor] = made
        return made

    def items(self, depth: int) -> Iterator[_Node]:
        while not isinstance(event := next(self.events), SequenceEndEvent):
            yield self.node(event, depth + 1)

    def entries(self, depth: int) -> Iterator[tuple[_Key, _Node]]:
        while not isinstance(event := next(self.events), MappingEndEvent):
            if not isinstance(event, ScalarEvent):
                raise self.error(event, "a key is a name, not a list, a mapping or an alias")
            plain = event.implicit[0]
            if not event.value:
                raise self.error(event, "a key is missing before `:`")
            key = _Key(
                str(self.text(event)),
                event.start_mark.line + 1,
                event.start_mark.column + 1,
                plain and event.value == "<<",
            )
            value = self.node(next(self.events), depth + 1)
            if value.scalar is None and value.items is None and value.entries is None:
                value = _Node(key.line, key.column)  # nothing stands there, so the key's place is the place
            yield key, value

    def check_tag(self, event: Any, kind: str) -> None:
        if event.tag not in (None, "!", TAG + kind):
            raise self.error(event, f"the tag {_tag(event.tag)} is not allowed: pipeline files hold plain values only")

    def text(self, event: Any) -> str:
        value = str(event.value)
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise self.error(event, "half of a surrogate pair is not a character")
        return value

    def scalar(self, event: Any) -> Any:
        text = self.text(event)
        if event.tag in ("!", TAG + "str") or (event.tag is None and not event.implicit[0]):
            return text
        value = self.plain(event, text)
        if event.tag is None:
            return value
        kinds: dict[str, type[Any]] = {"null": type(None), "bool": bool, "int": int, "float": float}
        kind = kinds.get(event.tag.removeprefix(TAG))
        if kind is None:
            raise self.error(event, f"the tag {_tag(event.tag)} is not allowed: pipeline files hold plain values only")
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            raise self.error(event, f"{text!r} is not a value of {_tag(event.tag)}")
        return value

    def plain(self, event: Any, text: str) -> Any:
        if NULL.fullmatch(text):
            return None
        if TRUE.fullmatch(text) or FALSE.fullmatch(text):
            return bool(TRUE.fullmatch(text))
        is_number = any(form.fullmatch(text) for form in (INTEGER, OCTAL, HEXADECIMAL, FLOAT))
        if NOT_FINITE.fullmatch(text) or (
            is_number and (len(text) > LONGEST_NUMBER or abs(float_of(text)) == float("inf"))
        ):
            raise self.error(event, f"expected a finite number, got {text[:20]}")
        if INTEGER.fullmatch(text):
            return int(text)
        if OCTAL.fullmatch(text) or HEXADECIMAL.fullmatch(text):
            return int(text, 0)
        return float(text) if is_number else text


def float_of(text: str) -> float:
    """Give a number's size, whatever its notation."""
    return float(int(text, 0)) if text[:2] in ("0o", "0x") else float(text)


def _tag(tag: str) -> str:
    return "!!" + tag.removeprefix(TAG) if tag.startswith(TAG) else tag


class _Expander:
    """Makes plain values of nodes: aliases and merge keys expanded, keys that stand twice refused."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.values: dict[Path, tuple[int, int]] = {}
        self.keys: dict[Path, tuple[int, int]] = {}
        self.twice: dict[tuple[int, int], tuple[Path, int]] = {}
        self.nodes = 0

    def document(self, root: _Node) -> Document:
        value = self.expand(root, ())
        if self.twice:
            places = [
                (Place(self.file, *where, dotted(path)), f"the key `{path[-1]}` stands twice: first on line {first}")
                for where, (path, first) in self.twice.items()
            ]
            raise SpecError([mistake for place, message in places for mistake in SpecError.at(place, message).mistakes])
        return Document(value, self.file, self.values, self.keys)

    def expand(self, node: _Node, path: Path) -> Any:
        self.count(node, path)
        self.values[path] = (node.line, node.column)
        if node.items is not None:
            return [self.expand(item, (*path, i)) for i, item in enumerate(node.items)]
        if node.entries is not None:
            return {
                key.text: self.entry(key, value, (*path, key.text)) for key, value in self.entries(node, path).values()
            }
        return node.scalar

    def count(self, node: _Node, path: Path) -> None:
        self.nodes += 1
        if self.nodes > MOST_NODES or len(path) > DEEPEST:
            message = f"the aliases stand for more than {MOST_NODES} values, or nest more than {DEEPEST} deep"
            raise _error(self.file, node.line, node.column, message)

    def entry(self, key: _Key, value: _Node, path: Path) -> Any:
        self.keys[path] = (key.line, key.column)
        return self.expand(value, path)

    def entries(self, node: _Node, path: Path) -> dict[str, tuple[_Key, _Node]]:
        own: dict[str, tuple[_Key, _Node]] = {}
        merged: dict[str, tuple[_Key, _Node]] = {}
        for key, value in node.entries or ():
            if key.merges:
                for one in (value,) if value.items is None else value.items:
                    if one.entries is None:
                        raise _error(
                            self.file, key.line, key.column, "`<<` takes an alias of a mapping, or a list of them"
                        )
                    self.count(one, path)
                    merged = {**self.entries(one, path), **merged}
            elif key.text in own:
                self.twice[key.line, key.column] = ((*path, key.text), own[key.text][0].line)
            else:
                own[key.text] = (key, value)
        return {**merged, **own}
