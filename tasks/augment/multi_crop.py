"""Multi crop: views of an image for self-supervised training."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from tasks.augment.random_resized_crop import RandomResizedCrop
from tasks.image.geometry import Size
from tasks.image.sample import Sample
from tasks.operation import Draws, Expander, Range, SquareSize, Step, perform, within


class MultiCrop(Expander):
    """Cut out several views, large and small, each as a row of its own.

    First ``large`` views of ``size`` whose share of the area is drawn from ``scale``, then ``small`` ones of
    ``small_size`` and ``small_scale``; sizes are [width, height] in pixels, a number is a square. Width / height of
    what is cut is drawn from 3/4 to 4/3. They replace the whole image. Every dtype is kept. Boxes move with the pixels
    and are clipped to each.

    Source: Caron et al. 2020, "Unsupervised learning of visual features by contrasting cluster assignments" (SwAV); the
    defaults are those of DINO (Caron et al. 2021).
    """

    size: SquareSize = Size(224, 224)
    scale: Annotated[Range, within(1e-4, 1)] = Range(0.4, 1)
    large: Annotated[int, Field(ge=1, le=100)] = 2
    small_size: SquareSize = Size(96, 96)
    small_scale: Annotated[Range, within(1e-4, 1)] = Range(0.05, 0.4)
    small: Annotated[int, Field(ge=0, le=100)] = 6

    @property
    def is_random(self) -> bool:
        return True

    def canonical(self) -> dict[str, Any]:
        return {**super().canonical(), "members": [view.canonical() for view in self._views()[-1:]]}

    def _views(self) -> list[RandomResizedCrop]:
        large = RandomResizedCrop(size=self.size, scale=self.scale)
        return [large] * self.large + [RandomResizedCrop(size=self.small_size, scale=self.small_scale)] * self.small

    def expand(self, sample: Sample, path: str, draws: Draws) -> list[Sample]:
        whole = sample.settled()
        views = []
        for n, view in enumerate(self._views(), start=1):
            suffix = f"{sample.suffix}.{path}:{n}"
            start = replace(whole, tile=suffix, suffix=suffix)
            views.append(perform(Step(id="view", operation=view), start, f"{path}/view", draws))
        return views

    def rows(self) -> int:
        return self.large + self.small

    def keeps_original(self) -> bool:
        return False

    def fixed_size(self, size: Size | None) -> Size | None:
        return self.size if not self.small or self.small_size == self.size else None
