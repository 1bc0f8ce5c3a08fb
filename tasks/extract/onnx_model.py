"""ONNX models that look at images: what they get, and how they are run."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from tasks.extract.planes import deep
from tasks.image.geometry import Size
from tasks.image.render import resize
from tasks.image.sample import Pixels
from tasks.image.values import fractions, luma
from tasks.operation import File, Operation, SquareSize

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Each = Annotated[tuple[float, ...], Field(min_length=1, max_length=3)]
Spread = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1, max_length=3)]


class OnnxModel(Operation):
    """What operations by an ONNX model have in common: its file, what it gets of an image, and which output counts."""

    uses: ClassVar[tuple[str, ...]] = ("numpy", "opencv-python-headless", "onnxruntime")

    model: File
    size: SquareSize = Size(224, 224)
    fit: Literal["crop", "stretch"] = "crop"
    mean: Each = IMAGENET_MEAN
    std: Spread = IMAGENET_STD
    layout: Literal["nchw", "nhwc"] = "nchw"
    output: str | None = None
    unit_length: bool = False

    @field_validator("model")
    @classmethod
    def _there(cls, model: str) -> str:
        if not Path(model).is_file():
            raise ValueError(f"no file {model}: name an ONNX model")
        return model

    def canonical(self) -> dict[str, Any]:
        _onnxruntime()
        whole = super().canonical()
        return {**whole, "parameters": {**whole["parameters"], "model": f"sha256:{self._digest()}"}}

    def vector(self, pixels: Pixels) -> NDArray[np.float32]:
        """Give the model's output for one image, flattened."""
        session = _session(self.model, self._digest())
        fitted = self._fitted(deep(pixels))
        if self._channels(session) == 1:
            fitted = luma(fitted)[:, :, None]
        elif fitted.shape[2] == 1:
            fitted = np.repeat(fitted, 3, axis=2)
        return self._run(session, fractions(fitted))

    def blank(self) -> NDArray[np.float32]:
        """Give the model's output for an empty image. Raises ``ValueError`` where it has no such output or fails."""
        session = _session(self.model, self._digest())
        outputs = [one.name for one in session.get_outputs()]
        if self.output is not None and self.output not in outputs:
            raise ValueError(f"{self.model} has no output {self.output}: it has {', '.join(outputs)}")
        blank = np.zeros((self.size.height, self.size.width, self._channels(session)), np.float32)
        try:
            return self._run(session, blank)
        except Exception as error:  # ONNX Runtime's errors have no common class
            raise ValueError(f"{self.model} does not take an image of {list(self.size)} px: {error}") from error

    def _digest(self) -> str:
        about = Path(self.model).stat()
        return _sha256(self.model, about.st_mtime_ns, about.st_size)

    def _channels(self, session: Any) -> int:
        shape = session.get_inputs()[0].shape
        return 1 if len(shape) == 4 and shape[1 if self.layout == "nchw" else 3] == 1 else 3

    def _fitted(self, pixels: Pixels) -> Pixels:
        if self.fit == "stretch":
            return resize(pixels, self.size)
        height, width = pixels.shape[:2]
        scale = max(self.size.width / width, self.size.height / height)
        cover = Size(max(self.size.width, round(width * scale)), max(self.size.height, round(height * scale)))
        left, top = (cover.width - self.size.width) // 2, (cover.height - self.size.height) // 2
        return resize(pixels, cover)[top : top + self.size.height, left : left + self.size.width]

    def _run(self, session: Any, values: NDArray[np.float32]) -> NDArray[np.float32]:
        ready = (values - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        if self.layout == "nchw":
            ready = ready.transpose(2, 0, 1)
        name = self.output or session.get_outputs()[0].name
        (made,) = session.run([name], {session.get_inputs()[0].name: np.ascontiguousarray(ready[None])})
        vector = np.asarray(made, dtype=np.float32).ravel()
        if self.unit_length:
            length = float(np.sqrt((vector * vector).sum()))
            return np.asarray(vector / max(length, float(np.finfo(np.float32).tiny)))
        return vector


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise ValueError("ONNX models need ONNX Runtime: pip install 'imagemill[onnx]'") from None
    return onnxruntime


@lru_cache(maxsize=64)
def _sha256(file: str, modified: int, size: int) -> str:
    """Give a file's digest, read again when its time or size changes."""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


@lru_cache(maxsize=4)
def _session(file: str, digest: str) -> Any:
    """Load a model, once a process."""
    onnxruntime = _onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common class
        raise ValueError(f"{file} is no ONNX model that can be run: {error}") from error
