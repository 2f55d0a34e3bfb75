"""What maps show: agencies as counties, towns, states or not at all, and the picture of it."""

from __future__ import annotations

from xml.etree import ElementTree

from monitor.domain import Listing
from monitor.pictures.map_data import (
    COUNTY,
    NOWHERE,
    STATE,
    TOWN,
    MapAgency,
    StateValues,
    locate_on_map,
    sum_states,
)
from monitor.pictures.map_drawing import MOST_DOTS, MapLabels, add_rings, draw_nation, draw_state, group_towns
from monitor.places import load

HOSTILE = '"><script>alert(1)</script>&'


def placed(name: str, state: str | None, **fields: str) -> MapAgency:
    listing = Listing(name=name, state=state, **fields)  # type: ignore[arg-type]
    return locate_on_map(listing, load().locate(listing), name, f"/agency/x/{len(name)}", load())


def test_an_agency_is_drawn_as_what_it_serves_and_never_as_a_dot_where_nobody_knows() -> None:
    sheriff = placed("Lake County Sheriff's Office", "IN")
    assert (sheriff.kind, sheriff.counties) == (COUNTY, ("18089",))
    hammond = placed("Hammond Police Department", "IN")
    assert (hammond.kind, hammond.counties) == (TOWN, ("18089",))
    assert hammond.point is not None
    assert abs(hammond.point[0] - 41.6) < 0.1
    assert placed("Indiana State Police", "IN").kind == STATE
    assert placed("Zyxwv Task Force", "IN").kind == NOWHERE
    somewhere = placed("Zyxwv Task Force", "IN", county="Lake")
    assert (somewhere.kind, somewhere.point) == (NOWHERE, None)
    assert placed("Somebody", None).kind == NOWHERE


def test_shares_count_zips_of_local_agencies_once_and_none_of_the_state() -> None:
    agencies = [
        placed("Hammond Police Department", "IN"),
        placed("Lake County Sheriff's Office", "IN"),
        placed("Illinois State Police", "IL"),
        placed("Somebody", None),
    ]
    values = sum_states(agencies, load())
    lake = set(agencies[1].zips) | set(agencies[0].zips)
    indiana, illinois = values.states["IN"], values.states["IL"]
    assert 10 < indiana.served <= len(lake)
    assert 0 < indiana.share < 0.1
    assert (indiana.shade, indiana.counties) == (1, {"18089": COUNTY})
    assert (illinois.shade, illinois.of(STATE)[0].name) == (0, "Illinois State Police")
    assert [each.name for each in values.unplaced] == ["Somebody"]
    assert len(values.agencies) == 4


def test_drawings_are_well_formed_whatever_the_names_are() -> None:
    agency = MapAgency(HOSTILE, "/x?a=1&b=2", "IN", TOWN, ("18089",), (41.6, -87.5), ("46320",))
    values = sum_states([agency], load())
    labels = MapLabels(HOSTILE, {"IN": HOSTILE, "18089": HOSTILE}, {"IN": "/map/IN?x=1&y=2"}, blind=True)
    for standalone in (False, True):
        for drawing in (
            draw_nation(values, labels, standalone=standalone),
            add_rings(draw_state(values.states["IN"], labels, standalone=standalone), "IN", ((41.6, -87.5),)),
        ):
            root = ElementTree.fromstring(drawing.replace("xmlns=", "data-ns="))
            assert root.find(".//script") is None
            assert root.findall(".//path[@class='blind']")
            assert HOSTILE in [each.text for each in root.iter("title")]
    assert draw_state(StateValues("ZZ", (), 0, 0, {}), labels) == ""


def test_too_many_towns_become_clusters_that_hold_them_all() -> None:
    agencies = tuple(
        MapAgency(f"Town {n}", f"/{n}", "TX", TOWN, ("48201",), (29 + n % 50 * 0.1, -102 + n // 50 * 0.2), ())
        for n in range(MOST_DOTS + 50)
    )
    groups = group_towns(StateValues("TX", agencies, 0, 1, {}))
    assert len(groups) < MOST_DOTS
    assert sum(map(len, groups.values())) == len(agencies)
    few = group_towns(StateValues("TX", agencies[:100], 0, 1, {}))
    assert len(few) == 100
