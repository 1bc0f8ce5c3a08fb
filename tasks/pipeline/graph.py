"""The file's steps as a graph whose every node is checked: dtypes, sizes, kinds, unions, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from tasks.augment.augment import BALANCED, Augment
from tasks.collection.balance import Balance
from tasks.collection.split import Split
from tasks.fitted import FITTED, Derived, Fitted
from tasks.image.geometry import Size
from tasks.operation import DTYPES, Applied, Check, Composer, Dataset, Expander, Feature, Operation, Step
from tasks.pipeline.fitting import refuse_underived, refuse_unfit
from tasks.pipeline.refusals import passing, refuse_mixed, refuse_mixing, refuse_second_split, refuse_unread
from tasks.pipeline.rewrite import settles
from tasks.pipeline.spec import OutputSpec, PipelineSpec, Place, SpecError, StepSpec

Form = Literal["image", "tensor", "none"]

JPEG_FACTORS = ((75, 200), (85, 270), (90, 340), (95, 480), (100, 1000))
PNG_FACTORS = {"uint8": 1900, "uint16": 5000}
TENSOR_FACTOR = 12_000
UNKNOWN_IMAGE = 131_072
ROW_BYTES = 1024


@dataclass(frozen=True)
class Node:
    """A step with what is known of the rows that leave it, before any image is seen.

    ``rows`` says, for each group of rows (the unchanged originals ``""``, the copies of an expander ``.STEP``), how
    many a source has and which step last changed their pixels: equal ids with different pixels never meet in a union.
    ``fit`` is the operation as the file has it, where its values are fitted on this collection.
    """

    id: str
    operation: Operation
    needs: tuple[str, ...]
    where: Mapping[str, Any]
    place: Place
    dtypes: frozenset[str]
    size: Size | None
    channels: int | None
    rows: Mapping[str, tuple[int, str]]
    features: tuple[str, ...] = ()
    fit: Fitted | None = None

    @property
    def expanded(self) -> bool:
        """Whether a source has several rows here: after an expander."""
        return any(group for group in self.rows)

    @property
    def hashes(self) -> bool:
        """Whether it measures columns of each source, to decide on the whole table by."""
        return isinstance(self.operation, Dataset) and bool(self.operation.hashes())


@dataclass(frozen=True)
class Output:
    """One output with everything that is fixed before the first row.

    ``rows`` says how many a source has: of the classes whose copies are counted apart, and (None) of all others.
    """

    spec: OutputSpec
    node: Node
    form: Form
    ancestors: tuple[str, ...]
    features: Mapping[str, list[str]] = field(default_factory=dict)
    rows: Mapping[str | None, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The output's name."""
        return self.spec.name

    def expected_bytes(self, listed: int, label: str | None = None) -> int:
        """Estimate one source's bytes in this output, in integers that are frozen with the writer's version.

        ``listed`` is the size in the listing, below zero where it is unknown; ``label`` the source's class.
        """
        rows = self.rows.get(label, self.rows[None])
        floats = sum(len(names) for names in self.features.values())
        return rows * (ROW_BYTES + 4 * floats + self._image_bytes(listed))

    def _image_bytes(self, listed: int) -> int:
        if self.form == "none":
            return 0
        if self.node.size is None:
            return listed if listed >= 0 else UNKNOWN_IMAGE
        values = self.node.size.width * self.node.size.height * (self.node.channels or 3)
        return values * self._factor() // 3000

    def _factor(self) -> int:
        if self.form == "tensor":
            return TENSOR_FACTOR
        encode = self.spec.encode
        sixteen_bit_only = self.node.dtypes == {"uint16"}
        if encode.format == "png" or sixteen_bit_only:
            return PNG_FACTORS["uint16" if sixteen_bit_only else "uint8"]
        factor = next(f for quality, f in JPEG_FACTORS if encode.quality <= quality)
        return factor * 13 // 10 if encode.subsampling == "4:4:4" else factor


