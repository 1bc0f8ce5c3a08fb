# ruff: noqa: E501 - messages and files stand in one line, as they are printed
from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.errors import RequestError
from tasks.operation import Range, registry
from tasks.pipeline.spec import ClusterSpec, OutputSpec, PipelineSpec, ScheduleSpec, SpecError, read, thaw
from tests.tasks.pipeline.fakes import EXAMPLE, REGISTRY, Blurry, Dark, MinSize, Screen

PLAIN = "version: 1\npipelines:\n  p:\n    source: {path: images}\n    steps: [grayscale]\n"
EMBOSS = """
from tasks.operation import Operation
class Emboss(Operation):
    '''Make it a relief.'''
    depth: int = 1
class Half(Operation):
    def __init_subclass__(cls): pass
note = 5
"""


@pytest.fixture
def spec(tmp_path: Path) -> Any:
    def make(text: str, **environment: str) -> PipelineSpec:
        file = tmp_path / "pipelines.yaml"
        file.write_text(text)
        whole = read(file, REGISTRY, environment=environment)
        return whole.pipeline(whole.names[0])

    return make


@pytest.fixture
def mistakes(spec: Any, tmp_path: Path) -> Any:
    def find(text: str, **environment: str) -> str:
        with pytest.raises(SpecError) as caught:
            spec(text, **environment)
        return str(caught.value).replace(f"{tmp_path}/", "").replace("pipelines.p.", "")

    return find


def steps(*items: str, rest: str = "") -> str:
    listed = "".join(f"      - {item}\n" for item in items)
    return f"version: 1\npipelines:\n  p:\n    source: {{path: images}}\n    steps:\n{listed}    {rest}\n"


