"""The operator's commands: ``init``, ``check``, ``run``, ``status``, ``demo``."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from monitor.cli import Session, command, emit
from monitor.cli.alive import is_alive
from monitor.cli.output import format_time
from monitor.errors import UsageError
from monitor.formatting import format_count

if TYPE_CHECKING:
    from monitor.app import Components
    from monitor.ops.doctor import Diagnosis

_MOST_HOLDS = 3  # the most groups of held changes that the status of a source shows


@command(
    creates_database=True, short_help="Write a commented configuration; create the database and the key."
)
@click.option("--force", is_flag=True, help="Overwrite an existing configuration file.")
def init(session: Session, force: bool) -> None:
    """Write a commented configuration; create the database and the key.

    The configuration goes to --config (default: ./config.toml). It explains every key and shows its default.
    The database and the key that encrypts addresses are created in its data folder. Existing files are not
    changed, except the configuration with --force.
    """
    from monitor.app import open_keys
    from monitor.config import default_path, example

    path = session.config or default_path()
    if path.exists() and not force:
        click.echo(f"{path} exists and is not changed (--force overwrites it)")
    else:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(0o600)  # it will contain secrets
            path.write_text(example(), "utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from None
        click.echo(f"wrote {path}: it explains every key")
    session.config = path
    components = session.components
    open_keys(session.settings, components.engine)
    click.echo(f"database: {components.engine.url.render_as_string(hide_password=True)}")
    key = session.settings.data.folder / "monitor.key"
    click.echo(f"key file: {key} (back it up, but not together with the database)")
    click.echo("next: edit the configuration, then `monitor check` and `monitor run`")


@command(short_help="Run the service: poll, judge and deliver until stopped.")
@click.option("--no-web", is_flag=True, help="Do not serve the site, as `monitor worker`.")
@click.option("--one-process", is_flag=True, help="Serve the site in the process that polls and sends.")
def run(session: Session, no_web: bool, one_process: bool) -> None:
    """Run the service: poll every source when it is due, deliver what is published, serve the site and run
    the Telegram bot, until SIGTERM or Ctrl-C.

    It starts two processes, `monitor worker` and `monitor web`, and restarts a process that dies. With
    --one-process they are one, for machines with little memory. A stop finishes the work in progress (at most
    40 s) and exits 0; a second signal ends it within two seconds. On SQLite, only one service runs per
    database; every other command works beside it. On PostgreSQL, any number of services share the work.
    """
    from monitor.cli.logs import configure

    configure(session.debug, service=True)
    form = session.settings.log.format  # report an invalid configuration here, once and completely
    configure(session.debug, service=True, form=form)
    if no_web or one_process:
        _serve(session, with_site=not no_web)
        return
    from monitor.cli.supervisor import supervise

    options = ["--config", str(session.config)] if session.config else []
    supervise([*options, *(["--debug"] if session.debug else [])], form)


@command(short_help="Poll, judge and deliver until stopped, without the site.")
@click.option("--supervised", is_flag=True, hidden=True)
def worker(session: Session, supervised: bool) -> None:
    """Poll every source when it is due, deliver what is published and run the Telegram bot, until SIGTERM or
    Ctrl-C. `monitor web` serves the site; `monitor run` does both.
    """
    from monitor.cli.logs import configure
    from monitor.cli.supervisor import end_with_supervisor

    configure(session.debug, service=True, form=session.settings.log.format)
    if supervised:
        end_with_supervisor()
    _serve(session, with_site=False)


def _serve(session: Session, *, with_site: bool) -> None:
    from monitor.cli.run import serve
    from monitor.config import find_warnings

    for warning in find_warnings(session.config):
        logging.getLogger(__name__).warning("%s", warning)
    if not serve(session.settings, with_site=with_site):
        # A download did not end. Its thread must not keep the process alive; it has committed nothing.
        os._exit(0)


@command(short_help="Check the configuration, the sources and the channels; send a sample.")
@click.option(
    "--to",
    metavar="ADDRESS|CHAT",
    help="Send an alert marked as a sample there, over the configured channel.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def check(session: Session, to: str | None, as_json: bool) -> None:
    """Check the configuration (all problems at once), every source, the mail relay and Telegram; with --to
    send a sample.

    The answers of the sources are not stored. Exit 2 for an invalid configuration, 1 if something does not
    work.

    JSON keys: ok, checks (a list of what, ok, message).
    """
    from monitor.cli.check import run_checks

    results = run_checks(session.settings, to, session.config)
    sys.exit(0 if _print_findings(results, "checks" if as_json else None) else 1)


@command(
    short_help="Check the environment of the service: DNS, clock, disk, key, backup; and everything else."
)
@click.option("--selector", metavar="NAME", help="The DKIM selector of your relay, to look its key up.")
@click.option(
    "--nameserver",
    metavar="ADDRESS",
    help="Query this DNS server instead of the system's; :PORT is optional.",
)
@click.option(
    "--mail",
    type=click.File("rb"),
    metavar="FILE",
    help="A mail of this service as it was received, with its headers (- for stdin): is it signed, and what "
    "did its receiver find?",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def doctor(
    session: Session, selector: str | None, nameserver: str | None, mail: IO[bytes] | None, as_json: bool
) -> None:
    """Check the environment of the service: the DNS records of the sender's domain (SPF, DKIM, DMARC), the
    clock, the disk, the key and the backup; then run `monitor check`. Nothing is changed or sent. With
    --mail, also check the signature of an email that has arrived, such as that of `check --to`.

    Exit 1 if something is wrong.

    JSON keys: ok, findings (a list of what, ok, message; ok is null if it could not be checked).
    """
    from monitor.cli.check import run_doctor

    content = mail.read() if mail is not None else None
    findings = run_doctor(
        session.settings, session.config, selector=selector, nameserver=nameserver, mail=content
    )
    sys.exit(0 if _print_findings(findings, "findings" if as_json else None) else 1)


def _print_findings(findings: Iterable[Diagnosis], json_key: str | None) -> bool:
    """Print each finding as soon as it is there, or all as one JSON object under ``json_key``. Returns
    whether nothing is wrong.
    """
    ok, rows = True, []
    for one in findings:
        ok = ok and one.ok is not False
        rows.append({"what": one.what, "ok": one.ok, "message": one.message})
        if json_key is None:
            click.echo(_render_finding(one.what, one.ok, one.message))
    if json_key is not None:
        emit({"ok": ok, json_key: rows})
    return ok


def _render_finding(what: str, ok: bool | None, message: str) -> str:
    """Format a line for a finding: ok, warn, FAIL, or ? if it could not be checked."""
    text = message.removeprefix("warning: ")
    if ok and text != message:
        return f"warn {what}: {text}"
    mark = {True: "ok  ", False: "FAIL", None: "?   "}[ok]
    return f"{mark} {what}: {text}"


@command(short_help="Show how everything works on real data, without configuration.")
@click.option("--once", is_flag=True, help="Exit after the story instead of serving the site.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="The folder for its database, mailbox and served files; an earlier demo there is deleted.",
)
@click.option("--host", help="The address for the site; 0.0.0.0 for all. [default: 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="The port for the site; 0 for any. [default: 8000, and any other that is free if it is taken]",
)
def demo(session: Session, once: bool, folder: Path, host: str | None, port: int | None) -> None:
    """Show how everything works on real data, without internet or configuration.

    It serves real publications of two official lists on a loopback port, polls them with their own dates as
    the time, and prints step by step what was seen, accepted, held and sent. The alerts of three sample
    subscribers and one channel are written as .eml files to FOLDER/mailbox. Without --once it then serves the
    site on this machine, with a page for the mailbox, until Ctrl-C: sign up there and see the alert arrive.
    """
    from monitor.demo import play

    # an image sets the address on which it can be reached from outside its container
    within = os.environ.get("MONITOR_DEFAULT__SITE__LISTEN", "").rpartition(":")[0]
    play(folder, once=once, host=host or within or "127.0.0.1", port=port)


@command(short_help="Show the state of sources, outbox and sender.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option(
    "--alive",
    is_flag=True,
    help="Print nothing; exit 0 while the sender of `monitor run` is working, else 1.",
)
@click.option("--check", "strict", is_flag=True, help="Exit 1 when something needs attention.")
def status(session: Session, as_json: bool, alive: bool, strict: bool) -> None:
    """Show the state of sources, outbox and sender, and what needs attention.

    JSON keys: now, ok, problems (sentences); sources.NAME: last_good_at, age (s), blind, baseline, pending,
    held, last_fetch_at, last_outcome, last_reason, next_poll_at, rejected, rejected_until, and where changes
    are held: holds (count, until (null: a person decides), reason; the most first), held_until and
    held_reason (of those that wait longest); outbox: due,
    due_by_channel, waiting_for_channel, oldest_due_at, oldest_age (s), paused (channels that send nothing
    now: channel, until, reason), refused_often (by channel), failed, to_fan_out, fenced; sender:
    last_beat_at, age (s), working; bot (where one is configured): the same, and problem; placements (once the
    gazetteer or the overrides have changed between two starts): at, gazetteer, listings, moved, areas,
    people; forks (where the record went on from an older copy): at, entry, published.
    """
    if alive:
        sys.exit(0 if is_alive(session.settings.data.folder) else 1)
    report = load_status(session.components)
    if as_json:
        emit(report)
    else:
        _print_status(report)
    if strict and not report["ok"]:
        sys.exit(1)


def load_status(components: Components) -> dict[str, Any]:
    """Compute the report of `monitor status` for the configured sources and channels."""
    from monitor.ops.health_report import report_status

    return report_status(components.load_health())


@command(short_help="Print the state of the service as Prometheus metrics.")
def metrics(session: Session) -> None:
    """Print the state of the service as Prometheus metrics, for a textfile collector.

    [operator] metrics serves the same at /metrics while the service runs. docs/prometheus-rules.yml has
    alerting rules.
    """
    from monitor.ops.metrics import render_metrics

    click.echo(render_metrics(session.components.load_health), nl=False)


def _print_status(report: dict[str, Any]) -> None:
    for name, line in report["sources"].items():
        age = _format_age(line["age"])
        click.echo(
            f"{name}: {format_count(line['baseline'], 'listing')}, last good check {age}"
            + (", BLIND" if line["blind"] else "")
            + (f", {line['pending']} pending" if line["pending"] else "")
            + (f", {line['held']} held" if line["held"] else "")
        )
        holds = line.get("holds", ())
        for group in holds[:_MOST_HOLDS]:
            until = _format_time(group["until"]) or "a person decides"
            click.echo(f"  {group['count']} until {until}: {group['reason']}")
        if len(holds) > _MOST_HOLDS:
            click.echo(f"  and {len(holds) - _MOST_HOLDS} more reasons: see `monitor holds`")
    outbox = report["outbox"]
    oldest = f", the oldest {_format_age(outbox['oldest_age'])}" if outbox["due"] else ""
    unknown = f", {outbox['unknown']} given up that may have arrived" if outbox["unknown"] else ""
    click.echo(f"outbox: {outbox['due']} due{oldest}, {outbox['failed']} failed for good{unknown}")
    if (placing := report.get("placements")) is not None:
        click.echo(
            f"places: at the last change of the gazetteer or the overrides ({_format_time(placing['at'])}), "
            f"{placing['moved']} of {format_count(placing['listings'], 'agency', 'agencies')} got other "
            f"places, and {format_count(placing['people'], 'person', 'people')} an agency in the next message"
        )
    for fork in report.get("forks", ()):
        since = _format_time(fork["at"])
        click.echo(f"record: goes on from an older copy since {since}, without {fork['published']}")
    for part in ("sender", "bot"):
        if (seen := report.get(part)) is not None:
            working = "working" if seen["working"] else "not running"
            click.echo(f"{part}: {working}, last seen {_format_age(seen['age'])}")
    for problem in report["problems"]:
        click.echo(f"! {problem}")


def _format_time(at: str | None) -> str:
    """Format a time of the report as the sentences of the problems do."""
    return format_time(datetime.fromisoformat(at)) if at else ""


def _format_age(seconds: int | None) -> str:
    if seconds is None:
        return "never"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{max(seconds, 0)} s ago"
