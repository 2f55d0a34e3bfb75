"""Raw bodies: small differences, exact bytes, bounded chains, and no body that is given back wrong."""

from __future__ import annotations

import gzip
import io
import random
import zlib
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256, shake_128
from pathlib import Path
from zipfile import ZipFile

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from monitor.errors import DamagedBody, StoreError
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import bodies, history
from monitor.storage.lists.tables import BodyRow


def name_of(body: bytes) -> str:
    return sha256(body).hexdigest()


def lists(count: int, rows: int = 400, seed: int = 1) -> list[bytes]:
    """Publications of one list, each with two rows that the one before it did not have."""
    drawn = random.Random(seed)
    table = [f"{drawn.randbytes(9).hex()} Police Department,{drawn.randrange(10**6)}" for _ in range(rows)]
    published = []
    for _ in range(count):
        for _ in range(2):
            table[drawn.randrange(rows)] = (
                f"{drawn.randbytes(9).hex()} Police Department,{drawn.randrange(10**6)}"
            )
        published.append(("\n".join(table) + "\n").encode())
    return published


def insert(
    engine: Engine, now: datetime, *published: bytes, wire: Callable[[bytes], bytes] | None = None
) -> None:
    previous = None
    for body in published:
        with transaction(engine) as conn:
            bodies.insert_body(
                conn, name_of(body), body, now, previous=previous, wire=None if wire is None else wire(body)
            )
        previous = name_of(body)


def loaded(engine: Engine, sha: str) -> bytes | None:
    with reading(engine) as conn:
        return bodies.load_body(conn, sha)


def stored(engine: Engine) -> dict[str, sa.Row[tuple[str, str, bytes, str | None, int]]]:
    with reading(engine) as conn:
        rows = conn.execute(
            sa.text("SELECT hash, encoding, content, base, position, wire_hash, wire_parameters FROM body")
        ).all()
    return {row.hash: row for row in rows}


def test_a_year_of_small_changes_is_small_and_every_body_is_given_back(engine: Engine, now: datetime) -> None:
    published = lists(70, rows=1500)
    insert(engine, now, *published)

    rows = stored(engine)
    whole = [row for row in rows.values() if row.encoding == "zstd"]
    differences = [row for row in rows.values() if row.encoding == "difference"]
    assert (len(whole), len(differences)) == (3, 67)  # 70 bodies are two full chains and a started one
    assert sum(len(row.content) for row in differences) * 10 < sum(map(len, published))
    assert max(len(row.content) for row in differences) * 10 < min(len(row.content) for row in whole)
    for body in published:
        assert loaded(engine, name_of(body)) == body


def test_no_body_is_more_than_five_differences_away_from_a_whole_one(engine: Engine, now: datetime) -> None:
    published = lists(bodies.CHAIN + 1, rows=60)
    insert(engine, now, *published)

    rows = stored(engine)
    steps = []
    for body in published:
        row, count = rows[name_of(body)], 0
        while row.base is not None:
            assert rows[row.base].position < row.position
            row, count = rows[row.base], count + 1
        steps.append(count)
    assert max(steps) == 5
    assert [rows[name_of(body)].position for body in published] == [*range(bodies.CHAIN), 0]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(published=st.lists(st.binary(max_size=300), max_size=12), follow=st.integers(0, 3))
def test_whatever_was_published_is_given_back(
    sqlite_engine: Engine, now: datetime, published: list[bytes], follow: int
) -> None:
    with transaction(sqlite_engine) as conn:
        conn.execute(sa.delete(BodyRow))
    for number, body in enumerate(published):
        with transaction(sqlite_engine) as conn:
            previous = published[max(0, number - 1 - follow)] if number else None
            bodies.insert_body(
                conn, name_of(body), body, now, previous=None if previous is None else name_of(previous)
            )
    for body in published:
        assert loaded(sqlite_engine, name_of(body)) == body


def test_a_body_is_kept_once_and_one_that_is_not_kept_is_none(engine: Engine, now: datetime) -> None:
    body = lists(1)[0]
    insert(engine, now, body, body)
    assert len(stored(engine)) == 1
    assert loaded(engine, "0" * 64) is None


def test_a_body_that_does_not_compress_is_raw(engine: Engine, now: datetime) -> None:
    noise = shake_128(b"noise").digest(5000)
    insert(engine, now, noise)
    assert [row.encoding for row in stored(engine).values()] == ["raw"]
    assert loaded(engine, name_of(noise)) == noise


def test_a_body_that_has_little_of_the_one_before_is_whole(engine: Engine, now: datetime) -> None:
    first, second = lists(1)[0], lists(1, seed=2)[0]
    insert(engine, now, first, second)
    assert [row.encoding for row in stored(engine).values()] == ["zstd", "zstd"]


