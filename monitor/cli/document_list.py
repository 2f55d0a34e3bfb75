"""The file of documents about agencies: reads it, and the command that shows rows that match no agency."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from monitor.cli import Session, command, emit, show_progress, table
from monitor.cli.output import format_time
from monitor.formatting import format_count

if TYPE_CHECKING:
    from monitor.app import Components
    from monitor.storage.lists.documents import DocumentsState


def read_documents(components: Components) -> DocumentsState:
    """Read the operator's file of documents, or fetch it from its URL, and store its rows."""
    from monitor import app
    from monitor.fetch import NotModified, Target
    from monitor.polling.document_file import DocumentsError, poll_documents

    section = components.settings.documents

    def read() -> bytes:
        if section.file is not None:
            try:
                return section.file.read_bytes()
            except OSError as error:
                raise DocumentsError(f"{section.file}: {error.strerror}") from None
        with app.open_fetcher(components.settings, None, on_wait=show_progress) as fetcher:
            found = fetcher.get(Target(url=section.url))
        assert not isinstance(found, NotModified)  # the request was not conditional
        return found.body

    return poll_documents(components.engine, read, now=components.clock())


@command(short_help="Show how the file of documents was read, and which rows match no agency.")
@click.option("--read", "read_now", is_flag=True, help="Read the file or address of [documents] now.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def documents(session: Session, read_now: bool, as_json: bool) -> None:
    """Show the result of the last reading of the [documents] file, which rows were left out, and which match
    no agency of a list, with similar names.

    JSON keys: at, rows, problem (null: none), skipped (sentences), unmatched (objects: source, agency, name,
    state, title, url, near: objects with source and agency).
    """
    from monitor.errors import UsageError
    from monitor.polling.document_file import load_unmatched
    from monitor.storage.engine import reading
    from monitor.storage.lists.documents import load_state

    if session.settings.documents.where is None:
        raise UsageError("there is no file of documents: set [documents] file or url")
    engine = session.database()
    if read_now:
        read_documents(session.components)
    with reading(engine) as conn:
        state = load_state(conn)
    if state is None:
        raise UsageError("the file has not been read yet: run `monitor documents --read`")
    unmatched = load_unmatched(engine)
    if as_json:
        emit(
            {
                "at": state.at,
                "rows": state.rows,
                "problem": state.problem,
                "skipped": list(state.skipped),
                "unmatched": [
                    {
                        **{
                            name: getattr(each.document, name)
                            for name in ("source", "agency", "name", "state", "title", "url")
                        },
                        "near": [{"source": source, "agency": agency} for source, agency in each.near],
                    }
                    for each in unmatched
                ],
            }
        )
        return
    read_at = format_time(datetime.fromisoformat(state.at))
    click.echo(f"{format_count(state.rows, 'document')}, read {read_at}")
    if state.problem:
        click.echo(f"the file could not be read: {state.problem}")
    for line in state.skipped:
        click.echo(f"left out, {line}")
    if unmatched:
        click.echo("about no agency of a list:")
        table(
            ("document", "agency", "near"),
            [
                (
                    each.document.title,
                    each.document.agency or f"{each.document.name} {each.document.state}".strip(),
                    "; ".join(f"{agency!r} of {source}" for source, agency in each.near),
                )
                for each in unmatched
            ],
        )
