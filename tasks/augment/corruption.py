"""Corruption: one of the benchmark's, at one of its severities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from tasks.augment.policy import described
from tasks.image.sample import Sample
from tasks.operation import Composer, Draws, Step, perform, shipped

Table = tuple[Mapping[str, Any], ...]


def _each(field: str, *values: float) -> Table:
    return tuple({field: value} for value in values)


# The paper's tables, for images of 224 px.
TABLES: dict[str, tuple[str, Table]] = {
    "gaussian_noise": ("gaussian_noise", _each("std", 0.08, 0.12, 0.18, 0.26, 0.38)),
    "shot_noise": ("shot_noise", _each("photons", 60, 25, 12, 5, 3)),
    "impulse_noise": ("salt_and_pepper", _each("amount", 0.03, 0.06, 0.09, 0.17, 0.27)),
    "speckle_noise": ("speckle", _each("std", 0.15, 0.2, 0.35, 0.45, 0.6)),
    "gaussian_blur": ("gaussian_blur", _each("sigma", 1, 2, 3, 4, 6)),
    "defocus_blur": ("defocus", _each("radius", 3, 4, 6, 8, 10)),
    "glass_blur": (
        "glass_blur",
        tuple(
            {"sigma": sigma, "reach": reach, "rounds": rounds}
            for sigma, reach, rounds in ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
        ),
    ),
    "motion_blur": ("motion_blur", _each("length", 7, 11, 17, 24, 30)),
    "zoom_blur": ("zoom_blur", _each("zoom", 0.11, 0.16, 0.21, 0.26, 0.31)),
    "fog": ("fog", _each("density", 0.5, 0.6, 0.7, 0.75, 0.8)),
    "snow": ("snow", _each("amount", 0.1, 0.2, 0.3, 0.4, 0.5)),
    "brightness": ("brightness", _each("brightness", 0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": ("contrast", _each("contrast", -0.6, -0.7, -0.8, -0.9, -0.95)),
    "saturate": ("saturation", _each("saturation", -0.7, -0.9, 1, 4, 9)),
    "elastic_transform": ("elastic", _each("shift", 0.005, 0.01, 0.015, 0.02, 0.025)),
    "pixelate": ("pixelate", _each("scale", 0.6, 0.5, 0.4, 0.3, 0.25)),
    "jpeg_compression": ("jpeg_compression", _each("quality", 25, 18, 15, 10, 7)),
}
Name = Literal[
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "speckle_noise",
    "gaussian_blur",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "fog",
    "snow",
    "brightness",
    "contrast",
    "saturate",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
]


class Corruption(Composer):
    """Corrupt the image as the robustness benchmark does.

    ``type`` names one of its corruptions, ``severity`` (1 to 5) the column of its tables, which are for images of 224
    px. Done by the operations of this catalogue: noise, defocus and gaussian blur, pixelate and jpeg_compression with
    its figures; motion blur with the length that has its Gaussian's spread; snow, fog, elastic_transform, brightness
    and contrast, which this catalogue defines in another way, at about its strength. frost and spatter are not there.
    What is drawn is noise and direction. Every dtype is kept. Boxes follow elastic_transform.

    Source: Hendrycks and Dietterich 2019, "Benchmarking neural network robustness to common corruptions and
    perturbations" (ImageNet-C).
    """

    type: Name = "gaussian_noise"
    severity: Annotated[int, Field(ge=1, le=5)] = 3

    @property
    def steps(self) -> Sequence[Step]:
        name, table = TABLES[self.type]
        return (Step(id=name, operation=shipped()[name](**table[self.severity - 1])),)

    def canonical(self) -> dict[str, Any]:
        return {**super().canonical(), "members": described(tuple(self.steps))}

    def compose(self, sample: Sample, path: str, draws: Draws, **params: Any) -> Sample:
        (step,) = self.steps
        return perform(step, sample, f"{path}/{step.id}", draws)
