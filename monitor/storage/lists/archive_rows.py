"""The fetches of a source whose content is stored, in the form that a web archive needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.lists.agreement_tables import AgreementLookRow, AgreementRow
from monitor.storage.lists.history import GOOD, UNCHANGED
from monitor.storage.lists.record_rows import stream
from monitor.storage.lists.sent_requests import join_validators
from monitor.storage.lists.tables import CaptureRow, FetchRow, SentRequestRow

_OK, _NOT_MODIFIED = 200, 304
_SENT = SentRequestRow.c


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFetch:
    """A fetch, a look at an agreement, or (``captured_by``) what somebody else captured."""

    at: datetime
    url: str
    hash: str
    status: int = _OK
    headers: tuple[tuple[str, str], ...] = ()
    request: dict[str, Any] | None = None
    captured_by: str = ""


def iterate_captures(conn: Connection, source: str) -> Iterator[KeptFetch]:
    """Yield what others captured of a source, oldest first. If no address is known, the file's name replaces
    it.
    """
    columns = CaptureRow.c
    query = sa.select(columns.at, columns.url, columns.name, columns.hash, columns.captured_by)
    for row in stream(conn, query.where(columns.source == source).order_by(columns.at)):
        yield KeptFetch(
            at=row.at, url=row.url or f"urn:file:{row.name}", hash=row.hash, captured_by=row.captured_by
        )


def iterate_fetches(conn: Connection, source: str) -> Iterator[KeptFetch]:
    """Yield the fetches of a source that brought or confirmed content, oldest first."""
    columns = FetchRow.c
    query = sa.select(
        columns.at,
        columns.outcome,
        columns.status,
        columns.url,
        columns.headers,
        columns.hash,
        columns.validators,
        _SENT.content,
    ).join(SentRequestRow, _SENT.id == columns.request_id, isouter=True)
    url = content = None
    for row in stream(conn, query.where(columns.source == source).order_by(columns.at, columns.id)):
        if row.outcome == GOOD:
            url, content = row.url, row.hash
        same = row.outcome == UNCHANGED
        address, sha256 = row.url or (url if same else None), row.hash or (content if same else None)
        if address is not None and sha256 is not None:
            yield KeptFetch(
                at=row.at,
                url=address,
                hash=sha256,
                status=row.status or _OK,
                headers=tuple((name, value) for name, value in row.headers or ()),
                request=join_validators(row.content, row.validators),
            )


def iterate_looks(conn: Connection, source: str) -> Iterator[KeptFetch]:
    """Yield the checks of the agreements of a source that brought or confirmed a document, oldest first."""
    look = AgreementLookRow.c
    query = (
        sa.select(
            look.at, look.outcome, look.hash, look.headers, AgreementRow.c.url, look.validators, _SENT.content
        )
        .join(AgreementRow, AgreementRow.c.id == look.agreement_id)
        .join(SentRequestRow, _SENT.id == look.request_id, isouter=True)
        .where(AgreementRow.c.source == source, look.outcome.in_([GOOD, UNCHANGED]))
        .order_by(look.at, look.leaf)
    )
    for row in stream(conn, query):
        yield KeptFetch(
            at=row.at,
            url=row.url,
            hash=row.hash,
            status=_OK if row.outcome == GOOD else _NOT_MODIFIED,
            headers=tuple((name, value) for name, value in row.headers or ()),
            request=join_validators(row.content, row.validators),
        )
