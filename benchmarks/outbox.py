"""The outbox compared with its limits: `python -m benchmarks.outbox [SUBSCRIPTIONS] [--postgres]`.

Fan-out against the bare INSERT ... SELECT of the same rows into a table with nothing but its unique key;
claim and settle by themselves; a whole drain with a channel that accepts at once. SQLite with full flushes;
`--postgres` starts a server of the tests' package as well.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.domain import Change, Confidence, Envelope, Kind, Listing, Placement, PlacementReason, Rendered
from monitor.keys import KeyFile
from monitor.messages import Message
from monitor.messages.model import Alert
from monitor.outbox import MessageLoader, Recipient, drain, fan_out
from monitor.storage import schema
from monitor.storage.deliveries import queue
from monitor.storage.engine import connect, transaction
from monitor.storage.lists.codec import change_to_columns
from monitor.storage.lists.coverage import Coverage
from monitor.storage.migrate import upgrade

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STATES = 50
ROUNDS = 3
KEYS = KeyFile.of_master(bytes(range(32)))

# the numbers 1 to :n, on either database
NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :n)",
    "postgresql": "WITH numbers(n) AS (SELECT generate_series(1, :n))",
}


class Accepting:
    """A channel that accepts at once: what is left is the outbox itself."""

    name = "email"
    concurrency = 10

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def lane(self, address: str) -> str:
        return address.rpartition("@")[2]

    async def send(self, message: Rendered, envelope: Envelope) -> None:
        await asyncio.sleep(0)


def populate(engine: Engine, subscriptions: int, zips: int = 40_000) -> None:
    """70 % as many people as subscriptions; all follow one of ``zips`` ZIPs, three in seven their state as
    well.
    """
    numbers = NUMBERS[engine.dialect.name]
    people = subscriptions * 7 // 10
    with transaction(engine) as conn:
        sealed = KEYS.seal("email", "somebody@watch.example")
        conn.execute(
            sa.text(
                "INSERT INTO subscriber (id, channel, address, address_hash, state, origin, language, "
                "frequency, nonce, created_at, strikes, receipts) "
                f"{numbers} SELECT n, 'email', :sealed, 'hash' || n, 'active', 'site', 'en', 'at_once', "
                "'x', :now, 0, true FROM numbers"
            ).bindparams(sa.bindparam("now", NOW, schema.UtcDateTime())),
            {"n": people, "sealed": sealed},
        )
        for suffix, place, within, count in (
            ("zip", f"'' || (10000 + n % {zips})", f"'S' || (n % {STATES})", people),
            ("state", f"'S' || (n % {STATES})", "NULL", subscriptions - people),
        ):
            conn.execute(
                sa.text(
                    "INSERT INTO subscription (subscriber_id, source, place, within, created_at) "
                    f"{numbers} SELECT n, 'ring', {place}, {within}, :now FROM numbers -- {suffix}"
                ).bindparams(sa.bindparam("now", NOW, schema.UtcDateTime())),
                {"n": count},
            )
    with engine.connect() as conn:
        conn.execution_options(isolation_level="AUTOCOMMIT").execute(sa.text("ANALYZE"))


def publish(engine: Engine, states: int) -> int:
    """One changeset of agencies that each serve a whole state, in ``states`` states."""
    with transaction(engine) as conn:
        changeset = conn.scalar(
            sa.insert(schema.ChangesetRow)
            .values(source="ring", number=1, at=NOW)
            .returning(schema.ChangesetRow.id)
        )
        for number in range(states):
            listing = Listing(name=f"State Police {number}", key=f"k{number}", state=f"S{number}")
            conn.execute(
                sa.insert(schema.ChangeRow).values(
                    source="ring", state="published", reason="", first_seen_at=NOW, was_held=False,
                    approved=False,
                    changeset_id=changeset,
                    **change_to_columns(Change(Kind.ADDED, after=listing), listing.key),
                )
            )  # fmt: skip
    assert changeset is not None
    return int(changeset)


def locate(source: str, listing: Listing) -> Placement:
    return Placement(
        (str(listing.state),),
        "state",
        Confidence.EXACT,
        PlacementReason("state", (str(listing.state),)),
        statewide=True,
    )


COLUMNS = (
    "kind TEXT, changeset_id INT, period TEXT, subscriber_id INT, state TEXT, created_at {at}, due_at "
    "{at}, attempts INT, lease_until {at}, owner TEXT, ambiguous {yes}, last_error TEXT, settled_at {at}"
)
TYPES = {"sqlite": {"at": "BIGINT", "yes": "INT"}, "postgresql": {"at": "TIMESTAMPTZ", "yes": "BOOLEAN"}}
KEY = {"sqlite": "INTEGER PRIMARY KEY", "postgresql": "BIGSERIAL PRIMARY KEY"}


def bare(engine: Engine, changeset: int) -> int:
    """The limit: the same rows into a table of the same columns with nothing but its unique key."""
    columns = COLUMNS.format(**TYPES[engine.dialect.name])
    with transaction(engine) as conn:
        conn.execute(sa.text("DROP TABLE IF EXISTS plain"))
        conn.execute(
            sa.text(
                f"CREATE TABLE plain (id {KEY[engine.dialect.name]}, {columns}, UNIQUE (changeset_id, "
                "subscriber_id))"
            )
        )
    with transaction(engine) as conn:
        return conn.execute(
            sa.text(
                "INSERT INTO plain (kind, changeset_id, subscriber_id, state, created_at, due_at, "
                "attempts, ambiguous) "
                "SELECT 'alert', :changeset, subscriber_id, 'due', :now, :now, 0, false FROM ("
                "SELECT s.subscriber_id FROM change_place p JOIN subscription s ON s.source = 'ring' AND "
                "s.place = p.place UNION "
                "SELECT s.subscriber_id FROM change_place p JOIN subscription s ON s.source = 'ring' AND "
                "s.within = p.place AND p.everyone"
                ") AS followers"
            )
            .bindparams(sa.bindparam("now", NOW, schema.UtcDateTime()))
            .execution_options(preserve_rowcount=True),
            {"changeset": changeset},
        ).rowcount


def fanned_out(engine: Engine) -> tuple[int, Time]:
    """The real thing on the same changeset, again as if for the first time."""
    emptied = "TRUNCATE delivery CASCADE" if engine.dialect.name == "postgresql" else "DELETE FROM delivery"
    with transaction(engine) as conn:
        conn.execute(sa.text(emptied))  # on PostgreSQL deleted rows would stay in the way
        conn.execute(sa.update(schema.ChangesetRow).values(fanned_out_at=None))
    return timed(lambda: fan_out(engine, locate=locate, now=NOW), server(engine))


@dataclass(frozen=True)
class Time:
    """Seconds by the clock and, of this process and the server's, by the processor."""

    wall: float
    cpu: float


