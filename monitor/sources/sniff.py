"""Detects the kind of a body by its content, never by its name; and describes bodies that are not lists."""

from __future__ import annotations

import re

from monitor.errors import ParseError

PROTECTED = "The workbook is protected by a password; ask the publisher for one that is not."
"""The reason of a refusal."""
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|table)\b", re.IGNORECASE)
_KML = re.compile(rb"<(?:\w+:)?kml[\s>]")
_PAGES = (
    ("a login page", re.compile(rb"sign[\s-]?in|log[\s-]?in|accounts\.google|password", re.IGNORECASE)),
    ("a consent page", re.compile(rb"consent|before you continue|cookie", re.IGNORECASE)),
    (
        "an error page",
        re.compile(
            rb"error|not found|denied|forbidden|unavailable|went wrong|too many|captcha", re.IGNORECASE
        ),
    ),
)
_HEAD = 4096  # the beginning of a page that is examined, in bytes


def is_zip(body: bytes) -> bool:
    """Whether a body is a zip, by its first bytes."""
    return body.startswith(_ZIP)


def is_kml(body: bytes) -> bool:
    """Whether a body looks like KML in an encoding that keeps ASCII, or in UTF-16, by its first bytes."""
    return bool(_KML.search(read_head(body)))


def is_utf16(body: bytes) -> bool:
    """Whether a body begins with the byte order mark of UTF-16."""
    return body.startswith((b"\xff\xfe", b"\xfe\xff"))


def read_head(body: bytes) -> bytes:
    """The first bytes of a body; those of UTF-16 without the zeros of ASCII."""
    head = body[:_HEAD]
    return head[2:].replace(b"\0", b"") if is_utf16(head) else head


def is_html(body: bytes) -> bool:
    """Whether a body looks like a web page, by its first bytes."""
    head = read_head(body)
    return bool(_HTML.search(head)) and head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" and not is_kml(body)


def refuse_empty_and_pages(body: bytes) -> None:
    """Raise ParseError for an empty body, or a web page instead of a list."""
    if not body.strip():
        raise ParseError("The body is empty.")
    head = body[:_HEAD]
    if not _HTML.search(head) or is_zip(body):
        return
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"<" or is_kml(body):
        return  # a list that quotes HTML somewhere
    raise ParseError(describe_page(body))


_KINDS = (
    (re.compile(rb"%PDF-"), "a PDF", "the publisher's spreadsheet, or a page with the table"),
    (re.compile(rb"\{\\rtf"), "a text with formatting (RTF)", "a CSV or a workbook"),
    (re.compile(rb"7z\xbc\xaf|Rar!"), "an archive of 7-Zip or RAR", "a ZIP, or the file in it"),
    (re.compile(rb"MIME-Version:", re.IGNORECASE), "a saved web page (MHTML)", "the page's address"),
    (
        re.compile(rb"(?:From|Subject|Received|Return-Path|Delivered-To): "),
        "an email",
        "the file that it brought",
    ),
    (re.compile(rb"BEGIN:V(?:CARD|CALENDAR)"), "a file of contacts or dates", "a CSV or a workbook"),
    (re.compile(rb"ID;P"), "a spreadsheet in SYLK", "a workbook (XLSX) or a CSV"),
    (
        re.compile(rb"<\?xml(?s:.)*<(?:\w+:)?Workbook\b"),
        "a spreadsheet in XML of 2003",
        "a workbook (XLSX) or a CSV",
    ),
    (
        re.compile(
            rb"(?:/\*(?s:.*?)\*/\s*)?(?:var|let|const|window\.)\s*[\w.$]+\s*=\s*[\[{]|(?:/\*(?s:.*?)\*/\s*)?[\w.$]{1,80}\(\s*[\[{]"
        ),
        "a script with JSON in it",
        "the address of the JSON alone",
    ),
)
_BEFORE_ROOT, _ROOT = re.compile(rb"<[?!][^>]*>"), re.compile(rb"<((?:\w+:)?\w+)")
_IN_ZIP = (
    (b"word/document.xml", "a document of Word"),
    (b"ppt/presentation.xml", "slides"),
    (b".shp", "a shapefile"),
)


def refuse_other_kinds(body: bytes) -> None:
    """Raise ParseError, with what to give instead, for a file of a kind that is never read."""
    head = read_head(body).removeprefix(b"\xef\xbb\xbf").lstrip()
    kind = next(((what, instead) for mark, what, instead in _KINDS if mark.match(head)), None)
    if is_zip(body):
        what = next((what for mark, what in _IN_ZIP if mark in body[:_HEAD] or mark in body[-_HEAD:]), "")
        if what and b"xl/" not in body:
            kind = (what, "a workbook, a CSV, a map in KML or GeoJSON")
    elif not kind and head.startswith(b"<?xml") and not (is_kml(body) or is_html(body)):
        root = found[1].decode() if (found := _ROOT.search(_BEFORE_ROOT.sub(b"", head))) else "?"
        kind = (f"XML with the root <{root[:40]}>", "a workbook, a CSV, JSON or KML")
    if kind:
        raise ParseError(f"The body is {kind[0]}, which is not read: give {kind[1]}.")


def describe_page(body: bytes) -> str:
    """Describe a web page instead of a list: the kind of page that it looks like."""
    start = body[: 16 * _HEAD]
    # The title takes precedence over the text: nearly every page has a cookie banner and a sign-in link.
    for where in (_read_title(start), start):
        for kind, words in _PAGES:
            if words.search(where):
                return f"The body is a web page (it looks like {kind}) instead of a list."
    return "The body is a web page instead of a list."


def _read_title(page: bytes) -> bytes:
    """Read the first <title> of a page, b"" without one; each byte is examined once."""
    lower = page.lower()
    start = lower.find(b">", opening) + 1 if (opening := lower.find(b"<title")) >= 0 else 0
    end = lower.find(b"</title", start) if start else -1
    return page[start:end] if end >= 0 else b""


_STRAYS = {0xDC00 + byte: bytes([byte]).decode("cp1252", "replace") for byte in range(0x80, 0x100)}


def decode_utf8(body: bytes) -> tuple[str, int]:
    """Decode a body as UTF-8; returns the text and the number of invalid bytes, which are read as
    Windows-1252.

    Only the invalid bytes are read differently: one of them does not mean that the whole file is in another
    encoding.
    """
    try:
        return body.decode("utf-8-sig"), 0
    except UnicodeDecodeError:
        text = body.decode("utf-8-sig", "surrogateescape")
    return text.translate(_STRAYS), sum(map(text.count, map(chr, _STRAYS)))


_OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


def find_workbook_kind(body: bytes) -> str | None:
    """The kind of workbook that a body is: "xlsx", "xls", "ods" or "xlsb"; None for a text.

    Raises ParseError, with what to do, for a protected workbook.
    """
    if body.startswith(_OLE2):
        if _ENCRYPTED in body:
            raise ParseError(PROTECTED)
        return "xls"
    if not is_zip(body):
        return None
    if b"application/vnd.oasis.opendocument" in body[:_HEAD]:
        return "ods"
    return "xlsb" if b"xl/workbook.bin" in body else "xlsx"


def is_zipped_workbook(body: bytes) -> bool:
    """Whether a zip is a workbook; otherwise it is a map, or holds the file that is the list."""
    return is_zip(body) and (b"xl/" in body or find_workbook_kind(body) == "ods")
