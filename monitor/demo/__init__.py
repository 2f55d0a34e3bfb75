"""`monitor demo`: runs the program on real data and prints each step.

A server on loopback replaces the publishers, and a mailbox folder replaces the mail relay. Everything else is
the program itself: fetcher, poll, database, gazetteer, outbox. A simulated clock jumps from one event of the
story to the next.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import sys
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
from monitor.demo.story import ARCHIVE, FIRST_OF_ICE, LAST, STEPS, SUBSCRIBERS, TELEGRAM, Step
from monitor.demo.workbooks import unpack_files
from monitor.domain import Kind
from monitor.errors import UsageError
from monitor.fetch import Fetcher
from monitor.formatting import format_minute
from monitor.history.captured_file import Attribution
from monitor.history.captures import read_captures
from monitor.history.importing import write_past
from monitor.history.past import judge_past
from monitor.outbox import fan_out
from monitor.polling import PolledSource, PollOutcome, PollResult, poll
from monitor.storage.engine import reading
from monitor.storage.lists import baseline, changes
from monitor.storage.lists.changes import StoredChange
from monitor.web import server
from monitor.web.forms import CHANNEL as FORM_CHANNEL

MARK = ".map-monitor-demo"
PORT = 8000
_MAX_SHOWN = 6  # the most changes named per step; the rest is counted

_CONFIGURATION = """# Written by `monitor demo`, which plays the publishers on a loopback port.
[site]
name = "Map Monitor demo"
public_url = "{site}"
contact = "operator@source.example"
timezone = "America/New_York"

[data]
folder = "data"

[mailbox]
folder = "mailbox"

[email]
from = "Map Monitor <alerts@source.example>"

[telegram.channels]
{channels}

[sources.ring]
url = "{address}/ring-link.kml"

[[sources.ring.value]]
column = "Note"
value = "Agency name completed from the municipality, which is all that the newspaper printed."
value_es = "El nombre de la agencia se completó a partir del municipio, lo único que publicó el periódico."

[sources.ice-287g]
page = "{address}/287g.html"

