"""Tier 1: whether a publication is believed at all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from monitor.core.diff import value_of
from monitor.core.guard.reasons import title
from monitor.core.identity import dates_of, named_key
from monitor.domain import Change, Kind, Listing, OpenChange, Policy, Publication


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
) -> str | None:
    """Why this publication is not believed at all, in words for a person, or None if its changes may be
    judged one by one.

    ``changes`` lead from ``accepted`` to the publication; ``columns`` and ``folders`` are those of the last
    good snapshot. ``last_seen`` is when this very set of listings (`identity.digest`) was last published
    before; None if never, or if it is that of the last good snapshot. Only what is new counts: a change that
    stands already was judged when it came and must not make the next good publication look bad. A rejection
    never ends by itself; a person may approve the content.
    """
    stands = {one.change.identity for one in standing}
    fresh = [change for change in changes if not change.quiet and change.identity not in stands]
    missing = [change.subject for change in fresh if change.kind is Kind.REMOVED]
    return (
        _lost_column(columns - publication.columns, accepted, missing, policy)
        or _lost_folder(set(folders) - set(publication.folders), accepted, missing, policy)
        or _too_many_missing(len(missing), len(accepted), policy)
        or _stale(len(fresh), last_seen, now, policy)
        or _future(fresh, now, policy)
        or _renumbered(fresh, publication, policy)
    )


def _lost_column(
    lost: Iterable[str], accepted: Collection[Listing], missing: Sequence[Listing], policy: Policy
) -> str | None:
    """A column that is gone takes its values along, which is silent; together with most of its listings it is
    another table.
    """
    for column in sorted(lost) if len(missing) >= policy.missing_floor else ():
        had = sum(value_of(listing, column) is not None for listing in accepted)
        gone = sum(value_of(listing, column) is not None for listing in missing)
        if gone >= policy.missing_floor and gone > had / 2:
            return (
                f'The column "{column}" is gone, and with it {gone:,} of the {had:,} listings that had '
                "something there."
            )
    return None


def _lost_folder(
    lost: Iterable[str], accepted: Collection[Listing], missing: Sequence[Listing], policy: Policy
) -> str | None:
    """A folder that is renamed keeps its listings. Fewer than ``whole_group`` listings in it are no group."""
    for folder in sorted(lost) if missing else ():
        had = sum(listing.folder == folder for listing in accepted)
        gone = sum(listing.folder == folder for listing in missing)
        if had >= policy.whole_group and gone > had / 2:
            return f'The folder "{folder}" is gone, and with it {gone:,} of its {had:,} listings.'
    return None


def _too_many_missing(missing: int, accepted: int, policy: Policy) -> str | None:
    """No real release took away more than a few in a hundred; a truncated or swapped file does.

    ``missing_floor`` is for tiny lists.
    """
    if missing >= policy.missing_floor and missing > policy.missing_share * accepted:
        return (
            f"{missing:,} of {accepted:,} listings are missing at once; more than "
            f"{policy.missing_share:.0%} is not believed."
        )
    return None


def _stale(differences: int, last_seen: datetime | None, now: datetime, policy: Policy) -> str | None:
    """An old file put up again.

    Within a day it is more likely a real change taken back, and so are a few differences.
    """
    if last_seen is None or now - last_seen <= policy.stale_after or differences <= policy.stale_differences:
        return None
    return (
        f"This very list was published before, until {last_seen:%Y-%m-%d %H:%M} UTC; it differs from what "
        "was accepted since in "
        f"{differences:,} listings, so it is taken for an old file put up again."
    )


def _future(fresh: Iterable[Change], now: datetime, policy: Policy) -> str | None:
    """Rows dated after tomorrow (a day's grace for time zones) belong elsewhere; one or two are typing
    errors.
    """
    tomorrow = now.date() + timedelta(days=1)
    rows = [
        change
        for change in fresh
        if change.kind is Kind.ADDED and max(dates_of(change.subject), default=tomorrow) > tomorrow
    ]
    if len(rows) >= policy.future_rows:
        return f"{len(rows):,} new listings carry a date in the future, {title(rows[0].subject)} among them."
    return None


def _renumbered(fresh: Iterable[Change], publication: Publication, policy: Policy) -> str | None:
    """Ids that were given to other rows (row numbers, a republished layer) would read as renames of agencies
    that still exist.
    """
    moved = [
        change
        for change in fresh
        if change.renamed and change.before and change.after and change.before.source_id
        and change.before.source_id == change.after.source_id
    ]  # fmt: skip
    if len(moved) < policy.whole_group:
        return None
    names = {named_key(listing) for listing in publication.listings}
    moved = [change for change in moved if change.before and named_key(change.before) in names]
    if len(moved) < policy.whole_group:
        return None
    return (
        f"{len(moved):,} ids now belong to other agencies than before, that of {title(moved[0].subject)} "
        "among them: they were given to other rows."
    )
