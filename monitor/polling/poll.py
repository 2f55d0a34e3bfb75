"""A poll, from top to bottom; `transactions` writes its result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection, Engine

from monitor.core import guard
from monitor.core.accepted_values import reconcile
from monitor.core.diff import diff
from monitor.core.wording import normalize
from monitor.domain import Change, Kind, Publication
from monitor.errors import BaselineMoved, DamagedBody, FetchError, ParseError, StoreError, location_of
from monitor.fetch import Fetched, FetchEvidence, FetchFailed, NotModified, Validators
from monitor.parser import IN_PROCESS, Parser
from monitor.polling import apply
from monitor.polling.poll_result import PollResult
from monitor.polling.polled_source import BodySource, PolledSource, fetch_whole
from monitor.polling.received import Received
from monitor.polling.reparse import rebase
from monitor.polling.transactions import (
    write_absent,
    write_accepted,
    write_failed,
    write_first,
    write_late,
    write_rejected,
    write_rejected_again,
    write_unchanged,
)
from monitor.sources import is_terminated
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import baseline, bodies, changes, history, printed_counts
from monitor.storage.lists.baseline import BaselineInfo

log = logging.getLogger(__name__)

_TRIES = 6
"""Attempts in competition with other pollers of the same source. Each lost attempt means that another poller
wrote its result, which it does once.
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

    A publication that cannot be fetched or read is a result, and the baseline stays. Raises StoreError; the
    subclass BaselineMoved means that another poller was faster at every try.
    """
    try:
        return _poll(engine, watch, fetcher, now, parser)
    except StoreError:
        raise  # without a database there is no row to write
    except Exception as error:
        # A bug, even in the code that records a failure, must also be recorded, and the next poll is an
        # interval away.
        log.exception("%s: an error of the program", watch.name)
        return write_failed(engine, watch, _explain_mistake(error), now)


def _poll(
    engine: Engine, watch: PolledSource, fetcher: BodySource, now: datetime, parser: Parser
) -> PollResult:
    with reading(engine) as conn:
        # a server that always answers "not modified" gets an unconditional request once a day
        asks = history.was_read_whole(conn, watch.name, now - _UNCONDITIONAL)
        known = {
            url: Validators(given.etag, given.last_modified, given.hash)
            for url, given in (history.load_validators(conn, watch.name) if asks else {}).items()
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
            return write_absent(engine, watch, error, now)
        return write_failed(engine, watch, error, now, got)
    except DamagedBody as error:
        return write_failed(engine, watch, ParseError(str(error)), now, got)
    except StoreError:
        raise
    except Exception as error:
        log.exception("%s: an error of the program", watch.name)
        return write_failed(engine, watch, _explain_mistake(error), now, got)
    raise BaselineMoved


def _explain_mistake(error: Exception) -> ParseError:
    return ParseError(f"an error of the program: {location_of(error)}")


def _keep_printed_count(engine: Engine, watch: PolledSource, got: FetchEvidence, now: datetime) -> None:
    """Store the publisher's own count if it is new."""
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
    """Get the source's bytes, and the publication if several files had to be parsed to choose one."""
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
        return got, publication  # it was parsed, so it is not just a link
    return fetch_whole(fetcher, got, parser, watch.options, watch.target, known), None


def _weigh(engine: Engine, seen: Received) -> PollResult:
    """Compare the content with the baseline and write the result. Raises ParseError, BaselineMoved."""
    watch, now = seen.watch, seen.now
    with reading(engine) as conn:
        believed = baseline.load_info(conn, watch.name)
        rejected = history.find_rejected_now(conn, watch.name)
        answer = history.load_approval(conn, watch.name, seen.hash)
        body = b"" if seen.hash == believed.last_good_hash else seen.body(conn)
    if believed.last_good_at is not None and believed.last_good_at > now:
        return write_late(engine, seen)
    if believed.last_good_hash is not None and believed.fingerprint != watch.fingerprint:
        raise BaselineMoved  # changed by a process with another configuration, after the rebase
    if seen.hash == believed.last_good_hash:
        return write_unchanged(engine, seen, believed)
    if (
        rejected
        and not answer
        and (rejected.hash, rejected.fingerprint) == (seen.hash, watch.fingerprint)
        and (answer is False or _still_waits(rejected, now, watch.longest_gap))
    ):
        return write_rejected_again(engine, seen, rejected)

    return _weigh_publication(engine, seen, believed, seen.publication(body), body, answer)


