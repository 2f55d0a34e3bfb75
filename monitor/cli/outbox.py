"""The commands for messages in the outbox: failed, outbox."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from monitor.cli import Session, emit, subcommand, table
from monitor.cli.group import ListByDefault
from monitor.cli.output import format_iso, format_time
from monitor.errors import UsageError
from monitor.formatting import format_count

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from monitor.keys import KeyFile
    from monitor.ops.outbox_view import DeliveryView
    from monitor.storage.deliveries.dead_letters import DeadLetter
    from monitor.storage.deliveries.operator_rows import DeliveryDetails
    from monitor.storage.deliveries.refusals import Wave

_MOST_CHANGES = 10  # the most changes named in a line
_NOTHING = {
    None: "every message that was tried has been accepted",
    "failed": "no message has failed",
    "due": "no message is due",
}


@click.group(cls=ListByDefault, short_help="The failed messages of `monitor outbox`, as in version 0.1.0.")
def failed() -> None:
    """List failed messages and queue them again: the command of version 0.1.0 for `monitor outbox --failed`
    and `monitor outbox retry`.

    Without a command it lists them.
    """


@subcommand(failed, name="list", short_help="List failed messages: `monitor outbox --failed`.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def failed_list(session: Session, as_json: bool) -> None:
    """List all failed messages, newest last, as `monitor outbox --failed` does."""
    _list_messages(session, "failed", None, as_json)


@subcommand(failed, name="retry", short_help="Queue failed messages again.")
@click.argument("ids", metavar="[ID]...", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="All of them.")
def failed_retry(session: Session, ids: tuple[int, ...], everything: bool) -> None:
    """Queue failed messages again, by ID or all: they are due now and get all their attempts again.

    Nothing is queued for a subscriber who has left.
    """
    from monitor import app
    from monitor.storage.deliveries import dead_letters
    from monitor.storage.engine import transaction

    if bool(ids) == everything:
        raise click.UsageError("give the IDs of failed messages, or --all")
    engine = session.database()
    _refuse_unknown(engine, ids)
    with transaction(engine) as conn:
        queued = dead_letters.requeue(conn, app.now(), None if everything else ids)
    click.echo(f"{len(queued)} queued again")
    _report_missing(ids, set(queued), "not a failed message, or its subscriber has left")


@click.group(cls=ListByDefault, short_help="List, show, retry and drop messages; undo a wave of refusals.")
def outbox() -> None:
    """List messages that could not be sent yet; show, retry and drop single ones; undo a wave of refusals.

    Without a command it lists them.
    """


@subcommand(outbox, name="list", short_help="List messages that failed at least once.")
@click.option("--failed", "only", flag_value="failed", help="Only those that are not tried again.")
@click.option("--due", "only", flag_value="due", help="Those that are due, tried or not.")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True, help="Only the newest N.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def outbox_list(session: Session, only: str | None, limit: int, as_json: bool) -> None:
    """List messages that were tried without success, newest last: due again, failed, or unknown (given up
    although they may have arrived).

    JSON keys: id, kind, channel, address (masked), source, created_at, failed_at, attempts, error, ambiguous
    (it may have arrived), state (due, failed), due_at.
    """
    _list_messages(session, only, limit, as_json)


def _list_messages(session: Session, only: str | None, limit: int | None, as_json: bool) -> None:
    """Print messages: those that were tried without success, or only those in the state ``only``."""
    from monitor import app
    from monitor.channels import EVERYTHING
    from monitor.storage.deliveries import dead_letters, pauses, queue
    from monitor.storage.engine import reading

    chosen = {None: dead_letters.TROUBLED, "failed": queue.IS_FAILED, "due": queue.IS_DUE}[only]
    engine, keys = session.database(), session.components.keys
    with reading(engine) as conn:
        found = dead_letters.load_letters(conn, chosen, limit)
        paused = [pause for pause in pauses.read_pauses(conn, app.now()) if pause.name == EVERYTHING]
    if as_json:
        for letter, state, due_at in found:
            emit(_letter_json(letter, keys) | {"state": state, "due_at": due_at.isoformat()})
    elif found:
        table(
            ("id", "state", "next try", "channel", "address", "tried", "why"),
            [
                (
                    letter.id,
                    "unknown" if state == queue.FAILED and letter.ambiguous else state,
                    format_time(due_at) if state == queue.DUE else None,
                    letter.channel,
                    _masked(letter, keys),
                    letter.attempts,
                    letter.error,
                )
                for letter, state, due_at in found
            ],
        )
        for pause in paused:
            until = format_time(pause.until)
            click.echo(f"{pause.channel}: nothing is sent before {until}, everything stays due", err=True)
    else:
        click.echo(_NOTHING[only])


@subcommand(outbox, name="restore", short_help="Undo a wave of refusals.")
@click.argument("answers", metavar="[ANSWER]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def outbox_restore(session: Session, answers: tuple[str, ...], as_json: bool) -> None:
    """Reverse a wave of refusals once its cause is fixed.

    Without an ANSWER it lists the answers with which servers have refused messages in the last 60 days. With
    one, the wave no longer counts against its recipients, and messages that were refused or came back are due
    again. Nothing is reversed if one of several answers is unknown.

    JSON keys of the list: channel, answer, error, people, lanes (mail domains), open, confirmed, taken_back,
    returned, since, until; of a wave that was undone: channel, answer, people, queued.
    """
    from monitor import app
    from monitor.storage.deliveries import refusals
    from monitor.storage.engine import reading, transaction

    engine, now = session.database(), app.now()
    with reading(engine) as conn:
        waves = refusals.load_waves(conn, now - refusals.KEPT)
    known = {wave.answer: wave.channel for wave in waves}
    if " ".join(answers) in known:  # typed without quotes
        answers = (" ".join(answers),)
    if not answers:
        _show_waves(waves, as_json)
    for answer in answers:
        if answer not in known:
            raise UsageError(
                f"nobody was refused with {answer!r}: `monitor outbox restore` lists the answers"
            )
    for answer in answers:
        with transaction(engine) as conn:
            people, queued = refusals.restore(conn, known[answer], answer, now)
        if as_json:
            emit({"channel": known[answer], "answer": answer, "people": people, "queued": queued})
        else:
            click.echo(
                f"{answer}: nothing counts against {format_count(people, 'person', 'people')}, "
                f"{format_count(queued, 'message is', 'messages are')} due again"
            )


@subcommand(outbox, name="show", short_help="Show messages: their content, and what they are waiting for.")
@click.argument("ids", metavar="ID...", nargs=-1, type=int, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def outbox_show(session: Session, ids: tuple[int, ...], as_json: bool) -> None:
    """Show messages by ID, in any state: what each is about, how often it was tried, what the server
    answered, and what it is waiting for.

    JSON keys: id, kind, about, source, changes (ids), state (due, sent, failed, dropped), channel, address
    (masked), subscriber, created_at, due_at, attempts, error, ambiguous (an attempt may have arrived),
    settled_at, waits (sentences).
    """
    from monitor.app import configured_channels
    from monitor.ops.outbox_view import view_deliveries

    components = session.components
    _refuse_unknown(components.engine, ids)
    found = view_deliveries(
        components.engine,
        components.keys,
        ids,
        configured=configured_channels(session.settings),
        fenced=components.fenced(),
        now=components.clock(),
    )
    for view in found:
        if as_json:
            emit(_view_json(view))
        else:
            click.echo(_view_text(view))


@subcommand(outbox, name="retry", short_help="Try messages again now.")
@click.argument("ids", metavar="[ID]...", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="All that were tried without success.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: due (IDs).")
def outbox_retry(session: Session, ids: tuple[int, ...], everything: bool, as_json: bool) -> None:
    """Make messages due now, by ID or all that were tried without success: failed ones, with all their
    attempts again, and those that wait for their next attempt.

    A pause of their channel still delays them. Exit 1 for an ID that is neither, or whose subscriber has
    left.
    """
    from monitor import app
    from monitor.storage.deliveries import operator_rows
    from monitor.storage.engine import transaction

    if bool(ids) == everything:
        raise click.UsageError("give the IDs of messages, or --all")
    engine = session.database()
    _refuse_unknown(engine, ids)
    with transaction(engine) as conn:
        due = operator_rows.retry(conn, app.now(), None if everything else ids)
    if as_json:
        emit({"due": list(due)})
    else:
        click.echo(f"{len(due)} due now; `monitor outbox show ID` says what one waits for")
    _report_missing(ids, set(due), "not due and not failed, being sent now, or its subscriber has left")


@subcommand(outbox, name="drop", short_help="Drop messages: they are never sent.")
@click.argument("ids", metavar="ID...", nargs=-1, type=int, required=True)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: dropped (IDs).")
def outbox_drop(session: Session, ids: tuple[int, ...], yes: bool, as_json: bool) -> None:
    """Drop messages that are due or have failed, by ID, after showing them: they are never sent, and their
    recipients do not get the content in another way.

    Exit 1 if you decline, and for an ID that is neither due nor failed.
    """
    from monitor import app
    from monitor.storage.deliveries import operator_rows, queue
    from monitor.storage.engine import reading, transaction

    engine, keys = session.database(), session.components.keys
    _refuse_unknown(engine, ids)
    with reading(engine) as conn:
        details = operator_rows.load_details(conn, ids)
    chosen = [each for each in details if each.state in {queue.DUE, queue.FAILED}]
    if chosen and not yes:
        for each in chosen:
            whom = _masked(each, keys) or "a subscriber who has left"
            of = f" of {each.source}" if each.source else ""
            click.echo(f"{each.id}: {each.kind}{of} to {whom} by {each.channel}, {each.state}", err=True)
        click.confirm("Drop them? They are never sent.", default=False, abort=True, err=True)
    with transaction(engine) as conn:
        dropped = operator_rows.drop_by_operator(conn, [each.id for each in chosen], app.now())
    if as_json:
        emit({"dropped": list(dropped)})
    else:
        click.echo(f"{len(dropped)} dropped")
    _report_missing(ids, set(dropped), "neither due nor failed")


def _refuse_unknown(engine: Engine, ids: Collection[int]) -> None:
    """Refuse IDs that no message has (UsageError), before anything is shown or changed."""
    from monitor.storage.deliveries import operator_rows
    from monitor.storage.engine import reading

    with reading(engine) as conn:
        unknown = operator_rows.find_unknown(conn, ids)
    if unknown:
        named = ", ".join(map(str, unknown))
        raise UsageError(
            f"there is no message {named}: `monitor outbox` and `monitor outbox --due` list them"
        )


def _report_missing(ids: Iterable[int], found: set[int], why: str) -> None:
    """Report the given IDs that were not processed, and exit with 1 if there are any."""
    missing = sorted(set(ids) - found)
    for id in missing:
        click.echo(f"{id}: {why}", err=True)
    if missing:
        raise click.exceptions.Exit(1)


def _view_json(view: DeliveryView) -> dict[str, object]:
    one = view.details
    return {
        "id": one.id,
        "kind": one.kind,
        "about": one.about or None,
        "source": one.source,
        "changes": list(view.changes),
        "state": one.state,
        "channel": one.channel,
        "address": view.address,
        "subscriber": one.subscriber,
        "created_at": format_iso(one.created_at),
        "due_at": format_iso(one.due_at),
        "attempts": one.attempts,
        "error": one.last_error,
        "ambiguous": one.ambiguous,
        "settled_at": format_iso(one.settled_at),
        "waits": list(view.waits),
    }


def _view_text(view: DeliveryView) -> str:
    one = view.details
    about = " ".join(filter(None, (one.kind, one.about, f"of {one.source}" if one.source else None)))
    lines = [
        f"{one.id}: {about}, {one.state}",
        f"  to: {view.address or 'a subscriber who has left'} by {one.channel} (subscriber {one.subscriber})",
        f"  queued: {format_time(one.created_at, 'UTC')}; attempts: {one.attempts}",
    ]
    if view.changes:
        more = f" and {len(view.changes) - _MOST_CHANGES} more" if len(view.changes) > _MOST_CHANGES else ""
        named = ", ".join(map(str, view.changes[:_MOST_CHANGES]))
        lines.append(f"  tells what concerns them of: change {named}{more}")
    if one.last_error:
        lines.append(f"  {'why' if one.state == 'dropped' else 'last answer'}: {one.last_error}")
    if one.ambiguous:
        lines.append("  an attempt may have arrived")
    if one.settled_at:
        lines.append(f"  {one.state}: {format_time(one.settled_at, 'UTC')}")
    lines += [f"  {sentence}" for sentence in view.waits]
    if one.state == "due" and not view.waits:
        lines.append("  Nothing holds it up: `monitor run` or `monitor deliver` sends it.")
    return "\n".join(lines)


def _show_waves(waves: Sequence[Wave], as_json: bool) -> None:
    if as_json:
        for wave in waves:
            emit(asdict(wave) | {"since": wave.since.isoformat(), "until": wave.until.isoformat()})
    elif waves:
        table(
            ("channel", "answer", "people", "domains", "since", "until", "one of them"),
            [
                (
                    wave.channel,
                    wave.answer,
                    wave.people,
                    wave.lanes,
                    format_time(wave.since),
                    format_time(wave.until),
                    wave.error,
                )
                for wave in waves
            ],
        )
    else:
        click.echo("no server has refused a message for good in 60 days")


def _letter_json(letter: DeadLetter, keys: KeyFile) -> dict[str, object]:
    return {
        "id": letter.id,
        "kind": letter.kind,
        "channel": letter.channel,
        "address": _masked(letter, keys),
        "source": letter.source,
        "created_at": letter.created_at.isoformat(),
        "failed_at": letter.failed_at.isoformat() if letter.failed_at else None,
        "attempts": letter.attempts,
        "error": letter.error,
        "ambiguous": letter.ambiguous,
    }


def _masked(letter: DeadLetter | DeliveryDetails, keys: KeyFile) -> str | None:
    """The masked address; None once it was erased."""
    from monitor.errors import KeyFileError
    from monitor.subscribers import mask

    if letter.sealed is None:
        return None
    try:
        return mask(letter.channel, keys.open(letter.channel, letter.sealed))
    except KeyFileError:
        return "(cannot be read)"
