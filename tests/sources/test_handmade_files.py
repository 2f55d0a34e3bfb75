"""Files as clerks and programs make them: headings, notes, pagers, quotes, encodings and dates of all kinds.

Each is read rightly, or what is not read is named, or the refusal says what to do.
"""

from __future__ import annotations

import io
import json
from datetime import date
from typing import Any

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from monitor.errors import ParseError
from monitor.sources import ColumnMap, ParseOptions, parse
from monitor.sources.cells import read_address, read_date
from monitor.sources.workbook_rows import unescape_text
from monitor.states import read_state

COLUMNS = ColumnMap(name="Agency", state="State", county="County", since="Signed", url="MOA")
GARY, LIMA = ("Gary Police", "IN"), ("Lima Police", "OH")
HEADERS = "<tr><th>Agency<th>State<th>County</tr>"
RECORD = {"Agency": "Gary Police", "State": "IN"}
Found = list[tuple[str, str | None]]


def read(
    body: bytes, name: str = "table", columns: ColumnMap = COLUMNS, **settings: Any
) -> tuple[Found, list[str]]:
    """Names and states, and kinds of problems."""
    publication = parse(body, ParseOptions("list", name, columns, settings=settings))
    return [(x.name, x.state) for x in publication.listings], [x.kind for x in publication.problems]


def page(inner: str, head: str = "", encoding: str = "utf-8") -> bytes:
    return f"<!doctype html><html><head>{head}</head><body>{inner}</body></html>".encode(encoding)


def refusal(body: bytes, name: str = "table", **settings: Any) -> str:
    with pytest.raises(ParseError) as caught:
        read(body, name, **settings)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            'Agency, State, County\n"Gary Police", "IN", "Lake, the"\n"Lima Police", "OH", "Allen"\n',
            [GARY, LIMA],
        ),
        ('Agency,State\n="Gary Police","IN"\n"=""Lima Police""",OH\n', [GARY, LIMA]),
        ('Agency,State\n="Gary, Indiana Police",IN\n', [("Gary, Indiana Police", "IN")]),
        ("Agency,State\r\nGary Police,IN\r\n\x1a", [GARY]),
        ("Notes\n" * 15 + "Agency,State\nGary Police,IN\n", [GARY]),
        ("Agency,State\nGary Police,Indiana (IN)\nLima Police,OH - Ohio\n", [GARY, LIMA]),
    ],
)
def test_a_text_by_a_program_is_read_as_it_is_meant(text: str, found: Found) -> None:
    assert read(text.encode()) == (found, [])


def test_a_zero_byte_in_a_text_is_a_space() -> None:
    rows = "".join(f"Town {number} Police,IN\n" for number in range(20))
    listings, problems = read(f"Agency,State\nGary\0Police,IN\n{rows}".encode())
    assert (listings[0], len(listings), problems) == (GARY, 21, ["broken text"])


@pytest.mark.parametrize(
    "note",
    [
        "For questions call 555-1212",
        "Prepared by the Office of the Sheriff",
        "Contact: records@example.gov",
        "This list is maintained by the state",
        "Questions? Call 555-0100",
        "Agencies that have not yet signed are not part of this report.",
        "Please visit https://example.gov",
        "(end of list)",
        "-- continued --",
    ],
)
@pytest.mark.parametrize("row", ["{},,", ",{},"])
def test_a_note_below_a_table_is_no_agency(note: str, row: str) -> None:
    text = f"Agency,State,County\nGary Police,IN,Lake\n{row.format(note)}\n"
    assert read(text.encode()) == ([GARY], ["footer"])


@pytest.mark.parametrize("note", ["Updated November 27, 2026", "As of July 4, 2026"])
@pytest.mark.parametrize("headers", ["Agency,State,County", "Agency,City,State,County"])
def test_a_note_whose_comma_lacks_its_quotes_is_no_agency(note: str, headers: str) -> None:
    row = "Gary Police,IN,Lake" if headers.startswith("Agency,State") else "Gary Police,Gary,IN,Lake"
    names, kinds = read(f"{headers}\n{row}\n{note}\n".encode())
    assert ([name[0] for name in names], kinds) == (["Gary Police"], ["footer"])


