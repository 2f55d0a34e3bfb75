"""The rename rule at its limits: how alike two names must be, by what speaks for and against one agency."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from msgspec import structs

from monitor.core import renames
from monitor.core.identity import assign_keys
from monitor.core.renames import may_be_one, pair
from monitor.domain import Listing
from tests.core.simulation import agency

DAY, OTHER_DAY = date(2024, 3, 5), date(2024, 3, 6)
DOCUMENT = "https://ice.gov/moa/7.pdf"
FAR = ("Alder Sheriff", "Alder Constable Precinct 4")  # 51 of 100 alike, with the place in common
APART = ("Alder Marshal", "Cedarwood Marshal")  # 67, with no place in common
CLOSE = ("Alder Marshal", "Elders Marshal")  # 89
NEAR = ("Alder Marshal Office", "Alden Marshal Offices")  # 95


def paired(names: tuple[str, str], was: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether the rule takes the two for one agency, whichever of them is gone."""
    one, other = (
        agency(name, **fields, key=key) for name, fields, key in zip(names, (was, now), "ab", strict=True)
    )
    there, back = pair([one], [other]), pair([other], [one])
    assert there in ([], [(one, other)])
    assert back == [(now, was) for was, now in there]
    return bool(there)


@pytest.mark.parametrize(
    ("names", "was", "now", "one"),
    [
        # a date
        (APART, {"since": DAY}, {"since": DAY}, False),
        (CLOSE, {"since": DAY}, {"since": DAY}, True),
        (CLOSE, {"since": DAY}, {}, False),
        (NEAR, {"since": DAY}, {"since": OTHER_DAY}, False),
        (NEAR, {"since": DAY}, {}, True),
        (NEAR, {}, {}, True),
        (CLOSE, {}, {}, False),
        # the county decides before the city, and the city before the name
        (APART, {"since": DAY, "county": "Lake"}, {"since": DAY, "county": "Lake County"}, True),
        (APART, {"since": DAY, "county": "Lake"}, {"since": DAY}, False),
        (APART, {"since": DAY, "county": "Lake"}, {"since": DAY, "county": "Polk"}, False),
        (APART, {"since": DAY, "city": "Gary"}, {"since": DAY, "city": "GARY"}, True),
        (APART, {"since": DAY, "city": "Gary"}, {"since": DAY}, False),
        (APART, {"since": DAY}, {"since": DAY, "city": "Gary"}, False),
        (
            APART,
            {"since": DAY, "county": "Lake", "city": "Gary"},
            {"since": DAY, "county": "Lake", "city": "Hammond"},
            True,
        ),
        (
            APART,
            {"since": DAY, "county": "Lake", "city": "Gary"},
            {"since": DAY, "county": "Polk", "city": "Gary"},
            False,
        ),
        (
            APART,
            {"since": DAY, "county": "Lake", "city": "Gary"},
            {"since": DAY, "city": "Gary"},
            True,
        ),
        (("Alder Police Department", "Alder Safety Department"), {"since": DAY}, {"since": DAY}, True),
        (("Alder Police Department", "Cedar Safety Department"), {"since": DAY}, {"since": DAY}, False),
        (("County Marshal", "Town Jail Services"), {"since": DAY}, {"since": DAY}, False),
        (FAR, {"since": DAY, "county": "Lake"}, {"since": DAY, "county": "Lake"}, False),
        # another county or city asks for more
        (CLOSE, {"since": DAY, "county": "Lake"}, {"since": DAY, "county": "Polk"}, False),
        (CLOSE, {"since": DAY, "city": "Gary"}, {"since": DAY, "city": "Hammond"}, False),
        (CLOSE, {"since": DAY, "county": "Lake"}, {"since": DAY}, True),
        (NEAR, {"since": DAY, "county": "Lake"}, {"since": DAY, "county": "Polk"}, True),
        (NEAR, {"county": "Lake"}, {"county": "Polk"}, False),
        (NEAR, {"city": "Gary"}, {"city": "Hammond"}, False),
        (NEAR, {"county": "Lake", "city": "Gary"}, {"county": "Lake", "city": "Hammond"}, True),
        (NEAR, {"city": "Gary"}, {}, True),
        # a document, an id or a point
        (APART, {"url": DOCUMENT}, {"url": DOCUMENT}, True),
        (APART, {"url": DOCUMENT}, {}, False),
        (APART, {"source_id": "7"}, {"source_id": "7"}, True),
        (APART, {"point": (41.5, -87.25)}, {"point": (41.5, -87.25)}, True),
        (APART, {"point": (41.5, -87.25)}, {"point": (41.5000001, -87.25)}, False),
        (APART, {"point": (41.5, -87.25)}, {"point": (41.50000001, -87.25)}, True),
        (APART, {"url": DOCUMENT, "county": "Lake"}, {"url": DOCUMENT, "county": "Polk"}, True),
        (FAR, {"url": DOCUMENT}, {"url": DOCUMENT}, True),
        (FAR, {"url": DOCUMENT, "since": DAY}, {"url": DOCUMENT, "since": OTHER_DAY}, False),
        (("Cedar Sheriff", FAR[1]), {"url": DOCUMENT}, {"url": DOCUMENT}, False),
        (("Cedar County Sheriff", "Alder County Jail Bureau"), {"url": DOCUMENT}, {"url": DOCUMENT}, False),
        # fire and police of one town
        (("Alder Fire", "Alder Police"), {"url": DOCUMENT}, {"url": DOCUMENT}, False),
        (("Alder Fire", "Alder Sheriff"), {"url": DOCUMENT}, {"url": DOCUMENT}, False),
        (("Alder Fire", "Alder Police and Fire"), {"url": DOCUMENT}, {"url": DOCUMENT}, True),
        (("Alder Fire", "Alder Marshal"), {"url": DOCUMENT}, {"url": DOCUMENT}, True),
        (("Alder Fire Department", "Alder Police Department"), {}, {}, False),
        # across states
        (("Alder Marshal",) * 2, {"since": DAY}, {"since": DAY, "state": "IN"}, True),
        (("Alder Marshal",) * 2, {"url": DOCUMENT}, {"url": DOCUMENT, "state": "IN"}, True),
        (("Alder Marshal",) * 2, {}, {"state": "IN"}, False),
        (("Alder Marshal",) * 2, {}, {"state": None}, True),
        (("Alder Marshal",) * 2, {"since": DAY}, {"since": OTHER_DAY, "state": None}, False),
        (NEAR, {"since": DAY}, {"since": DAY, "state": "IN"}, False),
        (NEAR, {}, {"state": None}, False),
        (NEAR, {"state": None, "state_text": "Illinios"}, {"state": None, "state_text": "ILLINIOS "}, True),
        # values of the same columns
        (NEAR, {"attributes": (("TYPE", "City"),)}, {"attributes": (("TYPE", "County"),)}, False),
        (NEAR, {"attributes": (("TYPE", "City"),)}, {"attributes": (("KIND", "County"),)}, True),
        (
            NEAR,
            {"attributes": (("MODEL", "Jail"), ("TYPE", "City"))},
            {"attributes": (("MODEL", "Task Force"), ("TYPE", "city"))},
            True,
        ),
    ],
)
def test_how_alike_names_must_be(
    names: tuple[str, str], was: dict[str, Any], now: dict[str, Any], one: bool
) -> None:
    assert paired(names, was, now) is one


