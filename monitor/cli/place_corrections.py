"""The commands for places that the operator assigns to agencies: set, list, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from monitor.cli import Session, emit, subcommand, table
from monitor.cli.group import ListByDefault
from monitor.formatting import format_count

if TYPE_CHECKING:
    from monitor.storage.lists.place_overrides import StoredOverride


@click.group(cls=ListByDefault, short_help="Assign places to agencies; list and remove assignments.")
def place() -> None:
    """Assign places to agencies for which the rules find none, or wrong ones (`monitor unplaced`, `monitor
    locate`). Assignments are stored in the database, override the file of [places] overrides, and take effect
    at once. Nobody is alerted: people whose places an agency newly serves read in their next message that it
    is listed.

    Without a command it lists the assignments.
    """


@subcommand(place, name="set", short_help="Give an agency its places.")
@click.argument("source")
@click.argument("agency")
@click.argument("places", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def set_(session: Session, source: str, agency: str, places: tuple[str, ...], as_json: bool) -> None:
    """Assign PLACES to AGENCY of the list SOURCE: ZIP codes, or a town ("Gary, IN"), a county ("Lake County,
    IN"), a radius ("10 miles of 46402"), or the state if it serves all of it. AGENCY is its key (`monitor
    listings SOURCE --format json`), or its name if only one agency has it.

    Your words for the places are shown as the reason.

    JSON keys: source, key, name, state, places, note, at.
    """
    from monitor.ops.place_decision import describe_given, give_places
    from monitor.storage.engine import transaction

    session.settings.source(source)
    components = session.components
    listing = _find_listing(session, source, agency)
    gazetteer = components.gazetteer  # loaded before the database is locked
    with transaction(components.engine) as conn:
        given = give_places(conn, source, listing, " ".join(places), gazetteer, components.clock())
    report = components.renew_placements()
    if as_json:
        emit(_json(given))
        return
    click.echo(describe_given(given))
    if report.people:
        people = format_count(report.people, "person reads", "people read")
        click.echo(f"{people} in the next message that it is listed")


@subcommand(place, name="list", short_help="List the places that were given.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def list_(session: Session, as_json: bool) -> None:
    """List the places that were assigned to agencies by notices and by `monitor place set`.

    JSON keys: source, key, name, state, places, note, at.
    """
    from monitor.storage.engine import reading
    from monitor.storage.lists.place_overrides import load_stored_overrides

    with reading(session.database()) as conn:
        given = load_stored_overrides(conn)
    if as_json:
        for each in given:
            emit(_json(each))
    elif given:
        table(
            ("source", "agency", "state", "places"),
            [(each.source, each.name, each.state, each.note or " ".join(each.places)) for each in given],
        )
    else:
        click.echo("no places were given; `monitor unplaced` lists agencies that have none")


@subcommand(place, name="remove", short_help="Let the rules place an agency again.")
@click.argument("source")
@click.argument("agency")
def remove(session: Session, source: str, agency: str) -> None:
    """Remove the places that were assigned to AGENCY, by its key or name: the rules place it again."""
    from monitor.errors import UsageError
    from monitor.storage.engine import reading, transaction
    from monitor.storage.lists.place_overrides import delete_override, load_stored_overrides

    components = session.components
    with reading(components.engine) as conn:
        given = load_stored_overrides(conn)
    found = [each for each in given if each.source == source and agency in (each.key, each.name)]
    if len(found) != 1:
        raise UsageError(f"{agency!r} of {source} is not one of `monitor place list`; name its key")
    with transaction(components.engine) as conn:
        delete_override(conn, source, found[0].key)
    components.renew_placements()
    click.echo(f"{found[0].name} is placed by the rules again")


def _find_listing(session: Session, source: str, text: str) -> Any:
    """Find the accepted listing of a key or a name. Raises UsageError with near names."""
    from monitor.core.wording import normalize
    from monitor.errors import UsageError
    from monitor.storage.engine import reading
    from monitor.storage.lists import baseline

    with reading(session.database()) as conn:
        listings = baseline.load_listings(conn, source)
    found = [each for each in listings if each.key == text] or [
        each for each in listings if normalize(each.name) == normalize(text)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        keys = ", ".join(repr(each.key) for each in found)
        raise UsageError(f"several agencies have that name; give a key: {keys}")
    raise UsageError(f"{source} lists no agency {text!r}; `monitor listings {source}` shows all")


def _json(given: StoredOverride) -> dict[str, object]:
    from monitor.cli.output import format_iso

    return {
        "source": given.source,
        "key": given.key,
        "name": given.name,
        "state": given.state or None,
        "places": list(given.places),
        "note": given.note,
        "at": format_iso(given.at),
    }
