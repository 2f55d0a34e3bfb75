"""Files as people make them: each peculiarity that a publisher's file had, and what is read of it."""

from __future__ import annotations

from datetime import date
from io import BytesIO

import openpyxl
import pytest

from monitor.domain import Listing, Problem, Publication
from monitor.errors import ParseError
from monitor.sources import ColumnMap, Links, ParseOptions, compose, find_links, parse
from monitor.sources.cells import read_address, read_date
from tests.sources.bodies import kml, placemark, unzipped, xlsx, zipped

COLUMNS = ColumnMap(
    name="Agency", state="State", county="County", since="Signed", url="MOA", attributes=("Type",)
)
TABLE = ParseOptions("list", "table", COLUMNS)
MAP = ParseOptions("map", "mymaps")
HEADER = "Agency,State,County,Type,Signed"
GARY = "Gary Police,IN,Lake,Jail,2025-01-02"
LIMA = "Lima Police,OH,Allen,Task,2025-01-03"


def table(*lines: str, header: str = HEADER) -> Publication:
    return parse("\n".join([header, *lines, ""]).encode(), TABLE)


def names(publication: Publication) -> list[str]:
    return [listing.name for listing in publication.listings]


def kinds(publication: Publication) -> list[str]:
    return [problem.kind for problem in publication.problems]


def only(publication: Publication) -> Listing:
    (listing,) = publication.listings
    return listing


@pytest.mark.parametrize(
    "footer",
    [
        "Total: 41 agencies",
        "Total: 1",
        "TOTAL 41",
        "Grand total: 41",
        "Totals",
        "41 agencies",
        "1,549 agencies listed",
        "Updated November 27, 2026",
        "Last updated: 11/27/2026",
        "As of 11/27/2026",
        "Source: U.S. Immigration and Customs Enforcement",
        "Source:",
        "Note: agreements may be pending",
        "* denotes a renewed agreement",
        "*Agencies with more than one agreement",
        "Page 3 of 12",
        "© 2026 Example City",
        "End of list",
    ],
)
def test_a_footer_in_the_column_of_names_is_a_problem_and_no_listing(footer: str) -> None:
    cell = f'"{footer}"'
    publication = table(GARY, f"{cell},,,,")
    assert names(publication) == ["Gary Police"]
    assert publication.problems == (Problem("footer", f'"{footer}" is no agency', 3),)
    assert not publication.damaged


def test_a_sum_beside_the_word_total_is_no_listing() -> None:
    assert names(table(GARY, "Total,,41,,")) == ["Gary Police"]


@pytest.mark.parametrize(
    "name", ["Total Wine Security", "Page Police Department", "Source Township Police", "Updated Falls PD"]
)
def test_an_agency_whose_name_begins_like_a_footer_is_one(name: str) -> None:
    assert names(table(f"{name},IN,,,", "*Starred Police,OH,,,")) == [name, "*Starred Police"]


def test_only_the_damaged_bytes_of_a_text_are_read_otherwise() -> None:
    text = f"{HEADER}\nDoña Ana Police,NM,,,\nCañon City Police,CO,,,\nTown \x92 Police,OH,,,\n"
    body = text.encode().replace(b"\xc2\x92", b"\x92")
    publication = parse(body, TABLE)
    assert names(publication) == ["Doña Ana Police", "Cañon City Police", "Town \u2019 Police"]
    assert publication.problems[0] == Problem(
        "wrong encoding", "1 bytes are not UTF-8; they are read as Windows-1252"
    )


def test_a_text_that_is_all_windows_1252_is_read_so() -> None:
    body = f"{HEADER}\nDoña Ana Police,NM,,,\nCañon City Police,CO,,,\n".encode("cp1252")
    assert names(parse(body, TABLE)) == ["Doña Ana Police", "Cañon City Police"]


def test_a_stray_byte_of_a_map_is_read_otherwise() -> None:
    body = kml(placemark("Doña Ana Police"), placemark("Pe\x01a Police")).replace(b"\x01", b"\xf1")
    publication = parse(body, MAP)
    assert names(publication) == ["Doña Ana Police", "Peña Police"]
    assert kinds(publication)[0] == "broken text"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Smith &amp; Wesson Police", "Smith & Wesson Police"),
        ("Smith &amp;amp; Wesson Police", "Smith & Wesson Police"),
        ("Sheriff&#39;s Office", "Sheriff's Office"),
        ("Sheriff&rsquo;s Office", "Sheriff\u2019s Office"),
        ("<b>Gary</b> Police", "Gary Police"),
        ("Gary<br/>Police", "Gary Police"),
        ("&lt;b&gt;Gary&lt;/b&gt; Police", "Gary Police"),
        ('<span style="color:red">Gary</span> Police', "Gary Police"),
        ("Parks&Recreation Police", "Parks&Recreation Police"),
        ("Police <5 officers>", "Police <5 officers>"),
    ],
)
def test_markup_in_a_name_is_read_as_people_see_it(written: str, name: str) -> None:
    quoted = written.replace('"', '""')
    assert names(table(f'"{quoted}",IN,,,')) == [name]
    listing = only(parse(kml(placemark(written, "Gary, IN")), MAP))
    assert listing.name == name
    assert listing.key == f"IN|{name.casefold()}|gary"


