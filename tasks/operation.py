"""What an operation is: a frozen model with its parameters, of one of a few kinds, found by its name.

An operation says what it is; the plan decides how it runs. A subclass states its parameters as typed fields, its
documentation as its docstring (first sentence: what it does; ``Source:`` names the method's origin), and one or two
small methods. Composing, warping, clipping, recording and documenting are done once, elsewhere.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import inspect
import json
import pkgutil
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from tasks.errors import ImagemillError, Rejected
from tasks.image.geometry import Matrix, Move, Size
from tasks.image.mixing import alike
from tasks.image.randomness import Generator, generator
from tasks.image.sample import Curve, Pixels, Sample

DTYPES = ("uint8", "uint16", "float32")
PACKAGES = ("tasks.clean", "tasks.standardize", "tasks.augment", "tasks.extract", "tasks.collection")

Params = dict[str, Any]


class Range(NamedTuple):
    """``[low, high]``, drawn uniformly."""

    low: float
    high: float


def _square(value: Any) -> Any:
    return [value, value] if isinstance(value, int) and not isinstance(value, bool) else value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def within(low: float, high: float) -> BeforeValidator:
    """Take a number, which is then fixed, or ``[low, high]`` to draw from, within bounds.

    To be used as ``Annotated[Range, within(0, 1)]``.
    """

    def bounded(value: Any) -> Any:
        ends = [value, value] if isinstance(value, (int, float)) and not isinstance(value, bool) else value
        numbers = isinstance(ends, (list, tuple)) and all(isinstance(end, (int, float)) for end in ends)
        if numbers and not all(low <= end <= high for end in ends):
            raise ValueError(f"expected a number in {low:g}..{high:g}, or a range [low, high] in it, got {value}")
        return ends

    number = Annotated[float, Field(ge=low, le=high)]
    return BeforeValidator(bounded, json_schema_input_type=number | tuple[number, number])


def _beside(path: str, info: ValidationInfo) -> str:
    folder = (info.context or {}).get("folder")
    return str(Path(folder) / Path(path).expanduser()) if folder is not None and "://" not in path else path


File = Annotated[str, Field(min_length=1), AfterValidator(_beside)]  # a URL, or relative to the pipeline file
Probability = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=1, le=65_535)]
Names = Annotated[  # of steps: a list, or the only one
    tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | list[str]), Field(min_length=1)
]
SquareSize = Annotated[Size, BeforeValidator(_square, json_schema_input_type=int | tuple[int, int])]


class Operation(BaseModel, ABC):
    """What every operation has: parameters, a name, a version of its bytes, and what its documentation says."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, validate_default=True)

    version: ClassVar[int] = 1
    uses: ClassVar[tuple[str, ...]] = ("numpy", "opencv-python-headless")
    takes: ClassVar[tuple[str, ...]] = DTYPES
    example: ClassVar[Mapping[str, Any]] = {}
    kind: ClassVar[str] = "operation"
    shorthand: ClassVar[str | None] = (
        None  # the field that a value which is no mapping stands for: `min_size: [64, 64]`
    )

    @classmethod
    def name(cls) -> str:
        """The name in a pipeline file: the class's name in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def summary(cls) -> str:
        """The first sentence of the documentation."""
        return inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].replace("\n", " ")

    @classmethod
    def source(cls) -> str:
        """Where the method comes from, as the documentation says."""
        match = re.search(r"Source:\s*(.+?)(?:\n\n|\Z)", inspect.cleandoc(cls.__doc__ or ""), re.DOTALL)
        return " ".join(match.group(1).split()) if match else ""

    @field_validator("*")
    @classmethod
    def _ordered(cls, value: Any) -> Any:
        if isinstance(value, Range) and value.low > value.high:
            raise ValueError(f"expected [low, high] with low <= high, got [{value.low}, {value.high}]")
        if isinstance(value, Size) and min(value) < 1:
            raise ValueError(f"expected [width, height] of at least one pixel, got {list(value)}")
        return value

    def gives(self, dtype: str) -> str:
        """Give the dtype of the result for one of the input."""
        return dtype

    def fixed_size(self, size: Size | None) -> Size | None:
        """Give the size of the result where it is known before any image is seen."""
        return size

    def fixed_channels(self, channels: int | None) -> int | None:
        """Give the number of channels of the result where it is known before any image is seen."""
        return channels

    def canonical(self) -> dict[str, Any]:
        """What decides this operation's result: name, version, parameters with defaults, versions of libraries."""
        return {
            "name": self.name(),
            "version": self.version if not self._file() else hashlib.sha256(self._file()).hexdigest(),
            "parameters": {field: _plain(getattr(self, field)) for field in type(self).model_fields},
            "libraries": {library: library_version(library) for library in self.uses},
        }

    @classmethod
    def _file(cls) -> bytes:
        """The source file of a user's operation; nothing for one that ships with imagemill."""
        return b""

    @property
    def steps(self) -> Sequence[Step]:
        """The operations nested in this one."""
        return ()

    def nested(self) -> Iterator[Operation]:
        """Give the operations nested in this one, at any depth."""
        for step in self.steps:
            yield step.operation
            yield from step.operation.nested()

    @property
    def is_random(self) -> bool:
        """Whether the result depends on a draw, its own or a nested one's."""
        return isinstance(self, Random) or any(step.operation.is_random for step in self.steps)

    @property
    def mixes(self) -> bool:
        """Whether the result depends on other images of the collection, by itself or by a nested operation."""
        return any(isinstance(one, Mixing) for one in (self, *self.nested()))


