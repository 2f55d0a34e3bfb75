"""The command that adds the past of a list, from files that others captured."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli import Session, command, emit, table
from monitor.domain import Kind
from monitor.formatting import format_count

if TYPE_CHECKING:
    from monitor.history.captured_file import CapturedFile
    from monitor.history.captures import Conflict
    from monitor.history.past import Past
    from monitor.storage.lists.imports import ImportInfo


@command(
    creates_database=True,
    name="import",
    short_help="Import the past of a list from files that others captured.",
)
@click.argument("source", metavar="SOURCE")
@click.argument("paths", metavar="PATH...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--captured-by", metavar="NAME", default="", help="Who captured the files.")
@click.option("--url", default="", help="Where they were served; chooses the address in a web archive.")
@click.option("--licence", default="", help="The license of the files.")
@click.option("--note", default="", help="A note that is shown with them.")
@click.option("--git-path", metavar="FILE", help="The file in a git repository whose history is read.")
@click.option("--dry-run", is_flag=True, help="Write nothing; list conflicts, and what would be published.")
@click.option("--undo", is_flag=True, help="Remove the imported past of SOURCE.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def import_(
    session: Session,
    source: str,
    paths: tuple[Path, ...],
    captured_by: str,
    url: str,
    licence: str,
    note: str,
    git_path: str | None,
    dry_run: bool,
    undo: bool,
    as_json: bool,
) -> None:
    """Add files that others captured of SOURCE before its first own poll to the record. Nobody is alerted,
    and pages, data and proofs say who captured them.

    PATH is a manifest (a CSV file with the header time,file and, if wanted,
    captured_by,url,licence,note), a folder, a git repository with --git-path, or a WARC or WACZ file. In a
    folder, the file names give the times (20250221214937, 2025-02-21, 02212025pm), in UTC; a folder with a
    manifest.csv is read by that. The files are parsed and judged by the same rules as polls; the next file
    serves as the second poll.

    Use --dry-run first: it lists contradictions. Everything is written in one step, while the service runs or
    before it starts.

    JSON keys: source, dry_run, files, first_at, last_at, good, rejected, unreadable, added, removed, changed,
    listings, waiting, conflicts (objects with kind, file, text); with --undo source, undone, first_at,
    last_at.
    """
    from monitor import app
    from monitor.errors import UsageError
    from monitor.history import captures, importing
    from monitor.history.captured_file import Attribution
    from monitor.outbox import fan_out
    from monitor.parser import ParserProcess

    watch = app.polled_source(session.settings, source, lambda: session.components.current_gazetteer.renew())
    now = app.now()
    if undo:
        if paths or dry_run:
            raise UsageError("--undo takes no files and no --dry-run")
        _show_undone(importing.undo_import(session.database(), source, now), as_json)
        return
    if not paths:
        raise UsageError("name the files: a manifest, a folder, a git repository or a web archive")
    said = Attribution(captured_by=captured_by, url=url, licence=licence, note=note)
    with tempfile.TemporaryDirectory(prefix="monitor-import-") as folder, ParserProcess() as parser:
        files = captures.read_captures(paths, said, Path(folder), git_path)
        importing.refuse_overlap(session.database(), source, files, now)
        conflicts = captures.find_conflicts(files)
        past = _judge(files, watch, parser)
        if not dry_run:
            importing.write_past(session.database(), past, watch, now=now, parser=parser)
            components = session.components
            fan_out(components.engine, locate=components.locate, now=now)  # locates the changes
    _show_past(past, conflicts, dry_run, as_json)


def _judge(files: Sequence[CapturedFile], watch: Any, parser: Any) -> Past:
    from monitor.history.past import judge_past

    bar: Any = (
        click.progressbar(length=len(files), label=format_count(len(files), "file"), file=sys.stderr)
        if sys.stderr.isatty()
        else nullcontext()
    )
    with bar as shown:

        def progress(done: int) -> None:
            if shown is not None:
                shown.update(done - shown.pos)

        return judge_past(files, watch, parser=parser, progress=progress)


def _show_past(past: Past, conflicts: Sequence[Conflict], dry_run: bool, as_json: bool) -> None:
    from monitor.cli.output import format_iso

    unread = [capture for capture in past.captures if capture.outcome in ("failed", "rejected")]
    if as_json:
        emit(
            {
                "source": past.source,
                "dry_run": dry_run,
                "files": len(past.files),
                "first_at": format_iso(past.captures[0].at),
                "last_at": format_iso(past.captures[-1].at),
                "good": past.count_outcome("good"),
                "rejected": past.count_outcome("rejected"),
                "unreadable": past.count_outcome("failed"),
                "added": past.count(Kind.ADDED),
                "removed": past.count(Kind.REMOVED),
                "changed": past.count(Kind.CHANGED),
                "listings": len(past.standing),
                "waiting": past.waiting,
                "conflicts": [
                    {"kind": each.kind, "file": each.name, "text": each.text} for each in conflicts
                ],
            }
        )
        return
    if conflicts:
        table(("conflict", "file", "what"), [(each.kind, each.name, each.text) for each in conflicts])
    for capture in unread:
        word = "not readable" if capture.outcome == "failed" else "not believed"
        click.echo(f"{word}: {capture.name}: {capture.reason}", err=True)
    verb = "would be published" if dry_run else "published"
    click.echo(
        f"{format_count(len(past.files), 'file')} from {past.captures[0].at:%Y-%m-%d} "
        f"to {past.captures[-1].at:%Y-%m-%d}: "
        f"{past.count(Kind.ADDED):,} added, {past.count(Kind.REMOVED):,} removed, "
        f"{past.count(Kind.CHANGED):,} changed {verb}; {past.waiting:,} undecided at the end; "
        f"{format_count(len(past.standing), 'listing')} then"
    )
    if dry_run:
        click.echo("nothing was written")


def _show_undone(info: ImportInfo, as_json: bool) -> None:
    from monitor.cli.output import format_iso

    if as_json:
        emit(
            {
                "source": info.source,
                "undone": True,
                "first_at": format_iso(info.first_at),
                "last_at": format_iso(info.last_at),
            }
        )
        return
    click.echo(
        f"the past of {info.source} from {info.first_at:%Y-%m-%d} to {info.last_at:%Y-%m-%d} is taken back; "
        "the log keeps that it was there"
    )
