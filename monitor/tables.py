"""The rows, as SQLModel tables. They validate nothing and stay inside storage: `store` translates between rows and domain values.

Times are aware UTC. JSON columns hold what only `store` reads back. Every constraint has a name by convention, so that a later
migration can find it on SQLite and PostgreSQL alike.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING
metadata = SQLModel.metadata


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC datetime: ``timestamptz`` on PostgreSQL, microseconds since 1970 on SQLite. A naive value is a bug and raises.

    SQLite has no type for times: as text each would take 26 bytes instead of 8, in its row and in every index on it.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return sa.BigInteger() if dialect.name == "sqlite" else sa.DateTime(timezone=True)

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return (value - _EPOCH) // _TICK if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        at: datetime = _EPOCH + value * _TICK if dialect.name == "sqlite" else value.astimezone(UTC)
        return at


_EPOCH, _TICK = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Json(sa.types.TypeDecorator[Any]):
    """JSON in which None is SQL's NULL, so that "not there" is one thing to every query; plain `sa.JSON` stores the text ``null``."""

    impl = sa.JSON
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(none_as_null=True)


class BigId(sa.types.TypeDecorator[int]):
    """An id of 64 bits: at 600,000 deliveries a changeset the 32 of PostgreSQL's INTEGER are used up in some years.

    SQLite's INTEGER has 64 anyway, and counts up only when it is called so.
    """

    impl = sa.BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return sa.Integer() if dialect.name == "sqlite" else sa.BigInteger()


class Meta(SQLModel, table=True):
    """Facts about this database as a whole: its identity (for the fence) and the fingerprint of its key."""

    __tablename__ = "meta"
    name: str = Field(primary_key=True)
    value: str


class Heartbeat(SQLModel, table=True):
    """When a part of the running service (``sender``, ``poller``) was last seen working, by process."""

    __tablename__ = "heartbeat"
    part: str = Field(primary_key=True)
    owner: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)


class Source(SQLModel, table=True):
    """The moving state of one source. ``number`` counts moves of the baseline and is what pollers compare and swap.

    ``fingerprint`` is the parser version and configuration under which the baseline was read; ``columns`` and ``folders`` those of the
    last good snapshot.
    """

    __tablename__ = "source"
    name: str = Field(primary_key=True)
    number: int = 0
    fingerprint: str = ""
    columns: list[str] = Field(default_factory=list, sa_type=Json)
    folders: list[str] = Field(default_factory=list, sa_type=Json)
    last_good_fetch: int | None = None
    last_good_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_good_hash: str | None = None
    last_fetch_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    next_poll_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    blind_notified_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Validator(SQLModel, table=True):
    """What a server gave with the last good body of one URL, to ask conditionally the next time."""

    __tablename__ = "validator"
    source: str = Field(primary_key=True)
    url: str = Field(primary_key=True)
    etag: str | None = None
    last_modified: str | None = None
    hash: str | None = None


class Body(SQLModel, table=True):
    """A raw body, once per SHA-256 of its decoded bytes. ``encoding`` is ``zstd`` or ``raw``; ``size`` the decoded bytes."""

    __tablename__ = "body"
    hash: str = Field(primary_key=True)
    size: int
    encoding: str
    content: bytes
    at: datetime = Field(sa_type=UtcDateTime)


class Fetch(SQLModel, table=True):
    """One attempt to get a source's bytes. ``outcome``: good, unchanged, failed, rejected. Headers are evidence and kept verbatim."""

    __tablename__ = "fetch"
    id: int | None = Field(default=None, primary_key=True)
    source: str
    at: datetime = Field(sa_type=UtcDateTime)
    outcome: str
    status: int | None = None
    reason: str = ""
    url: str | None = None
    redirects: list[str] | None = Field(default=None, sa_type=Json)
    headers: list[list[str]] | None = Field(default=None, sa_type=Json)
    wire_bytes: int | None = None
    bytes: int | None = None
    hash: str | None = None
    duration_ms: int | None = None

    __table_args__ = (sa.Index("ix_fetch_source_at", "source", "at"),)


class Snapshot(SQLModel, table=True):
    """A parsed state of a source as it was published. Written when a body was parsed; a poll without new bytes writes none.

    ``verdict``: accepted or rejected; ``digest`` is a hash over the set of its listings (order and folders apart).
    """

    __tablename__ = "snapshot"
    id: int | None = Field(default=None, primary_key=True)
    source: str
    fetch_id: int = Field(foreign_key="fetch.id")
    at: datetime = Field(sa_type=UtcDateTime)
    last_seen_at: datetime = Field(sa_type=UtcDateTime)
    hash: str
    digest: str
    fingerprint: str
    listings: int
    verdict: str
    reason: str = ""
    problems: list[list[Any]] | None = Field(default=None, sa_type=Json)

    __table_args__ = (sa.Index("ix_snapshot_source_id", "source", "id"),)


