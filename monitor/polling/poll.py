"""A poll, from top to bottom."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection, Engine

from monitor.core import guard
from monitor.core.continuity import continue_reading
from monitor.core.diff import diff
from monitor.core.wording import normalise
from monitor.domain import Change, Judgement, Kind, Publication
from monitor.errors import BaselineMoved, DamagedBody, FetchError, ParseError, StoreError, location_of
from monitor.fetch import Fetched, FetchEvidence, FetchFailed, NotModified, Validators
from monitor.parser import IN_PROCESS, Parser
from monitor.polling import apply
from monitor.polling.apply import Moves, SourceState
from monitor.polling.received import NOT_KEPT, Received, attempt_of
from monitor.polling.reparse import append_source, rebase
from monitor.polling.values import BodySource, PolledSource, PollResult, Result, fetch_whole
from monitor.record import log as record
from monitor.sources import is_terminated
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import baseline, bodies, changes, history, imports, printed_counts
from monitor.storage.lists.baseline import BaselineInfo, NewVersion
from monitor.storage.lists.history import ABSENT, ACCEPTED, FAILED, GOOD, REJECTED, UNCHANGED, Remembered

log = logging.getLogger(__name__)

_TRIES = 6
"""Tries against other pollers of the same source. Each loss means that another poller wrote what it saw,
which it does once.
"""


def poll(
    engine: Engine,
    watch: PolledSource,
    fetcher: BodySource,
    *,
    now: datetime,
    parser: Parser = IN_PROCESS,
) -> PollResult:
    """Poll a source once; ``now`` is the time of everything that this poll writes.

    A publication that cannot be fetched or read is a result, and the baseline stays. Raises StoreError; its
    BaselineMoved means that other pollers were faster every time.
    """
    with reading(engine) as conn:
        # a server that answers "not modified" for ever is asked once a day without that question
        asks = history.was_read_whole(conn, watch.name, now - _UNCONDITIONAL)
        known = {
            url: Validators(given.etag, given.last_modified, given.hash)
            for url, given in (history.validators(conn, watch.name) if asks else {}).items()
        }
    got: Fetched | NotModified | None = None
    try:
        got, publication = _get(watch, fetcher, known.get, parser)
        _keep_printed_count(engine, watch, got, now)
        seen = Received(watch, got, now, parser)
        if publication is not None:
            seen.remember(publication)
        for _ in range(_TRIES):
            try:
                rebase(engine, watch, now, parser)
                return _weigh(engine, seen)
            except BaselineMoved:
                log.info("%s: another process was faster; weighing again", watch.name)
    except (FetchError, ParseError) as error:
        if watch.optional and isinstance(error, FetchFailed) and error.absent:
            return _absent(engine, watch, error, now)
        return _failed(engine, watch, error, now, got)
    except DamagedBody as error:
        return _failed(engine, watch, ParseError(str(error)), now, got)
    except StoreError:
        raise  # without a database there is no row to write
    except Exception as error:
        # A mistake of ours must leave its trace too, and the next poll is an interval away.
        log.exception("%s: an error of the program", watch.name)
        return _failed(engine, watch, ParseError(f"an error of the program: {location_of(error)}"), now, got)
    raise BaselineMoved


def _keep_printed_count(engine: Engine, watch: PolledSource, got: FetchEvidence, now: datetime) -> None:
    """Store the publisher's own count where it has one that is new."""
    if got.printed_count is None:
        return
    with reading(engine) as conn:
        known = printed_counts.load_printed_count(conn, watch.name)
    if known is None or known[1] != got.printed_count:
        with transaction(engine) as conn:
            printed_counts.put_printed_count(conn, watch.name, got.printed_count, now)


_UNCONDITIONAL = timedelta(days=1)


