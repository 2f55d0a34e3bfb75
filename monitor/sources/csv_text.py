"""The text of a CSV: its encoding, and cells that programs write as formulas."""

from __future__ import annotations

import re

from monitor.domain import Problem
from monitor.errors import ParseError
from monitor.sources.sniff import decode_utf8

DELIMITERS = (",", ";", "\t", "|")
_FEW_ZEROS = 0.01  # of the bytes


def decode_text(body: bytes, problems: list[Problem]) -> str:
    """Decode the text of a table; encoding errors are added to ``problems``. Raises ParseError."""
    if encoding := _find_wide_encoding(body):
        try:
            return body.decode(encoding)
        except UnicodeDecodeError:
            raise ParseError(f"The text is {encoding[:6].upper()} and broken or cut off.") from None
    zeros = body.count(b"\0") if b"\0" in body else 0
    if zeros > _FEW_ZEROS * len(body):
        raise ParseError("The body is neither a workbook (XLSX) nor text.")
    if zeros:
        body = body.replace(b"\0", b" ")
        problems.append(Problem("broken text", f"{zeros:,} zero bytes are read as spaces"))
    text, strays = decode_utf8(body.removesuffix(b"\x1a"))  # the end-of-file mark of DOS
    if strays and _is_of_macintosh(body):
        problems.append(Problem("wrong encoding", "the text is not UTF-8; it is read as Mac OS Roman"))
        return body.decode("mac_roman")
    if strays:
        message = f"{strays:,} bytes are not UTF-8; they are read as Windows-1252"
        problems.append(Problem("wrong encoding", message))
    return _SCHEMA.sub("", text, count=1)


def _is_of_macintosh(body: bytes) -> bool:
    """Whether lines end as on a Macintosh alone, and no more bytes are usual letters in Windows-1252."""
    if b"\n" in body or b"\r" not in body:
        return False
    return len(_MAC_LETTERS.findall(body)) >= len(_WINDOWS_LETTERS.findall(body))


_MAC_LETTERS = re.compile(b"[" + "\xe1\xe9\xf3\xfa\xf1\xd1\u2019".encode("mac_roman") + b"]")
_WINDOWS_LETTERS = re.compile(b"[" + "\xe1\xe9\xed\xf3\xfa\xf1".encode("cp1252") + rb"]|\x92(?=s\b|[A-Z])")
"""Of Spanish names, and the apostrophe of "Sheriff's" and "O'Fallon", whose byte is an accented i on a
Macintosh.
"""
_SCHEMA = re.compile(r"\AListSchema=[^\r\n]*")
"""What a list of SharePoint is exported with above its headers."""


def is_terminated(body: bytes) -> bool:
    """Whether the last line of a text has a line end, in any encoding."""
    return body.removesuffix(b"\x1a").rstrip(b"\0")[-1:] in (b"\n", b"\r")


_AS_FORMULA = re.compile(r"""(?<![^,;|\t\r\n])(?:"=""([^"\r\n]*)\"{3}|="([^"\r\n]*)")(?=[,;|\t\r\n]|$)""")
"""A cell ="00123", which programs write to keep spreadsheets from reading text as a number."""


def mend_quotes(text: str) -> str:
    """Replace cells such as ="00123" in a CSV by the text that they show."""
    if '="' not in text:
        return text
    return _AS_FORMULA.sub(lambda match: f'"{match[1] if match[1] is not None else match[2]}"', text)


_WIDE = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def _find_wide_encoding(body: bytes) -> str | None:
    """Detect a multi-byte encoding: by its byte order mark, or by the zero bytes of ASCII in UTF-16."""
    for mark, encoding in _WIDE:
        if body.startswith(mark):
            return encoding
    head = body[:256]
    low, high = head[::2].count(0), head[1::2].count(0)
    if len(head) > 1 and abs(high - low) > len(head) * 0.4:
        return "utf-16-le" if high else "utf-16-be"
    return None
