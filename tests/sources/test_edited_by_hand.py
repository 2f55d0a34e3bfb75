"""Lists as offices edit them by hand: sums between agencies, marks of footnotes, links within words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.damage import looks_damaged
from monitor.errors import ParseError
from monitor.sources import ColumnMap, ParseOptions, parse
from monitor.sources.cells import clean
from monitor.sources.proposals import propose

SIGNED = ColumnMap("Agency", "State", since="Signed")
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
        SIGNED,
    )
    assert listings == [("Gary PD", "IN"), ("Lima PD", "OH")]
    assert problems == [
        'header repeated: the row repeats the headers, with "Applied" in the place of "Signed"; '
        '"Pending" above it is no agency'
    ]


def test_a_label_and_the_day_in_the_next_cell_are_a_note() -> None:
    listings, problems = read(
        "Agency,State,Signed\nGary PD,IN,2025-01-02\nLast updated:,2025-11-01,\n", SIGNED
    )
    assert listings == [("Gary PD", "IN")]
    assert problems == ['footer: "Last updated:" is no agency']


@pytest.mark.parametrize(
    "headers",
    [
        ["Agency,State,Place,,Agreement,", "Agency,State,County,City,Signed,MOA"],
        [",,,,Signed,Signed", "Agency,State,County,City,Signed,MOA"],
        ["Agency,State,Place,Place,Agreement,Agreement", ",,County,City,Signed,MOA"],
    ],
)
def test_headers_in_two_rows_are_those_that_name_the_most_columns(headers: list[str]) -> None:
    columns = ColumnMap("Agency", "State", "County", "City", since="Signed", url="MOA")
    body = "\n".join([*headers, "Gary PD,IN,Lake,Gary,2025-01-02,https://list.example/a", ""])
    (listing,) = parse(body.encode(), ParseOptions("list", "table", columns)).listings
    assert (listing.county, listing.city, str(listing.since), listing.url) == (
        "Lake", "Gary", "2025-01-02", "https://list.example/a",
    )  # fmt: skip
    rows = ["".join(f"<td>{cell}" for cell in row.split(",")) for row in body.splitlines()]
    page = f"<html><table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table></html>".encode()
    (listing,) = parse(page, ParseOptions("list", "html", columns)).listings
    assert (listing.county, listing.city, str(listing.since)) == ("Lake", "Gary", "2025-01-02")


def test_a_state_above_the_headers_is_that_of_the_first_table() -> None:
    body = "Indiana,\nAgency,Signed\nGary PD,2025-01-02\nOhio,\nAgency,Signed\nLima PD,2025-02-03\n"
    proposal = propose(body.encode())
    assert proposal.columns.state == "(heading)"
    listings, problems = read(body, proposal.columns)
    assert listings == [("Gary PD", "IN"), ("Lima PD", "OH")]
    assert [problem.split(":")[0] for problem in problems] == ["heading", "header repeated"]


def test_the_states_of_a_pivot_table_are_headings_with_sums() -> None:
    body = "Agencies by state,Count\nIndiana,2\nGary PD,1\nLake SO,1\nOhio,1\nLima PD,1\nGrand Total,3\n"
    proposal = propose(body.encode())
    assert proposal.columns.state == "(heading)"
    listings, problems = read(body, proposal.columns)
    assert listings == [("Gary PD", "IN"), ("Lake SO", "IN"), ("Lima PD", "OH")]
    assert [problem.split(":")[0] for problem in problems] == ["heading", "heading", "footer"]


def test_the_kind_of_an_agency_is_not_its_name() -> None:
    rows = [
        f"{place},Police Department,{state}"
        for place, state in (("Gary", "IN"), ("Lima", "OH"), ("Ennis", "TX"))
    ]
    body = "\n".join(["Jurisdiction,Agency Type,State", *rows, "Lake County,Sheriff's Office,IN", ""])
    columns = propose(body.encode()).columns
    assert (columns.name, columns.attributes) == ("Jurisdiction", ("Agency Type",))


def test_a_page_in_utf_16_is_a_page() -> None:
    body = "<!doctype html><html><table><tr><th>Agency<th>State<tr><td>Gary PD<td>IN</table></html>".encode(
        "utf-16"
    )
    proposal = propose(body)
    found = parse(body, ParseOptions("list", proposal.format, proposal.columns))
    assert [listing.name for listing in found.listings] == ["Gary PD"]


def page(inner: str) -> bytes:
    return f"<!doctype html><html><body>{inner}</body></html>".encode()


def read_page(body: bytes, columns: ColumnMap) -> tuple[list[tuple[str, str | None]], list[str]]:
    """Names and states, and problems with their words."""
    found = parse(body, ParseOptions("list", "html", columns))
    return [(x.name, x.state) for x in found.listings], [f"{x.kind}: {x.message}" for x in found.problems]


GARY, LIMA = (
    f"<table><tr><th>Agency<th>Signed<tr><td>{name} PD<td>2025-01-02</table>" for name in ("Gary", "Lima")
)
BOTH = [("Gary PD", "IN"), ("Lima PD", "OH")]


@pytest.mark.parametrize(
    "inner",
    [
        f"<h3>Indiana</h3>{GARY}<h3>Ohio</h3>{LIMA}",
        f"<details><summary>Indiana</summary>{GARY}</details><details><summary>Ohio (1)</summary>{LIMA}",
        f"<h2>Agencies</h2><button>Indiana</button><button>Export</button>{GARY}<button>Ohio</button>{LIMA}",
        GARY.replace("<tr>", "<caption>Indiana<tr>", 1) + LIMA.replace("<tr>", "<caption>Ohio<tr>", 1),
        "<table><tr><th>Agency<th>Signed<tr><td colspan=2>INDIANA<tr><td>Gary PD<td>2025-01-02"
        "<tr><td colspan=2>OHIO<tr><td>Lima PD<td>2025-01-02</table>",
        "<table><tr><th colspan=2>Indiana<tr><th>Agency<th>Signed<tr><td>Gary PD<td>2025-01-02</table>"
        "<table><tr><th colspan=2>Ohio<tr><th>Agency<th>Signed<tr><td>Lima PD<td>2025-01-02</table>",
    ],
)  # fmt: skip
def test_states_above_and_within_the_tables_of_a_page_are_proposed_and_read(inner: str) -> None:
    columns = propose(page(inner)).columns
    assert columns.state == "(heading)"
    assert read_page(page(inner), columns)[0] == BOTH


@pytest.mark.parametrize(
    "inner",
    [
        f"<h2>Indiana</h2>{GARY}<h2>Tribal nations</h2>{LIMA}",
        GARY.replace("<tr>", "<caption>Indiana<tr>", 1) + LIMA,
        f"<h2>Indiana</h2>{GARY}<h2></h2><p>Others</p>{LIMA}",
    ],
)
def test_a_table_under_no_state_does_not_get_the_state_of_the_table_before(inner: str) -> None:
    listings, problems = read_page(page(inner), ColumnMap("Agency", "(heading)"))
    assert listings == [("Gary PD", "IN"), ("Lima PD", None)]
    assert "unknown state: the state is empty" in problems


def test_the_state_of_a_section_is_that_of_all_its_tables() -> None:
    inner = f"<h2>Indiana</h2><h3>Jail</h3>{GARY}{GARY.replace('Gary', 'Hobart')}<h3>Task</h3>"
    inner += f"{GARY.replace('Gary', 'Dyer')}<h2>Ohio</h2>{LIMA}"
    assert propose(page(inner)).columns.state == "(heading)"
    listings, _ = read_page(page(inner), ColumnMap("Agency", "(heading)"))
    assert listings == [("Gary PD", "IN"), ("Hobart PD", "IN"), ("Dyer PD", "IN"), ("Lima PD", "OH")]


@pytest.mark.parametrize(
    "body",
    [
        b"Agency,State\n1. Gary PD,IN\n2. Hobart PD,IN\n",
        b"Agency,State\n1) Gary PD,IN\n1) Hobart PD,IN\n",
        b"Agency,State\n1. Gary PD,IN\n12. Hobart PD,IN\n",
    ],
)
def test_numbers_of_items_are_no_part_of_names(body: bytes) -> None:
    publication = parse(body, ParseOptions("list", "table", ColumnMap("Agency", "State")))
    assert [listing.name for listing in publication.listings] == ["Gary PD", "Hobart PD"]
    assert [(x.kind, x.message) for x in publication.problems] == [
        ("numbered names", 'the number before "Gary PD" and others is left out')
    ]


def test_a_number_that_belongs_to_the_name_stays() -> None:
    body = b"Agency,State\n2. District Police,IN\n1st Precinct,IN\n911 Center,IN\n1.5 Mile PD,IN\n"
    publication = parse(body, ParseOptions("list", "table", ColumnMap("Agency", "State")))
    assert [x.name for x in publication.listings] == [
        "2. District Police", "1st Precinct", "911 Center", "1.5 Mile PD",
    ]  # fmt: skip
    assert publication.problems == ()


def test_tables_under_headings_that_are_no_states_are_told() -> None:
    tables = [f"<table><tr><th>Agency<th>State<tr><td>{name}<td>{state}</table>" for name, state in BOTH]
    body = page(f"<h2>Current</h2>{tables[0]}<h2>Terminated agreements</h2>{tables[1]}")
    assert read_page(body, ColumnMap("Agency", "State")) == (
        BOTH,
        ['odd table: tables under several headings are read as one list: "Current", "Terminated agreements"'],
    )


def test_a_row_that_is_struck_through_is_told() -> None:
    body = page(
        "<table><tr><th>Agency<th>State<tr><td><s>Gary PD</s><td><s>IN</s>"
        "<tr><td>Lima <s>city</s> PD<td>OH</table>"
    )
    listings, problems = read_page(body, ColumnMap("Agency", "State"))
    assert listings[0] == ("Gary PD", "IN")
    assert problems == ["odd table: rows that are struck through, and read like the others: 1"]


@pytest.mark.parametrize(
    "cell",
    [
        '<span class="label" style="display:none">Agency: </span>Gary PD',
        'Gary PD <span class="ext"><span class="element-invisible">(link is external)</span></span>',
        '<a href="/gary">Gary PD<span class="usa-sr-only">, opens a new page</span></a>',
        '<div hidden>20250102</div>Gary PD<span style="display: none">0<b>1</b></span>',
        '<span style="display:none">Gary PD</span>',
    ],
)
def test_what_people_do_not_see_in_a_cell_is_no_part_of_it(cell: str) -> None:
    body = page(f"<table><tr><th>Agency<th>State<tr><td>{cell}<td>IN</table>")
    assert read_page(body, ColumnMap("Agency", "State"))[0] == [("Gary PD", "IN")]


def test_a_page_without_a_table_says_what_to_give_instead() -> None:
    with pytest.raises(ParseError, match="Give the address of a file, or of the data behind the page"):
        propose(page("<div id=root></div><script>load()</script>"))


@pytest.mark.parametrize(
    ("name", "several"),
    [
        ("Gary Police Department\nLake County Sheriff's Office", True),
        ("Gary Police Department, Hammond Police Department", True),
        ("Gary Police Dept; East Chicago Marshal", True),
        ("Lake County Sheriff's Office Police Department", False),
        ("Cook County Sheriff's Police Department, Records Office", False),
        ("University of Northern Indiana Police Department", False),
    ],
)
def test_a_name_that_may_be_several_agencies_is_told(name: str, several: bool) -> None:
    body = f'Agency,State\n"{name}",IN\n'.encode()
    found = parse(body, ParseOptions("list", "table", ColumnMap("Agency", "State")))
    assert len(found.listings) == 1
    assert [problem.kind for problem in found.problems] == ["several agencies"] * several


@pytest.mark.parametrize(
    "note",
    [
        "NOTES",
        "Legend",
        "1. Agencies are listed by state.",
        "(2) Data come from agencies.",
        "https://list.example/a",
    ],
)
def test_a_note_alone_in_its_row_is_no_agency(note: str) -> None:
    listings, problems = read(f'Agency,State\nGary PD,IN\n,\n"{note}",\n', ColumnMap("Agency", "State"))
    assert (listings, problems) == ([("Gary PD", "IN")], [f'footer: "{note}" is no agency'])


def test_several_states_in_a_cell_are_no_town() -> None:
    body = b'Agency,State\nAmtrak Police,"DC, MD, VA"\nGary PD,"Indiana, PA"\n'
    found = parse(body, ParseOptions("list", "table", ColumnMap("Agency", "State")))
    assert [(x.name, x.city, x.state) for x in found.listings] == [
        ("Amtrak Police", None, None),
        ("Gary PD", "Indiana", "PA"),
    ]
    assert [problem.message for problem in found.problems] == ['no state can be read in "DC, MD, VA"']


def test_states_in_codes_of_iso_and_titles_joined_by_underscores_are_recognized() -> None:
    body = "ORG_NM,ST_CD\nGary PD,US-IN\nLima PD,US-OH\n"
    columns = propose(body.encode()).columns
    assert (columns.name, columns.state) == ("ORG_NM", "ST_CD")
    assert read(body, columns)[0] == BOTH


@pytest.mark.parametrize(
    ("name", "damaged"),
    [("CaÃ±on City Police", True), ("Ca?on City Police", True), ("Cañon City Police", False)],
)
def test_a_name_whose_text_was_damaged_is_read_as_it_is_and_told(name: str, damaged: bool) -> None:
    listings, problems = read(f"Agency,State\n{name},CO\n", ColumnMap("Agency", "State"))
    assert listings == [(name, "CO")]
    assert problems == [f'damaged text: "{name}" may have a broken encoding'] * damaged


@settings(max_examples=500)
@given(st.text(st.sampled_from("ab ?é\xa0ÃÂ©±â€™\ufffd\x93ñ日"), min_size=1, max_size=6))
def test_no_damaged_name_is_left_untold(middle: str) -> None:
    name = clean(f"Gary {middle} Police")
    _, problems = read(f"Agency,State\n{name},IN\n", ColumnMap("Agency", "State"))
    told = f'damaged text: "{name}" may have a broken encoding'
    assert problems == [told] * looks_damaged(name)
