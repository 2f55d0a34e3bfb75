"""The leak scan finds a trace wherever a file is cut into pieces, and reads no file into memory whole."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from monitor import subscribers
from monitor.core.tokens import Purpose
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.subscribers import Tombstones, leak_scan
from tests.subscribers.conftest import ANN, member, token

BLOCK = 4096
LONGEST = f"{'a' * 64}@{'.'.join(['b' * 59] * 3)}.example"
"""A local part of 64 characters (RFC 5321, 4.5.3.1.1) and a long domain."""


def whats(
    engine: Engine, keys: KeyFile, folder: Path, log: Path, *, secrets: tuple[str, ...] = ()
) -> list[str]:
    scan = subscribers.scan_for_leaks(engine, keys, Tombstones(folder), logs=[log], secrets=secrets)
    assert log.name in scan.searched
    return [trace.what for trace in scan.found if trace.where == log.name]


@pytest.mark.parametrize("before", [0, 1, 32, 128, 255])
def test_what_lies_across_the_border_of_two_pieces_is_found(
    sqlite_engine: Engine,
    keys: KeyFile,
    now: datetime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: int,
) -> None:
    """``before``: how many characters of it are in the first piece."""
    monkeypatch.setattr(leak_scan, "_BLOCK", BLOCK)
    one = member(sqlite_engine, keys, now, LONGEST)
    log = tmp_path / "monitor.log"
    for secret, what in (
        (LONGEST, "a subscriber's address in the clear"),
        (token(keys, Purpose.UNSUBSCRIBE, one), "a token"),
        (token(keys, Purpose.BOUNCE, one), "a token"),
        ("correct horse battery", "a word that must not be there"),
    ):
        for piece in (1, 3):
            start = piece * BLOCK - min(before, len(secret))
            log.write_text(" " * start + secret + " " * BLOCK)
            assert whats(sqlite_engine, keys, tmp_path, log, secrets=("Correct Horse Battery",)) == [what]


def test_pieces_overlap_by_more_than_the_longest_address_and_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = leak_scan._BLOCK
    monkeypatch.setattr(leak_scan, "_BLOCK", BLOCK)
    file = tmp_path / "file"
    content = bytes(number * 7 % 251 for number in range(3 * BLOCK + 5))
    file.write_bytes(content)
    pieces = list(leak_scan._blocks(file))
    overlap = leak_scan._OVERLAP
    assert 64 + 1 + 253 <= overlap < BLOCK
    assert usual <= 32 * 2**20
    assert [len(piece) for piece in pieces] == [BLOCK, BLOCK + overlap, BLOCK + overlap, 5 + overlap]
    assert pieces[0] + b"".join(piece[overlap:] for piece in pieces[1:]) == content
    assert all(later.startswith(first[-overlap:]) for first, later in pairwise(pieces))


def test_an_empty_file_counts_as_searched(sqlite_engine: Engine, keys: KeyFile, tmp_path: Path) -> None:
    log = tmp_path / "monitor.log"
    log.write_text("")
    assert whats(sqlite_engine, keys, tmp_path, log) == []


WANTED = leak_scan._Wanted(
    addresses=frozenset({b"ann@example.org", b"bob@mail.example"}),
    endpoints=frozenset({b"https://push.example/send/abcdef", b"https://relay.example/a-longer-one"}),
    domains=frozenset({b"example.org", b"mail.example"}),
    tokens=frozenset({b"7x" + b"a" * 26, b"7x" + b"b" * 16}),
    hashes=frozenset({b"0123456789abcdef" * 4}),
    words=(b"correct horse", b"battery"),
)
ADDRESS, ENDPOINT = (
    "a subscriber's address in the clear",
    "the endpoint of a subscriber's browser in the clear",
)
TOKEN, HASH, WORD = "a token", "the hash of an erased address", "a word that must not be there"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("from bob@example.org to ann@mail.example", set()),
        ("from x@y.example to ANN@example.org and z@example.org", {ADDRESS}),
        ("row.ann@example.orgrow", {ADDRESS}),
        ("ann@example.or and nn@example.org", set()),
        ("https://other.example/send/abcdef HTTPS://push.example/send/abcdef?more", {ENDPOINT}),
        ("https://relay.example/a-longer-one", {ENDPOINT}),
        ("https://push.example/send/abcde https://other.example/a-longer-one", set()),
        (f"7x{'c' * 26} 17X{'A' * 27}", {TOKEN}),
        (f"8x{'b' * 16} 7x{'b' * 15}", set()),
        (f"7x{'b' * 17}", {TOKEN}),
        (f"{'ab' * 32} {'0123456789abcdef' * 4}", {HASH}),
        (f"9{'0123456789abcdef' * 4}9", {HASH}),
        ("0123456789abcde" * 4, set()),
        ("a BATTERY is flat", {WORD}),
        ("the correct horse", {WORD}),
        ("a horse, correct", set()),
        ("", set()),
    ],
)
def test_what_is_a_trace_among_what_is_none(content: str, what: set[str]) -> None:
    found = leak_scan._traces("file", content.encode(), WANTED)
    assert {trace.what for trace in found} == what
    assert {trace.where for trace in found} <= {"file"}


def test_every_row_is_read_of_every_table_but_that_of_pages_and_their_headers(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    """As from a server, whose files are not at hand."""
    one = member(sqlite_engine, keys, now)
    with db.transaction(sqlite_engine) as conn:
        conn.exec_driver_sql("CREATE TABLE aaa (text)")
        conn.exec_driver_sql("CREATE TABLE zzz (text)")
        conn.exec_driver_sql("INSERT INTO aaa VALUES ('first')")
        conn.exec_driver_sql("INSERT INTO zzz VALUES ('last'), ('of all')")
    rows = list(leak_scan._rows(sqlite_engine))
    assert {"subscriber", "delivery", "rate_window", "aaa", "zzz"} <= {table for table, _ in rows}
    assert "alembic_version" not in {table for table, _ in rows}
    assert [row for table, row in rows if table in {"aaa", "zzz"}] == [
        b"('first',)",
        b"('last',)",
        b"('of all',)",
    ]
    (row,) = [row for table, row in rows if table == "subscriber"]
    assert one.nonce.encode() in row


def test_the_files_of_keys_and_erasures_are_not_searched(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, tmp_path: Path
) -> None:
    """They hold what would be found, and must."""
    member(sqlite_engine, keys, now)
    folder = tmp_path / "data"
    stones = Tombstones(folder)
    subscribers.erase(sqlite_engine, keys, channel="email", address=ANN, now=now, tombstones=stones)
    (hashed,) = (first for _, first in stones.read())
    for name in ("monitor.key", "monitor.key.new", "notes.txt"):
        (folder / name).write_text(hashed)
    (folder / "a folder").mkdir()
    scan = subscribers.scan_for_leaks(sqlite_engine, keys, stones)
    assert set(scan.searched) - {"monitor.db", "monitor.db-wal"} == {"notes.txt"}
    assert {trace.where for trace in scan.found} == {"notes.txt"}