def test_a_state_alone_in_its_row_is_a_heading() -> None:
    rows = "INDIANA,,\nGary Police,IN,Lake\nOhio,,\nLima Police,OH,Allen\n"
    assert read(f"Agency,State,County\n{rows}".encode()) == ([GARY, LIMA], ["heading", "heading"])
    book, out = openpyxl.Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    for row in (["Agency", "State", "County"], ["INDIANA"], ["Gary Police", "IN"]):
        sheet.append(row)
    sheet.merge_cells("A2:C2")
    book.save(out)
    assert read(out.getvalue()) == ([GARY], ["heading"])


def test_a_second_table_in_another_order_is_refused() -> None:
    said = refusal(b"Agency,State\nGary Police,IN\n\nState,Agency\nOH,Lima Police\n")
    assert said == "Row 4 begins a second table, with its columns in another order."


def test_sheets_are_named_in_any_case_and_wrong_names_are_answered_with_the_right_ones() -> None:
    book, out = openpyxl.Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Active"
    for row in (["Agency", "State"], GARY):
        sheet.append(row)
    book.create_sheet("Pending")
    book.save(out)
    assert read(out.getvalue(), sheets=" active") == ([GARY], [])
    said = refusal(out.getvalue(), sheets="Actives")
    assert said == 'No visible sheet "Actives" has the headers; the visible sheets are "Active", "Pending".'


def test_a_link_by_a_formula_that_is_put_together_is_no_link() -> None:
    book, out = openpyxl.Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    formulas = ('=HYPERLINK("https://x.gov/"&"a.pdf","MOA")', '=HYPERLINK("https://x.gov/b.pdf")')
    for row in (["Agency", "State", "MOA"], [*GARY, formulas[0]], [*LIMA, formulas[1]]):
        sheet.append(row)
    book.save(out)
    listings = parse(out.getvalue(), ParseOptions("list", "table", COLUMNS)).listings
    assert [listing.url for listing in listings] == [None, "https://x.gov/b.pdf"]


def test_numbers_of_a_workbook_that_counts_from_1904_are_its_days() -> None:
    book, out = openpyxl.Workbook(), io.BytesIO()
    book.epoch = CALENDAR_MAC_1904
    sheet = book.active
    assert sheet is not None
    for row in (["Agency", "State", "Signed"], [*GARY, date(2025, 1, 2)], [*LIMA, 44197]):
        sheet.append(row)
    book.save(out)
    listings = parse(out.getvalue(), ParseOptions("list", "table", COLUMNS)).listings
    assert [listing.since for listing in listings] == [date(2025, 1, 2)] * 2


def test_escaped_characters_of_a_workbook_are_characters() -> None:
    assert unescape_text("Gary_x000D_\nPolice_x005F_x000D_") == "Gary\r\nPolice_x000D_"


@pytest.mark.parametrize(
    ("rows", "problems"),
    [
        ("<tr><th colspan=3>Indiana</th></tr><tr><td>Gary Police<td>IN<td>Lake</tr>", ["odd table"]),
        (
            "<tr><td>Gary Police<td>IN</tr><tfoot><tr><td colspan=2>Total: 1 agency<td></tr></tfoot>",
            ["odd table"],
        ),
        ("<tr><td>Gary Police<td>IN</tr><tr><td colspan=3>No more records</tr>", ["odd table"]),
        (f"<tr><td>Gary Police<td>IN</tr>{HEADERS}", ["header repeated"]),
        ("<tr style='display: none'><td>Gary Police<td>IN</tr>", ["odd table"]),
        ("<tr><td>Gary Police<sup>[1]</sup><td>IN<sup>*</sup></tr>", []),
    ],
)
def test_what_stands_in_an_html_table_beside_agencies_is_named(rows: str, problems: list[str]) -> None:
    assert read(page(f"<table>{HEADERS}{rows}</table>"), "html") == ([GARY], problems)


@pytest.mark.parametrize(
    "link",
    [
        "<a href='?page=2'>\u203a</a>",
        "<a href='?page=2'>Siguiente</a>",
        "<a href='?page=2'>Load more</a>",
        "<span>1</span> <a href='?page=2'>2</a> <a href='?page=3'>3</a>",
        "<a href='?page=2' aria-label='Next page'>\u00bb</a>",
    ],
)
def test_a_page_that_leads_to_a_next_one_is_not_the_list(link: str) -> None:
    body = page(f"<table>{HEADERS}<tr><td>Gary Police<td>IN</tr></table>{link}")
    assert "leads to a next one" in refusal(body, "html")


