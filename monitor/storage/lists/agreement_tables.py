"""The tables of the agreements that listings link."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from monitor.storage.columns import BigId, Json, TableRow, UtcDateTime


class AgreementRow(TableRow, table=True):
    """A document that listings of a source link to, stored by its hash.

    ``looks`` counts the checks of it: their numbers have no gap. ``hash`` is the accepted content,
    ``pending_hash`` different content that was seen once, since ``pending_at``. ``failures`` counts the last
    consecutive checks without a PDF, ``problem`` is the reason of the last one. ``next_at`` None: no listing
    links it.
    """

    __tablename__ = "agreement"
    id: int | None = Field(default=None, primary_key=True)
    source: str
    url: str
    first_at: datetime = Field(sa_type=UtcDateTime)
    looks: int = 0
    hash: str | None = None
    pending_hash: str | None = None
    pending_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    etag: str | None = None
    last_modified: str | None = None
    failures: int = 0
    problem: str = ""
    looked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    next_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    __table_args__ = (
        sa.UniqueConstraint("source", "url"),
        sa.Index("ix_agreement_next_at", "next_at"),
    )


class AgreementLookRow(TableRow, table=True):
    """One check of an agreement, with any result. ``outcome``: good, unchanged, failed, rejected.
    ``request_id`` and ``validators`` are as in `storage.lists.tables.FetchRow`.
    """

    __tablename__ = "agreement_look"
    agreement_id: int = Field(primary_key=True, foreign_key="agreement.id")
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(sa_type=UtcDateTime)
    outcome: str
    hash: str | None = None
    reason: str = ""
    headers: list[list[str]] | None = Field(default=None, sa_type=Json)
    leaf: int = Field(sa_type=BigId)
    request_id: int | None = None
    validators: list[list[str]] | None = Field(default=None, sa_type=Json)


class AgreementCopyRow(TableRow, table=True):
    """Content of an agreement that is believed: the first copy, or with ``before`` a replacement.

    The content before was seen last at look ``from_look``, this one first at ``to_look``; ``not_before`` and
    ``first_seen_at`` are their times. ``agencies`` are those whose listings link it then. ``kept``: the bytes
    are among the bodies.
    """

    __tablename__ = "agreement_copy"
    id: int | None = Field(default=None, primary_key=True)
    agreement_id: int = Field(foreign_key="agreement.id")
    source: str
    at: datetime = Field(sa_type=UtcDateTime)
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)
    first_seen_at: datetime = Field(sa_type=UtcDateTime)
    from_look: int | None = None
    to_look: int
    before: str | None = None
    after: str
    agencies: list[str] = Field(sa_type=Json)
    size: int
    kept: bool
    leaf: int = Field(sa_type=BigId)

    __table_args__ = (
        sa.Index("ix_agreement_copy_agreement_id", "agreement_id"),
        sa.Index("ix_agreement_copy_after", "after"),
        sa.Index("ix_agreement_copy_at", "at"),
    )