def test_a_document_of_many_agencies_is_evidence_for_none() -> None:
    one, other = (agency(name, url=DOCUMENT, key=name) for name in APART)
    assert pair([one], [other]) == [(one, other)]
    assert pair([one], [other], widespread=frozenset([DOCUMENT])) == []


def choose(gone: Listing, *come: Listing) -> str | None:
    """The name that a vanished listing has now."""
    listings = assign_keys([gone, *come], by_city=False)
    pairs = pair(listings[:1], listings[1:])
    back = pair(listings[1:], listings[:1])
    assert back == [(now, was) for was, now in pairs]
    return f"{pairs[0][1].state} {pairs[0][1].name}" if pairs else None


def test_the_same_state_wins_over_the_same_name() -> None:
    gone = agency("Alder Marshal Office", "IL", since=DAY)
    same = agency("Alder Marshal Office", "IN", since=DAY)
    assert choose(gone, same) == "IN Alder Marshal Office"
    assert choose(gone, same, agency("Elders Marshal Office", "IL", since=DAY)) == "IL Elders Marshal Office"


def test_the_same_name_wins_over_the_same_county() -> None:
    gone = agency("Alder Marshal", since=DAY, county="Lake")
    spelled = agency("Marshal, Alder", since=DAY, county="Polk")
    assert choose(gone, spelled, agency("Aldert Marshal", since=DAY, county="Lake")) == "IL Marshal, Alder"


