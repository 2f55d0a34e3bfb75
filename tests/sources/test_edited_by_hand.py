"""Lists as offices edit them by hand: sums between agencies, marks of footnotes, links within words."""

from __future__ import annotations

import pytest

from monitor.sources import ColumnMap, ParseOptions, parse

COLUMNS = ColumnMap(name="Agency", state="State", since="Signed", url="MOA")


def read(body: str, columns: ColumnMap = COLUMNS) -> tuple[list[tuple[str, str | None]], list[str]]:
    """Names and states, and problems with their words."""
    found = parse(body.encode(), ParseOptions("list", "table", columns))
    return [(x.name, x.state) for x in found.listings], [f"{x.kind}: {x.message}" for x in found.problems]


@pytest.mark.parametrize(
    "total", ["Ohio Total,2,,", "2,Ohio Total,,", "Ohio Total,,,", ",Ohio Total,,", "Total for Ohio,2,2,"]
)
def test_the_sum_of_a_state_is_no_agency_in_whichever_column_it_is(total: str) -> None:
    listings, problems = read(f"Agency,State,Signed,MOA\nGary PD,IN,,\n{total}\nLima PD,OH,,\n")
    assert listings == [("Gary PD", "IN"), ("Lima PD", "OH")]
    words = next(text for text in total.split(",") if not text.isdigit() and text)
    assert problems == [f'footer: "{words}" is no agency']


def test_the_mark_of_a_footnote_is_no_part_of_a_name_and_the_note_no_agency() -> None:
    listings, problems = read(
        "Agency,State\nGary PD*,IN\nLima PD \u2020\u2020,OH\nEnnis PD\u00b9,TX\n* Jail model only,\n",
        ColumnMap("Agency", "State"),
    )
    assert listings == [("Gary PD", "IN"), ("Lima PD", "OH"), ("Ennis PD", "TX")]
    assert problems == [
        'footnote mark: the mark of a footnote behind "Gary PD" is left out',
        'footnote mark: the mark of a footnote behind "Lima PD" is left out',
        'footnote mark: the mark of a footnote behind "Ennis PD" is left out',
        'footer: "* Jail model only" is no agency',
    ]


@pytest.mark.parametrize(
    "cell",
    [
        '"=HYPERLINK(""https://list.example/a.pdf"",""View"")"',
        '"<a href=""https://list.example/a.pdf"" target=_blank>MOA</a>"',
        "MOA (https://list.example/a.pdf)",
        "[MOA](https://list.example/a.pdf)",
        "See https://list.example/a.pdf.",
    ],
)
def test_the_only_address_within_a_link_column_is_the_link(cell: str) -> None:
    body = f"Agency,State,MOA\nGary PD,IN,{cell}\n".encode()
    (listing,) = parse(body, ParseOptions("list", "table", COLUMNS)).listings
    assert listing.url == "https://list.example/a.pdf"


def test_of_two_addresses_in_a_cell_none_is_chosen() -> None:
    body = b"Agency,State,MOA\nGary PD,IN,MOA https://list.example/a or https://list.example/b\n"
    (listing,) = parse(body, ParseOptions("list", "table", COLUMNS)).listings
    assert listing.url is None


def test_a_second_table_below_names_the_headers_that_it_has_instead() -> None:
    listings, problems = read(
        "Agency,State,Signed\nGary PD,IN,2025-01-02\nPending\nAgency,State,Applied\nLima PD,OH,2025-02-03\n",
        ColumnMap("Agency", "State", since="Signed"),
    )
    assert listings == [("Gary PD", "IN"), ("Lima PD", "OH")]
    assert problems == [
        'header repeated: the row repeats the headers, with "Applied" in the place of "Signed"; '
        '"Pending" above it is no agency'
    ]
