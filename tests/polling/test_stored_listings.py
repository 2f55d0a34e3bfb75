"""A listing is given back by the store exactly as it was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from monitor.domain import Change, Kind, Listing
from monitor.storage.lists.codec import change_from_row, change_to_columns, listing_from_json, listing_to_json

texts = st.none() | st.text(min_size=1, max_size=8)
days = st.dates(date(1990, 1, 1), date(2030, 1, 1))
listings = st.builds(
    Listing,
    name=st.text(max_size=8),
    key=st.text(max_size=8),
    source_id=texts,
    city=texts,
    state=texts,
    since=st.none() | days,
    dates=st.lists(days, max_size=2).map(tuple),
    url=texts,
    documents=st.lists(st.text(max_size=8), max_size=2).map(tuple),
    attributes=st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2).map(
        lambda d: tuple(sorted(d.items()))
    ),
    point=st.none() | st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
    folder=texts,
)


@given(listings)
def test_any_listing_survives_the_store(listing: Listing) -> None:
    assert listing_from_json(json.loads(json.dumps(listing_to_json(listing)))) == listing


def test_evidence_that_says_nothing_more_is_not_written_twice() -> None:
    day = date(2025, 2, 26)
    alone = Listing(name="A", since=day, dates=(day,), url="u", documents=("u",))
    assert listing_to_json(alone) == {"name": "A", "key": "", "since": "2025-02-26", "url": "u"}
    for other in (Listing(name="A", since=day), Listing(name="A", url="u", documents=("t", "u"))):
        assert listing_from_json(listing_to_json(other)) == other


@dataclass
class Row:
    """A row with the columns of a change, through the text that JSON is kept as."""

    kind: str
    agency: str
    fields: Any
    before: Any
    after: Any
    previous: Any

    def __post_init__(self) -> None:
        for name in ("fields", "before", "after", "previous"):
            setattr(self, name, json.loads(json.dumps(getattr(self, name))))


def kept(change: Change, agency: str) -> Change:
    return change_from_row(Row(**change_to_columns(change, agency)))


@given(listings, listings, st.none() | listings, st.booleans(), st.sampled_from(["before", "after", "own"]))
def test_any_change_survives_the_store(
    before: Listing, after: Listing, previous: Listing | None, near: bool, agency: str
) -> None:
    if near:
        after = structs.replace(before, since=after.since, url=after.url, city=after.city)
    key = {"before": before.key, "after": after.key, "own": "agency"}[agency]
    for change in (
        Change(Kind.ADDED, after=after, previous=previous),
        Change(Kind.REMOVED, before=before),
        Change(Kind.CHANGED, before, after, ("since",)),
    ):
        assert kept(change, key) == change


def test_a_change_says_nothing_twice() -> None:
    before = Listing(name="A", key="IN|a", city="Gary", since=date(2025, 2, 26), url="u")
    after = structs.replace(before, since=date(2025, 3, 1), url=None)
    columns = change_to_columns(Change(Kind.CHANGED, before, after, ("since",)), "IN|a")
    assert columns["before"] == {
        "name": "A",
        "city": "Gary",
        "since": "2025-02-26",
        "url": "u",
        "dates": [],
        "documents": [],
    }
    assert columns["after"] == {"since": "2025-03-01", "url": None, "documents": None}
