"""The command that answers "why did I get this, or not?"."""

from __future__ import annotations

import dataclasses

import click

from monitor.cli import Session, command, emit


@command(
    short_help="Explain why somebody was told a change, or was not.",
    context_settings={"ignore_unknown_options": True},  # the numbers of groups are negative
)
@click.argument("address", metavar="ADDRESS|CHAT")
@click.argument("change", type=int)
@click.option("--channel", metavar="NAME", help="The channel of ADDRESS. Default: recognized by its form.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def explain(session: Session, address: str, change: int, channel: str | None, as_json: bool) -> None:
    """Explain why ADDRESS was told CHANGE (an id of `monitor changes`), or was not: by which place and rule
    it matches, when it was queued, how often it was tried, what was answered.

    An address that was never subscribed and one that was erased get the same answer.

    JSON keys: verdict ("alert", "digest", "waiting", "not told", "unknown"), change, channel, address
    (masked), matches (place, followed_since, statewide), deliveries (id, kind, state, in_digest, created_at,
    due_at, attempts, last_error, settled_at, ambiguous), steps (sentences).
    """
    from monitor.app import configured_channels
    from monitor.channels.kinds import recognise
    from monitor.ops.explain import explain as explain_change

    components = session.components
    explanation = explain_change(
        components.engine,
        components.keys,
        channel=channel or recognise(address),
        address=address,
        change=change,
        configured=configured_channels(session.settings),
        fenced=components.fenced(),
        now=components.clock(),
    )
    if as_json:
        emit(dataclasses.asdict(explanation))
        return
    click.echo(f"{explanation.address}, change {change}: {explanation.verdict}")
    for step in explanation.steps:
        click.echo(f"- {step}")
