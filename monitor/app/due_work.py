"""The due work of a worker: purges, sign-ups, digests, dumps, and sending."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from monitor.app.components import Components
from monitor.app.database import process_name
from monitor.app.delivering import canary_address, operator_addresses, sender_address
from monitor.errors import MonitorError

if TYPE_CHECKING:
    from monitor.channels import Channel
    from monitor.messages import Message
    from monitor.outbox import Drained


log = logging.getLogger(__name__)


def forget_copies(components: Components, now: datetime) -> int:
    """Delete copies made before upgrades that are older than [site] backups_kept; returns how many were
    deleted.
    """
    from monitor.storage import migrate

    kept, folder = components.settings.site.backups_kept, components.settings.data.folder
    return 0 if kept is None else migrate.forget_copies(components.engine, folder, now - kept)


def dump_record(components: Components) -> None:
    """Write the day's dump of the public record, unless it exists. An error is logged."""
    from monitor.record.data.dump import make_dump

    files = components.data_files
    try:
        make_dump(files, files.folder / "dump", components.clock())
    except OSError as error:
        log.error("the dump of the record could not be made: %s: check the data folder", error.strerror)


def queue_signups(components: Components, now: datetime) -> int:
    """Process every stored sign-up; returns how many."""
    from monitor.subscribers import admit

    return _call_guarded("sign-ups", lambda: admit(components.engine, components.keys, now))


def queue_periodic(components: Components, now: datetime) -> int:
    """Queue the digests and notices that are due, and purge what has expired; returns how many messages were
    queued.
    """
    from monitor.outbox import insert_due_canary, insert_due_digests, insert_due_notices
    from monitor.subscribers import purge_in_turn

    engine = components.engine

    def queue_canary() -> int:
        own = canary_address(components.settings)
        if own is None:
            return 0
        every = components.settings.operator.canary_every
        return insert_due_canary(engine, components.keys, *own, every, now)

    def purge() -> int:
        if purge_in_turn(engine, now):
            forget_copies(components, now)
        return 0

    return (
        _call_guarded("purging", purge)
        + _call_guarded("digests", lambda: insert_due_digests(engine, now))
        + _call_guarded("the canary", queue_canary)
        + _call_guarded("notices", lambda: insert_due_notices(engine, components.settings.watched_infos, now))
    )


def _call_guarded(what: str, verb: Callable[[], int]) -> int:
    """Call one of several independent functions. An unforeseen error in it is logged and does not stop the
    others.
    """
    try:
        return verb()
    except MonitorError:
        raise
    except Exception:
        log.exception("%s: an error of the program; the rest goes on", what)
        return 0


async def send_due(
    components: Components, *, until: datetime | None = None, stop: asyncio.Event | None = None
) -> Drained:
    """Queue what is due and drain the outbox on the configured channels. Raises FencedError."""
    now = until or components.clock()
    await asyncio.to_thread(queue_signups, components, now)
    await asyncio.to_thread(queue_periodic, components, now)
    return await drain_channels(components, components.channels, until=until, stop=stop)


async def drain_channels(
    components: Components,
    channels: Mapping[str, Channel],
    *,
    until: datetime | None = None,
    stop: asyncio.Event | None = None,
    counts_due: bool = True,
) -> Drained:
    """Send what is due on these channels. The parameters are those of `outbox.drain`. Raises FencedError."""
    from monitor.channels.kinds import kind_of
    from monitor.outbox import drain

    def render(channel: str, message: Message) -> object:
        return kind_of(channel).renderer()(message, components.load_sender())

    settings = components.settings
    return await drain(
        components.engine,
        channels,
        components.keys,
        loader=components.loader,
        render=render,
        placeholders=components.placeholders,
        folder=settings.data.folder,
        domain=sender_address(settings).rpartition("@")[2],
        owner=process_name(),
        clock=components.clock,
        until=until,
        stop=stop,
        counts_due=counts_due,
    )


def follow_channels(components: Components) -> None:
    """Create subscribers for the addresses in the configuration. Before that, place agencies and followed
    areas again if the gazetteer or the overrides have changed since the last start.
    """
    from monitor import subscribers

    components.renew_placements()
    for channel, addresses in operator_addresses(components.settings).items():
        subscribers.follow_channels(
            components.engine,
            components.keys,
            addresses=addresses,
            sources=list(components.settings.watched),
            now=components.clock(),
            channel=channel,
        )
