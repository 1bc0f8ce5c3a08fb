"""A list of step mappings -> operations under their ids, nested lists of them included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from tasks.operation import Operation, Step
from tasks.pipeline import user
from tasks.pipeline.explain import explain, hint, refuse_booleans, shown
from tasks.pipeline.mistakes import Mistakes, Path, Place, dotted
from tasks.pipeline.models import NAME
from tasks.pipeline.nesting import Registry, checks, checks_field, step_fields

Scalar = str | int | float | bool | None

OWN = ("id", "needs", "where", "use")
NESTED = ("id", "use")


def operation_of(step: Mapping[str, Any]) -> str:
    """Give the operation's name of a step as a file or a frozen pipeline writes it."""
    return next((key for key in step if key not in OWN), "")


@dataclass(frozen=True)
class StepSpec:
    """One step of a pipeline: an operation under its id, the steps it takes, the rows it is for.

    ``needs`` names the steps before it; empty, it takes the source.
    """

    id: str
    operation: Operation
    needs: tuple[str, ...]
    where: Mapping[str, Scalar]
    place: Place = field(compare=False)

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.operation.name()


@dataclass(frozen=True)
class _Item:
    """A step's mapping taken apart: the operation's name and value, and what stands beside it."""

    at: Path
    name: str
    value: Any
    path: Path
    beside: Mapping[str, Any]
    kind: type[Operation] | None


@dataclass(frozen=True)
class _Made:
    """An operation, with what a frozen pipeline says of it: no shorthand left, ids written out."""

    operation: Operation
    frozen: dict[str, Any]


