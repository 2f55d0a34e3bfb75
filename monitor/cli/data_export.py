"""The command ``export``: the data files of the record, without a site."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli import Session, command, emit

if TYPE_CHECKING:
    from monitor.record.data.data_files import DataFile


@command(short_help="Write the data files of the record to a folder, as the site serves them.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--source", "names", multiple=True, metavar="NAME", help="Only this list; may be repeated.")
@click.option("--dump", is_flag=True, help="Also write dump.tar.zst: everything, with all publications.")
@click.option("--gzip", "compressed", is_flag=True, help="Also write each file of a list compressed.")
@click.option("--warc", is_flag=True, help="Also write every kept fetch as a web archive (WARC 1.1).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per file: path, bytes, sha256.")
def export(
    session: Session,
    folder: Path,
    names: tuple[str, ...],
    dump: bool,
    compressed: bool,
    warc: bool,
    as_json: bool,
) -> None:
    """Write to FOLDER what the site serves below /data: for each list agencies, versions, changes and polls
    as CSV, JSON, NDJSON and GeoJSON, datapackage.json, and record.sqlite with the tables of all lists. The
    files have the same bytes as the site's. They contain nothing about subscribers.

    With --warc also SOURCE/polls.warc.gz, every fetch whose content is kept, and SOURCE/agreements.warc.gz,
    if there are any. Any web archive viewer can replay them, and `monitor import` on another
    installation accepts the first one.
    """
    from monitor.record.data.data_files import DATABASE, PACKAGE
    from monitor.record.data.dump import write_dump

    files = session.components.data_files
    for name in names:
        session.settings.source(name)

    def report(path: Path, size: int, sha256: str) -> None:
        if as_json:
            emit({"path": str(path), "bytes": size, "sha256": sha256})
        else:
            click.echo(f"{size:>12,}  {path}")

    folder.mkdir(parents=True, exist_ok=True)
    read = files.list_read()
    for source in names or files.sources:
        if source not in read:
            click.echo(f"{source}: nothing was read of this list yet; it has no files", err=True)
            continue
        (folder / source).mkdir(parents=True, exist_ok=True)
        described, built = files.build_package(source)
        for file in built.values():
            report(*_copy(file, folder / source))
            if compressed:
                report(*_copy(files.build_compressed(source, file.name), folder / source))
        (folder / source / PACKAGE).write_bytes(described)
        click.echo(f"{len(described):>12,}  {folder / source / PACKAGE}", err=as_json)
        if warc:
            for path in _write_archives(session, source, folder / source):
                with path.open("rb") as archive:
                    report(path, path.stat().st_size, hashlib.file_digest(archive, "sha256").hexdigest())
    if not names:
        database = files.build_database()
        shutil.copyfile(database.path, folder / DATABASE)
        report(folder / DATABASE, database.size, database.sha256)
    if dump:
        with (folder / "dump.tar.zst").open("wb") as target:
            write_dump(target, files)
        click.echo(f"{(folder / 'dump.tar.zst').stat().st_size:>12,}  {folder / 'dump.tar.zst'}", err=as_json)


def _copy(file: DataFile, folder: Path) -> tuple[Path, int, str]:
    """Copy a file of the record; returns its path, size in bytes and SHA-256."""
    path = folder / file.name
    shutil.copyfile(file.path, path)
    return path, file.size, file.sha256


def _write_archives(session: Session, source: str, folder: Path) -> list[Path]:
    """Write the web archives of a list; returns the paths of those that are not empty."""
    from monitor.record.data.archive_file import AGREEMENTS, POLLS, write_archives
    from monitor.storage.engine import reading

    paths = [folder / POLLS, folder / AGREEMENTS]
    engine = session.components.data_files.engine
    with reading(engine) as conn, paths[0].open("wb") as polls, paths[1].open("wb") as looks:
        write_archives(conn, source, session.settings.site.name, polls, looks)
    for path in paths:
        if path.stat().st_size == 0:
            path.unlink()  # no bytes are no archive
    return [path for path in paths if path.exists()]
