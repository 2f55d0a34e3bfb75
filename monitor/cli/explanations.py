"""The command that answers "why did I get this, or not?"."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from monitor.cli import Session, command, emit
from monitor.formatting import format_count

if TYPE_CHECKING:
    from monitor.ops.explain import Explanation

_MOST_NAMED = 10  # the most changes with one explanation


@command(
    short_help="Explain why somebody was alerted to a change, or was not.",
    context_settings={"ignore_unknown_options": True},  # the numbers of groups are negative
)
@click.argument("address", metavar="ADDRESS|CHAT")
@click.argument("change")
@click.option("--channel", metavar="NAME", help="The channel of ADDRESS. Default: recognized by its form.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, one for each change.")
def explain(session: Session, address: str, change: str, channel: str | None, as_json: bool) -> None:
    """Explain why ADDRESS was alerted to CHANGE, or was not: the place and rule that match, when the message
    was queued, how often it was tried, and what the server answered.

    CHANGE is a number in `monitor changes` or `monitor holds`, or the address of a page: of a change
    (/change/N) or of an announcement (/changes/N), whose changes are then explained one by one.

    An address that was never subscribed and one that was erased get the same answer.

    JSON keys: verdict ("alert", "digest", "waiting", "not told", "unknown"), change, channel, address
    (masked), matches (place, followed_since, statewide), deliveries (id, kind, state, in_digest, created_at,
    due_at, attempts, last_error, settled_at, ambiguous), steps (sentences), what (the sign +, -
    or ~ and the agency).
    """
    from monitor.app import configured_channels
    from monitor.channels.kinds import recognize
    from monitor.cli.change_numbers import load_named_changes
    from monitor.cli.output import SIGNS, format_change
    from monitor.ops.explain import NOT_TOLD, UNKNOWN
    from monitor.ops.explain import explain as explain_change
    from monitor.storage.engine import reading

    components = session.components
    with reading(components.engine) as conn:
        rows = load_named_changes(conn, change)
    explained = []
    for row in rows:
        assert row.id is not None
        explanation = explain_change(
            components.engine,
            components.keys,
            channel=channel or recognize(address),
            address=address,
            change=row.id,
            configured=configured_channels(session.settings),
            fenced=components.fenced(),
            now=components.clock(),
        )
        what = f"{SIGNS[row.change.kind]} {format_change(row.change)}, {row.source}"
        explained.append((what, explanation))
    if as_json:
        for what, explanation in explained:
            emit({**dataclasses.asdict(explanation), "what": what})
        return
    told = [(what, one) for what, one in explained if one.verdict not in (NOT_TOLD, UNKNOWN)] or explained[:1]
    alike: dict[tuple[str, ...], list[tuple[str, Explanation]]] = {}
    for what, one in told:
        alike.setdefault((one.verdict, *one.steps), []).append((what, one))
    for (verdict, *steps), group in alike.items():
        for what, one in group[:_MOST_NAMED]:
            click.echo(f"{one.address}, change {one.change} ({what}): {verdict}")
        if len(group) > _MOST_NAMED:
            click.echo(f"and {format_count(len(group) - _MOST_NAMED, 'other change')}: {verdict}")
        for step in steps:
            click.echo(f"- {step}")
    rest = len(explained) - len(told)
    if rest and told[0][1].verdict != UNKNOWN:
        others = format_count(rest, "other change")
        click.echo(f"The announcement's {others}: not told (--json explains each)")
