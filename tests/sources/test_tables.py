from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from datetime import date, datetime

import openpyxl
import pytest

from monitor.domain import Listing, Publication
from monitor.errors import ParseError
from monitor.sources import ColumnMap, ParseOptions, parse
from tests.sources.bodies import unzipped, xlsx, zipped
from tests.sources.golden import FOLDER, TABLE

HEADERS = ["Agency Name", "State", "County", "Signed", "MOA", "Kind"]
ROW = ["Hammond Police", "INDIANA", "Lake", datetime(2025, 2, 26), "link", "Jail"]  # noqa: DTZ001  a cell has no zone


def read(rows: list[list[object]], links: dict[str, str] | None = None) -> Publication:
    return parse(xlsx([HEADERS, *rows], links), TABLE)


def only(rows: list[list[object]], links: dict[str, str] | None = None) -> Listing:
    (listing,) = read(rows, links).listings
    return listing


def test_a_link_is_its_cells_target_with_its_percent_escapes() -> None:
    assert only([ROW], {"E2": "https://example.org/a%20b.pdf"}).url == "https://example.org/a%20b.pdf"


def test_a_link_over_several_cells_is_each_cells() -> None:
    body = xlsx([HEADERS, ROW, ["Gary Police", *ROW[1:]]], {"E2": "https://example.org/a"})
    parts = unzipped(body)
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = parts[sheet].replace(b'ref="E2"', b'ref="E2:XFD1048576"')
    assert [listing.url for listing in parse(zipped(parts), TABLE).listings] == ["https://example.org/a"] * 2


def test_a_link_by_formula_is_a_link() -> None:
    body = xlsx([HEADERS, [*ROW[:4], '=HYPERLINK("https://example.org/a","link")', "Jail"]])
    assert parse(body, TABLE).listings[0].url == "https://example.org/a"


def test_a_link_as_text_is_a_link_and_pending_is_none() -> None:
    assert only([[*ROW[:4], "https://example.org/a", "x"]]).url == "https://example.org/a"
    assert only([[*ROW[:4], "link pending ", "x"]]).url is None
    assert only([ROW]).url is None


def test_a_linked_word_in_an_attribute_says_its_link() -> None:
    assert only([[*ROW[:5], "link"]], {"F2": "https://example.org/addendum"}).attributes == (
        ("Kind", "https://example.org/addendum"),
    )


@pytest.mark.parametrize("signed", [datetime(2020, 7, 20), "2020-07-20", "7/20/2020", 44032, 44032.0])  # noqa: DTZ001
def test_dates_come_as_dates_texts_and_serials(signed: object) -> None:
    assert only([[*ROW[:3], signed, None, None]]).since == date(2020, 7, 20)


def test_rows_of_one_agency_are_one_listing() -> None:
    listing = only(
        [
            ["Kodiak Police ", "ALASKA", None, "2020-07-20", "https://example.org/b", "Warrant"],
            ["Kodiak  Police", "Alaska", "Kodiak Island", "2019-01-02", "https://example.org/a", "Task"],
            ["Kodiak Police", "AK", "Kodiak Island", "2020-07-20", None, "Task"],
        ]
    )
    assert (listing.name, listing.state, listing.county) == ("Kodiak Police", "AK", "Kodiak Island")
    assert (listing.since, listing.dates) == (date(2019, 1, 2), (date(2019, 1, 2), date(2020, 7, 20)))
    assert (listing.url, listing.documents) == (
        "https://example.org/a",
        ("https://example.org/a", "https://example.org/b"),
    )
    assert listing.attributes == (("Kind", "Task; Warrant"),)


def test_one_row_with_a_typo_in_the_county_changes_nothing_wherever_it_stands() -> None:
    rows: list[list[object]] = [
        ["A", "ALABAMA", county, None, None, kind]
        for county, kind in (("Frankin", "x"), ("Franklin", "y"), ("Franklin", "z"))
    ]
    publication = read(rows)
    assert publication.listings[0].county == "Franklin"
    assert [problem.kind for problem in publication.problems] == ["rows differ"]
    assert set(read(rows[::-1]).listings) == set(publication.listings)


