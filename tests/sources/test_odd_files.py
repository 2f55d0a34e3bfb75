"""Files that are odd and honest: what they hold is read, or a problem says what is not."""

from __future__ import annotations

import io
import json
import re

import openpyxl
import pytest
from openpyxl.styles import Font
from openpyxl.xml.constants import SHEET_MAIN_NS

from monitor.sources import ColumnMap, ParseOptions, parse
from tests.sources.bodies import unzipped, zipped

COLUMNS = ColumnMap(name="Agency", state="State")
TABLE, HTML, GEOJSON = (ParseOptions("list", name, COLUMNS) for name in ("table", "html", "geojson"))


def read(
    body: bytes, options: ParseOptions = TABLE
) -> tuple[list[tuple[str, str | None]], list[tuple[str, str]]]:
    """Names and states, and problems with their words."""
    publication = parse(body, options)
    listings = [(listing.name, listing.state) for listing in publication.listings]
    return listings, [(problem.kind, problem.message) for problem in publication.problems]


def page(inner: str) -> bytes:
    return f"<!doctype html><html><body>{inner}</body></html>".encode()


def table(*rows: str) -> str:
    return f"<table><tr><th>Agency<th>State</tr>{''.join(rows)}</table>"


def workbook(*rows: list[object], hidden: int | None = None) -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    if hidden:
        sheet.row_dimensions[hidden].hidden = True
    book.save(out)
    return out.getvalue()


def layer(geometry: object, **more: object) -> bytes:
    feature = {
        "type": "Feature",
        "geometry": geometry,
        "properties": {"Agency": "Gary Police", "State": "IN"},
    }
    return json.dumps({"type": "FeatureCollection", "features": [feature], **more}).encode()


def test_all_tables_of_a_page_that_fit_are_read() -> None:
    first, second = "<tr><td>Gary Police<td>IN</tr>", "<tr><td>Lima Police<td>OH</tr>"
    other = "<table><tr><th>State<th>Agency</tr><tr><td>TX<td>Ennis Police</tr></table>"
    both = page(f"<h2>Indiana</h2>{table(first)}<h2>Ohio</h2>{table(second)}{other}")
    assert read(both, HTML) == ([("Gary Police", "IN"), ("Lima Police", "OH"), ("Ennis Police", "TX")], [])


