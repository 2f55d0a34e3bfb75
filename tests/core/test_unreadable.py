"""What a row that cannot be read may explain."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from msgspec import structs

from monitor.core.guard.unreadable import placeless_of, unreadable_rows_of
from monitor.domain import Change, Kind, Listing
from tests.core.simulation import agency, publication

DAY, OTHER_DAY = date(2024, 3, 5), date(2024, 3, 6)
DOCUMENT = "https://ice.gov/moa/7.pdf"
GONE = agency(
    "Birch Patrol", "IL", county="Lake", city="Gary", since=DAY, url=DOCUMENT, source_id="7", key="gone"
)
STAYS = agency("Cedarwood Jail", "OH", key="stays")


def added(listing: Listing) -> Change:
    return Change(Kind.ADDED, after=listing)


def is_doubted(*rows: Listing, gone: Listing = GONE, others: tuple[Change, ...] = ()) -> bool:
    """Whether the removal waits for a person beside these rows that cannot be read."""
    change = Change(Kind.REMOVED, before=gone)
    return change.identity in unreadable_rows_of((*others, change), (gone, STAYS), rows)


@pytest.mark.parametrize(
    ("row", "doubted"),
    [
        ({}, False),
        ({"source_id": "7"}, True),
        ({"source_id": "8"}, False),
        ({"source_id": "8", "since": DAY}, False),
        ({"url": DOCUMENT}, True),
        ({"url": f"{DOCUMENT}?8"}, False),
        ({"name": "BIRCH Patrol", "state": None}, True),
        ({"name": "Birch Patrol", "state": "IL"}, True),
        ({"name": "Birch Patrol", "state": "IN"}, False),
        ({"since": DAY, "county": "LAKE"}, True),
        ({"since": DAY, "county": "Polk"}, False),
        ({"since": DAY, "state": "IL"}, True),
        ({"since": DAY, "state": "IN"}, False),
        ({"since": DAY}, False),
        ({"since": OTHER_DAY, "county": "Lake"}, False),
        ({"since": DAY, "county": "Lake", "city": "Hammond"}, False),
        ({"since": DAY, "county": "Lake", "city": "Gary"}, True),
        ({"name": "Birch Petrol"}, True),
        ({"name": "Birch Petrols"}, False),
        ({"name": "Birch Petrol", "state": "IL"}, True),
        ({"name": "Birch Petrol", "state": "IN"}, False),
    ],
)
def test_which_row_may_be_the_missing_listing(row: dict[str, Any], doubted: bool) -> None:
    nameless = agency("", None, key="row")
    assert is_doubted(structs.replace(nameless, **row)) is doubted


def test_nine_letters_of_ten_are_nearly_a_name() -> None:
    gone = structs.replace(GONE, name="Birch Jails")
    assert is_doubted(agency("Birch Jaily", None, key="row"), gone=gone)
    assert not is_doubted(agency("Birch Jayly", None, key="row"), gone=gone)


def test_a_name_without_its_accents_is_the_same_name() -> None:
    gone = structs.replace(GONE, name="Pe\u00f1\u00f3n PD")
    assert is_doubted(agency("Penon PD", None, key="row"), gone=gone)
    assert not is_doubted(agency("Penton PD", None, key="row"), gone=gone)


def test_a_document_of_several_missing_listings_explains_none() -> None:
    row = agency("", None, url=DOCUMENT, key="row")
    another = Change(Kind.REMOVED, before=agency("Dogwood Jail", "IL", url=DOCUMENT, key="another"))
    assert is_doubted(row)
    assert not is_doubted(row, others=(another,))


def test_a_row_that_can_be_read_explains_nothing() -> None:
    new = agency("Elm Jail", "IL", county="Lake", since=DAY, key="new")
    assert not is_doubted(others=(added(new),))
    assert is_doubted(others=(added(structs.replace(new, name="El\ufffdm Jail")),))


def test_a_missing_listing_of_which_another_row_is_left_is_doubted() -> None:
    change = Change(Kind.REMOVED, before=GONE)
    for name, left in (("Birch Patrol", True), ("BIRCH patrol", True), ("Birch Jail", False)):
        other = structs.replace(GONE, name=name, key="other", source_id="8", url=None)
        found = unreadable_rows_of((change,), (GONE, other), ())
        assert bool(found) is left
        assert bool(unreadable_rows_of((change, added(other)), (GONE,), ())) is left


def test_every_row_without_its_state_is_found() -> None:
    lost = structs.replace(GONE, state=None)
    changes = (
        Change(Kind.CHANGED, before=STAYS, after=structs.replace(STAYS, county="Polk"), fields=("county",)),
        Change(
            Kind.CHANGED, before=GONE, after=structs.replace(GONE, city=None, state=None), fields=("state",)
        ),
        added(agency("Elm Jail", None, state_text="Illinios", key="new")),
    )
    assert unreadable_rows_of(changes, (STAYS, GONE), ()) == {
        (Kind.CHANGED, "gone"): "Birch Patrol (IL) is published without its state.",
        (Kind.ADDED, "new"): '"Illinios" is not the name of a state.',
    }
    quiet = Change(Kind.CHANGED, before=GONE, after=lost, quiet=True)
    assert unreadable_rows_of((quiet,), (GONE,), ()) == {}


def test_a_listing_without_any_place_is_doubted_on_a_list_that_has_places() -> None:
    nowhere = agency("Note below the table", None, key="note")
    placed = structs.replace(nowhere, county="Lake")
    found = placeless_of((added(nowhere),), (STAYS,))
    assert found == {(Kind.ADDED, "note"): "Note below the table is published without any place."}
    assert placeless_of((added(nowhere),), (nowhere,)) == {}
    assert placeless_of((added(placed),), (STAYS,)) == {}
    for before, after in ((nowhere, placed), (placed, nowhere)):
        assert placeless_of((Change(Kind.CHANGED, before=before, after=after),), (STAYS,)) == {}
    assert placeless_of((Change(Kind.ADDED, after=nowhere, quiet=True),), (STAYS,)) == {}


@pytest.mark.parametrize(
    "place",
    [
        {"state": "IL"},
        {"state_text": "Illinios"},
        {"city": "Gary"},
        {"county": "Lake"},
        {"point": (41.5, -87.2)},
    ],
)
def test_what_is_a_place(place: dict[str, Any]) -> None:
    (listing,) = publication([structs.replace(agency("Elm Jail", None), **place)]).listings
    assert placeless_of((added(listing),), (STAYS,)) == {}
