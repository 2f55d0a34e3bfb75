"""The tables of the record's log: its entries, its Merkle tree, and the signed state."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field

from monitor.storage.columns import BigId, TableRow, UtcDateTime


class LogLeafRow(TableRow, table=True):
    """An entry of the log of the record, never changed.

    ``content`` is canonical JSON, ``hash`` that of the Merkle leaf.
    """

    __tablename__ = "log_leaf"
    number: int = Field(primary_key=True, sa_type=BigId, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(sa_type=UtcDateTime)
    content: str
    hash: bytes


class LogNodeRow(TableRow, table=True):
    """The root of a complete subtree of the log.

    Only levels that are multiples of 8 are kept, as tiles need them.
    """

    __tablename__ = "log_node"
    level: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    position: int = Field(primary_key=True, sa_type=BigId, sa_column_kwargs={"autoincrement": False})
    hash: bytes


class LogHeadRow(TableRow, table=True):
    """The state of the log, one row; an append locks it first.

    ``peaks`` are the hashes of the complete subtrees, largest first; ``key`` is the public key that signs
    checkpoints.
    """

    __tablename__ = "log_head"
    id: int = Field(default=1, primary_key=True, sa_column_kwargs={"autoincrement": False})
    size: int = Field(default=0, sa_type=BigId)
    peaks: bytes = b""
    key: str | None = None


class LogCheckpointRow(TableRow, table=True):
    """The latest signed state of the log, as a C2SP note."""

    __tablename__ = "log_checkpoint"
    size: int = Field(primary_key=True, sa_type=BigId, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(sa_type=UtcDateTime)
    note: str
