"""`monitor run`: the parts of the service put together."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from filelock import FileLock, Timeout
from sqlalchemy import Engine

from monitor import app
from monitor.bot import assembly as bots
from monitor.bot import webhook
from monitor.config import Settings
from monitor.errors import BusyError
from monitor.outbox import fan_out
from monitor.polling import Result, poll
from monitor.schedule import Sender, Timer
from monitor.schedule import serve as serve_both
from monitor.storage import facts
from monitor.storage.engine import reading, transaction, turn
from monitor.storage.lists import baseline
from monitor.web import assembly, joining

log = logging.getLogger(__name__)


def serve(settings: Settings, *, web: bool) -> bool:
    """Run until stopped. False if a poll was still under way at the end. Raises BusyError, and whatever opening the parts raises."""
    engine = app.open_database(settings)
    with ExitStack() as closing:
        closing.callback(engine.dispose)
        closing.enter_context(only_service(settings, engine))
        keys = app.open_keys(settings, engine)
        app.follow_channels(settings, engine, keys)
        _tell_how_it_stands(settings)
        locate = app.locator(settings)
        watches = {name: app.watch(settings, name) for name in settings.watched}

        async def send(stop: asyncio.Event) -> None:
            await asyncio.to_thread(fan_out, engine, locate=locate, now=app.now())
            await app.send_due(settings, engine, keys, stop=stop, channels=channels)

        def beat() -> None:
            with transaction(engine) as conn:
                facts.beat(conn, "sender", app.owner(), app.now())

        sender = Sender(send, beat)
        with app.fetcher(settings) as fetcher, app.parser(settings) as parser:

            def poll_if_due(name: str) -> None:
                with turn(engine, f"poll {name}") as mine:
                    if not mine:
                        return
                    now = app.now()
                    with reading(engine) as conn:
                        due_at = baseline.next_poll_at(conn, name)
                    if due_at is not None and due_at > now:
                        return
                    outcome = poll(engine, watches[name], fetcher, now=now, parser=parser)
                bad = outcome.outcome in {Result.FAILED, Result.REJECTED}
                log.log(
                    logging.WARNING if bad else logging.INFO,
                    "%s: %s (%d added, %d removed, %d changed, %d pending, %d held)%s",
                    name, outcome.outcome, outcome.added, outcome.removed, outcome.changed, outcome.pending, outcome.held,
                    f": {outcome.reason}" if outcome.reason else "",
                )  # fmt: skip
                if outcome.outcome is Result.PUBLISHED:
                    sender.wake()

            channels = app.open_channels(settings)
            site = assembly.site(settings, engine)
            hook = settings.telegram.webhook_url
            talking = bots.bot(
                settings, engine, keys, channels, gazetteer=site.gazetteer, coverage=site.coverage
            )
            if talking and hook and not web:
                log.warning("the bot is left to a process that serves the site: it is told by its webhook")
                talking = None
            beside = [talking.serve] if talking else []
            if web:
                routers = []
                if talking and hook:
                    routers = [webhook.routes(talking, webhook.path_within(hook, settings.site.public_url))]
                site_app, _ = joining.application(
                    settings, engine, keys, wake=sender.wake, site=site, routers=routers
                )
                host, port = settings.site.listen_at
                listening = assembly.listening(host, port)
                closing.enter_context(assembly.served(site_app, listening, settings.site.trusted_proxies))
                threading.Thread(target=site.coverage.prime, name="placements", daemon=True).start()
            return serve_both(Timer(watches, poll_if_due), sender, *beside)


@contextmanager
def only_service(settings: Settings, engine: Engine) -> Iterator[None]:
    """On SQLite, one service per database: held by a lock on a file beside it. On PostgreSQL any number share the work."""
    if engine.dialect.name != "sqlite":
        yield
        return
    settings.data.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.data.folder / "service.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise BusyError from None
    try:
        yield
    finally:
        lock.release()


def _tell_how_it_stands(settings: Settings) -> None:
    """One look at the start, for the log of whoever started it."""
    configured = app.configured_channels(settings)
    log.info(
        "watching %s; sending by %s",
        ", ".join(settings.watched) or "nothing",
        ", ".join(sorted(configured)) or "no channel yet: deliveries wait",
    )