@pytest.mark.parametrize(
    "link", ["<a href='/news'>See more news</a>", "<a href='#top'>\u203a</a>", "<a href='/a/2'>2</a>"]
)
def test_a_link_elsewhere_is_no_next_page(link: str) -> None:
    body = page(f"<table>{HEADERS}<tr><td>Gary Police<td>IN</tr></table>{link}")
    assert read(body, "html") == ([GARY], [])


def test_a_page_that_shows_a_part_of_its_rows_says_so() -> None:
    body = page(f"<table>{HEADERS}<tr><td>Gary Police<td>IN</tr></table>Showing 1 to 1 of 1,044 entries")
    problems = parse(body, ParseOptions("list", "html", COLUMNS)).problems
    assert [problem.message for problem in problems] == [
        "the page says that the list has 1,044 rows, and 1 are read; "
        "if that counts something else, ignore_total = true in the options says so"
    ]
    assert read(body, "html", ignore_total=True)[1] == []


def test_a_total_of_json_may_count_something_else() -> None:
    body = b'{"total": 12, "data": [{"Agency": "Gary Police", "State": "IN"}]}'
    assert read(body, "json", records="data") == ([GARY], ["rows missing"])
    assert read(body, "json", records="data", ignore_total=True) == ([GARY], [])


@pytest.mark.parametrize("head", ["", "<meta charset=iso-8859-1>", "<meta charset='windows-1252'>"])
def test_an_old_page_is_windows_1252(head: str) -> None:
    body = page(f"<table>{HEADERS}<tr><td>Ca\u00f1on\u2019s Police<td>CO</tr></table>", head, "cp1252")
    assert read(body, "html") == ([("Ca\u00f1on\u2019s Police", "CO")], [])


def test_links_of_a_page_start_from_its_base() -> None:
    row = "<tr><td>Gary Police<td>IN<td><a href=a.pdf>MOA</a></tr>"
    table = f"<table><tr><th>Agency<th>State<th>MOA</tr>{row}</table>"
    body = page(table, "<base href='https://x.gov/docs/'>")
    assert parse(body, ParseOptions("list", "html", COLUMNS)).listings[0].url == "https://x.gov/docs/a.pdf"


def test_a_login_page_is_said_to_be_one() -> None:
    assert "it looks like a login page" in refusal(page("<form></form>", "<title>Sign in</title>"), "html")


@pytest.mark.parametrize(
    ("document", "settings", "found"),
    [
        ({"1": RECORD, "2": {"Agency": "Lima Police", "State": "OH"}}, {}, [GARY, LIMA]),
        ({"data": {"IN": [RECORD]}}, {"records": "data"}, [GARY]),
        ({"result": [{"rows": [RECORD]}]}, {"records": "result.0.rows"}, [GARY]),
    ],
)
def test_records_are_found_below_keys_and_positions(
    document: object, settings: dict[str, Any], found: Found
) -> None:
    assert read(json.dumps(document).encode(), "json", **settings) == (found, [])


def test_the_key_of_records_is_a_column() -> None:
    body = json.dumps({"IN": [{"Agency": "Gary Police"}], "OH": [{"Agency": "Lima Police"}]}).encode()
    assert read(body, "json", ColumnMap(name="Agency", state="(key)")) == ([GARY, LIMA], [])


@pytest.mark.parametrize(
    "more",
    [
        {"next": "https://x.gov/?page=2"},
        {"has_more": True},
        {"links": {"next": "https://x.gov/?page=2"}},
        {"@odata.nextLink": "https://x.gov/?$skip=1"},
    ],
)
def test_an_answer_that_says_that_there_is_more_is_not_the_list(more: dict[str, Any]) -> None:
    assert "says that there are more" in refusal(
        json.dumps({"data": [RECORD], **more}).encode(), "json", records="data"
    )


def test_a_larger_total_beside_records_is_named() -> None:
    body = json.dumps({"data": [RECORD], "meta": {"total": 44}}).encode()
    assert read(body, "json", records="data") == ([GARY], ["rows missing"])
    body = json.dumps({"data": [RECORD], "meta": {"total": 1}, "next": None, "has_more": False}).encode()
    assert read(body, "json", records="data") == ([GARY], [])


