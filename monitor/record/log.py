"""The log of the record: entries are appended in the transaction that they describe, checkpoints are signed
afterwards.

An append locks the log's head first, before any other row, and holds it until the commit: so entries are
numbered without gaps, and transactions cannot deadlock. An entry needs no key; if a process is killed between
a commit and the next checkpoint, nothing is lost, because the next checkpoint covers the entry too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy.engine import Connection

from monitor.core.canonical import dump_canonical, hash_canonical
from monitor.record.leaf import LeafValue, encode_leaf, format_time
from monitor.record.tiles import HEIGHT, WIDTH, encode_entries
from monitor.record.tree import HASH_BYTES, Frontier, Nodes, hash_children, hash_leaf
from monitor.storage.lists import history, log_rows
from monitor.storage.lists.changes import StoredChange
from monitor.storage.lists.history import Attempt
from monitor.storage.lists.imports import Capture
from monitor.storage.lists.log_rows import LogHead
from monitor.storage.lists.logged_rows import LoggedPoll
from monitor.storage.lists.sent_requests import join_validators

_LONGEST = 1000  # the most characters of a text in an entry: a publisher may write endless names
_PART = 40_000  # the most bytes of changes in one entry; the rest go into further entries


def append_entry(conn: Connection, content: Mapping[str, LeafValue], now: datetime) -> int:
    """Append one entry and return its number."""
    return _append(conn, log_rows.lock_head(conn), content, now)


def insert_poll(conn: Connection, attempt: Attempt) -> int:
    """Write a fetch and its log entry, whatever its outcome; returns the id of the fetch."""
    head = log_rows.lock_head(conn)
    number, baseline = log_rows.count_poll(conn, attempt.source)
    kept = history.condense_attempt(conn, attempt)
    leaf = _append(conn, head, _describe_attempt(attempt, kept, number, baseline), attempt.at)
    return history.insert_fetch(conn, kept, leaf)


def append_look(conn: Connection, attempt: Attempt, number: int) -> int:
    """Append a check of an agreement in the form of a poll: ``attempt.source`` names the agreement, and its
    checks have numbers of their own. Returns the entry's number.
    """
    return append_entry(conn, _describe_attempt(attempt, attempt, number, None), attempt.at)


def append_agreement(
    conn: Connection, source: str, described: Mapping[str, LeafValue | None], now: datetime
) -> int:
    """Append a first copy of an agreement, or its replacement by another document; returns the entry's
    number. ``source`` names the agreement as its checks do.
    """
    content: dict[str, LeafValue] = {"type": "changes", "source": source, "at": format_time(now)}
    return append_entry(conn, content | {"changes": [_without_none(described)]}, now)


def _describe_attempt(
    attempt: Attempt, kept: Attempt, number: int, baseline: int | None
) -> dict[str, LeafValue]:
    """Describe a poll for the log; ``kept`` is the stored part of the attempt."""
    content: dict[str, LeafValue | None] = {
        "type": "poll",
        "poll": number,
        "baseline": baseline,
        "clock": attempt.clock,
        "body": attempt.hash,
        "body_kept": None if attempt.kept else 0,
        "wire": attempt.wire_hash,
        "set": attempt.digest,
        "listings": attempt.listings,
    }
    return _without_none(content | describe_poll(kept, join_validators(attempt.request, attempt.validators)))


def describe_poll(
    poll: Attempt | LoggedPoll, request: Mapping[str, Any] | None
) -> dict[str, LeafValue | None]:
    """Describe what an entry of the log and the row of its poll both have; ``request`` as it was sent."""
    size = poll.size if isinstance(poll, Attempt) else poll.bytes
    return {
        "source": poll.source,
        "at": format_time(poll.at),
        "outcome": poll.outcome,
        "reason": clip_text(poll.reason) or None,
        "status": poll.status,
        "url": None if poll.url is None else clip_text(poll.url),
        "redirects": [clip_text(url) for url in (poll.redirects or ())[:10]] or None,
        "headers": digest_headers([list(header) for header in poll.headers or ()]),
        "request": None if request is None else hash_canonical(request),
        "bytes": size,
        "wire_bytes": poll.wire_bytes or None,
    }


def append_changes(
    conn: Connection,
    source: str,
    number: int,
    rows: Iterable[StoredChange],
    now: datetime,
    *,
    imported_at: datetime | None = None,
) -> int:
    """Append the changes of a source published under a number of its baseline; returns the first entry's
    number.

    ``imported_at``: the changes come from an imported capture of that moment, and were not seen by this
    service.
    """
    content: dict[str, LeafValue] = {
        "type": "changes",
        "source": source,
        "baseline": number,
        "at": format_time(imported_at or now),
    }
    if imported_at is not None:
        content["origin"] = "imported"
    numbers = [
        append_entry(conn, content | {"changes": part}, now) for part in _in_parts(map(describe_change, rows))
    ]
    return numbers[0]


def append_capture(conn: Connection, source: str, capture: Capture, now: datetime) -> int:
    """Append an imported publication that somebody else captured; returns the entry's number."""
    content = {"type": "import", "at": format_time(now)} | describe_capture(source, capture)
    return append_entry(conn, content, now)


