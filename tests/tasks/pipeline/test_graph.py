"""The graph refuses what cannot work before anything runs, at the line where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.pipeline.graph import Graph, build
from tasks.pipeline.spec import SpecError, read


def graph(tmp_path: Path, steps: str, outputs: str = "") -> Graph:
    text = f"version: 1\npipelines:\n  p:\n    source: {{path: images}}\n    steps:\n{steps}"
    if outputs:
        text += f"    outputs:\n{outputs}"
    file = tmp_path / "pipelines.yaml"
    file.write_text(text)
    return build(read(file).pipeline("p"))


SQUARE = "      - resize: {size: 64}\n"
BRANCHES = SQUARE + "        id: a\n      - resize: {size: 32}\n        id: b\n        needs: []\n"


@pytest.mark.parametrize(
    ("steps", "outputs", "message"),
    [
        ("      - hog\n", "", r"pipelines.yaml:6:\d+: .*size"),
        (SQUARE + "      - normalize\n      - equal: {}\n", "", "no operation `equal`"),
        (SQUARE + "      - normalize\n", "      images: {encode: {format: jpeg}}\n", "jpeg holds no float32"),
        (
            SQUARE + "      - convert_dtype: {dtype: uint16}\n",
            "      images: {encode: {format: jpeg}}\n",
            "JPEG holds 8 bits",
        ),
        (SQUARE, "      images: {encode: {format: tensor}}\n", "a tensor output takes float32"),
        ("      - grayscale\n      - normalize\n", "", "one shape for all rows: add a resize step"),
        (SQUARE + "      - normalize\n", "", "one shape for all rows: add grayscale"),
        (
            SQUARE + "      - augment: {transforms: [hflip]}\n      - deduplicate\n",
            "",
            "put it before the steps that make copies",
        ),
        (
            BRANCHES + "      - grayscale: {}\n        needs: [a, b]\n",
            "",
            "name two outputs",
        ),
        (
            BRANCHES,
            "      images: {from: [a, b]}\n",
            "name two outputs",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_its_place(tmp_path: Path, steps: str, outputs: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        graph(tmp_path, steps, outputs)
    assert "pipelines.yaml:" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_union_of_the_original_and_its_copies_takes_the_original_once(tmp_path: Path) -> None:
    found = graph(
        tmp_path,
        "      - resize: {size: 64}\n        id: square\n      - augment: {copies: 3, transforms: [hflip]}\n",
        "      images: {from: [square, augment]}\n",
    )
    assert {group: count for group, (count, _) in found.outputs[0].node.rows.items()} == {"": 1, ".augment": 3}


def test_rows_multiply_along_a_chain_of_copies(tmp_path: Path) -> None:
    found = graph(
        tmp_path,
        SQUARE
        + "      - augment: {copies: 2, transforms: [hflip]}\n        id: a\n"
        + "      - augment: {copies: 3, transforms: [vflip], original: false}\n        id: b\n",
    )
    assert {g: count for g, (count, _) in found.outputs[0].node.rows.items()} == {".b": 3, ".a.b": 6}


@pytest.mark.parametrize(
    ("steps", "outputs", "expected"),
    [
        (SQUARE, "", 1024 + 64 * 64 * 3 * 480 // 3000),
        (SQUARE, "      images: {encode: {quality: 85}}\n", 1024 + 64 * 64 * 3 * 270 // 3000),
        (SQUARE, "      images: {encode: {subsampling: '4:4:4'}}\n", 1024 + 64 * 64 * 3 * (480 * 13 // 10) // 3000),
        (SQUARE + "      - grayscale\n", "      images: {encode: {format: png}}\n", 1024 + 64 * 64 * 1900 // 3000),
        (SQUARE + "      - grayscale\n      - normalize: {method: unit}\n", "", 1024 + 64 * 64 * 12_000 // 3000),
        ("      - grayscale\n", "", 1024 + 5000),
        (SQUARE + "      - augment: {copies: 3, transforms: [hflip]}\n", "", 4 * (1024 + 64 * 64 * 3 * 480 // 3000)),
        (SQUARE + "      - hog: {cell: [32, 32], block: [1, 1], orientations: 9}\n", "", 1024 + 4 * 4 * 9),
    ],
)
def test_expected_bytes_are_frozen_integers(tmp_path: Path, steps: str, outputs: str, expected: int) -> None:
    assert graph(tmp_path, steps, outputs).outputs[0].expected_bytes(5000) == expected


def test_floats_of_some_rows_are_refused_before_they_are_all_rejected(tmp_path: Path) -> None:
    some = SQUARE + "      - normalize: {method: unit}\n        where: {label: owl}\n"
    with pytest.raises(SpecError, match="normalize makes float32 of some rows, which no image format here holds"):
        graph(tmp_path, some)
    back = some + "      - convert_dtype: {dtype: uint8}\n"
    assert graph(tmp_path, back).outputs[0].form == "image"
    assert graph(tmp_path, back + "        where: {label: owl}\n").outputs[0].form == "image"
    with pytest.raises(SpecError, match="normalize makes float32 of some rows"):
        graph(tmp_path, back + "        where: {label: eagle}\n")
    assert graph(tmp_path, SQUARE + "      - grayscale: {}\n        where: {label: owl}\n").outputs[0].form == "image"


def test_an_unknown_size_counts_as_128_kibibytes(tmp_path: Path) -> None:
    assert graph(tmp_path, "      - grayscale\n").outputs[0].expected_bytes(-1) == 1024 + 131_072
