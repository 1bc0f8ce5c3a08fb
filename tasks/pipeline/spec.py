"""A pipeline file, read and validated whole: what each pipeline says, as frozen values."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tasks.errors import RequestError
from tasks.load.source import SourceSpec
from tasks.operation import registry as known_operations
from tasks.pipeline.environment import VARIABLE, Environment, refuse
from tasks.pipeline.explain import explain, hint, shown
from tasks.pipeline.mistakes import Document, Mistake, Mistakes, Path, Place, SpecError
from tasks.pipeline.models import Boxes, ClusterSpec, Encode, OutputSpec, ScheduleSpec, WatchSpec
from tasks.pipeline.nesting import Registry
from tasks.pipeline.steps import StepReader, StepSpec
from tasks.pipeline.yaml import load

__all__ = [
    "Boxes",
    "ClusterSpec",
    "Encode",
    "Mistake",
    "OutputSpec",
    "PipelineFile",
    "PipelineSpec",
    "Place",
    "ScheduleSpec",
    "SourceSpec",
    "SpecError",
    "StepSpec",
    "WatchSpec",
    "read",
    "thaw",
]

VERSION = 1
PIPELINE_NAME = re.compile(r"[a-z][a-z0-9_-]*")
INHERITED = ("seed", "output", "partition", "cluster", "schedule", "watch")
KEYS = ("description", "source", "steps", "outputs", *INHERITED)
LARGEST_SEED = 2**63 - 1
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[a-z0-9]+::")

EXAMPLES: dict[type[BaseModel], str] = {
    SourceSpec: "such as {path: images}",
    ClusterSpec: "such as {workers: 4}",
    ScheduleSpec: "such as {cron: '0 2 * * *'}",
    WatchSpec: "such as {every: 30 seconds, settle: 10 seconds}",
}

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class PipelineSpec:
    """One pipeline, valid in itself; whether its steps fit each other is the graph's to say.

    ``frozen`` is what ``thaw`` rebuilds it from: plain JSON, defaults merged, ids written out, the order of keys
    without meaning, variables not filled in. ``variables`` are those that were, for workers elsewhere.
    """

    name: str
    description: str
    seed: int
    output: str
    source: SourceSpec
    steps: tuple[StepSpec, ...]
    outputs: tuple[OutputSpec, ...]
    partition: str | None
    cluster: ClusterSpec
    schedules: tuple[ScheduleSpec, ...]
    watch: WatchSpec | None
    folder: FilePath
    frozen: dict[str, Any] = field(repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    document: Document = field(default_factory=lambda: Document({}, ""), compare=False, repr=False)

    def place(self, *path: str | int) -> Place:
        """Find where something of this pipeline stands: ``place("steps", 3, "rotate", "degrees")``."""
        inherited = path[:1] and ("pipelines", self.name, path[0]) not in self.document.values
        if inherited and ("defaults", path[0]) in self.document.values:
            return self.document.place(("defaults", *path))
        return self.document.place(("pipelines", self.name, *path))


@dataclass(frozen=True)
class PipelineFile:
    """A valid file. Only the environment of the pipeline that is asked for must be complete."""

    file: FilePath
    pipelines: Mapping[str, PipelineSpec | SpecError] = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The pipelines' names, in the file's order."""
        return tuple(self.pipelines)

    def pipeline(self, name: str) -> PipelineSpec:
        """Give one pipeline by its name."""
        if name not in self.pipelines:
            near = hint(name, self.names).partition("; expected")[0]
            raise RequestError(f"{self.file}: no pipeline `{name}`{near} (there are: {', '.join(self.names)})")
        found = self.pipelines[name]
        if isinstance(found, SpecError):
            raise found
        return found


