"""Embedding: a tiny network made here, against its own arithmetic in NumPy."""

from __future__ import annotations

import builtins
import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tasks.extract.embedding import Embedding
from tests.tasks.images import KINDS, fractions, picture

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "data" / "models" / "thumbnail.onnx"


def write(file: Path, shape: list[Any], weights: Any, nodes: list[Any]) -> str:
    """A model with one weight, from ``image`` of a shape to ``vector``."""
    helper = onnx.helper
    float32 = onnx.TensorProto.FLOAT
    weight = onnx.numpy_helper.from_array(np.asarray(weights, np.float32), "weights")
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", float32, shape)],
        [helper.make_tensor_value_info("vector", float32, ["batch", "length"])],
        [weight],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file.write_bytes(made.SerializeToString())
    return str(file)


def linear(file: Path, shape: list[Any], weights: Any) -> str:
    """All values of the image times a matrix."""
    node = onnx.helper.make_node
    nodes = [node("Flatten", ["image"], ["flat"]), node("MatMul", ["flat", "weights"], ["vector"])]
    return write(file, shape, weights, nodes)


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_it_is_the_networks_arithmetic(dtype: str, channels: int, tmp_path: Path) -> None:
    weights = np.random.default_rng(1).normal(size=(8 * 6 * 3, 5)).astype(np.float32)
    pixels = picture(8, 6, dtype, channels)
    rgb = fractions(pixels) if channels == 3 else fractions(pixels).repeat(3, axis=2)
    for layout, shape, axes in (("nchw", ["batch", 3, 6, 8], (2, 0, 1)), ("nhwc", ["batch", 6, 8, 3], (0, 1, 2))):
        model = linear(tmp_path / f"{layout}.onnx", shape, weights)
        embedding = Embedding(model=model, size=(8, 6), layout=layout, mean=(0.1, 0.2, 0.3), std=(0.5,))
        wanted = ((rgb - [0.1, 0.2, 0.3]) / 0.5).transpose(axes).reshape(-1) @ weights
        assert np.allclose(embedding.extract(pixels), wanted, atol=1e-4)
        assert embedding.components(None, None) == list("01234")
        unit = embedding.model_copy(update={"unit_length": True}).extract(pixels)
        assert np.allclose(unit, wanted / np.linalg.norm(wanted), atol=1e-5)


def test_a_model_of_one_channel_gets_luma(tmp_path: Path) -> None:
    model = linear(tmp_path / "gray.onnx", ["batch", 1, 4, 5], np.eye(20))
    pixels = picture(5, 4)
    made = Embedding(model=model, size=(5, 4), mean=(0,), std=(1,)).extract(pixels)
    assert np.allclose(made, (fractions(pixels) @ [0.299, 0.587, 0.114]).ravel(), atol=1e-4)


@pytest.mark.parametrize("size", [(300, 200), (150, 333), (1, 1), (224, 224)])
def test_crop_cuts_the_middle_and_stretch_takes_all(size: tuple[int, int]) -> None:
    pixels = picture(*size)
    width, height = size
    plain = {"model": str(SHIPPED), "mean": (0,), "std": (1,)}
    side = min(size)
    left, top = (width - side) // 2, (height - side) // 2
    middle = pixels[top : top + side, left : left + side]
    for fit, seen in (("crop", middle), ("stretch", pixels)):
        wanted = cv2.resize(fractions(seen), (4, 4), interpolation=cv2.INTER_AREA).transpose(2, 0, 1).ravel()
        assert np.abs(Embedding(fit=fit, **plain).extract(pixels) - wanted).max() <= 0.03


def test_the_fingerprint_has_the_files_content_not_its_name(tmp_path: Path) -> None:
    first, second = tmp_path / "a.onnx", tmp_path / "b.onnx"
    first.write_bytes(SHIPPED.read_bytes())
    second.write_bytes(SHIPPED.read_bytes())
    before = Embedding(model=str(first)).canonical()
    assert Embedding(model=str(second)).canonical() == before
    linear(first, ["batch", 3, 2, 2], np.eye(12))
    assert Embedding(model=str(first)).canonical() != before
    assert "onnxruntime" in before["libraries"] and "sha256:" in before["parameters"]["model"]


def test_mistakes_are_said_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"no file nowhere\.onnx: name an ONNX model"):
        Embedding(model="nowhere.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ValueError, match="no ONNX model that can be run"):
        Embedding(model=str(tmp_path / "text.onnx")).components(None, None)
    with pytest.raises(ValueError, match="has no output logits: it has embedding"):
        Embedding(model=str(SHIPPED), output="logits").components(None, None)
    with pytest.raises(ValueError, match=r"does not take an image of \[64, 64\] px"):
        Embedding(model=str(SHIPPED), size=64).components(None, None)

    def without(name: str, *more: Any) -> Any:
        if name == "onnxruntime":
            raise ModuleNotFoundError(name)
        return imported(name, *more)

    imported = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r"pip install 'imagemill\[onnx\]'"):
        Embedding(model=str(SHIPPED)).canonical()


def test_the_shipped_model_is_what_its_script_makes() -> None:
    spec = importlib.util.spec_from_file_location("make_model", ROOT / "data" / "make_model.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.model() == SHIPPED.read_bytes()
