"""Leaves as canonical JSON, and the paths of tiles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.record.leaf import LARGEST, decode_leaf, encode_leaf, format_time
from monitor.record.tiles import (
    LARGEST_INDEX,
    decode_entries,
    encode_entries,
    format_tile_path,
    parse_tile_path,
)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
keys = st.text(st.characters(codec="ascii"), max_size=8)
values = st.recursive(
    text | st.integers(-(2**53) + 1, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
leaves = st.dictionaries(keys, values, max_size=5)


@given(content=leaves)
def test_a_leaf_is_read_back_and_has_one_spelling(content: dict[str, Any]) -> None:
    encoded = encode_leaf(content)
    assert decode_leaf(encoded) == content
    assert encode_leaf(dict(reversed(content.items()))) == encoded
    assert b"\n" not in encoded


def test_the_bytes_are_those_of_rfc_8785() -> None:
    content = {"b": "Añb\u20ac$\x0f\nA'B\"\\/", "a": [1, {"z": "", "y": -5}]}
    assert encode_leaf(content) == (
        b'{"a":[1,{"y":-5,"z":""}],"b":"A\xc3\xb1b\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\/"}'
    )


@pytest.mark.parametrize(
    "content",
    [{"a": 1.0}, {"a": True}, {"a": None}, {"é": 1}, {"a": 2**53}, {"a": [b"x"]}, {"a": "\ud800"}, {1: "a"}],
)
def test_what_has_no_canonical_form_is_refused(content: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode_leaf(content)


def test_a_leaf_has_a_largest_size() -> None:
    empty = len(encode_leaf({"a": ""}))
    assert len(encode_leaf({"a": "x" * (LARGEST - empty)})) == LARGEST
    with pytest.raises(ValueError, match="too large"):
        encode_leaf({"a": "x" * (LARGEST - empty + 1)})


@pytest.mark.parametrize(
    "encoded", [b'{"b":1,"a":2}', b'{"a": 1}', b'{"a":1,"a":1}', b'["a"]', b'{"a":"\\u00e9"}', b"{"]
)
def test_another_spelling_is_not_read(encoded: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_leaf(encoded)


def test_times_are_utc_and_of_one_length() -> None:
    at = datetime(2026, 3, 1, 7, 0, tzinfo=timezone(timedelta(hours=-5)))
    assert format_time(at) == "2026-03-01T12:00:00.000000Z"
    assert len(format_time(datetime(2026, 3, 1, 7, 0, 1, 25, tzinfo=UTC))) == len(format_time(at))


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 1234067, 256, "tile/0/x001/x234/067"),
        (15, 999, 1, "tile/15/999.p/1"),
        (None, 1000, 17, "tile/entries/x001/000.p/17"),
    ],
)
def test_paths_are_those_of_the_specification(level: int | None, index: int, width: int, path: str) -> None:
    assert format_tile_path(level, index, width) == path
    assert parse_tile_path(path) == (level, index, width)


@given(level=st.none() | st.integers(0, 63), index=st.integers(0, LARGEST_INDEX), width=st.integers(1, 256))
def test_every_path_is_read_back(level: int | None, index: int, width: int) -> None:
    assert parse_tile_path(format_tile_path(level, index, width)) == (level, index, width)


@pytest.mark.parametrize(
    "path",
    ["tile/0/0", "tile/64/000", "tile/0/x000/001", "tile/0/000.p/256", "tile/0/000.p/0", "tile/0/000/001",
     "tile/00/000", "tile/0/x001/234.p/01", "/tile/0/000", "tile/0/" + "x999/" * 6 + "999",
     "tile/0/\u0660\u0660\u0660"],
)  # fmt: skip
def test_another_path_is_none(path: str) -> None:
    with pytest.raises(ValueError, match="not the path"):
        parse_tile_path(path)


@given(content=st.lists(st.binary(max_size=300), max_size=6), cut=st.integers(1, 3))
def test_entries_are_read_back_and_a_cut_is_seen(content: list[bytes], cut: int) -> None:
    bundle = encode_entries(content)
    assert decode_entries(bundle) == tuple(content)
    if content and len(content[-1]) + 2 > cut:
        with pytest.raises(ValueError, match="cut"):
            decode_entries(bundle[:-cut])
