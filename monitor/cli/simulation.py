"""The command that shows what a publication would do, without doing it."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli import Session, command, emit, show_progress, table
from monitor.formatting import format_count

if TYPE_CHECKING:
    from monitor.ops.simulate import Simulation

_MOST_CHANGES = 50  # the most changes shown to a person; JSON has all


@command(short_help="Show what a publication would do, and who would be alerted; sends nothing.")
@click.argument("source", metavar="SOURCE")
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Use this file as what the publisher serves.",
)
@click.option("--url", metavar="URL", help="Fetch it from this address instead of the configured one.")
@click.option("--hold", metavar="ID", help="What `monitor holds approve ID` would do.")
@click.option("--anyway", is_flag=True, help="Also publish what would be held, rejected or delayed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def simulate(
    session: Session,
    source: str,
    file: Path | None,
    url: str | None,
    hold: str | None,
    anyway: bool,
    as_json: bool,
) -> None:
    """Poll SOURCE on a scratch copy of the database, and show what the guard would decide, how many people
    would be alerted on each channel, and one message of each channel and language. Nothing is sent, stored or
    recorded; a running service is not affected.

    Without an option it fetches what the publisher serves now.

    JSON keys: source, outcome, reason, added, removed, changed, pending, held, changes (kind, name, state,
    verdict, reason, places), told (channel, at_once, later: in a digest or after a break), samples (channel,
    language, subject, text).
    """
    from monitor import app
    from monitor.errors import UsageError
    from monitor.ops.simulate import GivenBody, open_scratch_copy
    from monitor.ops.simulate import simulate as simulate_poll
    from monitor.polling import BodySource

    if sum(given is not None for given in (file, url, hold)) > 1:
        raise UsageError("give one of --file, --url and --hold")
    components, settings = session.components, session.settings
    watch = app.polled_source(settings, source)
    if url is not None:
        watch = replace(watch, target=replace(watch.target, url=url, page=None, link=None))
    with ExitStack() as closing:
        copy = closing.enter_context(open_scratch_copy(components.engine, settings.data.folder))
        scratch = app.Components(settings, copy, components.clock, components.keys)
        parser = closing.enter_context(app.open_parser(settings))
        bodies: BodySource | None = None
        if file is not None:
            bodies = GivenBody(file.read_bytes())
        elif hold is None:
            bodies = closing.enter_context(app.open_fetcher(settings, parser, on_wait=show_progress))
        simulation = simulate_poll(
            copy,
            watch,
            bodies,
            hold=hold,
            anyway=anyway,
            locate=scratch.locate,
            parser=parser,
            open_preparer=scratch.open_preparer,
            now=components.clock(),
        )
    if as_json:
        emit(_simulation_json(simulation))
    else:
        _show(simulation)


def _simulation_json(simulation: Simulation) -> dict[str, Any]:
    result = dataclasses.asdict(simulation.result)
    return {
        **result,
        "outcome": simulation.result.outcome.value,
        "changes": [
            {
                "kind": each.change.kind.value,
                "name": each.change.subject.name,
                "state": each.change.subject.state,
                "verdict": each.verdict,
                "reason": each.reason,
                "places": each.places,
            }
            for each in simulation.changes
        ],
        "told": [dataclasses.asdict(each) for each in simulation.told],
        "samples": [dataclasses.asdict(each) for each in simulation.samples],
    }


def _show(simulation: Simulation) -> None:
    from monitor.cli.output import SIGNS, format_change
    from monitor.cli.sources import print_result

    print_result(simulation.result, as_json=False)
    said = simulation.result.reason  # once is enough
    for each in simulation.changes[:_MOST_CHANGES]:
        places = f", {format_count(each.places, 'place')}" if each.places is not None else ""
        reason = f" ({each.reason})" if each.reason and each.reason != said else ""
        said = each.reason or said
        click.echo(
            f"  {SIGNS[each.change.kind]} {format_change(each.change)}: {each.verdict}{places}{reason}"
        )
    if len(simulation.changes) > _MOST_CHANGES:
        click.echo(f"  and {len(simulation.changes) - _MOST_CHANGES} more; --json has all")
    if simulation.told:
        click.echo("People who would be told:")
        table(
            ("channel", "at once", "in a digest or after a break"),
            [(each.channel, each.at_once, each.later) for each in simulation.told],
        )
    else:
        click.echo("Nobody would be told.")
    for sample in simulation.samples:
        click.echo(f"\n--- {sample.channel}, {sample.language}: {sample.subject}\n{sample.text.rstrip()}")
    click.echo("\nNothing was sent.")