def _get(
    watch: PolledSource, fetcher: BodySource, known: Callable[[str], Validators | None], parser: Parser
) -> tuple[Fetched | NotModified, Publication | None]:
    """Get the source's bytes, and what is in them where several files had to be parsed to choose one."""
    parsed: dict[str, Publication] = {}

    def was_read_before(got: Fetched) -> bool:
        earlier = known(got.final_url)
        return earlier is not None and earlier.hash == got.sha256

    def say_why_not(got: Fetched) -> str | None:
        if was_read_before(got):
            return None
        try:
            parsed[got.sha256] = parser.parse(got.body, watch.options)
        except ParseError as error:
            return f"cannot be read: {error}"
        return None

    got = fetcher.get(watch.target, known, say_why_not)
    if isinstance(got, NotModified):
        return got, None
    publication = parsed.get(got.sha256)
    if was_read_before(got) or (publication is not None and not publication.unread):
        return got, publication  # it was parsed, so it is not a link alone
    return fetch_whole(fetcher, got, parser, watch.options, watch.target, known), None


def _weigh(engine: Engine, seen: Received) -> PollResult:
    """Compare the content with the baseline and write what follows. Raises ParseError, BaselineMoved."""
    watch, now = seen.watch, seen.now
    with reading(engine) as conn:
        believed = baseline.believed(conn, watch.name)
        rejected = history.rejected_now(conn, watch.name)
        answer = history.approval(conn, watch.name, seen.hash)
        body = b"" if seen.hash == believed.last_good_hash else seen.body(conn)
    if believed.last_good_at is not None and believed.last_good_at > now:
        return _late(engine, seen)
    if believed.last_good_hash is not None and believed.fingerprint != watch.fingerprint:
        raise BaselineMoved  # by a process with another configuration, since it was rebased
    if seen.hash == believed.last_good_hash:
        return _unchanged(engine, seen, believed)
    if (
        rejected
        and not answer
        and (rejected.hash, rejected.fingerprint) == (seen.hash, watch.fingerprint)
        and (answer is False or _still_waits(rejected, now, watch.longest_gap))
    ):
        return _rejected_again(engine, seen, rejected)

    publication = seen.publication(body)
    with reading(engine) as conn:
        view = apply.view(conn, watch, now)
        last_seen = history.last_seen(conn, watch.name, digest=seen.digest, sha256=seen.hash)
        cut = publication.unterminated and _was_terminated(conn, believed)
        run = guard.RejectedRun(
            *history.rejected_run(
                conn,
                watch.name,
                digest=seen.digest,
                now=now,
                longest=max(watch.policy.reject_wait, watch.policy.stale_after) + watch.longest_gap,
                gap=watch.longest_gap,
            )
        )
    continued = continue_reading(view.accepted.listings, publication, seen.parser.pair)
    publication = continued.publication
    if view.believed != believed:
        raise BaselineMoved
    if believed.last_good_hash is None:
        ends = (run.since or now) + watch.policy.reject_wait
        if publication.unread and not answer and now < ends:
            return _rejected(engine, seen, publication, body, _explain_unread(publication), ends)
        return _baseline(engine, seen, view, publication, body)
    differences = diff(
        view.accepted.listings,
        publication.listings,
        silent=watch.policy.silent,
        new_columns=view.believed.columns ^ publication.columns,
        pairing=seen.parser.pair,
    )
    if watch.leads_to is not None:
        with reading(engine) as conn:
            there = _identities(conn, watch.leads_to)
        differences = tuple(_without_moved(differences, there))
    if answer:
        judgements = apply.approved(differences, now)
        return _believe(engine, seen, view, publication, body, judgements, approved=True)
    rejection = guard.reject(
        publication,
        view.accepted.listings,
        differences,
        view.standing,
        columns=view.believed.columns,
        folders=view.believed.folders,
        last_seen=last_seen,
        now=now,
        policy=watch.policy,
        cut=cut,
        run=run,
    )
    if answer is False:
        return _rejected(engine, seen, publication, body, "a person rejected this publication", None)
    if rejection is not None:
        return _rejected(engine, seen, publication, body, rejection.reason, rejection.until)
    judgements = guard.judge(
        differences,
        view.accepted.listings,
        view.standing,
        view.released,
        now=now,
        policy=watch.policy,
        damaged=publication.damaged,
        blank_states=continued.blank_states,
    )
    return _believe(engine, seen, view, publication, body, judgements)


