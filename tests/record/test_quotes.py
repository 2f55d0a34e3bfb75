"""Texts in publications as they were received: none is called missing where nobody could find it."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from zipfile import ZipFile

import pytest

from monitor.errors import UsageError
from monitor.record.bundle import BundleBody, Quote
from monitor.record.quotes import detect_suffix, find_quote, prove_absence, read_part

NAME = "Peña Blanca & Sons Police"
ESCAPED = NAME.replace("&", "&amp;")


def packed(**parts: str | bytes) -> bytes:
    book = io.BytesIO()
    with ZipFile(book, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return book.getvalue()


def body(content: bytes | None) -> BundleBody:
    return BundleBody(hashlib.sha256(content or b"").hexdigest(), detect_suffix(content or b""), content)


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (f"Agency\n{NAME}\n".encode(), "txt"),
        (f"<kml>{ESCAPED}</kml>".encode(), "xml"),
        (packed(xl__workbook_xml="<w/>", xl__sharedStrings_xml=f"<t>{ESCAPED}</t>"), "xlsx"),
        (packed(content_xml=f"<t>{ESCAPED}</t>"), "ods"),
        (packed(doc_kml=f"<name>{ESCAPED}</name>"), "kmz"),
    ],
)
def test_a_text_is_found_in_every_format_that_shows_it(content: bytes, suffix: str) -> None:
    assert detect_suffix(content) == suffix
    with pytest.raises(UsageError, match="has the text"):
        prove_absence(body(content), NAME)
    assert prove_absence(body(content), "Gary") == Quote(body(content).sha256, "Gary")
    spelling = NAME if suffix == "txt" else ESCAPED
    quote = find_quote(body(content), spelling)
    assert quote is not None
    assert read_part(content, quote.part)[quote.offset :].startswith(spelling.encode())


def test_what_shows_no_text_as_it_is_proves_no_absence(shared_xls: bytes) -> None:
    hidden = [
        shared_xls,
        b"%PDF-1.7\nstream",
        NAME.encode("utf-16"),
        NAME.encode("latin-1"),
        packed(xl__workbook_bin=NAME.encode("utf-16-le"), xl__styles_xml="<s/>"),
        packed(content_xml=NAME.encode("utf-16")),
        packed(x_bin=b"x"),
        b"PK\3\4 damaged",
        packed(doc_kml="x" * 500)[:-30],
    ]
    for content in hidden:
        with pytest.raises(UsageError, match="in which nobody can search"):
            prove_absence(body(content), "Zzyzx")
    with pytest.raises(UsageError, match="was not kept"):
        prove_absence(body(None), "Gary")
    assert find_quote(body(None), "Gary") is None


@pytest.fixture
def shared_xls() -> bytes:
    return (Path(__file__).parents[1] / "sources" / "agencies.xls").read_bytes()
