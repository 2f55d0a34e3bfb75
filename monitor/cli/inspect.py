"""The commands that read files; they open no database and send nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli import Session, command, emit, table
from monitor.domain import Change, Judgment, Kind, Policy, Publication, State
from monitor.formatting import format_count, format_minute

if TYPE_CHECKING:
    from monitor.history.replay import Event, ReplaySummary

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_MAX_NAMES = 3  # the most changes named in a line of a replay


@command(short_help="Parse one file as a source and print its listings.")
@click.argument("file", type=_FILE)
@click.option("--source", "name", metavar="NAME", required=True, help="The configured source to parse it as.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def parse(session: Session, file: Path, name: str, as_json: bool) -> None:
    """Parse FILE as the source NAME and print its listings; problems with single rows go to stderr.

    Exit 1 when FILE is not a readable publication.

    JSON keys: name, city, county, state, since, url, attributes (an object), folder, key.
    """
    from monitor.cli.output import listing_json

    publication = _read(session, file, name)
    for problem in publication.problems:
        row = f"row {problem.row}: " if problem.row is not None else ""
        click.echo(f"{row}{problem.kind}: {problem.message}", err=True)
    if as_json:
        for listing in publication.listings:
            emit(listing_json(listing))
        return
    table(
        ("name", "city", "county", "state", "since"),
        [
            (listing.name, listing.city, listing.county, listing.state or listing.state_text, listing.since)
            for listing in publication.listings
        ],
    )
    click.echo(
        f"{format_count(len(publication.listings), 'listing')}, "
        + format_count(len(publication.problems), "problem")
    )


@command(short_help="Compare two files as publications of a source.")
@click.argument("before", type=_FILE)
@click.argument("after", type=_FILE)
@click.option(
    "--source", "name", metavar="NAME", required=True, help="The configured source to parse them as."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def diff(session: Session, before: Path, after: Path, name: str, as_json: bool) -> None:
    """Show what would be announced if the source NAME published AFTER, with BEFORE as its whole history.

    Removals count as confirmed by a second poll. The verdict is "publish"; "hold" if something would wait for
    time or a person; or "reject" if AFTER would not be accepted at all. Differences that are never announced
    (links, letter case) are left out.

    JSON keys: added and removed (listings as `monitor parse` prints them), changed (objects with before,
    after, fields), verdict, reason.
    """
    from monitor import app
    from monitor.cli.output import SIGNS, format_change, listing_json

    found = compare(
        _read(session, before, name),
        _read(session, after, name),
        session.settings.policy(name),
        app.now(),
    )
    if as_json:
        emit(
            {
                "added": [listing_json(change.subject) for change in found.of(Kind.ADDED)],
                "removed": [listing_json(change.subject) for change in found.of(Kind.REMOVED)],
                "changed": [
                    {
                        "before": listing_json(change.before),
                        "after": listing_json(change.after),
                        "fields": list(change.fields),
                    }
                    for change in found.of(Kind.CHANGED)
                    if change.before is not None and change.after is not None
                ],
                "verdict": found.verdict,
                "reason": found.reason,
            }
        )
        return
    if found.changes:
        table(
            ("", "change", "what", "held because"),
            [
                (
                    SIGNS[change.kind],
                    change.kind.value,
                    format_change(change),
                    found.held.get(change.identity),
                )
                for change in found.changes
            ],
        )
    click.echo(
        f"{len(found.of(Kind.ADDED))} added, {len(found.of(Kind.REMOVED))} removed,"
        f" {len(found.of(Kind.CHANGED))} changed"
    )
    click.echo(f"verdict: {found.verdict}{f': {found.reason}' if found.reason else ''}")


@dataclass(frozen=True)
class Comparison:
    """The changes between two publications that would be announced, and the verdict.

    ``held`` maps the identity of a held change to the reason.
    """

    changes: tuple[Change, ...]
    verdict: str
    reason: str
    held: dict[tuple[Kind, str], str]

    def of(self, kind: Kind) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.kind is kind)


def compare(before: Publication, after: Publication, policy: Policy, now: datetime) -> Comparison:
    """Judge ``after`` with ``before`` as the whole history and removals as confirmed."""
    from monitor.core import diff as differences
    from monitor.core import guard
    from monitor.core.accepted_values import reconcile

    before = reconcile((), before).publication
    continued = reconcile(before.listings, after)
    after = continued.publication
    changes = differences.diff(
        before.listings, after.listings, silent=policy.silent, new_columns=before.columns ^ after.columns
    )
    loud = tuple(change for change in changes if not change.quiet)
    refusal = guard.reject(
        after,
        before.listings,
        changes,
        (),
        columns=before.columns,
        folders=before.folders,
        last_seen=None,
        now=now,
        policy=policy,
    )
    if refusal is not None:
        return Comparison(loud, "reject", refusal.reason, {})
    judgments: tuple[Judgment, ...] = guard.judge(
        changes,
        before.listings,
        (),
        (),
        now=now,
        policy=policy,
        damaged=after.damaged,
        blank_states=continued.blank_states,
        in_part=after.in_part,
    )
    held = {
        judgment.change.identity: judgment.reason for judgment in judgments if judgment.state is State.HELD
    }
    reason = " ".join(dict.fromkeys(held.values()))
    return Comparison(loud, "hold" if held else "publish", reason, held)


@command(short_help="Simulate polling over a history of files; sends nothing.")
@click.argument("source", metavar="SOURCE")
@click.argument("manifest", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def replay(session: Session, source: str, manifest: Path, as_json: bool) -> None:
    """Simulate polling SOURCE at its interval over a history of files,
    and show what would have been announced, and when.

    MANIFEST is a CSV file with the header time,file: a time (ISO 8601, UTC) and the file that the publisher
    served from then on, relative to the manifest's folder. The simulation continues after the last file until
    no hold can end by itself. It uses a scratch database and sends nothing.

    It prints a line whenever changes are published or first held, or a publication is rejected, and a summary
    at the end. JSON keys: time, verdict ("published", "held", "rejected"), reason, added and removed (objects
    with name, state), changed (objects with before, after); the last line is {"summary": {...}} with source,
    files, unseen, unreadable, first_poll, last_poll, polls, added, removed, changed, held, rejected, waiting,
    listings, problems.
    """
    from monitor import app
    from monitor.history.replay import ReplaySummary, read_manifest
    from monitor.history.replay import replay as replayed

    served = read_manifest(manifest)
    polled = app.polled_source(session.settings, source)
    bar: Any = (
        click.progressbar(length=len(served), label=format_count(len(served), "file"), file=sys.stderr)
        if sys.stderr.isatty()
        else nullcontext()
    )
    with bar as shown:

        def progress(files: int) -> None:
            if shown is not None:
                shown.update(files - shown.pos)

        for value in replayed(served, polled, progress=progress):
            if isinstance(value, ReplaySummary):
                _show_summary(value, as_json)
            elif as_json:
                emit(_event_json(value))
            else:
                click.echo(_event_text(value))


def _read(session: Session, file: Path, name: str) -> Publication:
    """Parse a file. Raises ParseError, and UsageError when it cannot be read."""
    from monitor import app, sources
    from monitor.errors import ParseError, UsageError

    options = app.polled_source(session.settings, name).options
    try:
        body = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    try:
        return sources.parse(body, options)
    except ParseError as error:
        raise ParseError(f"{file}: {error}") from None


def _event_json(event: Event) -> dict[str, Any]:
    from monitor.cli.output import brief_json, format_iso

    return {
        "time": format_iso(event.time),
        "verdict": event.verdict,
        "reason": event.reason,
        "added": [brief_json(change.after) for change in event.of(Kind.ADDED)],
        "removed": [brief_json(change.before) for change in event.of(Kind.REMOVED)],
        "changed": [
            {"before": brief_json(change.before), "after": brief_json(change.after)}
            for change in event.of(Kind.CHANGED)
        ],
    }


def _event_text(event: Event) -> str:
    counts = [f"{len(event.of(kind))} {kind.value}" for kind in Kind if event.of(kind)]
    line = f"{format_minute(event.time)}  {event.verdict:<9}  {', '.join(counts)}"
    if event.changes:
        line += f": {_summarize(event.changes)}"
    return f"{line.rstrip()}{f'  ({event.reason})' if event.reason else ''}"


def _summarize(changes: Sequence[Change]) -> str:
    from monitor.cli.output import SIGNS, format_change

    shown = [f"{SIGNS[change.kind]} {format_change(change)}" for change in changes[:_MAX_NAMES]]
    return "; ".join(shown) + (f" and {len(changes) - _MAX_NAMES} more" if len(changes) > _MAX_NAMES else "")


def _show_summary(summary: ReplaySummary, as_json: bool) -> None:
    from monitor.cli.output import format_iso

    if as_json:
        times = {"first_poll": format_iso(summary.first_poll), "last_poll": format_iso(summary.last_poll)}
        emit({"summary": asdict(summary) | times})
        return
    for problem in summary.problems:
        click.echo(f"not readable: {problem}", err=True)
    click.echo(
        f"{summary.polls:,} polls over {summary.files:,} files ({summary.unseen} unseen,"
        f" {summary.unreadable} unreadable, {summary.rejected} rejected): {summary.added:,} added,"
        f" {summary.removed:,} removed, {summary.changed:,} changed; {summary.held:,} were held,"
        f" {summary.waiting:,} wait for a person; {summary.listings:,} listings at the end"
    )
