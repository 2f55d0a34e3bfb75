"""The commands for sources: poll, listings, changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from monitor.cli import Session, command, emit, show_progress, table
from monitor.errors import UsageError
from monitor.formatting import format_count

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from monitor.app import Components
    from monitor.config import Settings
    from monitor.polling import PollResult
    from monitor.storage.lists.changes import StoredChange


@command(creates_database=True, short_help="Poll the sources once, now.")
@click.argument("source", metavar="[SOURCE]", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def poll(session: Session, source: str | None, as_json: bool) -> None:
    """Poll SOURCE, or every enabled source, once now, and queue the deliveries of what is published.

    A line per source: what was published (added, removed, changed), what waits (pending, held), and the
    outcome: baseline (the first poll), unchanged, absent (an optional list that is not published now),
    pending, published, held, rejected, failed. Exit 1 if any was rejected or failed. Works beside a running
    service.

    JSON keys: source, outcome, added, removed, changed, pending, held, reason.
    """
    from monitor import app
    from monitor.errors import MonitorError
    from monitor.polling import PollOutcome, PollResult
    from monitor.polling import poll as poll_once

    settings = session.settings
    names = [source] if source is not None else list(settings.watched)
    sources = [
        app.polled_source(settings, name, lambda: session.components.current_gazetteer.renew())
        for name in names
    ]
    outcomes = []
    engine = session.database()
    with (
        app.open_parser(settings) as parser,
        app.open_fetcher(settings, parser, on_wait=show_progress) as fetcher,
    ):
        for polled in sources:
            try:
                outcome = poll_once(engine, polled, fetcher, now=app.now(), parser=parser)
            except MonitorError as error:  # One bad source does not stop the others.
                outcome = PollResult(polled.name, PollOutcome.FAILED, reason=str(error))
            outcomes.append(outcome)
            print_result(outcome, as_json)
            if outcome.outcome is PollOutcome.BASELINE and not as_json:
                count = format_count(count_listed(engine, polled.name), "agency", "agencies")
                click.echo(f"  {count} listed now, none announced; from the next poll on changes are")
        fan_out(session.components)
    try:
        session.components.sign_record()
    except MonitorError as error:  # The polls are recorded; the next signature covers them.
        click.echo(f"monitor: the record is not signed: {error}", err=True)
    if any(outcome.outcome in (PollOutcome.FAILED, PollOutcome.REJECTED) for outcome in outcomes):
        click.get_current_context().exit(1)


@command(short_help="List a source's agencies, now or at a moment in the past.")
@click.argument("source", metavar="SOURCE")
@click.option("--at", metavar="TIME", help="A date (its beginning), or an ISO time with zone. Default: now.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
def listings(session: Session, source: str, at: str | None, form: str) -> None:
    """List the agencies on SOURCE now, or at TIME. A listing whose addition had to wait counts from the first
    check that saw it.

    JSON is one object per line with the keys name, city, county, state, since, url, attributes (an object),
    folder, key. CSV has the same columns, and one for each attribute; cells that a spreadsheet would read as
    formulas get an apostrophe in front.
    """
    from monitor.cli.output import LISTING_KEYS, format_time, listing_json, parse_time, write_csv
    from monitor.storage.engine import reading
    from monitor.storage.lists import baseline, page_queries

    settings = session.settings
    moment_at = parse_time(at, settings.site.timezone) if at is not None else None
    with reading(session.database()) as conn:
        check_source(settings, conn, source)
        then = None if moment_at is None else page_queries.load_listed_at(conn, source, moment_at)
        found = sorted(
            baseline.load_listings(conn, source) if then is None else (listing for _, listing in then),
            key=lambda listing: (listing.state or "", listing.name),
        )
        first = page_queries.load_first_read(conn, source) if not found else None
    if not found:
        # A list that was never read is not an empty list.
        seen = (
            f"was read for the first time on {format_time(first, settings.site.timezone)}"
            if first
            else "was never read"
        )
        click.echo(f"{source} {seen}", err=True)
    if form == "json":
        for listing in found:
            emit(listing_json(listing))
    elif form == "csv":
        plain = [key for key in LISTING_KEYS if key != "attributes"]
        columns = sorted({column for listing in found for column, _ in listing.attributes})
        rows = (
            [
                *(listing_json(listing)[key] for key in plain),
                *(dict(listing.attributes).get(column) for column in columns),
            ]
            for listing in found
        )
        write_csv([*plain, *columns], rows)
    else:
        table(
            ("name", "city", "county", "state", "since"),
            [
                (
                    listing.name,
                    listing.city,
                    listing.county,
                    listing.state or listing.state_text,
                    listing.since,
                )
                for listing in found
            ],
        )
        click.echo(format_count(len(found), "listing"))


@command(short_help="List published changes, each with the interval in which it happened.")
@click.argument("name", metavar="[SOURCE]", required=False)
@click.option("--since", metavar="TIME", help="A date (its beginning), or an ISO time with zone.")
@click.option(
    "--place", metavar="PLACE", help="A ZIP code, a town, county or radius, a state such as IL, or US."
)
@click.option("--source", "source", metavar="NAME", help="The same as SOURCE.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def changes(
    session: Session,
    name: str | None,
    since: str | None,
    place: str | None,
    source: str | None,
    as_json: bool,
) -> None:
    """List published changes, of SOURCE or of all, oldest first, each with the interval in which it happened:
    from the last good poll without it to the first with it.

    With --place, only changes that concern a ZIP (agencies of its whole state included), a state, US, or a
    county, town or radius ("Cook County, IL", "10 miles of 60601").

    JSON keys: id, source, kind ("added", "removed", "changed"), before, after (listings as `monitor listings`
    prints them, or null), fields, not_before, not_after, published_at, was_held, reason, changeset, how,
    confidence, placement, retracted_at and retraction (the reason by language; null unless the operator
    retracted the change).
    """
    from monitor.cli.output import SIGNS, format_change, format_iso, format_time, parse_time
    from monitor.messages.placements import describe_placement
    from monitor.places.codes import is_area, state_of_zip
    from monitor.places.followed_areas import load_area, read_followed
    from monitor.storage.engine import reading
    from monitor.storage.lists import changes as kept

    if name is not None and source not in (None, name):
        raise UsageError("give one source: SOURCE or --source")
    source = name or source
    settings = session.settings
    timezone = settings.site.timezone
    places = read_followed(place) if place is not None else ()
    within = tuple(filter(None, map(state_of_zip, filter(str.isdigit, places))))
    if len(places) == 1 and is_area(places[0]) and (area := load_area(places[0])) is not None:
        places, within = area.zips, area.states
    moment_since = parse_time(since, timezone) if since is not None else None
    with reading(session.database()) as conn:
        if source is not None:
            check_source(settings, conn, source)
        found = kept.load_published(
            conn,
            source=source,
            since=moment_since,
            places=places,
            within=within,
        )
    if as_json:
        for row in found:
            emit(
                {
                    **change_json(row),
                    "not_before": format_iso(row.not_before),
                    "not_after": format_iso(row.first_seen_at),
                    "published_at": format_iso(row.ended_at),
                    "was_held": row.was_held,
                    "reason": row.reason,
                    "changeset": row.changeset,
                    "how": row.how,
                    "confidence": row.confidence,
                    "placement": describe_placement(row.placement, "en") or None,
                    "retracted_at": None if row.retraction is None else format_iso(row.retraction.at),
                    "retraction": None if row.retraction is None else dict(row.retraction.texts),
                }
            )
    elif found:
        table(
            ("id", "source", "", "what", "not before", "seen", "published"),
            [
                (
                    row.id,
                    row.source,
                    SIGNS[row.change.kind],
                    format_change(row.change) + (", retracted" if row.retraction is not None else ""),
                    format_time(row.not_before, timezone),
                    format_time(row.first_seen_at, timezone),
                    format_time(row.ended_at, timezone),
                )
                for row in found
            ],
        )
    else:
        click.echo("nothing was published")


def count_listed(engine: Engine, source: str) -> int:
    """Count the agencies that a source lists now."""
    from monitor.storage.engine import reading
    from monitor.storage.lists import baseline

    with reading(engine) as conn:
        return len(baseline.load_listings(conn, source))


def check_source(settings: Settings, conn: Connection, source: str) -> None:
    """Raise UsageError unless the source is configured or was polled once."""
    from monitor.storage.lists import baseline

    if source not in baseline.load_sources(conn):
        settings.source(source)


def fan_out(components: Components) -> None:
    """Write the deliveries of published changes, including those of an earlier poll that was killed."""
    from monitor import app, outbox

    if any(app.operator_addresses(components.settings).values()):
        # if the service does not run, the configured channels start to follow their places here
        app.follow_channels(components)
    outbox.fan_out(components.engine, locate=components.locate, now=components.clock())


def print_result(outcome: PollResult, as_json: bool) -> None:
    """Print the result of one poll: a line for people, or a JSON object."""
    found: dict[str, Any] = {
        "source": outcome.source,
        "outcome": outcome.outcome.value,
        "added": outcome.added,
        "removed": outcome.removed,
        "changed": outcome.changed,
        "pending": outcome.pending,
        "held": outcome.held,
        "reason": outcome.reason,
    }
    if as_json:
        emit(found)
        return
    counts = ", ".join(
        f"{found[key]} {key}" for key in ("added", "removed", "changed", "pending", "held") if found[key]
    )
    line = f"{outcome.source}: {outcome.outcome.value}"
    line += f" ({counts})" if counts else ""
    click.echo(line + (f": {outcome.reason}" if outcome.reason else ""))


def change_json(row: StoredChange) -> dict[str, Any]:
    """Format a change, published or held, as every command does."""
    from monitor.cli.output import listing_json

    change = row.change
    return {
        "id": row.id,
        "source": row.source,
        "kind": change.kind.value,
        "before": listing_json(change.before) if change.before else None,
        "after": listing_json(change.after) if change.after else None,
        "fields": list(change.fields),
    }
