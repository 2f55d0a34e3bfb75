"""Parses the last good body again after a change of the parser or the configuration. The baseline is updated
without alerts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.engine import Connection, Engine

from monitor.core.accepted_values import reconcile
from monitor.core.diff import diff
from monitor.core.identity import digest
from monitor.domain import Change, Listing
from monitor.errors import ParseError
from monitor.parser import IN_PROCESS, Parser
from monitor.polling import apply
from monitor.polling.polled_source import PolledSource
from monitor.record import log as log_of_record
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import baseline, bodies, changes, history
from monitor.storage.lists.baseline import Accepted, NewVersion
from monitor.storage.lists.changes import StoredChange

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Shift:
    """The baseline and the open changes after parsing again."""

    closed: tuple[str, ...]
    opened: tuple[NewVersion, ...]
    rows: tuple[StoredChange, ...]


def rebase(engine: Engine, watch: PolledSource, now: datetime, parser: Parser = IN_PROCESS) -> None:
    """If the source's fingerprint changed, parse its last good body again and accept the differences without
    alerts.

    Open changes stay open. Nothing is announced and no poll is counted. If the body cannot be parsed with the
    new settings (a new format was just configured), the baseline stays, and the next publication is compared
    with it as usual. Raises BaselineMoved.
    """
    with reading(engine) as conn:
        believed = baseline.load_info(conn, watch.name)
        if believed.last_good_hash is None or believed.fingerprint == watch.fingerprint:
            return
        body = bodies.load_body(conn, believed.last_good_hash)
        accepted = baseline.load_accepted(conn, watch.name)
        rows = changes.load_standing(conn, watch.name)
    try:
        publication = None if body is None else parser.parse(body, watch.options)
    except ParseError as error:
        publication = None
        log.warning("%s: what was last believed cannot be read as now configured: %s", watch.name, error)
    if publication is None:
        with transaction(engine) as conn:
            append_source(conn, watch, now)
            baseline.advance(conn, believed, fingerprint=watch.fingerprint)
        return

    observed, content = _rebuild_observed(accepted.listings, rows), digest(publication.listings)
    publication = reconcile(observed, publication, parser.pair).publication
    differences = diff(
        observed,
        publication.listings,
        silent=watch.policy.silent,
        new_columns=believed.columns ^ publication.columns,
        pairing=parser.pair,
    )
    shift = _shift(accepted, rows, differences)
    placed = apply.locate_listings(watch, (version.listing for version in shift.opened))
    with transaction(engine) as conn:
        append_source(conn, watch, now)
        baseline.advance(
            conn,
            believed,
            number=believed.number + 1,
            fingerprint=watch.fingerprint,
            columns=sorted(publication.columns),
            folders=list(publication.folders),
        )
        apply.write_versions(conn, believed, shift.closed, shift.opened, placed, now)
        changes.write(conn, shift.rows)
        assert believed.last_good_fetch is not None
        assert believed.last_good_at is not None
        history.add_snapshot(
            conn,
            source=watch.name,
            fetch_id=believed.last_good_fetch,
            at=believed.last_good_at,
            hash=believed.last_good_hash,
            digest=content,
            fingerprint=watch.fingerprint,
            listings=len(publication.listings),
            verdict=history.ACCEPTED,
            problems=publication.problems,
        )
    log.info("%s: read again, %d listings were taken silently", watch.name, len(shift.opened))


def append_source(conn: Connection, watch: PolledSource, now: datetime) -> None:
    """Append to the record how a source's publications are parsed from now on."""
    log_of_record.append_source(
        conn, watch.name, watch.target.home, watch.options.format, watch.fingerprint, watch.every, now
    )


def _rebuild_observed(accepted: Iterable[Listing], rows: Iterable[StoredChange]) -> tuple[Listing, ...]:
    """Rebuild the last publication as it was parsed then: the baseline with all open changes applied."""
    listings = {listing.key: listing for listing in accepted}
    rows = tuple(rows)
    for row in rows:
        if row.change.before is not None:
            listings.pop(row.change.before.key, None)
    for row in rows:
        if row.change.after is not None:
            listings[row.change.after.key] = row.change.after
    return tuple(listings.values())


def _shift(accepted: Accepted, rows: Iterable[StoredChange], differences: Iterable[Change]) -> _Shift:
    """Apply the differences to the accepted listings; open changes only get their new description."""
    awaited = {row.change.after.key: row for row in rows if row.change.after is not None}
    kept = {row.change.before.key for row in rows if row.change.before is not None}
    closed: list[str] = []
    opened: list[NewVersion] = []
    described: list[StoredChange] = []
    for difference in differences:
        before, after = difference.before, difference.after
        if before is not None and before.key in awaited:
            row = awaited[before.key]
            # one that is no longer found is withdrawn by the next poll, as usual
            if after is not None:
                described.append(replace(row, change=replace(row.change, after=after)))
            continue
        if after is not None and after.key in kept:
            continue  # a missing listing is found again: the next poll withdraws its removal
        if before is not None:
            closed.append(before.key)
        if after is not None:
            key = after.key if before is None else before.key
            opened.append(NewVersion(after, accepted.agencies.get(key, key)))
    return _Shift(tuple(closed), tuple(opened), tuple(described))
