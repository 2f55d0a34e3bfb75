"""One sender's leases on the deliveries of one channel: synchronous functions that are called in threads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from sqlalchemy.engine import Engine

from monitor.channels import EVERYTHING
from monitor.core.retry import CHANNEL_PAUSE
from monitor.domain import LaneLimit
from monitor.errors import StoreError
from monitor.keys import KeyFile
from monitor.outbox.clone_guard import CloneGuard
from monitor.outbox.outcomes import Outcome, OutcomeKind, SettledGroup
from monitor.outbox.prepare import SUMMARY_AFTER
from monitor.outbox.settle import settle
from monitor.storage import heartbeats
from monitor.storage.deliveries import pauses, queue, quiet_hours, rates, refusals, send_mark
from monitor.storage.deliveries.pauses import Pause, PauseSpan
from monitor.storage.deliveries.queue import DeliveryStatus
from monitor.storage.deliveries.rates import Turns
from monitor.storage.engine import Commits, SingleReads, reading, sqlite_path, transaction

LEASE = timedelta(minutes=2)
"""How long a lease lasts unless it is renewed; a crash delays its messages by this time."""
BATCH = 200
"""The most deliveries that are claimed at once."""


_unsettled: WeakKeyDictionary[Engine, dict[str, list[Outcome]]] = WeakKeyDictionary()
"""Accepted messages, by channel, that could not be settled: nothing else is sent before they are."""


@dataclass(frozen=True, slots=True)
class ClaimedBatch:
    """A claimed batch, with the facts that its sender needs.

    ``ids`` are the deliveries, ``paused`` the end of the pause of each paused lane. ``probe``: the channel
    was paused, and this one message tests whether the pause can end. ``spans`` are the pauses of the last
    weeks, ``accepted_at`` is when the server last accepted a message. ``rated`` are lanes with a rate limit.
    """

    ids: tuple[int, ...] = ()
    paused: dict[str, datetime] = field(default_factory=dict)
    probe: Pause | None = None
    spans: tuple[PauseSpan, ...] = ()
    accepted_at: datetime | None = None
    rated: frozenset[str] = frozenset()


class Leases:
    """The leases of one sender. ``owner`` is the unique name of this sender, which is stored in each leased
    row.

    ``local``: the database is a file on this machine, so that reading it waits for no network. Call `close`
    at the end.
    """

    def __init__(self, engine: Engine, keys: KeyFile, guard: CloneGuard, *, channel: str, owner: str) -> None:
        self.owner = owner
        self.local = engine.dialect.name == "sqlite"
        self._engine, self._keys, self._guard, self._channel = engine, keys, guard, channel
        self._commits = Commits(engine) if sqlite_path(engine) is not None else None
        self._single = SingleReads(engine)
        self._statuses: dict[int, DeliveryStatus] = {}
        self._read_at: int | None = None  # the database's commit counter when they were read

    def take(self, now: datetime, until: datetime) -> ClaimedBatch:
        """Claim a batch of what is due at ``until`` [T3].

        While a whole channel is paused, nothing is claimed; when the pause is over, one process claims one
        message, and all others wait for its outcome. The clone guard's count is incremented with the claim
        and is on the disk before this returns.
        """
        with reading(self._engine) as conn:
            # most rounds find nothing, and a write transaction would block others for nothing
            if not queue.has_due(conn, self._channel, now, until):
                return ClaimedBatch()
        with transaction(self._engine) as conn:
            heartbeats.write_beat(conn, "sender", self.owner, now)
            if (
                queue.has_quiet_hours(conn)
                and quiet_hours.postpone_quiet(conn, self._channel, now)
                and not queue.has_due(conn, self._channel, now, until)
            ):
                return ClaimedBatch()
            pauses.delete_expired(conn, now, keep=EVERYTHING)
            probe = pauses.begin_probe(conn, self._channel, EVERYTHING, now, now + CHANNEL_PAUSE)
            paused = {
                lane.name: lane.until
                for lane in pauses.read_pauses(conn, now)
                if lane.channel == self._channel
            }
            if probe is not None:
                del paused[EVERYTHING]
            elif EVERYTHING in paused:
                return ClaimedBatch(paused=paused)
            lease_until = now + LEASE
            claimed = queue.claim(
                conn,
                channel=self._channel,
                owner=self.owner,
                now=now,
                until=until,
                lease_until=lease_until,
                limit=BATCH if probe is None else 1,
            )
            ids = tuple(claimed)
            if any(created_at <= now - SUMMARY_AFTER for created_at in claimed.values()):
                ids += queue.claim_older(
                    conn,
                    ids,
                    owner=self.owner,
                    now=now,
                    created_until=now - SUMMARY_AFTER,
                    lease_until=lease_until,
                )
            count = send_mark.advance(conn, len(ids)) if ids else 0
            spans = pauses.load_spans(conn, self._channel, now - pauses.SPANS_KEPT)
            accepted_at = refusals.load_acceptance(conn, self._channel)
            rated = rates.load_rated(conn, self._channel, now)
        try:
            self._guard.advance(count)
        except StoreError:
            self.release(ids)
            raise
        return ClaimedBatch(ids, paused, probe, spans, accepted_at, rated)

    def read_statuses(self, ids: Collection[int], ahead: Iterable[int] = ()) -> dict[int, DeliveryStatus]:
        """Read the current status of claimed deliveries. ``ahead`` are those that will be needed next.

        In a SQLite file nothing changes between two commits, so one query serves all messages until the next
        commit.
        """
        if self._commits is None:
            with self._single.connection() as conn:
                return queue.load_statuses(conn, ids)
        number = self._commits.number()  # read before the rows: a commit in between is seen next time
        if number != self._read_at or not self._statuses.keys() >= set(ids):
            self._statuses = queue.load_statuses_at_once(self._commits, [*ids, *ahead])
            self._read_at = number
        return {id: self._statuses[id] for id in ids if id in self._statuses}

    def close(self) -> None:
        """Return the connections that this object holds."""
        self._single.close()
        if self._commits is not None:
            self._commits.close()

    def settle(self, outcomes: Sequence[Outcome], now: datetime) -> SettledGroup:
        """Write a group of outcomes in one transaction [T4]; returns what follows."""
        with transaction(self._engine) as conn:
            return settle(conn, self._keys, self._channel, self.owner, outcomes, now)

    def reserve(self, lane: str, now: datetime, count: int, limit: LaneLimit | None) -> Turns:
        """Reserve turns for messages to a lane with a rate limit."""
        with transaction(self._engine) as conn:
            return rates.reserve(conn, self._channel, lane, now, count, limit)

    def keep_unsettled(self, outcomes: Iterable[Outcome]) -> None:
        """Remember accepted messages whose settling failed, in the memory of this process."""
        accepted = [outcome for outcome in outcomes if outcome.kind is OutcomeKind.SENT]
        if accepted:
            _unsettled.setdefault(self._engine, {}).setdefault(self._channel, []).extend(accepted)

    def settle_kept(self, now: datetime) -> None:
        """Settle the deliveries that `keep_unsettled` remembers. Raises StoreError while that is impossible;
        nothing may be sent then, because on a full disk each round would send the same messages again.
        """
        kept = _unsettled.get(self._engine, {}).get(self._channel)
        if kept:
            self.settle(tuple(kept), now)
            del _unsettled[self._engine][self._channel]

    def unsettled_ids(self) -> frozenset[int]:
        """The deliveries that `keep_unsettled` remembers."""
        kept = _unsettled.get(self._engine, {}).get(self._channel, ())
        return frozenset(id for outcome in kept for id in outcome.ids)

    def renew(self, ids: Collection[int], now: datetime, stalled_since: datetime | None = None) -> None:
        """Renew these leases, and write a heartbeat of the sender.

        ``stalled_since``: the time since which a message has waited for the server's answer, if that is long;
        `monitor status` shows it.
        """
        with transaction(self._engine) as conn:
            heartbeats.write_beat(conn, "sender", self.owner, now)
            stalled = {} if stalled_since is None else {f"sending on {self._channel}": stalled_since}
            heartbeats.put_standing_loops(conn, self.owner, stalled)
            if ids:
                queue.renew(conn, self.owner, ids, now + LEASE)

    def advance_guard(self) -> None:
        """Advance the clone guard past everything that was settled, so that a copy made during the sending
        counts as older.
        """
        with transaction(self._engine) as conn:
            count = send_mark.advance(conn, 1)
        self._guard.advance(count)

    def release(self, ids: Collection[int]) -> None:
        """End these leases; the deliveries are due as before."""
        with transaction(self._engine) as conn:
            queue.release(conn, self.owner, ids)
