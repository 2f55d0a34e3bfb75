"""The command ``webhooks``: the addresses of [webhook.to]."""

from __future__ import annotations

import click

from monitor.cli import Session, emit, subcommand, table
from monitor.cli.group import ListByDefault
from monitor.cli.output import format_iso, format_time


@click.group(cls=ListByDefault, short_help="List the configured webhooks; revive one that has ended.")
def webhooks() -> None:
    """List the configured webhooks, and revive one that was ended by an HTTP 410 response.

    Without a command it lists them.
    """


@subcommand(webhooks, name="list", short_help="List the configured webhooks.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def webhooks_list(session: Session, as_json: bool) -> None:
    """List the webhooks of the configuration.

    JSON keys: name, places, ended_at (null: it is followed), reason
    """
    from monitor.storage.deliveries import configured_addresses
    from monitor.storage.engine import reading

    with reading(session.database()) as conn:
        ended = {each.name: each for each in configured_addresses.load_ended(conn)}
    rows = [(name, places, ended.get(name)) for name, places in _read_configured(session).items()]
    if as_json:
        for name, places, end in rows:
            times = {"ended_at": format_iso(end.at) if end else None, "reason": end.reason if end else None}
            emit({"name": name, "places": places} | times)
    elif rows:
        table(
            ("name", "places", "ended at", "reason"),
            [
                (name, ", ".join(places), format_time(end.at) if end else None, end.reason if end else None)
                for name, places, end in rows
            ],
        )
    else:
        click.echo("no webhooks are configured (see docs/webhooks.md)")


@subcommand(webhooks, name="revive", short_help="Send to an ended webhook again.")
@click.argument("name")
def webhooks_revive(session: Session, name: str) -> None:
    """Send to a webhook again that was ended by an HTTP 410 response. It gets what is published from now on.

    Exit 2 if it is not in the configuration or has not ended.
    """
    from monitor import app
    from monitor.errors import UsageError
    from monitor.storage.deliveries import configured_addresses
    from monitor.storage.engine import transaction

    if name not in _read_configured(session):
        raise UsageError(f"there is no [webhook.to.{name}] in the configuration; see `monitor webhooks`")
    with transaction(session.database()) as conn:
        if not configured_addresses.revive(conn, "webhook", name):
            raise UsageError(f"{name} has not ended; see `monitor webhooks`")
    app.follow_channels(session.components)
    click.echo(f"{name} gets messages again")


def _read_configured(session: Session) -> dict[str, list[str]]:
    """Read the places of each configured webhook, by name."""
    from monitor import app

    found: dict[str, list[str]] = {}
    for own in app.operator_addresses(session.settings)["webhook"]:
        found.setdefault(own.address, []).append(own.place)
    return found
