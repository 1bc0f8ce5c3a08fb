"""A user's own operation, from a module beside the pipeline file: ``use: my_ops:Emboss``."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType

from tasks.operation import Operation

USE = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")


def load(use: str, folder: Path) -> tuple[type[Operation], str, str]:
    """Give the class, its file (relative to ``folder``) and the SHA-256 of that file.

    Raises ``ValueError``, saying what is wrong, where it is no operation or its module cannot be imported.
    """
    match = USE.fullmatch(use)
    if match is None:
        raise ValueError(f"expected MODULE:CLASS such as my_ops:Emboss, got {use!r}")
    file = match[1].replace(".", "/") + ".py"
    try:
        data = (folder / file).read_bytes()
    except OSError as error:
        raise ValueError(f"{folder / file}: {error.strerror}: the module stands beside the pipeline file") from None
    digest = hashlib.sha256(data).hexdigest()
    module = _module(f"imagemill_user_{match[1].replace('.', '_')}_{digest}", folder / file, data)
    kind = getattr(module, match[2], None)
    if kind is None:
        classes = [
            name for name, value in vars(module).items() if _is_operation(value) and value.__module__ == module.__name__
        ]
        raise ValueError(f"{file} has no class {match[2]}; it has {', '.join(classes) or 'no operation'}")
    if not (inspect.isclass(kind) and issubclass(kind, Operation)):
        raise ValueError(f"{match[2]} in {file} is not an imagemill Operation: derive it from one of its kinds")
    if not _is_operation(kind):
        missing = ", ".join(sorted(getattr(kind, "__abstractmethods__", ())))
        raise ValueError(f"{match[2]} in {file} is not whole: it lacks {missing}")
    if not kind.model_rebuild(raise_errors=False) and not kind.__pydantic_complete__:
        raise ValueError(f"{match[2]} in {file} has a field whose type cannot be found")
    setattr(kind, "_file", classmethod(lambda cls: data))  # noqa: B010 - mypy knows only the declared one
    return kind, file, digest


def _is_operation(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, Operation) and not inspect.isabstract(value)


def _module(name: str, file: Path, data: bytes) -> ModuleType:
    """Run a module under a name that holds its digest, once: two versions never mix, and equal ones are one."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None:
        raise ValueError(f"{file}: not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        exec(compile(data, str(file), "exec"), vars(module))  # noqa: S102 - the bytes that were hashed, not the file again
    except (Exception, SystemExit) as error:  # whatever a user's module raises is theirs to read
        del sys.modules[name]
        raise ValueError(
            f"{file.name} cannot be imported: {_where(error, file)}{type(error).__name__}: {error}"
        ) from error
    return module


def _where(error: BaseException, file: Path) -> str:
    if isinstance(error, SyntaxError):
        return ""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f"line {lines[-1]}: " if lines else ""
