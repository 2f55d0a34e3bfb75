"""Changes that no waiting time makes credible: listings that seem gone or new because a row cannot be
read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence

from rapidfuzz import fuzz

from monitor.core.damage import looks_damaged, skeleton
from monitor.core.guard.reasons import name_listing
from monitor.core.guard.recent_changes import Identity
from monitor.core.identity import dates_of, make_named_key
from monitor.core.renames import evidence_of
from monitor.core.wording import normalize
from monitor.domain import Change, Kind, Listing

_ALIKE = 90  # of 100
_MOST_ALIKE = 100  # rows with one mark that are compared
_MOST_COMPARED = 100_000  # pairs of names; above that, most of the list is broken and is held or rejected


def unreadable_rows_of(
    changes: Sequence[Change], accepted: Collection[Listing], damaged: Iterable[Listing]
) -> dict[Identity, str]:
    """Find the changes that only a person can decide, with the reason: listings that seem new or gone because
    a row cannot be read.
    """
    arrived = [change for change in changes if change.kind is Kind.ADDED]
    doubts = _doubt_states(changes)
    broken = [*damaged, *(change.after for change in changes if change.after and _lacks_state(change))]
    nowhere = {
        normalize(x.subject.name): x for x in arrived if not x.subject.state and not x.subject.state_text
    }
    doubts |= _rows_astray(changes, accepted, nowhere, broken)
    broken += [x.subject for x in arrived if x.subject.state and looks_damaged(x.subject.name)]
    return doubts | _doubt_missing(changes, accepted, nowhere, broken)


def _lacks_state(change: Change) -> bool:
    """Whether a change leads to a listing whose state cannot be read."""
    after = change.after
    return after is not None and not change.quiet and not after.state and bool(after.state_text)


def _doubt_states(changes: Iterable[Change]) -> dict[Identity, str]:
    """Find the changes that lead to a listing without a state, where there is a text for it, or was one."""
    doubts: dict[Identity, str] = {}
    for change in changes:
        if change.after is None or change.after.state or change.quiet:
            continue
        if change.after.state_text:
            doubts[change.identity] = f'"{change.after.state_text}" is not the name of a state.'
        elif change.before and change.before.state:
            doubts[change.identity] = f"{name_listing(change.before)} is published without its state."
    return doubts


def _doubt_missing(
    changes: Sequence[Change],
    accepted: Collection[Listing],
    nowhere: Mapping[str, Change],
    broken: Sequence[Listing],
) -> dict[Identity, str]:
    """Find the missing listings that one of the ``broken`` rows may be, or one of those ``nowhere``, by name;
    the doubt is about both.
    """
    removed = [change for change in changes if change.kind is Kind.REMOVED]
    doubts: dict[Identity, str] = {}
    by_likeness = len(broken) * len(removed) <= _MOST_COMPARED
    shared = Counter(document for change in removed for document in evidence_of(change.subject))
    alive = _namesakes(changes, accepted) if removed else frozenset()
    by_mark: dict[Hashable, list[Listing]] = defaultdict(list)
    for row in broken if removed else ():
        for mark in _marks(row):
            by_mark[mark].append(row)
    for change in removed:
        gone = change.subject
        if (blank := nowhere.get(normalize(gone.name))) is not None:
            doubts[change.identity] = doubts[blank.identity] = (
                f"{name_listing(gone)} is missing, and one of that name is published without a state."
            )
        elif any(
            _explains(row, gone, shared)
            for mark in _marks(gone)
            for row in by_mark.get(mark, ())[:_MOST_ALIKE]
        ) or (by_likeness and any(_may_read(row, gone) for row in broken)):
            doubts[change.identity] = (
                f"{name_listing(gone)} is missing, but a row that cannot be read may be the one."
            )
        elif make_named_key(gone, by_city=True) in alive:
            doubts[change.identity] = (
                f"One listing of {name_listing(gone)} is missing, but the list still has another of that "
                "name."
            )
    return doubts


def placeless_of(changes: Sequence[Change], accepted: Collection[Listing]) -> dict[Identity, str]:
    """Find the changes of listings without any place on a list that has places, with the reason: they may be
    notes below the table, and only a person can decide.
    """
    astray = [
        change
        for change in changes
        if not change.quiet
        and not any(_has_place(listing) for listing in (change.before, change.after) if listing)
    ]
    if not astray or not any(map(_has_place, accepted)):
        return {}
    return {
        change.identity: f"{name_listing(change.subject)} is published without any place."
        for change in astray
    }


def _has_place(listing: Listing) -> bool:
    """Whether a listing has any place; one without is probably a note rather than an agency."""
    return any((listing.state, listing.state_text, listing.city, listing.county, listing.point))


def _rows_astray(
    changes: Sequence[Change],
    accepted: Collection[Listing],
    nowhere: Mapping[str, Change],
    broken: Iterable[Listing],
) -> dict[Identity, str]:
    """Find the reason to hold each change that exists only because one of an agency's rows lost its state:
    that row is no new agency, and the remaining rows lack some of the old values.
    """
    astray = nowhere.keys() | {normalize(row.name) for row in broken if not row.state}
    if not astray:
        return {}
    there = {name for listing in accepted if listing.state and (name := normalize(listing.name)) in astray}
    doubts = {
        nowhere[name].identity: (
            f"{name_listing(nowhere[name].subject)} is published without a state, and one of that name is on "
            "the list."
        )
        for name in there & nowhere.keys()
    }
    for change in changes:
        before, after = change.before, change.after
        if before and after and after.state and not change.quiet and normalize(before.name) in there:
            doubts[change.identity] = (
                f"{name_listing(before)} reads differently, and a row of that name has no state that can be "
                "read."
            )
    return doubts


def _marks(listing: Listing) -> Iterator[Hashable]:
    """The marks that two rows share if one may explain the other, so that not all are compared with all."""
    if listing.source_id:
        yield "id", listing.source_id
    yield from evidence_of(listing)
    if name := normalize(listing.name):
        yield "name", name
    yield from dates_of(listing)


def _explains(row: Listing, gone: Listing, shared: Counter[str]) -> bool:
    """Whether a row that cannot be read may be the missing listing; a document that several missing listings
    link to is no evidence.
    """
    if row.source_id and row.source_id == gone.source_id:
        return True
    if any(shared[document] == 1 for document in set(evidence_of(row)) & set(evidence_of(gone))):
        return True
    if (
        normalize(row.name)
        and normalize(row.name) == normalize(gone.name)
        and row.state in (None, gone.state)
    ):
        return True
    places = [(row.state, gone.state), (row.county, gone.county), (row.city, gone.city)]
    known = [normalize(one) == normalize(other) for one, other in places if one and other]
    return bool(set(dates_of(row)) & set(dates_of(gone))) and bool(known) and all(known)


def _may_read(row: Listing, gone: Listing) -> bool:
    """Whether a row that cannot be read has nearly the name of the missing listing."""
    return row.state in (None, gone.state) and (
        fuzz.ratio(skeleton(row.name), skeleton(gone.name), score_cutoff=_ALIKE) >= _ALIKE
    )


def _namesakes(changes: Sequence[Change], accepted: Collection[Listing]) -> frozenset[str]:
    """The names of missing listings that the snapshot still has: the publisher wrote one agency in two ways
    and tidies up.
    """
    missing = {change.subject.key: change.subject for change in changes if change.kind is Kind.REMOVED}
    wanted = {make_named_key(listing, by_city=True) for listing in missing.values()}
    states = {listing.state for listing in missing.values()}
    there = [listing for listing in accepted if listing.state in states and listing.key not in missing]
    there += [change.after for change in changes if change.after]
    return frozenset(wanted.intersection(make_named_key(listing, by_city=True) for listing in there))