class Step(BaseModel):
    """An operation under its id, nested in another."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    id: str
    operation: Operation


def _plain(value: Any) -> Any:
    if isinstance(value, Step):
        return {"id": value.id, **value.operation.canonical()}
    if isinstance(value, Operation):
        return value.canonical()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


@cache
def library_version(name: str) -> str:
    """Give the installed version of a distribution, as fingerprints record it."""
    return importlib.metadata.version(name)


def canonical_json(value: Any) -> str:
    """Write JSON in one way only: sorted keys, no white space, shortest round-trip floats, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class Random(Operation):
    """An operation that draws its parameters for each copy of each image, with probability ``p``."""

    p: Probability = 1.0

    @abstractmethod
    def draw(self, rng: Generator, sample: Sample) -> Params:
        """Draw the parameters for one sample. They go to the row's lineage as they are: plain JSON values."""


class Ranged(Random):
    """Draws from ``p`` and from its own ranges alone: with a ``p`` of 1 and fixed numbers nothing is random.

    What an operation measures on the pixels instead, ``draw`` gives too: it is recorded like what is drawn.
    """

    def _ranges(self) -> dict[str, Range]:
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in values.items() if isinstance(value, Range)}

    @property
    def is_random(self) -> bool:
        """Whether the result depends on a draw."""
        return self.p < 1 or any(low < high for low, high in self._ranges().values())

    def draw(self, rng: Generator, sample: Sample) -> Params:
        """Draw a number from each range."""
        return {name: float(rng.uniform(low, high)) for name, (low, high) in self._ranges().items()}


class Applied(Operation):
    """An operation that takes a sample to a sample: everything but checks, features and dataset steps."""

    @abstractmethod
    def apply(self, sample: Sample, **params: Any) -> Sample:
        """Give the sample with this operation done, for drawn parameters (none where nothing is drawn)."""


class Geometric(Applied):
    """Moves pixels: a matrix in edge coordinates and a canvas. Neighbours are composed into one resampling."""

    kind: ClassVar[str] = "geometric"
    exact: ClassVar[bool] = False  # flips, right angles, whole-pixel crops: a copy, so pointwise steps pass it

    @abstractmethod
    def matrix(self, size: Size, **params: Any) -> Matrix:
        """Give the 3 x 3 matrix that takes coordinates on a canvas of ``size`` to the new canvas."""

    def canvas(self, size: Size, **params: Any) -> Size:
        """Give the size of the new canvas."""
        return size

    def move(self, size: Size, **params: Any) -> Move:
        """Give matrix, canvas and what fills it, for drawn parameters."""
        return Move(
            self.matrix(size, **params),
            self.canvas(size, **params),
            fill=getattr(self, "fill", None),
            interpolation=getattr(self, "interpolation", "auto"),
            border=getattr(self, "border", "constant"),
            antialias=getattr(self, "antialias", False),
        )

    def apply(self, sample: Sample, **params: Any) -> Sample:
        """Give the sample with this operation done; see ``Applied.apply``."""
        return sample.moved(self.move(sample.size, **params))

    def fixed_size(self, size: Size | None) -> Size | None:
        """Give the size of the result where it is known before any image is seen."""
        return self.canvas(size) if size is not None else None


