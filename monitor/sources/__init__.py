"""One file per format: bytes in, listings out, pure; `formats` lists them, `listing` creates the listings for
all of them.

The kind of a file (KML or KMZ, XLSX or CSV) is decided by its content, never by its name. Unreadable input
raises a `ParseError` with a reason for people; the result is never an empty publication.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, replace
from hashlib import blake2b

from monitor.domain import Problem, Publication
from monitor.errors import ParseError
from monitor.sources.column_map import ColumnMap, ParseLimits, ParseOptions
from monitor.sources.compressed_file import unpack_file
from monitor.sources.csv_text import is_terminated
from monitor.sources.date_order import parse_in_order
from monitor.sources.format import Format, Links
from monitor.sources.formats import FORMATS

__all__ = [
    "FORMATS",
    "PARSER_VERSION",
    "ColumnMap",
    "Links",
    "ParseLimits",
    "ParseOptions",
    "compose",
    "find_links",
    "fingerprint",
    "is_terminated",
    "parse",
]

PARSER_VERSION = 10
"""Incremented whenever the same body would give other listings: the stored body is then parsed again without
alerts.

2: on maps too a cell that holds a spreadsheet's error value ("#N/A") is empty. 3: footers are no listings,
"#NA" is empty, markup in names is resolved, a year alone is no day, merged cells are filled, and every
document of a KMZ is read. 4: all tables of a page that fit are read, and titles above a second table are no
listings. 5: headings, notes, pagers and footnote marks are no agencies, and cells, dates and states of more
programs are read. 6: dates of a list that has the day first are read so.
7: notes under headings and on titled sheets are no listings, and headings of HTML tables are read.
8: rows that are grouped by name alone are no longer one listing when their states differ.
9: numbers of items and states are no part of names, "Ohio (OH)" is a heading, no HTML table gets the state of
the one before it, and "N/A" and "Total agencies" are no agencies.
10: merged cells and links of an ODS, errors, links and days since 1904 of an XLS and an XLSB are read, whole
numbers have no exponent, headers are found below a long preface, drawn lines and addresses are no agencies,
CSV of a Macintosh is in its encoding, a town between a name and its state is no part of the name, markup
around a state or a date is none of it, a picture alone in a cell is its text, and "N/A" is no county.
"""


def parse(body: bytes, options: ParseOptions) -> Publication:
    """Parse a body into a publication with keyed listings; raises ParseError with the reason if it cannot be
    read.
    """
    chosen = _format(options)
    for field in chosen.required_columns:
        if not getattr(options.columns, field, None):
            raise ParseError(f"The source {options.name} names no column for the agency's {field}.")
    body, layers, others = unpack_file(body, options.limits, str(options.settings.get("file", "")))
    publication = parse_in_order(chosen.parse, body, options)
    if layers:  # a compressed file has an end of its own: nothing of it is cut off
        publication = replace(publication, unterminated=False)
    if others:
        message = f"the ZIP also holds {', '.join(others[:10])[:200]}, which is not read"
        publication = replace(publication, problems=(*publication.problems, Problem("other files", message)))
    return publication


def find_links(body: bytes, options: ParseOptions) -> Links:
    """Find the linked documents that belong to the publication of a body."""
    return _format(options).find_links(_unpack(body, options), options)


def compose(body: bytes, linked: Mapping[str, bytes], options: ParseOptions) -> bytes:
    """Compose one body of a body and its linked documents, by their URLs."""
    return _format(options).compose(_unpack(body, options), linked)


def _unpack(body: bytes, options: ParseOptions) -> bytes:
    """Unpack the file in a body; returns the body itself if it cannot be unpacked, which `parse` then
    reports.
    """
    try:
        return unpack_file(body, options.limits, str(options.settings.get("file", ""))).body
    except ParseError:
        return body


def _format(options: ParseOptions) -> Format:
    if options.format not in FORMATS:
        raise ParseError(f"There is no format {options.format!r}; there are {', '.join(FORMATS)}.")
    return FORMATS[options.format]


def fingerprint(options: ParseOptions) -> str:
    """A hash of all parsing settings (32 hex digits): with equal ones, a body gives equal publications."""
    parts: tuple[object, ...] = (
        PARSER_VERSION,
        options.format,
        astuple(options.columns) if options.columns else None,
    )
    if options.settings:
        parts += (sorted(options.settings.items()),)
    return blake2b(repr(parts).encode(), digest_size=16).hexdigest()