def test_a_cell_over_all_rows_below_and_no_text_of_programs() -> None:
    rows = (
        "<tr><td>Gary Police<script>track('x')</script><style>td{}</style><td rowspan=0>IN</tr>"
        "<tr><td>Hammond Police</tr><tr><td>Peru Police</tr>"
    )
    assert read(page(table(rows)), HTML) == (
        [(f"{town} Police", "IN") for town in ("Gary", "Hammond", "Peru")],
        [],
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_texts_are_read_with_their_mark_and_without(encoding: str) -> None:
    text = "Agency,State\nGary Police,IN\nCañon City Police,CO\n"
    assert read(text.encode(encoding)) == ([("Gary Police", "IN"), ("Cañon City Police", "CO")], [])


def test_a_title_above_a_second_table_is_no_agency() -> None:
    rows = [
        "Agency,State",
        "Gary Police,IN",
        ",",
        "Withdrawn agencies,",
        "Agency,State",
        "Lima Police,OH",
        "",
    ]
    assert read("\n".join(rows).encode()) == (
        [("Gary Police", "IN"), ("Lima Police", "OH")],
        [("header repeated", 'the row repeats the headers; "Withdrawn agencies" above it is no agency')],
    )


def test_a_name_alone_in_its_row_is_an_agency_elsewhere() -> None:
    listings, problems = read(b"Agency,State\nGary Police,\nLima Police,OH\nPeru Police,\n")
    assert listings == [("Gary Police", None), ("Lima Police", "OH"), ("Peru Police", None)]
    assert [kind for kind, _ in problems] == ["unknown state", "unknown state"]


def test_a_second_table_beside_the_first_is_named() -> None:
    said = ("odd table", "only the first columns of their headers are read, not 4, 5")
    assert read(b"Agency,State,,Agency,State\nGary Police,IN,,Lima Police,OH\n") == (
        [("Gary Police", "IN")],
        [said],
    )
    rows: list[list[object]] = [
        ["Agency", "State", None, "Agency", "State"],
        ["Gary Police", "IN", None, "Lima Police", "OH"],
    ]
    assert read(workbook(*rows)) == ([("Gary Police", "IN")], [said])


def test_hidden_rows_are_read_and_named_and_far_columns_are_named() -> None:
    rows: list[list[object]] = [["Agency", "State"], ["Gary Police", "IN"], ["Lima Police", "OH"]]
    assert read(workbook(*rows, hidden=3)) == (
        [("Gary Police", "IN"), ("Lima Police", "OH")],
        [("odd table", "rows that are hidden, and read like the others: 1")],
    )
    far = [["Agency", "State", *[None] * 120, "Type"], ["Gary Police", "IN"]]
    assert read(workbook(*far)) == (
        [("Gary Police", "IN")],
        [("odd table", "columns after the 100th are not read")],
    )


@pytest.mark.parametrize(
    ("name", "point"),
    [
        ("urn:ogc:def:crs:OGC:1.3:CRS84", (41.5, -87.3)),
        ("urn:ogc:def:crs:EPSG::4326", (41.5, -87.3)),
        ("EPSG:4326", (41.5, -87.3)),
        ("urn:ogc:def:crs:EPSG::3857", None),
        ("EPSG:3435", None),
    ],
)
def test_points_of_another_system_are_not_taken_for_degrees(
    name: str, point: tuple[float, float] | None
) -> None:
    body = layer(
        {"type": "Point", "coordinates": [-87.3, 41.5]}, crs={"type": "name", "properties": {"name": name}}
    )
    publication = parse(body, GEOJSON)
    assert publication.listings[0].point == point
    assert [problem.kind for problem in publication.problems] == ([] if point else ["other points"])


@pytest.mark.parametrize(
    ("geometry", "point"),
    [
        (None, None),
        ({"type": "MultiPoint", "coordinates": [[-87.3, 41.5], [-87.4, 41.6]]}, (41.5, -87.3)),
        ({"type": "MultiPoint", "coordinates": []}, None),
        ({"type": "Polygon", "coordinates": [[[-87, 41], [-86, 41], [-86, 42], [-87, 41]]]}, None),
    ],
)
def test_a_feature_is_listed_whatever_its_geometry(
    geometry: object, point: tuple[float, float] | None
) -> None:
    (listing,) = parse(layer(geometry), GEOJSON).listings
    assert (listing.name, listing.point) == ("Gary Police", point)


def test_a_row_of_a_workbook_that_is_struck_through_is_told() -> None:
    book, out = openpyxl.Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    for row in (["Agency", "State", "Officers"], ["Gary PD", "IN", 3], ["Lima PD", "OH", 4]):
        sheet.append(row)
    for cell in (*sheet[2], sheet["C3"]):
        cell.font = Font(strike=True)
    sheet["A3"].font = Font(bold=True)
    book.save(out)
    assert read(out.getvalue()) == (
        [("Gary PD", "IN"), ("Lima PD", "OH")],
        [("odd table", "rows that are struck through, and read like the others: 1")],
    )


RICH = (
    b"<r><t>Gary </t></r><r><rPr><b/></rPr><t>PD</t></r>"
    b'<r><rPr><vertAlign val="superscript"/></rPr><t>%s</t></r>'
)


@pytest.mark.parametrize(
    ("raised", "name"), [(b"1", "Gary PD"), (b"*", "Gary PD"), (b"(a)", "Gary PD"), (b"th", "Gary PDth")]
)
def test_a_raised_mark_of_a_footnote_is_no_part_of_a_name(raised: bytes, name: str) -> None:
    parts = unzipped(workbook(["Agency", "State"], ["Gary PD", "IN"]))
    sheet, written = parts["xl/worksheets/sheet1.xml"], b"<is><t>Gary PD</t></is>"
    assert written in sheet
    parts["xl/worksheets/sheet1.xml"] = sheet.replace(written, b"<is>%s</is>" % (RICH % raised))
    assert read(zipped(parts)) == ([(name, "IN")], [])
    cell = re.search(rb'(<c r="A2"[^>]*) t="inlineStr">', sheet)
    assert cell is not None
    shared = sheet.replace(cell[0] + written, cell[1] + b' t="s"><v>1</v>')
    strings = f'<sst xmlns="{SHEET_MAIN_NS}"><si><t>other</t></si><si>RICH</si></sst>'.encode()
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'.encode()
    types = parts["[Content_Types].xml"].replace(b"</Types>", override)
    parts |= {"xl/worksheets/sheet1.xml": shared, "[Content_Types].xml": types}
    parts["xl/sharedStrings.xml"] = strings.replace(b"RICH", RICH % raised)
    assert read(zipped(parts)) == ([(name, "IN")], [])


def test_a_sheet_with_the_headers_that_is_not_named_is_told() -> None:
    book, out = openpyxl.Workbook(), io.BytesIO()
    for title, name in (("2024", "Gary PD"), ("2025", "Lima PD"), ("Codes", None)):
        sheet = book.create_sheet(title)
        sheet.append(["Agency", "State"] if name else ["Code", "Meaning"])
        sheet.append([name or "J", "IN"])
    book.save(out)
    named = ParseOptions("list", "table", COLUMNS, settings={"sheets": ["2024"]})
    assert read(out.getvalue(), named) == (
        [("Gary PD", "IN")],
        [("odd table", 'sheets with the headers that options.sheets does not name are not read: "2025"')],
    )
