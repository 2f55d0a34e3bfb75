"""Checks the log in the database against a head that was published before: every entry is hashed again, so
the check does not rely on the stored tree, and every poll and published change in the tables is compared with
its entry.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from monitor.errors import RecordError
from monitor.record.change_check import ChangeCheck, RowsByEntry
from monitor.record.checkpoint import Checkpoint, Verifier, open_checkpoint, parse_head
from monitor.record.leaf import LeafValue, format_time
from monitor.record.log import describe_poll
from monitor.record.tiles import HEIGHT
from monitor.record.tree import EMPTY_ROOT, Frontier, hash_leaf
from monitor.storage.lists import log_rows
from monitor.storage.lists.bodies import find_kept
from monitor.storage.lists.history import GOOD, REJECTED, UNCHANGED
from monitor.storage.lists.log_rows import LogHead
from monitor.storage.lists.logged_rows import (
    LoggedPoll,
    find_unlogged_poll,
    iterate_logged_polls,
    iterate_logged_readings,
)
from monitor.storage.lists.record_rows import iterate_leaves
from monitor.storage.lists.sent_requests import join_validators, load_requests

_HASHES = 4096  # the number of entries that are compared with the stored hashes at a time
_BODIES = 500  # the number of publications that are looked for at a time
_AS_TOLD = "and their versions read as their entries say"
_KEPT = "all that the entries name are stored, or an entry says that they were removed"


def check_log(conn: Connection, head: str) -> tuple[tuple[str, bool, str], ...]:
    """Run every check of the log against a published ``head``: name, success and explanation.

    Raises RecordError for a line that is not a head.
    """
    size, root = parse_head(head)
    stands = log_rows.load_head(conn)
    if size > stands.size:
        older = f"the record has {stands.size} entries and had {size}: it is an older copy"
        return (("Head", False, older),)
    signed, problem = _open_signed(conn, stands)
    roots: dict[int, bytes] = {0: EMPTY_ROOT}
    wanted = {size, stands.size, *([signed.size] if signed else [])}
    frontier, damaged = Frontier(), _Damage(conn)
    polls, changes = _Polls(conn, stands.size), ChangeCheck(conn, stands.size)
    publications = _Publications(conn)
    began: datetime | None = None
    for number, content in enumerate(iterate_leaves(conn, stands.size)):
        hashed = hash_leaf(content.encode())
        frontier, completed = frontier.append(hashed)
        entry = _read_entry(content)
        began = _read_time(entry) if number == 0 else began
        polls.compare(number, entry)
        changes.compare(number, entry)
        publications.compare(number, entry)
        damaged.compare(number, [node for node in completed if node[0] % HEIGHT == 0])
        if frontier.size in wanted:
            roots[frontier.size] = frontier.root
    entries = _describe_damage(stands, frontier, damaged.finish())
    polls.finish(began)
    changes.finish(began)
    publications.finish()
    continues = roots.get(size) == root
    if signed is not None and roots.get(signed.size) != signed.root:
        problem = f"the signed state of {signed.size} entries is of another history"
        signed = None
    return (
        ("Head", continues, _describe_history(conn, size, stands.size, continues=continues)),
        ("Entries", not entries, entries or "every entry has the hash that is stored for it"),
        ("Polls", not polls.problem, polls.problem or f"{polls.count} polls read as their entries say"),
        ("Changes", not changes.problem, changes.problem or f"{changes.count} changes {_AS_TOLD}"),
        ("Publications", not publications.problem, publications.problem or _KEPT),
        ("Signature", signed is not None, f"{signed.size} entries are signed" if signed else problem),
    )


def _open_signed(conn: Connection, stands: LogHead) -> tuple[Checkpoint | None, str]:
    """Read the newest signed state, or why there is none."""
    note = log_rows.load_checkpoint(conn)
    if note is None or stands.key is None:
        return None, "the record was never signed"
    try:
        return open_checkpoint(note, Verifier.parse(stands.key)), ""
    except RecordError as error:
        return None, f"{error}"


def _describe_history(conn: Connection, size: int, entries: int, *, continues: bool) -> str:
    """Describe how ``entries`` relate to the first ``size`` that were published."""
    if continues:
        return f"the record of {entries} entries continues the one of {size} that was published"
    forks = "".join(
        f"; entry {fork.entry} says that it goes on from an older copy than {fork.published!r}"
        for fork in log_rows.load_forks(conn)
    )
    return f"the first {size} entries are not those that were published: it is another history{forks}"


def _describe_damage(stands: LogHead, frontier: Frontier, where: int | None) -> str:
    """Describe what is wrong with the hashes of the entries; "" if nothing is wrong. ``where`` is the first
    damaged entry.
    """
    if where is not None:
        return f"entry {where} was changed: the hash that is stored belongs to another one"
    if frontier.size != stands.size or b"".join(frontier.peaks) != stands.peaks:
        return f"there are {frontier.size} entries, and they do not lead to the stored state of {stands.size}"
    return ""


class _Damage:
    """Finds the first entry whose hash, or the hash of a subtree that ends with it, differs from the stored
    one.
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._hashes: list[tuple[int, int, int, bytes]] = []
        self._first: int | None = None

    def compare(self, number: int, nodes: list[tuple[int, int, bytes]]) -> None:
        """Compare the nodes that an entry completes with the stored ones."""
        self._hashes += [(level, index, number, hashed) for level, index, hashed in nodes]
        if len(self._hashes) >= _HASHES:
            self.finish()

    def finish(self) -> int | None:
        """Compare the collected nodes; returns the first damaged entry, None if no entry is damaged."""
        for level in sorted({each[0] for each in self._hashes}):
            given = [each for each in self._hashes if each[0] == level]
            stored = log_rows.load_hashes(self._conn, level, given[0][1], given[-1][1] + 1)
            padded = (*stored, *[b""] * (len(given) - len(stored)))
            wrong = [each[2] for each, known in zip(given, padded, strict=True) if known != each[3]]
            self._first = min([*wrong, *([] if self._first is None else [self._first])], default=None)
        self._hashes.clear()
        return self._first


