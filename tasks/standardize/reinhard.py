"""Reinhard: every image with the colours of one, or of the collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, Self

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from tasks.errors import Rejected
from tasks.fitted import Fitted, parts
from tasks.image import moments
from tasks.image.render import value_range
from tasks.image.sample import Pixels, Sample
from tasks.image.values import from_fractions
from tasks.operation import File, Filter
from tasks.standardize.reference import fit_from, is_file, of_target, reference, with_content

LMS = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])  # equation 4
OPPONENT = np.diag([3**-0.5, 6**-0.5, 2**-0.5]) @ np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]])  # equation 6
DARKEST = 1 / 255  # black has no logarithm
FLAT = 1e-8  # a channel that varies less is not scaled

Three = tuple[float, float, float]


class Colors(BaseModel):
    """Mean and standard deviation in the space l alpha beta."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: Three
    std: Three


class Reinhard(Fitted, Filter):
    """Give every image the colours of a target: mean and standard deviation in the space l-alpha-beta.

    ``target`` is the path of an image file (relative to the pipeline file; its content decides whether rows are made
    again), ``fitted`` (all pixels of the kept images of the split ``train``, pinned until ``--refit``), the folder of a
    dataset whose fit is taken, or ``{mean: [...], std: [...]}`` in that space. Values below 1/255 of the range count as
    1/255. Every dtype is kept; results are clipped to 0..1. Gray images are rejected (``wrong_channels``). Boxes do not
    change.

    Source: Reinhard, Ashikhmin, Gooch and Shirley 2001, "Color Transfer between Images".
    """

    example: ClassVar[Mapping[str, Any]] = {"target": "data/sample/quickstart/photos/coffee.jpg"}

    target: Annotated[Literal["fitted"] | Colors | File, Field(union_mode="left_to_right")]

    @field_validator("target")
    @classmethod
    def _usable(cls, target: str | Colors) -> str | Colors:
        if isinstance(target, str) and is_file(target) and reference(target).pixels.shape[2] != 3:
            raise ValueError(f"{target}: a gray image has no colours to give")
        return target

    def canonical(self) -> dict[str, Any]:
        return with_content(super().canonical(), "target", self.target)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        wanted = self.target if isinstance(self.target, Colors) else _colors(self.target)
        lab = opponent(pixels, self.name())
        means, deviations = cv2.meanStdDev(lab)
        own, spread = means[:, 0], np.where(deviations[:, 0] < FLAT, 1.0, deviations[:, 0])
        moved = (lab - own) * (np.array(wanted.std) / spread) + np.array(wanted.mean)
        made = cv2.transform(np.power(10.0, cv2.transform(moved, np.linalg.inv(OPPONENT))), np.linalg.inv(LMS))
        return from_fractions(np.clip(np.asarray(made), 0.0, 1.0), pixels.dtype)

    @property
    def fit_from(self) -> str | None:
        return fit_from(self.target)

    def accumulators(self) -> Mapping[str, pa.DataType]:
        return {"moments": pa.binary()}

    def accumulate(self, sample: Sample) -> Mapping[str, Any]:
        return {"moments": moments.moments(opponent(sample.picture(), self.name()).reshape(-1, 3))}

    def fit(self, tables: Iterable[pa.Table]) -> dict[str, Any]:
        means, deviations = moments.merged(parts(tables))
        return {"mean": means, "std": deviations}

    def with_fit(self, values: Mapping[str, Any]) -> Self:
        return type(self)(target=Colors.model_validate(dict(values)))


def opponent(pixels: Pixels, step: str) -> NDArray[np.float64]:
    """Give RGB pixels in the space l alpha beta, float64. Raises ``Rejected`` where they are gray."""
    if pixels.shape[2] != 3:
        raise Rejected("wrong_channels", f"{step} takes colour images, this one is gray", step=step)
    values = np.maximum(pixels / np.float64(value_range(pixels.dtype)), DARKEST)
    return np.asarray(cv2.transform(np.log10(np.maximum(cv2.transform(values, LMS), DARKEST)), OPPONENT))


@lru_cache(maxsize=8)
def _colors(path: str) -> Colors:
    lab = opponent(of_target(path, "reinhard"), "reinhard").reshape(-1, 3)
    means, deviations = moments.merged([moments.moments(lab)])
    return Colors(mean=(means[0], means[1], means[2]), std=(deviations[0], deviations[1], deviations[2]))