def test_a_kmz_may_hold_a_picture_for_every_style() -> None:
    pictures = {f"images/icon-{n}.png": b"x" for n in range(300)}
    assert names(parse(zipped({"doc.kml": kml(placemark())} | pictures), MAP)) == ["Hammond Police"]


def test_every_document_of_a_kmz_is_read_and_a_placemark_in_two_of_them_once() -> None:
    body = zipped({
        "doc.kml": kml(placemark("A Police"), placemark("B Police")),
        "layers/two.kml": kml(placemark("B Police"), placemark("C Police")),
        "__MACOSX/._doc.kml": b"\0\5\x16\7",
    })  # fmt: skip
    assert names(parse(body, MAP)) == ["A Police", "B Police", "C Police"]


def link(href: str) -> str:
    return f"<NetworkLink><Link><href>{href}</href></Link></NetworkLink>"


ONE, TWO = (
    "https://www.google.com/maps/d/kml?mid=x&amp;lid=1",
    "https://www.google.com/maps/d/kml?mid=x&amp;lid=2",
)


def test_links_beside_placemarks_are_read_with_them() -> None:
    body = kml(placemark("A Police"), link(ONE), link(TWO), link(ONE))
    links = find_links(body, MAP)
    assert links == Links((ONE.replace("&amp;", "&"), TWO.replace("&amp;", "&")))
    publication = parse(body, MAP)
    assert publication.unread == links.hrefs
    assert kinds(publication) == ["unread part", "unread part"]
    linked = {
        links.hrefs[0]: kml(placemark("B Police")),
        links.hrefs[1]: zipped({"doc.kml": kml(placemark("C Police"))}),
    }
    whole = compose(body, linked, MAP)
    assert whole == compose(body, dict(reversed(linked.items())), MAP)
    publication = parse(whole, MAP)
    assert sorted(names(publication)) == ["A Police", "B Police", "C Police"]
    assert not publication.unread
    assert find_links(whole, MAP) == Links()
    del linked[links.hrefs[1]]
    assert parse(compose(body, linked, MAP), MAP).unread == (links.hrefs[1],)


def test_an_empty_document_beside_a_full_one_is_told() -> None:
    body = kml(placemark("A Police"), link(ONE))
    (href,) = find_links(body, MAP).hrefs
    publication = parse(compose(body, {href: kml()}, MAP), MAP)
    assert (names(publication), publication.unread) == (["A Police"], ())
    assert [each.kind for each in publication.problems] == ["empty part"]
    assert publication.problems[0].message.endswith(" has no placemark")
    whole = compose(kml(link(ONE)), {href: kml(placemark("B Police"))}, MAP)
    assert parse(whole, MAP).problems == ()


def test_a_document_with_several_links_and_nothing_else_is_all_of_them() -> None:
    links = find_links(kml(link(ONE), link(TWO)), MAP)
    assert (len(links.hrefs), links.alone) == (2, False)


def test_a_link_within_the_archive_is_read_with_it() -> None:
    body = zipped({
        "doc.kml": kml(placemark("A Police"), link("./layers/two.kml")),
        "layers/two.kml": kml(placemark("B Police")),
    })  # fmt: skip
    assert find_links(body, MAP) == Links()
    publication = parse(body, MAP)
    assert (names(publication), publication.unread) == (["A Police", "B Police"], ())


def book(*rows: list[object], merged: tuple[str, ...] = ()) -> bytes:
    made = openpyxl.load_workbook(BytesIO(xlsx(rows)))
    for cells in merged:
        made["List"].merge_cells(cells)
    buffer = BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def test_cells_that_are_merged_downwards_are_filled() -> None:
    body = book(
        ["Agencies of two states", None, None],
        ["State", "Agency", "County"],
        ["IN", "Gary Police", "Lake"],
        [None, "Hammond Police", "Lake"],
        ["OH", "Lima Police", "Allen"],
        merged=("A1:C1", "A3:A4"),
    )
    publication = parse(body, TABLE)
    assert [(x.name, x.state) for x in publication.listings] == [
        ("Gary Police", "IN"),
        ("Hammond Police", "IN"),
        ("Lima Police", "OH"),
    ]
    assert not publication.problems


