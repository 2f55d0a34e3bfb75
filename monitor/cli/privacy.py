"""The commands about the list of people: mail that came back, what is forgotten, and the key."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli import Session, command, emit, subcommand

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.subscribers import BounceVerdict


@command(short_help="Act on mail that came back, or that asks to unsubscribe.")
@click.argument("files", metavar="[FILE|-]...", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--imap", is_flag=True, help="Empty the mailbox of [bounces] instead.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object: left, suppressed, struck, passed, foreign."
)
def bounces(session: Session, files: tuple[Path, ...], imap: bool, as_json: bool) -> None:
    """Act on mail that came back (RFC 3464), on complaints (RFC 5965), and on mail that asks to unsubscribe. FILE is one mail or an mbox, "-"
    is standard input.

    Made for a pipe: in an aliases file, alerts: "|monitor bounces --config ... -". Only mails with a token of ours count, and each once. An
    address that is gone is suppressed at once, one that refuses otherwise after three times on two days. Delays are no fault of a
    person's, nor are refusals for reasons of ours, about which the log warns.

    Counts mails: left (asked to unsubscribe, or complained), suppressed, struck (refused, may do so twice more), passed (nothing about the
    address), foreign (not ours).
    """
    from monitor import subscribers

    if imap == bool(files):
        raise click.UsageError("give files, - for standard input, or --imap")
    settings = session.settings
    engine = session.database()
    keys = session.components.keys
    stones = session.components.tombstones
    counts = Counter[subscribers.BounceVerdict]()

    def act(mail: bytes) -> subscribers.BounceVerdict:
        verdict = subscribers.returned(engine, keys, mail, session.components.clock(), tombstones=stones)
        counts[verdict] += 1
        return verdict

    if imap:
        _empty_mailbox(settings, act)
    for mail in _mails(files):
        act(mail)
    if as_json:
        emit({verdict.value: counts[verdict] for verdict in subscribers.BounceVerdict})
    else:
        click.echo(", ".join(f"{counts[verdict]} {verdict.value}" for verdict in subscribers.BounceVerdict))


def _mails(files: tuple[Path, ...]) -> Iterator[bytes]:
    from monitor.errors import UsageError
    from monitor.subscribers import mails

    for path in files:
        try:
            content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from None
        yield from mails(content)


def _empty_mailbox(settings: Settings, act: Callable[[bytes], BounceVerdict]) -> None:
    from monitor.cli.mailbox import empty
    from monitor.errors import ConfigError

    own = settings.bounces
    if own.imap_host is None or own.imap_user is None or own.imap_password is None:
        raise ConfigError(["bounces.imap_host: there is no mailbox to look into"])
    password = own.imap_password.get_secret_value()
    empty(own.imap_host, own.imap_port, own.imap_user, password, own.imap_folder, act, ca=own.imap_ca)


@command(short_help="Forget what has been kept for long enough; prove that it is gone.")
@click.option(
    "--prove", is_flag=True, help="Search database and logs afterwards; exit 1 when something is found."
)
@click.option(
    "--log",
    "logs",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A log to search as well; may be repeated.",
)
@click.option(
    "--word",
    "words",
    metavar="TEXT",
    multiple=True,
    help="Search for this as well, such as an address that was erased.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object: what was purged, found (a list of where, what), and with --prove searched and unseen.",
)
def purge(
    session: Session, prove: bool, logs: tuple[Path, ...], words: tuple[str, ...], as_json: bool
) -> None:
    """Forget what has been kept for long enough; `monitor run` does the same once an hour.

    Sign-ups that nobody confirmed go after 48 hours, counts per network after a day, which mails came back after 30 days, the rows of those
    who left after 180 days, which message was sent when after 400 days, and copies from before an upgrade after [site] backups_kept.

    --prove then searches the database (SQLite: its very bytes and its log), the data folder and the logs given for addresses and tokens in
    the clear, hashes of the erased, the bot's token, and every --word. A PostgreSQL server shows its rows only: what it keeps of deleted
    ones, in its files, its write-ahead log and its backups, is for whoever runs it to look after.
    """
    from monitor import app, subscribers

    settings = session.settings
    engine = session.database()
    keys = session.components.keys
    purged = subscribers.purge(engine, session.components.clock())
    copies = app.forget_copies(session.components, session.components.clock())
    proof = None
    if prove:
        token = settings.telegram.token
        secrets = (*words, *((token.get_secret_value(),) if token else ()))
        proof = subscribers.prove(engine, keys, session.components.tombstones, logs=logs, secrets=secrets)
    found = proof.found if proof else ()
    if as_json:
        more = {"searched": proof.searched, "unseen": proof.unseen} if proof else {}
        emit({**asdict(purged), "copies": copies, "found": [asdict(trace) for trace in found], **more})
    else:
        click.echo(
            f"purged: {purged.unconfirmed} never confirmed, {purged.ended} who left long ago, {purged.deliveries} old deliveries,"
            f" {purged.counts} counts, {purged.signups} forms, {copies} copies"
        )
        for trace in found:
            click.echo(f"found in {trace.where}: {trace.what}")
        if proof and not found:
            where = ", ".join(proof.searched)
            if proof.unseen is None:
                click.echo(f"proved: nothing that must be gone is in {where}")
            else:
                click.echo(f"nothing that must be gone is in the rows and files: {where}")
        if proof and proof.unseen:
            click.echo(f"not searched, so not proved: {proof.unseen}")
    sys.exit(1 if found else 0)


@click.group(short_help="Exchange the key that encrypts addresses.")
def key() -> None:
    """The key that encrypts addresses, finds them and signs links."""


@subcommand(key, name="rotate", short_help="Exchange the key.")
@click.option(
    "--leaked", is_flag=True, help="Do not honour links that the old key signed, but to unsubscribe."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def rotate(session: Session, leaked: bool, yes: bool) -> None:
    """Exchange the key: every address is encrypted anew. Whatever runs beside waits for that, some seconds for 100,000 addresses, and goes
    on with the new key; on another machine only after the new monitor.key was copied there.

    Links in mails that were sent work for 100 days more, those to unsubscribe for ever. Should it be interrupted, call it again. Backups
    from before need the old key file: copy it first and keep it with them, apart from the database, or let them go.
    """
    from monitor import app, subscribers

    settings = session.settings
    engine = session.database()
    app.open_keys(settings, engine)
    if not yes:
        click.confirm("Exchange the key now?", default=False, abort=True)
    count = subscribers.rotate(engine, settings.data.folder, session.components.clock(), leaked=leaked)
    click.echo(f"the key is exchanged; {count} addresses are encrypted with the new one")
