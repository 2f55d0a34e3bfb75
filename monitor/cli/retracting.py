"""The command that retracts a published change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from monitor.cli import Session, command, emit, table
from monitor.cli.change_numbers import load_named_change
from monitor.formatting import format_count, format_minute

if TYPE_CHECKING:
    from monitor.outbox.retract import RetractionPlan


@command(short_help="Retract a published change, and notify everybody who was alerted to it.")
@click.argument("change")
@click.option("--reason", required=True, metavar="TEXT", help="Why, in English; everybody can read it.")
@click.option("--reason-es", "spanish", default="", metavar="TEXT", help="The same in Spanish.")
@click.option("--dry-run", is_flag=True, help="Only show who would be notified; write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def retract(
    session: Session, change: str, reason: str, spanish: str, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Retract CHANGE (a number in `monitor changes`, or the address of its page) if the announcement was
    wrong.

    Everybody who was alerted to it, also in a digest, and is still subscribed gets one message that it is
    retracted and why, on the same channel, as a reply to the first message. Pages, feeds, API and data files
    show the retraction with the reason, the log of the record gets an entry, and the statistics do not count
    the change. It cannot be undone. If the publisher reversed its own change, do nothing: that is announced
    as a change.

    First it shows who would be notified. Without --yes it asks; with --json it only shows, unless --yes is
    given. Run again for the same change, it does nothing.

    JSON keys: change, headline, done, retracted_at (null: not retracted), reason, reason_es (null: none),
    total, channels (the number by channel).
    """
    from monitor import app
    from monitor.outbox.retract import check_reason, plan_retraction
    from monitor.outbox.retract import retract as carry_out
    from monitor.storage.engine import reading

    texts = {"en": reason} | ({"es": spanish} if spanish else {})
    check_reason(texts)
    engine = session.database()
    with reading(engine) as conn:
        number = load_named_change(conn, change).id
    assert number is not None
    plan = plan_retraction(engine, number)
    headline = _headline(session, plan)
    if plan.change.retraction is not None:
        if as_json:
            emit(_json(plan, headline, done=False))
        else:
            at = format_minute(plan.change.retraction.at)
            click.echo(f"nothing to do: change {number} was retracted on {at}")
        return
    if not as_json:
        _show(plan, headline)
    if dry_run or (as_json and not yes):
        if as_json:
            emit(_json(plan, headline, done=False))
        return
    if not yes:
        click.confirm("Retract it now? This cannot be undone.", default=False, abort=True)
    done = carry_out(engine, number, texts, now=app.now())
    if as_json:
        emit(_json(done, headline, done=True))
    else:
        click.echo(
            f"change {number} is retracted; {format_count(done.total, 'message is', 'messages are')} due: a "
            f"running `monitor run` or the next `monitor deliver` sends {'it' if done.total == 1 else 'them'}"
        )


def _headline(session: Session, plan: RetractionPlan) -> str:
    from zoneinfo import ZoneInfo

    from monitor.domain import AlertedChange, Confidence
    from monitor.messages.change_view import describe_change
    from monitor.messages.sentences import sentences_of

    row = plan.change
    known = session.settings.infos.get(row.source)
    title = known.title("en") if known else row.source
    told = AlertedChange(row.change, (), row.placement, Confidence.EXACT, row.not_before, row.first_seen_at)
    return sentences_of("en").headline(describe_change(told, ZoneInfo("UTC")), title)


def _show(plan: RetractionPlan, headline: str) -> None:
    click.echo(f"change {plan.change.id}: {headline}")
    if plan.channels:
        click.echo("Who was told of it and is still there would be told that it is retracted:")
        table(("channel", "messages"), list(plan.channels.items()))
    else:
        click.echo("Nobody who is still there was told of it.")


def _json(plan: RetractionPlan, headline: str, *, done: bool) -> dict[str, Any]:
    from monitor.cli.output import format_iso

    retraction = plan.change.retraction
    return {
        "change": plan.change.id,
        "headline": headline,
        "done": done,
        "retracted_at": format_iso(retraction.at) if retraction else None,
        "reason": retraction.texts["en"] if retraction else None,
        "reason_es": retraction.texts.get("es") if retraction else None,
        "total": plan.total,
        "channels": dict(plan.channels),
    }