def _identities(conn: Connection, source: str) -> frozenset[tuple[str, str | None]]:
    """The names and states of a list: what it holds, and what is about to be told as added."""
    added = (row.change.after for row in changes.standing(conn, source))
    listings = (*baseline.accepted(conn, source).listings, *(listing for listing in added if listing))
    return frozenset((normalise(listing.name), listing.state) for listing in listings)


def _without_moved(
    differences: Iterable[Change], there: frozenset[tuple[str, str | None]]
) -> Iterator[Change]:
    """Make those who left for the other list quiet: one event is told once, there, and is no group here."""
    for change in differences:
        listing = change.subject
        moved = change.kind is Kind.REMOVED and (normalise(listing.name), listing.state) in there
        yield replace(change, quiet=True) if moved else change


def _believe(
    engine: Engine,
    seen: Received,
    view: SourceState,
    publication: Publication,
    body: bytes,
    judgements: tuple[Judgement, ...],
    *,
    approved: bool = False,
) -> PollResult:
    """T1 of new content."""
    with transaction(engine) as conn:
        moved = apply.moves(conn, view, judgements, seen.now, approved=approved)
        fetch_id = _write_good(conn, seen, view.believed, publication, body, moved)
        apply.write(conn, view.believed, moved, fetch_id, seen.now)
    return apply.outcome(seen.watch.name, moved)


def _baseline(
    engine: Engine, seen: Received, view: SourceState, publication: Publication, body: bytes
) -> PollResult:
    """T1 of the first publication of a source: recorded, announced to nobody.

    After an import it continues the list of the last capture: what differs happened between the two.
    """
    moved = Moves(opened=tuple(NewVersion(listing, listing.key) for listing in publication.listings))
    with reading(engine) as conn:
        past = imports.load_import(conn, seen.watch.name)
    judgements = () if past is None else apply.join_past(view, publication, seen.watch, seen.parser, seen.now)
    with transaction(engine) as conn:
        if past is not None:
            view = replace(view, believed=replace(view.believed, last_good_at=past.last_at))
            moved = apply.attribute(apply.moves(conn, view, judgements, seen.now), past.captured_by)
        append_source(conn, seen.watch, seen.now)
        fetch_id = _write_good(conn, seen, view.believed, publication, body, moved or past)
        if past is not None:
            imports.note_joining(conn, past.id, view.believed.number + 1, seen.now)
        apply.write(conn, view.believed, moved, fetch_id, seen.now, past.id if past else None)
    return PollResult(seen.watch.name, Result.BASELINE)


def _unchanged(engine: Engine, seen: Received, believed: BaselineInfo) -> PollResult:
    """T1 of the last good content: one fetch row. Open changes that are due are judged on stored data."""
    watch, now = seen.watch, seen.now
    with reading(engine) as conn:
        view = apply.glance(conn, watch)
        if guard.due(view.standing, now, watch.policy):
            view = apply.view(conn, watch, now)
            judgements = guard.judge(
                tuple(row.change for row in view.rows),
                view.accepted.listings,
                view.standing,
                view.released,
                now=now,
                policy=watch.policy,
                reread=False,
            )
        else:
            judgements = ()
        snapshot = history.snapshot(conn, watch.name, seen.hash, ACCEPTED)
    if view.believed != believed:
        raise BaselineMoved
    with transaction(engine) as conn:
        moved = apply.moves(conn, view, judgements, now, all_judged=False)
        fetch_id = record.insert_poll(conn, seen.attempt(UNCHANGED))
        baseline.advance(
            conn,
            view.believed,
            number=view.believed.number + bool(moved),
            last_good_fetch=fetch_id,
            last_good_at=now,
        )
        if snapshot is not None:
            history.saw_again(conn, snapshot.id, now)
        apply.write(conn, view.believed, moved, fetch_id, now)
        if isinstance(seen.got, Fetched):
            _insert_body(conn, seen, believed, seen.got.body)  # it may not have been kept for want of room
        _remember(conn, seen)
    return apply.outcome(watch.name, moved)


def _explain_unread(publication: Publication) -> str:
    """Why a first publication with an unread part is no baseline yet."""
    parts = ", ".join(publication.unread[:3])
    return f"A part of the publication was not read ({parts}); what it holds would be told as new later."


