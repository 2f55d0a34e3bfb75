"""Mails per second to a sink on this machine: the outbox and the mail channel against bare aiosmtplib, and
against building every message.

    python -m benchmarks.send [MAILS] [CONNECTIONS] [ROUNDS] [--postgres] [--profile]

All ways send the same alert over the same number of connections to the same sink (another process). "bare"
sends bytes that were ready before the clock started: the limit. "the outbox" is a whole drain with full
flushes to disk: claimed, composed with the recipient's own links, the person's state read again before each,
sent, settled. The ways take turns in short rounds, and each round's ratio to its own "bare" is what counts:
the medians are printed, of the time by the clock and of the processor time of this process. `--profile` says
where a drain's processor time goes.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import multiprocessing
import pstats
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email import policy
from email.message import EmailMessage
from multiprocessing.connection import Connection
from pathlib import Path

import aiosmtplib
import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks import outbox
from monitor.channels.email.mime import Form, MailSender
from monitor.channels.email.transport import Email
from monitor.channels.placeholders import fill
from monitor.domain import (
    AlertedChange,
    Change,
    Confidence,
    Envelope,
    Kind,
    Listing,
    Meaning,
    PlacementReason,
    Rendered,
)
from monitor.messages import render
from monitor.messages.model import Alert, Sender
from monitor.outbox import Recipient, drain, fan_out
from monitor.outbox.recipient_placeholders import RecipientPlaceholders
from monitor.storage import schema
from monitor.storage.engine import connect, transaction
from monitor.storage.migrate import upgrade

NOW = datetime(2026, 11, 24, 20, 7, tzinfo=UTC)
SENDER = "Map Monitor <alerts@watch.example>"
PLACEHOLDERS = RecipientPlaceholders(
    outbox.KEYS, "alerts@watch.example", "https://watch.example", "America/Chicago"
)


class Sink(asyncio.Protocol):
    """Takes everything at once: an answer per command, the end of DATA found by its dot. It offers
    PIPELINING, as relays do, which aiosmtplib does not use.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._buffer, self._body = transport, b"", False
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            end = b"\r\n.\r\n" if self._body else b"\r\n"
            found, separator, rest = self._buffer.partition(end)
            if not separator:
                return
            self._buffer = rest
            if self._body:
                self._body = False
                self._transport.write(b"250 2.0.0 taken\r\n")
            elif found[:4].upper() == b"DATA":
                self._body = True
                self._transport.write(b"354 go on\r\n")
            elif found[:4].upper() == b"EHLO":
                self._transport.write(b"250-sink\r\n250 PIPELINING\r\n")
            else:
                self._transport.write(b"221 bye\r\n" if found[:4].upper() == b"QUIT" else b"250 ok\r\n")


def listen(pipe: Connection) -> None:
    """The sink's process: tells its port and runs until it is ended."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def sink() -> Iterator[int]:
    here, there = multiprocessing.Pipe()
    running = multiprocessing.get_context("spawn").Process(target=listen, args=(there,), daemon=True)
    running.start()
    try:
        yield here.recv()
    finally:
        running.terminate()
        running.join()


def example() -> Rendered:
    """An ordinary alert: one agency added."""
    listing = Listing(
        name="Hammond Police Department", key="h", state="IN", city="Hammond", since=date(2026, 11, 23)
    )
    told = AlertedChange(
        Change(Kind.ADDED, after=listing),
        ("46320",),
        PlacementReason("covers", ("Hammond",)),
        Confidence.EXACT,
        NOW - timedelta(hours=1),
        NOW,
    )
    words = "Ring lists it as an agency on its Neighbors app. Listing alone gives no access to cameras."
    return render(
        Alert(
            source="ring",
            title="Ring's Active Agency Map",
            publisher="Ring",
            official_url="https://maps.example/ring",
            told=(told,),
            meaning=Meaning(date(2025, 1, 1), words, words, "Ring, 2025", date(2026, 11, 24)),
        ),
        Sender(site_name="Map Monitor", contact="hello@watch.example", timezone="America/Chicago"),
    )


def envelope(number: int) -> Envelope:
    recipient = Recipient(number, "email", "en", "x", outbox.NOW)
    return Envelope(
        number,
        f"person{number}@people.example",
        f"<{number:032x}@watch.example>",
        placeholders=PLACEHOLDERS(recipient),
    )


@dataclass(frozen=True)
class Run:
    """What all ways share: the sink's port, how many mails and connections, the rendered alert."""

    port: int
    mails: int
    connections: int
    message: Rendered


