"""The commands for whole databases: backup, restore, move."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli import Session, command, emit
from monitor.errors import UsageError
from monitor.formatting import format_count, format_minute

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from monitor.ops.backup import Steps
    from monitor.storage.transfer import Progress

_FOLDER = click.Path(path_type=Path, file_okay=False)


@command(short_help="Copy the database to a folder, beside a running service.")
@click.option("--to", type=_FOLDER, metavar="FOLDER", help="Default: backups in the data folder.")
@click.option(
    "--keys",
    type=_FOLDER,
    metavar="FOLDER",
    help="Also copy the key files, to another folder than the backup.",
)
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Then delete all but the newest N backups.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def backup(session: Session, to: Path | None, keys: Path | None, keep: int | None, as_json: bool) -> None:
    """Copy the whole database to a folder, beside a running service, and verify the copy by opening it.

    It does not contain the keys: without monitor.key nobody, including you, can read the addresses in a
    backup. Copy the keys to another place, with --keys or by hand. Do not `cp` a running database: that loses
    what is in its -wal file. A backup contains people who leave later; delete old backups (--keep), and
    restore with `monitor restore`, which applies later erasures again.

    JSON keys: folder, made_at, rows, bytes, key (fingerprint), keys_copied, deleted.
    """
    from monitor.ops import backup as backups

    components = session.components
    data = session.settings.data.folder
    to = to or data / "backups"
    if keys is not None and (keys.resolve() == to.resolve() or to.resolve() in keys.resolve().parents):
        raise click.UsageError("--keys must be another folder than the backup's")
    with ExitStack() as bars:
        folder, manifest = backups.write_backup(
            components.engine, data, to, components.clock(), _show_steps(bars, as_json)
        )
    copied = backups.copy_keys(data, keys) if keys else []
    deleted = backups.delete_old_backups(to, keep) if keep else []
    size = sum(file.stat().st_size for file in folder.iterdir())
    if as_json:
        emit(
            {
                "folder": str(folder),
                "made_at": manifest.made_at.isoformat(timespec="seconds"),
                "rows": manifest.rows,
                "bytes": size,
                "key": manifest.key,
                "keys_copied": [str(copy) for copy in copied],
                "deleted": [str(old) for old in deleted],
            }
        )
        return
    click.echo(f"wrote and verified {folder}: {manifest.rows:,} rows, {size / 1e6:,.1f} MB")
    if copied:
        click.echo(
            f"copied {' and '.join(copy.name for copy in copied)} to {keys}: keep that apart from the backup"
        )
    else:
        click.echo(
            f"the keys are not in it: keep copies of monitor.key and log.key from {data} in another place"
        )
    for old in deleted:
        click.echo(f"deleted {old}")


@command(creates_database=True, short_help="Replace the database by a backup.")
@click.argument("folder", type=_FOLDER)
@click.option("--replace", is_flag=True, help="The database holds something: back it up, then replace it.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def restore(session: Session, folder: Path, replace: bool, yes: bool) -> None:
    """Restore a backup into the configured database, SQLite or PostgreSQL, with the service stopped.

    The key from the time of the backup must be in the data folder. Later erasures are applied again. Nothing
    is sent from the restored database before `monitor resume`, because what is due may have been sent
    already.
    """
    from monitor import app
    from monitor.cli.run import lock_service
    from monitor.ops import backup as backups
    from monitor.storage import heartbeats, transfer
    from monitor.storage.engine import describe_database, reading

    settings = session.settings
    data = settings.data.folder
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}: {_describe_backups(data / 'backups')}")
    manifest = backups.read_manifest(folder)
    backups.refuse_another_key(manifest, data)
    made_at = format_minute(manifest.made_at)
    found = f"{folder}: {manifest.rows:,} rows, made at {made_at} by version {manifest.version}"

    def ask() -> None:
        click.echo(found)
        if not yes:
            click.confirm("Restore it now?", default=False, abort=True)

    is_missing = app.describe_missing_database(settings) is not None
    if is_missing:
        ask()  # before a database is created, so that declining leaves nothing behind
    components = session.components
    engine = components.engine
    with lock_service(settings, engine), ExitStack() as bars:
        with reading(engine) as conn:
            heartbeats.refuse_beside_a_service(conn, components.clock())
            used = not transfer.is_unused(conn)
        if used and not replace:
            raise UsageError(
                f"{describe_database(engine.url)} already holds a service: use --replace, which backs it up "
                "first"
            )
        if not is_missing:
            ask()
        steps = _show_steps(bars, quiet=False)
        if used:
            kept, _ = backups.write_backup(engine, data, data / "backups", components.clock(), steps)
            click.echo(f"what was there is in {kept}")
            transfer.delete_rows(engine)
        backups.restore(folder, engine, data, components.clock(), steps)
        app.open_keys(settings, engine)
    click.echo("restored; nothing is sent before `monitor resume`, which shows first what would be")


@command(short_help="Move everything to another database, SQLite or PostgreSQL.")
@click.option(
    "--to", "url", metavar="URL", required=True, help="An empty database: sqlite:///PATH or postgresql://..."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def move(session: Session, url: str, yes: bool) -> None:
    """Copy every row to another, empty database, with the service stopped, and compare rows and hashes.

    The old database is not changed. Then write the new URL into [database] url and run `monitor resume`:
    until then nothing is sent from the new one, and after that nothing from the old one.
    """
    from monitor.cli.run import lock_service
    from monitor.storage import heartbeats, migrate, transfer
    from monitor.storage.engine import connect, describe_database, reading, sqlite_file

    components = session.components
    settings, source = session.settings, components.engine
    file = sqlite_file(url)
    # so that declining leaves no file behind
    target = None if file is not None and not file.exists() else connect(url)
    with lock_service(settings, source), ExitStack() as closing:
        if target is not None:
            closing.callback(target.dispose)
            _refuse_target(source, target)
        with reading(source) as conn:
            heartbeats.refuse_beside_a_service(conn, components.clock())
            rows = transfer.count_rows(conn)
        there = f"the database {file}" if target is None else describe_database(target.url)
        click.echo(f"{format_count(rows, 'row')} from {describe_database(source.url)} to {there}")
        if not yes:
            click.confirm("Copy them now?", default=False, abort=True)
        if target is None:
            target = connect(url)
            closing.callback(target.dispose)
        migrate.upgrade(target, folder=settings.data.folder, now=components.clock())
        digests = transfer.transfer(source, target, _show_steps(closing, quiet=False)("moving", 3 * rows))
    click.echo(
        f"copied and compared {sum(one.rows for one in digests.values()):,} rows of {len(digests)} tables"
    )
    click.echo("next: write the new URL into [database] url, then run `monitor resume` and start the service")


def _describe_backups(folder: Path) -> str:
    """Say which backup in the usual folder is the newest, or where to look if there is none."""
    from monitor.ops import backup as backups

    found = backups.list_backups(folder)
    if found:
        return f"the newest of {format_count(len(found), 'backup')} in {folder} is {found[-1].name}"
    return f"there is no backup in {folder}; name the folder that `monitor backup` printed"


def _refuse_target(source: Engine, target: Engine) -> None:
    """Refuse the target of a move that is the database in use or not empty (UsageError), before it is
    migrated and before a person is asked.
    """
    from monitor.storage import transfer
    from monitor.storage.engine import describe_database, reading, sqlite_file

    files = [sqlite_file(engine.url.render_as_string(hide_password=False)) for engine in (source, target)]
    names = [
        str(file.resolve()) if file else describe_database(engine.url)
        for file, engine in zip(files, (source, target), strict=True)
    ]
    if names[0] == names[1]:
        raise UsageError(
            f"{describe_database(target.url)} is the database in use: name another one, which must be empty"
        )
    with reading(target) as conn:
        if not transfer.is_unused(conn):
            raise UsageError(f"{describe_database(target.url)} is not empty: name an empty database")


def _show_steps(bars: ExitStack, quiet: bool) -> Steps:
    """Show a progress bar for each step, on stderr and only on a terminal."""

    def begin(label: str, length: int) -> Progress:
        if quiet or not sys.stderr.isatty():
            return lambda _: None
        bar = bars.enter_context(click.progressbar(length=max(length, 1), label=label, file=sys.stderr))
        return bar.update

    return begin