def describe_capture(source: str, capture: Capture) -> dict[str, LeafValue]:
    """Describe an imported publication of a source for the log."""
    content: dict[str, LeafValue | None] = {
        "source": source,
        "captured_at": format_time(capture.at),
        "captured_by": clip_text(capture.captured_by),
        "name": clip_text(capture.name),
        "body": capture.hash,
        "bytes": capture.size,
        "outcome": capture.outcome,
        "reason": clip_text(capture.reason) or None,
        "url": clip_text(capture.url) or None,
        "licence": clip_text(capture.licence) or None,
        "note": clip_text(capture.note) or None,
    }
    return _without_none(content)


def append_import_undone(conn: Connection, source: str, now: datetime) -> None:
    """Append that the imported past of a source was removed. The entries of its captures stay."""
    append_entry(conn, {"type": "import undone", "source": source, "at": format_time(now)}, now)


def append_decision(
    conn: Connection,
    source: str,
    decision: str,
    now: datetime,
    rows: Iterable[StoredChange] = (),
    *,
    body: str | None = None,
) -> None:
    """Append that a person ``approved`` or ``rejected`` changes or a publication."""
    content = {"type": "decision", "source": source, "at": format_time(now), "decision": decision}
    if body is not None:
        append_entry(conn, content | {"body": body}, now)
        return
    for part in _in_parts(map(describe_change, rows)):
        append_entry(conn, content | {"changes": part}, now)


def append_note(
    conn: Connection, source: str, agency: str, number: int, hash: str, decision: str, now: datetime
) -> None:
    """Append that an operator's note on an agency was ``added`` or ``removed``, by its number and the hash of
    its text.
    """
    content: dict[str, LeafValue] = {
        "type": "note",
        "source": source,
        "at": format_time(now),
        "decision": decision,
        "agency": clip_text(agency),
        "note": number,
        "hash": hash,
    }
    append_entry(conn, content, now)


def append_retraction(conn: Connection, row: StoredChange, texts: Mapping[str, str], now: datetime) -> int:
    """Append that the operator retracted a published change, and why; the entry of the change stays."""
    return append_entry(conn, describe_retraction(row, texts, now), now)


def describe_retraction(row: StoredChange, texts: Mapping[str, str], at: datetime) -> dict[str, LeafValue]:
    """Describe the retraction of a published change for the log; ``texts`` are its reason by language."""
    return {
        "type": "retraction",
        "source": row.source,
        "at": format_time(at),
        "change": row.id or 0,
        "retracts": describe_change(row),
        "reason": {language: clip_text(text) for language, text in texts.items()},
    }


def append_placing(
    conn: Connection, source: str, number: int, gazetteer: str, listings: int, moved: int, now: datetime
) -> None:
    """Append that the agencies of a list were placed again by another ``gazetteer``: how many were placed
    before, and how many of them serve other places now. The list itself has not changed.
    """
    content: dict[str, LeafValue] = {
        "type": "placements",
        "source": source,
        "at": format_time(now),
        "baseline": number,
        "gazetteer": gazetteer,
        "listings": listings,
        "moved": moved,
    }
    append_entry(conn, content, now)


