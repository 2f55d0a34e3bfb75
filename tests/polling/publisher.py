"""A publisher of a small CSV list on a loopback server, and the watch that follows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import Any

from sqlalchemy.engine import Engine

from monitor.fetch import Fetcher, Target
from monitor.polling import PolledSource, PollResult, poll
from monitor.sources import ColumnMap, ParseOptions
from tests.peers.http import Answer, Server

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
COLUMNS = ColumnMap(name="Agency", state="State", county="County", since="Since", attributes=("Type",))


def agency(number: int, **cells: str) -> dict[str, str]:
    """A row of the list; rows of different numbers have neither name nor date in common and are never taken
    for renames of each other.
    """
    states = ("Illinois", "Indiana", "Ohio", "Texas")
    row = {
        "Agency": f"{_word(number)} {_word(number + 5000)} Police Department",
        "State": states[number % 4],
        "County": f"County {number % 7}",
        "Since": (date(2015, 1, 1) + timedelta(days=number)).isoformat(),
        "Type": "Jail",
    }
    return row | cells


def _word(number: int) -> str:
    drawn = blake2b(number.to_bytes(4), digest_size=8).digest()
    return "".join(("bcdfghjklmnprstvwz"[byte % 18]) + "aeiou"[byte // 18 % 5] for byte in drawn[:4]).title()


def agencies(count: int, start: int = 0) -> list[dict[str, str]]:
    return [agency(number) for number in range(start, start + count)]


def csv(rows: Iterable[dict[str, str]], columns: Iterable[str] | None = None) -> bytes:
    rows = list(rows)
    header = list(columns or rows[0])
    return (
        "\n".join(
            [",".join(header), *(",".join(row.get(name, "") for name in header) for row in rows)]
        ).encode()
        + b"\n"
    )


class Publication:
    """One source on a server, polled on a clock of the test's own: ``tick`` moves it on, ``poll`` asks
    once.
    """

    def __init__(self, server: Server, engine: Engine, fetcher: Fetcher) -> None:
        self.server = server
        self.engine = engine
        self.fetcher = fetcher
        self.now = START
        self.watch = PolledSource(
            name="list",
            every=HOUR,
            target=Target(url=server.url("/list.csv")),
            options=ParseOptions(name="list", format="table", columns=COLUMNS),
        )
        self._versions = 0

    def publish(self, rows: Iterable[dict[str, str]] | bytes, **answer: Any) -> None:
        """What is served from now on, under a new ETag."""
        self._versions += 1
        body = rows if isinstance(rows, bytes) else csv(rows)
        self.server.script("/list.csv", [Answer(body=body, **({"etag": f'"{self._versions}"'} | answer))])

    def poll(self, after: timedelta = HOUR) -> PollResult:
        """The next poll, so long after the last one."""
        self.now += after
        return poll(self.engine, self.watch, self.fetcher, now=self.now)

    def seen(self, rows: Iterable[dict[str, str]] | bytes, after: timedelta = HOUR) -> PollResult:
        """Publish and poll."""
        self.publish(rows)
        return self.poll(after)

    def reconfigure(self, **changes: Any) -> None:
        self.watch = replace(self.watch, **changes)