def test_json_by_other_programs() -> None:
    assert read(b'[{"Agency":"Gary Police","State":"IN","County":NaN}]', "json") == ([GARY], [])
    stray = '[{"Agency":"Ca\u00f1on Police","State":"CO"}]'.encode("cp1252")
    assert read(stray, "json") == ([("Ca\u00f1on Police", "CO")], ["wrong encoding"])
    assert refusal(json.dumps({"a": {"b": [RECORD]}}).encode(), "json").endswith(
        "options.records may be a.b."
    )
    assert "no array" in refusal(b'{"Town":["Gary","Lima"],"State":["IN","OH"]}', "json")


def test_geojson_that_is_a_part_or_something_else() -> None:
    feature = {"type": "Feature", "geometry": None, "properties": RECORD}
    collection = {"type": "FeatureCollection", "features": [feature], "totalFeatures": 2}
    assert "says that there are more" in refusal(json.dumps(collection).encode(), "geojson")
    answer = {"features": [{"attributes": RECORD}], "fields": []}
    assert 'format = "arcgis"' in refusal(json.dumps(answer).encode(), "geojson")


def test_a_swapped_point_is_read_the_right_way_round() -> None:
    geometry = {"type": "Point", "coordinates": [41.6, -87.3]}
    feature = {"type": "Feature", "geometry": geometry, "properties": RECORD}
    body = json.dumps({"type": "FeatureCollection", "features": [feature]}).encode()
    publication = parse(body, ParseOptions("list", "geojson", COLUMNS))
    assert publication.listings[0].point == (41.6, -87.3)
    assert [problem.kind for problem in publication.problems] == ["swapped point"]


def test_a_note_on_a_map_is_no_agency_though_it_has_a_point() -> None:
    placemarks = (
        "<Placemark><name>Gary Police</name><address>5 Main St\nGary, IN 46402\nUSA</address></Placemark>"
        "<Placemark><name>Updated 1/2/2025</name><Point><coordinates>-87,41</coordinates></Point></Placemark>"
    )
    body = b"\xef\xbb\xbf\n<?xml version='1.0'?>" + f"<kml><Document>{placemarks}</Document></kml>".encode()
    assert read(body, "mymaps", ColumnMap()) == ([GARY], ["footer"])


@pytest.mark.parametrize(
    "text",
    [
        "Jan-02-2025",
        "January 2,2025",
        "/Date(1735776000000)/",
        "1735776000",
        "1735776000000",
        "Jan. 2nd , 2025",
    ],
)
def test_a_day_is_read_as_programs_write_it(text: str) -> None:
    day = read_date(text)
    assert day is not None
    assert day.isoformat() == "2025-01-02"


def test_states_and_countries_written_twice_or_without_a_comma() -> None:
    assert read_address("1 Main St, Gary, IN 46402 USA").state == "IN"
    for text in ("IN - Indiana", "Indiana (IN)", "IN/Indiana", "in: indiana"):
        reading = read_state(text)
        assert reading is not None
        assert (reading.code, reading.exact) == ("IN", True)
    assert read_state("IN - Ohio") is None


def test_a_list_of_one_state_says_so_in_its_options() -> None:
    body = b"Agency,County\nGary Police,Lake\nPeru Police,Miami\n"
    columns = ColumnMap(name="Agency", county="County")
    assert read(body, columns=columns, state="Indiana") == ([GARY, ("Peru Police", "IN")], [])
    body = b"Agency,State\nGary Police,\nLima Police,OH\nPeru Police,Nowhere\n"
    assert read(body, state="IN") == ([GARY, LIMA, ("Peru Police", None)], ["unknown state"])
    document = b"<kml><Document><Placemark><name>Gary Police</name></Placemark></Document></kml>"
    assert read(document, "mymaps", ColumnMap(), state="IN") == ([GARY], [])


def test_a_column_of_towns_with_their_states_gives_both() -> None:
    body = b'Agency,State\nGary Police,"Gary, Indiana"\nLima Police,"Lima, OH"\nPeru Police,"Peru, Nowhere"\n'
    publication = parse(body, ParseOptions("list", "table", COLUMNS))
    assert [(x.city, x.state) for x in publication.listings] == [("Gary", "IN"), ("Lima", "OH"), (None, None)]
    assert {"city", "state"} <= publication.columns
    assert [problem.kind for problem in publication.problems] == ["unknown state"]
