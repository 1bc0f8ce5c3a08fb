"""Manifests: CSV and Parquet."""

import csv
import datetime
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import Rejected, RequestError
from tasks.load.listing import LISTING, key
from tasks.load.source import Source, SourceSpec, open_source


def opened(path: Path, text: str | bytes | None = None, **options: Any) -> Source:
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return open_source(SourceSpec(path=str(path), **options))


def listed(source: Source, batch_rows: int = 8192) -> list[dict[str, Any]]:
    found = []
    for batch in source.listing(batch_rows):
        batch.validate(full=True)
        assert batch.schema == pa.schema([*LISTING, *source.columns])
        assert batch.num_rows <= batch_rows
        found += batch.to_pylist()
    assert all(row["key"] == key(row["uri"]) for row in found)
    return found


def types(source: Source) -> dict[str, str]:
    return {field.name: str(field.type) for field in source.columns}


# -- csv --


def test_rows_have_uri_label_size_and_further_columns(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "img/a b.jpg").write_bytes(b"12345")
    source = opened(tmp_path / "m.csv", "uri,label,age\nimg/a b.jpg,cat,3\ngone.jpg,,\n")
    here, gone = listed(source)
    assert (here["uri"], here["size"], here["label"], here["age"]) == ("img/a b.jpg", 5, "cat", 3)
    assert here["etag"] == str((tmp_path / "img/a b.jpg").stat().st_mtime_ns)
    assert (gone["size"], gone["etag"], gone["label"], gone["age"]) == (-1, "", None, None)
    assert source.read("img/a b.jpg") == b"12345"
    with pytest.raises(Rejected) as caught:
        source.read("gone.jpg")
    assert caught.value.reason == "missing"
    assert source.root == str(tmp_path)


def test_only_what_the_manifest_names_is_listed(tmp_path: Path) -> None:
    (tmp_path / "other.jpg").write_bytes(b"")
    (tmp_path / ".hidden.jpg").write_bytes(b"h")
    assert [row["uri"] for row in listed(opened(tmp_path / "m.csv", "uri\n.hidden.jpg\n"))] == [".hidden.jpg"]


def test_types_hold_every_value_of_the_file(tmp_path: Path) -> None:
    values = {
        "int": ("1", "-2"),
        "float": ("1", "2.5e3"),
        "flag": ("true", "False"),
        "day": ("2024-01-31", "2024-02-29"),
        "time": ("2024-01-31 10:00:00", "2024-02-29T23:59:59.25"),
        "zoned": ("2024-01-31T10:00:00Z", "2024-02-29T10:00:00+02:00"),
        "zip": ("007", "123"),
        "long": ("12345678901234567890", "1"),
        "mixed": ("1", "x"),
        "no_day": ("2024-01-31", "2024-13-31"),
        "empty": ("", ""),
        "holes": ("", "4"),
        "na": ("NA", "1"),
        "precise": ("1.5", "1234567890123456"),
    }
    lines = [",".join(["uri", *values])] + [
        ",".join([f"{i}.jpg", *(pair[i] for pair in values.values())]) for i in (0, 1)
    ]
    source = opened(tmp_path / "m.csv", "\n".join(lines))
    assert types(source) == {
        "int": "int64",
        "float": "double",
        "flag": "bool",
        "day": "timestamp[us]",
        "time": "timestamp[us]",
        "zoned": "timestamp[us, tz=UTC]",
        "zip": "string",
        "long": "string",
        "mixed": "string",
        "no_day": "string",
        "empty": "string",
        "holes": "int64",
        "na": "string",
        "precise": "string",
    }
    first, second = listed(source)
    assert (first["zip"], first["holes"], first["flag"], second["flag"]) == ("007", None, True, False)
    assert second["zoned"] == datetime.datetime(2024, 2, 29, 8, tzinfo=datetime.UTC)


def test_a_value_at_the_end_of_a_long_file_decides_the_type(tmp_path: Path) -> None:
    """pyarrow's own inference looks at the first block only."""
    lines = "".join(f"{'long/' * 18}{i}.jpg,{i}\n" for i in range(50_000))
    source = opened(tmp_path / "m.csv", "uri,n\n" + lines + "last.jpg,x\n")
    assert types(source) == {"n": "string"}
    batches = list(source.listing(1000))
    assert sum(batch.num_rows for batch in batches) == 50_001
    assert max(batch.num_rows for batch in batches) == 1000


