"""`monitor run`: the faces and loops of the service, tied together."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from sqlalchemy import Engine

from monitor import __version__, app, web
from monitor.app import Components
from monitor.cli import alive, memory
from monitor.cli.document_list import read_documents
from monitor.cli.outgoing import OutgoingLoops, SignupWatch
from monitor.cli.supervisor import note_started
from monitor.config import Settings
from monitor.errors import BusyError, StoreError
from monitor.fetch import Fetcher
from monitor.ops.notify import OperatorNotifier
from monitor.parser import ParserProcess
from monitor.polling import PollOutcome, PollResult, poll
from monitor.record.signing import append_start
from monitor.schedule import PollTimer, Repeater, Running, SendingLoop, run_until_stopped
from monitor.storage import heartbeats
from monitor.storage.engine import exclusive_turn, reading, transaction
from monitor.storage.lists import baseline
from monitor.web import server

if TYPE_CHECKING:
    from monitor.bot import Bot
    from monitor.polling.agreement_keeper import AgreementKeeper

log = logging.getLogger(__name__)

CHECKPOINT_EVERY = timedelta(minutes=5)
NOTIFY_EVERY = timedelta(minutes=1)
DUMP_LOOK_EVERY = timedelta(hours=1)
BEAT = timedelta(seconds=20)
STANDS_STILL_AFTER = timedelta(minutes=2)
"""A round of a loop takes seconds, and a mail server answers within a minute; `monitor status` names loops
that take longer.
"""


def serve(settings: Settings, *, with_site: bool) -> bool:
    """Run the service until it is stopped. Returns False if something was still running at the end.

    Raises BusyError, and the errors of opening the parts.
    """
    memory.share_arena()
    with ExitStack() as closing:
        components = closing.enter_context(Components.open(settings))
        closing.enter_context(lock_service(settings, components.engine))
        closing.callback(note_end, components)
        app.follow_channels(components)
        app.canary_address(settings)  # report an error before anything starts
        _log_start(settings)
        watch = closing.enter_context(SignupWatch(components.engine))
        outgoing = OutgoingLoops(components, watch)
        recorder = create_recorder(components)
        parser = closing.enter_context(app.open_parser(settings))
        fetcher = closing.enter_context(app.open_fetcher(settings, parser))
        timer = create_timer(components, fetcher, parser, outgoing.fan_out.wake, recorder.wake)
        talking = create_bot(components)
        if with_site:
            closing.enter_context(serve_site(components, outgoing.wake))
        loops: list[Repeater | SendingLoop] = [*outgoing.all, recorder]
        loops.append(Repeater("dumps of the record", partial(app.dump_record, components), DUMP_LOOK_EVERY))
        if settings.documents.where is not None:
            read = partial(read_documents, components)
            loops.append(Repeater("the file of documents", read, settings.documents.every))
        if (keeper := app.open_agreement_keeper(settings, components.engine, fetcher)) is not None:
            look = partial(_look_at_agreement, keeper, components)
            loops.append(Repeater("the agreements", look, settings.agreements.pause))
        if (notifier := components.open_notifier()) is not None:
            loops.append(Repeater("notices to the operator", partial(_notify, notifier), NOTIFY_EVERY))
        if (listen := settings.operator.metrics_at) is not None:
            from monitor.ops.metrics import serve_metrics

            closing.enter_context(serve_metrics(components.load_health, *listen))
        repeaters = [loop for loop in loops if isinstance(loop, Repeater)]
        heart = Repeater("the heartbeat", partial(beat, components, timer, repeaters), BEAT)
        running: dict[str, Running] = {loop.part: loop.run for loop in [*loops, heart]}
        if talking:
            running["the bot"] = talking.serve
        note_started()
        return run_until_stopped(timer, running)


def _look_at_agreement(keeper: AgreementKeeper, components: Components) -> None:
    keeper.look_at_next(components.clock())


def beat(components: Components, timer: PollTimer, loops: Sequence[Repeater]) -> None:
    """Write the heartbeat of this process, and which of its loops hang."""
    now = components.clock()
    busy = {f"the poll of {source}": since for source, since in timer.busy_since().items()}
    busy |= {loop.part: since for loop in loops if (since := loop.busy_since()) is not None}
    standing = {name: since for name, since in busy.items() if now - since > STANDS_STILL_AFTER}
    owner = app.process_name()
    with transaction(components.engine) as conn:
        heartbeats.write_beat(conn, "sender", owner, now)
        heartbeats.put_standing_loops(conn, owner, standing)
    alive.touch(components.settings.data.folder)
    memory.return_freed()


def note_end(components: Components) -> None:
    """Note that this process works no more, so that nobody takes it for a working one."""
    with suppress(StoreError), transaction(components.engine) as conn:
        heartbeats.end_beats(conn, app.process_name())


def create_bot(components: Components) -> Bot | None:
    """Create the bot if one is configured; its library takes 30 MB, which other installations need
    not spend.
    """
    if not app.has_bot(components.settings):
        return None
    from monitor import bot

    return bot.create(components)


def create_recorder(components: Components) -> Repeater:
    """Create the loop that signs the record: at the start, after each publication, and every few minutes."""
    append_start(components.engine, __version__, components.clock())
    return Repeater("the record", components.sign_record, CHECKPOINT_EVERY)


def create_timer(
    components: Components, fetcher: Fetcher, parser: ParserProcess, *wakes: Callable[[], None]
) -> PollTimer:
    """Create the timer that polls each source when it is due; ``wakes`` are called when a poll has published
    changes.
    """
    sources = components.polled_sources

    def poll_if_due(name: str) -> None:
        with exclusive_turn(components.engine, f"poll {name}") as mine:
            if not mine:
                return
            now = components.clock()
            with reading(components.engine) as conn:
                due_at = baseline.load_next_poll_at(conn, name)
            if due_at is not None and due_at > now:
                return
            result = poll(components.engine, sources[name], fetcher, now=now, parser=parser)
        _log_poll(result)
        if result.outcome is PollOutcome.PUBLISHED:
            for wake in wakes:
                wake()

    return PollTimer(sources, poll_if_due)


@contextmanager
def serve_site(components: Components, wake: Callable[[], None]) -> Iterator[None]:
    """Serve the site until the end of the block."""
    settings = components.settings
    site = web.create(components, wake=wake)
    with server.serve_in_thread(
        site, server.open_socket(*settings.site.listen_at), settings.site.trusted_proxies
    ):
        threading.Thread(target=components.coverage.prime, name="placements", daemon=True).start()
        yield


@contextmanager
def lock_service(settings: Settings, engine: Engine) -> Iterator[None]:
    """On SQLite, hold the lock file that allows one service per database. On PostgreSQL, several share the
    work.

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
    """Run the notifier once, in a thread of its own: a mail server that hangs delays nothing else."""
    asyncio.run(notifier.look())


def _log_poll(result: PollResult) -> None:
    bad = result.outcome in {PollOutcome.FAILED, PollOutcome.REJECTED}
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