def test_a_million_merged_cells_are_refused() -> None:
    rows: list[list[object]] = [["Agency", "State"], *([f"A {n}", "IN"] for n in range(2000))]
    parts = unzipped(xlsx(rows))
    path = "xl/worksheets/sheet1.xml"
    ranges = b"".join(b'<mergeCell ref="B2:B2000"/>' for _ in range(2000))
    parts[path] = parts[path].replace(
        b"</sheetData>", b"</sheetData><mergeCells>" + ranges + b"</mergeCells>"
    )
    with pytest.raises(ParseError, match="merged cells"):
        parse(zipped(parts), TABLE)


def test_headers_in_two_rows_and_a_row_of_units_are_read() -> None:
    body = book(
        ["Agency", "Place", None, "Agreement", None],
        [None, "State", "County", "Type", "Signed"],
        ["(name)", "(2-letter)", "(name)", "(model)", "mm/dd/yyyy"],
        ["Gary Police", "IN", "Lake", "Jail", "01/02/2025"],
        ["Agency", "State", "County", "Type", "Signed"],
        ["Lima Police", "OH", "Allen", "Task", "01/03/2025"],
    )
    publication = parse(body, TABLE)
    assert [(x.name, x.county, x.since) for x in publication.listings] == [
        ("Gary Police", "Lake", date(2025, 1, 2)),
        ("Lima Police", "Allen", date(2025, 1, 3)),
    ]
    assert kinds(publication) == ["row of units", "header repeated"]


def test_a_second_row_of_headers_below_a_whole_one_is_read() -> None:
    publication = table(
        ",,,Type,Signed", "Gary Police,IN,Lake,Jail,2025-01-02", header="Agency,State,County,,"
    )
    assert only(publication).since == date(2025, 1, 2)
    assert dict(only(publication).attributes) == {"Type": "Jail"}


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Sept. 5, 2025", date(2025, 9, 5)),
        ("Sept 5 2025", date(2025, 9, 5)),
        ("September 5th, 2025", date(2025, 9, 5)),
        ("1st March 2025", date(2025, 3, 1)),
        ("Friday, September 5, 2025", date(2025, 9, 5)),
        ("Tues. Sept. 2, 2025", date(2025, 9, 2)),
        ("20250905", date(2025, 9, 5)),
        ("1757030400000", date(2025, 9, 5)),
        ("45905", date(2025, 9, 5)),
        ("6/30/20026", None),
        ("20251305", None),
        ("2015", None),
        ("Sept", None),
        ("The 5th of Never", None),
    ],
)
def test_dates_as_people_write_them(text: str, day: date | None) -> None:
    assert read_date(text) == day


@pytest.mark.parametrize("text", ["2015", "2015.0", "June 2015", "Sept. 2015", "06/2015", "2015-06"])
def test_a_year_or_a_month_is_shown_as_it_stands_and_is_no_day(text: str) -> None:
    publication = table(f"Gary Police,IN,Lake,Jail,{text}")
    listing = only(publication)
    assert (listing.since, listing.dates) == (None, ())
    assert dict(listing.attributes) == {"Type": "Jail", "Signed": text.removesuffix(".0")}
    assert not publication.problems
    assert {"Signed", "since"} <= publication.columns


def test_a_row_with_more_cells_than_the_header_is_damaged() -> None:
    publication = table(GARY, "Smith, Jones Police,OH,Allen,Task,2025-01-03", LIMA)
    assert names(publication) == ["Gary Police", "Lima Police"]
    assert [damaged.name for damaged in publication.damaged] == ["Smith"]
    assert publication.problems == (
        Problem("damaged row", "the row has 6 cells and the header 5: a comma may lack its quotes", 3),
    )


def test_a_header_that_is_shorter_than_all_rows_damages_none() -> None:
    publication = table(*(f"{n} Police,IN,Lake,Jail,2025-01-02,a note" for n in "ABCDEF"))
    assert len(publication.listings) == 6


def test_commas_at_the_end_of_a_row_mean_nothing() -> None:
    assert names(table(GARY + ",,,", LIMA)) == ["Gary Police", "Lima Police"]


def test_an_unescaped_quote_is_refused_with_its_line() -> None:
    with pytest.raises(ParseError, match="broken at line 3"):
        table(GARY, '"Lima "Main" Police",OH,,,')


