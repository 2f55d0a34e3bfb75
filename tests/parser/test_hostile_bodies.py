"""Bodies of some megabytes that took minutes or gigabytes: each ends as a publication or with a reason of its
own, never because the parser's limits ended it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta

import openpyxl
import pytest

from monitor.core import renames
from monitor.domain import Listing
from monitor.errors import ParseError
from monitor.parser import ParserLimits, ParserProcess
from monitor.sources import ColumnMap, ParseOptions, parse
from monitor.sources.page_links import read_links

SIZE = 2 * 1024 * 1024
COLUMNS = ColumnMap(name="Agency", state="State", id="Id", attributes=("Type",))
MAP = ParseOptions("map", "mymaps")
TABLE, JSON, HTML = (ParseOptions("list", name, COLUMNS) for name in ("table", "json", "html"))
HEADER = b"<table><tr><th>Agency<th>State"


def kml(inner: bytes) -> bytes:
    return b"<kml><Document>" + inner + b"</Document></kml>"


def described(text: bytes) -> bytes:
    return kml(b"<Placemark><name>A</name><description><![CDATA[" + text + b"]]></description></Placemark>")


def workbook(edit: Callable[[str, bytes], bytes]) -> bytes:
    book, plain, edited = openpyxl.Workbook(), io.BytesIO(), io.BytesIO()
    for row in (("Agency", "State"), ("A", "TX")):
        book.active.append(row)
    book.save(plain)
    with zipfile.ZipFile(plain) as before, zipfile.ZipFile(edited, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            after.writestr(name, edit(name, before.read(name)))
    return edited.getvalue()


def with_rows(rows: bytes) -> bytes:
    end = b"</sheetData>"
    return workbook(
        lambda name, part: part.replace(end, rows + end) if name.startswith("xl/worksheets/") else part
    )


FAR_ROW = with_rows(b'<row r="1048576"><c r="A1048576" t="str"><v>B</v></c></row>')
BODIES = {
    "signs in a description": (MAP, described(b"<" * SIZE)),
    "columns in a description": (MAP, described(b"".join(b"c%d: v<br>" % n for n in range(SIZE // 12)))),
    "deep folders": (MAP, kml(b"<Folder>" * (SIZE // 8))),
    "deep in a placemark": (MAP, kml(b"<Placemark>" + b"<a>" * (SIZE // 7) + b"</a>" * (SIZE // 7))),
    "one long comment": (MAP, kml(b"<!--" + b"- " * (8 * SIZE) + b"-->")),
    "a title for each placemark": (
        MAP,
        kml(
            b"".join(
                b'<Placemark><name>A</name><ExtendedData><Data name="t%d"><value>1</value>'
                b"</Data></ExtendedData></Placemark>" % n
                for n in range(SIZE // 100)
            )
        ),
    ),
    "openings of a title": (TABLE, b"<html>" + b"<title" * (SIZE // 6)),
    "titles": (TABLE, b"<html>" + b"<title>" * (SIZE // 7)),
    "one id": (TABLE, b"Agency,State,Id\n" + b"".join(b"Place %d,TX,7\n" % n for n in range(SIZE // 16))),
    "a problem in each row": (TABLE, b"Agency,State,Id\n" + b"".join(b"%d,x,\n" % n for n in range(100_000))),
    "lines": (TABLE, b"Agency,State\n" + b"\n" * SIZE),
    "titles of records": (JSON, json.dumps([{"Agency": "A", f"k{n}": 1} for n in range(50_000)]).encode()),
    "arrays in a record": (JSON, b'[{"Agency":"A","x":' + b"[" * 900 + b"]" * 900 + b"}]"),
    "cells that cover rows": (HTML, HEADER + b"<th rowspan=9999 colspan=99>" + b"<tr>" * (SIZE // 4)),
    "tables in tables": (HTML, b"<table><tr><td>" * 80 + b"x " * SIZE),
    "many tables": (HTML, b"<table><tr><td>x</table>" * (SIZE // 24)),
    "a row of cells": (HTML, b"<table><tr>" + b"<td>" * (SIZE // 4)),
    "links": (HTML, HEADER + b"<tr><td>A<td>TX</table>" + b"<a href=x>" * (SIZE // 10)),
    "links that may lead on": (HTML, HEADER + b"<tr><td>A<td>TX</table>" + b"<a href=x>></a>" * (SIZE // 15)),
    "marks of footnotes": (HTML, HEADER + b"<tr><td>A" + b"<sup>1</sup>" * (SIZE // 12)),
    "cells over columns": (HTML, HEADER + b"<tr><td>A<td>TX" + b"<tr><td colspan=2>x" * (SIZE // 19)),
    "counts of a page": (HTML, HEADER + b"<tr><td>A<td>TX</table>" + b"rows 1 to 1" * (SIZE // 11)),
    "cells as formulas": (TABLE, b"Agency,State\nA,TX\n" + b',="a"\n' * (SIZE // 6)),
    "objects by keys": (JSON, b"{" + b",".join(b'"%d":{}' % n for n in range(SIZE // 12)) + b"}"),
    "towns with states": (
        TABLE,
        b"Agency,State\n" + b"".join(b'A %d,"T %d, TX"\n' % (n, n) for n in range(SIZE // 24)),
    ),
    "a far row": (TABLE, FAR_ROW),
    "empty rows": (TABLE, with_rows(b"<row/>" * 100_000)),
}


@pytest.fixture(scope="module")
def parser() -> Iterator[ParserProcess]:
    limit = timedelta(seconds=30)  # of processor, on a slow machine
    with ParserProcess(ParserLimits(processor=limit, wall=timedelta(minutes=5))) as process:
        yield process


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_ends_by_itself(parser: ParserProcess, name: str) -> None:
    options, body = BODIES[name]
    reason = ""
    try:
        publication = parser.parse(body, options)
    except ParseError as error:
        reason = str(error)
    else:
        assert publication.listings
        assert len(publication.problems) <= 1001
    assert "the parser" not in reason


def test_rows_of_one_id_are_compared_with_few(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    may_be_one = renames.may_be_one

    def count(one: Listing, other: Listing) -> bool:
        nonlocal compared
        compared += 1
        return may_be_one(one, other)

    monkeypatch.setattr(renames, "may_be_one", count)
    rows = b"".join(b"%s Place %d,TX,7\n" % (bytes([97 + n % 26]) * 9, n * n * 1009) for n in range(500))
    assert len(parse(b"Agency,State,Id\n" + rows, TABLE).listings) == 500
    assert 20 < compared <= 20 * 500


def test_a_far_row_makes_no_empty_ones() -> None:
    publication = parse(FAR_ROW, TABLE)
    assert [listing.name for listing in publication.listings] == ["A", "B"]
    assert publication.problems[0].row == 1_048_576  # it has no state


def test_a_page_of_links_in_one_block_reads_the_block_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from monitor.sources import page_links

    read = 0
    text = page_links._text

    def count(element: object) -> str:
        nonlocal read
        read += 1
        return text(element)  # type: ignore[arg-type]

    monkeypatch.setattr(page_links, "_text", count)
    page = b"<div>" + b"".join(b"<a href=%d></a>" % n for n in range(1000))
    assert len(read_links(page, "https://page.example/")) == 1000
    assert read == 1001