def test_rows_differ_by_city_only_where_it_is_mapped() -> None:
    rows = [["Name", "State", "City"], ["Police", "IN", "Gary"], ["Police", "IN", "Hammond"]]
    with_city = ParseOptions("x", "table", ColumnMap(name="Name", state="State", city="City"))
    without = ParseOptions("x", "table", ColumnMap(name="Name", state="State"))
    assert len(parse(xlsx(rows), with_city).listings) == 2
    assert len(parse(xlsx(rows), without).listings) == 1


def test_a_source_id_is_the_identity_where_there_is_one() -> None:
    spec = ParseOptions("x", "table", ColumnMap(name="Name", id="ORI"))
    rows = [["Name", "ORI"], ["Police", 7.0], ["Police Dept", "7"], ["Police", "8"]]
    assert [listing.source_id for listing in parse(xlsx(rows), spec).listings] == ["7", "8"]


def test_agencies_that_share_an_id_by_mistake_stay_apart() -> None:
    spec = ParseOptions("x", "table", ColumnMap(name="Name", state="State", id="ID"))
    names = [
        "Gary Police Department",
        "Lima Police Department",
        "Limma Police Dept",
        "Gary Police Department",
    ]
    rows = [["Name", "State", "ID"], *([name, "IN", "7"] for name in names), [names[0], "OH", "7"]]
    publication = parse(xlsx(rows), spec)
    assert [(x.name, x.state) for x in publication.listings] == [
        ("Gary Police Department", "IN"),
        ("Lima Police Department", "IN"),
        ("Gary Police Department", "OH"),
    ]
    assert len({listing.key for listing in publication.listings}) == 3
    assert "3 agencies share the id 7" in [problem.message for problem in publication.problems]


def test_the_header_may_stand_below_a_title_and_on_a_later_sheet() -> None:
    body = xlsx([["List of agencies"], [], [None, *HEADERS], [None, *ROW]], before=["Totals"])
    assert [listing.name for listing in parse(body, TABLE).listings] == ["Hammond Police"]


def test_headers_do_not_mind_case_and_white_space_and_empty_ones_follow() -> None:
    body = xlsx([["AGENCY  NAME ", "state", "", None, "Extra"], ["Hammond Police", "IN", None, None, "x"]])
    publication = parse(body, TABLE)
    assert publication.listings[0].name == "Hammond Police"
    assert publication.columns == {"state"}


def test_a_wrong_declared_extent_loses_no_row() -> None:
    parts = unzipped(xlsx([HEADERS, ROW]))
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = parts[sheet].replace(b'ref="A1:F2"', b'ref="A1"')
    assert parse(zipped(parts), TABLE).listings[0].county == "Lake"


def test_a_damaged_row_keeps_what_it_has_beside_the_listings() -> None:
    publication = read(
        [ROW, ["#REF!", "OHIO", "Lake", None, None, None], [None, "OHIO", None, None, None, None], [None] * 6]
    )
    assert len(publication.listings) == 1
    assert [(damaged.name, damaged.state) for damaged in publication.damaged] == [("#REF!", "OH"), ("", "OH")]
    assert [(problem.kind, problem.row) for problem in publication.problems] == [
        ("empty name", 3),
        ("empty name", 4),
    ]


