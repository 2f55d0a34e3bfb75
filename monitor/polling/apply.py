"""The transaction of a poll (T1 in ARCHITECTURE.md): loads the state in which changes are judged, and writes
the judgments.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.engine import Connection

from monitor.core.diff import diff
from monitor.domain import (
    Change,
    Judgment,
    Kind,
    Listing,
    OpenChange,
    PastChange,
    Placement,
    Publication,
    State,
)
from monitor.parser import Parser
from monitor.polling.poll_result import PollOutcome, PollResult
from monitor.polling.polled_source import PolledSource
from monitor.record import log
from monitor.storage.lists import baseline, changes, placement_rows
from monitor.storage.lists.baseline import Accepted, BaselineInfo, NewVersion
from monitor.storage.lists.changes import StoredChange

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SourceState:
    """The known state of a source at one moment."""

    believed: BaselineInfo
    accepted: Accepted
    rows: tuple[StoredChange, ...]
    released: tuple[PastChange, ...]

    @property
    def standing(self) -> tuple[OpenChange, ...]:
        return tuple(row.standing for row in self.rows)


@dataclass(frozen=True, slots=True)
class Moves:
    """The rows that judgments write: versions that end and begin, changes, and the open changes afterwards.
    ``gone`` is the first poll without a version, by key, if that was before this one.
    """

    closed: tuple[str, ...] = ()
    gone: Mapping[str, datetime] = field(default_factory=dict)
    opened: tuple[NewVersion, ...] = ()
    rows: tuple[StoredChange, ...] = ()
    standing: tuple[StoredChange, ...] = ()

    @property
    def published(self) -> tuple[StoredChange, ...]:
        return tuple(row for row in self.rows if row.state is State.PUBLISHED)

    def __bool__(self) -> bool:
        return bool(self.closed or self.opened or self.rows)


@dataclass(frozen=True, slots=True)
class PlacedListings:
    """Placements of listings by key, and the version of the gazetteer that computed them."""

    gazetteer: str = ""
    placements: Mapping[str, Placement] = field(default_factory=dict)


def load_state(conn: Connection, watch: PolledSource, now: datetime) -> SourceState:
    """Read the state of a source, as far back as any rule of the guard needs."""
    policy = watch.policy
    window = max(policy.group_window, policy.flap_window, policy.rename_memory)
    return SourceState(
        baseline.load_info(conn, watch.name),
        baseline.load_accepted(conn, watch.name),
        changes.load_standing(conn, watch.name),
        changes.load_past_changes(conn, watch.name, now - window),
    )


def load_open_state(conn: Connection, watch: PolledSource) -> SourceState:
    """Read the open changes without the baseline: enough to see whether anything is due."""
    return SourceState(
        baseline.load_info(conn, watch.name), Accepted((), {}), changes.load_standing(conn, watch.name), ()
    )


def judge_approved(differences: Iterable[Change], since: datetime, reason: str = "") -> tuple[Judgment, ...]:
    """Judge every change as published, because an operator approved it. It counts as held: approved changes
    do not count into later groups.
    """
    return tuple(Judgment(change, State.PUBLISHED, since, reason, held=True) for change in differences)


def judge_after_import(
    view: SourceState, publication: Publication, watch: PolledSource, parser: Parser, now: datetime
) -> tuple[Judgment, ...]:
    """Judge the changes from the last capture of an imported past to our first poll: all are published, and
    nobody is alerted.
    """
    differences = diff(
        view.accepted.listings,
        publication.listings,
        silent=watch.policy.silent,
        new_columns=view.believed.columns ^ publication.columns,
        pairing=parser.pair,
    )
    return tuple(Judgment(change, State.PUBLISHED, now) for change in differences)


def mark_captured(moved: Moves, captured_by: str) -> Moves:
    """Mark moves that continue an import with the capturer of the publication before them."""
    rows = tuple(replace(row, origin=changes.JOINED, captured_by=captured_by) for row in moved.rows)
    return replace(moved, rows=rows)


def compute_moves(
    conn: Connection,
    view: SourceState,
    judgments: Iterable[Judgment],
    now: datetime,
    *,
    all_judged: bool = True,
    approved: bool = False,
) -> Moves:
    """Compute the rows that the judgments write. A quiet change moves the baseline and writes no row.

    ``all_judged``: an open change without a judgment is gone and gets withdrawn. ``approved``: an operator
    decided.
    """
    source, number = view.believed.name, view.believed.number + 1
    known = {row.change.identity: row for row in view.rows}
    taken = set(view.accepted.agencies.values())
    # an addition that was renamed before it was announced keeps its clock under another identity
    not_before = {row.first_seen_at: row.not_before for row in view.rows} | {now: view.believed.last_good_at}
    taking: list[tuple[Change, str, datetime]] = []
    rows: list[StoredChange] = []
    standing: list[StoredChange] = []
    for judgment in judgments:
        change, published = judgment.change, judgment.state is State.PUBLISHED
        agency = _find_agency(conn, view, change, taken, number)
        old = None if change.quiet else known.pop(change.identity, None)
        if published:
            # a publication is approved as of its first refusal: what was open by then was seen earlier
            taking.append((change, agency, judgment.since if old is None else old.first_seen_at))
        if change.quiet:
            continue
        row = replace(
            old
            or StoredChange(
                source,
                change,
                agency,
                judgment.state,
                judgment.since,
                not_before=not_before.get(judgment.since, view.believed.last_good_at),
            ),
            change=change,
            state=judgment.state,
            reason=judgment.reason,
            release_at=judgment.release_at,
            was_held=judgment.held or judgment.state is State.HELD or (old is not None and old.was_held),
            approved=approved or (old is not None and old.approved),
            ended_at=now if published else None,
        )
        if row != old:
            rows.append(row)
        if not published:
            standing.append(row)
    if all_judged:
        rows += [replace(row, state=State.WITHDRAWN, ended_at=now) for row in known.values()]
    else:
        standing += known.values()
    gone, opened = _date(conn, source, taking, now)
    return Moves(
        closed=tuple(change.before.key for change, _, _ in taking if change.before is not None),
        gone=gone,
        opened=opened,
        rows=tuple(rows),
        standing=tuple(standing),
    )


def _date(
    conn: Connection, source: str, taking: Sequence[tuple[Change, str, datetime]], now: datetime
) -> tuple[dict[str, datetime], tuple[NewVersion, ...]]:
    """Date the versions that end and begin by the first poll that saw the change, if that was before now.

    The date is never before the first sight of the ending version, or before a returning agency was missing.
    """
    late = [(change, agency) for change, agency, since in taking if since < now]
    changed = [change.before.key for change, _ in late if change.before is not None]
    back = [agency for change, agency in late if change.before is None and change.previous is not None]
    starts = baseline.load_starts(conn, source, changed) if changed else {}
    ends = baseline.load_ends(conn, source, back) if back else {}
    gone: dict[str, datetime] = {}
    opened: list[NewVersion] = []
    for change, agency, since in taking:
        before = None if change.before is None else change.before.key
        seen = max(since, ends.get(agency, since) if before is None else starts.get(before, since))
        if before is not None and seen < now:
            gone[before] = seen
        if change.after is not None:
            opened.append(NewVersion(change.after, agency, seen if seen < now else None))
    return gone, tuple(opened)


def locate_listings(watch: PolledSource, listings: Iterable[Listing]) -> PlacedListings:
    """Locate listings that will be accepted. It is called before the transaction, because it takes 0.3 ms for
    each. A listing on which the gazetteer fails has no placement yet.
    """
    wanted = tuple(listings)
    if watch.gazetteer is None or not wanted:
        return PlacedListings()
    gazetteer = watch.gazetteer()
    placements = {}
    for listing in wanted:
        try:
            placements[listing.key] = gazetteer.locate(listing, watch.name)
        except Exception:
            logger.exception("%s: a listing could not be placed", watch.name)
    return PlacedListings(gazetteer.version, placements)


def locate_published(watch: PolledSource, judgments: Iterable[Judgment]) -> PlacedListings:
    """The same for the listings that judgments accept."""
    accepted = (each.change.after for each in judgments if each.state is State.PUBLISHED)
    return locate_listings(watch, (listing for listing in accepted if listing is not None))


def write(
    conn: Connection,
    believed: BaselineInfo,
    moved: Moves,
    placed: PlacedListings,
    fetch_id: int | None,
    now: datetime,
    import_id: int | None = None,
) -> None:
    """Write the moves under the number after ``believed``; nobody is alerted to them if they continue an
    import.

    The caller has advanced the source to that number.
    """
    number = believed.number + 1
    write_versions(conn, believed, moved.closed, moved.opened, placed, now, moved.gone)
    rows: Sequence[StoredChange] = moved.rows
    if moved.published:
        leaf = log.append_changes(conn, believed.name, number, moved.published, now)
        changeset = changes.add_changeset(conn, believed.name, number, now, fetch_id, leaf, import_id)
        rows = [
            _complete_published(conn, row, changeset) if row.state is State.PUBLISHED else row for row in rows
        ]
    changes.write(conn, rows)


def _complete_published(conn: Connection, row: StoredChange, changeset: int) -> StoredChange:
    back = row.change.previous is not None
    gone_at = changes.find_gone_at(conn, row.source, row.agency) if back else None
    return replace(row, changeset=changeset, gone_at=gone_at)


def write_versions(
    conn: Connection,
    believed: BaselineInfo,
    closed: Sequence[str],
    opened: Sequence[NewVersion],
    placed: PlacedListings,
    now: datetime,
    gone: Mapping[str, datetime] | None = None,
) -> None:
    """End and begin versions under the number after ``believed``, each with its places."""
    number = believed.number + 1
    baseline.end_versions(conn, believed.name, closed, number, now, gone)
    ids = baseline.begin_versions(conn, believed.name, opened, number, now)
    placement_rows.put_placements(
        conn,
        placed.gazetteer,
        {id: placed.placements[key] for key, id in ids.items() if key in placed.placements},
    )


def summarize_moves(source: str, moved: Moves) -> PollResult:
    """Summarize the moves as a result."""
    pending = [row for row in moved.standing if row.state is State.PENDING]
    held = [row for row in moved.standing if row.state is State.HELD]
    if moved.published:
        result = PollOutcome.PUBLISHED
    else:
        result = PollOutcome.HELD if held else PollOutcome.PENDING if pending else PollOutcome.UNCHANGED
    kinds = [row.change.kind for row in moved.published]
    return PollResult(
        source,
        result,
        added=kinds.count(Kind.ADDED),
        removed=kinds.count(Kind.REMOVED),
        changed=kinds.count(Kind.CHANGED),
        pending=len(pending),
        held=len(held),
        reason=join_reasons(held or pending),
    )


def join_reasons(rows: Iterable[StoredChange]) -> str:
    """The reasons of changes, without duplicates."""
    return " ".join(dict.fromkeys(row.reason for row in rows if row.reason))


def _find_agency(
    conn: Connection, view: SourceState, change: Change, taken: Collection[str], number: int
) -> str:
    """Find the agency of a change: that of the listing it continues, or the new listing's key."""
    agencies = view.accepted.agencies
    if change.before is not None:
        return agencies.get(change.before.key, change.before.key)
    assert change.after is not None
    if change.previous is not None:
        past = baseline.find_past_agency(conn, view.believed.name, change.previous.key)
        if past is not None:
            return past
    key = change.after.key
    # another agency that has since been renamed was first accepted under this key
    return key if key not in taken else f"{key}@{number}"
