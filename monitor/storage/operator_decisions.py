"""Questions to the operator, and the choices."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.tables import OperatorDecisionRow

KEPT = timedelta(days=90)
"""How long a decision stays in the database after its question was made."""


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A question to the operator; the fields are those of the row."""

    id: int
    kind: str
    about: str
    nonce: str
    made_at: datetime
    expires_at: datetime
    choice: str | None
    answer: str | None
    chosen_at: datetime | None
    chosen_by: str | None
    done_at: datetime | None
    result: str | None


_WHOLE = sa.select(*(OperatorDecisionRow.c[field.name] for field in fields(StoredDecision)))


def insert_decision(
    conn: Connection, *, kind: str, about: str, nonce: str, now: datetime, expires_at: datetime
) -> int:
    """Write a question; returns its id. Old ones are deleted."""
    rows = OperatorDecisionRow
    conn.execute(sa.delete(rows).where(rows.c.made_at < now - KEPT))
    id = conn.scalar(
        sa.insert(rows)
        .values(kind=kind, about=about, nonce=nonce, made_at=now, expires_at=expires_at)
        .returning(rows.c.id)
    )
    assert id is not None
    return int(id)


def load_decision(conn: Connection, id: int) -> StoredDecision | None:
    """Read a question; None if there is none with this id."""
    row = conn.execute(_WHOLE.where(OperatorDecisionRow.c.id == id)).first()
    return StoredDecision(*row) if row is not None else None


def put_choice(
    conn: Connection, id: int, choice: str, by: str, now: datetime, *, answer: str | None = None
) -> bool:
    """Write a choice and the values of fields, if there is no choice yet and the question is still open;
    returns whether it was written.
    """
    rows = OperatorDecisionRow
    written = conn.execute(
        sa.update(rows)
        .where(rows.c.id == id, rows.c.choice.is_(None), rows.c.expires_at > now)
        .values(choice=choice, answer=answer, chosen_by=by, chosen_at=now)
    )
    return written.rowcount == 1


def load_chosen(conn: Connection) -> tuple[StoredDecision, ...]:
    """Read the questions with a choice that is not carried out yet, oldest first."""
    rows = OperatorDecisionRow
    return tuple(
        StoredDecision(*row)
        for row in conn.execute(
            _WHOLE.where(rows.c.choice.is_not(None), rows.c.done_at.is_(None)).order_by(rows.c.id)
        )
    )


def put_result(conn: Connection, id: int, result: str, now: datetime) -> None:
    """Write that a choice was carried out, and its result."""
    rows = OperatorDecisionRow
    conn.execute(
        sa.update(rows).where(rows.c.id == id, rows.c.done_at.is_(None)).values(done_at=now, result=result)
    )
