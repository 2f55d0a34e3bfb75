"""Bodies of the tests' own, as a publisher would serve them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from xml.sax.saxutils import escape, quoteattr

import openpyxl


def placemark(name: str = "Hammond Police", address: str | None = "Hammond, IN", **columns: str) -> str:
    place = f"<address>{escape(address)}</address>" if address is not None else ""
    cells = "".join(
        f"<Data name={quoteattr(column)}><value>{escape(text)}</value></Data>"
        for column, text in columns.items()
    )
    return f"<Placemark><name>{escape(name)}</name>{place}<ExtendedData>{cells}</ExtendedData></Placemark>"


def kml(*placemarks: str) -> bytes:
    inside = "".join(placemarks)
    text = f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Folder><name>L</name>{inside}</Folder></Document></kml>'
    return text.encode()


def zipped(entries: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def unzipped(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def xlsx(
    rows: Iterable[Iterable[object]], links: Mapping[str, str] | None = None, before: Iterable[str] = ()
) -> bytes:
    """A workbook whose sheet "List" holds the rows.

    ``links`` are by cell name; sheets named in ``before`` come first.
    """
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "List"
    for row in rows:
        sheet.append(list(row))
    for cell, link in (links or {}).items():
        sheet[cell].hyperlink = link
    for title in before:
        book.create_sheet(title, 0).append(["Total", None, "JEM"])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()
