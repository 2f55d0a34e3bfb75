"""The outbox: deliveries claimed with a lease, and settled as sent, to be tried again, failed or dropped."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from monitor.storage.columns import UtcDateTime
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.engine import Commits, insert_for
from monitor.storage.lists.tables import ChangesetRow
from monitor.storage.people.subscribers import NUMBER
from monitor.storage.people.tables import SubscriberRow, SuppressionRow

DUE, SENT, FAILED, DROPPED = "due", "sent", "failed", "dropped"
ALERT, CONFIRM = "alert", "confirm"
IS_DUE = DeliveryRow.c.state == sa.literal(DUE, literal_execute=True)
"""A literal, not a bound parameter: only then can a database use the partial index of due rows."""
IS_FAILED = DeliveryRow.c.state == sa.literal(FAILED, literal_execute=True)
"""The same for dead letters."""
_AMBIGUOUS = sa.true()
_FREE: dict[str, Any] = {"lease_until": None, "owner": None}


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claimed delivery and its recipient.

    ``sealed`` is the encrypted address; ``attempts`` and ``ambiguous`` are from before this attempt.
    """

    id: int
    kind: str
    changeset: int | None
    source: str | None
    created_at: datetime
    attempts: int
    ambiguous: bool
    subscriber: int
    channel: str
    sealed: bytes | None
    language: str
    nonce: str
    number: int
    strikes: int
    origin: str
    own_line: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """The status of a claimed delivery at the moment of sending: its row, and its recipient."""

    state: str
    owner: str | None
    subscriber: str
    suppressed: bool
    kind: str = ALERT

    @property
    def waits(self) -> bool:
        """Whether it waits until the end of the subscriber's pause; only messages that somebody has just
        requested do not.
        """
        return self.subscriber == "paused" and self.kind != CONFIRM


@dataclass(frozen=True, slots=True)
class Retry:
    """A delivery that was not accepted now: when it is tried again, why, and whether it may have arrived."""

    id: int
    due_at: datetime
    error: str
    ambiguous: bool


@dataclass(frozen=True, slots=True)
class DueGroup:
    """The due messages of one channel and source: their number, and the times of the oldest and newest."""

    channel: str
    source: str | None
    count: int
    oldest: datetime
    newest: datetime


def has_due(conn: Connection, channel: str, now: datetime, until: datetime) -> bool:
    """Read whether a delivery of this channel can be claimed."""
    return bool(conn.scalar(sa.select(sa.exists(_claimable(channel, now, until)))))


def has_quiet_hours(conn: Connection) -> bool:
    """Read whether anybody has chosen quiet hours."""
    return bool(conn.scalar(sa.select(sa.exists().where(SubscriberRow.c.quiet_from.is_not(None)))))


def claim(
    conn: Connection,
    *,
    channel: str,
    owner: str,
    now: datetime,
    until: datetime,
    lease_until: datetime,
    limit: int,
) -> dict[int, datetime]:
    """Take up to ``limit`` deliveries of a channel that are due at ``until``, the longest due first; returns
    when each was created, by id.

    ``now`` decides which leases have expired. On PostgreSQL, rows that another process is claiming are
    skipped; on SQLite there is one writer at a time.
    """
    rows = conn.execute(
        _claimable(channel, now, until)
        .add_columns(DeliveryRow.c.created_at)
        # sorted only by due_at, which the index provides: a second column would require sorting everything
        # that became due at that moment
        .order_by(DeliveryRow.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=DeliveryRow)
    )
    chosen: dict[int, datetime] = {row.id: row.created_at for row in rows}
    _lease(conn, chosen, owner, lease_until)
    return chosen


