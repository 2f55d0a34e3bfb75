"""Whatever somebody changes in the log of a database, a head that was published before shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from monitor.record import log, signing
from monitor.record.checkpoint import Checkpoint, Signer, sign_note
from monitor.record.leaf import encode_leaf
from monitor.record.log_check import check_log
from monitor.record.tree import Frontier, hash_leaf
from monitor.storage.engine import reading, transaction
from monitor.storage.lists.history import FAILED, GOOD, REJECTED, UNCHANGED, Attempt
from monitor.storage.lists.log_tables import LogCheckpointRow, LogHeadRow, LogLeafRow, LogNodeRow
from monitor.storage.lists.tables import FetchRow

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENTRIES = 300  # more than a tile, so that nodes are stored too
LEAF, HEAD, NODE = LogLeafRow.c, LogHeadRow.c, LogNodeRow.c


def write_log(engine: Engine, folder: Path) -> tuple[str, Signer]:
    """A signed log; the head that was published of it, and who signed it."""
    key = signing.open_log_key(engine, folder, "watch.example/log", NOW)
    with transaction(engine) as conn:
        for number in range(ENTRIES):
            log.append_entry(conn, {"type": "start", "version": f"{number}"}, NOW + timedelta(hours=number))
    checkpoint = signing.sign_checkpoint(engine, key, folder, NOW)
    assert checkpoint is not None
    return checkpoint.head, key.signer


def write_content(conn: Connection, number: int, text: str, *, hashed: bool) -> None:
    content = encode_leaf({"type": "start", "version": text})
    values = {"content": content.decode()} | ({"hash": hash_leaf(content)} if hashed else {})
    conn.execute(sa.update(LogLeafRow).where(LEAF.number == number).values(**values))


def swap(conn: Connection, one: int, two: int) -> None:
    rows = {
        row.number: row
        for row in conn.execute(
            sa.select(LEAF.number, LEAF.content, LEAF.hash).where(LEAF.number.in_((one, two)))
        )
    }
    for number, other in ((one, two), (two, one)):
        values = {"content": rows[other].content, "hash": rows[other].hash}
        conn.execute(sa.update(LogLeafRow).where(LEAF.number == number).values(**values))


def rewrite(conn: Connection, upto: int) -> None:
    """What somebody does who knows how the tree is made: another entry 7, and everything computed again."""
    write_content(conn, 7, "forged", hashed=True)
    frontier = Frontier()
    conn.execute(sa.delete(LogNodeRow))
    for row in conn.execute(sa.select(LEAF.hash).where(LEAF.number < upto).order_by(LEAF.number)).all():
        frontier, completed = frontier.append(bytes(row.hash))
        for level, index, node in completed[1:]:
            if level % 8 == 0:
                conn.execute(sa.insert(LogNodeRow).values(level=level, position=index, hash=node))
    conn.execute(sa.update(LogHeadRow).values(size=frontier.size, peaks=b"".join(frontier.peaks)))


def cut(conn: Connection, keep: int) -> None:
    conn.execute(sa.delete(LogLeafRow).where(LEAF.number >= keep))
    frontier = Frontier()
    for row in conn.execute(sa.select(LEAF.hash).order_by(LEAF.number)).all():
        frontier, _ = frontier.append(bytes(row.hash))
    conn.execute(sa.update(LogHeadRow).values(size=keep, peaks=b"".join(frontier.peaks)))


def reorder_keys(conn: Connection) -> None:
    content = json.dumps({"version": "4", "type": "start"})
    conn.execute(sa.update(LogLeafRow).where(LEAF.number == 5).values(content=content))


def sign_again(conn: Connection, name: str, seed: bytes) -> None:
    note = sign_note(Checkpoint(name, 10, bytes(32)).text, [Signer(name, seed)])
    conn.execute(sa.update(LogCheckpointRow).values(note=note))


TAMPERINGS: dict[str, tuple[Callable[[Connection], object], set[str]]] = {
    "content": (lambda conn: write_content(conn, 9, "x", hashed=False), {"Head", "Entries", "Signature"}),
    "content and its hash": (
        lambda conn: write_content(conn, 9, "x", hashed=True), {"Head", "Entries", "Signature"},
    ),
    "the last entry": (
        lambda conn: write_content(conn, ENTRIES, "x", hashed=True), {"Head", "Entries", "Signature"},
    ),
    "one space": (
        lambda conn: conn.execute(
            sa.update(LogLeafRow).where(LEAF.number == 3).values(content=LEAF.content + " ")
        ),
        {"Head", "Entries", "Signature"},
    ),
    "other order of keys": (reorder_keys, {"Head", "Entries", "Signature"}),
    "two neighbors": (lambda conn: swap(conn, 20, 21), {"Head", "Entries", "Signature"}),
    "two far apart": (lambda conn: swap(conn, 2, 290), {"Head", "Entries", "Signature"}),
    "a stored hash": (
        lambda conn: conn.execute(
            sa.update(LogLeafRow).where(LEAF.number == 30).values(hash=bytes(32))
        ),
        {"Entries"},
    ),
    "a stored node": (lambda conn: conn.execute(sa.update(LogNodeRow).values(hash=bytes(32))), {"Entries"}),
    "no stored nodes": (lambda conn: conn.execute(sa.delete(LogNodeRow)), {"Entries"}),
    "peaks": (
        lambda conn: conn.execute(sa.update(LogHeadRow).values(peaks=bytes(32) * 4)), {"Entries"},
    ),
    "one entry less": (
        lambda conn: conn.execute(sa.delete(LogLeafRow).where(LEAF.number == 100)),
        {"Head", "Entries", "Signature"},
    ),
    "the last one less": (
        lambda conn: conn.execute(sa.delete(LogLeafRow).where(LEAF.number == ENTRIES)),
        {"Head", "Entries", "Signature"},
    ),
    "cut and computed again": (lambda conn: cut(conn, 200), {"Head"}),
    "all computed again": (lambda conn: rewrite(conn, ENTRIES + 1), {"Head", "Signature"}),
    "another signature": (lambda conn: sign_again(conn, "watch.example/log", bytes(32)), {"Signature"}),
    "another log": (lambda conn: sign_again(conn, "other.example/log", bytes(32)), {"Signature"}),
    "no signature": (lambda conn: conn.execute(sa.delete(LogCheckpointRow)), {"Signature"}),
    "another key": (
        lambda conn: conn.execute(
            sa.update(LogHeadRow).values(key=str(Signer("watch.example/log", bytes(32)).verifier))
        ),
        {"Signature"},
    ),
    "no key": (lambda conn: conn.execute(sa.update(LogHeadRow).values(key=None)), {"Signature"}),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_published_head_shows_every_change_of_the_log(
    sqlite_engine: Engine, tmp_path: Path, name: str
) -> None:
    head, _ = write_log(sqlite_engine, tmp_path)
    change, expected = TAMPERINGS[name]
    with transaction(sqlite_engine) as conn:
        change(conn)
    with reading(sqlite_engine) as conn:
        failed = {check for check, passed, _ in check_log(conn, head) if not passed}
    assert failed == expected


def test_an_untouched_log_passes_and_goes_on(engine: Engine, tmp_path: Path) -> None:
    head, _ = write_log(engine, tmp_path)
    with reading(engine) as conn:
        assert all(passed for _, passed, _ in check_log(conn, head))
    with transaction(engine) as conn:
        log.append_entry(conn, {"type": "start", "version": "later"}, NOW)
    with reading(engine) as conn:
        results = check_log(conn, head)
    assert all(passed for _, passed, _ in results)
    assert f"the record of {ENTRIES + 2} entries continues the one of {ENTRIES + 1}" in results[0][2]


def test_the_entry_that_was_changed_is_named(sqlite_engine: Engine, tmp_path: Path) -> None:
    head, _ = write_log(sqlite_engine, tmp_path)
    with transaction(sqlite_engine) as conn:
        write_content(conn, 271, "x", hashed=False)
        write_content(conn, 280, "x", hashed=False)
    with reading(sqlite_engine) as conn:
        told = {check: text for check, _, text in check_log(conn, head)}
    assert told["Entries"] == "entry 271 was changed: the hash that is stored belongs to another one"


POLLS = [
    Attempt(
        source="ring",
        at=NOW + timedelta(minutes=number),
        outcome=outcome,
        status=200,
        url="https://list.example/kml",
        headers=(("ETag", "x"),),
        size=9,
        wire_bytes=7,
        hash="b" * 64,
        kept=False,
        reason=reason,
        request={"method": "GET", "headers": [["Accept", "*/*"]]},
        validators=(("If-None-Match", "x"),),
    )
    for number, (outcome, reason) in enumerate(
        [(GOOD, ""), (UNCHANGED, ""), (FAILED, "HTTP 500"), (REJECTED, "half of it is gone")]
    )
]
FETCH = FetchRow.c


def write_polls(engine: Engine, folder: Path) -> str:
    """A signed log of four polls between other entries; its head."""
    key = signing.open_log_key(engine, folder, "watch.example/log", NOW)
    with transaction(engine) as conn:
        for number, attempt in enumerate(POLLS):
            log.insert_poll(conn, attempt)
            log.append_entry(conn, {"type": "start", "version": f"{number}"}, NOW)
            log.append_look(conn, replace(attempt, source="agreement of Gary"), number)
    checkpoint = signing.sign_checkpoint(engine, key, folder, NOW)
    assert checkpoint is not None
    return checkpoint.head


def check_polls(engine: Engine, head: str) -> str:
    """What the check says of the polls; every other one passes."""
    with reading(engine) as conn:
        results = {name: (passed, text) for name, passed, text in check_log(conn, head)}
    assert all(passed for name, (passed, _) in results.items() if name != "Polls")
    passed, text = results["Polls"]
    assert passed == text.endswith("read as their entries say")
    return text


def test_polls_in_the_tables_read_as_their_entries(engine: Engine, tmp_path: Path) -> None:
    assert check_polls(engine, write_polls(engine, tmp_path)) == "4 polls read as their entries say"


@pytest.mark.parametrize(
    ("column", "value", "name"),
    [
        ("source", "other", "source"),
        ("at", NOW + timedelta(seconds=1), "at"),
        ("outcome", REJECTED, "outcome"),
        ("reason", "else", "reason"),
        ("status", 304, "status"),
        ("url", "https://else.example/", "url"),
        ("redirects", ["https://else.example/"], "redirects"),
        ("headers", [["ETag", "y"]], "headers"),
        ("wire_bytes", 8, "wire_bytes"),
        ("bytes", 8, "bytes"),
        ("hash", "c" * 64, "body"),
        ("hash", None, "body"),
        ("request_id", None, "request"),
        ("validators", None, "request"),
    ],
)
def test_a_poll_that_was_changed_in_the_tables_is_named(
    sqlite_engine: Engine, tmp_path: Path, column: str, value: object, name: str
) -> None:
    head = write_polls(sqlite_engine, tmp_path)
    with transaction(sqlite_engine) as conn:
        conn.execute(sa.update(FetchRow).where(FETCH.outcome == GOOD).values({column: value}))
    text = check_polls(sqlite_engine, head)
    assert text.startswith("entry 1 ")
    assert text.endswith(f": {name}")


def test_a_poll_that_was_removed_or_added_is_named(sqlite_engine: Engine, tmp_path: Path) -> None:
    head = write_polls(sqlite_engine, tmp_path)
    with transaction(sqlite_engine) as conn:
        conn.execute(sa.delete(FetchRow).where(FETCH.outcome == FAILED))
    assert check_polls(sqlite_engine, head) == "entry 7 has no poll in the tables"
    with transaction(sqlite_engine) as conn:
        conn.execute(sa.insert(FetchRow).values(source="ring", at=NOW, outcome=GOOD, leaf=2))
    assert check_polls(sqlite_engine, head) == "entry 2 is claimed by another poll"


def test_a_list_without_any_of_its_polls_is_named(sqlite_engine: Engine, tmp_path: Path) -> None:
    head = write_polls(sqlite_engine, tmp_path)
    with transaction(sqlite_engine) as conn:
        conn.execute(sa.delete(FetchRow))
    assert check_polls(sqlite_engine, head) == "entry 1 has no poll in the tables"
