"""Cells with error values and rows that are cut off keep what was accepted; names that are none are no
agencies.
"""

from __future__ import annotations

import pytest

from monitor.domain import Publication
from monitor.sources import ColumnMap, ParseOptions, parse
from tests.core.simulation import Source

COLUMNS = ColumnMap("Agency", "State", "County", "City", "Signed", url="MOA", attributes=("Model",))
HEADER = "Agency,State,County,City,Signed,Model,MOA"
TOWNS = ("Gary", "Hobart", "Munster", "Dyer", "Lowell", "Hammond", "Griffith", "Highland")
ROWS = [
    f"{town} Police,IN,Lake County,{town},2025-01-{day:02},Task Force,https://x.org/{town}.pdf"
    for day, town in enumerate(TOWNS, start=1)
]


def read(*rows: str, end: str = "\n") -> Publication:
    body = "\n".join([HEADER, *rows]) + end
    return parse(body.encode(), ParseOptions("list", "table", COLUMNS))


def told(second: Publication) -> list[str]:
    source = Source(read(*ROWS))
    source.poll(second)
    source.poll()
    source.poll()
    return [f"{event.change.kind.value} {event.change.subject.name}" for event in source.events]


@pytest.mark.parametrize("kept", range(1, 7))
def test_a_row_that_lacks_its_last_cells_is_told_as_nothing(kept: int) -> None:
    cut = ",".join(ROWS[3].split(",")[:kept])
    second = read(*ROWS[:3], cut, *ROWS[4:])
    assert "short row" in [problem.kind for problem in second.problems]
    assert told(second) == []


def test_true_changes_around_a_cut_row_are_told() -> None:
    cut = ",".join(ROWS[3].split(",")[:2])
    added = "Whiting Police,IN,Lake County,Whiting,2025-02-01,Jail,https://x.org/w.pdf"
    renamed = ROWS[5].replace("Hammond Police", "Hammond Police Department")
    changed = ROWS[6].replace("Task Force", "Jail")
    second = read(*ROWS[:2], cut, ROWS[4], renamed, changed, ROWS[7], added)
    assert sorted(told(second)) == [
        "added Whiting Police",
        "changed Griffith Police",
        "changed Hammond Police Department",
        "removed Munster Police",
    ]


@pytest.mark.parametrize("column", ["County", "City", "Model", "Signed", "MOA"])
def test_an_error_value_in_a_cell_keeps_what_was_accepted(column: str) -> None:
    cells = ROWS[2].split(",")
    cells[HEADER.split(",").index(column)] = "#N/A"
    assert told(read(*ROWS[:2], ",".join(cells), *ROWS[3:])) == []


def test_a_cell_that_is_emptied_is_a_change() -> None:
    second = read(*ROWS[:2], ROWS[2].replace("Task Force", ""), *ROWS[3:])
    assert told(second) == ["changed Munster Police"]


def test_rows_that_a_program_writes_short_are_no_cut_rows() -> None:
    short = [",".join(row.split(",")[:5]) for row in ROWS[:4]]
    assert read(*short, *ROWS[4:]).problems == ()


def test_a_cut_row_at_the_first_reading_is_listed_with_what_it_has() -> None:
    first = read(*ROWS[:7], "Whiting Police,IN")
    (whiting,) = [listing for listing in first.listings if listing.name == "Whiting Police"]
    assert (whiting.state, whiting.county, whiting.attributes) == ("IN", None, ())
    assert [(problem.kind, problem.row) for problem in first.problems] == [("short row", 9)]


def test_headings_and_notes_in_one_cell_are_still_no_agencies() -> None:
    found = read(*ROWS, "Total: 8 agencies")
    assert len(found.listings) == 8
    assert [problem.kind for problem in found.problems] == ["footer"]


@pytest.mark.parametrize("name", ["N/A", "n/a", "TBD", "-", "None", "NULL", "Unknown", "?"])
def test_what_stands_for_no_name_is_no_agency(name: str) -> None:
    found = read(*ROWS, f"{name},IN,Lake County,,,,")
    assert [listing.name for listing in found.listings] == [f"{town} Police" for town in TOWNS]
    assert [problem.message for problem in found.problems] == [f"the name is {name}"]
    assert told(found) == []


def test_each_of_many_error_values_is_known() -> None:
    """Only the first two thousand problems are collected, and rows that read alike are read once."""
    rows = [f"Town {number} Police,IN,Lake,#N/A" for number in range(2200)]
    body = "\n".join(["Agency,State,Model,Support", *rows, ""]).encode()
    columns = ColumnMap("Agency", "State", attributes=("Model", "Support"))
    assert len(parse(body, ParseOptions("list", "table", columns)).unreadable) == 2200
