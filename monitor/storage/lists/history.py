"""Fetches, bodies, snapshots, validators, and approvals of content by hash."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain import Problem
from monitor.storage.engine import insert_for
from monitor.storage.lists.bodies import REDACTED
from monitor.storage.lists.sent_requests import join_validators, load_requests, put_request
from monitor.storage.lists.tables import ApprovalRow, BodyRow, FetchRow, SnapshotRow, ValidatorRow

GOOD, UNCHANGED, FAILED, REJECTED, ABSENT = "good", "unchanged", "failed", "rejected", "absent"
ACCEPTED = "accepted"

# Cookies are not evidence, and headers that only control a browser may differ each time (nonces) and be
# longer than the row.
_NOISE = re.compile(
    r"set-cookie|content-security-policy|permissions-policy|feature-policy|referrer-policy|cross-origin-|x-frame-|x-xss-"
    r"|x-content-type-|strict-transport-|report|nel$|p3p$|alt-svc|accept-ch|origin-trial",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to get a source's bytes: evidence that cannot be collected later.

    ``url`` is the address that answered, ``redirects`` those that led to it, in order. ``wire_bytes`` is the
    size as received, ``size`` the size decoded. ``hash`` is the SHA-256 of the decoded body, also if the
    server only answered that it is unchanged; ``wire_hash`` is that of the gzip form, if it came in one.
    ``kept``: the body is in the database, or need not be. ``request`` is the request that was sent, in the
    form of `SentRequestRow`, and ``validators`` the headers that made it conditional. ``clock`` is the
    server's Date minus our clock when the answer began, in whole seconds. ``digest`` and ``listings`` are
    those of its snapshot, if it has one.
    """

    source: str
    at: datetime
    outcome: str
    reason: str = ""
    status: int | None = None
    url: str | None = None
    redirects: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    wire_bytes: int | None = None
    size: int | None = None
    hash: str | None = None
    wire_hash: str | None = None
    duration: timedelta | None = None
    kept: bool = True
    request: dict[str, Any] | None = None
    validators: tuple[tuple[str, str], ...] = ()
    clock: int | None = None
    digest: str | None = None
    listings: int | None = None