@dataclass(frozen=True)
class Graph:
    """The checked pipeline: nodes in the file's order, outputs with the default one first."""

    spec: PipelineSpec
    nodes: Mapping[str, Node]
    outputs: tuple[Output, ...]
    settles: frozenset[str]

    @property
    def split(self) -> Split | None:
        """The split step's operation, if there is one."""
        return next((n.operation for n in self.nodes.values() if isinstance(n.operation, Split)), None)

    @property
    def checks(self) -> list[Node]:
        """The checks that measure a source once: those before anything makes several rows of it."""
        return [n for n in self.nodes.values() if isinstance(n.operation, Check) and not n.expanded]

    def mixes(self, output: Output) -> bool:
        """Say whether an output's rows depend on other images of the collection than their own."""
        return any(self.nodes[name].operation.mixes for name in output.ancestors)

    @property
    def mixing(self) -> tuple[bool, ...]:
        """Say for each output whether it mixes images."""
        return tuple(self.mixes(output) for output in self.outputs)

    @property
    def datasets(self) -> list[Node]:
        """The steps that decide on the whole table, in the file's order."""
        return [
            n for n in self.nodes.values() if isinstance(n.operation, Dataset) and not isinstance(n.operation, Split)
        ]

    @property
    def fits(self) -> list[Node]:
        """The steps whose values are fitted on this collection."""
        return [node for node in self.nodes.values() if node.fit is not None]

    @cached_property
    def waiting(self) -> dict[str, Fitted]:
        """The steps that cannot run yet: their values are not fitted, or not read from the dataset that has them."""
        operations = {name: node.operation for name, node in self.nodes.items()}
        return {name: one for name, one in operations.items() if isinstance(one, Fitted) and one.fit_from is not None}

    def is_ready(self, output: Output) -> bool:
        """Say whether an output depends on no step that cannot run yet."""
        return self.waiting.keys().isdisjoint(output.ancestors)

    def with_fits(self, values: Mapping[str, Mapping[str, Any]]) -> Graph:
        """Give the graph with the values of these steps. Raises ``ValueError`` where they are another method's."""
        nodes = {
            name: replace(node, operation=self.waiting[name].with_fit(values[name]))
            if name in values and name in self.waiting
            else node
            for name, node in self.nodes.items()
        }
        return replace(self, nodes=nodes)

    def output(self, name: str) -> Output:
        """Give an output by its name."""
        return next(output for output in self.outputs if output.name == name)


def build(spec: PipelineSpec) -> Graph:
    """Check the steps against each other and give the graph. Raises ``SpecError`` at the step that is wrong."""
    nodes: dict[str, Node] = {}
    for step in spec.steps:
        nodes[step.id] = _node(step, nodes)
    outputs = tuple(_output(output, nodes, spec) for output in spec.outputs)
    graph = Graph(spec, nodes, outputs, _settling(nodes))
    refuse_second_split(nodes)
    for node in nodes.values():
        if isinstance(node.operation, Derived):  # no other asks for lengths: an embedding runs its model to tell
            found = [name for need in node.needs for name in nodes[need].features]
            refuse_underived(node, node.operation, {name: len(_components(nodes[name])) for name in found})
    refuse_unfit(graph, {name: ancestors(node.needs, nodes) for name, node in nodes.items()})
    _refuse_unbalanced(nodes)
    return graph


def balance_of(node: Node, nodes: Mapping[str, Node]) -> Node | None:
    """Find the last step before one that balances by its copies."""
    before = (nodes[name] for name in reversed(ancestors(node.needs, nodes)))
    return next((one for one in before if isinstance(one.operation, Balance) and one.operation.by == "augment"), None)


def _refuse_unbalanced(nodes: Mapping[str, Node]) -> None:
    """Refuse copies that nothing balances, and a balance that sets no copies."""
    counted = [
        node
        for node in nodes.values()
        if isinstance(node.operation, Augment) and not isinstance(node.operation.copies, int)
    ]
    set_by = {one.id for node in counted if (one := balance_of(node, nodes))}
    for node in nodes.values():
        operation = node.operation
        if isinstance(operation, Augment) and operation.copies == BALANCED and balance_of(node, nodes) is None:
            raise SpecError.at(node.place, "copies: balanced needs a step `balance: {by: augment}` before it")
        if isinstance(operation, Balance) and operation.by == "augment" and node.id not in set_by:
            raise SpecError.at(
                node.place, f"{node.id} sets the copies of an augment step: write `copies: balanced` in one after it"
            )


