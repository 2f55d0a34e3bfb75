"""The commands for held changes: list, approve, reject."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from monitor.cli import Session, emit, subcommand, table
from monitor.cli.group import ListByDefault
from monitor.cli.sources import change_json, check_source, fan_out, print_result
from monitor.formatting import format_count

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from monitor.config import Settings
    from monitor.polling import Hold

_SAMPLES = 5  # the held changes of a group that the summary shows


@click.group(cls=ListByDefault, short_help="List held changes; approve or reject them.")
def holds() -> None:
    """List held changes and rejected publications, and why; approve or reject them.

    Without a command it lists them.
    """


@subcommand(holds, name="list", short_help="List held changes and rejected publications.")
@click.option("--source", "source", metavar="NAME", help="Only this source.")
@click.option("--all", "everything", is_flag=True, help="One line for each change, none left out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, for each change.")
def list_(session: Session, source: str | None, everything: bool, as_json: bool) -> None:
    """List held changes and rejected publications: the reason, since when, and when they are released.

    Changes that are held since the same time for the same reason are summed up, with a few of them; --all
    lists every one.

    JSON keys of a change: id, type ("change"), source, kind, before, after, fields, reason, since, release_at
    (null: only by a person). Of a publication: id, type ("publication"), source, hash, listings, reason,
    since, last_seen_at, release_at (always null).
    """
    from monitor.polling import load_holds
    from monitor.storage.engine import reading

    timezone = session.settings.site.timezone
    engine = session.database()
    if source is not None:
        with reading(engine) as conn:
            check_source(session.settings, conn, source)
    found = [hold for hold in load_holds(engine) if source in (None, hold.source)]
    if as_json:
        for hold in found:
            emit(_hold_json(hold))
    elif not found:
        click.echo("nothing is held")
    elif everything:
        table(
            ("id", "source", "what", "since", "released", "because"),
            [(hold.id, hold.source, *_hold_cells(hold, timezone)) for hold in found],
        )
    else:
        _print_summary(found, timezone)


def _print_summary(found: Iterable[Hold], timezone: str) -> None:
    """Print the holds that have source, times and reason in common together, with the first of them."""
    groups: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for hold in found:
        what, *shared = _hold_cells(hold, timezone)
        groups.setdefault((hold.source, *shared), []).append((hold.id, what))
    for (source, since, released, reason), held in groups.items():
        click.echo(f"{source}: {len(held):,} held since {since}, released: {released}")
        click.echo(f"  {reason}")
        shown = held if len(held) <= _SAMPLES + 1 else held[:_SAMPLES]
        width = max(len(id) for id, _ in shown)
        for id, what in shown:
            click.echo(f"  {id.rjust(width)}  {what}")
        if len(held) > len(shown):
            click.echo(f"  and {len(held) - len(shown):,} more: monitor holds list --source {source} --all")
        click.echo()
    click.echo("To decide sooner: monitor holds approve ID... or monitor holds reject ID...;")
    click.echo("with --source NAME --all instead of the IDs for everything that is held of a list")


def _selection_options(function: Any) -> Any:
    function = click.option(
        "--all", "everything", is_flag=True, help="Everything that is held of the source."
    )(function)
    function = click.option("--source", "source", metavar="NAME", help="With --all: the source.")(function)
    return click.argument("ids", metavar="[ID]...", nargs=-1)(function)


@subcommand(holds, name="approve", short_help="Publish held changes now.")
@_selection_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def approve(
    session: Session, ids: tuple[str, ...], source: str | None, everything: bool, as_json: bool
) -> None:
    """Publish the changes with these IDs of `monitor holds` now, and queue their deliveries.

    A rejected publication is accepted with all its changes. One that is no longer served is accepted when it
    is served again.

    JSON keys: source, outcome, added, removed, changed, pending, held, reason.
    """
    from monitor import app
    from monitor.polling import approve as approve_now

    settings, engine = session.settings, session.database()
    watches = {
        name: app.polled_source(settings, name, session.components.current_gazetteer.renew)
        for name in settings.sources
    }
    chosen = _ids(settings, engine, ids, source, everything)
    with app.open_parser(settings) as parser:
        for outcome in approve_now(engine, watches, chosen, now=app.now(), parser=parser):
            print_result(outcome, as_json)
    fan_out(session.components)


@subcommand(holds, name="reject", short_help="Discard held changes.")
@_selection_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def reject(
    session: Session, ids: tuple[str, ...], source: str | None, everything: bool, as_json: bool
) -> None:
    """Discard the changes with these IDs of `monitor holds`: nobody is alerted to them as long as the list
    stays unchanged. A publication is rejected permanently.

    JSON keys: rejected (the IDs).
    """
    from monitor import app
    from monitor.polling import reject as reject_now

    engine = session.database()
    chosen = _ids(session.settings, engine, ids, source, everything)
    reject_now(engine, chosen, now=app.now())
    if as_json:
        emit({"rejected": list(chosen)})
    else:
        click.echo(f"rejected: {', '.join(chosen)}")


def _ids(
    settings: Settings, engine: Engine, ids: Iterable[str], source: str | None, everything: bool
) -> tuple[str, ...]:
    """The given IDs, or all of a source. Raises UsageError when there are none."""
    from monitor.errors import UsageError
    from monitor.polling import load_holds

    given = tuple(ids)
    if everything and given:
        raise UsageError("give either IDs or --all")
    if everything:
        if source is None:
            raise UsageError("--all needs --source NAME")
        settings.source(source)
        given = tuple(hold.id for hold in load_holds(engine) if hold.source == source)
        if not given:
            raise UsageError(f"nothing is held in {source}")
    if not given:
        raise UsageError("give an ID; `monitor holds` lists them")
    return given


def _hold_json(hold: Hold) -> dict[str, Any]:
    from monitor.cli.output import format_iso
    from monitor.storage.lists.changes import StoredChange

    what = hold.what
    if isinstance(what, StoredChange):
        return {
            "id": hold.id,
            "type": "change",
            **{key: value for key, value in change_json(what).items() if key != "id"},
            "reason": what.reason,
            "since": format_iso(what.first_seen_at),
            "release_at": format_iso(what.release_at),
        }
    return {
        "id": hold.id,
        "type": "publication",
        "source": what.source,
        "hash": what.hash,
        "listings": what.listings,
        "reason": what.reason,
        "since": format_iso(what.at),
        "last_seen_at": format_iso(what.last_seen_at),
        "release_at": format_iso(what.release_at),
    }


def _hold_cells(hold: Hold, timezone: str) -> tuple[str, str, str, str]:
    """Format what is held, since when, when it is released, and why."""
    from monitor.cli.output import SIGNS, format_change, format_time
    from monitor.storage.lists.changes import StoredChange

    what = hold.what
    if isinstance(what, StoredChange):
        words = f"{SIGNS[what.change.kind]} {format_change(what.change)}"
        since, released = what.first_seen_at, what.release_at
    else:
        words = f"a publication of {format_count(what.listings, 'listing')}, rejected"
        since, released = what.at, what.release_at
    return (
        words,
        format_time(since, timezone),
        format_time(released, timezone) if released else "by a person",
        what.reason,
    )