def test_the_example_of_the_design_is_read(spec: Any, tmp_path: Path) -> None:
    read = spec(EXAMPLE)
    assert (read.name, read.seed, read.output) == ("detection", 7, str(tmp_path / "results/detection"))
    assert read.source.path == str(tmp_path / "data/sample/detection")
    assert [(step.id, step.name, step.needs) for step in read.steps] == [
        ("screen", "screen", ()),
        ("deduplicate", "deduplicate", ("screen",)),
        ("split", "split", ("deduplicate",)),
        ("square", "resize", ("split",)),
        ("augmented", "augment", ("square",)),
        ("small", "resize", ("square",)),
        ("descriptors", "hog", ("small",)),
    ]
    assert read.steps[0].operation.checks[0].operation == Blurry(below=0.62)
    assert [step.id for step in read.steps[4].operation.transforms] == ["hflip", "rotate", "brightness_contrast"]
    assert read.steps[4].operation.transforms[1].operation.degrees == Range(-10, 10)
    assert read.steps[4].where == {"split": "train"}
    assert [(out.name, out.sources, out.default, out.shard) for out in read.outputs] == [
        ("images", ("augmented",), True, 256_000_000),
        ("features", ("descriptors",), False, 256_000_000),
    ]
    assert read.outputs[0].encode.format == "jpeg"
    assert read.cluster == ClusterSpec(workers=4)
    assert read.schedules == (ScheduleSpec(cron="0 2 * * *", timezone="Europe/Berlin"),)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("rotate: {degrees: 5}", "6:27: steps[0].rotate.degrees: expected 2 numbers [low, high], got 5"),
        ("rotate: {degrees: [a, 5]}", "6:28: steps[0].rotate.degrees[0]: expected a number, got 'a'"),
        ("rotate: {degrees: [5]}", "6:27: steps[0].rotate.degrees: expected 2 numbers [low, high], got [5]"),
        ("rotate: {degrees: [5, 1]}", "6:27: steps[0].rotate.degrees: expected [low, high] with low <= high, got [5.0, 1.0]"),
        ("rotate: {degres: [1, 5]}", "6:18: steps[0].rotate.degres: `rotate` has no `degres`; did you mean `degrees`?"),
        ("rotate: {fill: [1]}", "6:24: steps[0].rotate.fill: expected a number or `edge`, got [1]"),
        ("rotate: {fill: '${X}'}", "6:24: steps[0].rotate.fill: environment variables stand only in source, output and cluster"),
        ("rotate: 5", "6:17: steps[0].rotate: expected a mapping with the parameters of `rotate`, got 5"),
        ("hflip: {p: abc}", "6:20: steps[0].hflip.p: expected a number in 0..1, got 'abc'"),
        ("hflip: {p: 2}", "6:20: steps[0].hflip.p: expected a number in 0..1, got 2"),
        ("hflip: {p: true}", "6:20: steps[0].hflip.p: expected a number in 0..1, got true"),
        ("hflip: {q: 2}", "6:17: steps[0].hflip.q: `hflip` has no `q`; expected `p`"),
        ("hog: {orientations: 1.5}", "6:29: steps[0].hog.orientations: expected a whole number in 1..65535, got 1.5"),
        ("resize: {size: big}", "6:24: steps[0].resize.size: expected a whole number or 2 whole numbers, got 'big'"),
        ("resize: {size: [4, x]}", "6:28: steps[0].resize.size[1]: expected a whole number, got 'x'"),
        ("resize: {size: 5, fit: padd}",
         "6:32: steps[0].resize.fit: expected one of `stretch`, `pad`, `crop`, got 'padd'; did you mean `pad`?"),
        ("resize", "6:9: steps[0].resize.size: missing: expected a whole number or 2 whole numbers"),
        ("rotte: {}", "6:9: steps[0].rotte: no operation `rotte`; did you mean `rotate`?"),
        ("qqqqq", "6:9: steps[0]: no operation `qqqqq`; `imagemill operations` lists them"),
        ("{grayscale: {}, hflip: {}}",
         "6:9: steps[0]: a step has one operation, got `grayscale` and `hflip`; begin each step with its own `-`"),
        ("id: x", "6:9: steps[0]: a step needs an operation, such as `resize: {size: [640, 640]}`"),
        ("[1]", "6:9: steps[0]: expected a step such as `resize: {size: [640, 640]}`, got [1]"),
        ("{rotate: {}, ids: x}", "6:22: steps[0].ids: a step has no `ids` beside its operation; did you mean `id`?"),
        ("{rotate: {}, id: X}", "6:26: steps[0].id: expected an id of small letters, digits and _, got 'X'"),
        ("{rotate: {}, where: 5}", "6:29: steps[0].where: expected a mapping such as {split: train}, got 5"),
        ("{rotate: {}, where: {split: [a]}}", '6:37: steps[0].where.split: expected one value, got ["a"]'),
        ("split: {train: 1}", "6:16: steps[0].split: expected shares that sum to 1, got 1.2"),
        ("deduplicate: {distance: 0}", "6:33: steps[0].deduplicate.distance: expected a whole number above 0, got 0"),
        ("brittle", "6:9: steps[0].brittle: `brittle` cannot be made: RuntimeError: no model file"),
        ("augment: {copies: 1}", "6:18: steps[0].augment.transforms: missing: expected a list of steps"),
        ("augment: {transforms: {hflip: {}}}",
         '6:31: steps[0].augment.transforms: expected a list of steps, each `- operation: {...}`, got {"hflip": {}}'),
        ("augment: {transforms: [{one_of: [{hflip: {p: x}}]}]}",
         "6:54: steps[0].augment.transforms[0].one_of[0].hflip.p: expected a number in 0..1, got 'x'"),
        ("augment: {transforms: [{hflip: {}, needs: x}]}",
         "6:44: steps[0].augment.transforms[0].needs: `needs` stands only at a pipeline's own steps, not at nested ones"),
        ("one_of: []", "6:17: steps[0].one_of: expected a list of steps, at least 1, got []"),
        ("maybe: {step: {hflip: {p: 7}}}", "6:35: steps[0].maybe.step.hflip.p: expected a number in 0..1, got 7"),
        ("screen: {blurr: {below: 1}}", "6:18: steps[0].screen.blurr: no check `blurr`; did you mean `blurry`?"),
        ("screen: {acton: flag}", "6:18: steps[0].screen.acton: no check `acton`; did you mean `action`?"),
        ("screen: {rotate: {}}",
         "6:18: steps[0].screen.rotate: no check `rotate`; expected `dark`, `blurry`, `min_size`, `action`"),
        ("screen: {blurry: false}", "6:26: steps[0].screen.blurry: a check runs where it is named: leave it out"),
        ("screen: {dark: {below: 3}}", "6:32: steps[0].screen.dark.below: expected a number in 0..1, got 3"),
        ("screen: {min_size: [64]}", "6:28: steps[0].screen.min_size: expected a whole number or 2 whole numbers, got [64]"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_step_says_where_and_what_was_expected(mistakes: Any, step: str, message: str) -> None:
    assert mistakes(steps(step)) == f"pipelines.yaml:{message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 2\npipelines: 5", "1:10: version: expected 1, the only version that this imagemill reads, got 2"),
        ("version: true\npipelines: 5", "1:10: version: expected 1, the only version that this imagemill reads, got true"),
        (PLAIN.removeprefix("version: 1\n"), "1:1: `version: 1` is missing: begin the file with it"),
        ("[]", "1:1: expected `version: 1` and `pipelines:`, got []"),
        ("version: 1", "1:1: `pipelines` is missing: expected a mapping of pipelines by name"),
        ("version: 1\npipelines: {}", "2:12: pipelines: expected at least one pipeline"),
        (PLAIN + "defalts: {}", "6:1: defalts: a pipeline file has no `defalts`; did you mean `defaults`?"),
        (PLAIN + "defaults: {sed: 1}", "6:12: defaults.sed: `defaults` has no `sed`; did you mean `seed`?"),
        (PLAIN + "    stps: []", "6:5: stps: `p` has no `stps`; did you mean `steps`?"),
        (PLAIN.replace("steps: [grayscale]", "seed: 1"), "3:3: pipelines.p: `steps` is missing: expected a list of steps"),
        (PLAIN.replace("[grayscale]", "[]"), "5:12: steps: expected at least one step"),
        (PLAIN.replace("{path: images}", "images"), "4:13: source: expected a mapping such as {path: images}, got 'images'"),
        (PLAIN.replace("images}", "5}"), "4:20: source.path: expected text, got 5; quote it: '5'"),
        (PLAIN.replace("images}", "a, limits: {pixels: 0}}"), "4:40: source.limits.pixels: expected a whole number above 0, got 0"),
        (PLAIN + "    seed: 1.5", "6:11: seed: expected a whole number of at least 0, got 1.5"),
        (PLAIN + "    output: 'x/{pipelin}'", "6:13: output: only `{pipeline}` may stand in braces, got {pipelin}"),
        (PLAIN + "    description: '${X}'", "6:18: description: environment variables stand only in source, output and cluster"),
        (PLAIN + "    outputs: {a: {from: grayscal}}", "6:25: outputs.a.from: no step `grayscal`; did you mean `grayscale`?"),
        (PLAIN + "    outputs: {data: {from: grayscale}}",
         "6:21: outputs.data: the name `data` is taken by a folder of every dataset; choose another"),
        (PLAIN + "    outputs: {a: {shard: 2GB}}", "6:26: outputs.a.shard: expected at most 1GB, got 2GB"),
        (PLAIN + "    outputs: {a: {shard: 0}}", "6:26: outputs.a.shard: expected a size such as 256MB, 1GB or 200MiB, got 0"),
        (PLAIN + "    outputs: {a: {encode: {format: jpg}}}",
         "6:36: outputs.a.encode.format: expected one of `auto`, `jpeg`, `png`, `tensor`, got 'jpg'; did you mean `jpeg`?"),
        (PLAIN + "    cluster: {wokers: 4}", "6:15: cluster.wokers: `cluster` has no `wokers`; did you mean `workers`?"),
        (PLAIN + "    cluster: {workers: 4, address: 'tcp://x'}",
         "6:14: cluster: `address` names a cluster that runs already: leave `workers` out"),
        (PLAIN + "    schedule: {cron: '0 25 * * *'}",
         "6:22: schedule.cron: expected values in 0..23, `*`, ranges or steps, got '25' in '0 25 * * *'"),
        (PLAIN + "    schedule: {paused: true}", "6:15: schedule: expected exactly one of `cron`, `interval` and `rrule`, got none"),
        (PLAIN + "    watch: {evry: 5}", "6:13: watch.evry: `watch` has no `evry`; did you mean `every`?"),
        (PLAIN + "    watch: {settle: soon}",
         "6:21: watch.settle: expected seconds, or text such as '5 minutes' or '1 day', got 'soon'"),
        (PLAIN + "    watch: yes please", "6:12: watch: expected a mapping such as {every: 30 seconds, settle: 10 seconds}, got 'yes please'"),
    ],
)  # fmt: skip
def test_a_mistake_around_the_steps_does_too(mistakes: Any, text: str, message: str) -> None:
    found = mistakes(text).splitlines()
    assert f"pipelines.yaml:{message}" in found