@dataclass(frozen=True, slots=True)
class PollEntry:
    """A poll for a bundle: its outcome, its entry in the log, its stored headers, and the request that was
    sent.
    """

    outcome: str
    leaf: int | None
    headers: list[list[str]] | None
    request: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A snapshot's row. ``at`` is the first poll that saw this content, ``last_seen_at`` the last one in a
    row. ``release_at``: when the rejection of a rejected snapshot ends by itself.
    """

    id: int
    source: str
    fetch_id: int
    at: datetime
    last_seen_at: datetime
    hash: str
    digest: str
    fingerprint: str
    listings: int
    verdict: str
    reason: str
    release_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredValidators:
    """What a server sent with the last good body of one URL, for a conditional request."""

    etag: str | None
    last_modified: str | None
    hash: str | None


def condense_attempt(conn: Connection, attempt: Attempt) -> Attempt:
    """Condense an attempt for storage.

    Headers are kept verbatim, except those that say nothing about the content. The row of an unchanged poll
    keeps only what is new: headers that differ from those of the source's last good fetch (except the date,
    which the row has itself), and the URL and the hash if they differ. There are 9,000 such rows a year, and
    a server sends nearly the same each time.
    """
    attempt = drop_noise(attempt)
    return _news(conn, attempt) if attempt.outcome == UNCHANGED else attempt


def drop_noise(attempt: Attempt) -> Attempt:
    """The attempt without headers that say nothing about the content."""
    return replace(
        attempt, headers=tuple(header for header in attempt.headers if not _NOISE.match(header[0]))
    )


def insert_fetch(conn: Connection, attempt: Attempt, leaf: int | None = None) -> int:
    """Write one condensed attempt, with the number of its entry in the log, and return its id."""
    values: dict[str, Any] = {
        "source": attempt.source,
        "at": attempt.at,
        "outcome": attempt.outcome,
        "reason": attempt.reason,
        "status": attempt.status,
        "url": attempt.url,
        "redirects": list(attempt.redirects) or None,
        "headers": [list(header) for header in attempt.headers] or None,
        "wire_bytes": attempt.wire_bytes or None,
        "bytes": attempt.size,
        "hash": attempt.hash,
        "duration_ms": None
        if attempt.duration is None
        else round(attempt.duration / timedelta(milliseconds=1)),
        "leaf": leaf,
        "request_id": put_request(conn, attempt.request),
        "validators": [list(header) for header in attempt.validators] or None,
    }
    return _inserted(conn, sa.insert(FetchRow).values(values))


def load_polls(
    conn: Connection, source: str, first: datetime, last: datetime, limit: int
) -> tuple[PollEntry, ...]:
    """The polls of a source between two moments, both included, oldest first."""
    columns = FetchRow.c
    rows = conn.execute(
        sa.select(columns.outcome, columns.leaf, columns.headers, columns.request_id, columns.validators)
        .where(columns.source == source, columns.at >= first, columns.at <= last)
        .order_by(columns.at, columns.id)
        .limit(limit)
    ).all()
    requests = load_requests(conn, {row.request_id for row in rows})
    return tuple(
        PollEntry(
            row.outcome,
            row.leaf,
            row.headers,
            join_validators(requests.get(row.request_id), row.validators),
        )
        for row in rows
    )


def poll_before(conn: Connection, source: str, at: datetime) -> datetime | None:
    """When a source was last polled before a moment."""
    found: datetime | None = conn.scalar(
        sa.select(sa.func.max(FetchRow.c.at)).where(FetchRow.c.source == source, FetchRow.c.at < at)
    )
    return found


def poll_after(conn: Connection, source: str, at: datetime) -> datetime | None:
    """When a source was first polled at a moment or after it."""
    found: datetime | None = conn.scalar(
        sa.select(sa.func.min(FetchRow.c.at)).where(FetchRow.c.source == source, FetchRow.c.at >= at)
    )
    return found


def find_rejected_now(conn: Connection, source: str) -> SnapshotInfo | None:
    """The rejected snapshot that the publisher still serves; None if the last content was believed. Failed
    polls are ignored.
    """
    row = conn.execute(
        sa.select(FetchRow.c.outcome, FetchRow.c.hash)
        .where(FetchRow.c.source == source, FetchRow.c.outcome != FAILED)
        .order_by(FetchRow.c.at.desc(), FetchRow.c.id.desc())
        .limit(1)
    ).first()
    if row is None or row.outcome != REJECTED:
        return None
    return find_snapshot(conn, source, row.hash, REJECTED)


def find_rejected_run(
    conn: Connection, source: str, *, digest: str, now: datetime, longest: timedelta, gap: timedelta
) -> tuple[datetime | None, datetime | None]:
    """Since when every poll of a source was rejected until ``now``, and since when each rejected poll had
    this set of listings. A good poll ends the run, and so does a time longer than ``gap`` without a rejected
    poll; failed polls do not count. Polls before ``longest`` ago are not read.
    """
    fetches = conn.execute(
        sa.select(FetchRow.c.at, FetchRow.c.outcome, FetchRow.c.hash)
        .where(FetchRow.c.source == source, FetchRow.c.at > now - longest, FetchRow.c.outcome != FAILED)
        .order_by(FetchRow.c.at.desc(), FetchRow.c.id.desc())
    )
    same = set(
        conn.scalars(
            sa.select(SnapshotRow.c.hash).where(
                SnapshotRow.c.source == source, SnapshotRow.c.digest == digest
            )
        )
    )
    since = same_since = None
    later, is_same = now, True
    for row in fetches:
        if row.outcome != REJECTED or later - row.at > gap:
            break
        since = later = row.at
        is_same = is_same and row.hash in same
        same_since = row.at if is_same else same_since
    return since, same_since


def was_read_whole(conn: Connection, source: str, since: datetime) -> bool:
    """Whether a server sent a whole body of a source since a moment, not only the answer that nothing
    changed.
    """
    row = conn.execute(
        sa.select(FetchRow.c.id)
        .where(FetchRow.c.source == source, FetchRow.c.at > since, FetchRow.c.bytes.is_not(None))
        .limit(1)
    ).first()
    return row is not None


def is_unreadable(conn: Connection, source: str) -> bool:
    """Whether the last fetch brought bytes that could not be read."""
    row = conn.execute(
        sa.select(FetchRow.c.outcome, FetchRow.c.hash)
        .where(FetchRow.c.source == source)
        .order_by(FetchRow.c.at.desc(), FetchRow.c.id.desc())
        .limit(1)
    ).first()
    return row is not None and row.outcome == FAILED and row.hash is not None


def add_snapshot(
    conn: Connection,
    *,
    source: str,
    fetch_id: int,
    at: datetime,
    hash: str,
    digest: str,
    fingerprint: str,
    listings: int,
    verdict: str,
    reason: str = "",
    problems: Iterable[Problem] = (),
    release_at: datetime | None = None,
) -> int:
    """Write one snapshot and return its id."""
    kept = [[problem.kind, problem.message, problem.row] for problem in problems]
    return _inserted(
        conn,
        sa.insert(SnapshotRow).values(
            source=source,
            fetch_id=fetch_id,
            at=at,
            last_seen_at=at,
            hash=hash,
            digest=digest,
            fingerprint=fingerprint,
            listings=listings,
            verdict=verdict,
            reason=reason,
            problems=kept or None,
            release_at=release_at,
        ),
    )


def find_snapshot(
    conn: Connection, source: str, sha256: str, verdict: str | None = None
) -> SnapshotInfo | None:
    """The latest snapshot of a source with this body, of this verdict if one is given."""
    query = sa.select(*_SNAPSHOT).where(SnapshotRow.c.source == source, SnapshotRow.c.hash == sha256)
    if verdict is not None:
        query = query.where(SnapshotRow.c.verdict == verdict)
    row = conn.execute(query.order_by(SnapshotRow.c.id.desc()).limit(1)).first()
    return None if row is None else SnapshotInfo(*row)


def find_snapshots_by_prefix(conn: Connection, prefix: str, verdict: str) -> tuple[SnapshotInfo, ...]:
    """The latest snapshot of each source and body whose hash begins with a prefix."""
    latest = (
        sa.select(sa.func.max(SnapshotRow.c.id))
        .where(SnapshotRow.c.hash.startswith(prefix, autoescape=True), SnapshotRow.c.verdict == verdict)
        .group_by(SnapshotRow.c.source, SnapshotRow.c.hash)
    )
    rows = conn.execute(sa.select(*_SNAPSHOT).where(SnapshotRow.c.id.in_(latest)).order_by(SnapshotRow.c.id))
    return tuple(SnapshotInfo(*row) for row in rows)


def note_seen_again(conn: Connection, snapshot_id: int, now: datetime) -> None:
    """Note that a poll found the same content again."""
    conn.execute(sa.update(SnapshotRow).where(SnapshotRow.c.id == snapshot_id).values(last_seen_at=now))


def accept_snapshot(conn: Connection, snapshot_id: int) -> None:
    """Accept a snapshot that had been rejected, as an operator decided."""
    conn.execute(sa.update(SnapshotRow).where(SnapshotRow.c.id == snapshot_id).values(verdict=ACCEPTED))


def find_last_seen(conn: Connection, source: str, *, digest: str, sha256: str) -> datetime | None:
    """When exactly this set of listings, or this body, was last the accepted publication; None if it never
    was, or still is.

    Rejected snapshots do not count: otherwise a rejected publication would become familiar by being polled.
    The body counts too, because a digest depends on the parser's version.
    """
    rows = conn.execute(
        sa.select(SnapshotRow.c.digest, SnapshotRow.c.hash, SnapshotRow.c.last_seen_at)
        .where(SnapshotRow.c.source == source, SnapshotRow.c.verdict == ACCEPTED)
        .order_by(SnapshotRow.c.last_seen_at.desc(), SnapshotRow.c.id.desc())
    )
    for place, row in enumerate(rows):
        if row.digest == digest or row.hash == sha256:
            return None if place == 0 else row.last_seen_at
    return None


def load_validators(conn: Connection, source: str) -> dict[str, StoredValidators]:
    """The validators for conditional requests, by URL: only where the body to which they refer is kept."""
    rows = conn.execute(
        sa.select(
            ValidatorRow.c.url,
            ValidatorRow.c.etag,
            ValidatorRow.c.last_modified,
            ValidatorRow.c.hash,
        )
        .join(BodyRow, BodyRow.c.hash == ValidatorRow.c.hash)
        .where(ValidatorRow.c.source == source, BodyRow.c.encoding != REDACTED)
    )
    return {row.url: StoredValidators(row.etag, row.last_modified, row.hash) for row in rows}


def put_validators(conn: Connection, source: str, url: str, given: StoredValidators) -> None:
    """Store the validators of a good body in place of earlier ones; if the server sent none, earlier ones are
    removed.
    """
    if given.etag is None and given.last_modified is None:
        conn.execute(
            sa.delete(ValidatorRow).where(ValidatorRow.c.source == source, ValidatorRow.c.url == url)
        )
        return
    values = {"etag": given.etag, "last_modified": given.last_modified, "hash": given.hash}
    conn.execute(
        insert_for(conn, ValidatorRow)
        .values(source=source, url=url, **values)
        .on_conflict_do_update(index_elements=["source", "url"], set_=values)
    )


def put_approval(conn: Connection, source: str, sha256: str, *, approved: bool, now: datetime) -> None:
    """Write an operator's decision about a content, replacing an earlier one."""
    said = {"approved": approved, "at": now}
    conn.execute(
        insert_for(conn, ApprovalRow)
        .values(source=source, hash=sha256, **said)
        .on_conflict_do_update(index_elements=["source", "hash"], set_=said)
    )


