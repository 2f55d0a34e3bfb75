"""The commands for proofs and stored publications: evidence, verify, redact, vacuum."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TextIO

import click

from monitor.cli import Session, command, emit
from monitor.cli.change_numbers import load_named_change
from monitor.formatting import format_count


@command(short_help="Write a file that proves a change, a day or an agreement to anybody, offline.")
@click.argument("change", required=False)
@click.option("--source", "name", metavar="NAME", help="Instead of CHANGE: a list, with --day.")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="A day (UTC) of the list.")
@click.option("--without", metavar="TEXT", help="Prove that no publication of the day has this text.")
@click.option("--agreement", type=int, metavar="N", help="Instead of CHANGE: a copy of an agreement.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Default: evidence-....zip.")
def evidence(
    session: Session,
    change: str | None,
    name: str | None,
    day: datetime | None,
    without: str | None,
    agreement: int | None,
    output: Path | None,
) -> None:
    """Write the evidence of CHANGE (a number of `monitor changes`, or the address of its page): what the
    publisher served before and after, every poll between, and the proof that the signed record contains them.
    `verify.py` in the file checks it.

    With --source and --day it writes the evidence of a whole day, from the last poll before it to the first
    one after it; --without TEXT proves that something was not listed. With --agreement it writes the evidence
    of a document that a listing links to (a number of `monitor agreements`): the document, the one that it
    replaced, and every check between.
    """
    from monitor.errors import RecordError, UsageError
    from monitor.record.agreement_proof import collect_agreement
    from monitor.record.bundle import build_checked_bundle, pack_bundle
    from monitor.record.collect import collect_change, collect_day
    from monitor.storage.engine import reading
    from monitor.storage.lists.agreements import load_copy

    given = sum(each is not None for each in (change, name, agreement))
    if given != 1 or (name is None) != (day is None) or (without and not name):
        raise click.UsageError("give the number of a change, or --source and --day, or --agreement")
    components, settings = session.components, session.settings
    components.sign_record()
    key = components.open_log_key()
    with reading(components.engine) as conn:
        if change is not None:
            row = load_named_change(conn, change)
            source = settings.infos.get(row.source)
            if source is None or row.id is None:
                raise UsageError(f"change {row.id} is of {row.source}, which is not configured")
            found = collect_change(conn, row.id, source, settings.site.name)
            title = f"evidence-{row.id}"
        elif agreement is not None:
            copy = load_copy(conn, agreement)
            source = settings.infos.get(copy.source) if copy else None
            if source is None:
                raise click.UsageError(
                    f"there is no copy {agreement} of an agreement of a configured source; see "
                    "`monitor agreements`"
                )
            found = collect_agreement(conn, agreement, source, settings.site.name)
            title = f"evidence-agreement-{agreement}"
        else:
            assert name is not None
            assert day is not None
            source = settings.source(name).info(name)
            found = collect_day(conn, source, day.date(), settings.site.name, without)
            title = f"evidence-{name}-{day:%Y-%m-%d}"
    try:
        files = build_checked_bundle(found, key.signer)
    except RecordError as error:
        raise RecordError(f"{error}; nothing was written") from None
    path = output or Path(f"{title}.zip")
    path.write_bytes(pack_bundle(files, title))
    click.echo(f"{found.sentence}\nwritten to {path}: {format_count(len(found.polls), 'poll')}, checked")


@command(short_help="Check an evidence bundle, or a head of the record from a mail.")
@click.argument("bundle", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--key", default="", metavar="KEY", help="The public key of the record, from another place.")
@click.option("--head", default="", metavar="HEAD", help='"record NUMBER ROOT", as the service published it.')
@click.option("--proof", type=click.File(), help="What /log/consistency/ of the service has, for --head.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line: check, passed, text.")
def verify(
    session: Session, bundle: Path | None, key: str, head: str, proof: TextIO | None, as_json: bool
) -> None:
    """Check BUNDLE (a ZIP file or its folder) offline, as its own verify.py does, and that its web archive
    has the publications of its polls. Without BUNDLE, check that the record in the database continues the
    published HEAD: every entry is hashed again, and every poll, change, version and import in the tables is
    compared with its entry. Exit 1 when a check fails.
    """
    from monitor.record import verify as verifier
    from monitor.record.archive_check import check_archive
    from monitor.record.bundle_reader import read_bundle
    from monitor.record.log_check import check_log
    from monitor.storage.engine import reading

    if bundle is None and not head:
        raise click.UsageError("give a bundle, or --head")
    if bundle is None:
        with reading(session.database()) as conn:
            results = list(check_log(conn, head))
    else:
        try:
            files = read_bundle(bundle)
            results = verifier.verify(files, key, head, proof.read() if proof else "")
            results.append(check_archive(files))
        except verifier.VerificationFailed as error:
            results = [("Files", False, str(error))]
    for name, passed, text in results:
        if as_json:
            emit({"check": name, "passed": passed, "text": text})
        else:
            click.echo(f"{'OK' if passed else 'FAIL':<5} {name:<13} {text}")
    if not as_json and bundle is not None:
        click.echo(f"\n{verifier.NOT_PROVED}")
    sys.exit(0 if all(passed for _, passed, _ in results) else 1)


@command(short_help="Store old publications by difference and return the space.")
def vacuum(session: Session) -> None:
    """Store the publications that an earlier version kept whole by their differences, then give the free
    space of a SQLite file back to the disk. It can be interrupted at any time and started again.
    """
    from monitor.errors import DamagedBody
    from monitor.storage.lists.bodies import convert_bodies
    from monitor.storage.maintenance import shrink_database

    engine = session.database()
    done = convert_bodies(engine)
    click.echo(
        f"{done.bodies} publications stored by difference: {done.before:,} bytes are now {done.after:,}"
    )
    sizes = shrink_database(engine)
    if sizes is not None:
        click.echo(f"the database had {sizes[0]:,} bytes and has {sizes[1]:,}")
    if done.damaged:
        raise DamagedBody(f"{done.damaged} stored publications are damaged and were left alone; see the log")


@command(short_help="Remove the bytes of a publication and keep its hash in the record.")
@click.argument("sha256", metavar="HASH")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it becomes a public entry of the record.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def redact(session: Session, sha256: str, reason: str, yes: bool) -> None:
    """Remove the bytes of the publication HASH (SHA-256, 64 digits) from the database, after a takedown. Its
    hash stays in the record, with an entry that says that it was removed and why; evidence then states that
    it was not kept.
    """
    from monitor.record.bundle_files import remove_kept_copies
    from monitor.record.log import append_redaction
    from monitor.storage.engine import reading, transaction
    from monitor.storage.lists.bodies import load_kept_size, redact_body

    engine = session.database()
    with reading(engine) as conn:
        size = load_kept_size(conn, sha256.lower())
    if not yes:
        click.echo(f"a publication of {format_count(size, 'byte')}")
        click.confirm("Remove these bytes for good?", default=False, abort=True)
    with transaction(engine) as conn:
        append_redaction(conn, sha256.lower(), reason, session.components.clock())
        redact_body(conn, sha256.lower())
    remove_kept_copies(session.settings.data.folder / "public")
    click.echo("removed; the record says so. Backups, and evidence and dumps that others took, still have it")