def test_all_mistakes_of_a_file_come_at_once_in_line_order(mistakes: Any) -> None:
    text = steps("hflip: {p: 3}", "rotte", "resize: {size: x}", rest="seed: no") + "  q: {steps: [hflip: {p: 4}]}\n"
    lines = [int(line.split(":")[1]) for line in mistakes(text).splitlines()]
    assert lines == [6, 7, 8, 9, 10, 10]


def test_an_error_survives_the_way_between_processes(spec: Any) -> None:
    with pytest.raises(SpecError) as caught:
        spec(steps("rotte"))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert caught.value.exit_code == 2


def test_ids_are_names_and_numbered_when_repeated(spec: Any) -> None:
    inner = "augment: {transforms: [hflip, hflip, {hflip: , id: hflip_2}, hflip]}"
    read = spec(
        steps("resize: {size: 4}", "resize: {size: 5}", inner, "{resize: {size: 6}, id: resize_3}", "resize: {size: 7}")
    )
    assert [step.id for step in read.steps] == ["resize", "resize_2", "augment", "resize_3", "resize_4"]
    assert [step.id for step in read.steps[2].operation.transforms] == ["hflip", "hflip_3", "hflip_2", "hflip_4"]


def test_an_id_is_used_once(mistakes: Any) -> None:
    message = mistakes(steps("{hflip: , id: a}", "{hflip: , id: a}"))
    assert message == "pipelines.yaml:7:23: steps[1].id: the id `a` is used twice: first on line 6"


