"""The log over HTTP: a stranger rebuilds the tree from tiles alone and finds the signed root."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from sqlalchemy.engine import Engine

from monitor.record import log, signing, verify
from monitor.record.checkpoint import Verifier, open_checkpoint, parse_head, read_checkpoint
from monitor.record.tiles import decode_entries, format_tile_path
from monitor.record.tree import Frontier, hash_leaf, verify_consistency
from monitor.storage import database_facts
from monitor.storage.engine import transaction
from monitor.storage.lists import log_rows
from tests.web.conftest import Running

AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def filled(web: Running, tmp_path: Path) -> Running:
    with transaction(web.engine) as conn:
        # The database is shared by the tests of the site, the key is of this test.
        conn.exec_driver_sql("DELETE FROM log_checkpoint")
        conn.exec_driver_sql("UPDATE log_head SET key = NULL")
        for number in range(600):
            log.append_entry(conn, {"type": "test", "n": number}, AT)
    key = signing.open_log_key(web.engine, tmp_path, "watch.example/log", AT)
    signing.sign_checkpoint(web.engine, key, tmp_path, AT)
    return web


def fetch_all(web: Running, level: int | None, count: int) -> bytes:
    found = b""
    for index in range((count + 255) // 256):
        path = format_tile_path(level, index, min(256, count - 256 * index))
        answer = web.get(f"/log/{path}")
        assert answer.status_code == 200, path
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert ("immutable" in answer.headers["Cache-Control"]) == (".p/" not in path)
        found += answer.content
    return found


def test_the_tree_can_be_rebuilt_from_what_is_served(filled: Running) -> None:
    verifier = Verifier.parse(filled.get("/log/key").text)
    checkpoint = open_checkpoint(filled.get("/log/checkpoint").text, verifier)
    leaves = decode_entries(fetch_all(filled, None, checkpoint.size))
    assert len(leaves) == checkpoint.size > 600
    hashes = fetch_all(filled, 0, checkpoint.size)
    assert hashes == b"".join(map(hash_leaf, leaves))

    frontier, second = Frontier(), b""
    for leaf in leaves:
        frontier, completed = frontier.append(hash_leaf(leaf))
        second += b"".join(node for level, _, node in completed if level == 8)
    assert frontier.root == checkpoint.root
    assert fetch_all(filled, 1, checkpoint.size // 256) == second
    assert len(second) == checkpoint.size // 256 * sha256().digest_size


def test_two_states_of_the_record_are_joined_by_a_proof(filled: Running) -> None:
    last = open_checkpoint(filled.get("/log/checkpoint").text, Verifier.parse(filled.get("/log/key").text))
    leaves = decode_entries(fetch_all(filled, None, last.size))
    frontier, roots = Frontier(), {}
    for leaf in leaves:
        frontier, _ = frontier.append(hash_leaf(leaf))
        roots[frontier.size] = frontier.root
    for first in (1, 2, 255, 256, 257, 512, 600, last.size - 1, last.size):
        answer = filled.get(f"/log/consistency/{first}/{last.size}")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        steps = [base64.b64decode(line, validate=True) for line in answer.text.splitlines()]
        assert verify_consistency(first, last.size, steps, roots[first], last.root), first
        assert verify.continues(roots[first], first, last.root, last.size, steps), first
        assert not verify.continues(
            roots[first - 1] if first > 1 else b"", first, last.root, last.size, steps
        )
        assert not verify.continues(roots[first], first, bytes(32), last.size, steps)
        if steps:
            assert not verify.continues(roots[first], first, last.root, last.size, steps[:-1])
            assert not verify.continues(roots[first], first, last.root, last.size, [*steps, bytes(32)])
    for first, size in ((0, 5), (6, 5), (1, last.size + 1)):
        assert filled.get(f"/log/consistency/{first}/{size}").status_code == 404
    assert filled.get("/log/consistency/a/5").status_code == 404


def test_a_fork_of_the_record_is_said_beside_its_head(filled: Running) -> None:
    fork = log_rows.RecordFork(AT, 1234, "record 9 A+/BDnq5")
    with transaction(filled.engine) as conn:
        log.append_entry(conn, {"type": "fork"}, AT)
        log_rows.add_fork(conn, fork)
    try:
        for language, words in (
            ("en", "from an older copy (its entry 1,234)"),
            ("es", "una copia más antigua"),
        ):
            page = filled.get(f"/data?lang={language}").text
            assert fork.published in page
            assert words in page
    finally:  # the database is that of other tests too
        with transaction(filled.engine) as conn:
            log.append_entry(conn, {"type": "test"}, AT)
            database_facts.delete(conn, database_facts.FORKS)
    assert fork.published not in filled.get("/data").text


def test_feeds_carry_the_head_and_keep_their_etag(filled: Running) -> None:
    head = read_checkpoint(filled.get("/log/checkpoint").text).head
    first = filled.get("/feed.atom")
    assert first.headers["Record-Head"] == head
    again = filled.get("/feed.atom", **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.headers["Record-Head"]) == (304, head)
    assert parse_head(first.headers["Record-Head"])[0] > 600
    with transaction(filled.engine) as conn:
        conn.exec_driver_sql("DELETE FROM log_checkpoint")
    unsigned = filled.get("/feed.atom")
    assert "Record-Head" not in unsigned.headers
    assert unsigned.headers["ETag"] == first.headers["ETag"]


def test_what_is_not_there_yet_is_not_served(filled: Running) -> None:
    full = read_checkpoint(filled.get("/log/checkpoint").text).size // 256
    ahead = [
        format_tile_path(0, full, 256),
        format_tile_path(0, full + 1, 1),
        format_tile_path(1, 0, full + 1),
    ]
    ahead.append(format_tile_path(None, full, 256))
    for path in (*ahead, "tile/2/000.p/1", "tile/a", "tile"):
        assert filled.get(f"/log/{path}").status_code == 404, path


def test_a_service_without_a_record_says_so(web: Running) -> None:
    empty: Engine = web.engine
    with transaction(empty) as conn:
        conn.exec_driver_sql("DELETE FROM log_checkpoint")
        conn.exec_driver_sql("UPDATE log_head SET key = NULL")
    answers = [web.get(path) for path in ("/log/checkpoint", "/log/key")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert all(isinstance(answer, httpx.Response) for answer in answers)
