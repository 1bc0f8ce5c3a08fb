"""``${NAME}`` and ``${NAME:-default}``: filled in where a pipeline meets the world, refused everywhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.pipeline.mistakes import Mistakes, Path

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass
class Environment:
    """Fills variables in, and remembers which were used and which are not set."""

    values: Mapping[str, str]
    mistakes: Mistakes
    missing: Mistakes
    used: dict[str, str] = field(default_factory=dict)

    def fill(self, raw: Any, path: Path) -> Any:
        """Give the value with every text in it filled in; a variable that is not set stays as it is written."""
        if isinstance(raw, dict):
            return {key: self.fill(value, (*path, key)) for key, value in raw.items()}
        if isinstance(raw, list):
            return [self.fill(value, (*path, i)) for i, value in enumerate(raw)]
        if not isinstance(raw, str) or "${" not in raw:
            return raw
        if "${" in VARIABLE.sub("", raw):
            self.mistakes.add(path, "expected ${NAME} or ${NAME:-default} after `${`")
        return VARIABLE.sub(lambda match: self._value(match, path), raw)

    def _value(self, match: re.Match[str], path: Path) -> str:
        name, default = match[1], match[2]
        value = self.values.get(name)
        if value is None or (not value and default is not None):
            value = default
        if value is None:
            self.missing.add(path, f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
            return match[0]
        if name in self.values:
            self.used[name] = self.values[name]
        return value


def refuse(raw: Any, path: Path, mistakes: Mistakes) -> None:
    """Note every variable in a value where none may stand."""
    for where, text in _texts(raw, path):
        if "${" in text:
            mistakes.add(where, "environment variables stand only in source, output and cluster")


def holds_variable(raw: Any) -> bool:
    """Say whether a variable stands anywhere in a value."""
    return any("${" in text for _, text in _texts(raw, ()))


def _texts(raw: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(raw, dict):
        for key, value in raw.items():
            yield (*path, key), key
            yield from _texts(value, (*path, key))
    elif isinstance(raw, list):
        for i, value in enumerate(raw):
            yield from _texts(value, (*path, i))
    elif isinstance(raw, str):
        yield path, raw
