"""What stands around the steps: source, outputs, cluster and schedule, as frozen models."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from tasks.load.source import Bytes
from tasks.operation import Names

NAME = re.compile(r"[a-z][a-z0-9_]*")

LARGEST_SHARD = 10**9
TAKEN = ("data", "rejected")  # folders of every dataset
PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
FREQUENCIES = ("SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
CRON = ((0, 59, ()), (0, 23, ()), (1, 31, ()), (1, 12, MONTHS))
WEEK = (0, 7, DAYS)
ALIASES = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


def seconds(value: Any) -> Any:
    """Give the seconds in text such as ``5 minutes``; what is no text passes. Raises ``ValueError``."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(second|minute|hour|day|week)s?", value.strip())
    if match is None:
        raise ValueError(f"expected seconds, or text such as '5 minutes' or '1 day', got {value!r}")
    return float(match[1]) * PERIODS[match[2]]


Positive = Annotated[float, Field(gt=0)]
Seconds = Annotated[Positive, BeforeValidator(seconds, json_schema_input_type=Positive | str)]
Text = Annotated[str, Field(min_length=1)]


class Model(BaseModel):
    """What the parts of a pipeline have in common: frozen, and no key but their own."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


class Encode(Model):
    """How an output's pixels are stored: JPEG for uint8, PNG for uint16, a tensor for float32, unless named."""

    format: Literal["auto", "jpeg", "png", "tensor"] = "auto"
    quality: int = Field(95, ge=1, le=100)
    subsampling: Literal["4:2:0", "4:4:4"] = "4:2:0"


class Boxes(Model):
    """Which boxes an output keeps: visible enough, of their source's area, and not too small, in pixels."""

    min_visibility: float = Field(0.1, ge=0, le=1)
    min_size: float = Field(1.0, ge=0)


class Masks(Model):
    """How masks are stored: ``fill`` is the index where nothing of the source shows (255: often ignored)."""

    fill: int = Field(0, ge=0, le=255)


class OutputSpec(Model):
    """One dataset configuration: which steps' rows it takes, and how they are stored."""

    name: str
    sources: Names = Field(alias="from", description="the step whose rows these are; a list joins branches")
    encode: Encode = Encode()
    shard: Bytes = Field(256 * 10**6, description="expected bytes of a file at most: 256MB, at most 1GB")
    image: bool = Field(False, description="whether an output of features keeps its pixels too")
    default: bool = Field(False, description="whether it lies in data/; else the first output does")
    boxes: Boxes = Boxes()
    masks: Masks = Masks()

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError(f"expected a name of small letters, digits and _, got {name!r}")
        if name in TAKEN:
            raise ValueError(f"the name `{name}` is taken by a folder of every dataset; choose another")
        return name

    @field_validator("shard")
    @classmethod
    def _small(cls, value: int) -> int:
        if value > LARGEST_SHARD:
            raise ValueError(f"expected at most 1GB, got {value / 10**9:g}GB")
        return value


class ClusterSpec(Model):
    """Where the work is done.

    At most one of ``address`` (a running scheduler) and ``class`` (any Dask cluster class, made with ``arguments``);
    neither is a local cluster. ``workers`` is the number of workers, local or of the class; left out, the machine
    or the class decides. In a file, all other keys beside ``class`` are its arguments.
    """

    workers: int | None = Field(None, ge=1)
    address: Text | None = None
    class_: Text | None = Field(None, alias="class", description="such as dask_jobqueue.SLURMCluster")
    arguments: dict[str, Any] = Field(default_factory=dict, repr=False)
    mixed: bool = Field(False, description="whether workers of several platform classes may share a run")

    @field_validator("class_")
    @classmethod
    def _dotted(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"\w+(\.\w+)+", value):
            raise ValueError(f"expected MODULE.CLASS such as dask_jobqueue.SLURMCluster, got {value!r}")
        return value

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not ({"class", "class_"} & set(value)):
            return value
        own = {"workers", "address", "class", "class_", "arguments", "mixed"}
        given = value.get("arguments") or {}
        others = {key: item for key, item in value.items() if key not in own}
        kept = {key: item for key, item in value.items() if key in own}
        return {**kept, "arguments": {**given, **others}} if isinstance(given, dict) else value

    @model_validator(mode="after")
    def _one(self) -> ClusterSpec:
        if self.address and (self.class_ or self.workers):
            other = "class" if self.class_ else "workers"
            raise ValueError(f"`address` names a cluster that runs already: leave `{other}` out")
        if self.arguments and not self.class_:
            raise ValueError("`arguments` are those of a `class`: name it")
        return self


class ScheduleSpec(Model):
    """When a pipeline runs by itself: exactly one of ``cron``, ``interval`` (seconds) and ``rrule``."""

    cron: str | None = None
    interval: Seconds | None = Field(None, description="seconds, or text: 5 minutes")
    rrule: str | None = None
    timezone: str = "UTC"
    paused: bool = False

    @field_validator("cron")
    @classmethod
    def _cron(cls, value: str | None) -> str | None:
        if value is None or value in ALIASES:
            return value
        fields = value.split()
        if len(fields) != 5:
            raise ValueError(
                f"expected five fields (minute hour day month weekday), such as '0 2 * * *', got {value!r}"
            )
        for text, (low, high, names) in zip(fields, (*CRON, WEEK), strict=True):
            for part in text.split(","):
                if not _in_cron(part, low, high, names):
                    raise ValueError(
                        f"expected values in {low}..{high}, `*`, ranges or steps, got {part!r} in {value!r}"
                    )
        return value

    @field_validator("rrule")
    @classmethod
    def _rrule(cls, value: str | None) -> str | None:
        rules = [line for line in (value or "").split("\n") if "FREQ=" in line]
        parts = dict(part.partition("=")[::2] for line in rules for part in line.removeprefix("RRULE:").split(";"))
        if value is not None and parts.get("FREQ") not in FREQUENCIES:
            raise ValueError(f"expected a rule such as 'FREQ=WEEKLY;BYDAY=MO', got {value!r}")
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError):
            raise ValueError(f"expected a time zone such as Europe/Berlin or UTC, got {value!r}") from None
        return value

    @model_validator(mode="after")
    def _one(self) -> ScheduleSpec:
        given = [name for name in ("cron", "interval", "rrule") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"expected exactly one of `cron`, `interval` and `rrule`, got {' and '.join(given) or 'none'}"
            )
        return self


class WatchSpec(Model):
    """A source that is listed again and again: what is new in it starts a run once it has settled."""

    every: Seconds = Field(30.0, description="between two listings: seconds, or text: 5 minutes")
    settle: Seconds = Field(10.0, description="for how long nothing may change before a run starts")


def _in_cron(part: str, low: int, high: int, names: tuple[str, ...]) -> bool:
    span, _, step = part.partition("/")
    if "/" in part and not (step.isdecimal() and int(step) > 0):
        return False
    if span == "*":
        return True
    ends = [str(names.index(end.lower()) + low) if end.lower() in names else end for end in span.split("-")]
    numbers = [int(end) for end in ends if end.isdecimal()]
    return len(numbers) == len(ends) <= 2 and all(low <= n <= high for n in numbers) and numbers == sorted(numbers)
