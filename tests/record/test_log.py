"""The log in the database: no gap, one tree, and nothing lost or signed twice by a kill, a copy or a second
process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.errors import KeyFileError
from monitor.record import log, signing
from monitor.record.checkpoint import Checkpoint, open_checkpoint
from monitor.record.leaf import decode_leaf
from monitor.record.log_key import exchange_log_key
from monitor.record.tree import (
    compute_root,
    hash_leaf,
    prove_consistency,
    prove_inclusion,
    verify_consistency,
    verify_inclusion,
)
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import log_rows
from monitor.storage.lists.history import Attempt
from monitor.storage.lists.tables import FetchRow

NAME = "watch.example/log"
APPENDS = 320 if os.environ.get("MONITOR_TORTURE") else 25
"""Of each of four pollers; a fifth of them is rolled back."""


def append(engine: Engine, now: datetime, count: int = 1) -> None:
    for _ in range(count):
        with transaction(engine) as conn:
            log.append_entry(conn, {"type": "test", "at": now.isoformat()}, now)


def entries(engine: Engine) -> list[dict[str, Any]]:
    with reading(engine) as conn:
        size = log_rows.load_head(conn).size
        leaves = log_rows.load_leaf_range(conn, 0, size)
        hashes = log_rows.load_hashes(conn, 0, 0, size)
    assert [leaf.number for leaf in leaves] == list(range(size))
    assert [hash_leaf(leaf.content) for leaf in leaves] == list(hashes)
    return [decode_leaf(leaf.content) for leaf in leaves]


def test_all_successive_states_are_consistent_and_every_entry_is_proved(
    sqlite_engine: Engine, now: datetime
) -> None:
    """Beyond 512 entries, so that two nodes of level 8 are kept and the levels between are computed."""
    with transaction(sqlite_engine) as conn:
        roots = []
        for number in range(530):
            log.append_entry(conn, {"type": "test", "n": number}, now)
            roots.append(log.read_frontier(log_rows.load_head(conn)).root)
    assert len(entries(sqlite_engine)) == 530
    with reading(sqlite_engine) as conn:
        nodes = log.read_nodes(conn)
        leaves = log_rows.load_leaf_range(conn, 0, 530)
        for old in range(1, 531, 7):
            assert compute_root(old, nodes) == roots[old - 1]
            proof = prove_consistency(old, 530, nodes)
            assert verify_consistency(old, 530, proof, roots[old - 1], roots[-1])
        for index in range(0, 530, 11):
            proof = prove_inclusion(index, 530, nodes)
            assert verify_inclusion(hash_leaf(leaves[index].content), index, 530, proof, roots[-1])
        assert conn.scalar(sa.text("SELECT count(*) FROM log_node")) == 2


def test_pollers_at_once_make_one_tree_without_a_gap(engine: Engine, now: datetime) -> None:
    """Four pollers of two lists, some of whose transactions are rolled back."""
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for number in range(APPENDS):
                try:
                    with transaction(engine) as conn:
                        at = now + timedelta(seconds=number)
                        log.insert_poll(conn, Attempt(source=f"list{worker % 2}", at=at, outcome="unchanged"))
                        if number % 5 == 0:
                            raise LookupError
                except LookupError:
                    pass
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=[worker]) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []

    told = entries(engine)
    assert len(told) == 4 * APPENDS * 4 // 5
    for source in ("list0", "list1"):
        assert [entry["poll"] for entry in told if entry["source"] == source] == list(
            range(1, APPENDS * 8 // 5 + 1)
        )
    with reading(engine) as conn:
        head = log_rows.load_head(conn)
        assert log.read_frontier(head).root == compute_root(head.size, log.read_nodes(conn))
        rows = conn.execute(sa.select(FetchRow.c.leaf, FetchRow.c.source).order_by(FetchRow.c.leaf)).all()
    assert [(row.leaf, row.source) for row in rows] == [
        (number, entry["source"]) for number, entry in enumerate(told)
    ]


def test_an_entry_says_what_was_seen_and_no_text_is_without_end(engine: Engine, now: datetime) -> None:
    attempt = Attempt(
        source="list",
        at=now,
        outcome="failed",
        reason="x" * 5000 + "\ud800",
        status=500,
        url="https://map.example/" + "y" * 100_000,
        redirects=("https://a.example",) * 50,
        headers=(("etag", '"1"'), ("set-cookie", "secret")),
        wire_bytes=5,
        size=9,
        hash="a" * 64,
        wire_hash="b" * 64,
    )
    with transaction(engine) as conn:
        log.insert_poll(
            conn,
            Attempt(**{**_fields(attempt), "reason": "r", "url": "https://map.example/" + "y" * 100_000}),
        )
    (entry,) = entries(engine)
    assert entry == {
        "type": "poll",
        "source": "list",
        "poll": 1,
        "baseline": 0,
        "at": "2026-03-01T12:00:00.000000Z",
        "outcome": "failed",
        "reason": "r",
        "status": 500,
        "url": ("https://map.example/" + "y" * 1000)[:1000],
        "redirects": ["https://a.example"] * 10,
        "headers": log.digest_headers([["etag", '"1"']]),
        "body": "a" * 64,
        "bytes": 9,
        "wire": "b" * 64,
        "wire_bytes": 5,
    }
    assert log.clip_text(attempt.reason) == "x" * 1000
    assert log.clip_text("\ud800") == "?"


def _fields(attempt: Attempt) -> dict[str, Any]:
    return {name: getattr(attempt, name) for name in Attempt.__slots__}


# --- signing ------------------------------------------------------------------------------------------------


@pytest.fixture
def signed(sqlite_engine: Engine, tmp_path: Path, now: datetime) -> Callable[[], Checkpoint | None]:
    def sign() -> Checkpoint | None:
        key = signing.open_log_key(sqlite_engine, tmp_path / "data", NAME, now)
        return signing.sign_checkpoint(sqlite_engine, key, tmp_path / "data", now)

    (tmp_path / "data").mkdir()
    return sign


def test_the_first_entry_names_the_key_and_a_checkpoint_covers_all(
    sqlite_engine: Engine, signed: Callable[[], Checkpoint | None], tmp_path: Path, now: datetime
) -> None:
    first = signed()
    assert first is not None
    assert first.size == 1
    assert signed() is None  # nothing was added
    append(sqlite_engine, now, 3)
    second = signed()
    assert second is not None
    assert second.size == 4

    key = signing.open_log_key(sqlite_engine, tmp_path / "data", NAME, now)
    assert entries(sqlite_engine)[0]["key"] == str(key.verifier)
    with reading(sqlite_engine) as conn:
        note = log_rows.load_checkpoint(conn)
    assert note is not None
    assert open_checkpoint(note, key.verifier) == second
    assert (tmp_path / "data" / "log.head").read_text() == note


def test_a_kill_between_the_commit_and_the_checkpoint_loses_nothing(
    sqlite_engine: Engine, signed: Callable[[], Checkpoint | None], tmp_path: Path, now: datetime
) -> None:
    signed()
    append(sqlite_engine, now, 2)

    class Killed(BaseException):
        pass

    def die(_: object) -> None:
        raise Killed

    sa.event.listen(sqlite_engine, "commit", die)
    with pytest.raises(Killed):
        signed()
    sa.event.remove(sqlite_engine, "commit", die)
    after = signed()
    assert after is not None
    assert after.size == 3

    # killed after the database knew the checkpoint and before its copy was written
    append(sqlite_engine, now)
    copy = (tmp_path / "data" / "log.head").read_text()
    assert signed() is not None
    (tmp_path / "data" / "log.head").write_text(copy)
    append(sqlite_engine, now)
    last = signed()
    assert last is not None
    assert last.size == 5
    assert [entry["type"] for entry in entries(sqlite_engine)] == ["key", *["test"] * 4]


@pytest.mark.parametrize("went_on", [0, 5])
def test_an_older_copy_that_goes_on_is_said_in_the_log(
    sqlite_engine: Engine,
    signed: Callable[[], Checkpoint | None],
    tmp_path: Path,
    now: datetime,
    went_on: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    signed()
    append(sqlite_engine, now, 2)
    published = signed()
    assert published is not None
    with transaction(sqlite_engine) as conn:  # the backup that is restored has one entry
        conn.execute(sa.text("DELETE FROM log_leaf WHERE number > 0"))
        conn.execute(sa.text("DELETE FROM log_checkpoint"))
        (first,) = log_rows.load_hashes(conn, 0, 0, 1)
        log_rows.update_head(conn, 1, first)
    append(sqlite_engine, now + timedelta(hours=1), went_on)

    assert signed() is not None

    fork = entries(sqlite_engine)[-1]
    assert (fork["type"], fork["published"]) == ("fork", published.head)
    assert "older copy" in caplog.text
    with reading(sqlite_engine) as conn:
        (kept,) = log_rows.load_forks(conn)
    assert (kept.published, kept.entry) == (published.head, 1 + went_on)
    append(sqlite_engine, now)
    assert signed() is not None
    assert [entry["type"] for entry in entries(sqlite_engine)].count("fork") == 1


def test_an_exchanged_key_is_told_and_another_one_is_refused(
    sqlite_engine: Engine, signed: Callable[[], Checkpoint | None], tmp_path: Path, now: datetime
) -> None:
    signed()
    folder = tmp_path / "data"
    old = signing.open_log_key(sqlite_engine, folder, NAME, now)
    new = exchange_log_key(folder, old)
    assert signed() is not None
    told = entries(sqlite_engine)[-1]
    assert (told["type"], told["before"], told["key"]) == ("key", str(old.verifier), str(new.verifier))
    assert told["endorsement"] == new.endorsements[-1]

    (folder / "log.key").unlink()
    with pytest.raises(KeyFileError, match="put back"):
        signed()
    other = tmp_path / "other"
    signing.create_log_key(other, NAME)
    (other / "log.key").rename(folder / "log.key")
    with pytest.raises(KeyFileError, match="put it back"):
        signed()
    assert len(entries(sqlite_engine)) == 2
