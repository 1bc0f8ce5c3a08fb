"""What the graph refuses: steps that could not do together what they say, told at their place in the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tasks.collection.split import Split
from tasks.operation import Applied, Composer, Dataset, Expander, Operation
from tasks.pipeline.explain import hint
from tasks.pipeline.mistakes import SpecError

if TYPE_CHECKING:
    from tasks.pipeline.graph import Node
    from tasks.pipeline.mistakes import Place
    from tasks.pipeline.steps import StepSpec


def refuse_second_split(nodes: Mapping[str, Node]) -> None:
    """Refuse a second split step."""
    splits = [node for node in nodes.values() if isinstance(node.operation, Split)]
    if len(splits) > 1:
        first = splits[0].place
        where = f" (line {first.line})" if first.line else ""
        raise SpecError.at(
            splits[1].place, f"there is one split for a whole pipeline, {splits[0].id}{where}: leave {splits[1].id} out"
        )


def refuse_unread(step: StepSpec, operation: Dataset, features: Sequence[str]) -> None:
    """Raise where a step measures the vectors of a feature step that is not before it."""
    for name in operation.reads:
        if name not in features:
            raise SpecError.at(
                step.place,
                f"{step.id} compares the vectors of `{name}`, no feature step before it{hint(name, features)}",
            )


def refuse_mixing(step: StepSpec, rows: Mapping[str, Any]) -> None:
    """Raise where a step that mixes images stands alone, or where there is nothing to mix: no unchanged rows."""
    if not isinstance(step.operation, Expander):
        raise SpecError.at(
            step.place, f"{step.name} mixes images: put it among the transforms of an augment step, which makes copies"
        )
    if "" not in rows:
        raise SpecError.at(
            step.place, f"{step.id} mixes whole images, and no step before it keeps them: put it before those"
        )


def passing(operation: Operation, where: Mapping[str, Any], dtypes: frozenset[str]) -> frozenset[str]:
    """Give the dtypes that pass a step unchanged: those of rows that its ``where`` does not match."""
    return dtypes if where and isinstance(operation, (Applied, Composer)) else frozenset()


def refuse_mixed(names: tuple[str, ...], steps: tuple[str, ...], nodes: Mapping[str, Node], place: Place) -> None:
    """Refuse an output of encoded images where a ``where`` makes floats of some: they could only be rejected.

    ``names`` are the output's steps, ``steps`` these and all before them, in the file's order.
    """
    dtypes: dict[str, frozenset[str]] = {}  # that leave each step where all sources are of the usual one
    mixing: list[str] = []
    for name in steps:
        node = nodes[name]
        before = frozenset[str]().union(*(dtypes[need] for need in node.needs)) if node.needs else frozenset({"uint8"})
        usable = before & frozenset(node.operation.takes)
        given = frozenset(node.operation.gives(dtype) for dtype in usable)
        passed = passing(node.operation, node.where, usable)
        if passed and "float32" not in given and all(nodes[one].where == node.where for one in mixing):
            passed, mixing = passed - {"float32"}, []  # those that became floats are what it takes back
        dtypes[name] = given | passed
        if passed and "float32" in given - passed:
            mixing.append(name)
    if mixing and "float32" in frozenset[str]().union(*(dtypes[name] for name in names)):
        raise SpecError.at(
            place,
            f"{' and '.join(mixing)} makes float32 of some rows, which no image format here holds beside the others: "
            "leave its `where` out, add a convert_dtype step, or give these rows an output of their own",
        )
