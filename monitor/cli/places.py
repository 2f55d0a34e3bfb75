"""The commands about places: ``locate``, ``find``, ``covers``, ``unplaced``."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli import Session, command, emit, table
from monitor.domain import Confidence, Listing, Placement
from monitor.errors import MonitorError, UsageError
from monitor.places.codes import EVERYWHERE, parse_place
from monitor.states import STATES, read_state

if TYPE_CHECKING:
    from monitor.places import Covers, Gazetteer

COLUMNS = ("name", "city", "county", "state", "latitude", "longitude")
_NOTHING_READ = "No source was read yet: run `monitor poll` first."
BAR_EVERY = 200  # the number of rows for one step of the progress bar


@command(short_help="Show which places an agency serves, and why.")
@click.argument("name", required=False)
@click.option("--city", help="The town in the agency's address.")
@click.option("--county", help="The agency's county, if known.")
@click.option("--state", help="The agency's state: IL or Illinois.")
@click.option("--point", metavar="LAT,LON", help="The agency's position in degrees: 41.58,-87.50.")
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="CSV",
    help=f"Many agencies: a CSV with the columns {', '.join(COLUMNS)}; all but name optional.",
)
@click.option("--source", help="Apply only the overrides for this source. Default: those for every source.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per line: places, how, confidence, reason."
)
def locate(
    session: Session,
    name: str | None,
    city: str | None,
    county: str | None,
    state: str | None,
    point: str | None,
    file: Path | None,
    source: str | None,
    as_json: bool,
) -> None:
    """Show which places an agency serves, and why.

    The places are ZIP codes; or one state when the agency serves all of it or could not be placed within it
    ("state_only"); or US when its state is missing or unreadable. With --file the answers come in the order
    of the rows, one JSON object per line. Places that the operator assigned (`monitor place set`, the file of
    [places] overrides) override the rules; they are found by the agency's name and state.
    """
    if (name is None) == (file is None):
        raise UsageError("give the name of one agency, or --file with many")
    gazetteer = _apply_by_name(session, _gazetteer(session), source)
    if file is not None:
        _locate_file(gazetteer, file, source)
        return
    assert name is not None
    listing = Listing(name=name, city=city, county=county, state=_state(state), point=_point(point))
    placement = gazetteer.locate(listing, source)
    if as_json:
        emit(_answer(placement))
        return
    click.echo(f"{name}: {_reason(placement)}")
    click.echo(f"places:     {' '.join(placement.places)}")
    click.echo(f"confidence: {placement.confidence} (rule: {placement.how})")


@command(short_help="List the agencies that cover a ZIP today, and why.")
@click.argument("zip_code", metavar="ZIP")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def covers(session: Session, zip_code: str, as_json: bool) -> None:
    """List every agency of every source that covers a ZIP today, with the confidence and reason of each
    match.

    ZIP+4 is cut to five digits. Agencies that serve the whole state are included. Agencies of the state that
    could not be placed are listed apart, because it is unknown whether they serve this ZIP.

    The JSON object has zip, kind (standard, PO box, unique, military, or null when the ZIP is unknown),
    towns, counties, state, states, notices, and the lists agencies, statewide and not_placed, each with
    source, name, state, confidence, how, reason.
    """
    place = parse_place(zip_code)
    if place in STATES or place == EVERYWHERE:
        raise UsageError(
            f'"{zip_code}" is not a ZIP code; `monitor changes --place {place}` lists what changed there.'
        )
    gazetteer = _gazetteer(session)
    found = gazetteer.covers(place, [])
    by_source = {name: gazetteer.covers(place, placed) for name, placed in _placed(session, gazetteer)}
    if as_json:
        emit(_covers_answer(found, by_source))
        return
    _print_covers(found, by_source)


@command(short_help="Find the places that a text means: a ZIP, town, county, agency or nickname.")
@click.argument("text")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def find(session: Session, text: str, as_json: bool) -> None:
    """Find the places that a text means, as the site's search field, the bot and the preferences do.

    Agencies on the watched lists are found by name.

    The JSON object has kind (zip, zips, country, state, town, city, county, borough, neighborhood, tribal,
    agency, question, typo, none), label, places (ZIPs, a state, or US) and suggestions: for a question or a
    typo the texts to choose from, otherwise other places of the name. Where several places are named and one
    of them is not found, unknown has its words. For "none", label says what to write
    instead, and the exit code is 1.
    """
    from monitor.places.finder import PROBLEMS
    from monitor.places.finder import find as find_places

    result = find_places(text, _gazetteer(session))
    label = PROBLEMS[result.problem] if result.problem else result.label
    if as_json:
        emit(
            {
                "kind": result.kind,
                "label": label,
                "places": list(result.places),
                "suggestions": list(result.suggestions),
                **({"unknown": list(result.unknown)} if result.unknown else {}),
            }
        )
        if result.problem:
            sys.exit(1)
        return
    if result.problem:
        raise MonitorError(f'"{text}" is not found. {label}')
    unclear = f'"{text}" is not clear; write one of the suggestions'
    click.echo(f"{result.kind}: {label or unclear}")
    for name in result.unknown:
        click.echo(f"not found:   {name}")
    for each in result.agencies:
        click.echo(f"listed:      {each.name}, {each.state} ({each.source})")
    if result.places:
        click.echo(f"places:      {' '.join(result.places)}")
    if result.suggestions:
        click.echo(f"suggestions: {'; '.join(result.suggestions)}")


@command(short_help="List the agencies that could not be placed.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per line: source, key, name, state, reason."
)
def unplaced(session: Session, as_json: bool) -> None:
    """List the accepted agencies that could not be placed within their state, or have no state.

    Only followers of the state (or of US) are told about them. `monitor place set` assigns places to one, and
    so does a line in the file of [places] overrides with the columns source, key, name, state, places, note,
    after the next start of the service. Nobody is alerted; people whose places the agency newly serves read
    in their next message that it is listed.
    """
    gazetteer = _gazetteer(session)
    placed = list(_placed(session, gazetteer))
    rows = [
        {
            "source": source,
            "key": listing.key,
            "name": listing.name,
            "state": listing.state,
            "reason": _reason(placement),
        }
        for source, agencies in placed
        for listing, placement in agencies
        if placement.confidence is Confidence.STATE_ONLY
    ]
    if as_json:
        for row in rows:
            emit(row)
    elif rows:
        table(
            ("source", "state", "name", "reason"),
            [(r["source"], r["state"], r["name"], r["reason"]) for r in rows],
        )
    elif placed:
        click.echo("Every accepted agency is placed.")
    else:
        click.echo(_NOTHING_READ)


def _gazetteer(session: Session) -> Gazetteer:
    """The gazetteer with the overrides of the file and, where there is a database, those in it."""
    from monitor.app import describe_missing_database, load_gazetteer

    if describe_missing_database(session.settings) is None:
        return session.components.gazetteer
    return load_gazetteer(session.settings)


def _apply_by_name(session: Session, gazetteer: Gazetteer, source: str | None) -> Gazetteer:
    """The same with the assigned places found by name and state: a name that somebody types has no key."""
    from monitor.app import describe_missing_database
    from monitor.places import Overrides
    from monitor.places.overrides import make_override
    from monitor.storage.engine import reading
    from monitor.storage.lists.place_overrides import load_stored_overrides

    overrides = gazetteer.overrides
    if source is None:
        of_all = {("", name, state): given for (_, name, state), given in overrides.by_name.items()}
        overrides = Overrides(overrides.by_key, of_all)
    if describe_missing_database(session.settings) is None:
        with reading(session.database()) as conn:
            stored = load_stored_overrides(conn)
        rows = [
            make_override(source or "", "", each.name, each.state, each.places, each.note)
            for each in stored
            if source in (None, each.source)
        ]
        overrides = overrides.with_rows(rows)
    return gazetteer.with_overrides(overrides)


def _placed(session: Session, gazetteer: Gazetteer) -> Iterator[tuple[str, list[tuple[Listing, Placement]]]]:
    """Read the accepted listings of each source and place them."""
    from monitor.storage import engine as db
    from monitor.storage.lists import baseline

    engine = session.database()
    with db.reading(engine) as conn:
        for source in baseline.load_sources(conn):
            yield source, [(li, gazetteer.locate(li, source)) for li in baseline.load_listings(conn, source)]


def _reason(placement: Placement) -> str:
    """The placement's reason in English."""
    from monitor.messages.placements import describe_placement

    return describe_placement(placement.reason, "en")