def test_a_body_beyond_the_limit_takes_no_part_in_differences(
    engine: Engine, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = lists(2)
    monkeypatch.setattr(bodies, "DIFFERENCE_LIMIT", min(len(small), len(large)) - 1)
    insert(engine, now, small, large)
    assert [row.encoding for row in stored(engine).values()] == ["zstd", "zstd"]


def test_large_bodies_reach_back_through_all_of_the_dictionary(engine: Engine, now: datetime) -> None:
    """What changed may be the first row, and the same bytes lie a whole body (here 5 MB) behind."""
    first = b"".join(b"%s\n" % random.Random(7).randbytes(40).hex().encode() for _ in range(1))
    rest = random.Random(8).randbytes(2_500_000).hex().encode()
    insert(engine, now, first + rest, b"changed" + rest)
    changed = stored(engine)[name_of(b"changed" + rest)]
    assert changed.encoding == "difference"
    assert len(changed.content) < 5000
    assert loaded(engine, changed.hash) == b"changed" + rest


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_damaged_body_is_an_error_that_says_what_to_do(engine: Engine, now: datetime, place: int) -> None:
    published = lists(3)
    insert(engine, now, *published)
    content = bytearray(stored(engine)[name_of(published[place])].content)
    content[len(content) // 2] ^= 0x10
    with transaction(engine) as conn:
        conn.execute(
            sa.update(BodyRow)
            .where(BodyRow.c.hash == name_of(published[place]))
            .values(content=bytes(content))
        )
    with reading(engine) as conn, pytest.raises(DamagedBody, match=r"damaged.*backup"):
        bodies.load_body(conn, name_of(published[place]))


def test_a_base_that_is_gone_is_an_error_and_new_bodies_are_stored_whole(
    engine: Engine, now: datetime
) -> None:
    first, second, third, fourth = lists(4)
    insert(engine, now, first, second, third)
    with transaction(engine) as conn:
        conn.execute(sa.delete(BodyRow).where(BodyRow.c.hash == name_of(first)))
    with reading(engine) as conn, pytest.raises(DamagedBody, match="damaged"):
        bodies.load_body(conn, name_of(third))

    with transaction(engine) as conn:
        bodies.insert_body(conn, name_of(fourth), fourth, now, previous=name_of(third))
    assert stored(engine)[name_of(fourth)].encoding == "zstd"
    assert loaded(engine, name_of(fourth)) == fourth


# --- the wire form ------------------------------------------------------------------------------------------


def plain_gzip(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def named_gzip(body: bytes) -> bytes:
    """As a file with a name and a time, the way a static file is compressed ahead."""
    packed = io.BytesIO()
    with gzip.GzipFile("list.kml", "wb", 9, packed, mtime=1_700_000_000) as file:
        file.write(body)
    return packed.getvalue()


def apache_gzip(body: bytes) -> bytes:
    stream = zlib.compressobj(6, zlib.DEFLATED, -15, 9)
    tail = zlib.crc32(body).to_bytes(4, "little") + len(body).to_bytes(4, "little")
    return b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + stream.compress(body) + stream.flush() + tail


@pytest.mark.parametrize("server", [plain_gzip, named_gzip, apache_gzip])
def test_what_the_server_sent_is_restored_to_the_byte(
    engine: Engine, now: datetime, server: Callable[[bytes], bytes]
) -> None:
    published = lists(5)
    wires = {body: server(body) for body in published}
    insert(engine, now, *published, wire=wires.__getitem__)

    rows = stored(engine)
    assert [rows[name_of(body)].encoding for body in published] == ["gzip", *["difference"] * 4]
    for body in published:
        assert loaded(engine, name_of(body)) == body
        assert rows[name_of(body)].wire_hash == name_of(wires[body])
        with reading(engine) as conn:
            assert bodies.load_wire(conn, name_of(body)) == wires[body]


def test_a_form_that_zlib_does_not_reproduce_is_known_by_its_hash(engine: Engine, now: datetime) -> None:
    """Two members in one body, as a server makes that compresses in pieces of its own."""
    published = lists(2)

    def pieces(body: bytes) -> bytes:
        return plain_gzip(body[:1000]) + plain_gzip(body[1000:])

    insert(engine, now, *published, wire=pieces)
    first, second = (stored(engine)[name_of(body)] for body in published)
    assert (first.encoding, second.encoding, second.wire_parameters) == ("gzip", "difference", None)
    assert second.wire_hash == name_of(pieces(published[1]))
    with reading(engine) as conn:
        assert bodies.load_body(conn, first.hash) == published[0]
        assert bodies.load_wire(conn, first.hash) == pieces(published[0])
        assert bodies.load_wire(conn, second.hash) is None


def test_another_zlib_is_said_to_be_the_reason(engine: Engine, now: datetime) -> None:
    published = lists(2)
    insert(engine, now, *published, wire=plain_gzip)
    with transaction(engine) as conn:
        conn.execute(
            sa.update(BodyRow)
            .where(BodyRow.c.hash == name_of(published[1]))
            .values(wire_parameters=[1, 8, plain_gzip(b"")[:10].hex()])
        )
    with reading(engine) as conn:
        with pytest.raises(StoreError, match="zlib"):
            bodies.load_wire(conn, name_of(published[1]))
        assert bodies.load_body(conn, name_of(published[1])) == published[1]


@given(body=st.binary(max_size=3000), level=st.integers(1, 9))
def test_zlib_parameters_are_found_for_what_zlib_made(body: bytes, level: int) -> None:
    wire = gzip.compress(body, level, mtime=5)
    found = bodies.find_gzip_parameters(wire, body)
    assert found is not None
    assert b"".join(found.compress(body)) == wire


@given(noise=st.binary(max_size=80), flags=st.integers(0, 255))
def test_a_header_that_is_none_gives_no_parameters(noise: bytes, flags: int) -> None:
    for wire in (noise, b"\x1f\x8b\x08" + bytes([flags]) + noise):
        found = bodies.find_gzip_parameters(wire, b"body")
        assert found is None or b"".join(found.compress(b"body")) == wire


# --- workbooks ----------------------------------------------------------------------------------------------


def test_workbooks_are_given_back_to_the_byte(sqlite_engine: Engine, now: datetime, shared: Path) -> None:
    books = [path.read_bytes() for path in sorted((shared / "data/ice_287g").glob("*.xlsx"))]
    again = io.BytesIO(books[-1])
    with ZipFile(again, "a") as archive:
        archive.comment = b"release 2"
    insert(sqlite_engine, now, *books, again.getvalue())
    rows = stored(sqlite_engine)
    assert rows[name_of(again.getvalue())].encoding == "difference"
    assert len(rows[name_of(again.getvalue())].content) < 1000
    for book in (*books, again.getvalue()):
        assert loaded(sqlite_engine, name_of(book)) == book


# --- bodies of earlier versions -----------------------------------------------------------------------------


def published_before(engine: Engine, now: datetime, source: str, published: list[bytes]) -> None:
    """As version 0.1.0 wrote them: each whole, and a snapshot of it."""
    for body in published:
        with transaction(engine) as conn:
            bodies.insert_body(conn, name_of(body), body, now)
            fetch = history.insert_fetch(conn, history.Attempt(source=source, at=now, outcome="good"))
            history.add_snapshot(
                conn,
                source=source,
                fetch_id=fetch,
                at=now,
                hash=name_of(body),
                digest="",
                fingerprint="",
                listings=1,
                verdict="accepted",
            )


def test_bodies_of_earlier_versions_are_converted(engine: Engine, now: datetime) -> None:
    one, other = lists(40), lists(10, seed=2)
    published_before(engine, now, "one", one)
    published_before(engine, now, "other", other)

    report = bodies.convert_bodies(engine)

    assert report.bodies == 38 + 9  # the first of each list and the one after a full chain stay whole
    assert report.after * 10 < report.before
    assert max(row.position for row in stored(engine).values()) == bodies.CHAIN - 1
    for body in (*one, *other):
        assert loaded(engine, name_of(body)) == body
    assert bodies.convert_bodies(engine).bodies == 0


def test_a_conversion_that_is_cut_off_loses_nothing_and_goes_on(engine: Engine, now: datetime) -> None:
    """The process dies at the commit of the fifth body."""
    published = lists(12)
    published_before(engine, now, "list", published)

    class Killed(BaseException):
        pass

    commits = 0

    def die(_: object) -> None:
        nonlocal commits
        commits += 1
        if commits == 9:  # reading commits nothing; every body is one transaction
            raise Killed

    sa.event.listen(engine, "commit", die)
    with pytest.raises(Killed):
        bodies.convert_bodies(engine)
    sa.event.remove(engine, "commit", die)

    encodings = [stored(engine)[name_of(body)].encoding for body in published]
    assert encodings.count("difference") == 8
    for body in published:
        assert loaded(engine, name_of(body)) == body
    assert bodies.convert_bodies(engine).bodies == 3
    for body in published:
        assert loaded(engine, name_of(body)) == body


def test_a_body_that_others_start_from_stays_as_it_is(engine: Engine, now: datetime) -> None:
    """The first poll after an upgrade stores a difference to the last old body."""
    *old, new = lists(4)
    published_before(engine, now, "list", old)
    with transaction(engine) as conn:
        bodies.insert_body(conn, name_of(new), new, now, previous=name_of(old[-1]))

    assert bodies.convert_bodies(engine).bodies == 1
    assert [stored(engine)[name_of(body)].encoding for body in (*old, new)] == [
        "zstd",
        "difference",
        "zstd",
        "difference",
    ]
    for body in (*old, new):
        assert loaded(engine, name_of(body)) == body
