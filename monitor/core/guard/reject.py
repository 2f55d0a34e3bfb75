"""Tier 1: decides whether a publication is believed at all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.core.diff import value_of
from monitor.core.guard.reasons import name_listing
from monitor.core.identity import dates_of
from monitor.domain import Change, Kind, Listing, OpenChange, Policy, Publication
from monitor.formatting import format_minute


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a publication is not believed, as text for a person, and when its changes are judged one by one
    nevertheless, unless the source reverts before.
    """

    reason: str
    until: datetime


@dataclass(frozen=True, slots=True)
class RejectedRun:
    """Since when every poll of a source was rejected, without a good one in between; None if the last one was
    good.

    ``same_list``: since when the rejected set of listings was the same as now.
    """

    since: datetime | None = None
    same_list: datetime | None = None


_NO_RUN = RejectedRun()


def reject(
    publication: Publication,
    accepted: Collection[Listing],
    changes: Iterable[Change],
    standing: Iterable[OpenChange],
    *,
    columns: frozenset[str],
    folders: Collection[str],
    last_seen: datetime | None,
    now: datetime,
    policy: Policy,
    cut: bool = False,
    run: RejectedRun = _NO_RUN,
) -> Rejection | None:
    """Decide why this publication is not believed at all; None if its changes may be judged one by one.

    ``changes`` lead from ``accepted`` to the publication; ``columns`` and ``folders`` are those of the last
    good snapshot. ``last_seen`` is when this very set of listings (`identity.digest`) was last published
    before; None if never, or if it is that of the last good snapshot. ``cut``: the last row has no end of
    line, and it had one in the last good body. Only new changes count: an open change was judged when it came
    and must not make the next good publication look bad.

    A rejection ends by itself. On real maps a frozen baseline refused every later publication, for a year
    and 108 true additions. So a publication that was rejected for `Policy.reject_wait`, or a copy of an
    earlier list that was served for `Policy.stale_after`, is judged change by change, with the holds of
    `judge`. ``run`` says how long that has lasted.
    """
    stands = {one.change.identity for one in standing}
    fresh = [change for change in changes if not change.quiet and change.identity not in stands]
    missing = [change.subject for change in fresh if change.kind is Kind.REMOVED]
    reason = (
        _too_many_missing(missing, columns, folders, publication, accepted, policy)
        or _future(fresh, now, policy)
        or (_cut(fresh) if cut else None)
    )
    if reason:
        until = (run.since or now) + policy.reject_wait
    elif reason := _stale(len(fresh), last_seen):
        until = (run.same_list or now) + policy.stale_after
    if not reason or until <= now:
        return None
    return Rejection(
        f"{reason} If it is still published on {format_minute(until)}, its changes are judged one by one.",
        until,
    )


def _too_many_missing(
    missing: Sequence[Listing],
    columns: frozenset[str],
    folders: Collection[str],
    publication: Publication,
    accepted: Collection[Listing],
    policy: Policy,
) -> str | None:
    """No real release removed more than a few percent; a truncated or swapped file does.

    Up to ``missing_floor`` listings may disappear from a tiny list in a day; the holds of groups handle them.
    A column or folder that disappeared with them explains the loss.
    """
    count, total = len(missing), len(accepted)
    if count <= policy.missing_floor or count <= policy.missing_share * total:
        return None
    cause = _lost_column(columns - publication.columns, accepted, missing) or _lost_folder(
        set(folders) - set(publication.folders), accepted, missing
    )
    return cause or (
        f"{count:,} of {total:,} listings are missing at once; more than {policy.missing_share:.0%} is not "
        "believed. The file may be cut off, or another list."
    )


def _lost_column(
    lost: Iterable[str], accepted: Collection[Listing], missing: Sequence[Listing]
) -> str | None:
    for column in sorted(lost):
        had = sum(value_of(listing, column) is not None for listing in accepted)
        gone = sum(value_of(listing, column) is not None for listing in missing)
        if gone > had / 2:
            return (
                f'The column "{column}" is gone, and with it {gone:,} of the {had:,} listings that had '
                "something there. It may be another table."
            )
    return None


def _lost_folder(
    lost: Iterable[str], accepted: Collection[Listing], missing: Sequence[Listing]
) -> str | None:
    for folder in sorted(lost):
        had = sum(listing.folder == folder for listing in accepted)
        gone = sum(listing.folder == folder for listing in missing)
        if gone > had / 2:
            return (
                f'The folder "{folder}" is gone, and with it {gone:,} of its {had:,} listings. '
                "The publisher may have lost it."
            )
    return None


def _stale(differences: int, last_seen: datetime | None) -> str | None:
    """Detect an old file that was uploaded again, or a server that lags behind the others: from outside it
    looks like a publisher who reverts a change, whatever its age and however little differs.

    One poll that read a 12-hour-old copy announced a false "listed again", and a rename that the next poll
    reversed.
    """
    if last_seen is None or not differences:
        return None
    return (
        f"This very list was published before, until {format_minute(last_seen)}; it differs in "
        f"{differences:,} {'listing' if differences == 1 else 'listings'} from what was accepted since. It "
        "may be an old copy, or the publisher took changes back."
    )


def _cut(fresh: Sequence[Change]) -> str | None:
    """Detect a file that ends in the middle of a row: missing listings may lie behind the cut, and the last
    row may be incomplete.
    """
    lost = [x for x in fresh if x.kind is Kind.REMOVED or (x.kind is Kind.CHANGED and _is_shorter(x))]
    if not lost:
        return None
    return (
        f"The file ends without the end of its last line, and {name_listing(lost[0].subject)} is missing or "
        "shorter than before. It may be cut off."
    )


def _is_shorter(change: Change) -> bool:
    """Whether a value is the beginning of what it was."""
    assert change.before is not None
    assert change.after is not None
    for field in change.fields:
        before, after = value_of(change.before, field), value_of(change.after, field)
        if after is None or str(before).startswith(str(after)):
            return True
    return False


def _future(fresh: Iterable[Change], now: datetime, policy: Policy) -> str | None:
    """Detect rows dated after tomorrow (a day's grace for time zones), which belong elsewhere; one or two are
    typing errors.
    """
    tomorrow = now.date() + timedelta(days=1)
    rows = [
        change
        for change in fresh
        if change.kind is Kind.ADDED and max(dates_of(change.subject), default=tomorrow) > tomorrow
    ]
    if len(rows) >= policy.future_rows:
        return (
            f"{len(rows):,} new listings carry a date in the future, {name_listing(rows[0].subject)} among "
            "them. They may belong to another list."
        )
    return None
