"""Deduplicate: one of each image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tasks.collection import hashes, keepers
from tasks.collection.alike import Hashes, Vectors, as_bytes, equal, near
from tasks.collection.vectors import packed
from tasks.image.sample import Pixels, Sample
from tasks.operation import DECISION, Dataset, File, Fraction, library_version

DISTANCES = {"phash": {256: 60, 64: 10}, "dhash": {256: 40, 64: 8}, "whash": {256: 12, 64: 2}}
DIGITS = 20  # of a row's id that come from its source's key; what follows is the frame
PERCEPTUAL = ("phash", "dhash", "whash")
ONLY = {  # parameters that mean something for some methods alone
    **dict.fromkeys(("bits", "distance", "dihedral", "verify"), PERCEPTUAL),
    **dict.fromkeys(("of", "similarity"), ("embedding",)),
}


class Deduplicate(Dataset):
    """Keep one of each group of duplicates.

    ``method``: ``exact`` compares the files' SHA-256, ``pixels`` the decoded pixels (a lossless copy in another format
    or with other metadata is equal), ``phash``, ``dhash`` and ``whash`` perceptual hashes of ``bits`` (256 or 64) that
    call images duplicates up to ``distance`` differing bits (60 of 256 and 10 of 64 for phash, 40 and 8 for dhash, 12
    and 2 for whash), ``embedding`` the vectors of the feature step ``of``, from a cosine of ``similarity`` on.
    ``dihedral: true`` finds mirrored and turned copies too. ``verify: strict`` also asks that gray thumbnails of 32 x
    32 px differ by at most 8 levels on average: for collections in which hashes collide, such as text pages.

    ``keep``: the ``largest`` image of a group (most pixels, then most bytes), the ``sharpest`` (variance of the
    Laplacian at 256 px) or the ``first`` (by uri) stays; images of an earlier partition stay before any of a later one.
    Each other one that is like it is rejected (``duplicate``) and names it; what is like another member only, stays.
    ``action: flag`` rejects none of them: they are noted in the dataset's decisions, and only what is like an image of
    another split is rejected (``leaks_into_test``: one of ``train`` before any other, else the one whose split's name
    comes later) or, where there are folds, like a training image of an earlier one (``leaks_into_fold``). ``against``
    is the path of another dataset of imagemill that has the same step: whatever is like an image kept there is a
    duplicate.

    Values of every dtype are rounded to 8 bits for the hashes. No pairs are compared one by one: tables of sampled
    bits find 95 % of the pairs that differ in exactly ``distance`` bits and nearly all nearer ones (phash: all of
    1,000 pairs at 48 of 256 among a million); up to 4,096 different hashes, every one. For phash photographs differ
    from imagehash's hash (which reduces by Lanczos) in at most 8 bits; near-black ones and those under 64 px in up to
    16.

    Source: imagehash ``phash(hash_size=16)``, ``dhash``, ``whash``; Zauner 2010, "Implementation and benchmarking of
    perceptual image hash functions"; Indyk and Motwani 1998, "Approximate nearest neighbors".
    """

    example: ClassVar[Mapping[str, Any]] = {"method": "phash"}

    method: Literal["exact", "pixels", "phash", "dhash", "whash", "embedding"] = "phash"
    bits: Literal[64, 256] = 256
    distance: Annotated[int, Field(ge=0, le=128)] | None = None
    keep: Literal["largest", "sharpest", "first"] = "largest"
    dihedral: bool = False
    verify: Literal["strict"] | None = None
    of: str | None = None
    similarity: Fraction = 0.95
    action: Literal["reject", "flag"] = "reject"
    against: File | None = None

    @model_validator(mode="after")
    def _belong(self) -> Deduplicate:
        for name, methods in ONLY.items():
            if getattr(self, name) != type(self).model_fields[name].default and self.method not in methods:
                raise ValueError(f"`{name}` is for {', '.join(methods)}; leave it out with {self.method}")
        if self.method == "embedding" and self.of is None:
            raise ValueError("name the feature step whose vectors are compared: `of: STEP`")
        if self.distance is not None and self.distance > self.bits // 2:
            raise ValueError(f"a distance of {self.distance} of {self.bits} bits is chance: at most {self.bits // 2}")
        return self

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.of,) if self.of is not None else ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (*super().columns, *(("fold",) if self.action == "flag" else ()))

    @property
    def flags(self) -> frozenset[str]:
        return frozenset({"duplicate"} if self.action == "flag" else ())

    @property
    def limit(self) -> float:
        """The most bits that may differ, or the least cosine."""
        if self.method == "embedding":
            return self.similarity
        if self.method not in DISTANCES:
            return 0.0
        return float(DISTANCES[self.method][self.bits] if self.distance is None else self.distance)

    def canonical(self) -> dict[str, Any]:
        """What decides the columns that it measures: all else decides on the table."""
        whole = super().canonical()
        measured = ("method", "bits", "dihedral", "of")
        kept = {name: value for name, value in whole["parameters"].items() if name in measured}
        libraries = {**whole["libraries"], **({"pillow": library_version("pillow")} if self.method == "dhash" else {})}
        return {**whole, "parameters": {**kept, "columns": sorted(self.hashes())}, "libraries": libraries}

    def hashes(self) -> dict[str, pa.DataType]:
        columns: dict[str, pa.DataType] = {}
        if self.method in PERCEPTUAL:
            columns[self.method] = pa.binary(self.bits // 8 * (8 if self.dihedral else 1))
        elif self.method == "pixels":
            columns["pixels"] = pa.binary(32)
        elif self.method == "embedding":
            columns["vector"] = pa.large_binary()
        if self.verify == "strict":
            columns["thumbnail"] = pa.binary(hashes.THUMBNAIL**2)
        if self.keep == "sharpest":
            columns["sharpness"] = pa.float64()
        return columns

    def examine(self, sample: Sample) -> dict[str, Any]:
        """Give one image's columns; see ``Dataset.examine``. A vector costs no pixels."""
        measured = self.measure(sample.picture()) if set(self.hashes()) - {"vector"} else {}
        if self.of is not None:
            vector = sample.features.get(self.of)
            measured["vector"] = None if vector is None else packed(vector)
        return measured

    def measure(self, pixels: Pixels) -> dict[str, Any]:
        measured: dict[str, Any] = {"pixels": hashes.of_pixels(pixels)} if self.method == "pixels" else {}
        if self.hashes().keys() <= {"pixels", "vector"}:
            return measured
        gray = hashes.gray(pixels)  # made once for all that takes it
        if self.method in PERCEPTUAL:
            measured[self.method] = hashes.perceptual(self.method, gray, self.bits, dihedral=self.dihedral)
        if self.verify == "strict":
            measured["thumbnail"] = hashes.thumbnail(gray)
        if self.keep == "sharpest":
            measured["sharpness"] = hashes.sharpness(gray)
        return measured

    @property
    def grouped_by(self) -> tuple[str, ...]:
        """The columns that ``groups`` needs."""
        return ("id", "sha256") if self.method == "exact" else (self._column,)

    @property
    def _column(self) -> str:
        return {"exact": "sha256", "embedding": "vector"}.get(self.method, self.method)

    def groups(self, table: pa.Table) -> NDArray[np.int64]:
        values = table.column(self._column)
        if self.method == "embedding":
            return Vectors(values, self.similarity).groups()
        if self.method == "exact":
            return equal(values, 32, pc.utf8_slice_codeunits(table.column("id"), DIGITS))
        if self.method == "pixels":
            return equal(values, 32)
        hashes = [values]
        del table, values  # ten million hashes are 320 MB: who searches them lets go of them first
        return near(hashes.pop(), self.hashes()[self.method].byte_width, self.bits, int(self.limit), self.method)

    def decide(self, table: pa.Table) -> pa.Table:
        if "group" not in table.schema.names:
            table = table.append_column("group", pa.array(self.groups(table)))
        table = table.take(self._preferred(table))
        groups = np.asarray(table.column("group").to_numpy()).copy()
        compare, foreign = self._comparing(table), _flags(table, "foreign")
        parts = []
        for reason, places in self._places(table).items():
            leaking = keepers.leaks(groups, compare, places, foreign)
            parts.append(self._decisions(table, leaking, reason))
            groups[leaking.rows] = keepers.NO_GROUP
        found = keepers.duplicates(groups, compare, foreign)
        parts.append(self._decisions(table, found, "duplicate"))
        return pa.concat_tables(parts).sort_by("id")

    def _places(self, table: pa.Table) -> dict[str, NDArray[np.int64]]:
        """Give the parts that no duplicates may straddle where they stay, by the reason that is given."""
        if self.action != "flag" or "split" not in table.schema.names:
            return {}
        split = table.column("split").fill_null("").combine_chunks().dictionary_encode()  # a foreign row has none
        order = pc.sort_indices(
            pa.table({"train": pc.equal(split.dictionary, "train"), "name": split.dictionary}),
            [("train", "ascending"), ("name", "ascending")],
        )
        splits = np.argsort(order.to_numpy())[split.indices.to_numpy()]
        if "fold" not in table.schema.names:
            return {"leaks_into_test": splits}
        trained = pc.equal(table.column("split"), "train").fill_null(False)  # cross-validation is of these alone
        return {"leaks_into_test": splits, "leaks_into_fold": pc.if_else(trained, table.column("fold"), 0).to_numpy()}

    def _preferred(self, table: pa.Table) -> pa.Array:
        """Give the rows' numbers, best keepers first; ids break ties, so that the rows' order does not count."""
        columns: dict[str, Any] = {}
        if "foreign" in table.schema.names:
            columns["foreign"] = pc.invert(table.column("foreign"))
        if "partition" in table.schema.names:
            columns["partition"] = table.column("partition")
        if self.keep == "largest":
            sides = [table.column(name).cast(pa.int64()).fill_null(0) for name in ("width", "height")]
            columns["pixels"] = pc.negate(pc.multiply(*sides))
            columns["bytes"] = pc.negate(table.column("bytes").fill_null(0))
        elif self.keep == "sharpest":
            columns["sharpness"] = pc.negate(table.column("sharpness"))
        columns |= {name: table.column(name) for name in ("uri", "id")}
        return pc.sort_indices(pa.table(columns), [(name, "ascending") for name in columns])

    def _comparing(self, table: pa.Table) -> keepers.Compares:
        """Say how rows compare with their keepers."""
        values = table.column(self._column)
        if self.method in ("exact", "pixels"):
            return lambda rows, best: np.zeros(len(rows))
        if self.method == "embedding":
            return Vectors(values, self.similarity).compare
        strict = self.verify == "strict"
        thumbnails = as_bytes(table.column("thumbnail"), hashes.THUMBNAIL**2) if strict else None
        row_bytes = self.hashes()[self.method].byte_width
        return Hashes(values, row_bytes, self.bits, int(self.limit), thumbnails).compare

    def _decisions(self, table: pa.Table, found: keepers.Found, reason: str) -> pa.Table:
        rows, best = pa.array(found.rows), pa.array(found.keepers)
        ids, keeper = table.column("id").take(rows), table.column("id").take(best)
        uris = table.column("uri").take(best).combine_chunks()
        scores, many = pa.array(found.scores, pa.float64()), len(rows)
        said = pa.array(found.scores.round(3) if self.method == "embedding" else found.scores.astype(np.int64))
        told = {
            "exact": ["the same bytes as ", uris],
            "pixels": ["the same pixels as ", uris],
            "embedding": [f"its {self.of} is that of ", uris, ": cosine ", said, f", from {self.limit:g} on it is"],
        }.get(
            self.method,
            ["looks like ", uris, ": ", said, f" of {self.bits} bits differ, at most {self.limit:g} may"],
        )
        if part := {"leaks_into_test": "split", "leaks_into_fold": "fold"}.get(reason):
            own, other = (table.column(part).take(some).combine_chunks() for some in (rows, best))
            told = [*told, f"; its {part} is ", own, ", that one's ", other]
        texts = [pa.repeat(part, many) if isinstance(part, str) else part.cast(pa.string()) for part in told]
        columns = {
            "id": ids,
            "reason": pa.repeat(reason, many),
            "message": pc.binary_join_element_wise(*texts, ""),
            "keeper": keeper,
            "score": scores,
            "limit": pa.repeat(self.limit, many),
        }
        return pa.table(columns, schema=DECISION)


def _flags(table: pa.Table, name: str) -> NDArray[np.bool_]:
    if name not in table.schema.names:
        return np.zeros(table.num_rows, dtype=bool)
    return np.asarray(table.column(name).to_numpy(), dtype=bool)
