"""JSON whose rows do not name their values: columns as arrays, and rows beside or below their titles."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.errors import ParseError
from monitor.sources import ColumnMap, ParseOptions, parse
from monitor.sources.proposals import propose

NAMES, STATES = ["Gary PD", "Hammond PD", "Lima PD"], ["IN", "IN", "OH"]
ROWS = [[name, state] for name, state in zip(NAMES, STATES, strict=True)]
NUMBERED = [[f"row-{at}", *row] for at, row in enumerate(ROWS)]
SOCRATA = [
    {"id": -1, "name": "sid", "fieldName": ":sid"},
    {"id": 7, "name": "Agency", "fieldName": "agency"},
    {"id": 8, "name": "State", "fieldName": "state"},
]
CKAN = [{"type": "int", "id": "_id"}, {"type": "text", "id": "Agency"}, {"type": "text", "id": "State"}]


def read(document: object, columns: ColumnMap, settings: dict[str, Any]) -> list[tuple[str, str | None]]:
    found = parse(
        json.dumps(document).encode(), ParseOptions("list", "json", columns, settings=settings)
    ).listings
    return [(listing.name, listing.state) for listing in found]


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"Agency": NAMES, "State": STATES}, ""),
        ({"data": {"Agency": NAMES, "State": STATES}, "updated": "2026-01-01"}, "data"),
        (
            {"Agency": dict(zip("012", NAMES, strict=True)), "State": dict(zip("012", STATES, strict=True))},
            "",
        ),
        ({"columns": ["Agency", "State"], "index": [0, 1, 2], "data": ROWS}, "data"),
        ({"meta": {"view": {"columns": SOCRATA}}, "data": NUMBERED}, "data"),
        ({"fields": CKAN, "records": NUMBERED}, "records"),
        ({"result": {"fields": CKAN, "records": NUMBERED, "total": 3}}, "result.records"),
        ([["Agency", "State"], *ROWS], ""),
        (
            {
                "table": {
                    "cols": [{"id": "A", "label": "Agency"}, {"id": "B", "label": "State"}],
                    "rows": [{"c": [{"v": name}, {"v": state, "f": "x"}]} for name, state in ROWS],
                }
            },
            "table.rows",
        ),
        (
            {
                "schema": {"fields": [{"name": "Agency"}, {"name": "State"}]},
                "rows": [{"f": [{"v": name}, {"v": state}]} for name, state in ROWS],
            },
            "rows",
        ),
        ({"range": "A1:B4", "majorDimension": "ROWS", "values": [["Agency", "State"], *ROWS]}, "values"),
    ],
)
def test_columns_and_rows_with_their_titles_are_records(document: object, path: str) -> None:
    proposal = propose(json.dumps(document).encode())
    assert proposal.settings.get("records", "") == path
    assert (proposal.columns.name, proposal.columns.state) == ("Agency", "State")
    assert read(document, proposal.columns, proposal.settings) == [tuple(row) for row in ROWS]


def test_titles_follow_their_columns_when_one_is_inserted() -> None:
    columns = ColumnMap("Agency", "State")
    for titles, rows in (
        (["Agency", "State"], ROWS),
        (["Kind", "State", "Agency"], [["PD", state, name] for name, state in ROWS]),
    ):
        document = {"columns": titles, "data": rows}
        assert read(document, columns, {"records": "data"}) == [tuple(row) for row in ROWS]


def test_a_row_that_is_cut_keeps_its_beginning_and_one_with_more_values_is_no_agency() -> None:
    document = {"columns": ["Agency", "State"], "data": [*ROWS, ["Muncie PD"], ["Ames PD", "IA", "x"]]}
    publication = parse(
        json.dumps(document).encode(),
        ParseOptions("list", "json", ColumnMap("Agency", "State"), settings={"records": "data"}),
    )
    assert [x.name for x in publication.listings] == [*NAMES, "Muncie PD"]
    assert [(x.kind, x.row) for x in publication.problems] == [("unknown state", 4), ("bad record", 5)]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (
            {"Agency": NAMES, "State": STATES[:2]},
            "The columns of the JSON have different numbers of values: Agency 3, State 2.",
        ),
        (
            {"Agency": {"0": "Gary PD", "1": "Lima PD"}, "State": {"0": "IN"}},
            "The columns of the JSON have different rows.",
        ),
    ],
)
def test_columns_of_different_lengths_are_a_failed_fetch(document: object, reason: str) -> None:
    body = json.dumps(document).encode()
    with pytest.raises(ParseError, match=reason):
        propose(body)
    with pytest.raises(ParseError, match=reason):
        parse(body, ParseOptions("list", "json", ColumnMap("Agency", "State")))


@pytest.mark.parametrize("rows", [ROWS, [["Agency", *NAMES], ["State", *STATES]]])
def test_rows_without_titles_are_refused_with_what_to_do(rows: object) -> None:
    with pytest.raises(ParseError, match=r"have no keys.*Use the publisher's CSV"):
        propose(json.dumps(rows).encode())


def test_descriptions_of_columns_are_no_list_and_a_number_that_is_equal_by_chance_is_no_count() -> None:
    fields = [{"name": name, "type": "string"} for name in ("index", "Agency", "State", "Kind", "County")]
    records = [{"Agency": name, "State": state} for name, state in ROWS]
    document = {"schema": {"fields": fields}, "data": records, "took": 3, "hits": {"total": {"value": 3}}}
    proposal = propose(json.dumps(document).encode())
    assert proposal.settings == {"records": "data", "count": "hits.total.value"}
