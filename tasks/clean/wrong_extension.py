"""Wrong extension: files whose name says another format than their content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from tasks.errors import Rejected
from tasks.image.sample import Sample
from tasks.operation import Check

EXTENSIONS: Mapping[str, frozenset[str]] = {
    "avif": frozenset({"avif", "avifs"}),
    "bmp": frozenset({"bmp", "dib"}),
    "dicom": frozenset({"dcm", "dicom", "dic", "ima"}),
    "gif": frozenset({"gif"}),
    "jpeg": frozenset({"jpg", "jpeg", "jpe", "jfif", "mpo"}),
    "jpeg2000": frozenset({"jp2", "j2k", "jpx", "jpf", "jpc", "j2c"}),
    "pcx": frozenset({"pcx"}),
    "png": frozenset({"png", "apng"}),
    "ppm": frozenset({"ppm", "pgm", "pbm", "pnm", "pfm"}),
    "qoi": frozenset({"qoi"}),
    "sgi": frozenset({"sgi", "rgb", "rgba", "bw"}),
    "tga": frozenset({"tga", "icb", "vda", "vst"}),
    "tiff": frozenset({"tif", "tiff", "svs", "ndpi", "scn", "btf", "lsm"}),
    "webp": frozenset({"webp"}),
}


class WrongExtension(Check):
    """Reject files whose extension is that of another image format than their content.

    The score is 1 where they agree, and 0 where not. A name without an extension, or with one that is no image
    format's, says nothing: 1. imagemill reads such files by their content all the same; others may not. Any dtype.

    Source: fastdup and CleanVision users' requests; the extensions are those that Pillow registers.
    """

    def examine(self, sample: Sample) -> dict[str, float]:
        if sample.file is None:
            return {"": 1.0}
        said = PurePosixPath(sample.file.uri).suffix.removeprefix(".").lower()
        known = any(said in extensions for extensions in EXTENSIONS.values())
        return {"": 0.0 if known and said not in EXTENSIONS.get(sample.file.format, frozenset()) else 1.0}

    def measures(self) -> tuple[str, ...]:
        return ("",)

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        if measures[""] > 0:
            return None
        message = "the file's extension is that of another format than its content"
        return Rejected("wrong_extension", message, step=self.name(), measure=measures[""], limit=1.0)