def test_needs_takes_the_step_before_unless_it_says_otherwise(spec: Any) -> None:
    read = spec(
        steps("hflip", "{rotate: , needs: []}", "{grayscale: , needs: hflip}", "{split: , needs: [rotate, grayscale]}")
    )
    assert [step.needs for step in read.steps] == [(), (), ("hflip",), ("rotate", "grayscale")]


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        ("hflp", "no step `hflp` before this one; did you mean `hflip`?"),
        ("split", "`split` is not before this step: a step takes earlier ones"),
        ("rotate", "`rotate` is not before this step: a step takes earlier ones"),
        ("[hflip, hflip]", "a step is named twice: hflip, hflip"),
        ("5", "expected the id of an earlier step, or a list of them, got 5"),
    ],
)
def test_needs_names_earlier_steps(mistakes: Any, needs: str, message: str) -> None:
    assert mistakes(steps("hflip", f"{{rotate: , needs: {needs}}}", "split")).endswith(f"steps[1].needs: {message}")


def test_a_step_without_parameters_has_its_defaults(spec: Any) -> None:
    read = spec(steps("grayscale", "grayscale:", "grayscale: {}"))
    assert len({step.operation for step in read.steps}) == 1


def test_checks_are_named_in_the_order_of_the_file(spec: Any) -> None:
    read = spec(
        steps("screen: {min_size: 64, action: flag, dark: true, blurry: }", "screen", "screen: {checks: [dark]}")
    )
    first, bare, listed = (step.operation for step in read.steps)
    assert [(step.id, step.operation) for step in first.checks] == [
        ("min_size", MinSize(size=(64, 64))),
        ("dark", Dark()),
        ("blurry", Blurry()),
    ]
    assert first.action == "flag"
    assert bare == Screen() == listed


def test_the_default_output_comes_first(spec: Any) -> None:
    read = spec(PLAIN + "    outputs: {a: {from: grayscale}, b: {from: grayscale, default: true}}")
    assert [(out.name, out.default) for out in read.outputs] == [("b", True), ("a", False)]
    assert spec(PLAIN).outputs == (OutputSpec(name="images", sources=("grayscale",), default=True),)


@pytest.mark.parametrize(
    ("text", "size"), [("256MB", 256_000_000), ("1GB", 10**9), ("64MiB", 2**26), ("1.5 KB", 1500), ("77", 77)]
)
def test_shards_are_sized_in_words(spec: Any, text: str, size: int) -> None:
    assert spec(PLAIN + f"    outputs: {{a: {{shard: {text}}}}}").outputs[0].shard == size


