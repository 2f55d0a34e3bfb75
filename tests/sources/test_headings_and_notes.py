"""States in headings between agencies and notes among them, in every format that people make by hand."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from openpyxl import Workbook
from pydantic import ValidationError

from monitor.config.source_section import SourceSection
from monitor.domain import Publication
from monitor.sources import ColumnMap, ParseOptions, parse
from monitor.sources.headings import read_heading
from monitor.sources.proposals import propose

UNDER_HEADINGS = ColumnMap(name="Agency", state="(heading)")


def read(body: bytes, format: str, columns: ColumnMap, **settings: object) -> Publication:
    return parse(body, ParseOptions("x", format, columns, settings=settings))


def agencies(publication: Publication) -> list[tuple[str, str | None]]:
    return [(listing.name, listing.state) for listing in publication.listings]


def kinds(publication: Publication) -> list[str]:
    return [problem.kind for problem in publication.problems]


def workbook(fill: Callable[[Workbook], None]) -> bytes:
    book = Workbook()
    book.remove(book.worksheets[0])
    fill(book)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def add_sheet(book: Workbook, title: str, *rows: tuple[object, ...]) -> None:
    sheet = book.create_sheet(title)
    for row in rows:
        sheet.append(row)


def test_a_sum_under_a_heading_is_no_agency_of_its_state() -> None:
    body = (
        b"Agency,Model\nINDIANA,\nHammond PD,Jail\nILLINOIS (2),\nCook SO,Jail\nTotal: 3 agencies,\n"
        b",Source: the publisher\n"
    )
    columns = ColumnMap(name="Agency", state="(heading)", attributes=("Model",))
    found = read(body, "table", columns)
    assert agencies(found) == [("Hammond PD", "IN"), ("Cook SO", "IL")]
    assert kinds(found) == ["heading", "heading", "footer", "footer"]
    assert not found.damaged


def test_a_sum_or_a_status_on_a_sheet_of_a_state_is_no_agency() -> None:
    def fill(book: Workbook) -> None:
        add_sheet(book, "Indiana", ("Agency", "Signed"), ("Hammond PD", 45000), (None, None), ("Total", 1))
        add_sheet(book, "Illinois", ("Agency", "Signed"), ("PENDING", None), ("Cook SO", 45001))

    columns = ColumnMap(name="Agency", state="(sheet)", since="Signed")
    found = read(workbook(fill), "table", columns, sheets="all")
    assert agencies(found) == [("Hammond PD", "IN"), ("Cook SO", "IL")]
    assert kinds(found) == ["footer", "heading"]


def test_a_sheet_with_other_headers_is_not_left_out_in_silence() -> None:
    def fill(book: Workbook) -> None:
        add_sheet(book, "Indiana", ("Agency", "Signed"), ("Hammond PD", 45000))
        add_sheet(book, "Kansas", ("Agency Name", "Signed"), ("Topeka PD", 45001))
        add_sheet(book, "About", ("Updated in 2026",))

    found = read(workbook(fill), "table", ColumnMap(name="Agency", state="(sheet)"), sheets="all")
    assert agencies(found) == [("Hammond PD", "IN")]
    messages = [problem.message for problem in found.problems]
    assert messages == ['sheets without the headers are not read: "Kansas"']


ROWS = b"<tr><th>Agency<th>Model"
HEADINGS = {
    "cells over all columns": b"<table>" + ROWS + b"<tr><td colspan=2>INDIANA<tr><td>Hammond PD<td>Jail"
    b"<tr><td colspan=2><b>ILLINOIS (1)</b><tr><td>Cook SO<td>Task</table>",
    "cells of their own": b"<table>" + ROWS + b"<tr><td>Indiana<td><tr><td>Hammond PD<td>Jail"
    b"<tr><td>Illinois<td></td><tr><td>Cook SO<td>Task</table>",
    "headings of the page": b"<h2>Indiana</h2><table>" + ROWS + b"<tr><td>Hammond PD<td>Jail</table>"
    b"<h2>State of Illinois</h2><table>" + ROWS + b"<tr><td>Cook SO<td>Task</table>",
    "captions": b"<table><caption>Indiana</caption>" + ROWS + b"<tr><td>Hammond PD<td>Jail</table>"
    b"<table><caption>Illinois</caption>" + ROWS + b"<tr><td>Cook SO<td>Task</table>",
}


@pytest.mark.parametrize("where", HEADINGS)
def test_states_above_the_rows_of_a_page_are_those_of_its_agencies(where: str) -> None:
    found = read(b"<html><body>" + HEADINGS[where] + b"</body></html>", "html", UNDER_HEADINGS)
    assert agencies(found) == [("Hammond PD", "IN"), ("Cook SO", "IL")]
    assert kinds(found) == ["heading", "heading"]


def test_a_page_without_the_headings_says_that_states_are_missing() -> None:
    body = b"<html><table>" + ROWS + b"<tr><td>Hammond PD<td>Jail</table></html>"
    found = read(body, "html", UNDER_HEADINGS)
    assert agencies(found) == [("Hammond PD", None)]
    assert kinds(found) == ["unknown state"]


PAGE = b"""<html><table><tr><th>State<th>Agency<tr><td>Indiana<td>Hammond PD<tr><td><td>Lake County Sheriff's
<tr><td><td>Office<tr><td>Illinois<td>Cook SO<tr><td><td>Total: 3 agencies</table></html>"""


def test_empty_cells_of_a_page_repeat_the_one_above_if_configured() -> None:
    columns = ColumnMap(name="Agency", state="State")
    found = read(PAGE, "html", columns, fill_down=("State",))
    assert agencies(found) == [
        ("Hammond PD", "IN"),
        ("Lake County Sheriff's Office", "IN"),
        ("Cook SO", "IL"),
    ]
    assert kinds(found) == ["wrapped name", "footer"]


def test_two_tables_side_by_side_on_a_page_are_not_half_read_in_silence() -> None:
    body = (
        b"<html><table><tr><th>Agency<th>State<th>Agency<th>State"
        b"<tr><td>Gary PD<td>IN<td>Cook SO<td>IL</table></html>"
    )
    found = read(body, "html", ColumnMap(name="Agency", state="State"))
    messages = [problem.message for problem in found.problems]
    assert messages == ["only the first columns of their headers are read, not 3, 4"]


def test_states_in_headings_of_a_page_are_proposed() -> None:
    rows = b"".join(b"<tr><td>Town %d PD<td>Jail" % number for number in range(9))
    states = b"<tr><td>Indiana<td>" + rows + b"<tr><td>Illinois<td>" + rows
    proposal = propose(b"<html><table>" + ROWS + states + b"</table></html>")
    assert (proposal.format, proposal.columns.state) == ("html", "(heading)")


@pytest.mark.parametrize(
    ("format", "state"),
    [
        ("json", "(heading)"),
        ("geojson", "(heading)"),
        ("html", "(sheet)"),
        ("table", "(key)"),
        ("arcgis", "(sheet)"),
    ],
)
def test_a_title_that_a_format_does_not_give_is_refused(format: str, state: str) -> None:
    section = {"title": "x", "format": format, "url": "https://x.example/list"}
    with pytest.raises(ValidationError, match=f"a list of the format {format} has no"):
        SourceSection.model_validate(section | {"columns": {"name": "Agency", "state": state}})


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("Alabama[edit]", "Alabama"),
        ("Agencies in Alabama", "Alabama"),
        ("Ohio Law Enforcement Agencies (7)", "Ohio"),
        ("Ohio (OH)", "Ohio"),
        ("OH - Ohio", "Ohio"),
        ("Washington, D.C.", "District of Columbia"),
        ("U.S. Virgin Islands", "Virgin Islands"),
        ("AL: Ohio", None),
        ("Alabama Law Enforcement Agency", None),
        ("Ohio Department", None),
        ("Police departments", None),
        ("Indiana County", None),
    ],
)
def test_a_state_with_other_words_is_a_heading(text: str, state: str | None) -> None:
    assert read_heading(text) == state
