"""`monitor demo`: the main job on real data, told step by step.

A loopback server plays the publishers; everything else is the program itself: the real fetcher, the real poll on a database of its own,
the real gazetteer, the real outbox, with the mailbox channel in place of a relay. Only the clock is the story's: it jumps from one thing
that can happen to the next.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import click
from sqlalchemy import Engine

from monitor import app, subscribers
from monitor.app import Components
from monitor.config import load
from monitor.core import guard
from monitor.demo.live import go_live
from monitor.demo.publisher import DemoPublisher
from monitor.demo.story import LAST, STEPS, SUBSCRIBERS, TELEGRAM, Step
from monitor.domain import Kind
from monitor.errors import UsageError
from monitor.fetch import Fetcher
from monitor.outbox import fan_out
from monitor.polling import PolledSource, PollResult, Result, poll
from monitor.storage.engine import reading
from monitor.storage.lists import baseline, changes
from monitor.storage.lists.changes import Row
from monitor.web import server

FILES = Path(__file__).with_name("files")
MARK = ".map-monitor-demo"
PORT = 8000
_SHOWN = 6  # changes named per step; the rest is counted

_CONFIGURATION = """# Written by `monitor demo`: the publishers are played by the demo itself, on a loopback port, while it runs.
[site]
name = "Map Monitor demo"
public_url = "{site}"
contact = "operator@watch.example"
timezone = "America/New_York"

[data]
folder = "data"

[mailbox]
folder = "mailbox"

[email]
from = "Map Monitor <alerts@watch.example>"

[telegram.channels]
{channels}

[sources.ring]
url = "{address}/ring-link.kml"

[sources.ice-287g]
page = "{address}/287g.html"
"""


@dataclass
class _Stage:
    """Everything on the stage while the story is told."""

    components: Components
    fetcher: Fetcher
    publisher: DemoPublisher
    clock: _StoryClock
    sent: int = 0

    @property
    def engine(self) -> Engine:
        return self.components.engine

    @property
    def now(self) -> datetime:
        return self.clock.now


@dataclass
class _StoryClock:
    """The story's time."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


def play(
    folder: Path,
    *,
    once: bool,
    say: Callable[[str], None] = click.echo,
    until: Callable[[], bool] = lambda: False,
) -> None:
    """Tell the story into ``folder``, which is made anew; then, unless ``once``, go on live with the site until Ctrl-C or ``until``.

    Raises UsageError when the folder holds something that is not an earlier demo.
    """
    _made_anew(folder)
    logging.getLogger("monitor").setLevel(logging.WARNING)  # the story says it better
    with DemoPublisher(folder / "served") as publisher, _site_socket() as at:
        config = folder / "config.toml"
        channels = "\n".join(f'{place} = "{chat}"' for place, chat in TELEGRAM.items())
        config.write_text(
            _CONFIGURATION.format(
                address=publisher.address, channels=channels, site=f"http://127.0.0.1:{at.getsockname()[1]}"
            ),
            "utf-8",
        )
        settings = load(config, {})
        began = time.monotonic()
        clock = _StoryClock(STEPS[0].at - timedelta(days=1))
        with Components.open(settings, clock) as components, app.open_fetcher(settings) as fetcher:
            stage = _Stage(components, fetcher, publisher, clock)
            _introduce(stage, say)
            steps = [*STEPS, LAST] if once else STEPS
            for step, following in zip(steps, [*steps[1:], None], strict=True):
                _tell(stage, step, following, say)
            _conclude(stage, folder, time.monotonic() - began, say)
            if not once:
                go_live(
                    replace(components, clock=app.now, opened_keys=components.keys),
                    fetcher,
                    publisher,
                    at,
                    FILES,
                    say=say,
                    tell=lambda outcome: _say_outcome(stage, outcome, say),
                    until=until,
                )


def _site_socket() -> socket.socket:
    """Where the site will be: port 8000 of this machine, or any free one if that is taken."""
    try:
        return server.open_socket("127.0.0.1", PORT)
    except UsageError:
        return server.open_socket("127.0.0.1", 0)


def _made_anew(folder: Path) -> None:
    try:
        if folder.exists() and any(folder.iterdir()):
            if not (folder / MARK).is_file():
                raise UsageError(f"{folder} holds other things; name another --folder")
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARK).touch()
    except OSError as error:
        raise UsageError(f"{folder} cannot be written ({error.strerror}); name another --folder") from None


def _introduce(stage: _Stage, say: Callable[[str], None]) -> None:
    say(
        "Two official lists as they really were published, served on this machine and polled with their own dates as time.\n"
    )
    say("Who follows what:")
    for address, places, sources, who in SUBSCRIBERS:
        subscribers.add(
            stage.engine,
            stage.components.keys,
            channel="email",
            address=address,
            places=places,
            sources=sources,
            origin="operator",
            now=stage.now,
        )
        say(f"  {address:<22} {', '.join(places):<14} {' and '.join(sources):<18} {who}")
    app.follow_channels(stage.components)
    for place, chat in TELEGRAM.items():
        say(f"  {chat:<22} {place:<14} {'both':<18} a Telegram channel")


