"""The stored fetches of a list, and of the agreements that it links to, as web archives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from sqlalchemy.engine import Connection

from monitor import __version__
from monitor.errors import StoreError
from monitor.record.warc import ArchivedBody, ArchivedFetch, WarcEncoder
from monitor.storage.lists import archive_rows, bodies

POLLS = "polls.warc.gz"
AGREEMENTS = "agreements.warc.gz"
SOFTWARE = "map-monitor"


def write_archives(
    conn: Connection, source: str, operator: str, polls: IO[bytes], agreements: IO[bytes]
) -> tuple[int, int]:
    """Write both archives of a source, with one body in memory at a time; returns the number of records in
    each.
    """
    encoder = WarcEncoder(software=f"{SOFTWARE} {__version__}", operator=operator, part_of=source)
    captured = archive_rows.iterate_captures(conn, source)
    first = _write(conn, encoder, captured, polls)
    first += _write(conn, encoder, archive_rows.iterate_fetches(conn, source), polls)
    encoder = WarcEncoder(
        software=f"{SOFTWARE} {__version__}", operator=operator, part_of=f"{source}/agreements"
    )
    return first, _write(conn, encoder, archive_rows.iterate_looks(conn, source), agreements)


def _write(
    conn: Connection, encoder: WarcEncoder, rows: Iterable[archive_rows.KeptFetch], target: IO[bytes]
) -> int:
    count = 0
    for row in rows:
        fetch = ArchivedFetch(
            at=row.at,
            url=row.url,
            sha256=row.hash,
            status=row.status,
            headers=row.headers,
            request=row.request,
            captured_by=row.captured_by,
        )
        body = None if encoder.has(row.hash) else _load(conn, row.hash)
        if body is not None or encoder.has(row.hash):
            target.write(encoder.encode(fetch, body))
            count += 1
    return count


def _load(conn: Connection, sha256: str) -> ArchivedBody | None:
    content = bodies.load_body(conn, sha256)
    if content is None:
        return None
    try:
        return ArchivedBody(content, bodies.load_wire(conn, sha256))
    except StoreError:  # this zlib does not reproduce the gzip form; the body itself is complete
        return ArchivedBody(content)
