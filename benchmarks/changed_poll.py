"""The cost of a changed poll for the worker, relative to version 0.1.0 without its parsing, in one run:
`python -m benchmarks.changed_poll FOLDER`.

FOLDER holds version 0.1.0 (`git worktree add FOLDER e61398b`). Both programs poll the same server in turn,
each in a process of its own: a list of 2,616 agencies (1.7 MB of KML), six of which change every time, and
the fan-out after it. It measures the processor time of the polling thread; today's parser is a process of its
own, and the time that 0.1.0 takes in its parser is left out.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

START = datetime(2026, 1, 1, tzinfo=UTC)
WARM, ROUNDS = 5, 40
GOAL = 1.2


def measure(poll_once: Callable[[datetime], float], database: str) -> None:
    """Poll whenever a line is read, and print its milliseconds."""
    now = START
    print(f"ready {database}", flush=True)
    for _ in sys.stdin:
        now += timedelta(hours=1)
        before = time.thread_time()
        left_out = poll_once(now)
        print(f"{(time.thread_time() - before - left_out) * 1000:.3f}", flush=True)


def measure_before(url: str, folder: Path) -> None:
    """Version 0.1.0, whose modules have other names."""
    from importlib import import_module

    before: Any = import_module
    db, fetch, migrate = before("monitor.db"), before("monitor.fetch"), before("monitor.migrate")
    sources, polling, dispatch = before("monitor.sources"), before("monitor.poll"), before("monitor.dispatch")
    gazetteer, journey = before("monitor.gazetteer").load(), before("monitor.poll.journey")
    engine = db.connect(f"sqlite:///{folder / 'before.db'}")
    migrate.upgrade(engine, folder=folder, now=START)
    spec = before("monitor.sources").SourceSpec(name="ring", format="mymaps")
    watch = polling.Watch(
        name="ring", title="Ring", every=timedelta(hours=1), target=fetch.Target(url=url), spec=spec
    )
    parsing = 0.0
    whole = journey.sources.parse

    def locate(source: str, listing: Any) -> Any:
        return gazetteer.locate(listing, source)

    def parse(body: bytes, spec: object) -> object:
        nonlocal parsing
        begun = time.thread_time()
        try:
            return whole(body, spec)
        finally:
            parsing += time.thread_time() - begun

    sources.parse = parse
    with fetch.Fetcher() as fetcher:

        def poll_once(now: datetime) -> float:
            nonlocal parsing
            parsing = 0.0
            polling.poll(engine, watch, fetcher, now=now)
            dispatch.fan_out(engine, locate=locate, now=now)
            return parsing

        measure(poll_once, "0.1.0")


def measure_now(url: str, folder: Path) -> None:
    """The program of today, with its parser in a process of its own."""
    from monitor.fetch import Fetcher, Target
    from monitor.outbox import fan_out
    from monitor.parser import ParserProcess
    from monitor.places import load
    from monitor.polling import PolledSource, poll
    from monitor.sources import ParseOptions
    from monitor.storage import migrate
    from monitor.storage.engine import connect

    engine = connect(f"sqlite:///{folder / 'now.db'}")
    migrate.upgrade(engine, folder=folder, now=START)
    watch = PolledSource(
        name="ring",
        every=timedelta(hours=1),
        target=Target(url=url),
        options=ParseOptions(name="ring", format="mymaps"),
        gazetteer=load,
    )
    gazetteer = load()
    with Fetcher() as fetcher, ParserProcess() as parser:

        def poll_once(now: datetime) -> float:
            poll(engine, watch, fetcher, now=now, parser=parser)
            fan_out(engine, locate=lambda source, listing: gazetteer.locate(listing, source), now=now)
            return 0.0

        measure(poll_once, "today")


def start(which: str, url: str, folder: Path, program: Path | None) -> subprocess.Popen[str]:
    environment = dict(os.environ, NO_PROXY="127.0.0.1")
    if program is not None:
        environment["PYTHONPATH"] = str(program)
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, which, url, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
    )
    assert process.stdout is not None
    if not process.stdout.readline().startswith("ready"):
        sys.exit(f"the program {which} did not start")
    return process


def ask(process: subprocess.Popen[str]) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main(program: Path) -> None:
    from benchmarks.history import Map
    from tests.peers.http import Server

    publisher = Map(etags=True, profiles=True)
    with tempfile.TemporaryDirectory() as given, Server() as server:
        folder, url = Path(given), server.url("/map.kml")
        server.put("/map.kml", publisher.body, etag='"first"')
        before = start("--before", url, folder, program.resolve())
        now = start("--now", url, folder, None)
        costs: dict[str, list[float]] = {"before": [], "now": []}
        for number in range(WARM + ROUNDS):
            publisher.change()
            server.put("/map.kml", publisher.body, etag=f'"{number}"')
            for name, process in (("before", before), ("now", now)):
                cost = ask(process)
                if number >= WARM:
                    costs[name].append(cost)
        for process in (before, now):
            process.kill()
            process.wait()
    were, are = statistics.median(costs["before"]), statistics.median(costs["now"])
    ratio = statistics.median(new / old for old, new in zip(costs["before"], costs["now"], strict=True))
    print(f"a changed poll and its fan-out, processor of the polling thread, median of {ROUNDS}:")
    print(f"0.1.0 less its parsing {were:8.1f} ms\ntoday                  {are:8.1f} ms")
    print(f"today is {ratio:.2f} x 0.1.0 (goal {GOAL})")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        {"--before": measure_before, "--now": measure_now}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
    elif len(sys.argv) == 2:
        main(Path(sys.argv[1]))
    else:
        sys.exit(__doc__)
