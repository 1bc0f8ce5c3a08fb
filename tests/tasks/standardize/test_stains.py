"""Reinhard and Macenko: the published formulas, on one target and on a collection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from skimage import data

from tasks.errors import ImagemillError, Rejected
from tasks.fitted import Fitted
from tasks.image.sample import Pixels
from tasks.standardize.macenko import Macenko
from tasks.standardize.reinhard import Reinhard
from tests.tasks.images import in_dtype, picture, sample

TISSUE = data.immunohistochemistry()[:200, :240]


def save(path: Path, pixels: Pixels) -> str:
    cv2.imwrite(str(path), pixels[:, :, ::-1])
    return str(path)


def fitted(operation: Fitted, images: list[Pixels]) -> Any:
    rows = [operation.accumulate(sample(one)) for one in images]
    table = pa.Table.from_pylist(rows, pa.schema(dict(operation.accumulators())))
    return operation.with_fit(operation.fit([table.drop_null()]))


def ruderman(pixels: Pixels) -> NDArray[np.float64]:
    """l alpha beta as the paper writes it (equations 4 to 6)."""
    r, g, b = (np.maximum(pixels[:, :, i] / 255, 1 / 255) for i in range(3))
    long = np.log10(0.3811 * r + 0.5783 * g + 0.0402 * b)
    medium = np.log10(0.1967 * r + 0.7244 * g + 0.0782 * b)
    short = np.log10(0.0241 * r + 0.1288 * g + 0.8444 * b)
    channels = [
        (long + medium + short) / np.sqrt(3),
        (long + medium - 2 * short) / np.sqrt(6),
        (long - medium) / np.sqrt(2),
    ]
    return np.stack(channels, axis=2)


def reinhard(pixels: Pixels, target: Pixels) -> NDArray[np.float64]:
    """The paper's transfer, with its own inverse matrices (equations 8 and 9)."""
    lab, wanted = ruderman(pixels), ruderman(target)
    moved = (lab - lab.mean((0, 1))) * wanted.std((0, 1)) / lab.std((0, 1)) + wanted.mean((0, 1))
    a, b, c = (moved[:, :, i] * scale for i, scale in enumerate((3**0.5 / 3, 6**0.5 / 6, 2**0.5 / 2)))
    cones = 10 ** np.stack([a + b + c, a + b - c, a - 2 * b], axis=2)
    back = np.array([[4.4679, -3.5873, 0.1193], [-1.2186, 2.3809, -0.1624], [0.0497, -0.2439, 1.2045]])
    return np.asarray(np.clip(cones @ back.T, 0, 1) * 255)


def test_reinhard_is_the_papers_transfer(tmp_path: Path) -> None:
    target = data.coffee()[:100, :100]
    made = Reinhard(target=save(tmp_path / "target.png", target)).filter(picture())
    assert np.abs(made - reinhard(picture(), target)).max() < 2.5  # the paper's inverse has four digits
    assert np.abs(made - reinhard(picture(), target)).mean() < 0.5


def test_reinhard_fitted_on_one_image_is_that_image_as_a_target(tmp_path: Path) -> None:
    target = data.coffee()[:100, :100]
    one = fitted(Reinhard(target="fitted"), [target])
    file = Reinhard(target=save(tmp_path / "target.png", target))
    assert np.array_equal(one.filter(picture()), file.filter(picture()))


