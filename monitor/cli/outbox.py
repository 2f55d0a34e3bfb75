"""The commands about messages in the outbox: failed, outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import click

from monitor.cli import Session, emit, subcommand, table
from monitor.cli.group import ListByDefault

if TYPE_CHECKING:
    from monitor.keys import KeyFile
    from monitor.storage.deliveries.dead_letters import DeadLetter
    from monitor.storage.deliveries.refusals import Wave


@click.group(cls=ListByDefault, short_help="List failed messages; queue them again.")
def failed() -> None:
    """List failed messages, which are not tried again; queue them again once the cause is fixed.

    Without a command it lists them.
    """


@subcommand(failed, name="list", short_help="List failed messages.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def failed_list(session: Session, as_json: bool) -> None:
    """List failed messages, newest last.

    JSON keys: id, kind, channel, address (masked), source, created_at, failed_at, attempts, error, ambiguous
    (it may have arrived).
    """
    from monitor.storage.deliveries import dead_letters
    from monitor.storage.engine import reading

    engine, keys = session.database(), session.components.keys
    with reading(engine) as conn:
        letters = dead_letters.load_dead_letters(conn)
    if as_json:
        for letter in letters:
            emit(_dead_letter_json(letter, keys))
    elif letters:
        table(
            ("id", "channel", "address", "source", "since", "tried", "why"),
            [
                (
                    letter.id,
                    letter.channel,
                    _masked(letter, keys),
                    letter.source,
                    _when(letter.created_at),
                    letter.attempts,
                    letter.error,
                )
                for letter in letters
            ],
        )
    else:
        click.echo("no message has failed")


@subcommand(failed, name="retry", short_help="Queue failed messages again.")
@click.argument("ids", metavar="[ID]...", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="All of them.")
def failed_retry(session: Session, ids: tuple[int, ...], everything: bool) -> None:
    """Queue failed messages again, by ID or all: they are due now and get all their attempts again.

    Nothing is queued for a subscriber who has left since.
    """
    from monitor import app
    from monitor.storage.deliveries import dead_letters
    from monitor.storage.engine import transaction

    if bool(ids) == everything:
        raise click.UsageError("give the IDs of failed messages, or --all")
    engine = session.database()
    with transaction(engine) as conn:
        queued = dead_letters.requeue(conn, app.now(), None if everything else ids)
    for id in sorted(set(ids) - set(queued)):
        click.echo(f"{id}: not a failed message, or its subscriber has left", err=True)
    click.echo(f"{len(queued)} queued again")
    if set(ids) - set(queued):
        raise click.exceptions.Exit(1)


@click.group(cls=ListByDefault, short_help="List messages in trouble; undo a wave of refusals.")
def outbox() -> None:
    """List messages that were tried without success, and undo a wave of refusals.

    Without a command it lists them.
    """


@subcommand(outbox, name="list", short_help="List messages that were tried without success.")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True, help="The newest so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def outbox_list(session: Session, limit: int, as_json: bool) -> None:
    """List messages that were tried without success, newest last: due again, or failed.

    JSON keys: those of `monitor failed list`, and state (due, failed) and due_at.
    """
    from monitor.storage.deliveries import dead_letters, queue
    from monitor.storage.engine import reading

    engine, keys = session.database(), session.components.keys
    with reading(engine) as conn:
        found = dead_letters.load_troubled(conn, limit)
    if as_json:
        for letter, state, due_at in found:
            emit(_dead_letter_json(letter, keys) | {"state": state, "due_at": due_at.isoformat()})
    elif found:
        table(
            ("id", "state", "next try", "channel", "address", "tried", "why"),
            [
                (
                    letter.id,
                    state,
                    _when(due_at) if state == queue.DUE else None,
                    letter.channel,
                    _masked(letter, keys),
                    letter.attempts,
                    letter.error,
                )
                for letter, state, due_at in found
            ],
        )
    else:
        click.echo("every message that was tried has been accepted")


@subcommand(outbox, name="restore", short_help="Undo a wave of refusals.")
@click.argument("answers", metavar="[ANSWER]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def outbox_restore(session: Session, answers: tuple[str, ...], as_json: bool) -> None:
    """Undo a wave of refusals, once its cause is mended.

    Without an ANSWER it lists the answers with which servers have refused messages in the last 60 days. With
    one, nothing of that wave counts against its people, and what they were owed, or what came back, is due
    again. Exit 1 for an answer that nobody got.

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
    if not answers:
        _show_waves(waves, as_json)
    for answer in answers:
        if answer not in known:
            click.echo(
                f"{answer}: nobody was refused so; `monitor outbox restore` lists the answers", err=True
            )
            continue
        with transaction(engine) as conn:
            people, queued = refusals.restore(conn, known[answer], answer, now)
        if as_json:
            emit({"channel": known[answer], "answer": answer, "people": people, "queued": queued})
        else:
            click.echo(f"{answer}: nothing counts against {people} people, {queued} messages are due again")
    if set(answers) - known.keys():
        raise click.exceptions.Exit(1)


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
                    _when(wave.since),
                    _when(wave.until),
                    wave.error,
                )
                for wave in waves
            ],
        )
    else:
        click.echo("no server has refused a message for good in 60 days")


def _dead_letter_json(letter: DeadLetter, keys: KeyFile) -> dict[str, object]:
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


def _masked(letter: DeadLetter, keys: KeyFile) -> str | None:
    """The masked address; None once it was erased."""
    from monitor.errors import KeyFileError
    from monitor.subscribers import mask

    if letter.sealed is None:
        return None
    try:
        return mask(letter.channel, keys.open(letter.channel, letter.sealed))
    except KeyFileError:
        return "(cannot be read)"


def _when(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")