def read(
    file: FilePath, registry: Registry | None = None, *, environment: Mapping[str, str] | None = None
) -> PipelineFile:
    """Read and validate a whole file. Raises ``SpecError`` with all its mistakes."""
    document = load(file)
    folder = FilePath(os.path.abspath(file)).parent  # noqa: PTH100 - a link's own folder, not its target's
    reader = _Reader(document, folder, registry, environment)
    pipelines = reader.file()
    reader.mistakes.check()
    return PipelineFile(file, pipelines)


def thaw(
    frozen: Mapping[str, Any],
    folder: FilePath,
    registry: Registry | None = None,
    *,
    environment: Mapping[str, str] | None = None,
) -> PipelineSpec:
    """Rebuild a pipeline from its frozen form, by the same reading. ``folder`` is that of its file."""
    raw = json.loads(json.dumps(dict(frozen)))
    version, name = raw.pop("version", None), str(raw.pop("name", ""))
    _check_files(raw.pop("files", {}), folder)
    if isinstance(raw.get("outputs"), list):
        raw["outputs"] = {one.pop("name"): one for one in raw["outputs"]}
    document = Document({"version": version, "pipelines": {name: raw}}, "frozen pipeline")
    reader = _Reader(document, folder, registry, environment)
    pipelines = reader.file()
    reader.mistakes.check()
    return PipelineFile(folder, pipelines).pipeline(name)


def _check_files(files: Mapping[str, str], folder: FilePath) -> None:
    """Refuse to run a user's module that is not the one that was frozen."""
    for file, digest in files.items():
        try:
            data = (folder / file).read_bytes()
        except OSError as error:
            raise RequestError(f"{folder / file}: {error.strerror}; this pipeline uses an operation in it") from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise RequestError(f"{folder / file} has changed since this pipeline was frozen (its SHA-256 was {digest})")