def test_keys_beside_class_are_its_arguments(spec: Any) -> None:
    read = spec(PLAIN + "    cluster: {class: dask_jobqueue.SLURMCluster, workers: 3, queue: normal, cores: 8}")
    assert read.cluster.class_ == "dask_jobqueue.SLURMCluster"
    assert read.cluster.arguments == {"queue": "normal", "cores": 8}
    assert read.cluster.workers == 3


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("5 seconds", 5), ("1 hour", 3600), ("2 days", 172_800), ("0.5 minutes", 30)]
)
def test_intervals_are_seconds_or_words(spec: Any, text: str, seconds: float) -> None:
    assert spec(PLAIN + f"    schedule: {{interval: {text}}}").schedules[0].interval == seconds
    assert spec(PLAIN + f"    watch: {{every: {text}}}").watch.every == seconds


@pytest.mark.parametrize("cron", ["0 2 * * *", "*/15 0-6,12 1 jan-mar MON-fri", "@daily", "0 0 * * 7"])
def test_usual_cron_lines_are_taken(cron: str) -> None:
    assert ScheduleSpec(cron=cron).cron == cron


def test_paths_are_relative_to_the_file_and_urls_stay(spec: Any, tmp_path: Path) -> None:
    for path, resolved in (("a/b", f"{tmp_path}/a/b"), ("/a", "/a"), ("s3://b/k", "s3://b/k"), (".", str(tmp_path))):
        read = spec(PLAIN.replace("images", path) + f"    output: {path}")
        assert (read.source.path, read.output) == (resolved, resolved)


def test_variables_are_filled_in_and_never_frozen(spec: Any) -> None:
    text = PLAIN.replace(
        "{path: images}",
        "{path: 's3://${BUCKET}/${PREFIX:-in}', storage_options: {key: '${KEY}', nested: ['${KEY}']}}",
    )
    read = spec(
        text + "    cluster: {workers: '${N:-4}'}\n    output: '${BUCKET}'", BUCKET="photos", KEY="hunter2", PREFIX=""
    )
    assert read.source.path == "s3://photos/in"
    assert read.source.storage_options == {"key": "hunter2", "nested": ["hunter2"]}
    assert read.cluster.workers == 4
    assert "hunter2" not in json.dumps(read.frozen)
    assert "hunter2" not in repr(read)
    assert read.frozen["source"]["storage_options"]["key"] == "${KEY}"
    assert read.variables == {"BUCKET": "photos", "KEY": "hunter2", "PREFIX": ""}
    again = thaw(read.frozen, read.folder, REGISTRY, environment=read.variables)
    assert again == read


def test_a_variable_that_is_not_set_is_named_with_its_place(mistakes: Any) -> None:
    found = mistakes(PLAIN.replace("images", "'${BUCKET}/x', frames: '${FRAMES}'"))
    assert found.splitlines() == [
        "pipelines.yaml:4:20: source.path: the environment variable BUCKET is not set; set it, or write ${BUCKET:-default}",
        "pipelines.yaml:4:43: source.frames: the environment variable FRAMES is not set; set it, or write ${FRAMES:-default}",
    ]
    assert "expected ${NAME}" in mistakes(PLAIN.replace("images", "'${BUCKET'"))


def test_a_variable_missing_in_one_pipeline_does_not_stop_another(tmp_path: Path) -> None:
    file = tmp_path / "pipelines.yaml"
    file.write_text(PLAIN + "  q:\n    source: {path: '${NOWHERE}'}\n    steps: [grayscale]\n")
    whole = read(file, REGISTRY, environment={})
    assert whole.names == ("p", "q")
    assert whole.pipeline("p").name == "p"
    with pytest.raises(SpecError, match="NOWHERE is not set"):
        whole.pipeline("q")


def test_a_wrong_value_from_the_environment_is_not_shown(mistakes: Any) -> None:
    found = mistakes(PLAIN.replace("images", "a, limits: {pixels: '${N}', bytes: '${N}'}"), N="hunter2")
    assert "hunter2" not in found
    assert "expected a whole number above 0, got '${N}' as it is filled in" in found