def claim_older(
    conn: Connection,
    among: Collection[int],
    *,
    owner: str,
    now: datetime,
    created_until: datetime,
    lease_until: datetime,
) -> tuple[int, ...]:
    """Also claim all other due alerts from before ``created_until`` of subscribers with such an alert
    ``among`` the claimed ones.
    """
    people = sa.select(DeliveryRow.c.subscriber_id).where(
        DeliveryRow.c.id.in_(among),
        DeliveryRow.c.kind == ALERT,
        DeliveryRow.c.created_at <= created_until,
    )
    chosen = conn.scalars(
        sa.select(DeliveryRow.c.id)
        .where(
            DeliveryRow.c.subscriber_id.in_(people),
            DeliveryRow.c.state == DUE,
            DeliveryRow.c.kind == ALERT,
            DeliveryRow.c.created_at <= created_until,
            _free(now),
            DeliveryRow.c.id.not_in(among),
        )
        .order_by(DeliveryRow.c.id)
        .with_for_update(skip_locked=True)
    ).all()
    _lease(conn, chosen, owner, lease_until)
    return tuple(chosen)


def load_claimed(conn: Connection, ids: Collection[int]) -> tuple[Claimed, ...]:
    """Read the deliveries with these ids, by age."""
    rows: Any = conn.execute(_CLAIMED, {"ids": list(ids)})
    return tuple(Claimed(*row) for row in rows)


def renew(conn: Connection, owner: str, ids: Collection[int], lease_until: datetime) -> None:
    """Extend the leases of an owner."""
    conn.execute(_in_hand(owner).where(DeliveryRow.c.id.in_(ids)).values(lease_until=lease_until))


def release(conn: Connection, owner: str, ids: Collection[int]) -> None:
    """Release an owner's leases; the deliveries are as before the claim."""
    conn.execute(_in_hand(owner).where(DeliveryRow.c.id.in_(ids)).values(**_FREE))


def postpone(conn: Connection, owner: str, ids: Collection[int], due_at: datetime) -> None:
    """Release deliveries that cannot be tried before ``due_at``, without counting an attempt."""
    conn.execute(_in_hand(owner).where(DeliveryRow.c.id.in_(ids)).values(due_at=due_at, **_FREE))


def load_statuses(conn: Connection, ids: Collection[int]) -> dict[int, DeliveryStatus]:
    """Read the current status of claimed deliveries."""
    rows: Any = conn.execute(_STANDING, {"ids": list(ids)})
    return {delivery: DeliveryStatus(*rest) for delivery, *rest in rows}


def load_statuses_at_once(commits: Commits, ids: Collection[int]) -> dict[int, DeliveryStatus]:
    """The same in a SQLite file, without a transaction. Raises StoreError."""
    rows = commits.read(_STANDING_IN_FILE, json.dumps(list(ids)))
    return {
        delivery: DeliveryStatus(state, owner, subscriber, bool(suppressed), kind)
        for delivery, state, owner, subscriber, suppressed, kind in rows
    }


def settle_sent(conn: Connection, ids: Collection[int], now: datetime) -> None:
    """Settle accepted deliveries, whichever sender holds the lease, even if their subscriber has left."""
    conn.execute(_SENT, {"ids": list(ids), "now": now})


def write_references(conn: Connection, rows: Iterable[tuple[int, int | None, str | None]]) -> None:
    """Write, for accepted deliveries, the delivery with which each was sent and the server's id of the
    message: (delivery, sent with, reference).
    """
    values = [{"row_id": id, "with_id": sent_with, "called": reference} for id, sent_with, reference in rows]
    if values:
        conn.execute(_REFERENCES, values)


def forget_references(conn: Connection, subscriber: int) -> None:
    """Delete the server's ids of a subscriber's messages, which are not valid under a new address."""
    conn.execute(
        sa.update(DeliveryRow)
        .where(DeliveryRow.c.subscriber_id == subscriber, DeliveryRow.c.reference.is_not(None))
        .values(reference=None)
    )


def schedule_retries(conn: Connection, owner: str, again: Iterable[Retry]) -> None:
    """Schedule deliveries that were not accepted for a retry; ``ambiguous`` is never reset."""
    for each in again:
        conn.execute(
            _in_hand(owner)
            .where(DeliveryRow.c.id == each.id)
            .values(
                due_at=each.due_at,
                attempts=DeliveryRow.c.attempts + 1,
                ambiguous=_AMBIGUOUS if each.ambiguous else DeliveryRow.c.ambiguous,
                last_error=each.error,
                **_FREE,
            )
        )


