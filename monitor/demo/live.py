"""The live part of the demo: the site, a mailbox page and the publishers in real time, until Ctrl-C.

The last release of the story is published once a new subscriber has confirmed, so that a visitor sees the
whole process from the form to the alert.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import click
from sqlalchemy import Engine

from monitor import app, web
from monitor.app import Components
from monitor.demo.mails import mailbox_router
from monitor.demo.publisher import DemoPublisher
from monitor.demo.story import LAST, Step
from monitor.fetch import Fetcher
from monitor.outbox import fan_out
from monitor.polling import PollOutcome, PollResult, poll
from monitor.settings_types import is_loopback
from monitor.storage import people
from monitor.storage.engine import reading
from monitor.web import server

POLL_EVERY = 5.0  # seconds
SEND_EVERY = 1.0


def go_live(
    components: Components,
    fetcher: Fetcher,
    publisher: DemoPublisher,
    at: socket.socket,
    files: Path,
    *,
    say: Callable[[str], None],
    tell: Callable[[PollResult], None],
    until: Callable[[], bool] = lambda: False,
) -> None:
    """Serve the site on ``at``, poll and send in real time, until Ctrl-C or until ``until`` returns True."""
    folder = components.settings.mailbox.folder
    assert folder is not None
    site = web.create(components, routers=[mailbox_router(folder)], recorded=True)
    here = components.settings.site.public_url
    local = is_loopback(at.getsockname()[0])
    reach = "this machine only" if local else "everybody who can reach this port"
    say(
        click.style(f"\nThe site: {here}", bold=True)
        + f"   the mailbox: {here}/mailbox   ({reach}; Ctrl-C ends it)"
    )
    say(f"Sign up there with any address, for {LAST.suggested}, and confirm in the mailbox.")
    say(
        "The next real release of ICE's list is published then,"
        " and the alert is in the mailbox seconds later."
    )
    with server.serve_in_thread(site, at):
        threading.Thread(target=components.coverage.prime, name="placements", daemon=True).start()
        try:
            _loop(components, fetcher, publisher, files, say=say, tell=tell, until=until)
        except KeyboardInterrupt:
            say("\nended")


def _loop(
    components: Components,
    fetcher: Fetcher,
    publisher: DemoPublisher,
    files: Path,
    *,
    say: Callable[[str], None],
    tell: Callable[[PollResult], None],
    until: Callable[[], bool],
) -> None:
    engine = components.engine
    known = _count_active(engine)
    waiting: Step | None = LAST
    pause = threading.Event()
    rounds_per_poll = int(POLL_EVERY / SEND_EVERY)
    rounds = 0
    while not until():
        if waiting is not None and _count_active(engine) > known:
            say(f"\nSomebody confirmed. {waiting.text}")
            publisher.serve(waiting.source, waiting.content(files), name=waiting.file)
            waiting, rounds = None, 1  # not polled in this round, so that the welcome is sent first
        if rounds % rounds_per_poll == 0:
            for source in components.polled_sources.values():
                outcome = poll(engine, source, fetcher, now=components.clock())
                if outcome.outcome not in {PollOutcome.UNCHANGED, PollOutcome.PENDING}:
                    say(f"\n{components.settings.infos[source.name].title()}")
                    tell(outcome)
            components.sign_record()  # so that the page of each change has a proof
        fan_out(engine, locate=components.locate, now=components.clock())
        asyncio.run(app.send_due(components))
        rounds += 1
        pause.wait(SEND_EVERY)


def _count_active(engine: Engine) -> int:
    with reading(engine) as conn:
        return sum(1 for each in people.load_living(conn) if each.state == people.ACTIVE)
