"""The dataset card: README.md with the header that Hugging Face ``datasets`` reads, and what a person wants to know.

A function of the version and the schemas alone: no time, no host, no path. The header names every file, since a glob
would also load what an interrupted upload left beside them.
"""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from tasks.pipeline.steps import OWN, operation_of
from tasks.store.fits import in_words
from tasks.store.schema import REJECTED, Contents, typed

REJECTED_SPLIT = "rejected"  # of the configuration of that name: its rows are of no split
MOST_CLASSES = 100  # named in the text; the header names all
PLAIN = re.compile(r"[A-Za-z_][\w./-]*", re.ASCII)
# YAML 1.1, which datasets' reader speaks, takes these for booleans and nothing.
WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
LINEAGE = """\
- `source` of a row names the file that it was made from (uri, SHA-256, bytes, frame).
- `lineage` lists the steps that touched its pixels, with what was drawn for it.
- `rejected/*.parquet` has every image that is in no output: uri, step, reason, message, measure, limit, keeper.
- `.imagemill/versions/{version:08d}.json` names all files of this version with their SHA-256.
- `imagemill trace PATH ID` tells a row's whole story; `imagemill replay PATH ID` makes it again.
- `report.html` shows the same with pictures; `croissant.json` says it to machines."""
MARKDOWN = re.compile(r"([\\`*_\[\]|~#$])")


def card(version: Mapping[str, Any], schemas: Mapping[str, pa.Schema]) -> str:
    """Give README.md for a version; ``schemas`` are those of its outputs, by name.

    The licence is left out, since only the owner of the images knows it.
    """
    return f"---\n{_yaml(_quoted(header(version, schemas)))}---\n\n{_body(version)}"


def header(version: Mapping[str, Any], schemas: Mapping[str, pa.Schema]) -> dict[str, Any]:
    """Give the header's ``configs`` and ``dataset_info`` as ``datasets`` writes them."""
    configs, info = [], []
    for i, name in enumerate(version["outputs"]):
        files = _files_of(version, name)
        listed = [{"split": split, "path": [file["path"] for file in among]} for split, among in files.items()]
        splits = [{"name": split, **_sums(among)} for split, among in files.items()]
        configs.append({"config_name": name, "data_files": listed, **({"default": True} if i == 0 else {})})
        info.append({"config_name": name, "features": features(schemas[name]), "splits": splits})
    sums = _sums(version["rejected"])
    if sums["num_examples"]:  # datasets refuses to load no rows
        paths = sorted(entry["path"] for entry in version["rejected"])
        configs.append({"config_name": "rejected", "data_files": [{"split": REJECTED_SPLIT, "path": paths}]})
        told = [{"name": field.name, **_feature(typed(field.type, Contents()))} for field in REJECTED]
        info.append({"config_name": "rejected", "features": told, "splits": [{"name": REJECTED_SPLIT, **sums}]})
    return {"configs": configs, "dataset_info": info}