def _tell(stage: _Stage, step: Step, following: Step | None, say: Callable[[str], None]) -> None:
    """One thing that a publisher did, and all that follows from it before the next."""
    watch = stage.components.polled_sources[step.source]
    if step.at - watch.every > stage.now:
        # of the hourly polls since then, the last one: it bounds the moment of what comes now
        stage.clock.now = step.at - watch.every
        for name, each in stage.components.polled_sources.items():
            if stage.publisher.serves(name):
                poll(stage.engine, each, stage.fetcher, now=stage.now)
    stage.clock.now = step.at
    stage.publisher.serve(step.source, step.content(FILES), name=step.file)
    say(
        click.style(f"\n{_when(stage.now)}  {stage.components.settings.infos[watch.name].title()}", bold=True)
    )
    say(f"  {step.says}")
    _say_outcome(stage, poll(stage.engine, watch, stage.fetcher, now=stage.now), say)
    _deliver(stage, say)
    while (due := _next(stage, watch)) is not None and (following is None or due < following.at):
        stage.clock.now = max(due, stage.now + timedelta(minutes=1))
        outcome = poll(stage.engine, watch, stage.fetcher, now=stage.now)
        if outcome.outcome is Result.PUBLISHED:
            say(f"  {_when(stage.now)}: the wait is over")
            _say_outcome(stage, outcome, say, again=True)
        _deliver(stage, say)


def _next(stage: _Stage, watch: PolledSource) -> datetime | None:
    """When something that waits can end by itself, at the next hourly poll after that."""
    with reading(stage.engine) as conn:
        rows = changes.standing(conn, watch.name)
    due = guard.next_due([row.standing for row in rows], watch.policy)
    if due is None:
        return None
    polls = -((stage.now - due) // watch.every) if due > stage.now else 1
    return stage.now + max(polls, 1) * watch.every


def _say_outcome(
    stage: _Stage, outcome: PollResult, say: Callable[[str], None], *, again: bool = False
) -> None:
    good = click.style("believed", fg="green")
    match outcome.outcome:
        case Result.BASELINE:
            with reading(stage.engine) as conn:
                count = len(baseline.listings(conn, outcome.source))
            say(f"  {good}: {count} listings seen for the first time. This is the baseline; nobody is told.")
        case Result.PUBLISHED:
            say(
                f"  {good}: {outcome.added} added, {outcome.removed} no longer listed, {outcome.changed} changed"
            )
            for line in _named(stage, outcome.source):
                say(f"      {line}")
            if outcome.pending or (outcome.held and not again):
                say(
                    f"  {click.style('waiting', fg='yellow')}: {outcome.pending} pending, {outcome.held} held. {outcome.reason}"
                )
        case Result.PENDING | Result.HELD:
            word = click.style("waiting" if outcome.outcome is Result.PENDING else "held", fg="yellow")
            say(f"  {word}: {outcome.pending} pending, {outcome.held} held. {outcome.reason}")
        case Result.FAILED | Result.REJECTED:
            say(
                f"  {click.style('not believed', fg='red')}: {outcome.reason.rstrip('.')}. What is known stands; nobody is told."
            )
        case Result.UNCHANGED:
            say("  seen: nothing that anybody needs to be told")


def _named(stage: _Stage, source: str) -> list[str]:
    with reading(stage.engine) as conn:
        rows = changes.published(conn, changeset=changes.last_changeset(conn, source))
    lines = [_line(row) for row in rows[:_SHOWN]]
    return lines + ([f"... and {len(rows) - _SHOWN} more"] if len(rows) > _SHOWN else [])


def _line(row: Row) -> str:
    change, listing = row.change, row.change.subject
    where = listing.state or "state unknown"
    if change.kind is Kind.ADDED:
        return f"+ {listing.name}, {where}"
    if change.kind is Kind.REMOVED:
        return f"- {listing.name}, {where}"
    assert change.before is not None
    if change.renamed:
        return f"~ {change.before.name}, {where}, is now listed as {listing.name}"
    return f"~ {listing.name}, {where}: {', '.join(change.fields)}"


def _deliver(stage: _Stage, say: Callable[[str], None]) -> None:
    """Fan out and send, and say to whom."""
    fan_out(stage.engine, locate=stage.components.locate, now=stage.now)
    mailbox = stage.components.settings.mailbox.folder
    assert mailbox is not None
    before = set(mailbox.glob("*.eml")) if mailbox.is_dir() else set()
    asyncio.run(app.send_due(stage.components))
    for path in sorted(set(mailbox.glob("*.eml")) - before if mailbox.is_dir() else ()):
        stage.sent += 1
        to, subject = _headers(path)
        say(f"  {click.style('sent', fg='cyan')}: {to:<22} {subject}")


def _headers(path: Path) -> tuple[str, str]:
    from email import policy
    from email.parser import BytesParser

    with path.open("rb") as file:
        mail = BytesParser(policy=policy.default).parse(file, headersonly=True)
    to = mail["To"].addresses[0]
    return to.display_name or to.addr_spec, str(mail["Subject"])


def _conclude(stage: _Stage, folder: Path, seconds: float, say: Callable[[str], None]) -> None:
    config = folder / "config.toml"
    say(
        click.style(f"\n{stage.sent} messages in {seconds:.0f} s.", bold=True)
        + " Look at them, and at what is behind them:"
    )
    say(
        f"  {folder / 'mailbox'}                                     the alerts, one .eml file each: open one in a mail program"
    )
    say(f"  monitor changes --config {config}            what was published, with its interval")
    say(
        f"  monitor listings ice-287g --config {config}  the list as believed; add --at 2026-03-01 for an earlier day"
    )
    say(f"  monitor status --config {config}             how everything is")


def _when(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")
