"""The bounded decompressor, whatever the pieces that the network hands over."""

from __future__ import annotations

import contextlib
import gzip
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.net import MIB, BadBody, SizeLimits
from monitor.net.decompress import DEFLATE, GZIP, IDENTITY, STEP, BodyReader, read_coding
from tests.peers.http import bomb, encode

LIMITS = SizeLimits()


def unpack(wire: bytes, named: str, piece: int = 1000, limits: SizeLimits = LIMITS) -> bytes:
    body = BodyReader(named, limits)
    for start in range(0, len(wire), piece):
        body.feed(wire[start : start + piece])
    return body.close()


contents = st.binary(min_size=1, max_size=300) | st.builds(
    lambda text, times: text * times, st.binary(min_size=1, max_size=8), st.integers(1, 40_000)
)


@given(contents, st.sampled_from([None, "gzip", "deflate", "raw deflate"]), st.integers(1, 5000))
def test_what_was_packed_comes_out_however_it_is_cut(
    content: bytes, encoding: str | None, piece: int
) -> None:
    wire = encode(content, encoding)
    named = (encoding or IDENTITY).removeprefix("raw ")
    assert unpack(wire, named, max(piece, len(wire) // 500)) == content


@given(st.lists(contents, min_size=1, max_size=4), st.integers(1, 100))
def test_several_gzip_members_are_one_body(parts: list[bytes], piece: int) -> None:
    wire = b"".join(gzip.compress(part) for part in parts)
    assert unpack(wire, GZIP, max(piece, len(wire) // 500)) == b"".join(parts)


@given(contents, st.sampled_from(["gzip", "deflate"]), st.data())
def test_a_compressed_body_without_its_end_is_a_failure(
    content: bytes, encoding: str, data: st.DataObject
) -> None:
    wire = encode(content, encoding)
    kept = data.draw(st.integers(1, len(wire) - 1))
    with pytest.raises(BadBody, match="breaks off"):
        unpack(wire[:kept], encoding)


@given(contents, st.data())
def test_one_damaged_bit_in_gzip_content_is_never_another_body(content: bytes, data: st.DataObject) -> None:
    wire = bytearray(gzip.compress(content))
    at = data.draw(st.integers(10, len(wire) - 1))  # after the header, whose time and system mean nothing
    wire[at] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(BadBody):
        assert unpack(bytes(wire), GZIP) == content


@pytest.mark.parametrize("named", [GZIP, DEFLATE])
def test_padding_after_the_end_is_nothing_and_anything_else_is_a_failure(named: str) -> None:
    wire = encode(b"agency", named)
    assert unpack(wire + bytes(512), named, 7) == b"agency"
    for garbage in (b"x", b"\0\0x", b"<html>", b"\x1f", b"\x1f\x8b\x08"):
        with pytest.raises(BadBody):
            unpack(wire + garbage, named, 7)


def test_a_second_deflate_stream_is_a_failure() -> None:
    with pytest.raises(BadBody, match="something else after its end"):
        unpack(zlib.compress(b"a") * 2, DEFLATE)


def test_output_that_ends_exactly_with_a_step_is_whole() -> None:
    for size in (STEP - 1, STEP, STEP + 1, 2 * STEP, 3 * STEP):
        content = random.Random(size).randbytes(100) * (size // 100 + 1)
        assert unpack(gzip.compress(content[:size]), GZIP, 10_000) == content[:size]


def test_what_zlib_still_holds_when_all_input_is_taken_is_not_forgotten() -> None:
    for size in range(4 * STEP, 4 * STEP + 600, 37):
        assert len(unpack(encode(bytes(size), "raw deflate"), DEFLATE)) == size


def test_the_limits_are_inclusive() -> None:
    limits = SizeLimits(wire=1000, decoded=1000)
    assert len(unpack(b"x" * 1000, IDENTITY, limits=limits)) == 1000
    with pytest.raises(BadBody, match="answered more than 1000 bytes"):
        unpack(b"x" * 1001, IDENTITY, limits=limits)
    assert len(unpack(gzip.compress(b"x" * 1000), GZIP, limits=limits)) == 1000
    with pytest.raises(BadBody, match="unpacks to more than 1000 bytes"):
        unpack(gzip.compress(b"x" * 1001), GZIP, limits=limits)


def test_a_small_body_may_be_packed_well() -> None:
    assert len(unpack(bomb(MIB), GZIP)) == MIB
    with pytest.raises(BadBody, match="more than 100 times its size"):
        unpack(bomb(MIB + 1), GZIP)


def test_a_bomb_in_many_members_is_still_one() -> None:
    with pytest.raises(BadBody, match="more than 100 times its size"):
        unpack(bomb(2**18) * 50, GZIP, 65_536)


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("", IDENTITY),
        ("identity", IDENTITY),
        ("GZIP", GZIP),
        ("x-gzip", GZIP),
        (" deflate ,", DEFLATE),
        ("identity, gzip", GZIP),
    ],
)
def test_the_names_of_codings(header: str, named: str) -> None:
    assert read_coding(header) == named
