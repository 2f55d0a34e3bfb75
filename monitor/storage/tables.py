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
    """How far the last deliveries are confirmed sent, one row: the database's side of the clone guard."""

    __tablename__ = "progress"
    id: int = Field(default=1, primary_key=True)
    send_mark: int = Field(default=0, sa_type=sa.BigInteger)