def _node(step: StepSpec, nodes: Mapping[str, Node]) -> Node:
    parents = [nodes[need] for need in step.needs]
    operation = step.operation
    dtypes = frozenset[str]().union(*(p.dtypes for p in parents)) if parents else frozenset(DTYPES)
    size = _agreed([p.size for p in parents])
    channels = _agreed([p.channels for p in parents])
    rows = _union(parents, step.place, step.id) if parents else {"": (1, "")}
    features = tuple(dict.fromkeys(name for p in parents for name in p.features))
    if isinstance(operation, Fitted):
        try:
            operation.refuse(channels)
        except ValueError as error:
            raise SpecError.at(step.place, str(error)) from error
    usable = dtypes & frozenset(operation.takes)
    if not usable:
        raise SpecError.at(
            step.place,
            f"{operation.name()} takes {', '.join(operation.takes)}, but gets {', '.join(sorted(dtypes))}; "
            "put a convert_dtype step before it",
        )
    if isinstance(operation, Dataset) and any(rows_group for rows_group in rows):
        raise SpecError.at(
            step.place, f"{operation.name()} decides on sources: put it before the steps that make copies"
        )
    if isinstance(operation, Dataset):
        refuse_unread(step, operation, features)
    if operation.mixes:
        refuse_mixing(step, rows)
    changes = isinstance(operation, (Applied, Composer))
    passed = passing(operation, step.where, usable)
    given = passed | frozenset(operation.gives(dtype) for dtype in usable)
    if passed:
        size = size if operation.fixed_size(size) == size else None
        channels = channels if operation.fixed_channels(channels) == channels else None
    else:
        size, channels = operation.fixed_size(size), operation.fixed_channels(channels)
    if changes:
        rows = {group: (count, step.id) for group, (count, _) in rows.items()}
    elif isinstance(operation, Expander):
        rows = _expanded(operation, step.id, rows)
    elif isinstance(operation, Feature):
        try:
            operation.components(size, channels)
        except ValueError as error:
            raise SpecError.at(step.place, str(error)) from error
        features = (*features, step.id)
    elif isinstance(operation, Derived):
        features = (*features, step.id)
    fit = operation if isinstance(operation, Fitted) and operation.fit_from == FITTED else None
    return Node(step.id, operation, step.needs, step.where, step.place, given, size, channels, rows, features, fit)


def _components(node: Node) -> list[str]:
    """Name the components of the vector that a step makes."""
    operation = node.operation
    if isinstance(operation, Derived):
        return operation.names()
    assert isinstance(operation, Feature), "only features and what is derived from them make vectors"
    return operation.components(node.size, node.channels)


def _agreed(values: list[Any]) -> Any:
    return values[0] if values and all(value == values[0] for value in values) else None


