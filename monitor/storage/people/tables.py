"""The tables of subscribers, their sign-ups, and suppressed addresses."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from monitor.storage.columns import BigId, TableRow, UtcDateTime, partial_index


class SubscriberRow(TableRow, table=True):
    """An address on a channel. ``state``: pending, active, paused, ended. The row outlives an unsubscribe
    with its address erased.

    ``address`` is encrypted with AES-GCM, ``address_hash`` a keyed hash to find it, ``outline`` the part of
    it that the site may read, also encrypted (`channels.outline`); all None once ended. ``origin``: operator,
    config, site, bot. ``frequency``: at_once, daily, weekly; digests are sent at ``local_hour`` in
    ``timezone``. ``digest_at`` is when the next digest, or the summary after a pause, is due, and
    ``digest_since`` from when on its changes are collected; both None for alerts at once. ``quiet_from`` and
    ``quiet_to`` are the local hours between which nothing is posted in a chat, ``own_line`` is the line of
    its own under each post. ``confirm_until`` is when the link of the last confirmation expires. ``number``
    is random and is used in links and envelope senders, because ids would reveal the number of subscribers.
    ``receipts``: wants the quarterly receipt.
    """

    __tablename__ = "subscriber"
    id: int | None = Field(default=None, primary_key=True)
    channel: str
    address: bytes | None = None
    address_hash: str | None = None
    outline: bytes | None = None
    state: str
    origin: str
    language: str = "en"
    frequency: str = "at_once"
    timezone: str | None = None
    local_hour: int | None = None
    paused_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    digest_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    digest_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    receipts: bool = Field(default=True, sa_column_kwargs={"default": True})
    nonce: str
    confirm_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    confirmed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    quiet_from: int | None = None
    quiet_to: int | None = None
    own_line: str | None = None
    strikes: int = 0
    first_strike_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    number: int | None = Field(default=None, sa_type=BigId)

    __table_args__ = (
        sa.UniqueConstraint("channel", "address_hash"),
        sa.Index("uq_subscriber_number", "number", unique=True),
        sa.Index("ix_subscriber_state", "state"),
        sa.Index("ix_subscriber_digest_at", "digest_at"),
        partial_index(
            "ix_subscriber_quiet",
            "timezone",
            "quiet_from",
            "quiet_to",
            where="quiet_from IS NOT NULL",
        ),
        # tokens and logs name subscribers by id: the id of a purged one is never given to somebody else
        {"sqlite_autoincrement": True},
    )


class SubscriptionRow(TableRow, table=True):
    """A subscription: one place of one source.

    ``place``: a ZIP, a state, "US", or the key of an area (`places.codes`). ``within`` is the state of a ZIP,
    None for the others.
    """

    __tablename__ = "subscription"
    id: int | None = Field(default=None, primary_key=True)
    subscriber_id: int = Field(foreign_key="subscriber.id")
    source: str
    place: str
    within: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)

    __table_args__ = (
        sa.UniqueConstraint("subscriber_id", "source", "place"),
        sa.Index("ix_subscription_source_place", "source", "place"),
        sa.Index("ix_subscription_source_within", "source", "within"),
    )


class AreaPlaceRow(TableRow, table=True):
    """A ZIP or a state of a followed area: a change that concerns the place concerns the area.

    ``statewide``: the place is a state, and only agencies that serve all of it count. The row does not reveal
    who follows the area.
    """

    __tablename__ = "area_place"
    area: str = Field(primary_key=True)
    place: str = Field(primary_key=True)
    statewide: bool = False

    __table_args__ = (sa.Index("ix_area_place_place", "place"),)


class PastSubscriptionRow(TableRow, table=True):
    """A subscription that its subscriber has ended, kept for some weeks; ``since`` and ``until`` are moments
    in the order of fan-outs.
    """

    __tablename__ = "past_subscription"
    id: int | None = Field(default=None, primary_key=True)
    subscriber_id: int = Field(foreign_key="subscriber.id")
    source: str
    place: str
    within: str | None = None
    since: datetime = Field(sa_type=UtcDateTime)
    until: datetime = Field(sa_type=UtcDateTime)

    __table_args__ = (sa.Index("ix_past_subscription_subscriber_id", "subscriber_id"),)


class PastStatusRow(TableRow, table=True):
    """A subscriber's settings ``until`` a moment in the order of fan-outs, kept for some weeks."""

    __tablename__ = "past_status"
    id: int | None = Field(default=None, primary_key=True)
    subscriber_id: int = Field(foreign_key="subscriber.id")
    state: str
    frequency: str
    until: datetime = Field(sa_type=UtcDateTime)

    __table_args__ = (sa.Index("ix_past_status_subscriber_id", "subscriber_id"),)


class SignupRow(TableRow, table=True):
    """A stored sign-up, until the sender processes it; the typed values are encrypted as a whole."""

    __tablename__ = "signup"
    id: int | None = Field(default=None, primary_key=True)
    sealed: bytes
    at: datetime = Field(sa_type=UtcDateTime)


class BotUpdateRow(TableRow, table=True):
    """An update that the bot's webhook received, encrypted as a whole, until the bot has answered it."""

    __tablename__ = "bot_update"
    update_id: int = Field(sa_column=sa.Column(BigId, primary_key=True, autoincrement=False))
    sealed: bytes
    at: datetime = Field(sa_type=UtcDateTime)


class ConfirmationRow(TableRow, table=True):
    """How many confirmations an address got until its owner confirms; by keyed hash only."""

    __tablename__ = "confirmation"
    channel: str = Field(primary_key=True)
    address_hash: str = Field(primary_key=True)
    count: int
    at: datetime = Field(sa_type=UtcDateTime)


class RateWindowRow(TableRow, table=True):
    """How many sign-ups came from one network (a keyed hash of it), or in all (``who`` "site"), in the hour
    from ``start`` on.
    """

    __tablename__ = "rate_window"
    who: str = Field(primary_key=True)
    start: datetime = Field(primary_key=True, sa_type=UtcDateTime)
    count: int


class SuppressionRow(TableRow, table=True):
    """A suppressed address, by keyed hash only."""

    __tablename__ = "suppression"
    channel: str = Field(primary_key=True)
    address_hash: str = Field(primary_key=True)
    reason: str
    at: datetime = Field(sa_type=UtcDateTime)


class ReturnedMailRow(TableRow, table=True):
    """A bounced mail that counted against its address, by its SHA-256: relays post a mail twice, and a
    mailbox is read again.
    """

    __tablename__ = "returned_mail"
    digest: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
