"""URIs and keys: every file name has one of each, and the way back leads to the file."""

import hashlib

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.load.listing import LISTING, batches, escape, key, legible, unescape, with_keys

# Any name that Linux allows, as os.fsdecode gives it, leaning towards what the grammar gives a meaning.
PIECES = st.sampled_from([b"%", b"25", b"21", b"3A", b"FF", b"C3", b"%25", b"!", b":", b"\xff", b"\xc3", b"\xc3\xa9"])
NAMES = st.lists(st.one_of(PIECES, st.binary(min_size=1, max_size=4)), min_size=1).map(b"".join)


def test_keys_are_golden() -> None:
    """Changing one changes every id, shard and split of every dataset."""
    assert key("a.jpg").hex() == "68bb886a1d399d6a98c17d21c2422f3693bec92664b94904ba276515264409f9"
    assert key("é.jpg").hex() == hashlib.sha256(b"\0\0\0\0\0\0\0\x06\xc3\xa9.jpg").hexdigest()
    assert key("") == hashlib.sha256(bytes(8)).digest()


@given(NAMES)
@example(b"a%FF.jpg")
@example(b"a\xff.jpg")
@example(b"%\xff")
@example(b"\xc3%A9")
@example(b"a!/b")
@example(b"http://a")
@example(b"%%2525")
def test_a_uri_leads_back_to_the_bytes_of_the_name(name: bytes) -> None:
    uri = escape(name.decode("utf-8", "surrogateescape"))
    assert unescape(uri).encode("utf-8", "surrogateescape") == name
    assert "!/" not in uri and "://" not in uri
    uri.encode()


@given(NAMES, NAMES)
def test_two_names_never_share_a_uri(one: bytes, other: bytes) -> None:
    uris = [escape(name.decode("utf-8", "surrogateescape")) for name in (one, other)]
    assert (uris[0] == uris[1]) == (one == other)


@pytest.mark.parametrize(
    "name", ["a b.jpg", "100%.jpg", "a%20b.jpg", "#?&.jpg", "e\u0301.jpg", "\u00e9.jpg", "a\nb", "a!b", "a:b"]
)
def test_usual_names_stand_for_themselves(name: str) -> None:
    assert escape(name) == name


def test_what_the_grammar_uses_is_escaped() -> None:
    assert escape("a\udcff.jpg") == "a%FF.jpg"
    assert escape("a%FF.jpg") == "a%25FF.jpg"
    assert escape("a.tar!/x.jpg") == "a.tar%21/x.jpg"
    assert escape("s3://x") == "s3%3A//x"
    assert legible("a%FF\udcff") == "a%FF%FF"
    assert escape("\ud800") == "%ED%A0%80"


def test_a_batch_gets_its_keys_first() -> None:
    batch = pa.record_batch({"uri": ["a", "b"], "more": [1, 2]})
    keyed = with_keys(batch)
    assert keyed.schema.names == ["key", "uri", "more"]
    assert keyed.column("key").to_pylist() == [key("a"), key("b")]
    assert keyed.schema.field("key") == LISTING.field("key")
    keyed.validate(full=True)
    assert with_keys(batch.slice(0, 0)).num_rows == 0


def test_batches_are_of_the_asked_size_and_hold_no_more() -> None:
    taken = 0

    def rows():  # type: ignore[no-untyped-def]
        nonlocal taken
        for i in range(10):
            taken += 1
            yield f"{i}", i, "", None, None

    stream = batches(rows(), 4)
    first = next(stream)
    assert (first.num_rows, taken, first.schema) == (4, 4, LISTING)
    assert [batch.num_rows for batch in stream] == [4, 2]
