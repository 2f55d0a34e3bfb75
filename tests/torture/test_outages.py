"""Outages: a relay, a database or an hour of the clock that is away, and a crowd that is due at once."""

from __future__ import annotations

import gc
import os
import random
import sqlite3
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

import psutil
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.domain import Envelope, Rendered
from monitor.errors import StoreError
from monitor.keys import KeyFile
from monitor.outbox import fan_out, insert_due_digests
from monitor.outbox.commit import GROUP
from monitor.storage import engine as db
from monitor.storage import migrate, schema
from monitor.storage.deliveries.tables import DigestChangesetRow
from tests.outbox.test_relays import mail_to, owed
from tests.outbox.world import CHICAGO, HAMMOND, Recorder, World, locate
from tests.peers.postgres import Postgres
from tests.peers.smtp import SmtpPeer

FULL = bool(os.environ.get("MONITOR_TORTURE"))
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CROWD = 100_000
MEGABYTE = 1_000_000


def test_a_relay_that_is_away_for_six_hours_gets_everything_within_a_minute(
    sqlite_engine: Engine, keys: KeyFile, tmp_path: Path, now: datetime
) -> None:
    world, hours = World(sqlite_engine, keys, tmp_path / "data", now), 6 if FULL else 1
    owed(world, 200)
    with SmtpPeer(most=0) as peer:
        channel = mail_to(peer, world)
        world.send(channel)
        before = peer.refused_connections
        for _ in range(hours * 60):
            world.later(minutes=1)
            world.send(channel)
        assert peer.refused_connections - before <= hours * 60, "one probe a minute in all"
        most = 1 + -(-hours * 60 // 200)
        assert max(row.attempts for row in world.rows()) <= most, "the probes are spread over all"
        peer.most = None
        world.later(minutes=1)
        assert world.send(channel).sent == 200
    assert len({mail.recipient for mail in peer.mails}) == len(peer.mails) == 200


@contextmanager
def locked_now_and_then(path: str, lock: float, pause: float) -> Iterator[threading.Event]:
    """Another writer holds the database for so many seconds, again and again; the first time at least until
    the event is set that the block is given.
    """
    over, locked, outlasted = threading.Event(), threading.Event(), threading.Event()
    chance = random.Random(1)

    def hold() -> None:
        conn = sqlite3.connect(path, isolation_level=None, timeout=60)
        try:
            while not over.is_set():
                conn.execute("BEGIN IMMEDIATE")
                locked.set()
                over.wait(lock)
                outlasted.wait(600)
                conn.execute("ROLLBACK")
                over.wait(chance.uniform(0, pause))
        finally:
            conn.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert locked.wait(60)
    try:
        yield outlasted
    finally:
        over.set()
        outlasted.set()
        thread.join()


def test_a_database_that_others_lock_for_longer_than_we_wait_costs_no_copy(
    sqlite_engine: Engine, keys: KeyFile, tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30 seconds, of which a writer waits for a part; in CI all of it is a hundredth of that."""
    path = sqlite_engine.url.database
    assert path is not None
    lock = 30.0 if FULL else 0.3
    if not FULL:
        monkeypatch.setattr("monitor.outbox.commit._TRIES", (timedelta(milliseconds=5),) * 3)
    engine = db.connect(f"sqlite:///{path}", **({} if FULL else {"busy_timeout": timedelta(milliseconds=50)}))
    world = World(engine, keys, tmp_path / "data", now)
    owed(world, 60)
    channel = Recorder(concurrency=4)
    refused = 0
    with locked_now_and_then(path, lock, 0.1) as outlasted:
        for _ in range(8 if FULL else 30):
            try:
                world.send(channel)
            except StoreError:
                refused += 1
                outlasted.set()
            world.later(minutes=3)
    for _ in range(3):
        world.later(minutes=3)
        world.send(channel)
    assert refused > 0, "the lock never outlasted a writer"
    states = set(world.states())
    engine.dispose()
    assert states == {"sent"}
    assert set(Counter(handed.message_id for handed in channel.accepted).values()) == {1}
    assert len(channel.accepted) == 60


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the user under whom PostgreSQL runs can enter, as those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="monitor-restarts-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o711)
        yield folder


@pytest.mark.postgres
def test_immediate_restarts_of_postgres_lose_nothing(open_folder: Path, keys: KeyFile, now: datetime) -> None:
    restarts, people = (50, 2000) if FULL else (2, 60)
    folder = open_folder
    server = Postgres(folder / "server")
    server.start()
    try:
        url = server.create("torn")
        with psycopg.connect(url, autocommit=True) as conn:
            # what a real server does; the tests' one forgets a moment for speed
            conn.execute("ALTER DATABASE torn SET synchronous_commit = on")
        engine = db.connect(url)
        migrate.upgrade(engine, folder=folder, now=now)
        world = World(engine, keys, folder / "data", now)
        owed(world, people)
        channel, failures, chance = Recorder(concurrency=4), 0, random.Random(1)
        crashes = [threading.Timer(chance.uniform(0.0, 0.5), server.crash) for _ in range(restarts)]
        for crash in crashes:
            crash.start()
            for _ in range(3):
                try:
                    world.send(channel)
                except StoreError:
                    failures += 1
            crash.join()
            server.start()
            world.later(minutes=3)
        for _ in range(20):
            world.later(minutes=3)
            with suppress(StoreError):
                world.send(channel)
        assert set(world.states()) == {"sent"}
        copies = Counter(handed.message_id for handed in channel.accepted)
        assert len(copies) == people
        assert sum(copies.values()) - people <= failures * (channel.concurrency + GROUP)
        engine.dispose()
    finally:
        server.stop()


@pytest.mark.parametrize(
    "start",
    [datetime(2026, 3, 6, 12, tzinfo=UTC), datetime(2026, 10, 30, 12, tzinfo=UTC)],
    ids=["clocks go forward", "clocks go back"],
)
def test_digests_around_both_changes_of_the_clock_tell_everything_once(
    sqlite_engine: Engine, keys: KeyFile, tmp_path: Path, start: datetime
) -> None:
    """One in each hour of the night in which an hour is missing or comes twice, and changes all the time."""
    world = World(sqlite_engine, keys, tmp_path / "data", start)
    chicago = ZoneInfo("America/Chicago")
    hours = {}
    for hour in (0, 1, 2, 3, 8):
        first = start.astimezone(chicago).replace(hour=hour) + DAY
        person = world.person(
            f"h{hour}@a.example",
            "IL",
            frequency="daily",
            timezone="America/Chicago",
            local_hour=hour,
            digest_at=first.astimezone(UTC),
            digest_since=start,
        )
        hours[person] = hour
    told_at: defaultdict[int, list[datetime]] = defaultdict(list)
    changesets = []
    for quarter in range(5 * 24 * 4):
        world.now = start + quarter * 15 * MINUTE
        if quarter % 2 and world.now < start + 3 * DAY:
            changesets.append(world.publish(CHICAGO))
            fan_out(world.engine, locate=locate, now=world.now)
        known = {row.id for row in world.rows()}
        insert_due_digests(world.engine, world.now)
        for row in world.rows():
            if row.id not in known:
                told_at[row.subscriber_id].append(world.now.astimezone(chicago))
    with db.reading(world.engine) as conn:
        told = conn.execute(sa.select(DigestChangesetRow.c.subscriber_id, DigestChangesetRow.c.changeset_id))
        by_person: defaultdict[int, list[int]] = defaultdict(list)
        for person, changeset in told:
            by_person[person].append(changeset)
    assert {person: sorted(them) for person, them in by_person.items()} == dict.fromkeys(hours, changesets)
    for person, moments in told_at.items():
        days = [moment.date() for moment in moments]
        # the changes end at 6 or 7 in the morning of the fourth day
        assert len(set(days)) == len(days) == (3 if hours[person] == 8 else 4), "one a day"
        # 2:00 does not exist on the day on which the clocks go forward
        allowed = {hours[person], 3} if hours[person] == 2 else {hours[person]}
        assert {moment.hour for moment in moments} <= allowed
    assert len(world.rows()) == 4 * len(hours) - 1


class Crowded:
    """A channel that accepts and keeps nothing. ``peak``: the most memory, in bytes, of this process."""

    name = "email"
    concurrency = 10

    def __init__(self) -> None:
        self.accepted = self.peak = 0
        self._process = psutil.Process()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def lane(self, address: str) -> str:
        return address.rpartition("@")[2]

    async def send(self, message: Rendered, envelope: Envelope) -> None:
        self.accepted += 1
        if self.accepted % 500 == 0:
            self.peak = max(self.peak, self._process.memory_info().rss)


def test_a_crowd_that_is_due_at_once_needs_little_memory(
    sqlite_engine: Engine, keys: KeyFile, tmp_path: Path, now: datetime
) -> None:
    crowd = CROWD if FULL else CROWD // 50
    world = World(sqlite_engine, keys, tmp_path / "data", now)
    first = world.person("first@a.example", "IN")
    numbers = "WITH RECURSIVE numbers(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < :n) "
    with db.transaction(sqlite_engine) as conn:
        columns = [
            column.name
            for column in sa.inspect(schema.SubscriberRow).local_table.columns
            if column.name not in {"id", "address_hash", "number"}
        ]
        names = ", ".join(columns)
        conn.execute(
            sa.text(
                f"INSERT INTO subscriber (id, address_hash, number, {names}) {numbers}"
                f"SELECT n, 'hash' || n, n, {names} FROM subscriber, numbers WHERE subscriber.id = :first"
            ),
            {"n": crowd, "first": first},
        )
        conn.execute(
            sa.text(
                "INSERT INTO subscription (subscriber_id, source, place, within, created_at) "
                f"{numbers} SELECT n, source, place, within, created_at FROM subscription, numbers"
            ),
            {"n": crowd},
        )
    world.publish(HAMMOND)
    channel = Crowded()
    gc.collect()
    idle = psutil.Process().memory_info().rss
    assert world.fan_out() == crowd
    world.send(channel)  # type: ignore[arg-type]
    assert channel.accepted == crowd
    assert channel.peak - idle <= 100 * MEGABYTE