def describe_change(row: StoredChange) -> dict[str, LeafValue]:
    """Describe a published change for the log."""
    before, after = row.change.before, row.change.after
    listing = after or before
    assert listing is not None
    described: dict[str, LeafValue | None] = {
        "kind": row.change.kind.value,
        "agency": clip_text(row.agency),
        "name": clip_text(listing.name),
        "state": listing.state,
        "was": clip_text(before.name) if before and after and before.name != after.name else None,
        "fields": [clip_text(name) for name in row.change.fields[:50]] or None,
        "not_before": None if row.not_before is None else format_time(row.not_before),
        "first_seen": format_time(row.first_seen_at),
    }
    return _without_none(described)


def digest_headers(headers: list[list[str]]) -> str | None:
    """Compute the hash of headers in an entry; None if there are none."""
    return hash_canonical(headers) if headers else None


def read_nodes(conn: Connection) -> Nodes:
    """Return the function that reads nodes of the log's tree, each once. Only every eighth level is stored;
    those between are computed.
    """

    @lru_cache(maxsize=4096)
    def node(level: int, index: int) -> bytes:
        above = level % HEIGHT
        hashes = log_rows.load_hashes(conn, level - above, index << above, (index + 1) << above)
        while len(hashes) > 1:
            hashes = tuple(map(hash_children, hashes[::2], hashes[1::2]))
        return hashes[0]

    return node


def append_redaction(conn: Connection, body: str, reason: str, now: datetime) -> None:
    """Append that the bytes of a publication were removed, and why. Entries of polls keep its hash."""
    content = {"type": "redaction", "at": format_time(now), "body": body, "reason": clip_text(reason)}
    append_entry(conn, content, now)


def read_tile(conn: Connection, level: int | None, index: int, width: int) -> bytes | None:
    """Read the content of a tile (of an entry bundle if the level is None); None if the log is not that long
    yet.
    """
    start, end = index * WIDTH, index * WIDTH + width
    if end > log_rows.load_head(conn).size >> HEIGHT * (level or 0):
        return None
    if level is None:
        return encode_entries(leaf.content for leaf in log_rows.load_leaf_range(conn, start, end))
    return b"".join(log_rows.load_hashes(conn, level * HEIGHT, start, end))


def append_source(
    conn: Connection, source: str, url: str, format: str, fingerprint: str, every: timedelta, now: datetime
) -> None:
    """Append the public part of a source's configuration, which applies to its publications from now on."""
    content: dict[str, LeafValue] = {
        "type": "source",
        "source": source,
        "at": format_time(now),
        "url": clip_text(url),
        "format": format,
        "fingerprint": fingerprint,
        "every_seconds": int(every.total_seconds()),
    }
    append_entry(conn, content, now)


def read_frontier(head: LogHead) -> Frontier:
    """Read the tree that a head describes."""
    starts = range(0, len(head.peaks), HASH_BYTES)
    return Frontier(head.size, tuple(head.peaks[start : start + HASH_BYTES] for start in starts))


def clip_text(text: str) -> str:
    """Limit a text for the log: to a maximum length, and without characters that UTF-8 cannot encode."""
    return text[:_LONGEST].encode(errors="replace").decode()


def _append(conn: Connection, head: LogHead, content: Mapping[str, LeafValue], now: datetime) -> int:
    encoded = encode_leaf(content)
    frontier, completed = read_frontier(head).append(hash_leaf(encoded))
    log_rows.insert_leaf(conn, head.size, now, encoded, completed[0][2])
    for level, index, hashed in completed[1:]:
        if level % HEIGHT == 0:
            log_rows.insert_node(conn, level, index, hashed)
    log_rows.update_head(conn, frontier.size, b"".join(frontier.peaks))
    return head.size


def _in_parts(described: Iterable[dict[str, LeafValue]]) -> Iterator[list[dict[str, LeafValue]]]:
    part: list[dict[str, LeafValue]] = []
    size = 0
    for change in described:
        length = len(dump_canonical(change))
        if part and size + length > _PART:
            yield part
            part, size = [], 0
        part.append(change)
        size += length
    yield part


def _without_none(content: Mapping[str, LeafValue | None]) -> dict[str, LeafValue]:
    return {name: value for name, value in content.items() if value is not None}
