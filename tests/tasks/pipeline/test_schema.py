from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from tasks.operation import registry
from tasks.pipeline import yaml
from tasks.pipeline.json_schema import schema
from tests.tasks.pipeline.fakes import EXAMPLE, REGISTRY

SCHEMA = schema(REGISTRY)
CHECKER = jsonschema.Draft202012Validator(SCHEMA)


def valid(text: str) -> bool:
    return bool(CHECKER.is_valid(yaml.parse(text.encode(), "pipelines.yaml").value))


def pipeline(step: str = "grayscale", rest: str = "") -> str:
    return f"version: 1\npipelines:\n  p:\n    source: {{path: images}}\n    steps:\n      - {step}\n    {rest}\n"


def test_the_schema_is_one_of_draft_2020_12() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_the_example_of_the_design_is_valid() -> None:
    assert valid(EXAMPLE)


@pytest.mark.parametrize(
    "step",
    [
        "grayscale",
        "{grayscale: }",
        "{resize: {size: 64}, id: small, needs: [a, b], where: {split: train}}",
        "{one_of: [hflip, {rotate: {degrees: [0, 5]}, id: turn}]}",
        "{one_of: {transforms: [hflip]}}",
        "{screen: {blurry: true, dark: , min_size: 64, action: flag}}",
        "screen",
        "{screen: {checks: [dark]}}",
        "{use: 'my_ops:Emboss', emboss: {depth: 3}, id: x}",
        "{augment: {copies: 2, transforms: [{use: 'my_ops:Emboss', emboss: }]}}",
        "{maybe: {step: {hflip: {p: 0}}}}",
    ],
)
def test_what_the_reader_takes_is_valid(step: str) -> None:
    assert valid(pipeline(f"{step}"))


@pytest.mark.parametrize(
    "step",
    [
        "rotte",
        "resize",
        "{resize: {fit: pad}}",
        "{resize: {size: 64, fit: padd}}",
        "{hflip: {p: 2}}",
        "{hflip: {q: 1}}",
        "{hflip: {p: 1}, rotate: {}}",
        "{hflip: {p: 1}, ids: x}",
        "{hflip: {p: 1}, id: X}",
        "{hflip: {p: 1}, where: {split: [a]}}",
        "{one_of: [rotte]}",
        "{one_of: []}",
        "{one_of: [{hflip: , needs: a}]}",
        "{screen: {blurr: true}}",
        "{screen: {blurry: {below: 2}}}",
        "{maybe: {step: 5}}",
        "5",
    ],
)
def test_a_mistake_in_a_step_is_not(step: str) -> None:
    assert not valid(pipeline(step))


@pytest.mark.parametrize(
    ("rest", "right"),
    [
        ("cluster: {class: dask_jobqueue.SLURMCluster, queue: normal, workers: 3}", True),
        ("cluster: {workers: '${WORKERS:-4}'}", True),
        ("cluster: {wokers: 3}", False),
        ("cluster: {address: 'tcp://a', workers: 3}", False),
        ("outputs: {a: {from: [x, y], encode: {format: png}, shard: 1GB, boxes: {min_size: 3}}}", True),
        ("outputs: {a: {from: x, encode: {format: jpg}}}", False),
        ("outputs: {a: {frm: x}}", False),
        ("schedule: [{cron: '0 2 * * *'}, {interval: 5 minutes, paused: true}]", True),
        ("schedule: {cronn: '0 2 * * *'}", False),
        ("watch: {every: 30 seconds, settle: 5}", True),
        ("watch: {evry: 30}", False),
        ("seed: -1", False),
        ("partition: delivery", True),
    ],
)
def test_what_stands_around_the_steps_is_checked(rest: str, right: bool) -> None:
    assert valid(pipeline(rest=rest)) is right


def test_version_and_unknown_keys_are_checked() -> None:
    assert not valid(pipeline().replace("version: 1", "version: 2"))
    assert not valid(pipeline() + "extra: 1\n")
    assert not valid("version: 1\npipelines: {}")


def test_editors_find_documentation_and_defaults() -> None:
    definitions: Any = SCHEMA["$defs"]
    assert definitions["operation.rotate"]["description"] == "Rotate about the center."
    assert definitions["operation.rotate"]["anyOf"][0]["properties"]["degrees"]["default"] == [-15.0, 15.0]
    assert {"$ref": "#/$defs/transform"} == definitions["operation.augment"]["anyOf"][0]["properties"]["transforms"][
        "items"
    ]


def test_the_schema_of_all_registered_operations_takes_their_examples() -> None:
    whole = schema()
    jsonschema.Draft202012Validator.check_schema(whole)
    checker = jsonschema.Draft202012Validator(whole)
    assert checker.is_valid(yaml.parse(EXAMPLE.encode(), "pipelines.yaml").value)
    for name, kind in registry().items():
        step = {name: json.loads(json.dumps(dict(kind.example)))}
        assert checker.is_valid({"version": 1, "pipelines": {"p": {"source": {"path": "x"}, "steps": [step]}}}), name
