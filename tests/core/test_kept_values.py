"""Which rows a publication with unreadable values means, and which of their values are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from msgspec import structs

from monitor.core import accepted_values
from monitor.core.accepted_values import reconcile
from monitor.core.identity import assign_keys
from monitor.domain import Listing
from tests.core.simulation import agency, publication

DAY, NEXT_DAY = date(2024, 3, 5), date(2024, 3, 6)
DOCUMENT = "https://ice.gov/moa/7.pdf"


def read(accepted: Sequence[Listing], published: Sequence[Listing]) -> list[Listing]:
    """The published listings, read beside the accepted ones."""
    return list(reconcile(publication(accepted).listings, publication(published)).publication.listings)


def is_kept(was: Listing, now: Listing) -> bool:
    """Whether a published row is read as the accepted listing, beside others that stay."""
    others = [agency("Zelkova Jail", "OH"), agency("Yew Jail", "OH")]
    (read_now,) = read([was, *others], [now, *others])[:1]
    (accepted,) = publication([was]).listings
    return read_now.key == accepted.key


# ids that the publisher gives


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (agency("Alder Marshal"), agency("Cedar Marshal")),
        (agency("Alder Marshal", city="Gary"), agency("Alder Marshal", city="Hammond")),
        (agency("Alder Marshal", "IL"), agency("Alder Marshal", "IN")),
    ],
)
def test_ids_that_changed_places_say_nothing(one: Listing, other: Listing) -> None:
    before = [structs.replace(one, source_id="1"), structs.replace(other, source_id="2")]
    after = read(before, [structs.replace(one, source_id="2"), structs.replace(other, source_id="1")])
    assert [x.source_id for x in after] == [None, None]
    assert [x.key for x in after] == [
        f"{x.state}|{x.name.lower()}|{(x.city or '').lower()}" for x in (one, other)
    ]


@pytest.mark.parametrize(
    "now",
    [
        agency("Alder Marshal", source_id="1"),
        agency("ALDER Marshal", source_id="1"),
        agency("Aldert Marshal", source_id="1"),
        agency("Alder Marshal", "IN", source_id="1"),
    ],
)
def test_an_id_that_stays_is_the_agency(now: Listing) -> None:
    after = read([agency("Alder Marshal", source_id="1")], [now])
    assert after == list(publication([now]).listings)


# who a row without its state is


@pytest.mark.parametrize("values", [("since", DAY, NEXT_DAY), ("url", DOCUMENT, f"{DOCUMENT}?2")])
def test_namesakes_that_lost_their_states_are_known_by_their_evidence(values: tuple[str, Any, Any]) -> None:
    field, *pair = values
    before = [agency("Lee Police", state, **{field: x}) for state, x in zip(("TX", "VA"), pair, strict=True)]
    after = read(before, [structs.replace(x, state=None) for x in reversed(before)])
    assert [x.state for x in after] == ["VA", "TX"]


@pytest.mark.parametrize(
    ("field", "values"),
    [("point", ((41.5, -87.25), (31.5, -97.0))), ("county", ("Lake", "Polk"))],
)
def test_also_by_a_point_or_a_county_of_their_own(field: str, values: tuple[Any, Any]) -> None:
    before = [
        agency("Lee Police", state, **{field: x}) for state, x in zip(("TX", "VA"), values, strict=True)
    ]
    nameless = [structs.replace(x, state=None, folder=str(n)) for n, x in enumerate(before)]
    assert [x.state for x in read(before, nameless)] == ["TX", "VA"]


def test_evidence_that_both_have_names_neither() -> None:
    before = [agency("Lee Police", state, since=DAY) for state in ("TX", "VA")]
    after = read(before, [structs.replace(before[0], state=None)])
    assert [x.state for x in after] == [None]


def test_of_too_many_namesakes_none_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [agency("Lee Police", "TX", since=DAY), agency("Lee Police", "VA", since=NEXT_DAY)]
    after = [structs.replace(x, state=None) for x in before]
    monkeypatch.setattr(accepted_values, "_MOST_NAMESAKES", 2)
    assert [x.state for x in read(before, after)] == ["TX", "VA"]
    monkeypatch.setattr(accepted_values, "_MOST_NAMESAKES", 1)
    assert [x.state for x in read(before, after)] == [None, None]


ALDER = agency("Alder Marshal", "IL")


@pytest.mark.parametrize(
    ("was", "now", "kept"),
    [
        ({}, {"state": None}, True),
        ({}, {"state": None, "name": "ALDER marshal"}, True),
        ({}, {"state": None, "name": "Al Der Marshal"}, False),
        ({}, {"state": None, "name": "Cedarwood Jail"}, False),
        ({"city": "Gary"}, {"state": None, "city": "GARY"}, True),
        ({"city": "Gary"}, {"state": None, "city": None}, True),
        ({"city": "Gary"}, {"state": None, "city": "Hammond"}, False),
        ({"city": "Cañon City"}, {"state": None, "city": "CaÃ±on City"}, True),
        ({"county": "Lake"}, {"state": None, "county": "lake"}, True),
        ({"county": "Lake"}, {"state": None, "county": "Polk"}, False),
        ({"county": "Doña Ana"}, {"state": None, "county": "DoÃ±a Ana"}, True),
        ({"source_id": "7"}, {"state": None, "source_id": None}, True),
        ({}, {"state": None, "source_id": "7"}, True),
        ({"source_id": "7"}, {"state": None, "source_id": "8"}, False),
        # by its document or point, whatever its name
        ({"url": DOCUMENT}, {"state": None, "name": "Cedarwood Jail", "url": DOCUMENT}, True),
        ({"point": (41.5, -87.2)}, {"state": None, "name": "Cedarwood Jail", "point": (41.5, -87.2)}, True),
        ({"url": DOCUMENT}, {"state": None, "name": "Cedarwood Jail", "url": DOCUMENT[:-4]}, False),
        ({"url": DOCUMENT}, {"state": "IN", "name": "Cedarwood Jail", "url": DOCUMENT}, False),
        # letters beyond ASCII
        ({"name": "Cañon Marshal"}, {"name": "Caon Marshal"}, True),
        ({"name": "Cañon Marshal"}, {"name": "Caon Marshal", "state": "IN"}, False),
        ({"name": "Caon Marshal"}, {"name": "Cañon Marshal"}, False),
        ({"city": "Cañon City", "source_id": "7"}, {"city": "CaÃ±on City", "source_id": None}, True),
    ],
)
def test_which_row_is_the_accepted_listing(was: dict[str, Any], now: dict[str, Any], kept: bool) -> None:
    assert is_kept(structs.replace(ALDER, **was), structs.replace(ALDER, **now)) is kept


def test_one_lost_name_with_marks_is_enough_to_look_for_it_without() -> None:
    before = [agency("Cañon Marshal"), agency("Birch Jail")]
    assert [x.name for x in read(before, [agency("Caon Marshal")])] == ["Cañon Marshal"]


def test_a_row_with_its_state_is_not_known_by_a_document_while_others_lost_theirs() -> None:
    before = [structs.replace(ALDER, url=DOCUMENT), agency("Birch Jail")]
    after = [agency("Cedarwood Jail", "IL", url=DOCUMENT), agency("Birch Jail", None)]
    assert [x.key for x in read(before, after)] == ["IL|cedarwood jail", "IL|birch jail"]


def test_a_document_of_two_names_neither() -> None:
    one, other = (agency(f"{tree} Marshal", url=DOCUMENT) for tree in ("Alder", "Birch"))
    blank = [agency(f"{tree} Jail", None, url=DOCUMENT) for tree in ("Cedarwood", "Dogwood")]
    assert {x.state for x in read([one], blank)} == {None}
    assert {x.state for x in read([one, other], blank[:1])} == {None}
    assert {x.state for x in read([one], blank[:1])} == {"IL"}


def test_a_listing_that_is_known_by_its_name_is_not_known_by_its_document_too() -> None:
    was = structs.replace(ALDER, url=DOCUMENT)
    after = [structs.replace(ALDER, state=None), agency("Cedarwood Jail", None, url=DOCUMENT)]
    assert [x.state for x in read([was], after)] == ["IL", None]


# which values are kept


def keep(was: dict[str, Any], now: dict[str, Any]) -> tuple[Listing, bool, list[str]]:
    """What a row with the id of an accepted listing is read as, whether the publication lost states, and its
    problems.
    """
    accepted = publication([structs.replace(ALDER, source_id="7", **was)])
    published = publication([structs.replace(ALDER, source_id="7", **now)])
    found = reconcile(accepted.listings, published)
    return (
        found.publication.listings[0],
        found.blank_states,
        [x.message for x in found.publication.problems],
    )


DAYS = (DAY, NEXT_DAY)
TYPE, OTHER = (("TYPE", "City"),), (("TYPE", "County"),)


@pytest.mark.parametrize(
    ("was", "now", "kept"),
    [
        ({}, {"state": None, "county": "Lake"}, {"state": "IL"}),
        ({"since": DAY}, {"state": None, "since": DAY, "county": "Lake"}, {"state": "IL"}),
        ({"since": DAY, "dates": DAYS}, {"state": None, "since": DAY}, {"state": "IL", "dates": DAYS}),
        ({"since": DAY}, {"since": None}, {"since": DAY}),
        ({"since": DAY, "attributes": TYPE}, {"since": None, "attributes": OTHER}, {"since": DAY}),
        ({"since": DAY, "dates": DAYS}, {"since": NEXT_DAY}, {"since": DAY, "dates": DAYS}),
        ({"name": "Cañon Marshal"}, {"name": "CaÃ±on Marshal"}, {"name": "Cañon Marshal"}),
        ({"city": "Cañon"}, {"city": "CaÃ±on"}, {"city": "Cañon"}),
        ({"county": "Doña Ana"}, {"county": "DoÃ±a Ana", "city": "Gary"}, {"county": "Doña Ana"}),
        (
            {"attributes": (("CHIEF", "Peña"), ("TYPE", "City"))},
            {"attributes": (("CHIEF", "PeÃ±a"), ("NEW", "?x"), ("TYPE", "County"))},
            {"attributes": (("CHIEF", "Peña"), ("NEW", "?x"), ("TYPE", "County"))},
        ),
    ],
)
def test_what_cannot_be_read_is_as_it_was(
    was: dict[str, Any], now: dict[str, Any], kept: dict[str, Any]
) -> None:
    listing, blank, problems = keep(was, now)
    assert listing == structs.replace(ALDER, key="id:7", source_id="7", **{**now, **kept})
    assert blank is ("state" in now)
    assert problems == [
        f"1 listings keep what was accepted where they cannot be read: {now.get('name', ALDER.name)}"
    ]


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ({}, {"state": "IN"}),
        ({"state": None, "state_text": "Illinios"}, {"state": "IL"}),
        ({"state": None, "state_text": "Illinios"}, {"state": None, "state_text": "Illinois "}),
        ({"since": DAY}, {"since": NEXT_DAY}),
        ({"since": DAY}, {"since": DAY, "dates": DAYS}),
        ({"since": DAY}, {"since": DAY, "county": "Lake"}),
        ({}, {"since": DAY}),
        ({"since": DAY, "dates": DAYS, "attributes": TYPE}, {"since": DAY, "attributes": OTHER}),
        ({"attributes": TYPE}, {"attributes": TYPE, "county": "Lake"}),
        ({"attributes": TYPE}, {"attributes": OTHER}),
        ({"county": "Lake"}, {"county": None}),
    ],
)
def test_what_can_be_read_is_news(was: dict[str, Any], now: dict[str, Any]) -> None:
    listing, blank, problems = keep(was, now)
    assert listing == structs.replace(ALDER, key="id:7", source_id="7", **now)
    assert not blank
    assert problems == []


@pytest.mark.parametrize(
    "more",
    [
        {"since": DAY, "dates": DAYS, "url": DOCUMENT},
        {"since": DAY, "url": DOCUMENT, "documents": (DOCUMENT, f"{DOCUMENT}?2")},
        {"since": NEXT_DAY, "url": DOCUMENT},
    ],
)
def test_a_row_without_its_state_that_says_more_may_be_several_and_changes_nothing(
    more: dict[str, Any],
) -> None:
    was = {"since": DAY, "url": DOCUMENT}
    listing, blank, _ = keep(was, {"state": None, "county": "Lake", **more})
    assert listing == structs.replace(ALDER, key="id:7", source_id="7", **was)
    assert blank


def test_three_of_those_that_keep_their_values_are_named() -> None:
    before = [agency(f"{tree} Marshal", since=DAY) for tree in ("Alder", "Birch", "Cedar", "Dogwood")]
    found = reconcile(
        publication(before).listings, publication([structs.replace(x, since=None) for x in before])
    )
    assert [x.message for x in found.publication.problems] == [
        "4 listings keep what was accepted where they cannot be read: "
        "Alder Marshal, Birch Marshal, Cedar Marshal"
    ]


# further rows of an agency in another spelling


@pytest.mark.parametrize(
    ("was", "row", "joined"),
    [
        ({}, {}, True),
        ({"county": "Lake"}, {}, True),
        ({}, {"county": "Lake", "city": "Gary"}, True),
        ({"city": "Gary"}, {"city": "GARY"}, True),
        ({"city": "Gary"}, {"city": "Hammond"}, False),
        ({"county": "Lake"}, {"county": "Polk"}, False),
        ({"point": (41.5, -87.2)}, {}, True),
        ({}, {"point": (41.5, -87.2)}, True),
        ({"point": (41.5, -87.2)}, {"point": (41.5, -87.2)}, True),
        ({"point": (41.5, -87.2)}, {"point": (41.5, -87.3)}, False),
        ({"source_id": "7"}, {}, True),
        ({}, {"source_id": "7"}, True),
        ({"source_id": "7"}, {"source_id": "8"}, False),
        ({"source_id": "7"}, {"name": "Alder Police Dept"}, False),
        ({}, {"state": "IN"}, False),
        ({"state": None, "state_text": "Illinios"}, {"state": None, "state_text": "Illinios"}, False),
    ],
)
def test_which_rows_are_part_of_an_agency(was: dict[str, Any], row: dict[str, Any], joined: bool) -> None:
    one = structs.replace(ALDER, name="Alder Police Dept", since=DAY, **was)
    other = structs.replace(
        ALDER, **{"name": "Alder Police Department", "since": NEXT_DAY, "url": DOCUMENT, **row}
    )
    after = read([one], [one, other])
    assert len(after) == 2 - joined
    if joined:
        (listing,) = after
        assert (listing.name, listing.since, listing.dates) == (one.name, DAY, DAYS)
        assert (listing.url, listing.documents) == (DOCUMENT, (DOCUMENT,))
        assert listing.county == (one.county or other.county)
        assert listing.city == (one.city or other.city)


# which of several candidates a row with an unreadable value is

NEAR, FAR = (41.85, -87.65), (40.11, -88.24)


@pytest.mark.parametrize(
    ("was", "now", "shared"),
    [
        ({}, {}, False),
        ({"dates": (DAY, NEXT_DAY)}, {"since": NEXT_DAY}, True),
        ({"since": DAY}, {"since": NEXT_DAY}, False),
        ({"since": DAY}, {}, False),
        ({"url": DOCUMENT}, {"documents": (DOCUMENT, f"{DOCUMENT}?2")}, True),
        ({"url": DOCUMENT}, {"url": f"{DOCUMENT}?2"}, False),
        ({"url": DOCUMENT}, {}, False),
        ({"point": NEAR}, {"point": NEAR}, True),
        ({"point": NEAR}, {"point": FAR}, False),
        ({"point": NEAR}, {}, False),
        ({}, {"point": NEAR}, False),
        ({"county": "Cook"}, {"county": "COOK"}, True),
        ({"county": "Cook"}, {"county": "Lake"}, False),
        ({"county": "Cook"}, {}, False),
        ({}, {"county": "Cook"}, False),
    ],
)
def test_what_two_rows_of_one_name_share(was: dict[str, Any], now: dict[str, Any], shared: bool) -> None:
    before, after = agency("Alder Jail", **was), agency("Alder Jail", **now)
    assert accepted_values._shares_evidence(before, after) is shared


def test_a_row_whose_state_is_read_is_known_by_its_name_and_not_by_its_document() -> None:
    """A document alone says that an agency was renamed, which is told as such."""
    lost = publication(
        [agency("Alder Jail", url=DOCUMENT), agency("Cedar Jail", url=f"{DOCUMENT}?2")]
    ).listings
    strangers = {
        0: agency("Zelkova \ufffd Jail", url=DOCUMENT),
        1: agency("Birch Jail", None, url=f"{DOCUMENT}?2"),
    }
    assert accepted_values._recognize(lost, strangers) == {1: lost[1]}


@pytest.mark.parametrize("unreadable", [True, False])
def test_a_row_whose_town_cannot_be_read_is_the_accepted_one_and_keeps_its_town(unreadable: bool) -> None:
    """Where towns tell agencies apart. A row without a town, which says nothing of one, is another agency."""
    (was,) = assign_keys([agency("Alder Jail", city="Gary")], by_city=True)
    (now,) = assign_keys([agency("Alder Jail")], by_city=True)
    published = replace(
        publication([]),
        listings=(now,),
        unreadable=((now.key, "city"),) if unreadable else (),
    )
    (kept,) = reconcile([was], published).publication.listings
    assert kept == (was if unreadable else now)
