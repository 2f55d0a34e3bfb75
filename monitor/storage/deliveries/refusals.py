"""Permanent refusals, and whether they concern the recipient or us.

A refusal is open until the server accepts a message for another lane (a mail domain): only then is it known
to concern the recipient, and is confirmed. A server that refuses nearly everybody alike refuses us: such a
wave is reversed, and its deliveries are due again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.deliveries.queue import FAILED, clear_strikes
from monitor.storage.deliveries.tables import AcceptanceRow, DeliveryRow, RefusalRow
from monitor.storage.engine import insert_for
from monitor.storage.people import lock
from monitor.storage.people.tables import SubscriberRow

OPEN, CONFIRMED, TAKEN_BACK, RETURNED = "open", "confirmed", "taken back", "returned"
GONE, STRIKE, CONTENT, POLICY = "gone", "strike", "content", "policy"
KEPT = timedelta(days=60)
"""How long refusals are kept; during this time a wave can be viewed and undone."""
WAVE_PEOPLE, WAVE_LANES = 3, 2
"""The number of people and of lanes that are refused alike, while nobody is accepted, from which it is a
wave.
"""
_MINUTE = timedelta(minutes=1)
_IS_OPEN = RefusalRow.c.state == sa.literal(OPEN, literal_execute=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One refused delivery; ``lane`` is a keyed hash, ``answer`` what is alike in the replies of a wave."""

    channel: str
    subscriber: int
    delivery: int | None
    lane: str
    answer: str
    error: str
    verdict: str
    at: datetime
    id: int = 0
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Wave:
    """Refusals with one answer: how many people and lanes, in which states, from when to when."""

    channel: str
    answer: str
    error: str
    people: int
    lanes: int
    open: int
    confirmed: int
    taken_back: int
    returned: int
    since: datetime
    until: datetime


def insert_refusals(conn: Connection, refusals: Iterable[Refusal], state: str = OPEN) -> None:
    """Write refusals, and delete those that are older than `KEPT`."""
    rows: list[dict[str, Any]] = [
        {
            "channel": each.channel,
            "subscriber_id": each.subscriber,
            "delivery_id": each.delivery,
            "lane": each.lane,
            "answer": each.answer,
            "error": each.error,
            "verdict": each.verdict,
            "state": state,
            "alone": each.alone,
            "at": each.at,
        }
        for each in refusals
    ]
    if rows:
        conn.execute(sa.delete(RefusalRow).where(RefusalRow.c.at < rows[0]["at"] - KEPT))
        conn.execute(sa.insert(RefusalRow), rows)


def load_open(conn: Connection, channel: str) -> tuple[Refusal, ...]:
    """Read the open refusals of a channel, oldest first; usually none."""
    rows = conn.execute(_OPEN_OF, {"channel": channel})
    return tuple(Refusal(**row) for row in rows.mappings())


def load_confirmed(conn: Connection, channel: str, since: datetime) -> tuple[Refusal, ...]:
    """Read the refusals of a channel since then that count against their recipients, oldest first."""
    rows = conn.execute(
        _COLUMNS.where(
            RefusalRow.c.channel == channel,
            RefusalRow.c.state == CONFIRMED,
            RefusalRow.c.at >= since,
        ).order_by(RefusalRow.c.id)
    )
    return tuple(Refusal(**row) for row in rows.mappings())


def find_wave(refusals: Collection[Refusal], accepted: Collection[str] = ()) -> tuple[Refusal, ...]:
    """Find open refusals that are alike for so many people that they must concern us; empty if there are
    none.

    ``accepted`` are the lanes whose messages were accepted meanwhile. If they are fewer than the refusing
    lanes, they do not disprove a wave: a relay that refuses to send for us may still deliver to its own
    domain. A complaint of one lane about us (`POLICY`) is a wave regardless of the other lanes.
    """
    candidates = [each for each in refusals if not each.alone and each.lane not in accepted]
    for answer in {each.answer: None for each in candidates}:
        alike = [each for each in candidates if each.answer == answer]
        if _are_many(alike) and len({each.lane for each in alike}) > len(set(accepted)):
            return tuple(alike)
    for lane in {each.lane: None for each in candidates}:
        theirs = [each for each in candidates if each.lane == lane and each.verdict == POLICY]
        if _are_many(theirs):
            return tuple(theirs)
    return ()


