"""Screen: several checks as one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import field_validator

from tasks.clean.blurry import Blurry
from tasks.clean.dark import Dark
from tasks.clean.light import Light
from tasks.clean.low_information import LowInformation
from tasks.errors import Rejected
from tasks.image.sample import Sample
from tasks.operation import Check, Step

USUAL = tuple(Step(id=check.name(), operation=check()) for check in (Dark, Light, Blurry, LowInformation))


class Screen(Check):
    """Reject images that fail one of several checks.

    ``checks`` are run in order, and the first that fails gives the reason; bare: dark, light, blurry and
    low_information with their own thresholds. Every measure becomes a column, named after its check. ``action: flag``
    rejects none: what fails stays and is noted in the dataset's decisions. Any dtype.

    Source: CleanVision's ``Imagelab.find_issues``.
    """

    nested_checks: ClassVar[bool] = True

    thresholds: ClassVar[frozenset[str]] = frozenset({"action"})

    checks: tuple[Step, ...] = USUAL
    action: Literal["reject", "flag"] = "reject"

    @field_validator("checks")
    @classmethod
    def _only_checks(cls, checks: tuple[Step, ...]) -> tuple[Step, ...]:
        if not checks:
            raise ValueError("name at least one check, such as `blurry`")
        for step in checks:
            if not isinstance(step.operation, Check):
                raise ValueError(f"{step.id} is not a check: put it beside screen, as a step of its own")
        if len({step.id for step in checks}) < len(checks):
            raise ValueError(f"each check needs an id of its own, got {', '.join(step.id for step in checks)}")
        return checks

    @property
    def steps(self) -> Sequence[Step]:
        return self.checks

    def examine(self, sample: Sample) -> dict[str, float]:
        return {
            _column(step_id, name): value
            for step_id, check in self._checks()
            for name, value in check.examine(sample).items()
        }

    def measures(self) -> tuple[str, ...]:
        return tuple(_column(step_id, name) for step_id, check in self._checks() for name in check.measures())

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        for step_id, check in self._checks():
            rejected = check.verdict({name: measures[_column(step_id, name)] for name in check.measures()})
            if rejected is not None:
                return rejected
        return None

    @property
    def only_notes(self) -> bool:
        return self.action == "flag"

    def _checks(self) -> list[tuple[str, Check]]:
        return [(step.id, step.operation) for step in self.checks if isinstance(step.operation, Check)]


def _column(step_id: str, measure: str) -> str:
    return f"{step_id}_{measure}" if measure else step_id
