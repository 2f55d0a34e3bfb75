"""The commands, one module per group.

A module is imported only when one of its commands is called, which keeps `--help` quick.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import date
from functools import cached_property, update_wrapper
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from monitor import __version__
from monitor.errors import MonitorError, describe_os_error

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from monitor.app import Components
    from monitor.config import Settings

F = TypeVar("F", bound=Callable[..., Any])

# Name -> (module, line of the overview). The module defines a click command with that name.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("operate", "Show how everything works on real data, without configuration."),
    "init": ("operate", "Write a commented configuration; create the database and the key."),
    "check": ("operate", "Check the configuration, the sources and the channels; send a sample."),
    "doctor": ("operate", "Check DNS, clock, disk, key and backup, and everything else."),
    "run": ("operate", "Run the service: poll, judge and deliver until stopped."),
    "worker": ("operate", "Poll, judge and deliver until stopped, without the site."),
    "web": ("site", "Serve the site alone, beside a running service or without one."),
    "grant": ("site", "On PostgreSQL: create the site's role, which cannot read addresses."),
    "status": ("operate", "Show the state of sources, outbox and sender."),
    "metrics": ("operate", "Print the state of the service as Prometheus metrics."),
    "poll": ("sources", "Poll the sources once, now."),
    "listings": ("sources", "List a source's agencies, now or at a moment in the past."),
    "changes": ("sources", "List published changes, each with the interval in which it happened."),
    "sources": ("propose", "Propose how a list is read, and write its section."),
    "holds": ("holds", "List held changes; approve or reject them."),
    "retract": ("retracting", "Retract a published change, and notify everybody who was alerted to it."),
    "note": ("annotations", "Write a dated note on an agency; list and remove notes."),
    "parse": ("inspect", "Parse one file as a source and print its listings."),
    "diff": ("inspect", "Compare two files as publications of a source."),
    "replay": ("inspect", "Simulate polling over a history of files; sends nothing."),
    "import": ("history_import", "Import the past of a list from files that others captured."),
    "deliver": ("sending", "Send what is due and exit."),
    "resume": ("sending", "Start sending from a copied or restored database."),
    "simulate": ("simulation", "Show what a publication would do, and who would be alerted; sends nothing."),
    "outbox": ("outbox", "List, show, retry and drop messages; undo a wave of refusals."),
    "explain": ("explanations", "Explain why somebody was alerted to a change, or was not."),
    "subscribers": ("people", "Add, list, remove, export and erase subscribers."),
    "telegram": ("telegram", "Test the configured Telegram channels."),
    "webhooks": ("webhooks", "List the configured webhooks; revive one that has ended."),
    "bounces": ("privacy", "Process bounces, complaints and unsubscribe mails."),
    "purge": ("privacy", "Delete expired personal data; prove that it is gone."),
    "key": ("privacy", "Replace the key that encrypts addresses, or signs the record."),
    "evidence": ("evidence", "Write a file that proves a change, a day or an agreement, offline."),
    "agreements": ("agreement_list", "List the agreements that listings link to, with the stored copies."),
    "verify": ("evidence", "Check an evidence bundle, or a head of the record from a mail."),
    "redact": ("evidence", "Remove the bytes of a publication; its hash stays in the record."),
    "export": ("data_export", "Write the data files of the record to a folder, as the site serves them."),
    "vacuum": ("evidence", "Store old publications by difference and return the space."),
    "backup": ("backups", "Copy the database to a folder, beside a running service."),
    "restore": ("backups", "Replace the database with a backup."),
    "move": ("backups", "Move everything to another database, SQLite or PostgreSQL."),
    "locate": ("places", "Show which places an agency serves, and why."),
    "find": ("places", "Find the places that a text means: a ZIP, town, county, agency or nickname."),
    "covers": ("places", "List the agencies that cover a ZIP today, and why."),
    "place": ("place_corrections", "Assign places to agencies; list and remove assignments."),
    "unplaced": ("places", "List the agencies that could not be placed."),
    "documents": (
        "document_list",
        "Show how the file of documents was read, and which rows match no agency.",
    ),
}
SERVICES = (["run"], ["worker"], ["web"])
"""The commands that run until they are stopped; they also shut down cleanly while they start."""
OLD_COMMANDS = {"failed": "outbox"}
"""Name -> module of commands of version 0.1.0. They still work; the overview lists their replacements."""


class _LazyGroup(click.Group):
    """A group that imports a command when it is called."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run a command. Incorrect usage prints one line on stderr that says what to do, and exits with code
        2.
        """
        run: Any = super().main  # click has one overload for each value of standalone_mode
        if not standalone_mode:
            return run(*args, standalone_mode=False, **extra)
        try:
            code = run(*args, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            click.echo(f"monitor: {_describe_misuse(error)}", err=True)
            sys.exit(error.exit_code)
        except click.Abort:
            click.echo("monitor: stopped", err=True)
            sys.exit(1)
        sys.exit(code if isinstance(code, int) else 0)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS and name not in OLD_COMMANDS:
            return None
        module = importlib.import_module(f"monitor.cli.{OLD_COMMANDS.get(name) or COMMANDS[name][0]}")
        command = getattr(module, f"{name}_" if iskeyword(name) else name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        import difflib

        if args and args[0] not in COMMANDS and args[0] not in OLD_COMMANDS:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


def _describe_misuse(error: click.ClickException) -> str:
    """Describe an error of click on one line, with the command that shows the correct usage."""
    message = " ".join(error.format_message().split()).rstrip(".")
    message = message[:1].lower() + message[1:] if message[1:2].islower() else message
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return message
    return (
        f"{message}{'' if message.endswith('?') else ';'} `{context.command_path} --help` shows what it takes"
    )


@click.group(
    name="monitor",
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="monitor")
def root() -> None:
    """Map Monitor watches official lists of law-enforcement agencies and tells people when an agency near
    them is listed or no longer listed.

    Start with `monitor demo`, then `monitor init`. Every command works without a configuration file.
    """


class Session:
    """The first argument of a command: the settings and the components, each opened on first use.

    ``creates_database``: the command may create the database; for others a missing one is an error.
    """

    def __init__(self, config: Path | None, debug: bool, *, creates_database: bool = False) -> None:
        self.creates_database = creates_database
        self.config = config
        self.debug = debug
        self.closing = ExitStack()
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        if self._settings is None:
            from monitor.config import load

            self._settings = load(self.config)
        return self._settings

    def database(self) -> Engine:
        """Open the configured database, migrated to this program's revision; closed when the command ends."""
        return self.components.engine

    @cached_property
    def components(self) -> Components:
        """The parts of the program on the configured database, which is closed when the command ends."""
        from monitor.app import Components

        _warn_of_owner(self.settings.data.folder)
        opened = Components.open if self.creates_database else Components.open_existing
        return self.closing.enter_context(opened(self.settings))