def _still_waits(rejected: history.SnapshotInfo, now: datetime, gap: timedelta) -> bool:
    """Whether a rejection has not ended by itself, and was seen all the time."""
    ends = rejected.release_at
    return ends is not None and now < ends and now - rejected.last_seen_at <= gap


def _was_terminated(conn: Connection, believed: BaselineInfo) -> bool:
    """Whether the last line of the last good body had its end."""
    body = bodies.load_body(conn, believed.last_good_hash) if believed.last_good_hash else None
    return body is not None and is_terminated(body)


def _rejected(
    engine: Engine,
    seen: Received,
    publication: Publication,
    body: bytes,
    reason: str,
    release_at: datetime | None,
) -> PollResult:
    """Keep a rejected publication with its reason. It moves nothing."""
    with transaction(engine) as conn:
        fetch_id = record.insert_poll(conn, seen.attempt(REJECTED, reason))
        _insert_body(conn, seen, baseline.believed(conn, seen.watch.name), body)
        _write_snapshot(conn, seen, fetch_id, publication, REJECTED, reason, release_at)
        return _nothing_moved(conn, seen.watch, seen.now, Result.REJECTED, reason)


def _rejected_again(engine: Engine, seen: Received, rejected: history.SnapshotInfo) -> PollResult:
    """Record that the same rejected publication is still served. Nothing is parsed."""
    with transaction(engine) as conn:
        record.insert_poll(conn, seen.attempt(REJECTED, rejected.reason))
        history.saw_again(conn, rejected.id, seen.now)
        return _nothing_moved(conn, seen.watch, seen.now, Result.REJECTED, rejected.reason)


def _late(engine: Engine, seen: Received) -> PollResult:
    """Record a poll that ended after a later one was believed: its content is older and would undo newer
    changes.
    """
    reason = "a later poll was believed before this one"
    with transaction(engine) as conn:
        record.insert_poll(conn, seen.attempt(FAILED, reason))
        rows = changes.standing(conn, seen.watch.name)
    return replace(apply.outcome(seen.watch.name, Moves(standing=rows)), reason=reason)


def _failed(
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
        # the first of a row is kept as evidence: an error page can be another one each time
        is_first = not history.is_unreadable(conn, watch.name)
        record.insert_poll(conn, attempt_of(watch, now, FAILED, reason, got))
        if isinstance(got, Fetched) and is_first and watch.has_room(len(got.body)):
            bodies.insert_body(conn, got.sha256, got.body, now, wire=got.wire)
        return _nothing_moved(conn, watch, now, Result.FAILED, reason, wait)


def _absent(engine: Engine, watch: PolledSource, error: FetchFailed, now: datetime) -> PollResult:
    """Record that an optional source is not published now. What was believed of it stands."""
    with transaction(engine) as conn:
        record.insert_poll(conn, attempt_of(watch, now, ABSENT, str(error), error.evidence))
        baseline.note_absence(conn, watch.name, now)
        return _nothing_moved(conn, watch, now, Result.ABSENT, str(error))


def _nothing_moved(
    conn: Connection,
    watch: PolledSource,
    now: datetime,
    result: Result,
    reason: str,
    wait: timedelta | None = None,
) -> PollResult:
    baseline.note_poll(conn, watch.name, now, now + (wait or watch.every))
    stands = apply.outcome(watch.name, Moves(standing=changes.standing(conn, watch.name)))
    return replace(stands, outcome=result, reason=reason)


def _write_good(
    conn: Connection,
    seen: Received,
    believed: BaselineInfo,
    publication: Publication,
    body: bytes,
    moved: object,
) -> int:
    """Write everything of T1 but the moves, whether there are any or not; returns the fetch's id."""
    watch = seen.watch
    fetch_id = record.insert_poll(conn, seen.attempt(GOOD))
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
    """Store what every good poll brings: the validators, and when the source is due again."""
    given = seen.got.validators
    history.put_validators(
        conn, seen.watch.name, seen.got.final_url, Remembered(given.etag, given.last_modified, seen.hash)
    )
    baseline.note_poll(conn, seen.watch.name, seen.now, seen.now + seen.watch.every)