[sources.ice-287g-pending]
enabled = false
"""


@dataclass
class _Stage:
    """The parts of the running story."""

    components: Components
    fetcher: Fetcher
    publisher: DemoPublisher
    clock: _StoryClock
    files: Path
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
    host: str = "127.0.0.1",
    port: int | None = None,
    say: Callable[[str], None] = click.echo,
    until: Callable[[], bool] = lambda: False,
) -> None:
    """Play the story into ``folder``, which is created or emptied; then go live unless ``once``.

    Live means the site and real time, until Ctrl-C or ``until``. ``port`` None is 8000, or any free one if
    that is taken, which is printed.

    Raises UsageError if the folder holds something other than an earlier demo, or if a given port is taken.
    """
    _prepare_folder(folder)
    logging.getLogger("monitor").setLevel(logging.WARNING)  # the story prints the same
    with DemoPublisher(folder / "served") as publisher, _open_site_socket(host, port) as at:
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
        with Components.open(settings, clock) as components, app.open_fetcher(settings, None) as fetcher:
            stage = _Stage(components, fetcher, publisher, clock, unpack_files(folder / "files"))
            _print_start(stage, say)
            steps = [*STEPS, LAST] if once else STEPS
            for step, following in zip(steps, [*steps[1:], None], strict=True):
                if step == FIRST_OF_ICE:
                    _import_past(stage, step, say)
                _play_step(stage, step, following, say)
            _print_end(stage, folder, time.monotonic() - began, say)
            if not once:
                if port is None and at.getsockname()[1] != PORT:
                    say(f"\nPort {PORT} is taken, so the site is on another one; --port chooses it.")
                go_live(
                    replace(components, clock=app.now, opened_keys=components.keys),
                    fetcher,
                    publisher,
                    at,
                    stage.files,
                    say=say,
                    tell=lambda outcome: _print_result(stage, outcome, say),
                    until=until,
                )


def _open_site_socket(host: str, port: int | None) -> socket.socket:
    """Open a port of ``host`` for the site; None: 8000, or any free one if it is taken. Raises UsageError."""
    try:
        return server.open_socket(host, PORT if port is None else port)
    except UsageError:
        if port is not None:
            raise UsageError(
                f"the site cannot listen on {host}:{port}: name another --port, or 0 for any"
            ) from None
        return server.open_socket(host, 0)


def _prepare_folder(folder: Path) -> None:
    try:
        if folder.exists() and any(folder.iterdir()):
            if not (folder / MARK).is_file():
                raise UsageError(f"{folder} holds other things; name another --folder")
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARK).touch()
    except OSError as error:
        raise UsageError(f"{folder} cannot be written ({error.strerror}); name another --folder") from None


def _print_start(stage: _Stage, say: Callable[[str], None]) -> None:
    say(
        "Two official lists as they really were published, served on this machine"
        " and polled with their own dates as time.\n"
    )
    say("Who follows what:")
    for address, places, sources, who in SUBSCRIBERS:
        subscribers.add(
            stage.engine,
            stage.components.keys,
            channel=FORM_CHANNEL,
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


def _import_past(stage: _Stage, before: Step, say: Callable[[str], None]) -> None:
    """Import the past of a list from before its first poll, as `monitor import` does."""
    source = stage.components.polled_sources[before.source]
    stage.clock.now = before.at - source.every
    files = read_captures([stage.files / "past"], Attribution(captured_by=ARCHIVE), stage.files)
    past = judge_past(files, source)
    write_past(stage.engine, past, source, now=stage.now)
    fan_out(stage.engine, locate=stage.components.locate, now=stage.now)
    title = stage.components.settings.infos[source.name].title()
    say(click.style(f"\n{format_minute(stage.now)}  {title}", bold=True))
    say(
        f"  Its past is imported: {len(files)} files that were captured from {files[0].at:%B %Y} to "
        f"{files[-1].at:%B %Y}."
    )
    say(
        f"  {past.count(Kind.ADDED)} added, {past.count(Kind.REMOVED)} no longer listed, "
        f"{past.count(Kind.CHANGED)} changed in that time. Nobody is told; the record says who captured it."
    )


def _play_step(stage: _Stage, step: Step, following: Step | None, say: Callable[[str], None]) -> None:
    """Play one event of a publisher, and all of its consequences before the next event."""
    source = stage.components.polled_sources[step.source]
    if step.at - source.every > stage.now:
        # The last hourly poll before the event bounds the interval in which it happened.
        stage.clock.now = step.at - source.every
        for name, each in stage.components.polled_sources.items():
            if stage.publisher.serves(name):
                poll(stage.engine, each, stage.fetcher, now=stage.now)
    stage.clock.now = step.at
    stage.publisher.serve(step.source, step.content(stage.files), name=step.file)
    say(
        click.style(
            f"\n{format_minute(stage.now)}  {stage.components.settings.infos[source.name].title()}", bold=True
        )
    )
    say(f"  {step.text}")
    _print_result(stage, poll(stage.engine, source, stage.fetcher, now=stage.now), say)
    _deliver(stage, say)
    while (due := _next_release(stage, source)) is not None and (following is None or due < following.at):
        stage.clock.now = max(due, stage.now + timedelta(minutes=1))
        outcome = poll(stage.engine, source, stage.fetcher, now=stage.now)
        if outcome.outcome is PollOutcome.PUBLISHED:
            say(f"  {format_minute(stage.now)}: the wait is over")
            _print_result(stage, outcome, say, again=True)
        _deliver(stage, say)


def _next_release(stage: _Stage, source: PolledSource) -> datetime | None:
    """Compute the first hourly poll at which a wait can end by itself; None: nothing waits."""
    with reading(stage.engine) as conn:
        rows = changes.load_standing(conn, source.name)
    due = guard.next_due([row.standing for row in rows], source.policy)
    if due is None:
        return None
    polls = -((stage.now - due) // source.every) if due > stage.now else 1
    return stage.now + max(polls, 1) * source.every


def _print_result(
    stage: _Stage, outcome: PollResult, say: Callable[[str], None], *, again: bool = False
) -> None:
    good = click.style("believed", fg="green")
    match outcome.outcome:
        case PollOutcome.BASELINE:
            with reading(stage.engine) as conn:
                count = len(baseline.load_listings(conn, outcome.source))
            say(f"  {good}: {count} listings seen for the first time. This is the baseline; nobody is told.")
        case PollOutcome.PUBLISHED:
            say(
                f"  {good}: {outcome.added} added, {outcome.removed} no longer listed,"
                f" {outcome.changed} changed"
            )
            for line in _change_lines(stage, outcome.source):
                say(f"      {line}")
            if outcome.pending or (outcome.held and not again):
                say(
                    f"  {click.style('waiting', fg='yellow')}: {outcome.pending} pending,"
                    f" {outcome.held} held. {outcome.reason}"
                )
        case PollOutcome.PENDING | PollOutcome.HELD:
            word = click.style("waiting" if outcome.outcome is PollOutcome.PENDING else "held", fg="yellow")
            say(f"  {word}: {outcome.pending} pending, {outcome.held} held. {outcome.reason}")
        case PollOutcome.FAILED | PollOutcome.REJECTED:
            say(
                f"  {click.style('not believed', fg='red')}: {outcome.reason.rstrip('.')}."
                " What is known stands; nobody is told."
            )
        case PollOutcome.UNCHANGED:
            say("  seen: nothing that anybody needs to be told")


def _change_lines(stage: _Stage, source: str) -> list[str]:
    with reading(stage.engine) as conn:
        rows = changes.load_published(conn, changeset=changes.find_last_changeset(conn, source))
    lines = [_format_change(row) for row in rows[:_MAX_SHOWN]]
    return lines + ([f"... and {len(rows) - _MAX_SHOWN} more"] if len(rows) > _MAX_SHOWN else [])


def _format_change(row: StoredChange) -> str:
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
    """Fan out and send, and print the recipients."""
    fan_out(stage.engine, locate=stage.components.locate, now=stage.now)
    mailbox = stage.components.settings.mailbox.folder
    assert mailbox is not None
    before = set(mailbox.glob("*.eml")) if mailbox.is_dir() else set()
    asyncio.run(app.send_due(stage.components))
    for path in sorted(set(mailbox.glob("*.eml")) - before if mailbox.is_dir() else ()):
        stage.sent += 1
        to, subject = _read_headers(path)
        say(f"  {click.style('sent', fg='cyan')}: {to:<22} {subject}")


def _read_headers(path: Path) -> tuple[str, str]:
    from email import policy
    from email.parser import BytesParser

    with path.open("rb") as file:
        mail = BytesParser(policy=policy.default).parse(file, headersonly=True)
    to = mail["To"].addresses[0]
    return to.display_name or to.addr_spec, str(mail["Subject"])


def find_program_name(started: str, on_path: str | None) -> str:
    """What to type to start this program as it was ``started``: in a checkout it is not on the path."""
    return started if on_path is None and Path(started).name == "monitor" else "monitor"


def _print_end(stage: _Stage, folder: Path, seconds: float, say: Callable[[str], None]) -> None:
    config = folder / "config.toml"
    monitor = find_program_name(sys.argv[0], shutil.which("monitor"))
    say(
        click.style(f"\n{stage.sent} messages in {seconds:.0f} s.", bold=True)
        + " Look at them, and at what is behind them:"
    )
    looks = (
        (f"{folder / 'mailbox'}", "the alerts, one .eml file each: open one in a mail program"),
        (f"{monitor} changes --config {config}", "what was published, with its interval"),
        (
            f"{monitor} listings ice-287g --config {config}",
            "the list as believed; add --at 2026-03-01 for an earlier day",
        ),
        (f"{monitor} status --config {config}", "the health of every part"),
    )
    width = max(len(command) for command, _ in looks)
    for command, shown in looks:
        say(f"  {command:{width}}  {shown}")