Way = Callable[[Run], outbox.Time]


def spread(run: Run, mails: int, work: Callable[[Iterator[int]], Awaitable[None]]) -> outbox.Time:
    """The time until as many workers as connections, who share the mails, are done."""

    async def all_of_them() -> None:
        numbers = iter(range(mails))
        await asyncio.gather(*(work(numbers) for _ in range(run.connections)))

    return outbox.timed(lambda: asyncio.run(all_of_them()))[1]


def bare(run: Run) -> outbox.Time:
    """aiosmtplib's own sendmail with ready-made bytes."""
    form = Form(run.message, MailSender.parse(SENDER))
    ready = [form.fill(envelope(number), NOW) for number in range(run.mails)]

    async def work(numbers: Iterator[int]) -> None:
        async with aiosmtplib.SMTP(
            hostname="127.0.0.1", port=run.port, start_tls=False, local_hostname="bench.example"
        ) as client:
            for number in numbers:
                await client.sendmail(
                    "alerts@watch.example", [f"person{number}@people.example"], ready[number]
                )

    return spread(run, run.mails, work)


def opened(run: Run) -> Email:
    return Email(
        host="127.0.0.1",
        port=run.port,
        sender=SENDER,
        clock=lambda: NOW,
        security="none",
        connections=run.connections,
        bounce_token=lambda envelope: envelope.placeholders["bounce"],
    )


def channel(run: Run) -> outbox.Time:
    """The mail channel: each mail filled for its recipient as it is sent."""

    async def send_all() -> None:
        numbers = iter(range(run.mails))
        async with opened(run) as out:

            async def work() -> None:
                for number in numbers:
                    await out.send(run.message, envelope(number))

            await asyncio.gather(*(work() for _ in range(run.connections)))

    return outbox.timed(lambda: asyncio.run(send_all()))[1]