def test_a_state_that_is_none_stays_as_text() -> None:
    publication = read([["Odd Police", "Ontario", None, None, None, None]])
    assert (publication.listings[0].state, publication.listings[0].state_text) == (None, "Ontario")
    assert [(problem.kind, problem.row) for problem in publication.problems] == [("unknown state", 2)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_is_read_by_the_delimiter_that_shows_its_headers(delimiter: str) -> None:
    body = "\n".join(
        delimiter.join(row) for row in (["Agency Name", "State"], ["Hammond Police", "IN"])
    ).encode("utf-8-sig")
    assert parse(body, TABLE).listings[0].state == "IN"


def test_a_whole_number_written_as_a_float_is_the_same_text() -> None:
    written = parse(b"Agency Name,State,Kind\nHammond Police,IN,1.0\n", TABLE)
    assert written.listings == parse(b"Agency Name,State,Kind\nHammond Police,IN,1\n", TABLE).listings


def test_a_csv_in_windows_encoding_is_read_with_a_problem() -> None:
    publication = parse("Agency Name,State\nCañon City Police,CO\n".encode("cp1252"), TABLE)
    assert publication.listings[0].name == "Cañon City Police"
    assert [problem.kind for problem in publication.problems] == ["wrong encoding"]


def test_lines_may_break_inside_quotes() -> None:
    assert parse(b'Agency Name,State\n"Hammond\nPolice",IN\n', TABLE).listings[0].name == "Hammond Police"


def test_a_workbook_and_a_csv_of_the_same_rows_publish_the_same() -> None:
    text = (FOLDER / "semicolon.csv").read_text(encoding="utf-8")
    rows = [[cell.strip('"') for cell in line.split(";")] for line in text.splitlines() if '"' not in line]
    plain = "\n".join(";".join(row) for row in rows).encode() + b"\n"
    assert parse(xlsx(rows), TABLE) == parse(plain, TABLE)


ODS = b"application/vnd.oasis.opendocument.spreadsheet"


def workbook(sheets: dict[str, list[list[object]]], hidden: tuple[str, ...] = ()) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
        if title in hidden:
            sheet.sheet_state = "hidden"
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def by_sheets(sheets: object) -> ParseOptions:
    return replace(TABLE, settings={"sheets": sheets})


NORTH_AND_SOUTH = workbook(
    {"North": [HEADERS, ROW], "Notes": [["x"]], "South": [HEADERS, ["Lima Police", "OH"]]}
)


def test_a_hidden_sheet_is_never_read() -> None:
    body = workbook({"Old": [HEADERS, ["Gary Police", "IN"]], "List": [HEADERS, ROW]}, hidden=("Old",))
    assert [listing.name for listing in parse(body, TABLE).listings] == ["Hammond Police"]


def test_several_sheets_that_fit_are_refused_by_their_names() -> None:
    with pytest.raises(ParseError, match=r'sheets "North", "South" all have the headers; .* options.sheets'):
        parse(NORTH_AND_SOUTH, TABLE)


@pytest.mark.parametrize(
    ("sheets", "names"),
    [
        ("all", ["Hammond Police", "Lima Police"]),
        (["North", "South"], ["Hammond Police", "Lima Police"]),
        (["South"], ["Lima Police"]),
        ("North", ["Hammond Police"]),
    ],
)
def test_the_configuration_chooses_sheets(sheets: object, names: list[str]) -> None:
    publication = parse(NORTH_AND_SOUTH, by_sheets(sheets))
    assert [listing.name for listing in publication.listings] == names


@pytest.mark.parametrize("sheets", ["East", ["North", "East"], "Notes"])
def test_a_chosen_sheet_that_is_gone_is_refused(sheets: object) -> None:
    with pytest.raises(ParseError, match="headers"):
        parse(NORTH_AND_SOUTH, by_sheets(sheets))


def test_a_sheet_per_state_gives_its_title_as_the_state() -> None:
    body = workbook(
        {
            "Indiana": [["Agency", "Type"], ["Gary Police", "City"], [None, None], ["Lake Sheriff"]],
            "OH": [["Type", "Agency"], ["City", "Lima Police"]],
        }
    )
    options = ParseOptions(
        "x",
        "table",
        ColumnMap(name="Agency", state="(sheet)", attributes=("Type",)),
        settings={"sheets": "all"},
    )
    publication = parse(body, options)
    assert [(listing.name, listing.state) for listing in publication.listings] == [
        ("Gary Police", "IN"),
        ("Lake Sheriff", "IN"),
        ("Lima Police", "OH"),
    ]
    assert [listing.attributes for listing in publication.listings] == [
        (("Type", "City"),),
        (),
        (("Type", "City"),),
    ]
    assert not publication.damaged


def test_headers_stand_below_a_long_preface() -> None:
    preface = [[f"{number}. A note that explains the table."] for number in range(1, 61)]
    publication = parse(workbook({"A": [*preface, HEADERS, ROW]}), TABLE)
    assert len(publication.listings) == 1
    with pytest.raises(ParseError, match=r"in the first 100 rows; the headers are: 1\. A note"):
        parse(workbook({"A": [*preface, *preface, HEADERS, ROW]}), TABLE)


def test_rows_are_numbered_on_from_sheet_to_sheet() -> None:
    body = workbook({"A": [HEADERS, ROW], "B": [HEADERS, [None, "IN"]]})
    publication = parse(body, by_sheets("all"))
    assert [(problem.kind, problem.row) for problem in publication.problems] == [("empty name", 4)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), r"\(XLS\) is damaged"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512) + "EncryptedPackage".encode("utf-16-le"),
            "protected by a password",
        ),
        (zipped({"mimetype": ODS}, zipfile.ZIP_STORED), r"\(ODS\) is damaged"),
        (zipped({"xl/workbook.bin": b"x"}), r"\(XLSB\) is damaged"),
    ],
)
def test_another_kind_of_workbook_is_refused_with_what_to_do(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        parse(body, TABLE)


WAIVERS = ParseOptions(
    "x", "table", ColumnMap(name="Agency", state="State", id="Waiver", county="County"), settings={}
)
WAIVER_ROWS: list[list[object]] = [
    ["Agency", "State", "Waiver", "County"],
    ["Gary Police", "IN", "107-1", "Lake"],
    ["Lima Police", "OH", "107-2", "Allen"],
    ["GARY  Police", "Indiana", "107-3", "Lake"],
    ["Reno Police", "NV", "107-4", None],
    ["Reno Police", "NV", "107-4", None],
]


def test_rows_are_grouped_by_the_columns_that_the_configuration_names() -> None:
    assert len(parse(xlsx(WAIVER_ROWS), WAIVERS).listings) == 4
    grouped = replace(WAIVERS, settings={"group_by": ["name", "state"]})
    publication = parse(xlsx(WAIVER_ROWS), grouped)
    assert [(listing.name, listing.source_id) for listing in publication.listings] == [
        ("GARY  Police".replace("  ", " "), None),
        ("Lima Police", "107-2"),
        ("Reno Police", "107-4"),
    ]
    upside_down = parse(xlsx([WAIVER_ROWS[0], *WAIVER_ROWS[:0:-1]]), grouped)
    assert set(upside_down.listings) == set(publication.listings)


def test_no_group_is_of_two_states() -> None:
    rows: list[list[object]] = [
        WAIVER_ROWS[0],
        ["Gary Police", None, "1", "Lake"],
        ["Gary Police", "IN", "2", "Lake"],
        ["Salem Police", "OR", "3", "Marion"],
        ["Salem Police", "MA", "4", "Essex"],
        ["Salem Police", "OR", "5", "Marion"],
    ]
    publication = parse(xlsx(rows), replace(WAIVERS, settings={"group_by": ["name"]}))
    assert [(each.name, each.state, each.county) for each in publication.listings] == [
        ("Gary Police", "IN", "Lake"),
        ("Salem Police", "OR", "Marion"),
        ("Salem Police", "MA", "Essex"),
    ]
    assert [(each.kind, each.message, each.row) for each in publication.problems][-1:] == [
        ("rows differ", "Salem Police is in MA and OR: each state has its listing", 4)
    ]


def test_a_group_by_county_is_one_listing_for_each() -> None:
    publication = parse(xlsx(WAIVER_ROWS), replace(WAIVERS, settings={"group_by": ["county"]}))
    assert [listing.county for listing in publication.listings] == ["Lake", "Allen", None]