def server(engine: Engine) -> psutil.Process | None:
    """The process that serves the one connection of the pool; None on SQLite."""
    if engine.dialect.name != "postgresql":
        return None
    with engine.connect() as conn:
        return psutil.Process(conn.scalar(sa.text("SELECT pg_backend_pid()")))


def worked(process: psutil.Process | None) -> float:
    """Seconds that this process, and that one, have computed so far."""
    other = sum(process.cpu_times()[:2]) if process else 0.0
    return time.process_time() + other


def timed(call: Callable[[], Any], process: psutil.Process | None = None) -> tuple[Any, Time]:
    gc.collect()
    wall, cpu = time.perf_counter(), worked(process)
    result = call()
    return result, Time(time.perf_counter() - wall, worked(process) - cpu)


def claim_and_settle(engine: Engine, batches: int, size: int = 200) -> tuple[float, float]:
    """Deliveries a second, claimed in batches and settled in groups of 50, one after the other."""
    claiming = settling = 0.0
    for _ in range(batches):

        def claim() -> tuple[int, ...]:
            with transaction(engine) as conn:
                return tuple(
                    queue.claim(
                        conn, channel="email", owner="bench", now=NOW, until=NOW,
                        lease_until=NOW + timedelta(minutes=2), limit=size
                    )
                )  # fmt: skip

        ids, seconds = timed(claim)
        claiming += seconds.wall

        def settle(ids: tuple[int, ...] = ids) -> None:
            for start in range(0, len(ids), 50):
                with transaction(engine) as conn:
                    queue.settle_sent(conn, ids[start : start + 50], NOW)

        settling += timed(settle)[1].wall
    return batches * size / claiming, batches * size / settling


