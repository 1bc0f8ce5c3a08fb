"""Crops: windows of one size in fixed places, each a row of its own."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

from tasks.image.geometry import Matrix, Move, Size, scaling, translation
from tasks.image.sample import Sample
from tasks.operation import Draws, Expander, Fraction, SquareSize


class Crops(Expander):
    """Makes a row of each corner and of the center."""

    size: SquareSize
    fill: Fraction = 0.0

    @abstractmethod
    def flips(self) -> tuple[tuple[str, Matrix | None], ...]:
        """Name how the image lies before it is cut, and give what flips it there, from 1 x 1 to 1 x 1."""

    def expand(self, sample: Sample, path: str, draws: Draws) -> list[Sample]:
        whole, size = sample.settled(), sample.size
        across, down = size.width - self.size.width, size.height - self.size.height
        places = {
            "top_left": (0, 0),
            "top_right": (across, 0),
            "bottom_left": (0, down),
            "bottom_right": (across, down),
            "center": (-(-across // 2) if across < 0 else across // 2, -(-down // 2) if down < 0 else down // 2),
        }
        made: list[Sample] = []
        for flip, unit in self.flips():
            laid = whole
            if unit is not None:
                flipped = scaling(*size) @ unit @ scaling(1 / size.width, 1 / size.height)
                laid = whole.moved(Move(flipped, size, self.fill))
            for place, (x, y) in places.items():
                suffix = f"{sample.suffix}.{path}:{len(made) + 1}"
                cut = replace(laid, tile=suffix, suffix=suffix).moved(Move(translation(-x, -y), self.size, self.fill))
                made.append(cut.did(path, self.name(), {"place": place, "flip": flip, "x": x, "y": y}))
        return made

    def rows(self) -> int:
        return 5 * len(self.flips())

    def keeps_original(self) -> bool:
        return False

    def fixed_size(self, size: Size | None) -> Size | None:
        return self.size
