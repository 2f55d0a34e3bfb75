"""`monitor run`: the faces and loops of the service, tied together."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from typing import Self

from filelock import FileLock, Timeout
from sqlalchemy import Engine

from monitor import __version__, app, bot, web
from monitor.app import Components
from monitor.bot import Bot, webhook
from monitor.cli import alive
from monitor.config import Settings
from monitor.errors import BusyError
from monitor.fetch import Fetcher
from monitor.ops.metrics import serve_metrics
from monitor.ops.notify import OperatorNotifier
from monitor.outbox import fan_out
from monitor.parser import ParserProcess
from monitor.polling import PollResult, Result, poll
from monitor.record.signing import append_start
from monitor.schedule import PollTimer, Repeater, SenderLoop, run_until_stopped
from monitor.storage import heartbeats
from monitor.storage.engine import Commits, reading, sqlite_path, transaction, turn
from monitor.storage.lists import baseline
from monitor.storage.people import signups
from monitor.web import server

log = logging.getLogger(__name__)

CHECKPOINT_EVERY = timedelta(minutes=5)
NOTIFY_EVERY = timedelta(minutes=1)
LOOK_EVERY = timedelta(seconds=1)
"""How often the worker looks for sign-ups that the site has taken: a confirmation leaves within 2 s."""


def serve(settings: Settings, *, with_site: bool) -> bool:
    """Run the service until it is stopped. False if a poll was still running at the end.

    Raises BusyError, and whatever opening the parts raises.
    """
    with ExitStack() as closing:
        components = closing.enter_context(Components.open(settings))
        closing.enter_context(lock_service(settings, components.engine))
        app.follow_channels(components)
        _log_start(settings)
        sender = create_sender(components)
        recorder = create_recorder(components)
        fetcher = closing.enter_context(app.open_fetcher(settings))
        parser = closing.enter_context(app.open_parser(settings))
        timer = create_timer(components, fetcher, parser, sender.wake, recorder.wake)
        talking = bot.create(components)
        if talking and settings.telegram.webhook_url and not with_site:
            log.warning("the bot is not run here: its webhook needs a process that serves the site")
            talking = None
        if with_site:
            closing.enter_context(serve_site(components, sender.wake, talking))
        watch = closing.enter_context(SignupWatch(components.engine, sender.wake))
        loops: list[Callable[[asyncio.Event], Awaitable[object]]] = [
            recorder.run,
            Repeater("looking for sign-ups", watch.look, LOOK_EVERY).run,
        ]
        if (notifier := components.open_notifier()) is not None:
            loops.append(Repeater("notices to the operator", partial(_notify, notifier), NOTIFY_EVERY).run)
        if (listen := settings.operator.metrics_at) is not None:
            closing.enter_context(serve_metrics(components.load_health, *listen))
        if talking:
            loops.append(talking.serve)
        return run_until_stopped(timer, sender, *loops)


def create_sender(components: Components) -> SenderLoop:
    """Create the loop that fans out and drains the outbox."""

    async def send(stop: asyncio.Event) -> None:
        await asyncio.to_thread(fan_out, components.engine, locate=components.locate, now=components.clock())
        await app.send_due(components, stop=stop)

    def beat() -> None:
        with transaction(components.engine) as conn:
            heartbeats.beat(conn, "sender", app.process_name(), components.clock())
        alive.touch(components.settings.data.folder)

    return SenderLoop(send, beat)


class SignupWatch:
    """Wakes the sender when the site, in another process, has taken a sign-up; a context manager.

    On SQLite a look costs one pragma while nobody has written.
    """

    def __init__(self, engine: Engine, wake: Callable[[], None]) -> None:
        self._engine, self._wake = engine, wake
        self._commits = Commits(engine) if sqlite_path(engine) is not None else None
        self._seen: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._commits is not None:
            self._commits.close()

    def look(self) -> None:
        """Look once, and wake the sender if a sign-up waits."""
        if self._commits is not None:
            number = self._commits.number()
            if number == self._seen:
                return
            self._seen = number
        with reading(self._engine) as conn:
            pending = signups.any_pending(conn)
        if pending:
            self._wake()


def create_recorder(components: Components) -> Repeater:
    """Create the loop that signs the record: at the start, after each publication, and every few minutes."""
    append_start(components.engine, __version__, components.clock())
    return Repeater("the record", components.sign_record, CHECKPOINT_EVERY)


def create_timer(
    components: Components, fetcher: Fetcher, parser: ParserProcess, *wakes: Callable[[], None]
) -> PollTimer:
    """Create the loop that polls each source when it is due; ``wakes`` are called when a poll published
    changes.
    """
    sources = components.polled_sources

    def poll_if_due(name: str) -> None:
        with turn(components.engine, f"poll {name}") as mine:
            if not mine:
                return
            now = components.clock()
            with reading(components.engine) as conn:
                due_at = baseline.next_poll_at(conn, name)
            if due_at is not None and due_at > now:
                return
            result = poll(components.engine, sources[name], fetcher, now=now, parser=parser)
        _log_poll(result)
        if result.outcome is Result.PUBLISHED:
            for wake in wakes:
                wake()

    return PollTimer(sources, poll_if_due)


@contextmanager
def serve_site(components: Components, wake: Callable[[], None], talking: Bot | None) -> Iterator[None]:
    """Serve the site, with the bot's webhook where it has one, until the end of the block."""
    settings, routers = components.settings, []
    if talking and (hook := settings.telegram.webhook_url):
        routers = [webhook.routes(talking, webhook.path_within(hook, settings.site.public_url))]
    site = web.create(components, wake=wake, routers=routers)
    with server.serve_in_thread(
        site, server.open_socket(*settings.site.listen_at), settings.site.trusted_proxies
    ):
        threading.Thread(target=components.coverage.prime, name="placements", daemon=True).start()
        yield


@contextmanager
def lock_service(settings: Settings, engine: Engine) -> Iterator[None]:
    """On SQLite, hold the lock file that allows one service per database. On PostgreSQL many share the work.

    Raises BusyError.
    """
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


def _notify(notifier: OperatorNotifier) -> None:
    """Look once, in a thread of its own: a mail server that hangs holds up nothing else."""
    asyncio.run(notifier.look())


def _log_poll(result: PollResult) -> None:
    bad = result.outcome in {Result.FAILED, Result.REJECTED}
    log.log(
        logging.WARNING if bad else logging.INFO,
        "%s: %s (%d added, %d removed, %d changed, %d pending, %d held)%s",
        result.source,
        result.outcome,
        result.added,
        result.removed,
        result.changed,
        result.pending,
        result.held,
        f": {result.reason}" if result.reason else "",
    )


def _log_start(settings: Settings) -> None:
    channels = app.configured_channels(settings)
    log.info(
        "watching %s; sending by %s",
        ", ".join(settings.watched) or "nothing",
        ", ".join(sorted(channels)) or "no channel yet: deliveries wait",
    )