def _sums(files: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Give a split's sizes; datasets compares the examples with what it reads, and shows the bytes."""
    return {"num_bytes": sum(f["bytes"] for f in files), "num_examples": sum(f["rows"] for f in files)}


def features(schema: pa.Schema) -> list[dict[str, Any]]:
    """Give an output's features as ``datasets`` writes them in YAML, from what the schema's metadata says of them."""
    told = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    return [{"name": name, **_feature(feature)} for name, feature in told.items()]


def _feature(feature: Mapping[str, Any]) -> dict[str, Any]:
    kind = feature.get("_type")
    if kind is None:
        return {"struct": [{"name": name, **_feature(inner)} for name, inner in feature.items()]}
    about = {name: value for name, value in feature.items() if name != "_type"}
    if kind == "Value":
        return about
    if kind in ("List", "LargeList"):
        inner = _feature(about.pop("feature"))
        only = next(iter(inner)) if len(inner) == 1 else ""
        name = "list" if kind == "List" else "large_list"
        return {name: inner[only] if only in ("dtype", "struct") else inner, **about}
    if kind == "ClassLabel":
        return {"dtype": {"class_label": {"names": {str(i): name for i, name in enumerate(about["names"])}}}}
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    return {"dtype": {name: about} if about else name}


def _files_of(version: Mapping[str, Any], output: str) -> dict[str, list[Mapping[str, Any]]]:
    """Give an output's files by split: train, validation and test first, others as they are named."""
    known = ("train", "validation", "test")
    files = [file for file in version["files"] if file["output"] == output]
    splits = sorted({file["split"] for file in files}, key=lambda s: (known.index(s) if s in known else len(known), s))
    return {split: sorted((f for f in files if f["split"] == split), key=lambda f: str(f["path"])) for split in splits}


def _yaml(value: Any, width: int = 2**31) -> str:
    """Write plain values; ``width`` is where lines may be broken."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = width
    yaml.indent(mapping=2, sequence=2, offset=0)
    text = io.StringIO()
    yaml.dump(value, text)
    return text.getvalue()


def _quoted(value: Any) -> Any:
    """Quote every string that a reader of YAML 1.1 or 1.2 could take for something else."""
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) and value.lower() not in WORDS else DoubleQuotedScalarString(value)
    if isinstance(value, Mapping):
        return {_quoted(key): _quoted(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_quoted(item) for item in value]
    return value


def _body(version: Mapping[str, Any]) -> str:
    description = version["pipeline"].get("description")
    parts = [
        f"# {plain(version['name'])}",
        *([plain(description)] if description else []),
        f"Version {version['version']}, made by imagemill.",
        *_statistics(version),
        *_weights(version),
        *_loading(version),
        *_lineage(version),
        *_making(version),
    ]
    return "\n\n".join(parts) + "\n"


def _statistics(version: Mapping[str, Any]) -> Iterable[str]:
    counts = version["counts"]
    yield "## Statistics"
    yield f"**{counts['listed']:,} listed = {counts['kept']:,} kept + {counts['rejected']:,} rejected**"
    yield "Every image of the source is either kept, in at least one output, or rejected with a reason."
    rows = {name: counts["rows"].get(name, {}) for name in version["outputs"]}
    splits = list(dict.fromkeys(split for name in rows for split in _files_of(version, name)))
    lines = [
        [f"`{name}`", *(f"{among.get(split, 0):,}" for split in splits), f"{sum(among.values()):,}"]
        for name, among in rows.items()
    ]
    yield _table(["rows", *(plain(split) for split in splits), "all"], lines)
    for title, told in (("rejected because", counts["reasons"]), ("flagged as", version.get("flagged", {}))):
        if told:
            most_first = sorted(told.items(), key=lambda item: (-item[1], item[0]))
            yield _table([title, "images"], [[plain(reason), f"{count:,}"] for reason, count in most_first])
    if version.get("fits"):
        yield "Fitted on the images kept of the split `train`, and pinned until `imagemill run --refit`:"
        yield "\n".join(f"- `{name}`: {plain(in_words(fit))}" for name, fit in version["fits"].items())
    for what, names in (("Classes", version["classes"]), ("Box categories", version["categories"])):
        if names:
            more = f" and {len(names) - MOST_CLASSES:,} more" if len(names) > MOST_CLASSES else ""
            yield f"{what} ({len(names):,}): {', '.join(plain(name) for name in names[:MOST_CLASSES])}{more}."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rules = ["---", *(["---:"] * (len(head) - 1))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rules, *rows))


def _weights(version: Mapping[str, Any]) -> Iterable[str]:
    for step, weights in version.get("weights", {}).items():
        yield f"## Class weights of `{step}`"
        yield "An image drawn by its class's weight gives the classes the ratio that was asked for. On average it is 1."
        named = list(weights.items())[:MOST_CLASSES]
        yield _table(["class", "weight"], [[plain(name), f"{weight:.4g}"] for name, weight in named])
        if len(weights) > len(named):
            yield f"And {len(weights) - len(named):,} more: `imagemill.open(PATH).weights` has all."


def _loading(version: Mapping[str, Any]) -> Iterable[str]:
    first, *others = version["outputs"]
    lines = ["from datasets import load_dataset", "", f'dataset = load_dataset("PATH")  # {first}, the default']
    lines += [f'dataset = load_dataset("PATH", "{name}")' for name in others]
    if version["counts"]["rejected"]:
        lines.append('rejected = load_dataset("PATH", "rejected", split="rejected")  # why each did not make it')
    yield "## How to load"
    yield "PATH is this folder."
    yield _fence("python", "\n".join(lines))
    yield _fence("sql", "-- DuckDB, in this folder\nSELECT split, count(*) FROM 'data/*.parquet' GROUP BY split;")
    yield _fence("python", 'import polars\n\nrows = polars.scan_parquet("PATH/data/*.parquet")')
    if others:
        yield f"The other outputs lie in {', '.join(f'`{name}/`' for name in others)}; `id` joins them with `data/`."


def _lineage(version: Mapping[str, Any]) -> Iterable[str]:
    yield "## Where each row comes from"
    yield LINEAGE.format(version=version["version"])


def _making(version: Mapping[str, Any]) -> Iterable[str]:
    yield "## How it was made"
    yield f"Pipeline `{version['name']}`, step by step:"
    yield _fence("yaml", _yaml(_steps(version["pipeline"]["steps"]), width=100).rstrip("\n"))


def _steps(steps: Iterable[Mapping[str, Any]]) -> list[CommentedMap]:
    """Give the frozen steps as a person writes them: a line each, without what follows from their order."""
    shown, before = [], None
    for step in steps:
        name = operation_of(step)
        step_id, needs = step.get("id", name), list(step.get("needs", []))
        beside = {
            **({"id": step_id} if step_id != name else {}),
            **({"needs": needs} if needs != ([before] if before else []) else {}),
            **({"where": step["where"]} if step.get("where") else {}),
        }
        shown.append(CommentedMap({key: _flow(value) for key, value in _quoted({name: step[name], **beside}).items()}))
        before = step_id
    return shown


def _flow(value: Any) -> Any:
    """Lay a value out on one line; a nested step begins with its operation, and says its id where that differs."""
    made: CommentedMap | CommentedSeq
    if isinstance(value, Mapping):
        items = sorted(value.items(), key=lambda item: item[0] in OWN)
        made = CommentedMap({key: _flow(item) for key, item in items if not (key == "id" and item in value)})
    elif isinstance(value, list):
        made = CommentedSeq(_flow(item) for item in value)
    else:
        return value
    made.fa.set_flow_style()
    return made


def _fence(language: str, text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{language}\n{text}\n{marks}"


def plain(text: str) -> str:
    """Give any text as Markdown that shows it on one line: no mark-up, no HTML of its own."""
    one_line = " ".join(text.split())
    return MARKDOWN.sub(r"\\\1", html.escape(one_line, quote=False))