def test_defaults_stand_under_each_pipeline_and_errors_in_them_where_they_are(spec: Any, mistakes: Any) -> None:
    text = PLAIN + "defaults: {seed: 7, partition: day, output: 'out/{pipeline}'}\n"
    assert (spec(text).seed, spec(text).partition) == (7, "day")
    assert str(spec(text).place("seed")).endswith(":6:18")
    found = mistakes(PLAIN + "  q: {source: {path: x}, steps: [grayscale]}\ndefaults: {seed: x}")
    assert found == "pipelines.yaml:7:18: defaults.seed: expected a whole number of at least 0, got 'x'"


def test_an_unknown_pipeline_names_the_nearest_and_all(tmp_path: Path) -> None:
    file = tmp_path / "pipelines.yaml"
    file.write_text(EXAMPLE)
    with pytest.raises(
        RequestError, match=r"no pipeline `detecton`; did you mean `detection`\? \(there are: detection\)"
    ):
        read(file, REGISTRY).pipeline("detecton")


def test_places_are_found_for_later_mistakes(spec: Any) -> None:
    read = spec(EXAMPLE)
    assert str(read.place("steps", 3, "resize", "fit")).endswith("pipelines.yaml:11:41")
    assert read.steps[3].place.path == "pipelines.detection.steps[3]"
    assert read.place("outputs", "features").path == "pipelines.detection.outputs.features"


def test_a_users_operation_is_read_from_beside_the_file(spec: Any, tmp_path: Path) -> None:
    (tmp_path / "my_ops.py").write_text(EMBOSS)
    text = steps(
        "{use: 'my_ops:Emboss', emboss: {depth: 3}}", "augment: {transforms: [{use: 'my_ops:Emboss', emboss: }]}"
    )
    read = spec(text)
    operation = read.steps[0].operation
    assert (read.steps[0].id, operation.name(), operation.depth) == ("emboss", "emboss", 3)
    assert operation._file() == EMBOSS.encode()
    again = thaw(json.loads(json.dumps(read.frozen)), tmp_path, REGISTRY)
    assert again == read
    (tmp_path / "my_ops.py").write_text(EMBOSS.replace("= 1", "= 2"))
    changed = spec(text)
    assert changed.steps[0].operation.canonical()["version"] != operation.canonical()["version"]
    assert (changed.steps[1].operation.transforms[0].operation.depth, operation.depth) == (2, 3)
    with pytest.raises(RequestError, match=r"my_ops.py has changed since this pipeline was frozen"):
        thaw(read.frozen, tmp_path, REGISTRY)


