"""Writes each kind of result of a poll, in one transaction [T1]."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection, Engine

from monitor.core import guard
from monitor.domain import Judgment, Publication
from monitor.errors import BaselineMoved, FetchError, ParseError
from monitor.fetch import Fetched, FetchEvidence, FetchFailed
from monitor.formatting import format_count
from monitor.polling import apply
from monitor.polling.apply import Moves, SourceState
from monitor.polling.poll_result import PollOutcome, PollResult
from monitor.polling.polled_source import PolledSource
from monitor.polling.received import NOT_KEPT, Received, attempt_of
from monitor.polling.reparse import append_source
from monitor.record import log as record
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import baseline, bodies, changes, history, imports
from monitor.storage.lists.baseline import BaselineInfo, NewVersion
from monitor.storage.lists.history import (
    ABSENT,
    ACCEPTED,
    FAILED,
    GOOD,
    REJECTED,
    UNCHANGED,
    StoredValidators,
)

log = logging.getLogger(__name__)


def write_accepted(
    engine: Engine,
    seen: Received,
    view: SourceState,
    publication: Publication,
    body: bytes,
    judgments: tuple[Judgment, ...],
    *,
    approved: bool = False,
) -> PollResult:
    """Write new content, with its judged changes."""
    placed = apply.locate_published(seen.watch, judgments)
    with transaction(engine) as conn:
        moved = apply.compute_moves(conn, view, judgments, seen.now, approved=approved)
        fetch_id = _write_good(conn, seen, view.believed, publication, body, moved)
        apply.write(conn, view.believed, moved, placed, fetch_id, seen.now)
    return apply.summarize_moves(seen.watch.name, moved)


def write_first(
    engine: Engine, seen: Received, view: SourceState, publication: Publication, body: bytes
) -> PollResult:
    """Write the first publication of a source: recorded, but not announced.

    After an import it continues the list of the last capture: the differences happened between the two.
    """
    moved = Moves(opened=tuple(NewVersion(listing, listing.key) for listing in publication.listings))
    with reading(engine) as conn:
        past = imports.load_import(conn, seen.watch.name)
    judgments = (
        () if past is None else apply.judge_after_import(view, publication, seen.watch, seen.parser, seen.now)
    )
    placed = apply.locate_listings(seen.watch, publication.listings)
    with transaction(engine) as conn:
        if past is not None:
            view = replace(view, believed=replace(view.believed, last_good_at=past.last_at))
            moved = apply.mark_captured(
                apply.compute_moves(conn, view, judgments, seen.now), past.captured_by
            )
        append_source(conn, seen.watch, seen.now)
        fetch_id = _write_good(conn, seen, view.believed, publication, body, moved or past)
        if past is not None:
            imports.note_joining(conn, past.id, view.believed.number + 1, seen.now)
        apply.write(conn, view.believed, moved, placed, fetch_id, seen.now, past.id if past else None)
    return PollResult(seen.watch.name, PollOutcome.BASELINE, reason=_count_damaged(publication))


def _count_damaged(publication: Publication) -> str:
    """Describe how many rows are not listings because their name cannot be read; "" for none."""
    rows = len(publication.damaged)
    return f"the name of {format_count(rows, 'row')} cannot be read; monitor parse shows them" if rows else ""


def write_unchanged(engine: Engine, seen: Received, believed: BaselineInfo) -> PollResult:
    """Write the last good content again: one fetch row. Open changes that are due are judged on stored data.

    Raises BaselineMoved.
    """
    watch, now = seen.watch, seen.now
    with reading(engine) as conn:
        view = apply.load_open_state(conn, watch)
        if guard.due(view.standing, now, watch.policy):
            view = apply.load_state(conn, watch, now)
            judgments = guard.judge(
                tuple(row.change for row in view.rows),
                view.accepted.listings,
                view.standing,
                view.released,
                now=now,
                policy=watch.policy,
                reread=False,
            )
        else:
            judgments = ()
        snapshot = history.find_snapshot(conn, watch.name, seen.hash, ACCEPTED)
    if view.believed != believed:
        raise BaselineMoved
    placed = apply.locate_published(watch, judgments)
    with transaction(engine) as conn:
        moved = apply.compute_moves(conn, view, judgments, now, all_judged=False)
        fetch_id = record.insert_poll(conn, seen.attempt(UNCHANGED))
        baseline.advance(
            conn,
            view.believed,
            number=view.believed.number + bool(moved),
            last_good_fetch=fetch_id,
            last_good_at=now,
        )
        if snapshot is not None:
            history.note_seen_again(conn, snapshot.id, now)
        apply.write(conn, view.believed, moved, placed, fetch_id, now)
        if isinstance(seen.got, Fetched):
            # it may not have been stored for lack of disk space
            _insert_body(conn, seen, believed, seen.got.body)
        _remember(conn, seen)
    return apply.summarize_moves(watch.name, moved)


def write_rejected(
    engine: Engine,
    seen: Received,
    publication: Publication,
    body: bytes,
    reason: str,
    release_at: datetime | None,
) -> PollResult:
    """Store a rejected publication with its reason. The baseline does not change."""
    with transaction(engine) as conn:
        fetch_id = record.insert_poll(conn, seen.attempt_read(publication, REJECTED, reason))
        _insert_body(conn, seen, baseline.load_info(conn, seen.watch.name), body)
        _write_snapshot(conn, seen, fetch_id, publication, REJECTED, reason, release_at)
        return _nothing_moved(conn, seen.watch, seen.now, PollOutcome.REJECTED, reason)


def write_rejected_again(engine: Engine, seen: Received, rejected: history.SnapshotInfo) -> PollResult:
    """Record that the same rejected publication is still served. Nothing is parsed."""
    with transaction(engine) as conn:
        record.insert_poll(conn, seen.attempt(REJECTED, rejected.reason))
        history.note_seen_again(conn, rejected.id, seen.now)
        return _nothing_moved(conn, seen.watch, seen.now, PollOutcome.REJECTED, rejected.reason)


def write_late(engine: Engine, seen: Received) -> PollResult:
    """Record a poll that ended after a later one was accepted: its content is older and would undo newer
    changes.
    """
    reason = "a later poll was believed before this one"
    with transaction(engine) as conn:
        record.insert_poll(conn, seen.attempt(FAILED, reason))
        rows = changes.load_standing(conn, seen.watch.name)
    return replace(apply.summarize_moves(seen.watch.name, Moves(standing=rows)), reason=reason)


def write_failed(
    engine: Engine,
    watch: PolledSource,
    error: FetchError | ParseError,
    now: datetime,
    got: FetchEvidence | None = None,
) -> PollResult:
    """Record a failed fetch: its reason and all evidence."""
    reason, wait = str(error), watch.every
    if isinstance(error, FetchFailed):
        got = error.evidence
        wait = max(wait, error.retry_after or wait)
    with transaction(engine) as conn:
        # of consecutive failures only the first body is kept as evidence: an error page may differ each time
        is_first = not history.is_unreadable(conn, watch.name)
        record.insert_poll(conn, attempt_of(watch, now, FAILED, reason, got))
        if isinstance(got, Fetched) and is_first and watch.has_room(len(got.body)):
            bodies.insert_body(conn, got.sha256, got.body, now, wire=got.wire)
        return _nothing_moved(conn, watch, now, PollOutcome.FAILED, reason, wait)


def write_absent(engine: Engine, watch: PolledSource, error: FetchFailed, now: datetime) -> PollResult:
    """Record that an optional source is not published now. Its baseline stays."""
    with transaction(engine) as conn:
        record.insert_poll(conn, attempt_of(watch, now, ABSENT, str(error), error.evidence))
        baseline.note_absence(conn, watch.name, now)
        return _nothing_moved(conn, watch, now, PollOutcome.ABSENT, str(error))


def _nothing_moved(
    conn: Connection,
    watch: PolledSource,
    now: datetime,
    result: PollOutcome,
    reason: str,
    wait: timedelta | None = None,
) -> PollResult:
    baseline.note_poll(conn, watch.name, now, now + (wait or watch.every))
    stands = apply.summarize_moves(watch.name, Moves(standing=changes.load_standing(conn, watch.name)))
    return replace(stands, outcome=result, reason=reason)


def _write_good(
    conn: Connection,
    seen: Received,
    believed: BaselineInfo,
    publication: Publication,
    body: bytes,
    moved: object,
) -> int:
    """Write everything of T1 except the moves; returns the fetch's id."""
    watch = seen.watch
    fetch_id = record.insert_poll(conn, seen.attempt_read(publication, GOOD))
    _insert_body(conn, seen, believed, body)
    _write_snapshot(conn, seen, fetch_id, publication, ACCEPTED)
    baseline.advance(
        conn,
        believed,
        number=believed.number + bool(moved),
        fingerprint=watch.fingerprint,
        columns=sorted(publication.columns),
        folders=list(publication.folders),
        last_good_fetch=fetch_id,
        last_good_at=seen.now,
        last_good_hash=seen.hash,
    )
    _remember(conn, seen)
    return fetch_id