class RandomGeometric(Random, Geometric):
    """Moves pixels by a drawn matrix."""

    def fixed_size(self, size: Size | None) -> Size | None:
        """Give the size of the result where it is known before any image is seen."""
        return size


class Pointwise(Applied):
    """Changes each value by a curve of its own value. Neighbours are composed into one lookup table."""

    kind: ClassVar[str] = "pointwise"

    @property
    def measured(self) -> bool:
        """Whether the curve is measured on the image's own pixels: it then ends the group before it."""
        return False

    @abstractmethod
    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        """Give the new values for values (... x channels) as fractions of the range: 0 to 1 for integer dtypes."""

    def apply(self, sample: Sample, **params: Any) -> Sample:
        """Give the sample with this operation done; see ``Applied.apply``."""
        return sample.curved(Curve(self, tuple(sorted(params.items())), self.gives(sample.dtype)))


class RandomPointwise(Random, Pointwise):
    """Changes values by a drawn curve."""


class Filter(Applied):
    """Makes an image of an image: blur, sharpen, denoise, edges. Ends a fused group."""

    kind: ClassVar[str] = "filter"

    @abstractmethod
    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        """Give the new pixels (H x W x C) of the same height and width; never writes to ``pixels``."""

    def apply(self, sample: Sample, **params: Any) -> Sample:
        """Give the sample with this operation done; see ``Applied.apply``."""
        return sample.repainted(self.filter(sample.picture(), **params))


class RandomFilter(Random, Filter):
    """Makes an image of an image by drawn parameters."""