def _are_many(refusals: Iterable[Refusal]) -> bool:
    return len({each.subscriber for each in refusals}) >= WAVE_PEOPLE


def settle_refusals(conn: Connection, ids: Collection[int], state: str) -> None:
    """Write the new state of open refusals."""
    if ids:
        conn.execute(sa.update(RefusalRow).where(RefusalRow.c.id.in_(ids)).values(state=state))


def mark_alone(conn: Connection, ids: Collection[int]) -> None:
    """Write that the same lane accepted messages to other people after these refusals."""
    if ids:
        conn.execute(sa.update(RefusalRow).where(RefusalRow.c.id.in_(ids)).values(alone=True))


def fail_refused(conn: Connection, refusals: Iterable[Refusal], now: datetime) -> frozenset[int]:
    """Give up the deliveries of confirmed refusals that nobody is sending; they become dead letters. Returns
    their ids.
    """
    failed: set[int] = set()
    for each in refusals:
        given_up = conn.execute(
            sa.update(DeliveryRow)
            .where(
                DeliveryRow.c.id == each.delivery,
                DeliveryRow.c.state == "due",
                sa.or_(DeliveryRow.c.lease_until.is_(None), DeliveryRow.c.lease_until <= now),
            )
            .values(state=FAILED, settled_at=now, last_error=each.error, lease_until=None, owner=None)
        )
        if given_up.rowcount and each.delivery is not None:
            failed.add(each.delivery)
    return frozenset(failed)


def make_due(conn: Connection, refusals: Iterable[Refusal], now: datetime) -> None:
    """Make the deliveries of reversed refusals due, whether they wait or have failed."""
    ids = {each.delivery for each in refusals if each.delivery is not None}
    living = sa.exists(SubscriberRow.c.id).where(
        SubscriberRow.c.id == DeliveryRow.c.subscriber_id, SubscriberRow.c.address_hash.is_not(None)
    )
    conn.execute(
        sa.update(DeliveryRow)
        .where(
            DeliveryRow.c.id.in_(ids),
            DeliveryRow.c.state.in_(["due", FAILED]),
            sa.or_(DeliveryRow.c.lease_until.is_(None), DeliveryRow.c.lease_until <= now),
            living,
        )
        .values(state="due", due_at=now, settled_at=None)
    )


def note_acceptance(conn: Connection, channel: str, now: datetime) -> datetime | None:
    """Write that the server accepted a message, at most once a minute; returns the previous time."""
    known = load_acceptance(conn, channel)
    if known is not None and known <= now < known + _MINUTE:
        return known
    row = insert_for(conn, AcceptanceRow).values(channel=channel, at=now)
    conn.execute(row.on_conflict_do_update(index_elements=["channel"], set_={"at": row.excluded.at}))
    return known


def load_acceptance(conn: Connection, channel: str) -> datetime | None:
    """Read when the server last accepted a message, to the minute."""
    at: datetime | None = conn.scalar(_ACCEPTANCE, {"channel": channel})
    return at