def test_labels_stay_as_they_are_written(tmp_path: Path) -> None:
    assert [row["label"] for row in listed(opened(tmp_path / "m.csv", "uri,label\na,007\nb,1\n"))] == ["007", "1"]
    pq.write_table(pa.table({"uri": ["a", "b"], "label": [7, None]}), tmp_path / "m.parquet")
    assert [row["label"] for row in listed(opened(tmp_path / "m.parquet"))] == ["7", None]


def test_columns_are_chosen_by_name(tmp_path: Path) -> None:
    text = "file_name,class,label\na.jpg,cat,x\n"
    (row,) = listed(opened(tmp_path / "m.csv", text, uri_column="file_name", label_column="class"))
    assert (row["uri"], row["label"], row["manifest_label"]) == ("a.jpg", "cat", "x")
    (row,) = listed(opened(tmp_path / "m.csv", text, uri_column="file_name", labels="none"))
    assert (row["label"], row["class"], row["manifest_label"]) == (None, "cat", "x")


def test_columns_with_names_of_our_own_are_renamed(tmp_path: Path) -> None:
    source = opened(tmp_path / "m.csv", "uri,split,width,key,\na.jpg,train,3,k,z\n")
    assert source.columns.names == ["manifest_split", "manifest_width", "manifest_key", "unnamed_5"]
    assert listed(source)[0]["manifest_split"] == "train"


def test_quotes_line_breaks_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    source = opened(tmp_path / "m.csv", b'\xef\xbb\xbfuri,text\r\n"a,\n""b"".jpg","x\ny"\r\n\r\nc.jpg,z\r\n')
    assert [(row["uri"], row["text"]) for row in listed(source)] == [('a,\n"b".jpg', "x\ny"), ("c.jpg", "z")]


def test_a_tab_separated_file_is_read(tmp_path: Path) -> None:
    assert [row["label"] for row in listed(opened(tmp_path / "m.tsv", "uri\tlabel\na,b.jpg\tcat\n"))] == ["cat"]


def test_a_manifest_without_rows_lists_nothing(tmp_path: Path) -> None:
    source = opened(tmp_path / "m.csv", "uri,label\n")
    assert listed(source) == [] and source.columns == pa.schema([]) and source.categories == []


FIELDS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(FIELDS, FIELDS), max_size=10, unique_by=lambda row: row[0]))
def test_any_table_is_listed_as_it_was_written(rows: list[tuple[str, str]], tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    with (folder / "m.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("uri", "label"), *((f"n{i}/x{uri}x", label) for i, (uri, label) in enumerate(rows))]
        )
    pq.write_table(
        pa.table(
            {"uri": [f"n{i}/x{u}x" for i, (u, _) in enumerate(rows)], "label": [label for _, label in rows]}, LABELLED
        ),
        folder / "m.parquet",
    )
    from_csv, from_parquet = (listed(opened(folder / name)) for name in ("m.csv", "m.parquet"))
    assert from_csv == from_parquet
    assert [row["label"] for row in from_csv] == [label for _, label in rows]


LABELLED = pa.schema([("uri", pa.string()), ("label", pa.string())])


# -- what a uri may be --


def test_paths_become_relative_to_the_manifest_where_they_lie_below_it(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "a%FF.jpg").write_bytes(b"a")
    (tmp_path / "out side.jpg").write_bytes(b"out")
    (tmp_path / "up.jpg").write_bytes(b"up")
    named = {
        "./x/../a%FF.jpg": "a%25FF.jpg",
        f"{folder}/b.jpg": "b.jpg",
        f"file://{folder}/c.jpg": "c.jpg",
        f"{tmp_path}/out side.jpg": f"file://{tmp_path}/out side.jpg",
        "../up.jpg": "../up.jpg",
        "s3://bucket/d e.jpg": "s3://bucket/d e.jpg",
        "https://host/f%20g.jpg?id=3": "https://host/f%20g.jpg?id=3",
    }
    source = opened(folder / "m.csv", "uri\n" + "\n".join(named))
    found = {row["uri"]: row for row in listed(source)}
    assert list(found) == list(named.values())
    assert {uri: source.read(uri) for uri in found if found[uri]["size"] >= 0} == {
        "a%25FF.jpg": b"a",
        f"file://{tmp_path}/out side.jpg": b"out",
        "../up.jpg": b"up",
    }
    assert (found["s3://bucket/d e.jpg"]["size"], found["s3://bucket/d e.jpg"]["etag"]) == (-1, "")


# -- mistakes --


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "m.csv: the file is empty"),
        ("file_name,x\na,1\n", "no column 'uri'; it has 'file_name', 'x'; set uri_column: file_name"),
        ("a,x\na,1\n", "no column 'uri'; it has 'a', 'x'; set uri_column"),
        ("uri;label\na;b\n", "separated by commas, not by semicolons"),
        ("uri,x,x\na,1,2\n", "two columns are called 'x'"),
        ("uri,split,manifest_split\na,1,2\n", "'manifest_split' is taken"),
        ("uri,label\na,1,2\n", "m.csv: cannot be read as a table"),
        ('uri\na.jpg\n\n"b\n"\n./a.jpg\n', "m.csv, line 6: 'a.jpg' is listed already at line 2"),
        ("uri,x\na.jpg,1\n,2\n", "m.csv, line 3: '' names no file"),
        ("uri\ncat/\n", "line 2: 'cat/' names no file"),
        ("uri\nhttps://h/a?X-Amz-Signature=abcdef&id=1\n", "line 2: https://h/a.id=1 carries credentials"),
        ("uri\nftp://me:pass@h/a\n", "line 2: ftp://h/a carries credentials"),
        (b"uri\n\xff.jpg\n", "m.csv: .*UTF-?8"),
        (b"\xff\n", "m.csv: is not UTF-8"),
    ],
)
def test_a_mistake_names_the_file_and_the_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        listed(opened(tmp_path / "m.csv", text))
    assert "abcdef" not in str(caught.value) and "pass" not in str(caught.value)