def drained(engine: Engine, folder: Path, limit: int) -> float:
    """Messages a second of a drain whose channel accepts at once."""
    with transaction(engine) as conn:
        conn.execute(
            sa.text(
                "UPDATE delivery SET state = 'sent' WHERE state = 'due' AND id > (SELECT min(id) + :n FROM "
                "delivery WHERE state = 'due')"
            ),
            {"n": limit},
        )

    def render(message: Message) -> Rendered:
        assert isinstance(message, Alert)
        return Rendered(subject=message.source, text="text", html="<p>text</p>")

    def marks(recipient: Recipient) -> dict[str, str]:
        return {"stop": "mailto:stop@watch.example", "asked": "Feb 3, 2026"}

    result, seconds = timed(
        lambda: asyncio.run(
            drain(
                engine, {"email": Accepting()}, KEYS, loader=loader(engine),
                render=lambda _, message: render(message), placeholders=marks, folder=folder,
                domain="watch.example",
                owner="bench", clock=lambda: NOW,
            )
        )
    )  # fmt: skip
    return float(result.sent) / seconds.wall


def loader(engine: Engine) -> MessageLoader:
    """Message values without a configuration."""
    return MessageLoader({}, None, engine, Coverage(engine, (), locate), lambda: NOW)


def measure(name: str, engine: Engine, folder: Path, subscriptions: int) -> None:
    upgrade(engine, folder=folder, now=NOW)
    populate(engine, subscriptions)
    changeset = publish(engine, states=43)
    ours: list[Time] = []
    limits: list[Time] = []
    for _ in range(ROUNDS):
        rows, time_ = fanned_out(engine)
        ours.append(time_)
        limit_rows, time_ = timed(lambda: bare(engine, changeset), server(engine))
        limits.append(time_)
        assert rows == limit_rows, (rows, limit_rows)
    print(f"{name}: {rows:,} deliveries among {subscriptions:,} subscriptions, best of {ROUNDS}")
    for what in ("wall", "cpu"):
        whole, limit = (min(getattr(time_, what) for time_ in times) for times in (ours, limits))
        print(
            f"{name}, {what}: fan-out {whole:.2f} s, {rows / whole:,.0f}/s; bare INSERT ... SELECT "
            f"{limit:.2f} s, {rows / limit:,.0f}/s: {limit / whole:.0%}"
        )
    claims, settles = claim_and_settle(engine, batches=50)
    print(
        f"{name}: claims {claims:,.0f}/s in batches of 200, settles {settles:,.0f}/s in groups of 50, "
        f"{rows:,} due"
    )
    print(f"{name}: a drain with a channel that accepts at once: {drained(engine, folder, 20_000):,.0f}/s")


def main() -> None:
    subscriptions = int(next((argument for argument in sys.argv[1:] if argument.isdigit()), "1000000"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        engine = connect(f"sqlite:///{folder / 'bench.db'}")
        measure("SQLite", engine, folder / "sqlite", subscriptions)
        engine.dispose()
    if "--postgres" in sys.argv:
        from tests.peers.postgres import Postgres

        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            folder.chmod(0o711)
            server = Postgres(folder / "server")
            server.start()
            try:
                engine = connect(server.create("bench"))
                measure("PostgreSQL", engine, folder / "postgres", subscriptions)
                engine.dispose()
            finally:
                server.stop()
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
