"""XLS, XLSB and ODS: what libraries omit (errors, links, hidden rows, merged cells, old days) is read."""

from __future__ import annotations

import struct
import zipfile
from datetime import date
from pathlib import Path

import pytest

from monitor.domain import Publication
from monitor.errors import ParseError
from monitor.sources import ColumnMap, ParseOptions, parse
from tests.sources.bodies import unzipped, zipped

OPTIONS = ParseOptions(
    "list",
    "table",
    ColumnMap(name="Agency", state="State", county="County", since="Signed", url="MOA", attributes=("Type",)),
)
ROWS = ["Agency", "State", "County"], ["Gary Police", "IN", "Lake"], ["Lima Police", "OH", "Allen"]
CONTENT = (
    '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
    ' xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
    ' xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0"'
    ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    ' xmlns:xlink="http://www.w3.org/1999/xlink">'
    '<office:automatic-styles><style:style style:name="ta1" style:family="table">'
    '<style:table-properties table:display="false"/></style:style>'
    '<style:style style:name="ce1" style:family="table-cell">'
    '<style:text-properties style:text-line-through-style="solid"/></style:style>'
    "</office:automatic-styles><office:body><office:spreadsheet>"
)


END = "</office:spreadsheet></office:body></office:document-content>"


def ods(*rows: str) -> bytes:
    """The least OpenDocument spreadsheet (ODF 1.3 part 3) of rows in XML, after a hidden sheet of them."""
    inside = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
    content = (
        f'{CONTENT}<table:table table:name="Old" table:style-name="ta1">{inside}</table:table>'
        f'<table:table table:name="List">{inside}</table:table>'
        f"{END}"
    )
    return zipped(
        {
            "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": b"<manifest/>",
            "content.xml": content.encode(),
        },
        zipfile.ZIP_STORED,
    )


def cell(shown: str, attributes: str) -> str:
    """A cell of an ODS."""
    return f"<table:table-cell {attributes}><text:p>{shown}</text:p></table:table-cell>"


def text(value: str, more: str = "") -> str:
    """A cell of an ODS with a text."""
    return cell(value, f'office:value-type="string" {more}')


def cells(*values: str) -> str:
    return "".join(map(text, values))


def record(kind: int, content: bytes = b"") -> bytes:
    """A record of a binary workbook ([MS-XLSB] 2.1.4)."""
    head = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    length = len(content)
    return head + (bytes([length]) if length < 128 else bytes([length & 0x7F | 0x80, length >> 7])) + content


def wide(value: str) -> bytes:
    return struct.pack("<I", len(value)) + value.encode("utf-16-le")


def xlsb(
    *rows: list[str | int | bytes], hidden: int = -1, more: bytes = b"", since_1904: bool = False
) -> bytes:
    """The least binary workbook (MS-XLSB) of texts, numbers, and records of cells as (kind, rest) in bytes.

    ``more`` are records after the rows; "rId1" is a link to https://list.example/moa.pdf.
    """
    sheet = record(129) + record(148, struct.pack("<IIII", 0, len(rows) - 1, 0, 9)) + record(145)
    for number, row in enumerate(rows):
        flags = 0x10 if number == hidden else 0
        sheet += record(0, struct.pack("<IIHBBBI", number, 0, 300, 0, flags, 0, 0))
        for column, value in enumerate(row):
            at = struct.pack("<II", column, 0)
            if isinstance(value, bytes):
                sheet += record(value[0], at + value[1:])
            elif isinstance(value, int):
                sheet += record(5, at + struct.pack("<d", value))
            else:
                sheet += record(6, at + wide(value))
    sheet += record(146) + more + record(130)
    bundle = record(156, struct.pack("<II", 0, 1) + wide("rId1") + wide("List"))
    properties = record(153, struct.pack("<III", since_1904, 0, 0))
    head = b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    kind = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
    return zipped({
        "xl/workbook.bin": record(131) + properties + record(143) + bundle + record(144) + record(132),
        "xl/_rels/workbook.bin.rels": head + b'<Relationship Id="rId1" Target="worksheets/sheet1.bin" Type="'
        + kind + b'worksheet"/></Relationships>',
        "xl/worksheets/sheet1.bin": sheet,
        "xl/worksheets/_rels/sheet1.bin.rels": head + b'<Relationship Id="rId1" TargetMode="External"'
        b' Target="https://list.example/moa.pdf" Type="' + kind + b'hyperlink"/></Relationships>',
    })  # fmt: skip


