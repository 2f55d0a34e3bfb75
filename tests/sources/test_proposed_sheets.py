"""Which sheets of a workbook `propose` takes for the list, and addresses below the agencies."""

from __future__ import annotations

import io

import pytest
from openpyxl import Workbook

from monitor.sources import ColumnMap, ParseOptions, parse
from monitor.sources.proposals import propose

GARY, LIMA = ["Gary Police Department", "IN"], ["Lima Police Department", "OH"]


def workbook(**sheets: list[list[str]]) -> bytes:
    book = Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in [["Agency", "State"], *rows]:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    "titles", [("2024", "2025"), ("FY 2024", "FY 2025"), ("Q1 2025", "Q2 2025"), ("Jan", "Feb.")]
)
def test_sheets_for_times_are_one_list(titles: tuple[str, str]) -> None:
    body = workbook(**dict(zip(titles, ([GARY], [LIMA]), strict=True)))
    proposal = propose(body)
    assert proposal.settings["sheets"] == "all"
    options = ParseOptions("x", "table", proposal.columns, settings=proposal.settings)
    assert [x.name for x in parse(body, options).listings] == [GARY[0], LIMA[0]]


@pytest.mark.parametrize("title", ["Archive 2019-2023", "Former", "Terminated", "Pending", "Template"])
def test_a_sheet_of_what_was_or_will_be_is_not_the_list(title: str) -> None:
    old = [[f"Town {number} Police Department", "IN"] for number in range(20)]
    proposal = propose(workbook(Current=[GARY, LIMA], **{title: old}))
    assert proposal.settings["sheets"] == ["Current"]
    assert any(title in note for note in proposal.notes)
    proposal = propose(workbook(**{"2024": [GARY], "2025": [LIMA], title: old}))
    assert proposal.settings["sheets"] == ["2024", "2025"]  # "all" would read the other one too


@pytest.mark.parametrize(
    "below",
    [
        "100 Main St, Gary",
        "1200 N. Broad Street Suite 4",
        "P.O. Box 12",
        "(219) 555-0100",
        "Phone: 219-555-0100",
    ],
)
def test_an_address_or_a_telephone_below_an_agency_is_none(below: str) -> None:
    body = f'Agency,State\nGary Police Department,IN\n"{below}",\n'.encode()
    publication = parse(body, ParseOptions("x", "table", ColumnMap(name="Agency", state="State")))
    assert [x.name for x in publication.listings] == [GARY[0]]
    assert [x.kind for x in publication.problems] == ["footer"]


@pytest.mark.parametrize(
    "name", ["29 Palms Drive Police Department", "18 Judicial District Court", "4 Corners Place Task Force"]
)
def test_an_agency_whose_name_begins_as_an_address_is_one(name: str) -> None:
    body = f"Agency,State\nGary Police Department,IN\n{name},\n".encode()
    publication = parse(body, ParseOptions("x", "table", ColumnMap(name="Agency", state="State")))
    assert [x.name for x in publication.listings] == [GARY[0], name]
