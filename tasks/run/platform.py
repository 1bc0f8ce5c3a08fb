"""The class of machine that bytes depend on: kernels differ in the last bit between SIMD levels and versions."""

from __future__ import annotations

import platform
import sys
from typing import Any

import cv2
import numpy as np

from tasks.operation import library_version

LIBRARIES = (
    *("numpy", "opencv-python-headless", "scikit-image", "pillow", "imageio", "simplejpeg", "pyarrow"),
    *("prefect", "dask", "distributed", "pydantic"),
)


def platform_class() -> dict[str, Any]:
    """Give what two machines must share to make the same bytes: architecture, SIMD level, IPP, library versions."""
    features = np._core._multiarray_umath.__cpu_features__  # type: ignore[attr-defined]
    return {
        "machine": platform.machine(),
        "simd": sorted(name for name, there in features.items() if there),
        "opencv": cv2.getCPUFeaturesLine(),
        "ipp": bool(cv2.ipp.useIPP()),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "libraries": {name: library_version(name) for name in LIBRARIES},
    }
