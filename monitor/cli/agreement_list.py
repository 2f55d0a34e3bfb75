"""The command that lists the agreements that listings link to."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from monitor.cli import Session, command, emit, table
from monitor.cli.output import format_iso, format_time

if TYPE_CHECKING:
    from monitor.storage.lists.agreements import AgreementCopy


@command(short_help="List the agreements that listings link to, with the stored copies.")
@click.option("--source", "names", multiple=True, metavar="NAME", help="Only this list; may be repeated.")
@click.option("--failing", is_flag=True, help="Only those whose last check failed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def agreements(session: Session, names: tuple[str, ...], failing: bool, as_json: bool) -> None:
    """List the documents that listings link to, for lists with "agreements = true": what was kept, when it
    was replaced, and why a check failed. `monitor evidence --agreement N` proves a copy.

    JSON keys: source, url, looks, failures, problem, looked_at, seen_at, next_at, copies (objects: id,
    first_seen_at, not_before, replaced, sha256, bytes, kept, agencies).
    """
    from monitor.storage.engine import reading
    from monitor.storage.lists import agreements as store

    for name in names:
        session.settings.source(name)
    rows = []
    with reading(session.database()) as conn:
        for name in names or session.settings.sources:
            known = [each for each in store.load_agreements(conn, name) if each.failures or not failing]
            copies = store.load_copies(conn, [each.id for each in known])
            rows += [(each, copies.get(each.id, [])) for each in known]
    if as_json:
        for each, kept in rows:
            shown = {name: asdict(each)[name] for name in ("source", "url", "looks", "failures", "problem")}
            times = {name: format_iso(getattr(each, name)) for name in ("looked_at", "seen_at", "next_at")}
            emit(shown | times | {"copies": [_describe(copy) for copy in kept]})
        return
    if not rows:
        settings = session.settings
        click.echo(
            "no agreements yet: `monitor run` looks at one after the other once a list links to them"
            if any(settings.source(name).agreements for name in settings.watched)
            else "no agreements: set agreements = true in the section of a list, and start `monitor run`"
        )
        return
    table(
        ("copy", "list", "address", "seen", "document", "problem"),
        [
            (
                str(kept[-1].id) if kept else "-",
                each.source,
                each.url,
                format_time(each.seen_at) if each.seen_at else "never",
                f"{kept[-1].after[:12]} ({len(kept)})" if kept else "-",
                each.problem,
            )
            for each, kept in rows
        ],
    )


def _describe(copy: AgreementCopy) -> dict[str, object]:
    return {
        "id": copy.id,
        "first_seen_at": format_iso(copy.first_seen_at),
        "not_before": format_iso(copy.not_before),
        "replaced": copy.before,
        "sha256": copy.after,
        "bytes": copy.size,
        "kept": copy.readable,
        "agencies": list(copy.agencies),
    }