def published(pixels: Pixels) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The method's published code (normalizeStaining): result, stains (3 x 2), greatest concentrations."""
    light, alpha, beta = 240, 1, 0.15
    wanted = np.array([[0.5626, 0.2159], [0.7201, 0.8012], [0.4062, 0.5581]])
    density = -np.log((pixels.reshape(-1, 3).astype(float) + 1) / light)
    tissue = density[~np.any(density < beta, axis=1)]
    _, vectors = np.linalg.eigh(np.cov(tissue.T))
    along = tissue @ vectors[:, 1:3]
    angles = np.arctan2(along[:, 1], along[:, 0])
    low, high = np.percentile(angles, alpha), np.percentile(angles, 100 - alpha)
    ends = [vectors[:, 1:3] @ np.array([np.cos(angle), np.sin(angle)]) for angle in (low, high)]
    stains = np.array(ends if ends[0][0] > ends[1][0] else ends[::-1]).T
    concentrations = np.linalg.lstsq(stains, density.T, rcond=None)[0]
    greatest = np.percentile(concentrations, 99, axis=1)
    scaled = concentrations / (greatest / np.array([1.9705, 1.0308]))[:, None]
    made = np.minimum(light * np.exp(-wanted @ scaled), 255)
    return made.T.reshape(pixels.shape), stains, greatest


def test_macenko_is_the_published_code() -> None:
    assert np.abs(Macenko().filter(TISSUE) - published(TISSUE)[0]).max() < 0.501


def test_macenko_fitted_takes_the_mean_of_the_images_stains() -> None:
    parts = [TISSUE[:, :120], TISSUE[:, 120:], np.full((20, 20, 3), 250, np.uint8)]  # the last one has no tissue
    one = fitted(Macenko(target="fitted"), parts)
    stains = np.mean([published(part)[1] for part in parts[:2]], axis=0)
    assert np.allclose(np.array(one.target.stains).T, stains / np.linalg.norm(stains, axis=0), rtol=1e-9)
    assert np.allclose(one.target.greatest, np.mean([published(part)[2] for part in parts[:2]], axis=0), rtol=1e-9)


def test_an_image_normalized_to_its_own_stains_stays_what_two_stains_can_say(tmp_path: Path) -> None:
    own = Macenko(target=save(tmp_path / "own.png", TISSUE)).filter(TISSUE)
    assert np.abs(own.astype(float) - TISSUE).mean() < 8


def test_an_image_without_tissue_stays_as_it_is() -> None:
    blank = np.full((20, 20, 3), 250, np.uint8)
    assert np.array_equal(Macenko().filter(blank), blank)


@pytest.mark.parametrize("name", ["reinhard", "macenko"])
def test_every_depth_gives_the_same_colours(name: str, tmp_path: Path) -> None:
    operation = {"macenko": Macenko(), "reinhard": Reinhard(target=save(tmp_path / "t.png", TISSUE))}[name]
    made = {dtype: operation.filter(in_dtype(TISSUE, dtype)) for dtype in ("uint8", "uint16", "float32")}
    assert np.abs(made["uint16"] / 65_535 - made["float32"]).max() < 1e-4
    assert np.abs(made["uint8"] / 255 - made["float32"]).max() < 0.51 / 255


def test_what_cannot_be_a_target_says_why(tmp_path: Path) -> None:
    gray = save(tmp_path / "gray.png", np.zeros((8, 8, 1), np.uint8))
    with pytest.raises(ValidationError, match="no colours to give"):
        Reinhard(target=gray)
    with pytest.raises(ValidationError, match="too little coloured tissue"):
        Macenko(target=gray)
    with pytest.raises(ValidationError, match=r"missing\.png: No such file"):
        Reinhard(target=str(tmp_path / "missing.png"))


def test_the_content_of_a_target_counts_not_its_path(tmp_path: Path) -> None:
    one, two = (Reinhard(target=save(tmp_path / name, TISSUE)) for name in ("one.png", "two.png"))
    other = Reinhard(target=save(tmp_path / "three.png", TISSUE[::2]))
    assert one.canonical() == two.canonical() != other.canonical()


def test_gray_images_and_unfitted_steps_are_refused() -> None:
    with pytest.raises(Rejected, match="takes colour images"):
        Macenko().filter(picture(channels=1))
    with pytest.raises(ImagemillError, match="filled in by a run"):
        Macenko(target="fitted").filter(TISSUE)