class Approval(SQLModel, table=True):
    """A person believed this content of a source (by body hash) although the guard rejected it, or rejected it for good."""

    __tablename__ = "approval"
    source: str = Field(primary_key=True)
    hash: str = Field(primary_key=True)
    approved: bool
    at: datetime = Field(sa_type=UtcDateTime)


class ListingVersion(SQLModel, table=True):
    """One accepted listing while it read like this: [from_at, to_at), ``to_at`` None while it is in the baseline.

    ``agency`` is the key under which the agency was first accepted: it survives renames. ``content`` holds the other fields of
    `domain.Listing` as JSON. ``from_number``/``to_number`` are baseline numbers.
    """

    __tablename__ = "listing"
    id: int | None = Field(default=None, primary_key=True)
    source: str
    key: str
    agency: str
    name: str
    state: str | None = None
    content: dict[str, Any] = Field(sa_type=Json)
    from_number: int
    to_number: int | None = None
    from_at: datetime = Field(sa_type=UtcDateTime)
    to_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    __table_args__ = (
        sa.Index("ix_listing_source_agency", "source", "agency"),
        # one current version per key, whatever two pollers do; also how the baseline is read
        sa.Index(
            "uq_listing_source_key_current",
            "source",
            "key",
            unique=True,
            sqlite_where=sa.text("to_number IS NULL"),
            postgresql_where=sa.text("to_number IS NULL"),
        ),
    )


class Changeset(SQLModel, table=True):
    """The changes that one poll published together. ``fanned_out_at`` None: its deliveries are still to be written."""

    __tablename__ = "changeset"
    id: int | None = Field(default=None, primary_key=True)
    source: str
    number: int
    at: datetime = Field(sa_type=UtcDateTime)
    fetch_id: int | None = Field(default=None, foreign_key="fetch.id")
    fanned_out_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    __table_args__ = (
        sa.UniqueConstraint("source", "number"),
        sa.Index("ix_changeset_fanned_out_at", "fanned_out_at"),
    )


class Change(SQLModel, table=True):
    """A difference between the baseline and what was published, with a state and a clock of its own.

    ``not_before`` is the last good poll without it, ``first_seen_at`` the first with it (together: the interval in which it happened),
    ``ended_at`` when it was published, withdrawn or went away after a rejection. ``before``, ``after`` and ``previous`` are listings as
    JSON in which nothing stands that the row says already, see `store.codec`.
    """

    __tablename__ = "change"
    id: int | None = Field(default=None, primary_key=True)
    source: str
    kind: str
    agency: str
    state: str
    reason: str = ""
    fields: list[str] = Field(default_factory=list, sa_type=Json)
    before: dict[str, Any] | None = Field(default=None, sa_type=Json)
    after: dict[str, Any] | None = Field(default=None, sa_type=Json)
    previous: dict[str, Any] | None = Field(default=None, sa_type=Json)
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)
    first_seen_at: datetime = Field(sa_type=UtcDateTime)
    release_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    was_held: bool = False
    approved: bool = False
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    changeset_id: int | None = Field(default=None, foreign_key="changeset.id")
    # set when the change is located, at fan-out
    how: str | None = None
    confidence: str | None = None
    placement: str | None = None

    __table_args__ = (
        sa.Index("ix_change_source_state", "source", "state"),
        sa.Index("ix_change_changeset_id", "changeset_id"),
        sa.Index("ix_change_source_agency", "source", "agency"),
    )


class ChangePlace(SQLModel, table=True):
    """A place that a published change concerns: its ZIPs, its state, and "US".

    ``everyone``: on a state's row, the agency serves the whole state, so followers of any ZIP there hear of it too.
    """

    __tablename__ = "change_place"
    change_id: int = Field(primary_key=True, foreign_key="change.id")
    place: str = Field(primary_key=True)
    everyone: bool = False

    __table_args__ = (sa.Index("ix_change_place_place", "place"),)


class Subscriber(SQLModel, table=True):
    """An address on a channel. ``state``: pending, active, paused, ended. The row outlives an unsubscribe with its address erased.

    ``address`` is AES-GCM sealed, ``address_hash`` a keyed hash to find it; both None once ended. ``origin``: operator, config, site, bot.
    ``frequency``: at_once, daily, weekly; digests are sent at ``local_hour`` in ``timezone``. ``digest_at`` is when the next digest, or
    the summary after a pause, falls due, and ``digest_since`` from when on its changes are collected; both None for whoever gets alerts
    at once. ``confirm_until`` is when the link of the last confirmation expires. ``receipts``: wants the quarterly "still watching".
    """

    __tablename__ = "subscriber"
    id: int | None = Field(default=None, primary_key=True)
    channel: str
    address: bytes | None = None
    address_hash: str | None = None
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
    strikes: int = 0
    first_strike_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    __table_args__ = (
        sa.UniqueConstraint("channel", "address_hash"),
        sa.Index("ix_subscriber_state", "state"),
        sa.Index("ix_subscriber_digest_at", "digest_at"),
        # tokens and logs name subscribers by id: the id of a purged one is never given to somebody else
        {"sqlite_autoincrement": True},
    )


