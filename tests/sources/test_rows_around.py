"""Rows that belong to those around them, and what portals and hand-made sheets make a proposal guess."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

import openpyxl
import pytest

from monitor.errors import ParseError
from monitor.sources import ColumnMap, ParseOptions, parse
from monitor.sources.format import Proposal
from monitor.sources.proposals import propose
from tests.sources.test_handmade_files import COLUMNS, GARY, LIMA, RECORD, Found, read, refusal


def as_csv(*rows: str) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def as_xlsx(rows: Iterable[Sequence[object]]) -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    book.save(out)
    return out.getvalue()


def poll_as_proposed(body: bytes) -> tuple[Proposal, Found, list[str]]:
    """The proposal, and the names with states and kinds of problems that are read by it."""
    found = propose(body)
    return (found, *read(body, found.format, found.columns, **found.settings))


@pytest.mark.parametrize(
    "heading",
    [
        "PENDING",
        "Active agencies:",
        "INDIANA (2)",
        "Indiana - 2 agencies",
        "State of Indiana",
        "Ohio (cont.)",
    ],
)
def test_a_status_or_a_counted_state_alone_in_its_row_is_a_heading(heading: str) -> None:
    body = as_csv("Agency,State,County", f"{heading},,", "Gary Police,IN,Lake")
    assert read(body) == ([GARY], ["heading"])


@pytest.mark.parametrize("name", ["Ohio City", "Active Harbor Police", "Pending Creek PD"])
def test_an_agency_whose_name_begins_like_a_heading_is_one(name: str) -> None:
    assert read(as_csv("Agency,State,County", f"{name},,", "Gary Police,IN,Lake"))[0][0] == (name, None)


def test_a_name_that_a_pdf_wrapped_is_one_name() -> None:
    """Converters of PDFs put the second line of a cell into a row of its own."""
    rows = ("FLORIDA,Baker County Sheriff's,Baker", ",Office,", "FLORIDA,Bay County Sheriff's Office,Bay")
    found = read(as_csv("State,Agency,County", *rows))
    assert found == (
        [("Baker County Sheriff's Office", "FL"), ("Bay County Sheriff's Office", "FL")],
        ["wrapped name"],
    )
    one = parse(as_csv("State,Agency,County", *rows), ParseOptions("list", "table", COLUMNS))
    whole = as_csv("State,Agency,County", "FLORIDA,Baker County Sheriff's Office,Baker", rows[2])
    assert one.listings == parse(whole, ParseOptions("list", "table", COLUMNS)).listings


def test_the_rest_of_a_name_without_a_name_above_is_a_row_of_its_own() -> None:
    found, problems = read(as_csv("State,Agency,County", ",Office,", "IN,Gary Police,Lake"))
    assert (found, problems) == ([("Office", None), GARY], ["unknown state"])


def test_states_that_stand_only_beside_their_first_agency_are_filled_down() -> None:
    rows = (
        ("State", "Agency\nName", "Date\nJoined"),
        ("Indiana", "Gary Police", "3/1/2025"),
        (None, "Hobart Police", "3/2/2025"),
        ("Ohio", "Lima Police", "3/3/2025"),
        (None, "Parma Police", None),
        (None, "Total: 4", None),
    )
    found, listings, problems = poll_as_proposed(as_xlsx(rows))
    assert (found.columns.state, found.settings) == ("State", {"fill_down": ["State"]})
    assert listings == [GARY, ("Hobart Police", "IN"), LIMA, ("Parma Police", "OH")]
    assert problems == ["footer"]
    assert 'an empty cell of "State" is read as the one above it' in found.notes


def test_a_column_with_a_few_states_missing_is_not_filled_down() -> None:
    rows = [f"{state},{town} Police" for state, town in zip(["IN", "IN", "", "IN"], "ABCD", strict=True)]
    found = propose(as_csv("State,Agency", *rows))
    assert found.settings == {}


def test_states_are_read_from_the_headings_between_agencies() -> None:
    rows = ("INDIANA (2),,", "Gary Police,X,", "Hobart Police,,X", "OHIO (1),,", "Lima Police,X,")
    found, listings, problems = poll_as_proposed(as_csv("Agency,Jail,Warrant", *rows))
    assert found.columns.state == "(heading)"
    assert listings == [GARY, ("Hobart Police", "IN"), LIMA]
    assert problems == ["heading", "heading"]
    alone = as_csv("Agency", "Indiana", "Gary Police", "Ohio", "Lima Police")
    assert read(alone, columns=ColumnMap(name="Agency", state="(heading)"))[0] == [GARY, LIMA]


def test_an_agency_above_the_first_heading_has_no_state() -> None:
    body = as_csv("Agency,Since", "Gary Police,2024", "Ohio,", "Lima Police,2024")
    found = read(body, columns=ColumnMap(name="Agency", state="(heading)"))
    assert found == ([("Gary Police", None), LIMA], ["unknown state", "heading"])


def test_numbers_that_count_the_rows_are_no_ids() -> None:
    """CKAN numbers the rows of each upload; a list that is sorted would rename every agency."""
    rows = [f"{at},{town} PD,TX{at:03}0100" for at, town in enumerate(["Waco", "Tyler", "Pampa"], start=1)]
    assert propose(as_csv("_id,AGENCY,ORI", *rows)).columns.id == "ORI"
    assert (
        propose(as_csv("agency_id,AGENCY", "7,Waco PD", "9,Tyler PD", "12,Pampa PD")).columns.id
        == "agency_id"
    )


def test_what_a_portal_adds_to_a_table_is_no_fact_of_an_agency() -> None:
    header = "X,Y,NAME,STATE,ZIP,SOURCEDATE,VAL_DATE,:@computed_region_q"
    rows = [
        f"-97{at % 4},51{at % 4},{town} Police,IN,4640{at % 3},2021/03/0{at} 00:00:00+00,2022/01/01,{at % 2}"
        for at, town in enumerate(["Gary", "Hobart", "Munster", "Dyer", "Griffith", "Lowell"], start=1)
    ]
    columns = propose(as_csv(header, *rows)).columns
    assert (columns.name, columns.state, columns.since, columns.attributes) == ("NAME", "STATE", None, ())


def test_rows_of_json_without_keys_are_refused_with_what_to_do() -> None:
    body = {"recordsTotal": 2, "data": [["1", "Aiken PD", "SC"], ["2", "Sumter PD", "SC"]]}
    with pytest.raises(ParseError, match=r"rows of the JSON \(data\) have no keys.*CSV"):
        propose(json.dumps(body).encode())


@pytest.mark.parametrize(
    "more",
    [
        {"offset": "itrXYZ/rec2"},  # Airtable
        {"page": 1, "total_pages": 3},
        {"current_page": 1, "last_page": 2},  # Laravel
        {"nextOffset": 100},
        {"meta": {"pagination": {}}, "pagination": {"pages": 4}},
        {"has_more": True, "total": 1},
    ],
)
def test_pages_and_cursors_beside_records_say_that_there_is_more(more: dict[str, Any]) -> None:
    body = json.dumps({"data": [RECORD], **more}).encode()
    assert "says that there are more" in refusal(body, "json", records="data")


@pytest.mark.parametrize(
    "more",
    [
        {"total": 1, "offset": 0, "_links": {"start": "/api", "next": "/api?offset=100"}},  # CKAN, always
        {"total": {"value": 1, "relation": "eq"}},
        {"offset": "0", "pages": 1},
    ],
)
def test_a_whole_answer_is_the_list_whatever_links_it_has(more: dict[str, Any]) -> None:
    body = json.dumps({"data": [RECORD], **more}).encode()
    assert read(body, "json", records="data") == ([GARY], [])


def test_a_larger_total_of_a_search_engine_is_named() -> None:
    body = json.dumps({"hits": {"total": {"value": 9}, "hits": [RECORD]}}).encode()
    assert read(body, "json", records="hits.hits") == ([GARY], ["rows missing"])


@pytest.mark.parametrize(
    "row", ["Total agencies,2,", "Total number of agencies:,,2", "Number of agencies,2,"]
)
def test_a_sum_in_words_beside_its_number_is_no_agency(row: str) -> None:
    body = f"Agency,State,Signed\nGary PD,IN,2025-01-02\nLima PD,OH,2025-01-03\n{row}\n".encode()
    found = parse(body, ParseOptions("list", "table", ColumnMap("Agency", "State")))
    assert [listing.name for listing in found.listings] == ["Gary PD", "Lima PD"]
    assert [problem.kind for problem in found.problems] == ["footer"]


def test_an_outline_is_refused_with_what_to_do() -> None:
    with pytest.raises(ParseError, match="seems to be YAML or an outline"):
        propose(b"agencies:\n  - name: Gary PD\n    state: IN\n  - name: Lima PD\n    state: OH\n")