class _Publications:
    """Checks that every publication that an entry calls kept is stored, or that a later entry says that it
    was redacted. The stored bytes are checked when they are read.
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._unchecked: dict[str, int] = {}
        self._told: set[str] = set()  # removed by an entry
        self._redacted: dict[str, int] = {}  # removed from the tables, and not yet by an entry
        self.problem = ""

    def compare(self, number: int, entry: Mapping[str, Any]) -> None:
        """Compare the entry ``number``; a redaction comes after the polls that saw the publication."""
        body = f"{entry.get('body')}"
        if entry.get("type") == "redaction":
            self._flush()
            self._told.add(body)
            self._redacted.pop(body, None)
        elif "baseline" in entry and entry.get("outcome") in (GOOD, REJECTED) and "body_kept" not in entry:
            self._unchecked.setdefault(body, number)
            if len(self._unchecked) >= _BODIES:
                self._flush()

    def finish(self) -> None:
        self._flush()
        for body, number in self._redacted.items():
            self._tell(number, body, "was removed from the tables, and no entry says so")

    def _flush(self) -> None:
        kept = find_kept(self._conn, self._unchecked)
        for body, number in self._unchecked.items():
            if body not in kept:
                self._tell(number, body, "is not in the tables")
            elif not kept[body] and body not in self._told:
                self._redacted.setdefault(body, number)
        self._unchecked.clear()

    def _tell(self, number: int, body: str, what: str) -> None:
        self.problem = self.problem or f"the publication {body[:12]} of entry {number} {what}"


class _Polls:
    """Compares the polls in the tables with their entries. Polls of version 0.1.0 have no entries."""

    def __init__(self, conn: Connection, size: int) -> None:
        self._conn = conn
        self._claims = RowsByEntry(iterate_logged_polls(conn, size))
        self._readings = RowsByEntry(iterate_logged_readings(conn, size))
        self._requests: dict[int | None, dict[str, Any]] = {}
        self.count = 0
        self.problem = ""

    def compare(self, number: int, entry: Mapping[str, Any]) -> None:
        """Compare the entry ``number`` with the rows that name it, one for a poll and none for all others."""
        rows = self._claims.take(number)
        readings = {(each.digest, each.listings) for each in self._readings.take(number)}
        is_poll = entry.get("type") == "poll" and "baseline" in entry  # checks of agreements have none
        if len(rows) != is_poll:
            self._find(
                f"entry {number} {'is claimed by another poll' if rows else 'has no poll in the tables'}"
            )
        elif is_poll:
            self.count += 1
            told = self._describe(rows[0])
            changed = sorted(name for name, value in told.items() if entry.get(name) != value)
            if "set" in entry and (entry["set"], entry.get("listings")) not in readings:
                changed.append("what was read")
            if changed:
                self._find(
                    f"entry {number} says another thing than the poll of {told['at']}: {', '.join(changed)}"
                )

    def finish(self, since: datetime | None) -> None:
        """Look for polls without an entry that are not older than the first one, which is of ``since``."""
        found = None if since is None else find_unlogged_poll(self._conn, since)
        if found is not None:
            self._find(f"{found[0]}: the poll of {format_time(found[1])} names no entry")

    def _describe(self, row: LoggedPoll) -> dict[str, LeafValue | None]:
        if row.request_id not in self._requests:
            self._requests |= load_requests(self._conn, [row.request_id])
        told = describe_poll(row, join_validators(self._requests.get(row.request_id), row.validators))
        return told if row.hash is None and row.outcome == UNCHANGED else told | {"body": row.hash}

    def _find(self, problem: str) -> None:
        self.problem = self.problem or problem


def _read_entry(content: str) -> Mapping[str, Any]:
    """Read the content of an entry; a damaged entry has no type."""
    try:
        entry = json.loads(content)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _read_time(entry: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(f"{entry.get('at')}")
    except ValueError:
        return None