def _warn_of_owner(folder: Path) -> None:
    """Tell an administrator at a terminal whose data folder this is: a file that root creates in it, such as
    a new key, cannot be read by the service of another user.
    """
    if os.geteuid() or not folder.exists() or not folder.stat().st_uid or not sys.stderr.isatty():
        return
    try:
        owner = folder.owner()
    except KeyError:
        owner = f"user {folder.stat().st_uid}"
    click.echo(f"monitor: {folder} belongs to {owner}: run commands as that user, not as root", err=True)


def command(*, creates_database: bool = False, **attributes: Any) -> Callable[[F], click.Command]:
    """`click.command` with ``--config`` and ``--debug``; the function gets a `Session` first.

    A `MonitorError` becomes one line on stderr and the exit code of its class. Any other exception is
    reported as a bug. Tracebacks are shown only with ``--debug``.
    """

    return lambda function: _with_options(function, click.command, attributes, creates_database)


def subcommand(group: click.Group, **attributes: Any) -> Callable[[F], click.Command]:
    """The same for a command within a group such as ``holds``."""
    return lambda function: _with_options(function, group.command, attributes, False)


def _with_options(
    function: Callable[..., Any], make: Any, attributes: dict[str, Any], creates_database: bool
) -> click.Command:
    def call(config: Path | None, debug: bool, **arguments: Any) -> Any:
        from monitor.cli.logs import configure

        configure(debug)
        session = Session(config, debug, creates_database=creates_database)
        with _ExitOnError(debug), session.closing:
            return function(session, **arguments)

    update_wrapper(call, function)
    wrapped = click.option("--debug", is_flag=True, help="Log everything and show tracebacks.")(call)
    wrapped = click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Configuration file. Default: ./config.toml if it exists, else built-in defaults.",
    )(wrapped)
    made = make(**attributes)(wrapped)
    assert isinstance(made, click.Command)
    return made


class _ExitOnError:
    """Turns an exception into one line on stderr and an exit code."""

    def __init__(self, debug: bool) -> None:
        self.debug = debug

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if (
            error is None
            or self.debug
            or isinstance(error, click.exceptions.Exit | click.ClickException | click.Abort)
        ):
            return
        if isinstance(error, MonitorError):
            for line in str(error).splitlines():
                click.echo(f"monitor: {line}", err=True)
            sys.exit(error.exit_code)
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()
            sys.exit(1)
        if isinstance(error, OSError) and error.filename is not None and error.strerror:
            # a file or folder that was named on the command line or in the configuration
            click.echo(
                f"monitor: {error.filename}: {describe_os_error(error)}; "
                "check the path, its owner and its mode",
                err=True,
            )
            sys.exit(1)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            click.echo(
                f"monitor: {describe_os_error(error)}: make room where the output is written", err=True
            )
            sys.exit(1)
        if isinstance(error, Exception):
            click.echo(
                f"monitor: unexpected {type(error).__name__}; run again with --debug and report the output",
                err=True,
            )
            sys.exit(1)


def emit(value: object) -> None:
    """Print one JSON object on a line of its own, keys in the given order; times as ISO 8601."""
    click.echo(json.dumps(value, ensure_ascii=False, default=_encode))


def _encode(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def show_progress(line: str) -> None:
    """Print a line for a person who waits, apart from the command's answer on stdout."""
    click.echo(f"monitor: {line}", err=True)


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a plain table with aligned columns; None is shown as a dash."""
    cells = [[("-" if cell is None or cell == "" else str(cell)) for cell in row] for row in rows]
    widths = [max([len(header), *(len(row[index]) for row in cells)]) for index, header in enumerate(headers)]
    for line in ([*headers], *cells):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def main() -> None:
    """The entry point ``monitor``."""
    from monitor.cli import alive, stopping

    code = alive.answer(sys.argv[1:])
    if code is not None:
        sys.exit(code)
    if sys.argv[1:2] in SERVICES:
        stopping.end_at_once_on_signals()
    else:
        stopping.end_in_order_as_first_process(os.getpid())
    root(prog_name="monitor")