def test_the_same_county_is_worth_a_tenth_and_another_costs_one() -> None:
    gone = agency("Maple Grove Marshal", since=DAY, county="Lake")
    close = agency("Maple Grove Marshals", since=DAY)
    assert choose(gone, close, agency("Maple Groves Marshals", since=DAY, county="Lake")) == (
        "IL Maple Groves Marshals"
    )
    gone = agency("Maple Grove Marshal", since=DAY, county="Polk")
    assert choose(
        gone,
        agency("Maple Grove Marshals", since=DAY, county="Lake"),
        agency("Maple Groves Marshals", since=DAY),
    ) == ("IL Maple Groves Marshals")


def test_names_in_excess_of_the_budget_pair_only_if_they_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two comparisons of those of one place, and six of all."""
    gone = [agency(f"{tree} Marshal", key=tree, since=DAY) for tree in ("Alder", "Maple")]
    come = [
        agency(name, key=name, since=DAY) for name in ("Aldert Marshal", "Marshal of Maple", "Marshal Maple")
    ]
    monkeypatch.setattr(renames, "_MOST_COMPARED", 8)
    assert pair(gone, come) == [(gone[1], come[2]), (gone[0], come[0])]
    monkeypatch.setattr(renames, "_MOST_COMPARED", 7)
    assert pair(gone, come) == [(gone[1], come[2])]


def test_names_of_two_states_in_excess_of_the_budget_pair_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = [agency("Alder Marshal", "IN", since=DAY)]
    come = [agency("Alder Marshal", state, since=DAY) for state in ("OH", "WI")]
    monkeypatch.setattr(renames, "_MOST_COMPARED", 0)
    assert pair(gone, come) == [(gone[0], come[0])]


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [
        (agency("Alder Marshal"), agency("Alder Marshal"), True),
        (agency("Alder Marshal"), agency("Alder Marshal", "IN"), False),
        (agency("Alder Marshal"), agency("Aldert Marshal", "IN"), False),
        (agency("Alder Marshal"), agency("Alder Police Department"), True),
        (agency("Alder Marshal"), agency("Alder Heights Marshal"), True),
        (agency("Alder Heights Marshal"), agency("Alder Marshal"), True),
        (agency("Hamond Marshal"), agency("Hammond Police"), True),
        (agency("Heights of Hamond Marshal"), agency("Hammond Heights Police"), True),
        (agency("Alder Marshal"), agency("Cedarwood Marshal"), False),
        (agency("Alder Heights Marshal"), agency("Alder Falls Marshal"), False),
    ],
)
def test_rows_with_one_id_are_one_agency_unless_they_name_two_places(
    one: Listing, other: Listing, may: bool
) -> None:
    assert may_be_one(one, other) is may
    assert may_be_one(other, structs.replace(one)) is may
