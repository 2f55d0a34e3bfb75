"""Stores requests as they were sent: equal ones once, and what made a request conditional with each poll."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.core.canonical import hash_canonical
from monitor.storage.lists.tables import SentRequestRow

_ROW = SentRequestRow.c
_MOST = 500  # ids in one statement
Validators: TypeAlias = "Sequence[Sequence[str]]"


def put_request(conn: Connection, content: dict[str, Any] | None) -> int | None:
    """Store a request unless an equal one is stored; returns its id. The caller holds the lock on the log's
    head, so that nobody else writes the same one.
    """
    if content is None:
        return None
    hashed = hash_canonical(content)
    found: int | None = conn.scalar(sa.select(_ROW.id).where(_ROW.hash == hashed))
    if found is not None:
        return found
    key = conn.execute(sa.insert(SentRequestRow).values(hash=hashed, content=content)).inserted_primary_key
    assert key is not None
    return int(key[0])


def join_validators(content: dict[str, Any] | None, validators: Validators | None) -> dict[str, Any] | None:
    """A request with the headers that made it conditional, in the form of the record."""
    if content is None or not validators:
        return content
    return content | {"validators": [list(header) for header in validators]}


def load_requests(conn: Connection, ids: Collection[int | None]) -> dict[int | None, dict[str, Any]]:
    """The requests with these ids, without what made them conditional."""
    wanted = sorted({id for id in ids if id is not None})
    found: dict[int | None, dict[str, Any]] = {}
    for start in range(0, len(wanted), _MOST):
        rows = conn.execute(
            sa.select(_ROW.id, _ROW.content).where(_ROW.id.in_(wanted[start : start + _MOST]))
        )
        found |= {row.id: row.content for row in rows}
    return found
