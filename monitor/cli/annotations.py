"""The commands for the operator's notes on agencies: add, list, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from monitor.cli import Session, emit, subcommand, table
from monitor.cli.group import ListByDefault

if TYPE_CHECKING:
    from monitor.storage.lists.agency_notes import AgencyNote


@click.group(cls=ListByDefault, short_help="Write a dated note on an agency; list and remove notes.")
def note() -> None:
    """Write dated notes on agencies. They are shown on the agency's page, in the API and in the feeds of its
    place, next to what the list says; they never change it.

    Without a command it lists them.
    """


@subcommand(note, name="add", short_help="Write a note on an agency.")
@click.argument("source")
@click.argument("agency")
@click.argument("text")
@click.option("--es", "spanish", default="", help="The note in Spanish; otherwise Spanish pages show TEXT.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def add(session: Session, source: str, agency: str, text: str, spanish: str, as_json: bool) -> None:
    """Write a note on AGENCY of the list SOURCE: its key (`monitor listings SOURCE --format json`), or its
    name if only one agency has it, or the address of its page.

    The log of the record keeps the note's hash.

    JSON keys: id, source, agency, at, en, es (null: none).
    """
    from monitor.app import now
    from monitor.polling.annotate import add_note

    session.settings.source(source)
    engine = session.database()
    texts = {"en": text} | ({"es": spanish} if spanish else {})
    written = add_note(engine, source, _key(session, source, agency), texts, now=now())
    if as_json:
        emit(_json(written))
    else:
        click.echo(f"note {written.id} on {written.agency}")


@subcommand(note, name="list", short_help="List the notes.")
@click.option("--source", metavar="NAME", help="Only of this list.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def list_(session: Session, source: str | None, as_json: bool) -> None:
    """List the notes on agencies, newest first.

    JSON keys: id, source, agency, at, en, es (null: none).
    """
    from monitor.cli.output import format_time
    from monitor.storage.engine import reading
    from monitor.storage.lists.agency_notes import load_notes

    timezone = session.settings.site.timezone
    with reading(session.database()) as conn:
        notes = load_notes(conn, source)
    if as_json:
        for each in notes:
            emit(_json(each))
    elif notes:
        table(
            ("id", "source", "agency", "at", "text"),
            [(str(n.id), n.source, n.agency, format_time(n.at, timezone), n.texts["en"]) for n in notes],
        )
    else:
        click.echo("there are no notes")


@subcommand(note, name="remove", short_help="Remove a note.")
@click.argument("number", type=int)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def remove(session: Session, number: int, as_json: bool) -> None:
    """Remove the note with this NUMBER of `monitor note list`. The log still proves that it existed, by its
    hash.

    JSON keys: id, source, agency, at, en, es (null: none).
    """
    from monitor.app import now
    from monitor.polling.annotate import remove_note

    removed = remove_note(session.database(), number, now=now())
    if as_json:
        emit(_json(removed))
    else:
        click.echo(f"removed note {removed.id} on {removed.agency}")


def _key(session: Session, source: str, text: str) -> str:
    """The agency's key where the text is the address of its page, otherwise the text."""
    from monitor.storage.engine import reading
    from monitor.storage.lists.page_queries import load_agencies
    from monitor.web.presenters import agency_hash

    if f"/agency/{source}/" not in text:
        return text
    mark = text.partition("?")[0].rstrip("/").rpartition("-")[2]
    with reading(session.database()) as conn:
        return next((key for key in load_agencies(conn, source) if agency_hash(key) == mark), text)


def _json(note: AgencyNote) -> dict[str, Any]:
    from monitor.cli.output import format_iso

    return {
        "id": note.id,
        "source": note.source,
        "agency": note.agency,
        "at": format_iso(note.at),
        "en": note.texts["en"],
        "es": note.texts.get("es"),
    }
