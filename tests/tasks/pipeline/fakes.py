"""A few small operations with every kind of parameter, for tests of the reading alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from tasks.operation import Check, Operation, Probability, Range, Side, SquareSize, Step


class Resize(Operation):
    """Change the size.

    Source: a test.
    """

    size: SquareSize
    fit: Literal["stretch", "pad", "crop"] = "stretch"


class Grayscale(Operation):
    """Make it gray."""


class Hflip(Operation):
    """Mirror left and right."""

    p: Probability = 0.5


class Rotate(Operation):
    """Rotate about the center."""

    degrees: Range = Range(-15, 15)
    fill: float | Literal["edge"] = 0.0


class BrightnessContrast(Operation):
    """Change brightness and contrast."""

    brightness: Range = Range(-0.2, 0.2)
    contrast: Range = Range(-0.2, 0.2)


class OneOf(Operation):
    """Do one of several."""

    shorthand: ClassVar[str | None] = "transforms"
    transforms: Annotated[tuple[Step, ...], Field(min_length=1)]


class Maybe(Operation):
    """Do one step or nothing."""

    step: Step | None = None


class Augment(Operation):
    """Make copies."""

    copies: Annotated[int, Field(ge=1)] = 1
    transforms: tuple[Step, ...]


class FakeCheck(Check):
    def measure(self, pixels: object) -> dict[str, float]:
        return {"": 1.0}

    def measures(self) -> tuple[str, ...]:
        return ("",)

    def verdict(self, measures: Mapping[str, float]) -> None:
        return None


class Dark(FakeCheck):
    """Reject dark images."""

    below: Probability = 0.32


class Blurry(FakeCheck):
    """Reject blurry images."""

    below: Probability = 0.62


class MinSize(FakeCheck):
    """Reject small images."""

    shorthand: ClassVar[str | None] = "size"
    size: SquareSize


class Screen(Operation):
    """Reject what is unfit."""

    nested_checks: ClassVar[bool] = True
    action: Literal["reject", "flag"] = "reject"
    checks: tuple[Step, ...] = (Step(id="dark", operation=Dark()),)


class Deduplicate(Operation):
    """Leave one of each group."""

    method: Literal["exact", "phash"] = "phash"
    distance: Annotated[int, Field(gt=0)] | None = None


class Split(Operation):
    """Divide into parts."""

    train: float = 0.8
    validation: float = 0.1
    test: float = 0.1

    @model_validator(mode="after")
    def _whole(self) -> Split:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"expected shares that sum to 1, got {total:g}")
        return self


class Hog(Operation):
    """Histogram of oriented gradients."""

    orientations: Side = 9
    cell: SquareSize = (8, 8)
    block: SquareSize = (2, 2)


class Brittle(Operation):
    """Fails in a way of its own."""

    @model_validator(mode="after")
    def _fails(self) -> Brittle:
        raise RuntimeError("no model file")


KINDS = (
    Resize,
    Grayscale,
    Hflip,
    Rotate,
    BrightnessContrast,
    OneOf,
    Maybe,
    Augment,
    Dark,
    Blurry,
    MinSize,
    Screen,
    Deduplicate,
    Split,
    Hog,
    Brittle,
)
REGISTRY = {kind.name(): kind for kind in KINDS}

EXAMPLE = """\
version: 1
defaults: {seed: 7, output: "results/{pipeline}"}
pipelines:
  detection:
    description: Photos with boxes -> 640 px letterboxed training shards
    source: {path: data/sample/detection, format: coco, annotations: annotations.json}
    steps:                                   # a list is a chain: each step takes the one before it ...
      - screen: {blurry: {below: 0.62}, dark: {below: 0.32}, min_size: [64, 64]}
      - deduplicate: {method: phash}
      - split: {train: 0.8, validation: 0.1, test: 0.1}
      - resize: {size: [640, 640], fit: pad}
        id: square
      - augment:                             # ... unless it says otherwise: id, needs and where make it a DAG
          copies: 3
          transforms:
            - hflip: {p: 0.5}
            - rotate: {degrees: [-10, 10]}
            - brightness_contrast: {brightness: [-0.2, 0.2], contrast: [-0.2, 0.2]}
        id: augmented
        where: {split: train}
      - resize: {size: [128, 128]}
        id: small
        needs: square
      - hog: {orientations: 9, cell: [16, 16], block: [2, 2]}
        id: descriptors
    outputs:
      images:   {from: augmented, encode: {format: jpeg, quality: 95}, shard: 256MB}
      features: {from: descriptors}
    cluster: {workers: 4}                    # or {address: tcp://...} or {class: dask_jobqueue.SLURMCluster, ...}
    schedule: {cron: "0 2 * * *", timezone: Europe/Berlin}
"""