@pytest.mark.parametrize(
    ("code", "step", "message"),
    [
        (EMBOSS, "{use: 'my_ops:Embos', emboss: }", "my_ops.py has no class Embos; it has Emboss, Half"),
        (EMBOSS, "{use: 'my_ops:note', emboss: }", "note in my_ops.py is not an imagemill Operation"),
        (EMBOSS, "{use: 'my_ops:Emboss', rotate: }", "the name `rotate` is that of an operation of imagemill"),
        (EMBOSS, "{use: 'my-ops:Emboss', emboss: }", "expected MODULE:CLASS such as my_ops:Emboss, got 'my-ops:Emboss'"),
        (EMBOSS, "{use: 'other:Emboss', emboss: }", "the module stands beside the pipeline file"),
        (EMBOSS, "{use: 'my_ops:Emboss', emboss: {dept: 1}}", "`emboss` has no `dept`; did you mean `depth`?"),
        ("\nimport nowhere_at_all", "{use: 'my_ops:Emboss', emboss: }",
         "my_ops.py cannot be imported: line 2: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("raise SystemExit(3)", "{use: 'my_ops:Emboss', emboss: }", "cannot be imported: line 1: SystemExit: 3"),
        ("def f(:", "{use: 'my_ops:Emboss', emboss: }", "my_ops.py cannot be imported: SyntaxError: invalid syntax"),
        ("from tasks.operation import Filter\nclass Emboss(Filter): pass", "{use: 'my_ops:Emboss', emboss: }",
         "Emboss in my_ops.py is not whole: it lacks filter"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_users_module_is_one_line(
    mistakes: Any, tmp_path: Path, code: str, step: str, message: str
) -> None:
    (tmp_path / "my_ops.py").write_text(code)
    found = mistakes(steps(step))
    assert message in found
    assert "\n" not in found


def test_a_frozen_pipeline_is_the_same_whatever_the_order_of_its_keys(spec: Any) -> None:
    read = spec(EXAMPLE.replace("images:   {from", "zebra:   {from"))
    again = thaw(json.loads(json.dumps(read.frozen, sort_keys=True)), read.folder, REGISTRY)
    assert again == read
    assert again.frozen == read.frozen
    assert str(again.place("steps", 1)) == "frozen pipeline"


@pytest.mark.parametrize("name", sorted(registry()))
def test_every_registered_operations_example_comes_back_from_its_frozen_form(tmp_path: Path, name: str) -> None:
    file = tmp_path / "pipelines.yaml"
    (tmp_path / "data").symlink_to(Path(__file__).parents[3] / "data")  # files are named relative to the pipeline file
    raw = {"source": {"path": "images"}, "steps": [{name: dict(registry()[name].example)}]}
    file.write_text(json.dumps({"version": 1, "pipelines": {"p": raw}}))
    first = read(file).pipeline("p")
    again = thaw(json.loads(json.dumps(first.frozen, sort_keys=True)), tmp_path)
    assert again == first
    assert again.steps[0].operation.canonical() == first.steps[0].operation.canonical()


def test_the_example_of_the_design_is_read_with_the_operations_that_ship(tmp_path: Path) -> None:
    file = tmp_path / "pipelines.yaml"
    file.write_text(EXAMPLE)
    first = read(file).pipeline("detection")
    assert thaw(json.loads(json.dumps(first.frozen, sort_keys=True)), tmp_path) == first


names = st.sampled_from(["a", "b", "zz", "resize_2", "hflip", "x9"])
plain = st.one_of(
    st.sampled_from(["grayscale", "hflip", "screen"]),
    st.fixed_dictionaries({"hflip": st.fixed_dictionaries({"p": st.floats(0, 1)})}),
    st.fixed_dictionaries(
        {"rotate": st.fixed_dictionaries({}, optional={"degrees": st.just([-3, 4.5]), "fill": st.just("edge")})}
    ),
    st.fixed_dictionaries({"resize": st.fixed_dictionaries({"size": st.one_of(st.integers(1, 999), st.just([3, 4]))})}),
    st.fixed_dictionaries(
        {"screen": st.dictionaries(st.sampled_from(["dark", "blurry"]), st.sampled_from([True, None]))}
    ),
)
nested = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"one_of": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"augment": st.fixed_dictionaries({"transforms": st.lists(inner, max_size=3)})}),
        st.fixed_dictionaries({"maybe": st.fixed_dictionaries({"step": st.one_of(st.none(), inner)})}),
    ),
    max_leaves=6,
)


@st.composite
def pipelines(draw: Any) -> dict[str, Any]:
    chain = []
    for item in draw(st.lists(nested, min_size=1, max_size=5)):
        step = {item: None} if isinstance(item, str) else dict(item)
        if draw(st.booleans()):
            step["where"] = draw(
                st.dictionaries(
                    st.sampled_from(["split", "label", "no"]), st.sampled_from([None, "train", 3, 0.5, True])
                )
            )
        chain.append(step)
    for name, step in zip(draw(st.lists(names, unique=True, max_size=3)), chain, strict=False):
        step["id"] = name
    raw: dict[str, Any] = {"source": {"path": "images"}, "steps": chain}
    if draw(st.booleans()):
        raw["seed"] = draw(st.integers(0, 2**63 - 1))
    return raw


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=pipelines())
def test_a_pipeline_comes_back_from_its_frozen_form(tmp_path: Path, raw: dict[str, Any]) -> None:
    file = tmp_path / "pipelines.yaml"
    file.write_text(json.dumps({"version": 1, "pipelines": {"p": raw}}))  # JSON is YAML
    first = read(file, REGISTRY, environment={}).pipeline("p")
    again = thaw(json.loads(json.dumps(first.frozen, sort_keys=True)), tmp_path, REGISTRY, environment={})
    assert again == first
    assert [step.operation.canonical() for step in again.steps] == [step.operation.canonical() for step in first.steps]
    assert again.frozen == first.frozen