def settle_failed(conn: Connection, owner: str, again: Iterable[Retry], now: datetime) -> None:
    """Give deliveries up: they become dead letters."""
    for each in again:
        conn.execute(
            _in_hand(owner)
            .where(DeliveryRow.c.id == each.id)
            .values(
                state=FAILED,
                attempts=DeliveryRow.c.attempts + 1,
                ambiguous=_AMBIGUOUS if each.ambiguous else DeliveryRow.c.ambiguous,
                last_error=each.error,
                settled_at=now,
                **_FREE,
            )
        )


def drop(conn: Connection, ids: Collection[int], reason: str, now: datetime) -> None:
    """Settle deliveries that are no longer wanted as dropped."""
    conn.execute(
        sa.update(DeliveryRow)
        .where(DeliveryRow.c.id.in_(ids), DeliveryRow.c.state == DUE)
        .values(state=DROPPED, last_error=reason, settled_at=now, **_FREE)
    )


def add_strike(conn: Connection, subscriber: int, now: datetime) -> tuple[int, datetime]:
    """Count a refusal against an address; returns how many there are and when the first was."""
    row = conn.execute(
        sa.update(SubscriberRow)
        .where(SubscriberRow.c.id == subscriber)
        .values(
            strikes=SubscriberRow.c.strikes + 1,
            first_strike_at=sa.func.coalesce(SubscriberRow.c.first_strike_at, sa.literal(now, UtcDateTime())),
        )
        .returning(SubscriberRow.c.strikes, SubscriberRow.c.first_strike_at)
    ).one()
    return row.strikes, row.first_strike_at


def clear_strikes(conn: Connection, subscribers: Collection[int]) -> None:
    """Forget refusals: the address has accepted a message."""
    conn.execute(
        sa.update(SubscriberRow)
        .where(SubscriberRow.c.id.in_(subscribers))
        .values(strikes=0, first_strike_at=None)
    )


def count_due(conn: Connection) -> int:
    """Count the messages that are due now or later, on any channel."""
    return conn.scalar(sa.select(sa.func.count()).select_from(DeliveryRow).where(IS_DUE)) or 0


def load_due_groups(conn: Connection) -> tuple[DueGroup, ...]:
    """Read the due messages, by channel and source."""
    rows = conn.execute(
        sa.select(
            SubscriberRow.c.channel,
            ChangesetRow.c.source,
            sa.func.count(),
            sa.func.min(DeliveryRow.c.created_at),
            sa.func.max(DeliveryRow.c.created_at),
        )
        .select_from(DeliveryRow)
        .join(SubscriberRow, SubscriberRow.c.id == DeliveryRow.c.subscriber_id)
        .outerjoin(ChangesetRow, ChangesetRow.c.id == DeliveryRow.c.changeset_id)
        .where(IS_DUE)
        .group_by(SubscriberRow.c.channel, ChangesetRow.c.source)
        .order_by(SubscriberRow.c.channel, ChangesetRow.c.source)
    )
    return tuple(DueGroup(*row) for row in rows)


def insert_message(
    conn: Connection,
    kind: str,
    subscriber: int,
    now: datetime,
    *,
    period: str,
    about: str = "",
    due_at: datetime | None = None,
) -> int | None:
    """Insert one message of a kind for a subscriber; returns None without writing if one of this period is
    due or was sent, or if there is no such subscriber.
    """
    values: dict[str, Any] = {
        "kind": sa.literal(kind),
        "channel": SubscriberRow.c.channel,
        "period": sa.literal(period),
        "about": sa.literal(about),
        "subscriber_id": SubscriberRow.c.id,
        "state": sa.literal("due"),
        "created_at": sa.literal(now, UtcDateTime()),
        "due_at": sa.literal(due_at or now, UtcDateTime()),
        "attempts": sa.literal(0),
        "ambiguous": sa.false(),
    }
    delivery: int | None = conn.scalar(
        insert_for(conn, DeliveryRow)
        .from_select(list(values), sa.select(*values.values()).where(SubscriberRow.c.id == subscriber))
        .on_conflict_do_nothing(
            index_elements=["subscriber_id", "kind", "period"],
            index_where=DeliveryRow.c.period.is_not(None),
        )
        .returning(DeliveryRow.c.id)
    )
    return delivery