def _answer(placement: Placement) -> dict[str, object]:
    return {
        "places": list(placement.places),
        "how": placement.how,
        "confidence": str(placement.confidence),
        "reason": _reason(placement),
    }


def _state(text: str | None) -> str | None:
    if text is None or not text.strip():
        return None
    reading = read_state(text)
    if reading is None:
        raise UsageError(f'"{text}" is not a state: write IL or Illinois.')
    return reading.code


def _point(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    latitude, comma, longitude = text.partition(",")
    point = _degrees(latitude, longitude) if comma else None
    if point is None:
        raise UsageError(
            f'"{text}" is not a point: write latitude,longitude in degrees, such as 41.58,-87.50.'
        )
    return point


def _degrees(latitude: str, longitude: str) -> tuple[float, float] | None:
    try:
        point = float(latitude), float(longitude)
    except ValueError:
        return None
    return point if -90 <= point[0] <= 90 and -180 <= point[1] <= 180 else None


def _locate_file(gazetteer: Gazetteer, path: Path, source: str | None) -> None:
    listings = _rows(path)
    bar = click.progressbar(
        length=len(listings), label="locating", file=sys.stderr, hidden=not sys.stderr.isatty()
    )
    with bar:
        for number, listing in enumerate(listings, 1):
            emit(_answer(gazetteer.locate(listing, source)))
            if number % BAR_EVERY == 0 or number == len(listings):
                bar.update(number - bar.pos)


def _rows(path: Path) -> list[Listing]:
    """Read the agencies of a CSV. An unreadable state or point counts as missing; a missing name column is an
    error.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text; save it as CSV UTF-8.") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=_reads_strictly(text))
    try:
        names = {(column or "").strip().casefold(): column for column in reader.fieldnames or ()}
        if "name" not in names:
            raise UsageError(f"{path} has no column called name; it may have {', '.join(COLUMNS)}.")
        known = [(column, names[column]) for column in COLUMNS if column in names]
        return [_listing({column: (row.get(head) or "").strip() for column, head in known}) for row in reader]
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: not readable as CSV: {error}.") from None


def _reads_strictly(text: str) -> bool:
    """Whether to parse strictly: not if a quote occurs within a cell, but if one is never closed and would
    swallow rows.
    """
    try:
        for _ in csv.reader(io.StringIO(text, newline=""), strict=True):
            pass
    except csv.Error as error:
        return "unexpected end" in str(error)
    return True


def _listing(cells: dict[str, str]) -> Listing:
    reading = read_state(cells.get("state", ""))
    return Listing(
        name=cells["name"],
        city=cells.get("city") or None,
        county=cells.get("county") or None,
        state=reading.code if reading else None,
        state_text=None if reading else cells.get("state") or None,
        point=_degrees(cells.get("latitude", ""), cells.get("longitude", "")),
    )


def _covers_answer(found: Covers, by_source: dict[str, Covers]) -> dict[str, object]:
    area = found.area

    def agencies(attribute: str) -> list[dict[str, object]]:
        return [
            {
                "source": source,
                "name": listing.name,
                "state": listing.state,
                "confidence": str(placement.confidence),
                "how": placement.how,
                "reason": _reason(placement),
            }
            for source, covered in by_source.items()
            for listing, placement in getattr(covered, attribute)
        ]

    return {
        "zip": found.zip,
        "kind": str(area.kind) if area else None,
        "towns": list(area.towns) if area else [],
        "counties": list(area.counties) if area else [],
        "state": found.state,
        "states": list(area.states) if area else [s for s in (found.state,) if s],
        "notices": list(found.notices),
        "agencies": agencies("agencies"),
        "statewide": agencies("statewide"),
        "not_placed": agencies("not_placed"),
    }


def _print_covers(found: Covers, by_source: dict[str, Covers]) -> None:
    area = found.area
    if area is not None:
        click.echo(
            f"{found.zip}: {', '.join(area.towns)}; {', '.join(area.counties) or 'no county'};"
            f" {', '.join(area.states)}"
        )
    for notice in found.notices:
        click.echo(notice)
    rows = [
        (source, listing.name, placement.confidence, _reason(placement))
        for source, covered in by_source.items()
        for listing, placement in (*covered.agencies, *covered.statewide)
    ]
    if rows:
        table(("source", "agency", "confidence", "why"), rows)
    elif by_source:
        click.echo("No agency on the sources that were read covers it.")
    else:
        click.echo(_NOTHING_READ)
    lost = sum(len(covered.not_placed) for covered in by_source.values())
    if lost:
        click.echo(
            f"{lost} more in {found.state} could not be placed within the state: see `monitor unplaced`."
        )
