"""The operator's commands: ``init``, ``check``, ``run``, ``status``, ``demo``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli import Session, command, emit
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.app import Components


@command(short_help="Write a commented configuration; create the database and the key.")
@click.option("--force", is_flag=True, help="Overwrite a configuration file that is there.")
def init(session: Session, force: bool) -> None:
    """Write a commented configuration, create the database and the key.

    The configuration goes to --config (by default ./config.toml); every key is explained in it and stands at its default. The database and
    the key that encrypts addresses are created in its data folder. Nothing that exists is changed, except with --force the configuration.
    """
    from monitor.app import open_keys
    from monitor.config import DEFAULT_PATH, example

    path = session.config or DEFAULT_PATH
    if path.exists() and not force:
        click.echo(f"{path} is there already and stays as it is (--force overwrites it)")
    else:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(example(), "utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from None
        click.echo(f"wrote {path}: every key is explained there")
    session.config = path
    components = session.components
    open_keys(session.settings, components.engine)
    click.echo(f"database: {components.engine.url.render_as_string(hide_password=True)}")
    click.echo(
        f"key file: {session.settings.data.folder / 'monitor.key'} (back it up apart from the database)"
    )
    click.echo("next: edit the configuration, then `monitor check` and `monitor run`")


@command(short_help="Run the service: poll, judge and deliver until stopped.")
@click.option(
    "--no-web",
    is_flag=True,
    help="Without the site.",
)
def run(session: Session, no_web: bool) -> None:
    """Run the service: poll every source when it is due, deliver what is published, serve the site and talk as the Telegram bot, until
    SIGTERM or Ctrl-C.

    A stop finishes what is under way (30 s at most) and exits 0. On SQLite only one service runs on a database; every other command
    works beside it. With PostgreSQL as many as wanted share the work.
    """
    from monitor.cli.logs import configure
    from monitor.cli.run import serve

    configure(session.debug, service=True)
    if not serve(session.settings, with_site=not no_web):
        # a download that would not end: its thread must not keep the process; nothing of it was committed
        import os

        os._exit(0)


@command(short_help="Check the configuration, the sources and the channels; send a sample.")
@click.option(
    "--to", metavar="ADDRESS|CHAT", help="Send a marked sample alert there, over the configured channel."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def check(session: Session, to: str | None, as_json: bool) -> None:
    """Check the configuration (all problems at once), try every source, the mail relay and Telegram; with --to send a sample.

    Nothing is stored of what the sources answer. Exit 2 for a wrong configuration, 1 when something does not work.

    JSON keys: ok, checks (a list of what, ok, message).
    """
    from monitor.cli.check import findings

    results = findings(session.settings, to, session.config)
    if as_json:
        emit(
            {
                "ok": all(result.ok for result in results),
                "checks": [
                    {"what": result.what, "ok": result.ok, "message": result.message} for result in results
                ],
            }
        )
    else:
        for result in results:
            click.echo(f"{'ok  ' if result.ok else 'FAIL'} {result.what}: {result.message}")
    sys.exit(0 if all(result.ok for result in results) else 1)


@command(short_help="Show the whole job on real data, with nothing configured.")
@click.option("--once", is_flag=True, help="End after the story instead of watching on.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Where its database, its mailbox and the served files go; made anew.",
)
def demo(session: Session, once: bool, folder: Path) -> None:
    """Show the whole job on real data, with no internet and nothing configured.

    Serves real publications of two official lists on a loopback port, polls them with their own dates as time, and prints step by step
    what was seen, believed, held and sent. The alerts of three sample subscribers and one channel are written as .eml files into
    FOLDER/mailbox. Without --once it then opens the site on this machine, with a page for the mailbox, until Ctrl-C: sign up there and see the alert come.
    """
    from monitor.demo import play

    play(folder, once=once)


@command(short_help="Say how sources, outbox and sender are.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option(
    "--alive",
    is_flag=True,
    help="Print nothing; exit 0 while the sender of `monitor run` is working, else 1.",
)
@click.option("--check", "strict", is_flag=True, help="Exit 1 when something needs attention.")
def status(session: Session, as_json: bool, alive: bool, strict: bool) -> None:
    """Say how sources, outbox and sender are, and what needs attention.

    JSON keys: now, ok, problems (sentences); sources.NAME: last_good_at, age (s), blind, baseline, pending, held, last_fetch_at,
    last_outcome, last_reason, next_poll_at, rejected; outbox: due, due_by_channel, waiting_for_channel, oldest_due_at, oldest_age (s),
    paused (channels that send nothing now: channel, until, reason), refused_often (by channel), failed, to_fan_out, fenced; sender: last_beat_at, age (s), working; bot (where one is configured): the same, and problem.
    """
    report = load_status(session.components)
    if alive:
        sys.exit(0 if report["sender"]["working"] else 1)
    if as_json:
        emit(report)
    else:
        _show(report)
    if strict and not report["ok"]:
        sys.exit(1)


def load_status(components: Components) -> dict[str, Any]:
    """Read `health.status` for the configured sources and channels."""
    from monitor.app import configured_channels, has_bot
    from monitor.ops.health import status as health_status

    settings = components.settings
    return health_status(
        components.engine,
        settings.watched_infos,
        configured=configured_channels(settings),
        fenced=components.fenced(),
        now=components.clock(),
        signups_an_hour=settings.signup.per_site,
        bot=has_bot(settings),
    )


def _show(report: dict[str, Any]) -> None:
    for name, line in report["sources"].items():
        age = _ago(line["age"])
        click.echo(
            f"{name}: {line['baseline']} listings, last good check {age}"
            + (", BLIND" if line["blind"] else "")
            + (f", {line['pending']} pending" if line["pending"] else "")
            + (f", {line['held']} held" if line["held"] else "")
        )
    outbox = report["outbox"]
    oldest = f", the oldest {_ago(outbox['oldest_age'])}" if outbox["due"] else ""
    click.echo(f"outbox: {outbox['due']} due{oldest}, {outbox['failed']} failed for good")
    for part in ("sender", "bot"):
        if (seen := report.get(part)) is not None:
            working = "working" if seen["working"] else "not running"
            click.echo(f"{part}: {working}, last seen {_ago(seen['age'])}")
    for problem in report["problems"]:
        click.echo(f"! {problem}")


def _ago(seconds: int | None) -> str:
    if seconds is None:
        return "never"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{max(seconds, 0)} s ago"
