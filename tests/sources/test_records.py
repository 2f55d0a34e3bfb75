"""JSON records, where the configuration says that they are."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from monitor.errors import ParseError
from monitor.sources import ColumnMap, ParseOptions, fingerprint, parse
from monitor.sources.proposals import propose

PORTALS = ParseOptions(
    "portals", "json", ColumnMap(name=("Agency", "name"), state="state"), settings={"records": "data.portals"}
)
COUNTED = replace(PORTALS, settings={"records": "data.portals", "count": "total"})


def portals(*records: object, **more: object) -> bytes:
    return json.dumps({"data": {"portals": records}} | more).encode()


def test_records_at_the_top_need_no_path() -> None:
    body = json.dumps([{"name": "Gary Police", "state": "IN"}]).encode()
    assert parse(body, replace(PORTALS, settings={})).listings[0].name == "Gary Police"


def test_a_column_may_be_headed_in_several_ways() -> None:
    for key in ("agency", "NAME"):
        assert parse(portals({key: "Gary Police", "state": "IN"}), PORTALS).listings[0].name == "Gary Police"


def test_records_of_one_agency_are_one_listing() -> None:
    publication = parse(
        portals({"name": "Gary Police", "state": "IN"}, {"name": "GARY POLICE", "state": "IN"}), PORTALS
    )
    assert len(publication.listings) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (portals(), "no record"),
        (b"{}", "no array at data.portals"),
        (b'{"data": [1]}', "no array at data.portals"),
        (portals({"title": "A"}), 'No key is called "Agency" or "name"; there are: title'),
        (portals({"name": ""}, 7), "None of the 2 records"),
        (portals({"name": "A"})[:-3], "broken or cut off"),
        (b"Agency,State", "broken or cut off"),
    ],
)
def test_records_that_cannot_be_read_say_why(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        parse(body, PORTALS)


def test_a_count_that_does_not_agree_is_refused() -> None:
    record = {"name": "Gary Police", "state": "IN"}
    assert parse(portals(record, total=1), COUNTED).listings
    for total in (2, 0, None, "1"):
        with pytest.raises(ParseError, match="says otherwise"):
            parse(portals(record, total=total), COUNTED)


def test_a_fingerprint_moves_with_the_formats_own_options() -> None:
    assert fingerprint(PORTALS) != fingerprint(COUNTED)


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b'{"name": "Gary Police", "state": "IN"}\n{"name": "Hammond Police", "state": "IN"}\n', 2),
        (b'{"name": "Gary Police", "state": "IN"}\n', 1),
        (b'{"name": "Gary Police",\n "state": "IN"}{"name": "Hammond Police", "state": "IN"}', 2),
    ],
)
def test_records_may_stand_on_lines(body: bytes, count: int) -> None:
    publication = parse(body, replace(PORTALS, settings={}))
    assert len(publication.listings) == count


def test_a_document_that_holds_records_is_no_record_itself() -> None:
    body = b'{"name": "Portals", "data": {"x": 1}, "portals": [{"name": "Gary Police", "state": "IN"}]}'
    with pytest.raises(ParseError, match="no array at its top"):
        parse(body, replace(PORTALS, settings={}))


def test_a_line_that_is_cut_off_is_refused_with_its_number() -> None:
    with pytest.raises(ParseError, match="cut off at line 2"):
        parse(b'{"name": "Gary Police"}\n{"name": "Hamm', replace(PORTALS, settings={}))


STATES = [
    {"state": "Indiana", "agencies": [{"agency": "Gary Police"}, {"agency": "Lake County Sheriff"}]},
    {"state": "Ohio", "agencies": [{"agency": "Lima Police"}], "note": None},
    {"state": "Maine"},
]
THREE = [("Gary Police", "IN"), ("Lake County Sheriff", "IN"), ("Lima Police", "OH")]


def proposed(body: bytes) -> tuple[ColumnMap, dict[str, object], list[tuple[str, str | None]]]:
    """The proposed columns and settings, and what is read with them."""
    proposal = propose(body)
    found = parse(body, ParseOptions("list", proposal.format, proposal.columns, settings=proposal.settings))
    return proposal.columns, proposal.settings, [(x.name, x.state) for x in found.listings]


@pytest.mark.parametrize(
    ("document", "path"),
    [(STATES, "*.agencies"), ({"data": {"states": STATES}}, "data.states.*.agencies")],
)
def test_records_in_the_records_of_an_array_have_what_stands_beside_them(document: object, path: str) -> None:
    columns, settings, listings = proposed(json.dumps(document).encode())
    assert (columns.name, columns.state, settings["records"]) == ("agency", "(parent).state", path)
    assert listings == THREE


def test_records_below_the_records_of_keys_have_their_key() -> None:
    columns, _, listings = proposed(json.dumps({x["state"]: x for x in STATES[:2]}).encode())
    assert columns.state in ("(parent).state", "(parent).(key)")
    assert listings == THREE


def test_names_below_the_keys_of_states_are_records() -> None:
    document = {"Indiana": ["Gary Police", "Lake County Sheriff"], "Ohio": ["Lima Police"]}
    columns, _, listings = proposed(json.dumps(document).encode())
    assert (columns.name, columns.state) == ("(value)", "(key)")
    assert listings == THREE


def test_a_record_that_has_arrays_of_its_own_stays_one_record() -> None:
    people = [{"name": "A", "rank": "Chief"}, {"name": "B", "rank": "Sergeant"}]
    document = [{"agency": name, "state": state, "contacts": people} for name, state in THREE]
    _, settings, listings = proposed(json.dumps(document).encode())
    assert (settings, listings) == ({}, THREE)


def test_json_in_utf_16_is_json() -> None:
    document = [{"agency": name, "state": state} for name, state in THREE]
    assert proposed(json.dumps(document).encode("utf-16"))[2] == THREE


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (
            {"error": {"code": 400, "message": "Invalid URL"}},
            "The server answered with an error: Invalid URL.",
        ),
        ({"error": "Rate limit"}, "The server answered with an error: Rate limit."),
        (
            {
                "name": "Agencies",
                "fields": [{"name": x, "type": "esriFieldTypeString"} for x in ("agency", "st")],
            },
            "The JSON describes an ArcGIS layer and holds no record: give the layer's address.",
        ),
    ],
)
def test_what_is_no_list_says_what_it_is(document: object, reason: str) -> None:
    with pytest.raises(ParseError, match=re.escape(reason)):
        propose(json.dumps(document).encode())


def test_the_day_of_an_agreement_comes_before_that_of_a_post() -> None:
    records = [
        {"date": "2025-11-01", "agency": name, "state": state, "signed": f"2025010{day}"}
        for day, (name, state) in enumerate(THREE, start=1)
    ]
    assert propose(json.dumps(records).encode()).columns.since == "signed"


def read_as_proposed(document: object) -> list[tuple[str, str | None]]:
    body = json.dumps(document).encode()
    proposal = propose(body)
    options = ParseOptions("x", proposal.format, proposal.columns, settings=proposal.settings)
    return [(listing.name, listing.state) for listing in parse(body, options).listings]


GARY, LIMA = ("Gary Police Department", "IN"), ("Lima Police Department", "OH")


@pytest.mark.parametrize(
    "document",
    [
        {
            "Indiana": {
                "Gary Police Department": {"county": "Lake"},
                "Hammond Police Department": {"county": "Lake"},
            },
            "Ohio": {"Lima Police Department": {"county": "Allen"}},
        },
        {"states": [
            {"abbr": "IN", "name": "Indiana", "counties": [
                {"county": "Lake", "agencies": [
                    {"name": "Gary Police Department"}, {"name": "Hammond Police Department"},
                ]},
            ]},
            {"abbr": "OH", "name": "Ohio", "counties": [
                {"county": "Allen", "agencies": [{"name": "Lima Police Department"}]},
            ]},
        ]},
        {"values": [
            ["Participating agencies"], [], ["Agency", "State"],
            ["Gary Police Department", "IN"],
            ["Hammond Police Department", "IN"],
            ["Lima Police Department", "OH"],
        ]},
        {"draw": 1, "recordsTotal": 3, "data": [
            {"agency": "<a href='/1'>Gary Police Department</a>", "state": "<b>IN</b>"},
            {"agency": "<a href='/2'>Hammond Police Department</a>", "state": "<b>IN</b>"},
            {"agency": "<a href='/3'>Lima Police Department</a>", "state": "<b>OH</b>"},
        ]},
    ],
    ids=["objects of objects", "arrays in arrays", "rows below a title", "markup in cells"],
)  # fmt: skip
def test_agencies_are_found_wherever_they_stand(document: object) -> None:
    assert read_as_proposed(document) == [GARY, ("Hammond Police Department", "IN"), LIMA]


def test_what_counts_the_rows_is_no_id() -> None:
    rows = [
        {"DT_RowId": f"row_{at}", "agency": f"{name} Police", "state": "IN"} for at, name in enumerate("AB")
    ]
    assert propose(json.dumps(rows).encode()).columns.id is None


@pytest.mark.parametrize("more", [{}, {"total": 100}, {"next": None}, {"hasMore": False}])
def test_a_round_number_of_records_without_a_total_is_said(more: dict[str, object]) -> None:
    document = {"data": [{"name": f"Town {number} Police", "state": "IN"} for number in range(100)], **more}
    options = ParseOptions("x", "json", ColumnMap(name="name", state="state"), settings={"records": "data"})
    problems = parse(json.dumps(document).encode(), options).problems
    assert [each.kind for each in problems] == ([] if more else ["round number"])
    silent = replace(options, settings={"records": "data", "ignore_total": True})
    assert not parse(json.dumps(document).encode(), silent).problems


def test_pages_of_other_programs_are_no_whole_list() -> None:
    body = b'{"hits": [{"name": "Gary Police", "state": "IN"}], "nbHits": 57, "page": 0, "nbPages": 57}'
    options = ParseOptions("x", "json", ColumnMap(name="name", state="state"), settings={"records": "hits"})
    with pytest.raises(ParseError, match="nbPages says that there are more"):
        parse(body, options)


def test_a_topology_is_refused_because_its_points_are_no_degrees() -> None:
    with pytest.raises(ParseError, match="give GeoJSON"):
        propose(b'{"type": "Topology", "objects": {}, "arcs": []}')


def test_addresses_that_end_with_numbers_are_links() -> None:
    rows = [
        {"link": f"https://list.example/agency/{at}", "name": f"{town} Police Department", "state": "IN"}
        for at, town in enumerate(("Gary", "Hammond", "Portage"), start=1)
    ]
    assert propose(json.dumps(rows).encode()).columns.url == "link"
