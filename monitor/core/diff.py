"""Computes the differences between two sets of listings, as changes that lead exactly from one to the
other.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from operator import attrgetter

from monitor.core.identity import dates_of, make_named_key
from monitor.core.renames import Pairing, evidence_of, pair
from monitor.core.wording import is_one_word_apart, normalize, spellings
from monitor.domain import Change, Kind, Listing, Policy

_SILENT = Policy().silent
_by_key = attrgetter("key")
_COUNTY_WORDS = re.compile(r" (?:county|parish|borough|co)$")


def diff(
    before: Iterable[Listing],
    after: Iterable[Listing],
    *,
    silent: frozenset[str] = _SILENT,
    new_columns: frozenset[str] = frozenset(),
    pairing: Pairing = pair,
) -> tuple[Change, ...]:
    """Compute the changes that turn ``before`` into ``after``, sorted by state and name; both come from
    `identity.assign_keys`.

    Listings are matched first by key; then by state and name, so that an id or a city column which appears,
    disappears or is created again is not a change; then by other spellings of the name (`wording.spellings`);
    then by the rename rule of `renames.pair`. A change is ``quiet`` when nothing differs except ``silent``
    fields or attributes, letter case, accents, punctuation and white space, one misspelled word of an
    attribute, the kind word of a county, or ``new_columns`` (those that appeared or disappeared with this
    publication); quiet changes are part of the result, because `apply` needs them. ``fields`` names the
    fields to announce; of a quiet change, every field that differs. Raises ValueError if two listings of one
    side have the same key.
    """
    old, new = _index(before), _index(after)
    changed: list[tuple[Listing, Listing]] = []
    removed: list[Listing] = []
    find = new.get
    for key, listing in old.items():
        now = find(key)
        if now is None:
            removed.append(listing)
        elif now is not listing and now != listing:
            changed.append((listing, now))
    added = [new[key] for key in new.keys() - old.keys()]

    if removed and added:
        renamed = _namesakes(removed, added)
        removed, added = _without(renamed, removed, added)
        changed += renamed
        renamed = find_respelled(removed, added)
        removed, added = _without(renamed, removed, added)
        changed += renamed
        renamed = pairing(removed, added, widespread=_widespread(removed, added, old.values(), new.values()))
        removed, added = _without(renamed, removed, added)
        changed += renamed

    untold = silent | new_columns
    changes = [_describe_change(was, now, untold) for was, now in changed]
    changes += [Change(Kind.REMOVED, before=listing) for listing in removed]
    changes += [Change(Kind.ADDED, after=listing) for listing in added]
    changes.sort(key=_order)
    return tuple(changes)


def apply(changes: Iterable[Change], before: Iterable[Listing]) -> tuple[Listing, ...]:
    """Apply the changes to ``before``: listings that stay keep their position, new ones are at the end.

    Raises ValueError if a change does not fit: the listing that it starts from is missing or different, or
    its key is taken.
    """
    listings = _index(before)
    put: list[Listing] = []
    for change in changes:
        if change.before is not None and listings.pop(change.before.key, None) != change.before:
            raise ValueError(f"{change.before.key!r} is not there as this change knew it")
        if change.after is not None:
            put.append(change.after)
    for listing in put:
        if listing.key in listings:
            raise ValueError(f"{listing.key!r} is there already")
        listings[listing.key] = listing
    return tuple(listings.values())


def value_of(listing: Listing, field: str) -> object:
    """The value of a listing's field, named as in `Publication.columns`: a field of `Listing` or an
    attribute; None if empty.
    """
    if field in Listing.__struct_fields__:
        return getattr(listing, field) or None
    return next((text for column, text in listing.attributes if column == field), None)


def _index(listings: Iterable[Listing]) -> dict[str, Listing]:
    listings = tuple(listings)
    index = dict(zip(map(_by_key, listings), listings, strict=True))
    if len(index) != len(listings):
        key = next(key for key, count in Counter(map(_by_key, listings)).items() if count > 1)
        raise ValueError(f"two listings have the key {key!r}")
    return index


def _order(change: Change) -> tuple[str, str, str, str]:
    subject = change.subject
    return subject.state or "", normalize(subject.name), change.kind, change.identity[1]


def _describe_change(before: Listing, after: Listing, untold: frozenset[str]) -> Change:
    differences = tuple(_differences(before, after))
    told = tuple(field for field, trivial in differences if not trivial and field not in untold)
    if "name" in told and _is_another_row(before, after):
        # another row of the same agency is left, which spells its name differently: that is not a rename
        told = tuple(field for field in told if field not in ("name", "since")) or told
    return Change(
        Kind.CHANGED,
        before=before,
        after=after,
        fields=told or tuple(field for field, _ in differences),
        quiet=not told,
    )


def _is_another_row(before: Listing, after: Listing) -> bool:
    """Whether an agency with rows in two usual spellings now has a different subset of those rows."""
    was, now = set(dates_of(before)), set(dates_of(after))
    return bool(spellings(before) & spellings(after)) and bool(was and now) and (now < was or not was & now)


def _differences(before: Listing, after: Listing) -> Iterator[tuple[str, bool]]:
    """Yield every field that differs, and whether the difference is insignificant to readers.

    ``dates`` and ``documents`` are evidence for renames and never a difference of their own; an id is not
    shown to people.
    """
    if before.name != after.name:
        yield "name", normalize(before.name) == normalize(after.name)
    if (before.state, before.state_text) != (after.state, after.state_text):
        yield "state", _state(before) == _state(after)
    if before.city != after.city:
        yield "city", _alike(before.city, after.city)
    if before.county != after.county:
        yield "county", _alike_county(before.county, after.county)
    if before.since != after.since:
        yield "since", False
    if before.url != after.url:
        yield "url", False
    if before.point != after.point:
        yield "point", False
    if before.folder != after.folder:
        yield "folder", _alike(before.folder, after.folder)
    if before.source_id != after.source_id:
        yield "source_id", True
    if before.attributes != after.attributes:
        old, new = dict(before.attributes), dict(after.attributes)
        for column in sorted(old.keys() | new.keys()):
            if old.get(column) != new.get(column):
                yield column, _alike_text(old.get(column), new.get(column))


def _alike(one: str | None, other: str | None) -> bool:
    return normalize(one or "") == normalize(other or "")


def _alike_text(one: str | None, other: str | None) -> bool:
    """Whether two attributes mean the same: a single word that differs is a corrected spelling."""
    here, there = ([normalize(part) for part in (text or "").split(";")] for text in (one, other))
    return len(here) == len(there) and all(map(is_one_word_apart, sorted(here), sorted(there)))


def _alike_county(one: str | None, other: str | None) -> bool:
    """Whether two texts name one county: the kind word ("Alpha County", "Alpha") makes no difference."""
    here, there = (_COUNTY_WORDS.sub("", normalize(text or "")) for text in (one, other))
    return here == there


def _state(listing: Listing) -> str:
    return listing.state or normalize(listing.state_text or "")


def _without(
    pairs: Iterable[tuple[Listing, Listing]], removed: list[Listing], added: list[Listing]
) -> tuple[list[Listing], list[Listing]]:
    was, now = {old.key for old, _ in pairs}, {new.key for _, new in pairs}
    return [x for x in removed if x.key not in was], [x for x in added if x.key not in now]


def _namesakes(removed: list[Listing], added: list[Listing]) -> list[tuple[Listing, Listing]]:
    """Pairs with one state and name whose cities do not contradict; of several, the most similar."""
    groups: dict[str, tuple[list[Listing], list[Listing]]] = defaultdict(lambda: ([], []))
    for side, listings in enumerate((removed, added)):
        for listing in listings:
            groups[make_named_key(listing)][side].append(listing)
    pairs: list[tuple[Listing, Listing]] = []
    for gone, come in groups.values():
        for signature in _SIGNATURES:
            matched = list(_match(signature, gone, come))
            gone, come = _without(matched, gone, come)
            pairs += matched
        # the rest differ in their cities: no contradiction if one side has none (at most one side has such
        # listings left)
        nowhere_gone, nowhere_come = [x for x in gone if not _city(x)], [x for x in come if not _city(x)]
        pairs += (
            zip(
                sorted(nowhere_gone or gone, key=_by_key),
                sorted(nowhere_come or come, key=_by_key),
                strict=False,
            )
            if nowhere_gone or nowhere_come
            else ()
        )
    return pairs


def find_respelled(removed: Iterable[Listing], added: Iterable[Listing]) -> list[tuple[Listing, Listing]]:
    """Find pairs of one agency in two usual spellings, if nothing contradicts it and no other is
    spelled so.
    """
    sides: dict[str, tuple[dict[str, Listing], dict[str, Listing]]] = defaultdict(lambda: ({}, {}))
    for side, listings in enumerate((removed, added)):
        for listing in listings:
            for mark in spellings(listing):
                sides[mark][side][listing.key] = listing
    found = {
        (old.key, new.key): (old, new)
        for gone, come in sides.values()
        if len(gone) == len(come) == 1
        for old, new in zip(gone.values(), come.values(), strict=True)
        if _alike_county(old.county, new.county) or not (old.county and new.county)
        if _alike(old.city, new.city) or not (old.city and new.city)
    }
    uses = Counter(key for pair in found for key in {*pair})
    return [(old, new) for old, new in found.values() if uses[old.key] == uses[new.key] == 1]


def _city(listing: Listing) -> str:
    return normalize(listing.city or "")


_SIGNATURES: tuple[Callable[[Listing], Hashable], ...] = (
    lambda x: (_city(x), x.county, x.since, x.url, x.point, x.attributes),
    lambda x: x.url and (_city(x), x.url),
    lambda x: x.point and (_city(x), x.point),
    lambda x: x.since and (_city(x), x.since),
    lambda x: (_city(x),),
)
"""The keys by which namesakes are matched, the most certain first; None matches nothing.

Listings left after that have no city, or other cities.
"""


def _match(
    signature: Callable[[Listing], Hashable], gone: list[Listing], come: list[Listing]
) -> Iterator[tuple[Listing, Listing]]:
    buckets: dict[Hashable, list[Listing]] = defaultdict(list)
    for listing in sorted(come, key=_by_key, reverse=True):
        buckets[signature(listing)].append(listing)
    for listing in sorted(gone, key=_by_key):
        mark = signature(listing)
        if mark is not None and buckets.get(mark):
            yield listing, buckets[mark].pop()


def _widespread(
    removed: Iterable[Listing], added: Iterable[Listing], before: Iterable[Listing], after: Iterable[Listing]
) -> frozenset[str]:
    """Documents and points that more than one listing of a side has, such as a general page of the publisher
    or the center of a town: they are no evidence.
    """
    shared = {x for y in removed for x in evidence_of(y)} & {x for y in added for x in evidence_of(y)}
    if not shared:
        return frozenset()
    counts = (Counter(x for y in side for x in evidence_of(y) if x in shared) for side in (before, after))
    return frozenset(document for count in counts for document, times in count.items() if times > 1)
