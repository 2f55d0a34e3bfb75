"""One file per format: bytes in, listings out, pure; `formats` lists them, `listing` makes the listings of
all of them.

The content of a body decides which kind of file it is (KML or KMZ, XLSX or CSV), never its name. What cannot
be read is a `ParseError` with a reason for people, never an empty publication.
"""

from __future__ import annotations

from dataclasses import astuple
from hashlib import blake2b

from monitor.domain import Publication
from monitor.errors import ParseError
from monitor.sources.column_map import ColumnMap, ParseLimits, ParseOptions
from monitor.sources.format import Format
from monitor.sources.formats import FORMATS
from monitor.sources.table import is_terminated

__all__ = [
    "FORMATS",
    "PARSER_VERSION",
    "ColumnMap",
    "ParseLimits",
    "ParseOptions",
    "find_link",
    "fingerprint",
    "is_terminated",
    "parse",
]

PARSER_VERSION = 2
"""Raised whenever the same body would be read as other listings: the stored body is then parsed again
silently.

2: on maps too a cell that holds a spreadsheet's error value ("#N/A") is empty.
"""


def parse(body: bytes, options: ParseOptions) -> Publication:
    """The publication that a body is, its listings keyed; ParseError with the reason if it cannot be read."""
    chosen = _format(options)
    for field in chosen.required_columns:
        if not getattr(options.columns, field, None):
            raise ParseError(f"The source {options.name} names no column for the agency's {field}.")
    return chosen.parse(body, options)


def find_link(body: bytes, options: ParseOptions) -> str | None:
    """The address of the real publication in a body that only leads to it; None in all other bodies."""
    return _format(options).find_link(body, options)


def _format(options: ParseOptions) -> Format:
    if options.format not in FORMATS:
        raise ParseError(f"There is no format {options.format!r}; there are {', '.join(FORMATS)}.")
    return FORMATS[options.format]


def fingerprint(options: ParseOptions) -> str:
    """A hash of all that decides how a body is read (32 hex digits): equal ones give equal publications of a
    body.
    """
    parts: tuple[object, ...] = (
        PARSER_VERSION,
        options.format,
        astuple(options.columns) if options.columns else None,
    )
    if options.settings:
        parts += (sorted(options.settings.items()),)
    return blake2b(repr(parts).encode(), digest_size=16).hexdigest()