def load_waves(conn: Connection, since: datetime) -> tuple[Wave, ...]:
    """Read the refusals since then by their answer, the newest wave last."""

    def count(state: str) -> sa.ColumnElement[int]:
        return sa.func.sum(sa.case((RefusalRow.c.state == state, 1), else_=0))

    rows = conn.execute(
        sa.select(
            RefusalRow.c.channel,
            RefusalRow.c.answer,
            sa.func.max(RefusalRow.c.error),
            sa.func.count(RefusalRow.c.subscriber_id.distinct()),
            sa.func.count(RefusalRow.c.lane.distinct()),
            count(OPEN),
            count(CONFIRMED),
            count(TAKEN_BACK),
            count(RETURNED),
            sa.func.min(RefusalRow.c.at),
            sa.func.max(RefusalRow.c.at),
        )
        .where(RefusalRow.c.at >= since)
        .group_by(RefusalRow.c.channel, RefusalRow.c.answer)
        .order_by(sa.func.max(RefusalRow.c.at), RefusalRow.c.answer)
    )
    return tuple(Wave(*row) for row in rows)


def load_wave(conn: Connection, channel: str, answer: str) -> tuple[Refusal, ...]:
    """Read the refusals of one wave that were not reversed."""
    rows = conn.execute(
        _COLUMNS.where(
            RefusalRow.c.channel == channel, RefusalRow.c.answer == answer, RefusalRow.c.state != TAKEN_BACK
        )
    )
    return tuple(Refusal(**row) for row in rows.mappings())


def restore(conn: Connection, channel: str, answer: str, now: datetime) -> tuple[int, int]:
    """Undo a wave: it no longer counts against its recipients, and their messages are due again, including
    mail that bounced.

    Returns the numbers of people and deliveries. Nothing is queued for a subscriber who has left.
    """
    wave = load_wave(conn, channel, answer)
    settle_refusals(conn, [each.id for each in wave], TAKEN_BACK)
    subscribers = sorted({each.subscriber for each in wave})
    lock(conn, subscribers)
    clear_strikes(conn, subscribers)
    return len(subscribers), requeue(conn, wave, now)


def load_last_sent(conn: Connection, subscriber: int, since: datetime) -> int | None:
    """Read the id of the last delivery that was sent to a subscriber, if that was after ``since``."""
    found: Any = conn.scalar(
        sa.select(DeliveryRow.c.id)
        .where(
            DeliveryRow.c.subscriber_id == subscriber,
            DeliveryRow.c.state == "sent",
            DeliveryRow.c.settled_at >= since,
        )
        .order_by(DeliveryRow.c.settled_at.desc(), DeliveryRow.c.id.desc())
        .limit(1)
    )
    return None if found is None else int(found)


def requeue(conn: Connection, refusals: Iterable[Refusal], now: datetime) -> int:
    """Make deliveries due again that failed, or were sent and came back; returns how many."""
    ids = {each.delivery for each in refusals if each.delivery is not None}
    living = sa.exists(SubscriberRow.c.id).where(
        SubscriberRow.c.id == DeliveryRow.c.subscriber_id, SubscriberRow.c.address_hash.is_not(None)
    )
    queued = conn.execute(
        sa.update(DeliveryRow)
        .where(
            DeliveryRow.c.id.in_(ids),
            DeliveryRow.c.state.in_(["due", "sent", FAILED]),
            sa.or_(DeliveryRow.c.lease_until.is_(None), DeliveryRow.c.lease_until <= now),
            living,
        )
        .values(state="due", due_at=now, attempts=0, settled_at=None)
    )
    return queued.rowcount


_COLUMNS = sa.select(
    RefusalRow.c.id,
    RefusalRow.c.channel,
    RefusalRow.c.subscriber_id.label("subscriber"),
    RefusalRow.c.delivery_id.label("delivery"),
    RefusalRow.c.lane,
    RefusalRow.c.answer,
    RefusalRow.c.error,
    RefusalRow.c.verdict,
    RefusalRow.c.at,
    RefusalRow.c.alone,
)
# built once: every settling runs these, and building a statement takes longer than running it
_OPEN_OF = _COLUMNS.where(_IS_OPEN, RefusalRow.c.channel == sa.bindparam("channel")).order_by(RefusalRow.c.id)
_ACCEPTANCE = sa.select(AcceptanceRow.c.at).where(AcceptanceRow.c.channel == sa.bindparam("channel"))
