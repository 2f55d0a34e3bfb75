"""Parts of channels that pause: a mail domain, a chat, or a whole channel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.channels import EVERYTHING
from monitor.storage.deliveries.tables import LaneRow, PauseSpanRow
from monitor.storage.engine import insert_for


@dataclass(frozen=True, slots=True)
class Pause:
    """A paused part of a channel, such as a mail domain or a chat: until when and why."""

    channel: str
    name: str
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class PauseSpan:
    """A time in which a part of a channel paused."""

    name: str
    since: datetime
    until: datetime


SPANS_KEPT = timedelta(days=60)
_SAME_TROUBLE = timedelta(minutes=30)
"""A pause that begins within this time after the end of the last one continues it: in between there was only
a probe.
"""


def set_pause(conn: Connection, channel: str, name: str, until: datetime, reason: str) -> None:
    """Pause a part of a channel; a later end replaces an earlier one."""
    row = insert_for(conn, LaneRow).values(channel=channel, name=name, until=until, reason=reason)
    conn.execute(
        row.on_conflict_do_update(
            index_elements=["channel", "name"],
            set_={"until": row.excluded.until, "reason": row.excluded.reason},
            where=LaneRow.c.until < row.excluded.until,
        )
    )


_PROBED_WITHIN = timedelta(minutes=5)

# Built once: every sign-up runs it, and building the statement takes ten times as long as running it.
_LANES = (
    sa.select(LaneRow.c.channel, LaneRow.c.name, LaneRow.c.until, LaneRow.c.reason)
    .where(
        sa.or_(
            LaneRow.c.until > sa.bindparam("now"),
            sa.and_(LaneRow.c.name == EVERYTHING, LaneRow.c.until > sa.bindparam("probed")),
        )
    )
    .order_by(LaneRow.c.channel, LaneRow.c.name)
)


def read_pauses(conn: Connection, now: datetime) -> tuple[Pause, ...]:
    """Read the parts of channels that are paused now, by channel and name.

    A whole channel is also paused while one message is tried after the pause: its outcome decides whether the
    pause ends.
    """
    return tuple(Pause(*row) for row in conn.execute(_LANES, {"now": now, "probed": now - _PROBED_WITHIN}))


def load_reason(conn: Connection, channel: str, name: str) -> str:
    """Read why a part of a channel pauses, or waits for its probe to be accepted; empty if it does not."""
    reason: str | None = conn.scalar(
        sa.select(LaneRow.c.reason).where(LaneRow.c.channel == channel, LaneRow.c.name == name)
    )
    return reason or ""


def delete_expired(conn: Connection, now: datetime, keep: str = "") -> None:
    """Delete expired pauses, except those of the lane ``keep``, which end when a probe is accepted."""
    conn.execute(sa.delete(LaneRow).where(LaneRow.c.until <= now, LaneRow.c.name != keep))


def begin_probe(conn: Connection, channel: str, name: str, now: datetime, until: datetime) -> Pause | None:
    """If a pause is over, reserve the probe: for all other processes the pause is extended to ``until``.

    Returns the former pause; None if none is over, or another process reserved the probe.
    """
    taken = conn.execute(
        sa.update(LaneRow)
        .where(LaneRow.c.channel == channel, LaneRow.c.name == name, LaneRow.c.until <= now)
        .values(until=until)
        .returning(LaneRow.c.reason)
    ).first()
    return None if taken is None else Pause(channel, name, until, taken.reason)


def end_pause(conn: Connection, channel: str, name: str, now: datetime) -> bool:
    """End a pause: the server has accepted a message. Returns whether there was one."""
    ended = conn.execute(sa.delete(LaneRow).where(LaneRow.c.channel == channel, LaneRow.c.name == name))
    if ended.rowcount:
        conn.execute(
            sa.update(PauseSpanRow)
            .where(PauseSpanRow.c.channel == channel, PauseSpanRow.c.name == name, PauseSpanRow.c.until > now)
            .values(until=now)
        )
    return ended.rowcount > 0


def extend_span(conn: Connection, channel: str, name: str, now: datetime, until: datetime) -> datetime:
    """Write that a lane pauses from now until then, as one span with a pause just before; returns since when.

    Spans older than `SPANS_KEPT` are deleted.
    """
    rows = PauseSpanRow.c
    last: Any = conn.execute(
        sa.select(rows.id, rows.since)
        .where(rows.channel == channel, rows.name == name, rows.until >= now - _SAME_TROUBLE)
        .order_by(rows.until.desc())
        .limit(1)
    ).first()
    if last is None:
        conn.execute(sa.delete(PauseSpanRow).where(rows.until < now - SPANS_KEPT))
        conn.execute(
            sa.insert(PauseSpanRow).values(channel=channel, name=name, since=now, until=max(now, until))
        )
        return now
    conn.execute(sa.update(PauseSpanRow).where(rows.id == last.id, rows.until < until).values(until=until))
    since: datetime = last.since
    return since


def load_spans(conn: Connection, channel: str, since: datetime) -> tuple[PauseSpan, ...]:
    """Read when the parts of a channel have paused after ``since``."""
    rows = PauseSpanRow.c
    found = conn.execute(
        sa.select(rows.name, rows.since, rows.until).where(rows.channel == channel, rows.until > since)
    )
    return tuple(PauseSpan(*row) for row in found)


def time_paused(
    spans: Iterable[PauseSpan], names: Iterable[str], since: datetime, now: datetime
) -> timedelta:
    """Compute how long, between ``since`` and now, at least one of these lanes paused. Pure."""
    wanted = set(names)
    paused, reached = timedelta(), since
    for span in sorted(spans, key=lambda span: span.since):
        if span.name in wanted:
            begin, end = max(span.since, reached), min(span.until, now)
            if end > begin:
                paused += end - begin
                reached = end
    return paused
