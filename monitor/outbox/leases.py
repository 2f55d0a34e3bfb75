"""One sender's claims on the deliveries of one channel: plain functions over the database, called in threads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy.engine import Engine

from monitor.channels import EVERYTHING
from monitor.errors import StoreError
from monitor.keys import KeyFile
from monitor.outbox.clone_guard import CloneGuard
from monitor.outbox.prepare import SUMMARY_AFTER
from monitor.outbox.settle import Outcome, settle
from monitor.storage import heartbeats
from monitor.storage.deliveries import pauses, queue, send_mark
from monitor.storage.deliveries.queue import DeliveryStatus
from monitor.storage.engine import Commits, reading, sqlite_path, transaction

LEASE = timedelta(minutes=2)
"""How long a claim lasts unless it is renewed: what a crash delays its messages by."""
BATCH = 200
"""How many deliveries are claimed at once."""


class Leases:
    """``owner`` is a name that nobody else ever claims under: a lease then says exactly who has a row in hand.

    ``local``: the database is a file here, so that reading it waits for no network. `close` ends it.
    """

    def __init__(self, engine: Engine, keys: KeyFile, fence: CloneGuard, *, channel: str, owner: str) -> None:
        self.owner = owner
        self.local = engine.dialect.name == "sqlite"
        self._engine, self._keys, self._fence, self._channel = engine, keys, fence, channel
        self._commits = Commits(engine) if sqlite_path(engine) is not None else None
        self._known: dict[int, DeliveryStatus] = {}
        self._known_at: int | None = None  # the number of `Commits` under which that was read

    def take(self, now: datetime, until: datetime) -> tuple[tuple[int, ...], dict[str, datetime]]:
        """Claim a batch of what is due at ``until`` [T3]; returns its ids, and the lanes that pause with the end of each pause.

        The mark of the fence goes up with the claim and is on the disk before this returns.
        """
        with reading(self._engine) as conn:
            # most rounds find nothing, and then nobody is kept from writing
            if not queue.any_due(conn, self._channel, now, until):
                return (), {}
        with transaction(self._engine) as conn:
            heartbeats.beat(conn, "sender", self.owner, now)
            pauses.delete_expired(conn, now)
            paused = {
                lane.name: lane.until
                for lane in pauses.read_pauses(conn, now)
                if lane.channel == self._channel
            }
            if EVERYTHING in paused:
                return (), paused
            lease_until = now + LEASE
            ids = queue.claim(
                conn,
                channel=self._channel,
                owner=self.owner,
                now=now,
                until=until,
                lease_until=lease_until,
                limit=BATCH,
            )
            ids += queue.claim_older(
                conn,
                ids,
                owner=self.owner,
                now=now,
                created_until=now - SUMMARY_AFTER,
                lease_until=lease_until,
            )
            mark = send_mark.advance(conn, len(ids)) if ids else 0
        try:
            self._fence.advance(mark)
        except StoreError:
            self.release(ids)
            raise
        return ids, paused

    def standing(self, ids: Collection[int], ahead: Iterable[int] = ()) -> dict[int, DeliveryStatus]:
        """How claimed deliveries stand at this moment. ``ahead`` are those that will be asked for next.

        On a SQLite file what was read stands until somebody commits, so one query serves all messages between two commits.
        """
        if self._commits is None:
            with reading(self._engine) as conn:
                return queue.standing(conn, ids)
        number = self._commits.number()  # before the rows: what is committed in between is seen next time
        if number != self._known_at or not self._known.keys() >= set(ids):
            with reading(self._engine) as conn:
                self._known = queue.standing(conn, [*ids, *ahead])
            self._known_at = number
        return {id: self._known[id] for id in ids if id in self._known}

    def close(self) -> None:
        """Nothing is claimed any more."""
        if self._commits is not None:
            self._commits.close()

    def settle(self, outcomes: Sequence[Outcome], now: datetime) -> None:
        """Write a group of outcomes down in one transaction [T4]."""
        with transaction(self._engine) as conn:
            settle(conn, self._keys, self._channel, self.owner, outcomes, now)

    def renew(self, ids: Collection[int], now: datetime) -> None:
        """Keep these for longer, and say that the sender works."""
        with transaction(self._engine) as conn:
            heartbeats.beat(conn, "sender", self.owner, now)
            if ids:
                queue.renew(conn, self.owner, ids, now + LEASE)

    def finish(self) -> None:
        """Raise the mark of the fence over everything that was settled: a copy of the database from the midst of it is an older one."""
        with transaction(self._engine) as conn:
            mark = send_mark.advance(conn, 1)
        self._fence.advance(mark)

    def release(self, ids: Collection[int]) -> None:
        """Give these back as they were."""
        with transaction(self._engine) as conn:
            queue.release(conn, self.owner, ids)
