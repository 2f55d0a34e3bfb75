"""Compares a publication with the accepted listings: unreadable values keep their accepted ones.

An empty or invalid state, an invalid date, and text that a broken encoding damaged say nothing new about an
agency. Another row of an agency under a different spelling adds to that agency; it is not another agency.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from monitor.core.damage import is_worse, looks_damaged, mend, skeleton
from monitor.core.identity import assign_keys, dates_of, documents_of, make_named_key
from monitor.core.renames import Pairing, evidence_of, pair
from monitor.core.wording import normalize, spellings
from monitor.domain import Listing, Problem, Publication

_MOST_NAMESAKES = 100  # larger than the number of states and territories


@dataclass(frozen=True, slots=True)
class ReconciledPublication:
    """A publication prepared for the comparison with the accepted listings.

    ``blank_states``: it gives no state for listings whose state is known, so that a new listing without one
    waits.
    """

    publication: Publication
    blank_states: bool


def reconcile(
    accepted: Collection[Listing], publication: Publication, pairing: Pairing = pair
) -> ReconciledPublication:
    """Replace unreadable values of a publication by the accepted ones, and merge rows of one agency that are
    spelled differently.

    A listing is recognized by its key, or by its name if its state cannot be read, or by its damaged name; it
    must match exactly one accepted listing, and gets that listing's key. Listings with nothing to restore are
    returned as the same objects. Empty columns are left out of ``columns``: a column without values counts as
    one that disappeared.
    """
    unreadable: dict[str, set[str]] = defaultdict(set)
    for key, name in publication.unreadable:
        unreadable[key].add(name)
    known = {listing.key: listing for listing in accepted}
    listings = list(_without_reassigned_ids(known, publication.listings))
    strangers = [at for at, listing in enumerate(listings) if listing.key not in known]
    recognized: dict[int, Listing] = {}
    if strangers:
        there = {listing.key for listing in listings}
        lost = [listing for key, listing in known.items() if key not in there]
        townless = {at for at in strangers if "city" in unreadable.get(listings[at].key, ())}
        recognized = _recognize(lost, {at: listings[at] for at in strangers}, townless)
        strangers = [at for at in strangers if at not in recognized]
        _restore_dates(listings, lost, strangers, recognized, pairing)
    blank = False
    restored: list[str] = []
    for at, listing in enumerate(listings):
        was = recognized.get(at) or known.get(listing.key)
        if was is None or was == listing:
            continue
        now = _restore(was, listing, unreadable.get(listing.key, ()))
        if now is not listing:
            blank = blank or bool(was.state and not listing.state)
            restored.append(listing.name)
            listings[at] = structs.replace(now, key=was.key)
    listings = _join_spellings(known, listings, strangers)
    made = replace(
        publication,
        listings=tuple(listings),
        problems=(*publication.problems, *_report_restored(restored)),
        columns=publication.columns - _empty_columns(publication),
    )
    return ReconciledPublication(made, blank)


def _restore_dates(
    listings: list[Listing],
    lost: Sequence[Listing],
    strangers: Sequence[int],
    recognized: Mapping[int, Listing],
    pairing: Pairing,
) -> None:
    """Give new listings without a date, at the positions ``strangers``, the dates of lost ones that they may
    be under another name.
    """
    taken = {was.key for was in recognized.values()}
    left = [listing for listing in lost if listing.key not in taken]
    dated = _pair_undated(left, [listings[at] for at in strangers], pairing)
    for at in strangers:
        if (earlier := dated.get(listings[at].key)) is not None:
            listings[at] = structs.replace(listings[at], since=earlier.since, dates=earlier.dates)


def _report_restored(names: Sequence[str]) -> tuple[Problem, ...]:
    if not names:
        return ()
    some = ", ".join(names[:3])
    text = f"{len(names):,} listings keep what was accepted where they cannot be read: {some}"
    return (Problem("kept as accepted", text),)


def _without_reassigned_ids(
    known: Mapping[str, Listing], listings: tuple[Listing, ...]
) -> tuple[Listing, ...]:
    """Drop the ids of the listings if an id has moved to another agency while the agency that had it is still
    published: such ids are row numbers, or the layer was created again. Names identify the agencies then.
    """
    moved = [
        (known[now.key], now)
        for now in listings
        if now.source_id and now.key in known and known[now.key].source_id == now.source_id
        if not _is_named_alike(known[now.key], now)
    ]
    if not moved:
        return listings
    names = {make_named_key(listing, by_city=True) for listing in listings}
    if not any(make_named_key(was, by_city=True) in names for was, _ in moved):
        return listings
    return assign_keys((structs.replace(listing, source_id=None) for listing in listings), by_city=True)


def _is_named_alike(was: Listing, now: Listing) -> bool:
    """Whether two listings have one name, state and city, however they are spelled."""
    if was.name == now.name and was.state == now.state and was.city == now.city and was.state:
        return True  # true of nearly all, and normalizing is the slowest step
    return make_named_key(was, by_city=True) == make_named_key(now, by_city=True)


def _pair_undated(
    lost: Sequence[Listing], strangers: Sequence[Listing], pairing: Pairing
) -> dict[str, Listing]:
    """Match each new listing without a date to a lost listing with one under another name, by the new key: a
    name may be corrected while the dates cannot be read.
    """
    dated, undated = [x for x in lost if x.since], [x for x in strangers if not x.since]
    if not dated or not undated:
        return {}
    return {now.key: was for was, now in pairing(dated, undated)}


def _empty_columns(publication: Publication) -> frozenset[str]:
    """The columns in which no listing has a value."""
    filled: set[str] = set()
    fields = [column for column in publication.columns if column in Listing.__struct_fields__]
    for listing in publication.listings:
        if filled >= publication.columns:
            break  # usually ends within the first few
        filled.update(column for column, _ in listing.attributes)
        filled.update(field for field in fields if field not in filled and getattr(listing, field))
    return publication.columns - filled


def _recognize(
    lost: Iterable[Listing], strangers: Mapping[int, Listing], townless: Collection[int] = ()
) -> dict[int, Listing]:
    """Match each new listing with an unreadable state or name to a lost one, by its position; one to one.

    ``townless`` are the positions of those whose town cannot be read, which is part of their keys.
    """
    lost = list(lost)
    suspects = _find_suspects(lost, strangers, townless)
    if not suspects:
        return {}
    found = _match_by_name(lost, suspects)
    # rows of namesakes that have lost their states are merged into one: then no match is certain
    names = Counter(normalize(listing.name) for listing in lost)
    certain = Counter(normalize(was.name) for was in found.values())
    found = {
        at: was
        for at, was in found.items()
        if strangers[at].state or certain[normalize(was.name)] == names[normalize(was.name)]
    }
    blank = {at: x for at, x in strangers.items() if not x.state and at not in found}
    return found | _recognize_by_evidence(lost, blank, {was.key for was in found.values()})


def _find_suspects(
    lost: Collection[Listing], strangers: Mapping[int, Listing], townless: Collection[int]
) -> dict[int, Listing]:
    """The new listings whose state, town or name may be unreadable."""
    suspects = {
        at: listing
        for at, listing in strangers.items()
        if not listing.state
        or at in townless
        or looks_damaged(listing.name)
        or looks_damaged(listing.city or "")
    }
    if any(not x.name.isascii() for x in lost):
        suspects |= {at: x for at, x in strangers.items() if x.name.isascii()}
    return suspects


def _match_by_name(lost: Iterable[Listing], suspects: Mapping[int, Listing]) -> dict[int, Listing]:
    """Match each suspect to the one lost listing that it can be by its name, as far as that can be read."""
    by_mark: dict[Hashable, list[Listing]] = defaultdict(list)
    for listing in lost:
        for mark in {("s", skeleton(listing.name)), ("n", normalize(listing.name))}:
            by_mark[mark].append(listing)
    found: dict[int, Listing] = {}
    for at, now in suspects.items():
        marks = {("s", skeleton(now.name)), ("n", normalize(now.name)), ("n", normalize(mend(now.name)))}
        candidates = {x.key: x for mark in marks for x in _few(by_mark.get(mark, ())) if _may_be(x, now)}
        if len(candidates) > 1:
            candidates = {key: x for key, x in candidates.items() if _shares_evidence(x, now)}
        if len(candidates) == 1:
            (found[at],) = candidates.values()
    return _without_shared(found)


def _without_shared(found: Mapping[int, Listing]) -> dict[int, Listing]:
    """The matches whose accepted listing has no other match."""
    uses = Counter(was.key for was in found.values())
    return {at: was for at, was in found.items() if uses[was.key] == 1}


def _recognize_by_evidence(
    lost: Iterable[Listing], strangers: Mapping[int, Listing], taken: Collection[str]
) -> dict[int, Listing]:
    """Match a listing without a state that also has another name to a lost one, by its document or point."""
    by_mark: dict[str, list[Listing]] = defaultdict(list)
    for listing in lost if strangers else ():
        for mark in evidence_of(listing):
            by_mark[mark].append(listing)
    uses = Counter(mark for listing in strangers.values() for mark in evidence_of(listing))
    found: dict[int, Listing] = {}
    for at, listing in strangers.items():
        marks = [mark for mark in evidence_of(listing) if uses[mark] == 1]
        candidates = {x.key: x for mark in marks if len(by_mark[mark]) == 1 for x in by_mark[mark]}
        if len(candidates) == 1 and not candidates.keys() & taken:
            (found[at],) = candidates.values()
    return _without_shared(found)


def _few(listings: Sequence[Listing]) -> Sequence[Listing]:
    """The listings, or none if too many share one name to tell them apart; comparing all with all would be
    quadratic.
    """
    return listings if len(listings) <= _MOST_NAMESAKES else ()


def _may_be(was: Listing, now: Listing) -> bool:
    """Whether a new listing can be an accepted one whose state or text cannot be read."""
    if now.state and now.state != was.state:
        return False
    if normalize(was.name) != normalize(now.name) and not is_worse(was.name, now.name):
        return False
    for one, other in ((was.city, now.city), (was.county, now.county)):
        if one and other and normalize(one) != normalize(other) and not is_worse(one, other):
            return False
    return not (was.source_id and now.source_id and was.source_id != now.source_id)


def _shares_evidence(was: Listing, now: Listing) -> bool:
    return bool(
        set(dates_of(was)) & set(dates_of(now))
        or set(documents_of(was)) & set(documents_of(now))
        or (was.point and was.point == now.point)
        or (was.county and now.county and normalize(was.county) == normalize(now.county))
    )


def _restore(was: Listing, now: Listing, unreadable: Collection[str] = ()) -> Listing:
    """The new listing with accepted values in place of unreadable ones; the same object if all can be
    read. ``unreadable`` are its fields and attributes without a value that can be read.
    """
    values: dict[str, object] = {}
    if was.state and not now.state and not _says_no_more(was, now):
        return was  # rows of several namesakes that only their states distinguished
    if was.state and not now.state:
        values |= {"state": was.state, "state_text": None}
    if was.since and set(dates_of(now)) < set(dates_of(was)) and _same_rows(was, now):
        values |= {"since": was.since, "dates": was.dates}
    for field in ("name", "city", "county"):
        before, after = getattr(was, field), getattr(now, field)
        if before and (field in unreadable or (after and before != after and is_worse(before, after))):
            values[field] = before
    attributes = _restore_attributes(was, now, unreadable)
    if attributes != now.attributes:
        values["attributes"] = attributes
    return structs.replace(now, **values) if values else now


def _restore_attributes(
    was: Listing, now: Listing, unreadable: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """The attributes of the new listing, with accepted texts in place of unreadable ones."""
    if was.attributes == now.attributes:
        return now.attributes
    before = dict(was.attributes)
    attributes = tuple(
        (column, before[column]) if column in before and is_worse(before[column], text) else (column, text)
        for column, text in now.attributes
    )
    lost = {column: text for column, text in was.attributes if column in unreadable}
    return tuple(sorted({**dict(attributes), **lost}.items())) if lost else attributes


def _says_no_more(was: Listing, now: Listing) -> bool:
    """Whether the dates and documents of a listing were all accepted before."""
    return set(dates_of(now)) <= set(dates_of(was)) and set(documents_of(now)) <= set(documents_of(was))


def _same_rows(was: Listing, now: Listing) -> bool:
    """Whether dates are missing because they are unreadable, not because a row is gone with its values."""
    return not now.since or was.attributes == now.attributes


def _join_spellings(
    known: Mapping[str, Listing], listings: list[Listing], strangers: list[int]
) -> list[Listing]:
    """Merge rows of an agency under another spelling into its listing.

    A new listing is such a row if an accepted listing of the same state with an equivalent spelling is still
    published and nothing contradicts it (`_may_be_spelled`). A listing whose other spelling is gone is left
    for the diff.
    """
    if not strangers:
        return listings
    by_spelling: dict[str, list[Listing]] = defaultdict(list)
    wanted = {mark for at in strangers for mark in spellings(listings[at])}
    states = {listings[at].state for at in strangers} - {None}
    for listing in known.values():
        for mark in spellings(listing) & wanted if listing.state in states else ():
            by_spelling[mark].append(listing)
    positions = {listing.key: at for at, listing in enumerate(listings)}
    dropped: set[int] = set()
    for at in strangers:
        row = listings[at]
        alike = {
            x.key: x
            for mark in spellings(row)
            for x in _few(by_spelling.get(mark, ()))
            if _may_be_spelled(x, row)
        }
        if len(alike) != 1:
            continue
        (key,) = alike
        if key in positions:
            listings[positions[key]] = _join(listings[positions[key]], row)
            dropped.add(at)
    return [listing for at, listing in enumerate(listings) if at not in dropped]


def _may_be_spelled(was: Listing, row: Listing) -> bool:
    """Whether a row may be the agency with an equivalent spelling in the same state.

    Namesakes with another county, city, id or point are different agencies; so is a row with exactly the same
    name, which `identity.assign_keys` keeps separate on purpose.
    """
    if was.name == row.name or row.key.split("~")[0] == was.key.split("~")[0]:
        return False
    for one, other in ((was.city, row.city), (was.county, row.county)):
        if one and other and normalize(one) != normalize(other):
            return False
    pairs = ((was.source_id, row.source_id), (was.point, row.point))
    return not any(one and other and one != other for one, other in pairs)


def _join(one: Listing, row: Listing) -> Listing:
    """The listing with the values of another row merged in."""
    days = tuple(sorted({*dates_of(one), *dates_of(row)}))
    documents = tuple(sorted({*documents_of(one), *documents_of(row)}))
    texts: dict[str, set[str]] = defaultdict(set)
    for column, text in (*one.attributes, *row.attributes):
        texts[column].update(part.strip() for part in text.split(";"))
    return structs.replace(
        one,
        county=one.county or row.county,
        city=one.city or row.city,
        since=days[0] if days else None,
        dates=days,
        url=documents[0] if documents else None,
        documents=documents,
        attributes=tuple((column, "; ".join(sorted(texts[column]))) for column in sorted(texts)),
    )
