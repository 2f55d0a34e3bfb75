"""Mails per second to a sink on this machine: the outbox and the mail channel against bare aiosmtplib, and
against building every message.

    python -m benchmarks.send [MAILS] [CONNECTIONS]

All ways send the same alert over the same number of connections to the same sink (another process). "bare"
sends bytes that were ready before the clock started: the limit. "the outbox" is a whole drain of a SQLite
file with full flushes: claimed, composed, the person's state read again before each, sent, settled. The goal
for both of ours is at least 80 % of the limit.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from email import policy
from email.message import EmailMessage
from multiprocessing.connection import Connection
from pathlib import Path

import aiosmtplib
import sqlalchemy as sa

from benchmarks import outbox
from monitor.channels.email.mime import Form, MailSender
from monitor.channels.email.transport import Email
from monitor.channels.placeholders import fill
from monitor.domain import (
    Change,
    Confidence,
    Envelope,
    Kind,
    Listing,
    Meaning,
    PlacementReason,
    Rendered,
    Told,
)
from monitor.messages import render
from monitor.messages.model import Alert, Sender
from monitor.outbox import drain, fan_out
from monitor.storage.engine import connect, transaction
from monitor.storage.migrate import upgrade

NOW = datetime(2026, 11, 24, 20, 7, tzinfo=UTC)
SENDER = "Map Monitor <alerts@watch.example>"


class Sink(asyncio.Protocol):
    """Takes everything at once: an answer per command, the end of DATA found by its dot."""

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
    told = Told(
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
    marks = {"asked": "Feb 3, 2026", "stop": f"mailto:alerts@watch.example?subject=stop%20{number:032x}"}
    return Envelope(number, f"person{number}@people.example", f"<{number}@watch.example>", placeholders=marks)


async def spread(
    numbers: Iterator[int], workers: int, work: Callable[[Iterator[int]], Awaitable[None]]
) -> float:
    """Seconds until the workers, who share the numbers, are done."""
    started = time.perf_counter()
    await asyncio.gather(*(work(numbers) for _ in range(workers)))
    return time.perf_counter() - started


async def bare(port: int, mails: int, connections: int) -> float:
    """aiosmtplib's own sendmail with ready-made bytes."""
    form = Form(example(), MailSender.parse(SENDER))
    ready = [form.fill(envelope(number), NOW) for number in range(mails)]

    async def work(numbers: Iterator[int]) -> None:
        async with aiosmtplib.SMTP(
            hostname="127.0.0.1", port=port, start_tls=False, local_hostname="bench.example"
        ) as client:
            for number in numbers:
                await client.sendmail(
                    "alerts@watch.example", [f"person{number}@people.example"], ready[number]
                )

    return await spread(iter(range(mails)), connections, work)


def opened(port: int, connections: int) -> Email:
    return Email(
        host="127.0.0.1",
        port=port,
        sender=SENDER,
        clock=lambda: NOW,
        security="none",
        connections=connections,
        bounce_token=lambda envelope: f"{envelope.delivery:x}",
    )


async def channel(port: int, mails: int, connections: int) -> float:
    """The mail channel: each mail filled for its recipient as it is sent."""
    message = example()
    async with opened(port, connections) as out:

        async def work(numbers: Iterator[int]) -> None:
            for number in numbers:
                await out.send(message, envelope(number))

        return await spread(iter(range(mails)), connections, work)


async def ledger(port: int, mails: int, connections: int) -> float:
    """A whole drain: what is owed is a row before it is sent, and again when it is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = connect(f"sqlite:///{folder / 'bench.db'}")
        upgrade(engine, folder=folder, now=outbox.NOW)
        outbox.populate(engine, mails * 10 // 7 + 10)
        outbox.publish(engine, states=outbox.STATES)
        fan_out(engine, locate=outbox.locate, now=outbox.NOW)
        with transaction(engine) as conn:
            conn.execute(
                sa.text("DELETE FROM delivery WHERE id > (SELECT min(id) + :n - 1 FROM delivery)"),
                {"n": mails},
            )
        message = example()
        started = time.perf_counter()
        result = await drain(
            engine,
            {"email": opened(port, connections)},
            outbox.KEYS,
            loader=outbox.loader(engine),
            render=lambda *_: message,
            placeholders=lambda recipient: envelope(recipient.number).placeholders,
            folder=folder,
            domain="watch.example",
            owner="bench",
            clock=lambda: outbox.NOW,
        )
        took = time.perf_counter() - started
        engine.dispose()
        if result.sent != mails:
            raise RuntimeError(f"{result.sent} of {mails} were sent")
        return took


async def building(port: int, mails: int, connections: int) -> float:
    """A new EmailMessage for every recipient, as most programs do."""
    message = example()

    async def work(numbers: Iterator[int]) -> None:
        async with aiosmtplib.SMTP(
            hostname="127.0.0.1", port=port, start_tls=False, local_hostname="bench.example"
        ) as client:
            for number in numbers:
                to = envelope(number)
                mail = EmailMessage(policy=policy.SMTP)
                mail["From"], mail["To"], mail["Subject"] = SENDER, to.address, message.subject
                mail["Message-ID"] = to.message_id
                mail["List-Unsubscribe"] = f"<{to.placeholders['stop']}>"
                mail.set_content(fill(message.text, to.placeholders))
                mail.add_alternative(fill(message.html, to.placeholders), subtype="html")
                await client.send_message(mail)

    return await spread(iter(range(mails)), connections, work)


def main(mails: int = 3000, connections: int = 10, rounds: int = 3) -> None:
    ways = {
        "bare aiosmtplib, ready-made bytes (the limit)": bare,
        "the mail channel": channel,
        "the outbox through the mail channel": ledger,
        "an EmailMessage per recipient": building,
    }
    best: dict[str, float] = {}
    with sink() as port:
        for _ in range(rounds):
            for name, way in ways.items():
                count = mails if way is not building else max(mails // 5, 1)
                rate = count / asyncio.run(way(port, count, connections))
                best[name] = max(best.get(name, 0.0), rate)
    limit = next(iter(best.values()))
    form, to = Form(example(), MailSender.parse(SENDER)), envelope(1)
    started = time.perf_counter()
    for _ in range(2000):
        form.fill(to, NOW)
    print(f"{mails} mails, {connections} connections, best of {rounds}, Python {sys.version.split()[0]}\n")
    print("| way | mails/s | of the limit |\n|---|---|---|")
    for name, rate in best.items():
        print(f"| {name} | {rate:,.0f} | {rate / limit:.2f} |")
    print(
        f"\nfilling one mail: {(time.perf_counter() - started) / 2000 * 1e6:.0f} µs, "
        f"{len(form.fill(to, NOW)):,} bytes"
    )


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
