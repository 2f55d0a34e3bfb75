"""One module per format: bytes in, listings out, pure.

A format is one line in `_FORMATS`. Which kind of file it is (KML or KMZ, XLSX or CSV) is told by its content, never by its name.
What cannot be read is a `ParseError` with a reason for people, never an empty publication.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from hashlib import blake2b

from monitor.domain import Publication
from monitor.errors import ParseError
from monitor.sources import mymaps, table
from monitor.sources.columns import ColumnMap, ParseLimits, SourceSpec
from monitor.sources.kml import network_link

__all__ = ["PARSER_VERSION", "ColumnMap", "ParseLimits", "SourceSpec", "fingerprint", "network_link", "parse"]

PARSER_VERSION = 1
"""Raised whenever the same body would be read as other listings: the stored body is then read again in silence."""

_FORMATS: dict[str, Callable[[bytes, SourceSpec], Publication]] = {
    "mymaps": mymaps.parse,
    "table": table.parse,
}


def parse(body: bytes, spec: SourceSpec) -> Publication:
    """What a body publishes, its listings keyed; ParseError with the reason if it is no readable publication of this source."""
    if spec.format not in _FORMATS:
        raise ParseError(f"There is no format {spec.format!r}; there are {', '.join(_FORMATS)}.")
    return _FORMATS[spec.format](body, spec)


def fingerprint(spec: SourceSpec) -> str:
    """A hash of all that decides how a body is read (32 hexadecimal digits): equal bodies and fingerprints give equal publications."""
    parts = (PARSER_VERSION, spec.format, astuple(spec.columns) if spec.columns else None)
    return blake2b(repr(parts).encode(), digest_size=16).hexdigest()
