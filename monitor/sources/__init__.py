"""One file per format: bytes in, listings out, pure; `formats` lists them, `listing` makes the listings of
all of them.

The content of a body decides which kind of file it is (KML or KMZ, XLSX or CSV), never its name. What cannot
be read is a `ParseError` with a reason for people, never an empty publication.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, replace
from hashlib import blake2b

from monitor.domain import Problem, Publication
from monitor.errors import ParseError
from monitor.sources.column_map import ColumnMap, ParseLimits, ParseOptions
from monitor.sources.format import Format, Links
from monitor.sources.formats import FORMATS
from monitor.sources.packed import unpack_file
from monitor.sources.table import is_terminated

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

PARSER_VERSION = 5
"""Raised whenever the same body would be read as other listings: the stored body is then parsed again
silently.

2: on maps too a cell that holds a spreadsheet's error value ("#N/A") is empty. 3: footers are no listings,
"#NA" is empty, markup in names is resolved, a year alone is no day, merged cells are filled, and every
document of a KMZ is read. 4: all tables of a page that fit are read, and titles above a second table are no
listings. 5: headings, notes, pagers and footnote marks are no agencies, and cells, dates and states of more
programs are read.
"""


def parse(body: bytes, options: ParseOptions) -> Publication:
    """The publication that a body is, its listings keyed; ParseError with the reason if it cannot be read."""
    chosen = _format(options)
    for field in chosen.required_columns:
        if not getattr(options.columns, field, None):
            raise ParseError(f"The source {options.name} names no column for the agency's {field}.")
    body, layers, others = unpack_file(body, options.limits, str(options.settings.get("file", "")))
    publication = chosen.parse(body, options)
    if layers:  # it proves its own end
        publication = replace(publication, unterminated=False)
    if others:
        message = f"the ZIP also holds {', '.join(others[:10])[:200]}, which is not read"
        publication = replace(publication, problems=(*publication.problems, Problem("other files", message)))
    return publication


def find_links(body: bytes, options: ParseOptions) -> Links:
    """The documents beside a body that belong to its publication."""
    return _format(options).find_links(_unpack(body, options), options)


def compose(body: bytes, linked: Mapping[str, bytes], options: ParseOptions) -> bytes:
    """One body of a body and of the documents that it leads to, by their addresses."""
    return _format(options).compose(_unpack(body, options), linked)


def _unpack(body: bytes, options: ParseOptions) -> bytes:
    """The file that a body packs; the body itself where it cannot be unpacked, which `parse` then says."""
    try:
        return unpack_file(body, options.limits, str(options.settings.get("file", ""))).body
    except ParseError:
        return body


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