@dataclass
class StepReader:
    """Reads the steps of one pipeline. ``files`` gathers the digests of the users' modules."""

    mistakes: Mistakes
    registry: Registry
    folder: FilePath
    files: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def chain(self, raw: Any, path: Path) -> tuple[list[StepSpec], list[dict[str, Any]], list[str]]:
        """Read a pipeline's steps: those that are right, their frozen form, and the ids of all."""
        items = self._items(raw, path, OWN)
        ids = self._ids(items)
        steps: list[StepSpec] = []
        frozen: list[dict[str, Any]] = []
        for i, item in enumerate(items):
            if item is None:
                continue
            needs = self._needs(item, ids, i)
            where = self._where(item)
            made = self._operation(item)
            if made is not None:
                steps.append(StepSpec(ids[i], made.operation, needs, where, self.mistakes.document.place(item.at)))
                beside = {"id": ids[i], "needs": list(needs), **({"where": dict(where)} if where else {})}
                frozen.append({item.name: made.frozen, **beside, **_use(item)})
        return steps, frozen, [name for name in ids if name]

    def _nested(self, raw: Any, path: Path, many: bool) -> list[tuple[Step, dict[str, Any]]]:
        items = self._items(raw, path, NESTED) if many else [self._item(raw, path, NESTED)]
        made = [(item, name, self._operation(item)) for item, name in zip(items, self._ids(items), strict=True) if item]
        return [
            (Step(id=name, operation=one.operation), {item.name: one.frozen, "id": name, **_use(item)})
            for item, name, one in made
            if one is not None
        ]

    def _items(self, raw: Any, path: Path, keys: tuple[str, ...]) -> list[_Item | None]:
        if not isinstance(raw, list):
            self.mistakes.add(path, f"expected a list of steps, each `- operation: {{...}}`, got {shown(raw)}")
            return []
        if not raw and keys is OWN:
            self.mistakes.add(path, "expected at least one step")
        return [self._item(item, (*path, i), keys) for i, item in enumerate(raw)]

    def _item(self, raw: Any, path: Path, keys: tuple[str, ...]) -> _Item | None:
        if isinstance(raw, str):
            return _Item(path, raw, None, (*path, raw), {}, self._kind(raw, path))
        if not isinstance(raw, dict):
            self.mistakes.add(path, f"expected a step such as `resize: {{size: [640, 640]}}`, got {shown(raw)}")
            return None
        beside = {key: value for key, value in raw.items() if key in OWN}
        for key in beside:
            if key not in keys:
                self.mistakes.add(
                    (*path, key), f"`{key}` stands only at a pipeline's own steps, not at nested ones", key=True
                )
        name = self._name([key for key in raw if key not in OWN], path, keys)
        if name is None:
            return None
        kind = self._user(name, beside["use"], path) if "use" in beside else self._kind(name, (*path, name))
        return _Item(path, name, raw[name], (*path, name), beside, kind)

    def _name(self, names: list[str], path: Path, keys: tuple[str, ...]) -> str | None:
        if len(names) == 1:
            return names[0]
        if not names:
            self.mistakes.add(path, "a step needs an operation, such as `resize: {size: [640, 640]}`")
            return None
        known = [name for name in names if name in self.registry]
        if len(known) != 1:
            listed = " and ".join(f"`{name}`" for name in names)
            self.mistakes.add(path, f"a step has one operation, got {listed}; begin each step with its own `-`")
            return None
        for name in names:
            if name != known[0]:
                self.mistakes.add(
                    (*path, name), f"a step has no `{name}` beside its operation{hint(name, keys)}", key=True
                )
        return known[0]

    def _kind(self, name: str, path: Path) -> type[Operation] | None:
        kind = self.registry.get(name)
        if kind is None:
            near = hint(name, self.registry) or "; `imagemill operations` lists them"
            self.mistakes.add(path, f"no operation `{name}`{near}", key=True)
        return kind

    def _user(self, name: str, use: Any, path: Path) -> type[Operation] | None:
        at = (*path, "use")
        if not isinstance(use, str):
            self.mistakes.add(at, f"expected MODULE:CLASS such as my_ops:Emboss, got {shown(use)}")
            return None
        try:
            kind, file, digest = user.load(use, self.folder)
        except ValueError as error:
            self.mistakes.add(at, " ".join(str(error).split()))
            return None
        self.files[file] = digest
        for taken in dict.fromkeys((name, kind.name())):
            if taken in self.registry:
                self.mistakes.add(at, f"the name `{taken}` is that of an operation of imagemill: call yours otherwise")
                return None
            if self.names.setdefault(taken, use) != use:
                self.mistakes.add(
                    at, f"the name `{taken}` is that of {self.names[taken]} already: call this one otherwise"
                )
                return None
        return kind

    def _ids(self, items: list[_Item | None]) -> list[str]:
        """Give each its own id, else its operation's name, numbered where that is taken."""
        taken: dict[str, _Item] = {}
        ids = [""] * len(items)
        for i, item in enumerate(items):
            if item is None or "id" not in item.beside:
                continue
            given, at = item.beside["id"], (*item.at, "id")
            if not isinstance(given, str) or not NAME.fullmatch(given):
                self.mistakes.add(at, f"expected an id of small letters, digits and _, got {shown(given)}")
            elif given in taken:
                line = self.mistakes.document.place((*taken[given].at, "id")).line
                self.mistakes.add(at, f"the id `{given}` is used twice{f': first on line {line}' if line else ''}")
            else:
                taken[given] = item
                ids[i] = given
        for i, item in enumerate(items):
            if item is None or ids[i] or "id" in item.beside:
                continue
            if not NAME.fullmatch(item.name) and item.kind is not None:
                self.mistakes.add(item.at, f"`{item.name}` cannot be an id: add one of small letters, digits and _")
            number, ids[i] = 1, item.name
            while ids[i] in taken:
                number += 1
                ids[i] = f"{item.name}_{number}"
            taken[ids[i]] = item
        return ids

    def _needs(self, item: _Item, ids: list[str], i: int) -> tuple[str, ...]:
        if "needs" not in item.beside:
            return (ids[i - 1],) if i else ()
        raw, at = item.beside["needs"], (*item.at, "needs")
        names = [raw] if isinstance(raw, str) else raw
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self.mistakes.add(at, f"expected the id of an earlier step, or a list of them, got {shown(raw)}")
            return ()
        for name in names:
            if name in ids[i:]:
                self.mistakes.add(at, f"`{name}` is not before this step: a step takes earlier ones")
            elif name not in ids[:i]:
                self.mistakes.add(at, f"no step `{name}` before this one{hint(name, [one for one in ids[:i] if one])}")
        if len(set(names)) < len(names):
            self.mistakes.add(at, f"a step is named twice: {', '.join(names)}")
        return tuple(names)

    def _where(self, item: _Item) -> dict[str, Scalar]:
        raw, at = item.beside.get("where"), (*item.at, "where")
        if raw is None:
            return {}
        if not isinstance(raw, dict):
            self.mistakes.add(at, f"expected a mapping such as {{split: train}}, got {shown(raw)}")
            return {}
        for key, value in raw.items():
            if isinstance(value, (dict, list)):
                self.mistakes.add((*at, key), f"expected one value, got {shown(value)}")
        return dict(raw)

    def _operation(self, item: _Item) -> _Made | None:
        if item.kind is None:
            return None
        return self._make(item.kind, item.name, item.value, item.path)

    def _make(self, kind: type[Operation], name: str, raw: Any, path: Path) -> _Made | None:
        given, locate = self._parameters(kind, name, raw, path)
        if given is None:
            return None
        before = len(self.mistakes)
        values, frozen = dict(given), dict(given)
        fields = step_fields(kind)
        if whole := checks_field(kind):
            self._named_checks(kind, whole, given, values, frozen, locate)
        for one, many in fields.items():
            if one in given and one in values and (many or given[one] is not None):
                made = self._nested(given[one], locate((one,)), many)
                if made:
                    values[one] = tuple(step for step, _ in made) if many else made[0][0]
                    frozen[one] = [written for _, written in made] if many else made[0][1]
                else:
                    values[one] = ()
        nested_wrong = len(self.mistakes) > before
        refuse_booleans(kind, given, locate, self.mistakes)
        try:
            operation = kind.model_validate(values, context={"folder": self.folder})
            return _Made(operation, _canonical(operation, values, frozen))
        except ValidationError as error:
            wrong = Mistakes(self.mistakes.document)
            explain(error, kind, given, locate, wrong, what=f"`{name}`")
            unsure = [dotted(locate((one,))) for one in fields] + [dotted(path)] if nested_wrong else []
            self.mistakes.take(wrong, but=unsure)
        except Exception as error:  # noqa: BLE001 - an operation's own check failed otherwise than by saying so
            self.mistakes.add(path, f"`{name}` cannot be made: {type(error).__name__}: {error}")
        return None

    def _parameters(
        self, kind: type[Operation], name: str, raw: Any, path: Path
    ) -> tuple[dict[str, Any] | None, Callable[[Path], Path]]:
        """Give the parameters as a mapping, and where each stands."""
        if raw is None or isinstance(raw, dict):
            return raw or {}, lambda inner: (*path, *inner)
        if kind.shorthand is not None:
            return {kind.shorthand: raw}, lambda inner: (*path, *inner[1:])
        self.mistakes.add(path, f"expected a mapping with the parameters of `{name}`, got {shown(raw)}")
        return None, lambda inner: path

    def _named_checks(
        self,
        kind: type[Operation],
        whole: str,
        given: Mapping[str, Any],
        values: dict[str, Any],
        frozen: dict[str, Any],
        locate: Callable[[Path], Path],
    ) -> None:
        """Take the checks that a mapping names into the field ``whole``, in the order of the file."""
        known = checks(self.registry)
        ordinary = [field for field in kind.model_fields if field != whole]
        steps: list[Step] = []
        written: list[dict[str, Any]] = []
        for name, value in given.items():
            if name in kind.model_fields:
                continue
            del values[name], frozen[name]
            if whole in given:
                self.mistakes.add(locate((name,)), f"put `{name}` into the list of `{whole}`", key=True)
            elif name not in known:
                self.mistakes.add(locate((name,)), f"no check `{name}`{hint(name, [*known, *ordinary])}", key=True)
            elif value is False:
                self.mistakes.add(locate((name,)), "a check runs where it is named: leave it out")
            elif made := self._make(known[name], name, None if value is True else value, locate((name,))):
                steps.append(Step(id=name, operation=made.operation))
                written.append({name: made.frozen, "id": name})
        if steps:
            values[whole], frozen[whole] = tuple(steps), written


def _canonical(operation: Operation, values: Mapping[str, Any], written: dict[str, Any]) -> dict[str, Any]:
    """Give the parameters that were set as the model holds them, so that the order of a mapping's keys says nothing.

    An operation that does not take its own values back keeps what was written.
    """
    steps = step_fields(type(operation))
    own = operation.model_dump(mode="json", include=operation.model_fields_set - set(steps))
    try:
        again = type(operation).model_validate({**own, **{name: values[name] for name in steps if name in values}})
    except Exception:  # noqa: BLE001 - whatever its validators raise
        return written
    return {**own, **{name: written[name] for name in steps if name in written}} if again == operation else written


def _use(item: _Item) -> dict[str, Any]:
    return {"use": item.beside["use"]} if "use" in item.beside else {}
