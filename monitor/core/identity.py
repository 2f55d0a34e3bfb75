"""Identity: the key of a listing within its source, and the hashes by which listings are known again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from hashlib import blake2b

from msgspec import structs

from monitor.core.wording import normalise
from monitor.domain import Listing


def natural_key(listing: Listing, *, by_city: bool) -> str:
    """The key that a listing has by itself: the source's id, or else state and name, on maps also the city.

    "IN|hammond police department|hammond". Never the county, which publishers move. Letter case and white
    space apart, the name stands as the publisher writes it, because two spellings in one list are two
    listings there; `make_named_key` recognizes them. A state that could not be read stands as it was written,
    so that no other state shares it.
    """
    state_text, name, city = (
        " ".join((text or "").split()) for text in (listing.state_text, listing.name, listing.city)
    )
    return make_key(listing.source_id, listing.state, state_text, name, city if by_city else None)


def make_key(
    source_id: str | None, state: str | None, state_text: str | None, name: str, city: str | None
) -> str:
    """`natural_key` of a listing that is not made yet, whose texts have single spaces; ``city`` None leaves
    the city out.
    """
    if source_id:
        return f"id:{source_id}"
    key = f"{state or _plain(state_text or '')}|{_plain(name)}"
    return key if city is None else f"{key}|{_plain(city)}"


def make_named_key(listing: Listing, *, by_city: bool = False) -> str:
    """State and name (and city) as people read them, whatever id the source gives: equal for two spellings of
    one name.
    """
    name = normalise(listing.name) or listing.name.strip()
    key = f"{listing.state or normalise(listing.state_text or '')}|{name}"
    return f"{key}|{normalise(listing.city or '')}" if by_city else key


_plain_marks = str.maketrans("|~", "  ")  # they part the pieces of a key


def _plain(text: str) -> str:
    if "|" in text or "~" in text:
        text = " ".join(text.translate(_plain_marks).split())
    return text.casefold().strip()


def assign_keys(listings: Iterable[Listing], *, by_city: bool) -> tuple[Listing, ...]:
    """The same listings in the same order, each with a key that no other has.

    Listings with one natural key all get a mark of their own behind it, by url, else point, else content;
    where that is shared too, by the next of them. So it does not matter which stands first in the file, a
    further one changes no key of two or more that were there, and none of several is taken for the one that
    was there alone: `diff.diff` asks which of them it is. Listings alike in everything are counted.
    """
    listings = tuple(listings)
    keys = [natural_key(listing, by_city=by_city) for listing in listings]
    for distinguish in (_first_evidence, _point_evidence, _content_evidence):
        for positions in _find_shared(keys):
            for position in positions:
                if mark := distinguish(listings[position]):
                    keys[position] += f"~{mark}"
    for positions in _find_shared(keys):
        positions.sort(key=lambda position: listings[position].folder or "")
        for number, position in enumerate(positions[1:], start=2):
            keys[position] += f"~{number}"
    return tuple(
        listing if listing.key == key else structs.replace(listing, key=key)
        for listing, key in zip(listings, keys, strict=True)
    )


def _find_shared(keys: list[str]) -> list[list[int]]:
    """The positions of every key that is there more than once."""
    if len(set(keys)) == len(keys):
        return []
    positions: dict[str, list[int]] = defaultdict(list)
    for position, key in enumerate(keys):
        positions[key].append(position)
    return [group for group in positions.values() if len(group) > 1]


def _first_evidence(listing: Listing) -> str:
    return listing.url or _point_evidence(listing) or _content_evidence(listing)


def _point_evidence(listing: Listing) -> str:
    return "{:.6f},{:.6f}".format(*listing.point) if listing.point else ""


def _content_evidence(listing: Listing) -> str:
    return content_digest(structs.replace(listing, key="", folder=None))[:12]


def content_digest(listing: Listing) -> str:
    """A hash of the whole listing, its key included: equal exactly for equal listings (32 hexadecimal
    digits).
    """
    whole = (
        listing.name, listing.key, listing.source_id, listing.city, listing.county, listing.state,
        listing.state_text,
        listing.since and listing.since.isoformat(), tuple(day.isoformat() for day in listing.dates),
        listing.url, listing.documents, listing.attributes, listing.point, listing.folder,
    )  # fmt: skip
    return blake2b(repr(whole).encode(), digest_size=16).hexdigest()


def digest(listings: Iterable[Listing]) -> str:
    """A hash of the set of listings, by which a publication is known again (32 hexadecimal digits).

    In it: names, places, dates and attributes, without letter case and punctuation. Outside: order, keys,
    ids, links, points and folders, for a stale list that is put up again may come with new links, and is as
    stale.
    """
    rows = sorted(
        repr((
            normalise(x.name), x.state or normalise(x.state_text or ""), normalise(x.city or ""),
            normalise(x.county or ""),
            x.since and x.since.isoformat(),
            tuple((column, normalise(text)) for column, text in x.attributes),
        ))
        for x in listings
    )  # fmt: skip
    return blake2b("\n".join(rows).encode(), digest_size=16).hexdigest()


def documents_of(listing: Listing) -> tuple[str, ...]:
    """The documents that the publisher links for it, of all its rows."""
    return listing.documents or ((listing.url,) if listing.url else ())


def dates_of(listing: Listing) -> tuple[date, ...]:
    """The publisher's dates for it, of all its rows."""
    return listing.dates or ((listing.since,) if listing.since else ())