def _weigh_publication(
    engine: Engine,
    seen: Received,
    believed: BaselineInfo,
    publication: Publication,
    body: bytes,
    answer: bool | None,
) -> PollResult:
    """Compare new content with the baseline that was ``believed`` before it was parsed. ``answer`` is a
    person's decision about this content. Raises BaselineMoved.
    """
    watch, now = seen.watch, seen.now
    with reading(engine) as conn:
        view = apply.load_state(conn, watch, now)
        last_seen = history.find_last_seen(conn, watch.name, digest=seen.digest, sha256=seen.hash)
        cut = publication.unterminated and _was_terminated(conn, believed)
        run = _load_rejected_run(conn, seen)
    continued = reconcile(view.accepted.listings, publication, seen.parser.pair)
    publication = continued.publication
    if view.believed != believed:
        raise BaselineMoved
    if believed.last_good_hash is None:
        ends = (run.since or now) + watch.policy.reject_wait
        if publication.unread and not answer and now < ends:
            return write_rejected(engine, seen, publication, body, _explain_unread(publication), ends)
        return write_first(engine, seen, view, publication, body)
    differences = _find_differences(engine, seen, view, publication)
    if answer:
        judgments = apply.judge_approved(differences, now)
        return write_accepted(engine, seen, view, publication, body, judgments, approved=True)
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
        return write_rejected(engine, seen, publication, body, "a person rejected this publication", None)
    if rejection is not None:
        return write_rejected(engine, seen, publication, body, rejection.reason, rejection.until)
    judgments = guard.judge(
        differences,
        view.accepted.listings,
        view.standing,
        view.released,
        now=now,
        policy=watch.policy,
        damaged=publication.damaged,
        blank_states=continued.blank_states,
        in_part=publication.in_part,
    )
    return write_accepted(engine, seen, view, publication, body, judgments)


def _load_rejected_run(conn: Connection, seen: Received) -> guard.RejectedRun:
    """Read how long this content has been rejected without a break."""
    watch = seen.watch
    return guard.RejectedRun(
        *history.find_rejected_run(
            conn,
            watch.name,
            digest=seen.digest,
            now=seen.now,
            longest=max(watch.policy.reject_wait, watch.policy.stale_after) + watch.longest_gap,
            gap=watch.longest_gap,
        )
    )


def _find_differences(
    engine: Engine, seen: Received, view: apply.SourceState, publication: Publication
) -> tuple[Change, ...]:
    """Compute the changes from the baseline to a publication; what moved to the list that this one leads
    to is quiet.
    """
    watch = seen.watch
    differences = diff(
        view.accepted.listings,
        publication.listings,
        silent=watch.policy.silent,
        new_columns=view.believed.columns ^ publication.columns,
        pairing=seen.parser.pair,
    )
    if watch.leads_to is None:
        return differences
    with reading(engine) as conn:
        there = _load_identities(conn, watch.leads_to)
    return tuple(_without_moved(differences, there))


def _load_identities(conn: Connection, source: str) -> frozenset[tuple[str, str | None]]:
    """Read the names and states of a list: its listings, and additions that are about to be announced."""
    added = (row.change.after for row in changes.load_standing(conn, source))
    listings = (*baseline.load_accepted(conn, source).listings, *(listing for listing in added if listing))
    return frozenset((normalize(listing.name), listing.state) for listing in listings)


def _without_moved(
    differences: Iterable[Change], there: frozenset[tuple[str, str | None]]
) -> Iterator[Change]:
    """Make removals of agencies that moved to the other list quiet: the event is announced once, there, and
    does not count toward a group here.
    """
    for change in differences:
        listing = change.subject
        moved = change.kind is Kind.REMOVED and (normalize(listing.name), listing.state) in there
        yield replace(change, quiet=True) if moved else change


def _explain_unread(publication: Publication) -> str:
    """Explain why a first publication with an unread part cannot become the baseline yet."""
    parts = ", ".join(publication.unread[:3])
    return f"A part of the publication was not read ({parts}); what it holds would be told as new later."


def _still_waits(rejected: history.SnapshotInfo, now: datetime, gap: timedelta) -> bool:
    """Whether a rejection has not ended by itself, and was seen without a gap."""
    ends = rejected.release_at
    return ends is not None and now < ends and now - rejected.last_seen_at <= gap


def _was_terminated(conn: Connection, believed: BaselineInfo) -> bool:
    """Whether the last line of the last good body had a line end."""
    body = bodies.load_body(conn, believed.last_good_hash) if believed.last_good_hash else None
    return body is not None and is_terminated(body)
