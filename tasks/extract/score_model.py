"""Score model: images to which a neural network gives a low score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from tasks.extract.onnx_model import OnnxModel
from tasks.image.sample import Pixels
from tasks.operation import Score


class ScoreModel(Score, OnnxModel):
    """Reject images to which an ONNX model gives a low score: of quality, of beauty, of being what is wanted.

    The score is number ``component`` (from 0) of the model's output, in the model's own units. An image below
    ``below`` is rejected (``low_score``). What the model gets, by ``model``, ``size``, ``fit``, ``mean``, ``std``,
    ``layout``, ``output`` and ``unit_length``, is said at ``embedding``. Every dtype is taken.

    Source: ONNX Runtime (``pip install 'imagemill[onnx]'``); as NIMA, Talebi and Milanfar 2018, or LAION's aesthetic
    predictor are used.
    """

    reason: ClassVar[str] = "low_score"
    told: ClassVar[str] = "the model's score"
    example: ClassVar[Mapping[str, Any]] = {"model": "data/models/thumbnail.onnx", "below": -1.0}

    below: float
    component: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _there_is_one(self) -> Self:
        count = self.blank().size
        if self.component >= count:
            raise ValueError(f"{self.model} gives {count} numbers: there is no component {self.component}")
        return self

    def score(self, pixels: Pixels) -> float:
        return float(self.vector(pixels)[self.component])
