"""Make data/models/thumbnail.onnx, the smallest embedding there is: the mean colours of a 4 x 4 grid, 48 numbers.

It stands for the user's own model in the documentation and the tests: ``python data/make_model.py`` (needs ``onnx``).
"""

from __future__ import annotations

from pathlib import Path

from onnx import TensorProto, checker, helper

FILE = Path(__file__).parent / "models" / "thumbnail.onnx"


def model() -> bytes:
    """Give the model's bytes."""
    taken = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 224, 224])
    given = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 48])
    nodes = [
        helper.make_node("AveragePool", ["image"], ["grid"], kernel_shape=[56, 56], strides=[56, 56]),
        helper.make_node("Flatten", ["grid"], ["embedding"]),
    ]
    graph = helper.make_graph(nodes, "thumbnail", [taken], [given])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(made)
    return made.SerializeToString(deterministic=True)


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_bytes(model())
