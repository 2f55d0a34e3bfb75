"""The commands that send: deliver, resume."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from monitor.cli import Session, command, emit, table
from monitor.cli.output import format_time

if TYPE_CHECKING:
    from monitor.outbox import Drained


@command(short_help="Send what is due and exit.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: sent, retried, failed, due.")
def deliver(session: Session, as_json: bool) -> None:
    """Send what is due and exit; works beside a running service.

    Counts deliveries: sent; retried (not accepted now, tried again later); failed (permanently, see `monitor
    outbox --failed`); due (tried later, or waiting for a channel that is not configured).
    """
    drained = asyncio.run(_deliver(session))
    if as_json:
        emit(asdict(drained))
    else:
        click.echo(
            f"{drained.sent} sent, {drained.retried} to be tried again,"
            f" {drained.failed} failed, {drained.due} due"
        )


async def _deliver(session: Session) -> Drained:
    from monitor import app
    from monitor.outbox import fan_out
    from monitor.storage import heartbeats
    from monitor.storage.engine import transaction

    components = session.components
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    now = components.clock()
    app.follow_channels(components)
    # Changes published by a poll that was killed have no deliveries yet.
    await asyncio.to_thread(fan_out, components.engine, locate=components.locate, now=now)
    drained = await app.send_due(components, until=components.clock(), stop=stop)
    with transaction(components.engine) as conn:
        heartbeats.end_beats(conn, app.process_name())
    return drained


@command(short_help="Start sending from a copied or restored database.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def resume(session: Session, yes: bool) -> None:
    """Start sending from a copied or restored database, after showing what would be sent.

    A database that looks copied or restored sends nothing by itself: what is due may have been sent already,
    by the original or before the restore. Check what is due, then confirm. A recursive chown or chmod of the
    data folder looks the same; a clone of the whole disk cannot be distinguished from its original, so do not
    start it. Exit 1 if you decline.
    """
    from monitor import app
    from monitor.outbox import clone_guard
    from monitor.storage.deliveries import queue
    from monitor.storage.engine import reading

    engine = session.database()
    folder = session.settings.data.folder
    reason = session.components.fenced()
    if reason is None:
        click.echo("nothing to do: this database sends")
        return
    click.echo(f"Nothing is sent: {reason.partition(';')[0]}.")
    with reading(engine) as conn:
        groups = queue.load_due_groups(conn)
    if groups:
        click.echo("These messages are due and would be sent first:")
        table(
            ("channel", "source", "messages", "oldest", "newest"),
            [
                (due.channel, due.source, due.count, format_time(due.oldest), format_time(due.newest))
                for due in groups
            ],
        )
    else:
        click.echo("Nothing is due; changes that are published from now on would be sent.")
    if not yes:
        click.confirm("Send from this database from now on?", default=False, abort=True)
    clone_guard.allow_sending(engine, folder, now=app.now())
    click.echo("sending is on: a running `monitor run` or the next `monitor deliver` sends")
