"""A listing is given back by the store exactly as it was."""

from __future__ import annotations

import json
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from monitor.domain import Listing
from monitor.store.codec import listing_from_json, listing_to_json

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