def load_approval(conn: Connection, source: str, sha256: str) -> bool | None:
    """Read an operator's decision about a content; None if there is none."""
    return conn.scalar(
        sa.select(ApprovalRow.c.approved).where(ApprovalRow.c.source == source, ApprovalRow.c.hash == sha256)
    )


_SNAPSHOT: tuple[Any, ...] = (
    SnapshotRow.c.id,
    SnapshotRow.c.source,
    SnapshotRow.c.fetch_id,
    SnapshotRow.c.at,
    SnapshotRow.c.last_seen_at,
    SnapshotRow.c.hash,
    SnapshotRow.c.digest,
    SnapshotRow.c.fingerprint,
    SnapshotRow.c.listings,
    SnapshotRow.c.verdict,
    SnapshotRow.c.reason,
    SnapshotRow.c.release_at,
)


def _news(conn: Connection, attempt: Attempt) -> Attempt:
    good = conn.execute(
        sa.select(FetchRow.c.url, FetchRow.c.hash, FetchRow.c.headers)
        .where(FetchRow.c.source == attempt.source, FetchRow.c.outcome == GOOD)
        .order_by(FetchRow.c.at.desc(), FetchRow.c.id.desc())
        .limit(1)
    ).first()
    if good is None:
        return attempt
    known = {(name, value) for name, value in good.headers or ()}
    return replace(
        attempt,
        url=None if attempt.url == good.url else attempt.url,
        hash=None if attempt.hash == good.hash else attempt.hash,
        headers=tuple(
            (name, value)
            for name, value in attempt.headers
            if (name, value) not in known and name.lower() != "date"
        ),
    )


def _inserted(conn: Connection, statement: sa.Insert) -> int:
    key = conn.execute(statement).inserted_primary_key
    assert key is not None
    return int(key[0])
