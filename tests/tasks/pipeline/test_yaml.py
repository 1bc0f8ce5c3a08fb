from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import RequestError
from tasks.pipeline import yaml
from tasks.pipeline.mistakes import SpecError


def parse(text: str | bytes) -> object:
    return yaml.parse(text.encode() if isinstance(text, str) else text, "pipelines.yaml").value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("2026-01-01", "2026-01-01"),
        ("12:30:00", "12:30:00"),
        ("1_000", "1_000"),
        ("0o17", 15),
        ("0x1F", 31),
        ("010", 10),
        ("-5", -5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("True", True),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
        ("! 5", "5"),
    ],
)
def test_a_value_is_what_it_looks_like(text: str, value: object) -> None:
    found = parse(f"a: {text}")
    assert found == {"a": value}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(value)


def test_a_key_is_the_text_that_was_written() -> None:
    assert parse("1: a\nno: b\n0.50: c\nnull: d") == {"1": "a", "no": "b", "0.50": "c", "null": "d"}


def test_places_count_from_one_and_know_keys_from_values() -> None:
    document = yaml.parse(b"a:\n  - {bc: 5}\n", "pipelines.yaml")
    assert str(document.place(("a", 0, "bc"))) == "pipelines.yaml:2:10"
    assert str(document.place(("a", 0, "bc"), key=True)) == "pipelines.yaml:2:6"
    assert str(document.place(("a", 0, "bc", "deeper"))) == "pipelines.yaml:2:10"
    assert document.place(("a", 0, "bc")).path == "a[0].bc"


def test_anchors_and_merge_keys_are_expanded() -> None:
    text = "a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\nd: {<<: [{z: 0}, *a], x: 9}\n"
    assert parse(text) == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 2},
        "c": {"x": 1, "y": 3},
        "d": {"x": 9, "y": 2, "z": 0},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  d: 1\n  c: 2", "5:3: b.c: the key `c` stands twice: first on line 3"),
        ("a:\n\tb: 1", "2:1: a tab: indent with spaces"),
        ("a: [1, 2", "1:9: a bracket that is not closed"),
        ("a: 'b", "1:6: a quote that is not closed"),
        ("a: b: c", "1:5: a second `:` in one line, or wrong indentation (quote text with a colon)"),
        ("- a\nb: 1", "2:1: wrong indentation: a list's items and a mapping's keys do not mix"),
        ("a: @b", "1:4: text cannot begin with `@`: quote it"),
        ("a: *b", "1:4: the alias *b needs an anchor &b that ends before it"),
        ("a: &a [*a]", "1:8: the alias *a needs an anchor &a that ends before it"),
        ("a: {<<: 5}", "1:5: `<<` takes an alias of a mapping, or a list of them"),
        ("a: !!python/object:os.system {}", "1:4: the tag !!python/object:os.system is not allowed"),
        ("a: !!timestamp 2026-01-01", "1:4: the tag !!timestamp is not allowed"),
        ("a: !mine 5", "1:4: the tag !mine is not allowed"),
        ("a: !!int x", "1:4: 'x' is not a value of !!int"),
        ("a: 1\n---\nb: 1", "2:1: a second document"),
        ("%YAML 1.1\n---\na: no", "2:1: a directive"),
        ("? [a]\n: b", "1:3: a key is a name"),
        (": b", "1:1: a key is missing before `:`"),
        ("a: .nan", "1:4: expected a finite number, got .nan"),
        ("a: -.inf", "1:4: expected a finite number, got -.inf"),
        ("a: 1e999", "1:4: expected a finite number, got 1e999"),
        ("a: " + "9" * 5000, "1:4: expected a finite number, got 9999"),
        ('a: "\\ud800"', "1:4: half of a surrogate pair is not a character"),
        ("a: \x01", "1:4: the character U+0001 does not belong in a text file"),
        (b"a: 1\nb: \xff\xfe", "2:4: not UTF-8 text: save the file as UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0", "1:1: not UTF-8 text"),
        ("[" * 100_000, "1:66: nested more than 64 deep"),
        ("[" + "1, " * 100_001 + "]", "more than 100000 values: this is not a pipeline file"),
    ],
    ids=lambda value: f"{len(value)} long" if len(value) > 200 else None,
)
def test_what_is_not_meant_is_refused_in_one_line_with_its_place(text: str | bytes, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("pipelines.yaml:")
    assert "\n" not in str(caught.value)


def test_all_keys_that_stand_twice_are_named() -> None:
    with pytest.raises(SpecError) as caught:
        parse("a: 1\na: 2\nb: {c: 1, c: 2}")
    assert [mistake.place.line for mistake in caught.value.mistakes] == [2, 3]


@pytest.mark.parametrize(
    "form", ["[{0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}]", "{{<<: [{0}, {0}, {0}, {0}, {0}, {0}, {0}]}}"]
)
def test_an_alias_bomb_is_refused(form: str) -> None:
    first = "a0: &a0 {x: 1}\n" if "<<" in form else "a0: &a0 [x]\n"
    bomb = first + "".join(f"a{i}: &a{i} {form.format(f'*a{i - 1}')}\n" for i in range(1, 12))
    with pytest.raises(SpecError, match="the aliases stand for more than 100000 values"):
        parse(bomb)


def test_a_byte_order_mark_and_windows_lines_are_read() -> None:
    assert parse(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n") == {"a": 1, "b": 2}


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet", "---\n"])
def test_an_empty_file_says_how_to_begin(text: str) -> None:
    with pytest.raises(RequestError, match="empty; begin with `version: 1`"):
        parse(text)


def test_a_file_that_is_not_there_a_folder_and_one_too_large_are_wrong_requests(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * 10_000_001)
    for file, message in ((tmp_path / "none.yaml", "no such file"), (tmp_path, "a folder"), (large, "more than 10 MB")):
        with pytest.raises(RequestError, match=message) as caught:
            yaml.load(file)
        assert caught.value.exit_code == 2
