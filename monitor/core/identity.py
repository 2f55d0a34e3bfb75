"""Identity: the key of a listing within its source, and the hashes by which listings are recognized."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from hashlib import blake2b

from msgspec import structs

from monitor.core.wording import normalize
from monitor.domain import Listing


def natural_key(listing: Listing, *, by_city: bool) -> str:
    """Compute a listing's own key: the source's id, or else state and name, on maps also the city.

    Example: "IN|hammond police department|hammond". Never the county, which publishers change. Except for
    letter case and white space, the name is as the publisher writes it, because two spellings in one list are
    two listings there; `make_named_key` recognizes them. A state that could not be read is kept as it was
    written, so that no other state shares it.
    """
    state_text, name, city = (
        " ".join((text or "").split()) for text in (listing.state_text, listing.name, listing.city)
    )
    return make_key(listing.source_id, listing.state, state_text, name, city if by_city else None)


def make_key(
    source_id: str | None, state: str | None, state_text: str | None, name: str, city: str | None
) -> str:
    """Compute the `natural_key` of a listing before it is created, from texts with single spaces; ``city``
    None leaves the city out.
    """
    if source_id:
        return f"id:{source_id}"
    key = f"{state or _plain(state_text or '')}|{_plain(name)}"
    return key if city is None else f"{key}|{_plain(city)}"


def make_named_key(listing: Listing, *, by_city: bool = False) -> str:
    """Compute a key of normalized state and name (and city), ignoring the source's id: equal for two
    spellings of one name.
    """
    name = normalize(listing.name) or listing.name.strip()
    key = f"{listing.state or normalize(listing.state_text or '')}|{name}"
    return f"{key}|{normalize(listing.city or '')}" if by_city else key


_plain_marks = str.maketrans("|~", "  ")  # the separators within a key


def _plain(text: str) -> str:
    if "|" in text or "~" in text:
        text = " ".join(text.translate(_plain_marks).split())
    return text.casefold().strip()


def assign_keys(listings: Iterable[Listing], *, by_city: bool) -> tuple[Listing, ...]:
    """Assign a unique key to each listing, keeping the order.

    Listings that share a natural key all get a suffix, from the url, else the point, else the content; where
    that is shared too, from the next of these. So their order in the file does not matter, another one does
    not change the keys of two or more existing ones, and none of several is taken for a former single one:
    `diff.diff` decides which of them it is. Listings that are equal in everything are numbered.
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
    """The positions of every key that occurs more than once."""
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
    """A hash of the set of listings, by which a publication is recognized (32 hexadecimal digits).

    It covers names, places, dates and attributes, without letter case and punctuation. It ignores order,
    keys, ids, links, points and folders, because a stale list that is uploaded again may come with new links
    and is still stale.
    """
    rows = sorted(
        repr((
            normalize(x.name), x.state or normalize(x.state_text or ""), normalize(x.city or ""),
            normalize(x.county or ""),
            x.since and x.since.isoformat(),
            tuple((column, normalize(text)) for column, text in x.attributes),
        ))
        for x in listings
    )  # fmt: skip
    return blake2b("\n".join(rows).encode(), digest_size=16).hexdigest()


def documents_of(listing: Listing) -> tuple[str, ...]:
    """The documents that the publisher links for a listing, of all its rows."""
    return listing.documents or ((listing.url,) if listing.url else ())


def dates_of(listing: Listing) -> tuple[date, ...]:
    """The publisher's dates for a listing, of all its rows."""
    return listing.dates or ((listing.since,) if listing.since else ())