def _expanded(operation: Expander, step: str, rows: Mapping[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    kept: dict[str, tuple[int, str]] = dict(rows) if operation.keeps_original() else {}
    made = operation.rows() - (1 if operation.keeps_original() else 0)
    for group, (count, _) in rows.items():
        kept[f"{group}.{step}"] = (count * made, step)
    return kept


def _union(parents: list[Node], place: Place, step: str) -> dict[str, tuple[int, str]]:
    joined: dict[str, tuple[int, str]] = {}
    for parent in parents:
        for group, (count, pixels) in parent.rows.items():
            if group in joined and joined[group][1] != pixels:
                rows = f"the copies {group}" if group else "the originals"
                raise SpecError.at(
                    place,
                    f"{step} joins {', '.join(p.id for p in parents)}, where {rows} have the same ids but different "
                    f"pixels ({joined[group][1] or 'the source'}'s and {pixels or 'the source'}'s): name two outputs",
                )
            joined[group] = (count, pixels)
    return joined


def _output(spec: OutputSpec, nodes: Mapping[str, Node], pipeline: PipelineSpec) -> Output:
    place = pipeline.place("outputs", spec.name)
    parents = [nodes[name] for name in spec.sources]
    if not parents:
        raise SpecError.at(place, "an output needs at least one step")
    node = parents[0]
    if len(parents) > 1:
        node = Node(
            spec.name,
            parents[0].operation,
            tuple(p.id for p in parents),
            {},
            place,
            frozenset[str]().union(*(p.dtypes for p in parents)),
            _agreed([p.size for p in parents]),
            _agreed([p.channels for p in parents]),
            _union(parents, place, spec.name),
            tuple(dict.fromkeys(name for p in parents for name in p.features)),
        )
    steps = ancestors(spec.sources, nodes)
    from_feature = all(isinstance(nodes[name].operation, (Feature, Derived)) for name in spec.sources)
    features = {name: _components(nodes[name]) for name in node.features}
    form: Form = "none" if from_feature and not spec.image else _form(spec, node, place)
    if form == "image":
        refuse_mixed(spec.sources, steps, nodes, place)
    expanders = [one.operation for one in nodes.values() if isinstance(one.operation, Expander)]
    classes = {label for one in expanders for label in one.classes}
    rows = {label: sum(_rows(spec.sources, nodes, label).values()) for label in (None, *sorted(classes))}
    return Output(spec, node, form, steps, features, rows)


def _rows(names: tuple[str, ...], nodes: Mapping[str, Node], label: str | None) -> dict[str, int]:
    """Give how many rows an image of a class has after these steps together, by group as ``Node.rows``."""
    joined: dict[str, int] = {} if names else {"": 1}
    for name in names:
        rows, operation = _rows(nodes[name].needs, nodes, label), nodes[name].operation
        if isinstance(operation, Expander):
            kept = operation.keeps_original()
            made = {f"{group}.{name}": count * (operation.rows_of(label) - kept) for group, count in rows.items()}
            rows = {**(rows if kept else {}), **made}
        joined.update(rows)
    return joined


def ancestors(names: tuple[str, ...], nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """Give these steps and all before them, in the file's order."""
    wanted, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting.extend(nodes[name].needs)
    return tuple(name for name in nodes if name in wanted)


def _form(spec: OutputSpec, node: Node, place: Place) -> Form:
    floats_only = node.dtypes == {"float32"}
    asked = spec.encode.format
    if asked in ("jpeg", "png") and floats_only:
        raise SpecError.at(
            place, f"{asked} holds no float32: leave `encode` out for a tensor, or add a convert_dtype step"
        )
    if asked == "jpeg" and node.dtypes == {"uint16"}:
        raise SpecError.at(
            place, "JPEG holds 8 bits: say so with a step `convert_dtype: {dtype: uint8}`, or encode as png"
        )
    if asked == "tensor" or (asked == "auto" and floats_only):
        if not floats_only:
            raise SpecError.at(place, "a tensor output takes float32: add a normalize or convert_dtype step")
        if node.size is None or node.channels is None:
            missing = "a resize step" if node.size is None else "grayscale, or `convert_color: {space: rgb}`"
            raise SpecError.at(place, f"a tensor column needs one shape for all rows: add {missing}")
        return "tensor"
    return "image"


def _settling(nodes: Mapping[str, Node]) -> frozenset[str]:
    """Find where fused groups end: along every chain from the source, and at every union."""
    found: set[str] = {node.id for node in nodes.values() if len(node.needs) > 1}
    leaves = set(nodes) - {need for node in nodes.values() for need in node.needs}
    for leaf in leaves:
        for chain in _chains(leaf, nodes):
            found |= settles([(name, nodes[name].operation) for name in chain])
    return frozenset(found)


def _chains(leaf: str, nodes: Mapping[str, Node]) -> list[list[str]]:
    if not nodes[leaf].needs:
        return [[leaf]]
    return [[*chain, leaf] for need in nodes[leaf].needs for chain in _chains(need, nodes)]


def step_of(node: Node) -> Step:
    """Give the node as a step that ``perform`` takes."""
    return Step(id=node.id, operation=node.operation)
