"""After the story: the site, a mailbox page, and the publishers as they are now, in real time, until Ctrl-C.

The last real release of the story is kept back for it: it arrives once somebody new has signed up and confirmed, so that a stranger sees
the whole way from the form to the alert.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import click
from sqlalchemy import Engine

from monitor import app
from monitor.config import Settings
from monitor.demo.mailbox import mailbox
from monitor.demo.publisher import DemoPublisher
from monitor.demo.story import LAST, Step
from monitor.fetch import Fetcher
from monitor.keys import KeyFile
from monitor.outbox import fan_out
from monitor.polling import PolledSource, PollResult, Result, poll
from monitor.storage import people
from monitor.storage.engine import reading
from monitor.web import assembly, joining

POLL_EVERY = 5.0  # seconds
SEND_EVERY = 1.0


def watch_on(
    settings: Settings,
    engine: Engine,
    keys: KeyFile,
    fetcher: Fetcher,
    watches: Mapping[str, PolledSource],
    publisher: DemoPublisher,
    at: socket.socket,
    files: Path,
    *,
    say: Callable[[str], None],
    tell: Callable[[PollResult], None],
    until: Callable[[], bool] = lambda: False,
) -> None:
    """Serve the site on ``at``, poll and send in real time. Ends when ``until`` says so, or by KeyboardInterrupt."""
    folder = settings.mailbox.folder
    assert folder is not None
    site_app, site = joining.application(settings, engine, keys, routers=[mailbox(folder)])
    here = settings.site.public_url
    say(
        click.style(f"\nThe site: {here}", bold=True)
        + f"   the mailbox: {here}/mailbox   (this machine only; Ctrl-C ends it)"
    )
    say(f"Sign up there with any address, for {LAST.suggested}, and confirm in the mailbox.")
    say(
        "The next real release of ICE's list is published then, and the alert is in the mailbox seconds later."
    )
    with assembly.served(site_app, at):
        threading.Thread(target=site.coverage.prime, name="placements", daemon=True).start()
        try:
            _loop(settings, engine, keys, fetcher, watches, publisher, files, say=say, tell=tell, until=until)
        except KeyboardInterrupt:
            say("\nended")


def _loop(
    settings: Settings,
    engine: Engine,
    keys: KeyFile,
    fetcher: Fetcher,
    watches: Mapping[str, PolledSource],
    publisher: DemoPublisher,
    files: Path,
    *,
    say: Callable[[str], None],
    tell: Callable[[PollResult], None],
    until: Callable[[], bool],
) -> None:
    locate = app.locator(settings)
    known = _active(engine)
    waiting: Step | None = LAST
    pause = threading.Event()
    rounds_per_poll = int(POLL_EVERY / SEND_EVERY)
    rounds = 0
    while not until():
        if waiting is not None and _active(engine) > known:
            say(f"\nSomebody confirmed. {waiting.says}")
            publisher.serve(waiting.source, waiting.content(files), name=waiting.file)
            waiting, rounds = None, 1  # not polled in this very round: the welcome goes out first
        if rounds % rounds_per_poll == 0:
            for watch in watches.values():
                outcome = poll(engine, watch, fetcher, now=app.now())
                if outcome.outcome not in {Result.UNCHANGED, Result.PENDING}:
                    say(f"\n{settings.infos[watch.name].title()}")
                    tell(outcome)
        fan_out(engine, locate=locate, now=app.now())
        asyncio.run(app.send_due(settings, engine, keys))
        rounds += 1
        pause.wait(SEND_EVERY)


def _active(engine: Engine) -> int:
    with reading(engine) as conn:
        return sum(1 for each in people.living(conn) if each.state == people.ACTIVE)