def problems(publication: Publication) -> list[tuple[str, str]]:
    return [(problem.kind, problem.message) for problem in publication.problems]


@pytest.mark.parametrize(
    "body",
    [
        ods(*(cells(*row) for row in ROWS)),
        xlsb(*map(list, ROWS)),
        (Path(__file__).parent / "agencies.xls").read_bytes(),
    ],
    ids=["ods", "xlsb", "xls"],
)
def test_other_workbooks_are_read(body: bytes) -> None:
    publication = parse(body, OPTIONS)
    assert [(x.name, x.state, x.county) for x in publication.listings] == [
        ("Gary Police", "IN", "Lake"),
        ("Lima Police", "OH", "Allen"),
    ]
    assert not publication.problems
    assert not publication.unterminated
    with pytest.raises(ParseError, match="is damaged"):
        parse(body[: len(body) * 2 // 3], OPTIONS)


def test_an_ods_has_merged_states_links_and_days() -> None:
    link = '<text:a xlink:href="https://list.example/{}.pdf">MOA</text:a>'
    day = cell("3/4", 'office:value-type="date" office:date-value="2025-03-04"')
    body = ods(
        cells("State", "Agency", "Signed", "MOA"),
        text("Indiana", 'table:number-rows-spanned="2"') + text("Gary Police") + day + text(link.format(1)),
        "<table:covered-table-cell/>" + text("Hammond<text:s/>Police") + day + text(link.format(2)),
        text("Ohio") + text("Lima Police") + day + text("MOA"),
    )
    publication = parse(body, OPTIONS)
    assert [(x.name, x.state, x.since, x.url) for x in publication.listings] == [
        ("Gary Police", "IN", date(2025, 3, 4), "https://list.example/1.pdf"),
        ("Hammond Police", "IN", date(2025, 3, 4), "https://list.example/2.pdf"),
        ("Lima Police", "OH", date(2025, 3, 4), None),
    ]


def test_a_link_by_a_formula_of_an_ods_is_read_unless_it_is_put_together() -> None:
    def linked(formula: str) -> str:
        return text("MOA", f'table:formula="of:=HYPERLINK({formula})"')

    body = ods(
        cells("Agency", "State", "MOA"),
        cells("Gary Police", "IN") + linked("&quot;https://x.gov/&quot;&amp;[.A2];&quot;MOA&quot;"),
        cells("Lima Police", "OH") + linked("&quot;https://x.gov/b.pdf&quot;;&quot;MOA&quot;"),
        cells("Reno Police", "NV") + linked("&quot;https://x.gov/c.pdf&quot;"),
    )
    listings = parse(body, OPTIONS).listings
    assert [x.url for x in listings] == [None, "https://x.gov/b.pdf", "https://x.gov/c.pdf"]


def test_an_error_in_an_ods_is_no_value_and_keeps_what_was_accepted() -> None:
    error = text("#N/A", 'table:formula="of:=NA()" office:string-value=""')
    older = cell("Err:508", 'table:formula="of:=X(1)" office:value-type="float" office:value="0"')
    body = ods(
        cells("Agency", "State", "County", "Type"),
        cells("Gary Police", "IN") + error + older,
        cells("Lima Police", "OH", "Allen") + '<table:table-cell table:formula="of:=A1"/>',
    )
    publication = parse(body, OPTIONS)
    assert sorted(publication.unreadable) == [
        ("IN|gary police", "Type"), ("IN|gary police", "county"), ("OH|lima police", "Type"),
    ]  # fmt: skip
    assert [x.attributes for x in publication.listings] == [(), ()]


def test_comments_repeated_rows_and_what_is_hidden_or_struck_in_an_ods() -> None:
    struck = 'table:style-name="ce1"'
    comment = "<office:annotation><text:p>call them</text:p></office:annotation>"
    rows = (
        f"<table:table-row>{cells('Agency', 'State')}</table:table-row>"
        f'<table:table-row><table:table-cell office:value-type="string">{comment}<text:p>Gary Police</text:p>'
        f"</table:table-cell>{text('IN')}</table:table-row>"
        f'<table:table-row table:number-rows-repeated="3"><table:table-cell/></table:table-row>'
        f'<table:table-row table:visibility="filter">{cells("Lima Police", "OH")}</table:table-row>'
        f"<table:table-row>{text('Kent Police', struck)}{text('OH', struck)}"
        '</table:table-row><table:table-row table:number-rows-repeated="1048570">'
        '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    )
    content = f'{CONTENT}<table:table table:name="List">{rows}</table:table>{END}'
    body = zipped({**unzipped(ods()), "content.xml": content.encode()}, zipfile.ZIP_STORED)
    publication = parse(body, OPTIONS)
    assert [x.name for x in publication.listings] == ["Gary Police", "Lima Police", "Kent Police"]
    assert problems(publication) == [
        (
            "odd table",
            "rows that are hidden, and read like the others: 1; "
            "rows that are struck through, and read like the others: 1",
        )
    ]


def test_a_protected_ods_is_refused_with_what_to_do() -> None:
    parts = unzipped(ods(cells("Agency")))
    parts["META-INF/manifest.xml"] = b"<manifest><encryption-data/></manifest>"
    with pytest.raises(ParseError, match="protected by a password; ask the publisher"):
        parse(zipped(parts, zipfile.ZIP_STORED), OPTIONS)


def test_an_xlsb_has_merged_states_links_and_hidden_rows() -> None:
    merged = record(176, struct.pack("<IIII", 1, 2, 0, 0))
    link = record(494, struct.pack("<IIII", 1, 1, 2, 2) + wide("rId1") + wide("") * 3)
    url = "https://list.example/lima.pdf"
    tokens = b"\x17" + struct.pack("<H", len(url)) + url.encode("utf-16-le") + b"\x42\x02\x67\x01"
    formula = b"\x08" + wide("MOA") + struct.pack("<HI", 0, len(tokens)) + tokens + bytes(4)
    publication = parse(
        xlsb(
            ["State", "Agency", "MOA"],
            ["Indiana", "Gary Police", "MOA"],
            ["", "Hammond Police", "MOA"],
            ["Ohio", "Lima Police", formula],
            hidden=2,
            more=merged + link,
        ),
        OPTIONS,
    )
    assert [(x.name, x.state, x.url) for x in publication.listings] == [
        ("Gary Police", "IN", "https://list.example/moa.pdf"),
        ("Hammond Police", "IN", None),
        ("Lima Police", "OH", url),
    ]
    assert problems(publication) == [("odd table", "rows that are hidden, and read like the others: 1")]


def test_errors_and_days_since_1904_in_an_xlsb() -> None:
    publication = parse(
        xlsb(
            ["Agency", "State", "County", "Type", "Signed"],
            ["Gary Police", "IN", b"\x03\x2a", b"\x0b\x0f" + struct.pack("<HI", 0, 0) + bytes(4), 44258],
            since_1904=True,
        ),
        OPTIONS,
    )
    (gary,) = publication.listings
    assert gary.since == date(2025, 3, 4)
    assert sorted(field for _, field in publication.unreadable) == ["Type", "county"]
    assert problems(publication) == [("unreadable cell", "Type is #VALUE!")]


def test_a_sheet_of_millions_of_cells_is_refused_with_what_to_do() -> None:
    body = (Path(__file__).parent / "agencies.xls").read_bytes()
    dimensions = struct.pack("<HHIIHH", 0x200, 14, 0, 3, 0, 3)
    far = struct.pack("<HHIIHH", 0x200, 14, 0, 65536, 0, 256)
    assert dimensions in body
    with pytest.raises(
        ParseError, match=r"65,536 rows and 256 columns.*ask the publisher for an XLSX or a CSV"
    ):
        parse(body.replace(dimensions, far), OPTIONS)
    far = record(148, struct.pack("<IIII", 0, 1_048_575, 0, 16_383))
    parts = unzipped(xlsb(*map(list, ROWS)))
    sheet = parts["xl/worksheets/sheet1.bin"]
    parts["xl/worksheets/sheet1.bin"] = record(129) + far + sheet[sheet.index(record(145)) :]
    with pytest.raises(ParseError, match="1,048,575 rows and 16,383 columns"):
        parse(zipped(parts), OPTIONS)


def test_what_calamine_does_not_expect_is_a_damaged_workbook() -> None:
    body = (Path(__file__).parent / "agencies.xls").read_bytes()
    with pytest.raises(ParseError, match="damaged"):
        parse(body[:-12], OPTIONS)