def _claimable(channel: str, now: datetime, until: datetime) -> sa.Select[Any]:
    """Select due rows without a lease. Rows of a paused subscriber wait until the pause ends.

    It uses EXISTS instead of a join: SQLite without statistics would start with everybody on the channel.
    """
    return sa.select(DeliveryRow.c.id).where(
        IS_DUE,
        DeliveryRow.c.channel == channel,
        DeliveryRow.c.due_at <= until,
        _free(now),
        sa.exists().where(
            SubscriberRow.c.id == DeliveryRow.c.subscriber_id,
            sa.or_(SubscriberRow.c.state != "paused", DeliveryRow.c.kind == CONFIRM),
        ),
    )


def _free(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(DeliveryRow.c.lease_until.is_(None), DeliveryRow.c.lease_until <= now)


def _lease(conn: Connection, ids: Collection[int], owner: str, lease_until: datetime) -> None:
    if ids:
        conn.execute(_LEASE, {"ids": list(ids), "lease_until": lease_until, "owner": owner})


def _in_hand(owner: str) -> sa.Update:
    return sa.update(DeliveryRow).where(DeliveryRow.c.owner == owner, DeliveryRow.c.state == DUE)


# Built once: these run for every few messages, and building them takes several times as long as running them.
_LEASE = (
    sa.update(DeliveryRow)
    .where(DeliveryRow.c.id.in_(sa.bindparam("ids", expanding=True)))
    .values(lease_until=sa.bindparam("lease_until", type_=UtcDateTime()), owner=sa.bindparam("owner"))
)
_STATUSES = sa.select(
    DeliveryRow.c.id,
    DeliveryRow.c.state,
    DeliveryRow.c.owner,
    SubscriberRow.c.state,
    sa.exists().where(
        SuppressionRow.c.channel == SubscriberRow.c.channel,
        SuppressionRow.c.address_hash == SubscriberRow.c.address_hash,
    ),
    DeliveryRow.c.kind,
).join(SubscriberRow, SubscriberRow.c.id == DeliveryRow.c.subscriber_id)
_STANDING = _STATUSES.where(DeliveryRow.c.id.in_(sa.bindparam("ids", expanding=True)))
_STANDING_IN_FILE = str(
    _STATUSES.where(
        DeliveryRow.c.id.in_(sa.select(sa.func.json_each(sa.bindparam("ids")).table_valued("value").c.value))
    ).compile(dialect=sqlite.dialect(paramstyle="qmark"))
)
_CLAIMED = (
    sa.select(
        DeliveryRow.c.id,
        DeliveryRow.c.kind,
        DeliveryRow.c.changeset_id.label("changeset"),
        ChangesetRow.c.source,
        DeliveryRow.c.created_at,
        DeliveryRow.c.attempts,
        DeliveryRow.c.ambiguous,
        SubscriberRow.c.id.label("subscriber"),
        SubscriberRow.c.channel,
        SubscriberRow.c.address.label("sealed"),
        SubscriberRow.c.language,
        SubscriberRow.c.nonce,
        NUMBER.label("number"),
        SubscriberRow.c.strikes,
        SubscriberRow.c.origin,
        SubscriberRow.c.own_line,
    )
    .join(SubscriberRow, SubscriberRow.c.id == DeliveryRow.c.subscriber_id)
    .outerjoin(ChangesetRow, ChangesetRow.c.id == DeliveryRow.c.changeset_id)
    .where(DeliveryRow.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(DeliveryRow.c.due_at, DeliveryRow.c.id)
)
"""In the order of `Claimed`; a test compares them."""
_SENT = (
    sa.update(DeliveryRow)
    .where(DeliveryRow.c.id.in_(sa.bindparam("ids", expanding=True)))
    .values(
        state=SENT,
        attempts=DeliveryRow.c.attempts + 1,
        settled_at=sa.bindparam("now", type_=UtcDateTime()),
        last_error=None,
        **_FREE,
    )
)
_REFERENCES = (
    sa.update(DeliveryRow)
    .where(DeliveryRow.c.id == sa.bindparam("row_id"))
    .values(sent_with=sa.bindparam("with_id"), reference=sa.bindparam("called"))
)