class Target(Applied):
    """Changes what is known beside the pixels: boxes, categories, masks. The pixels pass, and with them fused groups.

    Targets stay in the source's coordinates; ``sample.whole`` says where they lie by now.
    """

    kind: ClassVar[str] = "target"
    makes_boxes: ClassVar[bool] = False  # also where the source has none

    def categories_after(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Give the categories that boxes may have after this, for those before."""
        return names


class Composer(Operation):
    """Runs nested operations on one sample: one of them, some of them, all in sequence."""

    kind: ClassVar[str] = "composer"

    @abstractmethod
    def compose(self, sample: Sample, path: str, draws: Draws, **params: Any) -> Sample:
        """Give the sample after the nested operations that are drawn, each done by ``perform``."""


class Mixing(Random):
    """Mixes an image with others of the collection: its ``partners``, which are the next ones in the listing.

    A fused group ends before it, and what it makes is a new image: targets lie on its canvas from then on.
    """

    kind: ClassVar[str] = "mixing"
    partners: ClassVar[int] = 1

    @abstractmethod
    def mix(self, sample: Sample, others: Sequence[Sample], **params: Any) -> Sample:
        """Give the mixture for drawn parameters; ``others`` have the sample's dtype and channels, but their own size.

        Their boxes have numbers of their own. What is dropped is recorded here, what was drawn is not.
        """

    def mixed(self, sample: Sample, path: str, **params: Any) -> Sample:
        """Find the partners, mix, and record what was drawn and with whom."""
        if sample.others is None:
            raise Rejected("no_partner", f"{path}: there is no other image to mix this one with")
        found = sample.others.find(sample, path, self.partners)
        start = sample.settled()
        others, parents = alike(start, found)
        drawn = {name: value for name, value in params.items() if name != "parents"}  # a replay's params name them
        return self.mix(start, others, **drawn).did(path, self.name(), {**drawn, "parents": parents})


class Expander(Operation):
    """Makes several samples of one: augmented copies, tiles, crops. Each gets ``.STEP:N`` added to its row's id."""

    kind: ClassVar[str] = "expander"

    @abstractmethod
    def expand(self, sample: Sample, path: str, draws: Draws) -> list[Sample]:
        """Give the samples, the unchanged one first where it is kept."""

    @abstractmethod
    def rows(self) -> int:
        """Give how many rows one row is expected to become, the unchanged one included."""

    @abstractmethod
    def keeps_original(self) -> bool:
        """Say whether the unchanged row stays."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of images of which it makes another number of rows."""
        return ()

    def rows_of(self, label: str | None) -> int:
        """Give ``rows`` for images of one class."""
        return self.rows()


class Draws(ABC):
    """Where a step's parameters come from: drawn by key, or replayed from a row's lineage.

    ``settles`` holds the paths of the steps before which a fused group ends; it depends on the pipeline alone.
    """

    settles: frozenset[str] = frozenset()

    @abstractmethod
    def params(self, operation: Random, sample: Sample, path: str) -> Params | None:
        """Give the parameters for the step at ``path``, or nothing where ``p`` decided against it."""


class KeyedDraws(Draws):
    """Draws by a generator keyed by seed, content, frame, tile, copy and path: never by order, time or process."""

    def __init__(self, seed: int, settles: frozenset[str] = frozenset()) -> None:
        self.seed = seed
        self.settles = settles

    def params(self, operation: Random, sample: Sample, path: str) -> Params | None:
        """Give the parameters for the step at ``path``; see ``Draws.params``."""
        rng = generator(self.seed, sample.content, sample.frame, sample.tile, sample.copy, path)
        if operation.p < 1.0 and rng.random() >= operation.p:
            return None
        return operation.draw(rng, sample)


class RecordedDraws(Draws):
    """Replays what a row's lineage says was drawn."""

    def __init__(self, recorded: Mapping[str, Params], settles: frozenset[str] = frozenset()) -> None:
        self.recorded = recorded
        self.settles = settles

    def params(self, operation: Random, sample: Sample, path: str) -> Params | None:
        """Give the parameters for the step at ``path``; see ``Draws.params``."""
        return self.recorded.get(path)


def perform(step: Step, sample: Sample, path: str, draws: Draws) -> Sample:
    """Do one step to one sample, and record it; ``path`` is the step's, such as ``augmented/one_of/rotate``."""
    operation = step.operation
    if path in draws.settles:
        sample = sample.settled()
    drawn = isinstance(operation, Random)
    params: Params | None = draws.params(operation, sample, path) if isinstance(operation, Random) else {}
    if params is None:
        return sample
    if isinstance(operation, Composer):
        chosen = sample.did(path, operation.name(), params) if drawn else sample
        return operation.compose(chosen, path, draws, **params)
    if isinstance(operation, Mixing):
        return operation.mixed(sample, path, **params)
    if not isinstance(operation, Applied):
        raise TypeError(f"{path}: a {operation.kind} does not stand among transforms")
    return operation.apply(sample, **params).did(path, operation.name(), params)


class Check(Operation):
    """Measures an image and says whether it is fit: the measures stay as columns, the failing are rejected.

    ``thresholds`` names the parameters that decide without measuring: changing one measures nothing again.
    """

    kind: ClassVar[str] = "check"
    thresholds: ClassVar[frozenset[str]] = frozenset()

    @property
    def only_notes(self) -> bool:
        """Whether what fails stays, and is noted in the dataset's decisions instead."""
        return False

    def measure(self, pixels: Pixels) -> dict[str, float]:
        """Give the measures by name; the check's own score has the empty name."""
        raise NotImplementedError(f"{self.name()} needs more than pixels: see examine")

    def examine(self, sample: Sample) -> dict[str, float]:
        """Give the measures of a whole sample: of its picture, unless the check needs its file or its targets."""
        return self.measure(sample.picture())

    @abstractmethod
    def measures(self) -> tuple[str, ...]:
        """Give the names that ``measure`` gives, in order."""

    @abstractmethod
    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        """Say why an image with these measures is rejected, or nothing."""

    def canonical(self) -> dict[str, Any]:
        """What decides this operation's measures: all but the thresholds."""
        whole = super().canonical()
        kept = {name: value for name, value in whole["parameters"].items() if name not in self.thresholds}
        return {**whole, "parameters": kept}


class Score(Check):
    """A check by one score, low is bad: an image with a score below ``below`` is rejected.

    Score and limit lie in 0..1 unless it says otherwise.
    """

    thresholds: ClassVar[frozenset[str]] = frozenset({"below"})
    reason: ClassVar[str]
    told: ClassVar[str]  # what the message calls the score

    below: Fraction

    @abstractmethod
    def score(self, pixels: Pixels) -> float:
        """Give the score."""

    def measure(self, pixels: Pixels) -> dict[str, float]:
        """Give the score under the empty name."""
        return {"": self.score(pixels)}

    def measures(self) -> tuple[str, ...]:
        """Give the empty name: the check's own."""
        return ("",)

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        """Reject what lies below the limit."""
        score = measures[""]
        if score >= self.below:
            return None
        message = f"{self.told} {score:.3f} is below {self.below:g}"
        return Rejected(self.reason, message, step=self.name(), measure=score, limit=self.below)


class Feature(Operation):
    """Makes a vector of fixed length from an image, without changing it."""

    kind: ClassVar[str] = "feature"

    @abstractmethod
    def extract(self, pixels: Pixels) -> NDArray[np.float32]:
        """Give the vector (float32, one dimension) of one image."""

    @abstractmethod
    def components(self, size: Size | None, channels: int | None) -> list[str]:
        """Name each component for images of this size and number of channels.

        Raises ``ValueError``, saying what is missing, where the length depends on a size that is not fixed.
        """


class Dataset(Operation):
    """Decides on the whole table: map (``measure``), reduce (``decide``), applied when shards are sealed."""

    kind: ClassVar[str] = "dataset"

    def hashes(self) -> dict[str, pa.DataType]:
        """Give the columns that ``measure`` makes, with their types."""
        return {}

    def measure(self, pixels: Pixels) -> dict[str, Any]:
        """Give one image's columns."""
        return {}

    def examine(self, sample: Sample) -> dict[str, Any]:
        """Give the columns of a whole sample: of its picture, unless the step needs its features."""
        return self.measure(sample.picture())

    @property
    def reads(self) -> tuple[str, ...]:
        """The feature steps whose vectors it measures."""
        return ()

    @property
    def flags(self) -> frozenset[str]:
        """The reasons that are noted in the decisions only: their rows stay."""
        return frozenset()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that ``decide`` needs beside ``id`` and its own; fewer take less memory."""
        return ("key", "uri", "label", "split", "partition", "sha256", "bytes", "width", "height")

    @property
    def grouped_by(self) -> tuple[str, ...]:
        """The columns by which ``groups`` tells which rows depend on each other; none: all of them do."""
        return ()

    def groups(self, table: pa.Table) -> NDArray[np.int64]:
        """Give a number for each row that ``decide`` must see, the same for those that depend on each other, else -1.

        ``table`` has the columns ``grouped_by``, for all rows: the only ones that must fit in memory for all at once.
        """
        raise NotImplementedError(f"{self.name()} groups nothing")

    def decide(self, table: pa.Table) -> pa.Table:
        """Decide on all rows that are still in, sorted by id.

        ``table`` has ``id``, ``columns`` and those of ``hashes``; of a step that groups, only the rows in a group, with
        their ``group``. ``foreign``, where it is there, says of rows that
        they are another dataset's: they stay whatever is decided. The result has a row for each one that leaves or is
        flagged: id, reason, message, keeper (an id or null), score, limit.
        """
        raise NotImplementedError(f"{self.name()} decides nothing")


DECISION = pa.schema(
    [
        ("id", pa.string()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("keeper", pa.string()),
        ("score", pa.float64()),
        ("limit", pa.float64()),
    ]
)


@cache
def shipped() -> dict[str, type[Operation]]:
    """Find the operations that ship with imagemill: every one defined in a module of ``PACKAGES``."""
    found: dict[str, type[Operation]] = {}
    for package_name in PACKAGES:
        package = importlib.import_module(package_name)
        for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
            members = vars(importlib.import_module(f"{package_name}.{module}"))
            for value in list(members.values()):
                if _is_operation(value) and value.__module__ == f"{package_name}.{module}":
                    found[value.name()] = value
    return found


def _is_operation(value: Any) -> bool:
    if not inspect.isclass(value) or not issubclass(value, Operation) or inspect.isabstract(value):
        return False
    return value.kind != Operation.kind  # of no kind: what several operations have in common


@cache
def registry() -> dict[str, type[Operation]]:
    """Find every operation by name: the shipped ones and those of the entry points ``imagemill.operations``."""
    found = dict(shipped())
    for point in importlib.metadata.entry_points(group="imagemill.operations"):
        value = point.load()
        if not _is_operation(value):
            raise ImagemillError(
                f"entry point {point.name} = {point.value}: not an imagemill Operation; mend or uninstall {point.dist}"
            )
        if point.name in found:
            raise ImagemillError(
                f"entry point {point.name} = {point.value}: the name is taken by {found[point.name].__module__}"
            )
        found[point.name] = value
    return found
