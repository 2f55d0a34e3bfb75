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
from monitor.subscribers import Tombstones, leak_scan
from tests.subscribers.conftest import member, token

BLOCK = 4096
LONGEST = f"{'a' * 64}@{'.'.join(['b' * 59] * 3)}.example"
"""A local part of 64 characters (RFC 5321, 4.5.3.1.1) and a long domain."""


def whats(
    engine: Engine, keys: KeyFile, folder: Path, log: Path, *, secrets: tuple[str, ...] = ()
) -> list[str]:
    scan = subscribers.prove(engine, keys, Tombstones(folder), logs=[log], secrets=secrets)
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
    monkeypatch.setattr(leak_scan, "_BLOCK", BLOCK)
    file = tmp_path / "file"
    content = bytes(number * 7 % 251 for number in range(3 * BLOCK + 5))
    file.write_bytes(content)
    pieces = list(leak_scan._blocks(file))
    overlap = leak_scan._OVERLAP
    assert 64 + 1 + 253 <= overlap < BLOCK
    assert [len(piece) for piece in pieces] == [BLOCK, BLOCK + overlap, BLOCK + overlap, 5 + overlap]
    assert pieces[0] + b"".join(piece[overlap:] for piece in pieces[1:]) == content
    assert all(later.startswith(first[-overlap:]) for first, later in pairwise(pieces))


def test_an_empty_file_counts_as_searched(sqlite_engine: Engine, keys: KeyFile, tmp_path: Path) -> None:
    log = tmp_path / "monitor.log"
    log.write_text("")
    assert whats(sqlite_engine, keys, tmp_path, log) == []
