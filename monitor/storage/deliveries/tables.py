"""The tables of the outbox."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from monitor.storage.columns import BigId, TableRow, UtcDateTime, partial_index


class DeliveryRow(TableRow, table=True):
    """One row of the outbox: one message owed to one subscriber.

    ``kind``: alert, digest, confirm, welcome, notice. ``state``: due, sent, failed, dropped (the subscriber
    left or was suppressed before). A due row is claimable when ``due_at`` has come and ``lease_until`` has
    not. ``period`` only keeps a message of a kind from being owed twice. ``about`` and ``about_source`` say
    what a digest or notice is about ("daily", "blind" of a source). ``ambiguous``: an earlier attempt may
    have arrived. ``channel`` is the subscriber's. ``reference`` is what its server calls the message, where
    that is needed to answer to it; ``sent_with`` is the delivery with which it went out as one message.

    A large changeset has 600,000 of them, so a row is kept cheap. ``changeset_id`` and ``subscriber_id`` are
    no foreign keys: PostgreSQL would check each by itself and lock its parent, twice the price of the row.
    Rows are written in transactions that read both parents; changesets are never deleted, subscribers
    together with their deliveries, and `subscribers.retention` removes what was written for one at that very
    moment. The indexes hold only the rows that are asked for by them.
    """

    __tablename__ = "delivery"
    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    kind: str
    channel: str = Field(default="", sa_column_kwargs={"server_default": sa.text("''")})
    changeset_id: int | None = None
    period: str | None = None
    about: str = Field(default="", sa_column_kwargs={"server_default": sa.text("''")})
    about_source: str | None = None
    subscriber_id: int
    state: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime = Field(sa_type=UtcDateTime)
    attempts: int = 0
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    owner: str | None = None
    ambiguous: bool = False
    last_error: str | None = None
    settled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reference: str | None = None
    sent_with: int | None = Field(default=None, sa_type=BigId)

    __table_args__ = (
        # in this order it also finds the deliveries of a subscriber
        sa.UniqueConstraint("subscriber_id", "changeset_id"),
        partial_index(
            "uq_delivery_subscriber_id_kind_period",
            "subscriber_id",
            "kind",
            "period",
            unique=True,
            where="period IS NOT NULL",
        ),
        # for claims (due rows, oldest first), and for dead letters; see `queue.IS_DUE`
        partial_index(
            "ix_delivery_due",
            "channel",
            "due_at",
            where="state = 'due'",
        ),
        partial_index(
            "ix_delivery_settled_at_failed",
            "settled_at",
            where="state = 'failed'",
        ),
        # Message-IDs are made from ids: never the same one twice
        {"sqlite_autoincrement": True},
    )


class DigestChangesetRow(TableRow, table=True):
    """A changeset in a digest or summary: once per subscriber, like an alert."""

    __tablename__ = "digest_changeset"
    subscriber_id: int = Field(primary_key=True, foreign_key="subscriber.id")
    changeset_id: int = Field(primary_key=True, foreign_key="changeset.id")
    delivery_id: int = Field(sa_type=BigId, foreign_key="delivery.id")

    __table_args__ = (sa.Index("ix_digest_changeset_delivery_id", "delivery_id"),)


class NewlyCoveredRow(TableRow, table=True):
    """An agency that was listed before and serves a subscriber's place only according to a later gazetteer or
    override: the next message includes it, once. ``delivery_id`` is that message, None before there is one;
    not a foreign key, as in `DeliveryRow`.
    """

    __tablename__ = "newly_covered"
    subscriber_id: int = Field(primary_key=True, foreign_key="subscriber.id")
    source: str = Field(primary_key=True)
    agency: str = Field(primary_key=True)
    since: datetime = Field(sa_type=UtcDateTime)
    delivery_id: int | None = Field(default=None, sa_type=BigId)

    __table_args__ = (sa.Index("ix_newly_covered_delivery_id", "delivery_id"),)


class LaneRow(TableRow, table=True):
    """A part of a channel that must pause: a mail domain that refuses us, a chat that said retry_after."""

    __tablename__ = "lane"
    channel: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    until: datetime = Field(sa_type=UtcDateTime)
    reason: str


class LaneRateRow(TableRow, table=True):
    """How fast messages may go to a lane: ``rate`` a second at ``changed_at``, the next at ``next_at``."""

    __tablename__ = "lane_rate"
    channel: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    rate: float
    changed_at: datetime = Field(sa_type=UtcDateTime)
    next_at: datetime = Field(sa_type=UtcDateTime)


class PauseSpanRow(TableRow, table=True):
    """A time in which a lane paused, kept for some weeks: it does not count toward the life of a delivery."""

    __tablename__ = "pause_span"
    id: int | None = Field(default=None, primary_key=True)
    channel: str
    name: str
    since: datetime = Field(sa_type=UtcDateTime)
    until: datetime = Field(sa_type=UtcDateTime)

    __table_args__ = (sa.Index("ix_pause_span_channel_name", "channel", "name", "until"),)


class AcceptanceRow(TableRow, table=True):
    """When a channel's server last accepted a message, to the minute."""

    __tablename__ = "acceptance"
    channel: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)


class RefusalRow(TableRow, table=True):
    """A permanent refusal of a message, and its state.

    ``answer``: the part of the reply that is the same for every recipient refused for one reason; ``error``:
    its text. ``verdict``: what it says if it is true of this recipient (gone, strike, content, policy).
    ``state``: open until the server takes a message for another lane; then confirmed, or taken back because
    it refused nearly everybody alike. ``alone``: the same lane took others since. ``lane`` is a keyed hash.
    """

    __tablename__ = "refusal"
    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    channel: str
    subscriber_id: int
    delivery_id: int | None = Field(default=None, sa_type=BigId)
    lane: str
    answer: str
    error: str
    verdict: str
    state: str
    alone: bool = False
    at: datetime = Field(sa_type=UtcDateTime)

    __table_args__ = (
        partial_index(
            "ix_refusal_open",
            "channel",
            where="state = 'open'",
        ),
        sa.Index("ix_refusal_at", "at"),
        sa.Index("ix_refusal_subscriber_id", "subscriber_id"),
    )