@pytest.mark.parametrize("header", ["\ufeff\ufeff" + HEADER, HEADER.replace("Agency", "Age\u200bncy\u00a0")])
def test_a_header_is_cleaned_as_cells_are(header: str) -> None:
    assert names(table(GARY, header=header)) == ["Gary Police"]


@pytest.mark.parametrize(
    ("text", "city", "state"),
    [
        ("Richmond, Virginia, EE. UU.", "Richmond", "VA"),
        ("Richmond, VA 23220, EE.UU.", "Richmond", "VA"),
        ("Richmond, VA, Estados Unidos de América", "Richmond", "VA"),
        ("Richmond - VA", "Richmond", "VA"),
        ("Springfield, IL; Decatur, IL", "Springfield; Decatur", "IL"),
        ("Springfield; Decatur, IL", "Springfield; Decatur", "IL"),
        ("Springfield, IL; ", "Springfield", "IL"),
        ("Springfield, IL; Gary, IN", None, None),
    ],
)
def test_addresses_as_people_write_them(text: str, city: str | None, state: str | None) -> None:
    address = read_address(text)
    assert (address.city, address.state) == (city, state)


def test_white_space_before_the_declaration_of_a_map_is_passed_over() -> None:
    body = b'\n  <?xml version="1.0" encoding="UTF-8"?>\n' + kml(placemark())
    assert names(parse(body, MAP)) == ["Hammond Police"]


@pytest.mark.parametrize("control", ["\x01", "\x0b", "&#x1F;", "&#11;"])
def test_a_control_character_costs_a_map_nothing(control: str) -> None:
    body = kml(placemark("Gary @ Police")).replace(b"@", control.encode())
    publication = parse(body, MAP)
    assert names(publication) == ["Gary Police"]
    assert kinds(publication) == ["broken text"]


FORMULA = b'<c r="A2"><f>%s</f></c>'


def with_formula(formula: bytes, value: bytes = b"") -> bytes:
    parts = unzipped(xlsx([["Agency", "State"], ["Gary Police", "IN"], ["Lima Police", "OH"]]))
    path = "xl/worksheets/sheet1.xml"
    before, rest = parts[path].split(b'<c r="A2"', 1)
    after = rest.split(b"</c>", 1)[1]
    parts[path] = before + b'<c r="A2" t="str"><f>' + formula + b"</f>" + value + b"</c>" + after
    return zipped(parts)


def test_a_formula_without_a_value_is_a_damaged_row() -> None:
    publication = parse(with_formula(b"B9&amp;C9"), TABLE)
    assert names(publication) == ["Lima Police"]
    assert kinds(publication) == ["empty name"]
    assert len(publication.damaged) == 1
    assert names(parse(with_formula(b"B9&amp;C9", b"<v>Gary Police</v>"), TABLE)) == [
        "Gary Police",
        "Lima Police",
    ]


def test_the_words_of_a_link_formula_without_a_value_are_its_text() -> None:
    formula = b'HYPERLINK("https://x.example/a.pdf","Gary Police")'
    assert names(parse(with_formula(formula), TABLE)) == ["Gary Police", "Lima Police"]


def test_a_strict_workbook_is_read() -> None:
    parts = unzipped(xlsx([["Agency", "State", "Signed"], ["Gary Police", "IN", date(2025, 1, 2)]]))
    for ours, strict in (
        (
            b"http://schemas.openxmlformats.org/spreadsheetml/2006/",
            b"http://purl.oclc.org/ooxml/spreadsheetml/",
        ),
        (
            b"http://schemas.openxmlformats.org/officeDocument/2006/",
            b"http://purl.oclc.org/ooxml/officeDocument/",
        ),
    ):
        parts = {name: part.replace(ours, strict) for name, part in parts.items()}
    listing = only(parse(zipped(parts), TABLE))
    assert (listing.name, listing.since) == ("Gary Police", date(2025, 1, 2))


def test_a_table_may_be_parted_by_bars() -> None:
    body = b"Agency|State\nGary Police|IN\n"
    assert names(parse(body, TABLE)) == ["Gary Police"]


def test_units_of_one_force_are_listings_of_their_own() -> None:
    rows = "NYPD - Highway Unit 1", "NYPD - Highway Unit 2", "NYPD"
    assert names(table(*(f"{name},NY,,,2025-01-02" for name in rows))) == list(rows)


def test_a_column_may_be_headed_in_several_ways() -> None:
    options = ParseOptions(
        "x", "table", ColumnMap(name=("Agency", "Organization", "Organization name"), state="State")
    )
    for header in ("Agency", "Organization", "ORGANIZATION NAME"):
        assert names(parse(f"{header},State\nGary Police,IN\n".encode(), options)) == ["Gary Police"]