class _Reader:
    """Reads one document; what is wrong goes to ``mistakes``, and reading goes on."""

    def __init__(
        self, document: Document, folder: FilePath, registry: Registry | None, environment: Mapping[str, str] | None
    ) -> None:
        self.document = document
        self.folder = folder
        self.registry = known_operations() if registry is None else registry
        self.variables = os.environ if environment is None else environment
        self.mistakes = Mistakes(document)

    def file(self) -> dict[str, PipelineSpec | SpecError]:
        raw = self.document.value
        if not isinstance(raw, dict):
            self.mistakes.add((), f"expected `version: 1` and `pipelines:`, got {shown(raw)}")
            return {}
        version = raw.get("version")
        if "version" not in raw:
            self.mistakes.add((), "`version: 1` is missing: begin the file with it")
        elif version != VERSION or isinstance(version, bool):
            message = f"expected {VERSION}, the only version that this imagemill reads, got {shown(version)}"
            raise SpecError.at(self.document.place(("version",)), message)
        self.known(raw, (), ("version", "defaults", "pipelines"))
        defaults = self.mapping(raw.get("defaults") or {}, ("defaults",), "such as {seed: 7}") or {}
        self.known(defaults, ("defaults",), INHERITED)
        if "pipelines" not in raw:
            self.mistakes.add((), "`pipelines` is missing: expected a mapping of pipelines by name")
            return {}
        pipelines = self.mapping(raw["pipelines"], ("pipelines",), "of pipelines by name")
        if pipelines == {}:
            self.mistakes.add(("pipelines",), "expected at least one pipeline")
        read = {name: self.pipeline(name, one, defaults) for name, one in (pipelines or {}).items()}
        return {name: spec for name, spec in read.items() if spec is not None}

    def known(self, raw: Mapping[str, Any], path: Path, keys: tuple[str, ...]) -> None:
        for key in raw:
            if key not in keys:
                where = f"`{path[-1]}`" if path else "a pipeline file"
                self.mistakes.add((*path, key), f"{where} has no `{key}`{hint(key, keys)}", key=True)

    def mapping(self, raw: Any, path: Path, what: str) -> dict[str, Any] | None:
        if isinstance(raw, dict):
            return raw
        self.mistakes.add(path, f"expected a mapping {what}, got {shown(raw)}")
        return None

    def pipeline(self, name: str, raw: Any, defaults: Mapping[str, Any]) -> PipelineSpec | SpecError | None:
        path: Path = ("pipelines", name)
        if not PIPELINE_NAME.fullmatch(name):
            message = f"expected a name of small letters, digits, - and _, got {name!r}"
            self.mistakes.add(path, message, key=True)
        if self.mapping(raw, path, "with `source` and `steps`") is None:
            return None
        self.known(raw, path, KEYS)
        whole = {**{key: value for key, value in defaults.items() if key in INHERITED}, **raw}
        at: dict[str, Path] = {
            key: ("defaults", key) if key in whole and key not in raw else (*path, key) for key in KEYS
        }
        before = len(self.mistakes)
        environment = Environment(self.variables, self.mistakes, Mistakes(self.document))
        for key in ("description", "steps", "outputs", "seed", "partition", "schedule", "watch"):
            refuse(whole.get(key), at[key], self.mistakes)

        seed = self.seed(whole.get("seed", 0), at["seed"])
        description = self.text(whole.get("description"), at["description"]) or ""
        partition = self.text(whole.get("partition"), at["partition"])
        output = self.output(whole.get("output", "results/{pipeline}"), at["output"], name, environment)
        source = self.source(whole, at["source"], environment)
        cluster = self.model(ClusterSpec, whole.get("cluster") or {}, at["cluster"], environment)
        schedules = self.schedules(whole.get("schedule"), at["schedule"])
        watch = None if whole.get("watch") is None else self.model(WatchSpec, whole["watch"], at["watch"])
        reader = StepReader(self.mistakes, self.registry, self.folder)
        steps, frozen_steps, ids = reader.chain(whole["steps"], at["steps"]) if "steps" in whole else ([], [], [])
        if "steps" not in whole:
            self.mistakes.add(path, "`steps` is missing: expected a list of steps", key=True)
        outputs, frozen_outputs = self.outputs(whole.get("outputs"), at["outputs"], ids)
        if len(self.mistakes) > before:
            return None
        if environment.missing.found:
            return SpecError(environment.missing.found)
        assert source is not None, "no source, and no mistake that says why"
        assert cluster is not None, "no cluster, and no mistake that says why"
        frozen = {
            **{key: whole[key] for key in KEYS if whole.get(key) is not None},
            "version": VERSION,
            "name": name,
            "seed": seed,
            "steps": frozen_steps,
            "outputs": frozen_outputs,
            **({"files": reader.files} if reader.files else {}),
        }
        return PipelineSpec(
            name=name,
            description=description,
            seed=seed,
            output=output,
            source=source,
            steps=tuple(steps),
            outputs=tuple(outputs),
            partition=partition,
            cluster=cluster,
            schedules=schedules,
            watch=watch,
            folder=self.folder,
            frozen=json.loads(json.dumps(frozen)),
            variables=environment.used,
            document=self.document,
        )

    def seed(self, raw: Any, path: Path) -> int:
        if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw <= LARGEST_SEED:
            return raw
        self.mistakes.add(path, f"expected a whole number of at least 0, got {shown(raw)}")
        return 0

    def text(self, raw: Any, path: Path) -> str | None:
        if raw is None or (isinstance(raw, str) and raw):
            return raw
        self.mistakes.add(path, f"expected text, got {shown(raw)}")
        return None

    def output(self, raw: Any, path: Path, name: str, environment: Environment) -> str:
        if not isinstance(raw, str) or not raw.strip():
            self.mistakes.add(path, f"expected a folder or a URL, got {shown(raw)}")
            return ""
        braces = set(re.findall(r"\{[^}]*\}?|\}", VARIABLE.sub("", raw))) - {"{pipeline}"}
        if braces and "${" not in VARIABLE.sub("", raw):
            self.mistakes.add(path, f"only `{{pipeline}}` may stand in braces, got {', '.join(sorted(braces))}")
        return self.resolved(environment.fill(raw.replace("{pipeline}", name), path))

    def resolved(self, path: str) -> str:
        if URL.match(path):
            return path
        return str(self.folder / FilePath(path).expanduser())

    def source(self, whole: Mapping[str, Any], path: Path, environment: Environment) -> SourceSpec | None:
        if "source" not in whole:
            self.mistakes.add(path[:-1], "`source` is missing: expected a mapping such as {path: images}", key=True)
            return None
        spec = self.model(SourceSpec, whole["source"], path, environment)
        return spec.model_copy(update={"path": self.resolved(spec.path)}) if spec else None

    def model(self, kind: type[M], raw: Any, path: Path, environment: Environment | None = None) -> M | None:
        if self.mapping(raw, path, EXAMPLES.get(kind, "")) is None:
            return None
        try:
            return kind.model_validate(environment.fill(raw, path) if environment else raw)
        except ValidationError as error:
            wrong = Mistakes(self.document)
            explain(
                error,
                kind,
                raw,
                lambda inner: path if inner == ("name",) else (*path, *inner),
                wrong,
                what=f"`{path[-1]}`",
            )
            unset = [mistake.place.path for mistake in environment.missing.found] if environment else []
            self.mistakes.take(wrong, but=unset)
        return None

    def schedules(self, raw: Any, path: Path) -> tuple[ScheduleSpec, ...]:
        listed = raw if isinstance(raw, list) else [] if raw is None else [raw]
        paths = [(*path, i) for i in range(len(listed))] if isinstance(raw, list) else [path]
        found = [self.model(ScheduleSpec, one, at) for one, at in zip(listed, paths, strict=False)]
        return tuple(one for one in found if one is not None)

    def outputs(self, raw: Any, path: Path, ids: list[str]) -> tuple[list[OutputSpec], list[dict[str, Any]]]:
        """Read the outputs, the default one first."""
        given = (
            {"images": {}}
            if raw is None
            else self.mapping(raw, path, "of outputs by name, such as images: {from: STEP}")
        )
        if raw is None and not ids:
            return [], []  # the steps have mistakes enough
        if given == {}:
            self.mistakes.add(path, "expected at least one output, such as images: {from: STEP}")
        made: dict[str, tuple[OutputSpec, dict[str, Any]]] = {}
        for name, one in (given or {}).items():
            at = (*path, name)
            if one is None and len(given or {}) == 1:
                one = {}
            if self.mapping(one, at, "such as {from: STEP}") is None:
                continue
            if "from" not in one and len(given or {}) == 1 and ids:
                one = {"from": ids[-1], **one}
            if "name" in one:
                self.mistakes.add((*at, "name"), "an output's name is its key: leave `name` out", key=True)
                continue
            spec = self.model(OutputSpec, {**one, "name": name}, at)
            if spec is not None:
                self.sources(spec, at, ids)
                made[name] = (spec, one)
        defaults = [name for name, (spec, _) in made.items() if spec.default]
        for name in defaults[1:]:
            self.mistakes.add((*path, name, "default"), f"`{defaults[0]}` is the default output already")
        first = next(iter([*defaults, *made]), None)
        ordered = sorted(made, key=lambda name: name != first)
        specs = [made[name][0].model_copy(update={"default": name == first}) for name in ordered]
        frozen = [
            {**made[name][1], "name": name, "from": list(made[name][0].sources), "default": name == first}
            for name in ordered
        ]
        return specs, frozen

    def sources(self, spec: OutputSpec, path: Path, ids: list[str]) -> None:
        for source in spec.sources:
            if source not in ids:
                self.mistakes.add((*path, "from"), f"no step `{source}`{hint(source, ids)}")
        if len(set(spec.sources)) < len(spec.sources):
            self.mistakes.add((*path, "from"), f"a step is named twice: {', '.join(spec.sources)}")
