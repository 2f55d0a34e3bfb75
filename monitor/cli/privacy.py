"""The commands for personal data: bounces, purge, key."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli import Session, command, emit, subcommand
from monitor.formatting import format_count

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.subscribers import BounceVerdict


@command(short_help="Process bounces, complaints and unsubscribe mails.")
@click.argument("files", metavar="[FILE|-]...", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--imap", is_flag=True, help="Process the mailbox of [bounces] instead.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object: left, suppressed, struck, passed, foreign."
)
def bounces(session: Session, files: tuple[Path, ...], imap: bool, as_json: bool) -> None:
    """Process bounces (RFC 3464), complaints (RFC 5965) and unsubscribe mails. FILE is one mail or an mbox,
    "-" is standard input.

    It can be used in a pipe: in an aliases file, alerts: "|monitor bounces --config ... -". Only mails with
    one of our tokens count, each once. An address that no longer exists is suppressed at once; one that
    refuses for another reason is suppressed after three refusals on two days. Delays do not count, nor do
    refusals that are our fault, which are logged as warnings.

    Counts mails: left (unsubscribed or complained), suppressed, struck (refused, up to two more are allowed),
    passed (nothing about the address), foreign (not ours).
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
        verdict = subscribers.apply_mail(engine, keys, mail, session.components.clock(), tombstones=stones)
        counts[verdict] += 1
        return verdict

    if imap:
        _process_imap(settings, act)
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


def _process_imap(settings: Settings, act: Callable[[bytes], BounceVerdict]) -> None:
    from monitor.cli.imap import process_mailbox
    from monitor.errors import ConfigError

    own = settings.bounces
    if own.imap_host is None or own.imap_user is None or own.imap_password is None:
        raise ConfigError(["bounces.imap_host: no mailbox is configured"])
    password = own.imap_password.get_secret_value()
    process_mailbox(
        own.imap_host, own.imap_port, own.imap_user, password, own.imap_folder, act, ca=own.imap_ca
    )


@command(short_help="Delete expired personal data; prove that it is gone.")
@click.option(
    "--prove", is_flag=True, help="Also search the database and the logs; exit 1 when something is found."
)
@click.option(
    "--log",
    "logs",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Also search this log file; may be repeated.",
)
@click.option(
    "--word",
    "words",
    metavar="TEXT",
    multiple=True,
    help="Also search for this, such as an erased address; may be repeated.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object: what was purged; found (where, what); with --prove searched and unseen.",
)
def purge(
    session: Session, prove: bool, logs: tuple[Path, ...], words: tuple[str, ...], as_json: bool
) -> None:
    """Delete expired personal data; `monitor run` does the same once an hour.

    Kept: unconfirmed sign-ups 48 hours, counts per network a day, processed bounces 30 days, rows of former
    subscribers 180 days, which message was sent when 400 days, copies from before an upgrade [site]
    backups_kept.

    --prove then searches the database (SQLite: the bytes of its files), the data folder and the given logs
    for plain addresses and tokens, hashes of erased addresses, the bot's token, and every --word. On
    PostgreSQL it can search rows only: what the server keeps of deleted rows in its files, write-ahead log
    and backups is not searched.
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
        proof = subscribers.scan_for_leaks(
            engine, keys, session.components.tombstones, logs=logs, secrets=secrets
        )
    found = proof.found if proof else ()
    if as_json:
        more = {"searched": proof.searched, "unseen": proof.unseen} if proof else {}
        emit({**asdict(purged), "copies": copies, "found": [asdict(trace) for trace in found], **more})
    else:
        click.echo(
            f"purged: {purged.unconfirmed} never confirmed, {purged.ended} who left long ago,"
            f" {format_count(purged.deliveries, 'old delivery', 'old deliveries')},"
            f" {format_count(purged.counts, 'count')}, {format_count(purged.signups, 'form')},"
            f" {format_count(copies, 'copy', 'copies')}"
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


@click.group(short_help="Replace the key that encrypts addresses, or the one that signs the record.")
def key() -> None:
    """Replace the key that encrypts and finds addresses and signs links; or the one that signs the record."""


@subcommand(key, name="rotate", short_help="Replace the key.")
@click.option(
    "--leaked",
    is_flag=True,
    help="Use this, with the service stopped, if somebody else may have the key: also replace the key that "
    "finds addresses, and refuse links that the old key signed, except those to unsubscribe.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def rotate(session: Session, leaked: bool, yes: bool) -> None:
    """Replace the key and encrypt every address again. A running service waits for it, some seconds for
    100,000 addresses, and continues with the new key; on another machine only after the new monitor.key was
    copied there.

    Links in mails that were already sent work for another 100 days, those to unsubscribe forever. If somebody
    else may have the key file, stop the service on every machine and add --leaked. If it is interrupted, run
    it again. Older backups need the old key file: copy it first and keep it with them, apart from the
    database, or delete them.
    """
    from monitor import app, subscribers

    settings = session.settings
    engine = session.database()
    app.open_keys(settings, engine)
    if not yes:
        click.confirm("Replace the key now?", default=False, abort=True)
    count = subscribers.rotate(engine, settings.data.folder, session.components.clock(), leaked=leaked)
    addresses = format_count(count, "address is", "addresses are")
    click.echo(f"the key is replaced; {addresses} encrypted with the new one")
    click.echo("keep a copy of the new monitor.key in another place, and make a new `monitor backup`")
    if leaked:
        click.echo(
            "anybody who has the old key can still read earlier backups, and copies that upgrades left in "
            f"{settings.data.folder}: delete them"
        )


@subcommand(key, name="rotate-record", short_help="Replace the key that signs the record.")
@click.option(
    "--lost",
    is_flag=True,
    help="The old key and every copy of it are lost: continue with a new one that it has not signed.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def rotate_record(session: Session, lost: bool, yes: bool) -> None:
    """Replace log.key, which signs the public record. The old key signs the new one, and the record says so,
    so that everybody who knows the old key can verify the new one. Copy the new log.key to other machines.

    With --lost nobody can verify the new key by the old one: the record says that it was lost. Announce it
    publicly too, with the new key and a signed head that others saved earlier; the record still begins with
    what that head covers.
    """
    from monitor.record.log_key import exchange_log_key
    from monitor.record.signing import check_replaceable, replace_lost_key

    components, folder = session.components, session.settings.data.folder
    check_replaceable(components.engine, folder, lost=lost)
    if not yes:
        click.confirm("Replace the key of the record now?", default=False, abort=True)
    if lost:
        replace_lost_key(components.engine, folder, components.clock())
    else:
        components.sign_record()
        exchange_log_key(folder, components.open_log_key())
    components.sign_record()
    new = components.open_log_key()
    click.echo(f"the record is signed with another key from now on; publish it: {new.verifier}")