def test_a_label_column_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no column 'klass'; it has 'uri', 'class'; set label_column"):
        opened(tmp_path / "m.csv", "uri,class\na,b\n", label_column="klass")


# -- parquet --


def test_parquet_types_are_widened(tmp_path: Path) -> None:
    table = pa.table(
        {
            "uri": pa.array(["a", "b"]).dictionary_encode(),
            "label": pa.array(["cat", "dog"], pa.large_string()),
            "small": pa.array([1, 2], pa.int8()),
            "half": pa.array([0.5, None], pa.float32()),
            "flag": [True, None],
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "day": [datetime.date(2024, 1, 31), None],
            "at": pa.array([1, 2], pa.timestamp("ns", "Europe/Berlin")),
            "nothing": pa.nulls(2),
        }
    )
    pq.write_table(table, tmp_path / "m.parquet")
    source = opened(tmp_path / "m.parquet")
    assert types(source) == {
        "small": "int64",
        "half": "double",
        "flag": "bool",
        "kind": "string",
        "day": "timestamp[us]",
        "at": "timestamp[ns, tz=Europe/Berlin]",
        "nothing": "string",
    }
    first, _ = listed(source)
    assert (first["uri"], first["label"], first["kind"], str(first["day"])) == (
        "a",
        "cat",
        "x",
        "2024-01-31 00:00:00",
    )


def test_parquet_mistakes_are_explained(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"uri": ["a"], "v": [[1]]}), path)
    with pytest.raises(RequestError, match=r"column 'v' has type list<.*>; .*cast it, or leave it out"):
        listed(opened(path))
    pq.write_table(pa.table({"uri": ["a", "b", "a"]}), path)
    with pytest.raises(RequestError, match="row 3: 'a' is listed already at row 1"):
        listed(opened(path))
    pq.write_table(pa.table({"uri": ["a"], "n": pa.array([1 << 63], pa.uint64())}), path)
    with pytest.raises(RequestError, match="cannot be read as a table"):
        listed(opened(path))
    path.write_bytes(b"PAR1 no")
    with pytest.raises(RequestError, match="cannot be read as a table"):
        opened(path)


def test_a_large_manifest_is_streamed(tmp_path: Path) -> None:
    uris = pa.array([f"some/long/folder/{i:09}.jpg" for i in range(30_000)])
    pq.write_table(pa.table({"uri": uris}), tmp_path / "m.parquet", row_group_size=3_000)
    del uris
    source = opened(tmp_path / "m.parquet")
    tracemalloc.start()
    assert sum(batch.num_rows for batch in source.listing()) == 30_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20  # 8 bytes a row and a batch's objects; all rows as objects would be 8 MB