def _insert_body(conn: Connection, seen: Received, believed: BaselineInfo, body: bytes) -> None:
    """Store the body, as the difference to the last good one."""
    if not seen.is_kept:
        log.warning("%s: %s", seen.watch.name, NOT_KEPT)
        return
    wire = seen.got.wire if isinstance(seen.got, Fetched) else None
    bodies.insert_body(conn, seen.hash, body, seen.now, previous=believed.last_good_hash, wire=wire)


def _write_snapshot(
    conn: Connection,
    seen: Received,
    fetch_id: int,
    publication: Publication,
    verdict: str,
    reason: str = "",
    release_at: datetime | None = None,
) -> None:
    history.add_snapshot(
        conn,
        source=seen.watch.name,
        fetch_id=fetch_id,
        at=seen.now,
        hash=seen.hash,
        digest=seen.digest,
        fingerprint=seen.watch.fingerprint,
        listings=len(publication.listings),
        verdict=verdict,
        reason=reason,
        problems=publication.problems,
        release_at=release_at,
    )


def _remember(conn: Connection, seen: Received) -> None:
    """Store the results of every good poll: the validators, and when the source is due again."""
    given = seen.got.validators
    history.put_validators(
        conn,
        seen.watch.name,
        seen.got.final_url,
        StoredValidators(given.etag, given.last_modified, seen.hash),
    )
    baseline.note_poll(conn, seen.watch.name, seen.now, seen.now + seen.watch.every)
