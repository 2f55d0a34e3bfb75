"""Tables about the program itself."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from monitor.storage.columns import TableRow, UtcDateTime


class MetaRow(TableRow, table=True):
    """Facts about this database as a whole: its identity (for the clone guard) and the fingerprint of its
    key.
    """

    __tablename__ = "meta"
    name: str = Field(primary_key=True)
    value: str


class HeartbeatRow(TableRow, table=True):
    """When a part of the running service (``sender``, ``poller``) was last seen working, by process."""

    __tablename__ = "heartbeat"
    part: str = Field(primary_key=True)
    owner: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)


class ProgressRow(TableRow, table=True):
    """The count of sends, one row: the database's side of the clone guard."""

    __tablename__ = "progress"
    id: int = Field(default=1, primary_key=True)
    send_mark: int = Field(default=0, sa_type=sa.BigInteger)


class OperatorDecisionRow(TableRow, table=True):
    """A question to the operator that one button or signed link answers, once.

    ``kind`` is the kind of question and ``about`` what exactly is decided, both as `ops.decisions` reads
    them; ``answer`` is what was written in the fields of a choice, as JSON. ``chosen_by``: "link" or
    "button". The worker carries a choice out and writes ``done_at`` and ``result``.
    """

    __tablename__ = "operator_decision"
    id: int | None = Field(default=None, primary_key=True)
    kind: str
    about: str
    nonce: str
    made_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    choice: str | None = None
    answer: str | None = None
    chosen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    chosen_by: str | None = None
    done_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    result: str | None = None

    # tokens name a row by its id: the id of a deleted one is never given again
    __table_args__ = ({"sqlite_autoincrement": True},)
