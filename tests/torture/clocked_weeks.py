"""A week of the service under libfaketime: started by `test_clocked_weeks`, the system's clock in a file.

    python -m tests.torture.clocked_weeks FOLDER CLOCK START DAYS

Each half hour it sets the clock and does what the service's loops do: poll what is due, fan out, queue and
send. Nothing here is told the time: the program asks the system. A JSON of what was sent goes to stdout.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import logging
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from monitor import app, config, subscribers
from monitor.app import Components
from monitor.core.tokens import Purpose
from monitor.outbox import fan_out
from monitor.polling import poll
from monitor.storage.engine import reading
from monitor.storage.lists import baseline
from tests.peers.http import Server
from tests.subscribers.conftest import token, who

STEP = timedelta(minutes=30)
SOURCE = "registry"
BEFORE = 300  # listings at the start
EVERY = timedelta(hours=7)  # a new agency
CONFIGURATION = """
[data]
folder = "data"
[mailbox]
folder = "mailbox"
[site]
contact = "me@watch.example"
[sources.ring]
enabled = false
[sources.ice-287g]
enabled = false
[sources.ice-287g-pending]
enabled = false
[sources.registry]
title = "The registry"
publisher = "Example State"
official_url = "{url}"
format = "table"
url = "{url}"
every = "1h"
columns = {{ name = "Agency", state = "State" }}
"""


class LineCounter(logging.Handler):
    """Counts what the program logs."""

    lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += 1


def write_list(server: Server, new: int) -> None:
    rows = [f"Old Town {number:03d} Police Department,IN" for number in range(BEFORE)]
    rows += [f"New Town {number:03d} Police Department,IN" for number in range(new)]
    server.put("/registry.csv", "\n".join(["Agency,State", *rows]).encode(), content_type="text/csv")


def add_people(components: Components, people: list[dict[str, Any]]) -> None:
    """Subscribers with their ways of being told, by the functions that the commands and pages call."""
    for one in people:
        given: Any = {"places": ("IN",), "sources": (SOURCE,)}
        now = app.now()
        subscribers.add(
            components.engine, components.keys, channel="email", address=one["address"], origin="operator",
            now=now, **given,
        )  # fmt: skip
        wish = subscribers.Preferences(
            language="en", frequency=one["frequency"], timezone=one["zone"], local_hour=one["hour"], **given
        )
        known = who(components.engine, components.keys, one["address"])
        subscribers.change(
            components.engine, components.keys, token(components.keys, Purpose.MANAGE, known), wish, now
        )


def read_memory() -> int:
    """Resident kilobytes of this process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


def play(folder: Path, clock: Path, start: datetime, days: int) -> dict[str, Any]:
    """Play ``days`` from ``start`` and return what was sent, published and measured."""

    def turn_to(moment: datetime) -> None:
        clock.write_text(str(int(moment.timestamp())))
        assert app.now() == moment, f"the clock is not faked: {app.now()} is not {moment}"

    counter = LineCounter()
    logging.getLogger("monitor").addHandler(counter)
    logging.getLogger("monitor").setLevel(logging.INFO)
    result: dict[str, Any] = {"mails": [], "published": {}, "memory": [], "lines": []}
    known: set[str] = set()
    mailbox = folder / "mailbox"
    with Server() as server:
        (folder / "config.toml").write_text(CONFIGURATION.format(url=server.url("/registry.csv")))
        settings = config.load(folder / "config.toml", {})
        turn_to(start)
        write_list(server, 0)
        with (
            Components.open(settings) as components,
            app.open_fetcher(settings, None) as fetcher,
            app.open_parser(settings) as parser,
        ):
            add_people(components, json.loads((folder / "people.json").read_text()))
            steps = int(timedelta(days=days) / STEP)
            for step in range(steps):
                moment = start + step * STEP
                turn_to(moment)
                new = int(step * STEP / EVERY)
                if f"New Town {new - 1:03d}" not in result["published"] and new:
                    write_list(server, new)
                    result["published"][f"New Town {new - 1:03d}"] = moment.timestamp()
                with reading(components.engine) as conn:
                    due = baseline.load_next_poll_at(conn, SOURCE)
                if due is None or due <= app.now():
                    source = components.polled_sources[SOURCE]
                    poll(components.engine, source, fetcher, now=app.now(), parser=parser)
                fan_out(components.engine, locate=components.locate, now=app.now())
                asyncio.run(app.send_due(components))
                for path in sorted(mailbox.glob("*.eml")):
                    if path.name not in known:
                        known.add(path.name)
                        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                        body = mail.get_body(("plain",))
                        assert body is not None
                        names = sorted(set(re.findall(r"New Town \d{3}", body.get_content())))
                        result["mails"].append([moment.timestamp(), str(mail["To"]), names])
                if (step + 1) % int(timedelta(days=1) / STEP) == 0:
                    result["memory"].append(read_memory())
                    result["lines"].append(counter.lines)
                    counter.lines = 0
    return result


if __name__ == "__main__":
    played = play(
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        datetime.fromisoformat(sys.argv[3]).astimezone(UTC),
        int(sys.argv[4]),
    )
    sys.stdout.write(json.dumps(played))