def building(run: Run) -> outbox.Time:
    """A new EmailMessage for every recipient, as most programs do; a fifth of the mails."""

    async def work(numbers: Iterator[int]) -> None:
        async with aiosmtplib.SMTP(
            hostname="127.0.0.1", port=run.port, start_tls=False, local_hostname="bench.example"
        ) as client:
            for number in numbers:
                to = envelope(number)
                mail = EmailMessage(policy=policy.SMTP)
                mail["From"], mail["To"], mail["Subject"] = SENDER, to.address, run.message.subject
                mail["Message-ID"] = to.message_id
                mail["List-Unsubscribe"] = f"<{to.placeholders['stop']}>"
                mail.set_content(fill(run.message.text, to.placeholders))
                mail.add_alternative(fill(run.message.html, to.placeholders), subtype="html")
                await client.send_message(mail)

    took = spread(run, run.mails // 5, work)
    return outbox.Time(took.wall * 5, took.cpu * 5)


class Ledger:
    """A whole drain: what is owed is a row before it is sent, and again when it is.

    ``statements`` and ``commits`` are counted over all drains, ``sent`` are their mails.
    """

    def __init__(self, engine: Engine, folder: Path, mails: int) -> None:
        self.statements = self.commits = self.sent = 0
        self._engine, self._folder, self._mails = engine, folder, mails
        upgrade(engine, folder=folder, now=outbox.NOW)
        # neighbors share a ZIP, so the contents are few, as with one alert for everybody
        outbox.populate(engine, mails * 10 // 7 + 10, zips=outbox.STATES)
        outbox.publish(engine, states=outbox.STATES)
        self._counting = False
        sa.event.listen(engine, "before_cursor_execute", self._count_statement)
        sa.event.listen(engine, "commit", self._count_commit)

    def _count_statement(self, *_: object) -> None:
        self.statements += self._counting

    def _count_commit(self, _: object) -> None:
        self.commits += self._counting

    def __call__(self, run: Run) -> outbox.Time:
        self._owe_again()
        self._counting = True
        took = outbox.timed(lambda: asyncio.run(self._drain(run)))[1]
        self._counting = False
        return took

    def _owe_again(self) -> None:
        with transaction(self._engine) as conn:
            conn.execute(sa.delete(schema.DeliveryRow))
            conn.execute(sa.update(schema.ChangesetRow).values(fanned_out_at=None))
        fan_out(self._engine, locate=outbox.locate, now=outbox.NOW)
        with transaction(self._engine) as conn:
            conn.execute(
                sa.text("DELETE FROM delivery WHERE id > (SELECT min(id) + :n - 1 FROM delivery)"),
                {"n": self._mails},
            )
        with self._engine.connect() as conn:
            conn.execution_options(isolation_level="AUTOCOMMIT").execute(sa.text("ANALYZE"))

    async def _drain(self, run: Run) -> None:
        result = await drain(
            self._engine,
            {"email": opened(run)},
            outbox.KEYS,
            loader=outbox.loader(self._engine),
            render=lambda *_: run.message,
            placeholders=PLACEHOLDERS,
            folder=self._folder,
            domain="watch.example",
            owner="bench",
            clock=lambda: outbox.NOW,
        )
        if result.sent != self._mails:
            raise RuntimeError(f"{result.sent} of {self._mails} were sent")
        self.sent += result.sent


@contextmanager
def ledgers(mails: int, postgres: bool) -> Iterator[dict[str, Ledger]]:
    """The outbox on SQLite and, if wanted, on a PostgreSQL server that flushes as a real one does."""
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o711)
        engine = connect(f"sqlite:///{folder / 'bench.db'}")
        closing.callback(engine.dispose)
        found = {"the outbox on SQLite": Ledger(engine, folder / "sqlite", mails)}
        if postgres:
            from tests.peers.postgres import Postgres

            server = Postgres(folder / "server")
            server.start()
            closing.callback(server.stop)
            with psycopg.connect(server.url(), autocommit=True) as conn:
                for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                    conn.execute(f"ALTER SYSTEM SET {setting} = on")
                conn.execute("SELECT pg_reload_conf()")
            engine = connect(server.create("bench"))
            closing.callback(engine.dispose)
            found["the outbox on PostgreSQL"] = Ledger(engine, folder / "postgres", mails)
        yield found


def profile(way: Way, run: Run) -> None:
    """Print where the processor time of one drain goes."""
    profiler = cProfile.Profile(time.process_time)
    profiler.enable()
    way(run)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def main(mails: int = 1000, connections: int = 10, rounds: int = 7, *options: str) -> None:
    with sink() as port, ledgers(mails, "--postgres" in options) as outboxes:
        run = Run(port, mails, connections, example())
        ways: dict[str, Way] = {
            "bare aiosmtplib, ready-made bytes (the limit)": bare,
            "the mail channel": channel,
            **outboxes,
            "an EmailMessage per recipient": building,
        }
        if "--profile" in options:
            for name, ledger in outboxes.items():
                print(name)
                profile(ledger, run)
            return
        limit, *others = ways
        times: defaultdict[str, list[outbox.Time]] = defaultdict(list)
        for way in ways.values():  # nothing is measured that happens for the first time
            way(run)
        for number in range(rounds):
            for name in (limit, *others[number % len(others) :], *others[: number % len(others)]):
                times[name].append(ways[name](run))
        print(
            f"{mails} mails, {connections} connections, medians of {rounds} rounds, "
            f"Python {sys.version.split()[0]}\n"
        )
        print("| way | mails/s | of the limit | mails per processor second | of the limit |")
        print("|---|---|---|---|---|")
        for name, theirs in times.items():
            pairs = list(zip(times[limit], theirs, strict=True))
            wall = statistics.median(bare.wall / own.wall for bare, own in pairs)
            cpu = statistics.median(bare.cpu / own.cpu for bare, own in pairs)
            rate = mails / statistics.median(own.wall for own in theirs)
            work = mails / statistics.median(own.cpu for own in theirs)
            print(f"| {name} | {rate:,.0f} | {wall:.2f} | {work:,.0f} | {cpu:.2f} |")
        for name, ledger in outboxes.items():
            print(
                f"\n{name}: {ledger.statements / ledger.sent:.2f} statements and "
                f"{ledger.commits / ledger.sent:.3f} commits a mail"
            )
        form, to = Form(run.message, MailSender.parse(SENDER)), envelope(1)
        gc.collect()
        started = time.perf_counter()
        for _ in range(2000):
            form.fill(to, NOW)
        print(
            f"\nfilling one mail: {(time.perf_counter() - started) / 2000 * 1e6:.0f} µs, "
            f"{len(form.fill(to, NOW)):,} bytes"
        )


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    main(*numbers, *(argument for argument in sys.argv[1:] if argument.startswith("--")))