class Subscription(SQLModel, table=True):
    """What a subscriber asked for: one place of one source. ``within`` is the state of a ZIP (None for states and "US")."""

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


class Delivery(SQLModel, table=True):
    """One row of the outbox: one message owed to one subscriber.

    ``kind``: alert, digest, confirm, welcome, notice. ``state``: due, sent, failed, dropped (the subscriber left or was suppressed before).
    A due row is claimable when ``due_at`` has come and ``lease_until`` has not. ``period`` is the key of a digest or notice
    ("2026-W48"). ``ambiguous``: an earlier attempt may have arrived.

    There are 600,000 of a large changeset, so a row is kept cheap. ``changeset_id`` and ``subscriber_id`` are no foreign keys: PostgreSQL
    would check each by itself and lock its parent, twice the price of the row. Rows are written in transactions that read both
    parents; changesets are never deleted, subscribers together with their deliveries, and `store.retention` removes what was
    written for one at that very moment. The indexes hold only the rows that are asked for by them.
    """

    __tablename__ = "delivery"
    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    kind: str
    changeset_id: int | None = None
    period: str | None = None
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

    __table_args__ = (
        # in this order it also finds what somebody is owed
        sa.UniqueConstraint("subscriber_id", "changeset_id"),
        sa.Index(
            "uq_delivery_subscriber_id_kind_period",
            "subscriber_id",
            "kind",
            "period",
            unique=True,
            sqlite_where=sa.text("period IS NOT NULL"),
            postgresql_where=sa.text("period IS NOT NULL"),
        ),
        # for claims (what is due, the longest due first), and for the dead letters; see `store.outbox.IS_DUE`
        sa.Index(
            "ix_delivery_due_at",
            "due_at",
            sqlite_where=sa.text("state = 'due'"),
            postgresql_where=sa.text("state = 'due'"),
        ),
        sa.Index(
            "ix_delivery_settled_at_failed",
            "settled_at",
            sqlite_where=sa.text("state = 'failed'"),
            postgresql_where=sa.text("state = 'failed'"),
        ),
        # Message-IDs are made from ids: never the same one twice
        {"sqlite_autoincrement": True},
    )


class DigestChangeset(SQLModel, table=True):
    """A changeset that a digest or summary tells: once per subscriber, as an alert is."""

    __tablename__ = "digest_changeset"
    subscriber_id: int = Field(primary_key=True, foreign_key="subscriber.id")
    changeset_id: int = Field(primary_key=True, foreign_key="changeset.id")
    delivery_id: int = Field(sa_type=BigId, foreign_key="delivery.id")

    __table_args__ = (sa.Index("ix_digest_changeset_delivery_id", "delivery_id"),)


class Signup(SQLModel, table=True):
    """A sign-up as it came in, until the sender decides about it; what was typed is sealed as a whole."""

    __tablename__ = "signup"
    id: int | None = Field(default=None, primary_key=True)
    sealed: bytes
    at: datetime = Field(sa_type=UtcDateTime)


class Confirmation(SQLModel, table=True):
    """How often an address was written to because somebody typed it into the form, until its owner confirms; by keyed hash only."""

    __tablename__ = "confirmation"
    channel: str = Field(primary_key=True)
    address_hash: str = Field(primary_key=True)
    count: int
    at: datetime = Field(sa_type=UtcDateTime)


class RateWindow(SQLModel, table=True):
    """How many sign-ups came from one network (a keyed hash of it), or in all (``who`` "site"), in the hour from ``start`` on."""

    __tablename__ = "rate_window"
    who: str = Field(primary_key=True)
    start: datetime = Field(primary_key=True, sa_type=UtcDateTime)
    count: int


class Lane(SQLModel, table=True):
    """A part of a channel that must pause: a mail domain that refuses us, a chat that said retry_after."""

    __tablename__ = "lane"
    channel: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    until: datetime = Field(sa_type=UtcDateTime)
    reason: str


class Suppression(SQLModel, table=True):
    """An address that must not be written to again, by keyed hash only."""

    __tablename__ = "suppression"
    channel: str = Field(primary_key=True)
    address_hash: str = Field(primary_key=True)
    reason: str
    at: datetime = Field(sa_type=UtcDateTime)


class Progress(SQLModel, table=True):
    """How far the last deliveries have been confirmed sent, one row: the database's side of the fence."""

    __tablename__ = "progress"
    id: int = Field(default=1, primary_key=True)
    send_mark: int = Field(default=0, sa_type=sa.BigInteger)
