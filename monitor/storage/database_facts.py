"""Facts about this database as a whole, by name, in the table `meta`: its identity, and what the bot stores
for the site and for `monitor status`.
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.engine import insert_for
from monitor.storage.tables import MetaRow

BOT_USERNAME = "telegram username"
"""The fact under which the bot stores its name, for the site's links to it."""

BOT_TROUBLE = "bot trouble"
"""The fact that holds why the bot receives no updates; empty when it does."""

IDENTITY = "identity"
"""The fact that identifies this database; a plain copy of the file has the same one."""

EPOCH = "epoch"
"""The fact with the current epoch of sending, which `monitor resume` begins; missing before the first."""

EARLIER_EPOCHS = "earlier epochs"
"""The fact that holds the epochs before, as JSON: [[until when, epoch], ...], oldest first."""

LAST_BACKUP = "last backup"
"""The fact that holds when `monitor backup` last succeeded, ISO 8601 in UTC."""

DOCUMENTS = "documents"
"""The fact that holds how the file of documents was read last, as JSON (`lists.documents`)."""

DOCUMENTS_HASH = "documents hash"
"""The fact that holds the hash of the documents that are shown."""

OUTLINES_MISSING = "outlines are missing"
"""The fact that a migration has added the outlines of addresses, and that they are not filled in yet."""


PLACING = "last step to another gazetteer"
"""The fact that holds what the last change of the gazetteer or the overrides did, as JSON: ``at``,
``gazetteer``, and the counts of `outbox.placement_renewal.PlacingReport`.
"""

FORKS = "forks of the record"
"""The fact that holds when the record went on from an older copy, as JSON (`lists.log_rows.RecordFork`)."""

AREAS_VERSION = "gazetteer of followed areas"
"""The fact that holds the version of the gazetteer from which the followed areas were last read."""


def get(conn: Connection, name: str) -> str | None:
    """Read a fact by name."""
    return conn.scalar(sa.select(MetaRow.c.value).where(MetaRow.c.name == name))


def put(conn: Connection, name: str, value: str) -> None:
    """Write a fact, replacing an older one of that name."""
    conn.execute(
        insert_for(conn, MetaRow)
        .values(name=name, value=value)
        .on_conflict_do_update(index_elements=["name"], set_={"value": value})
    )


def delete(conn: Connection, name: str) -> None:
    """Delete a fact."""
    conn.execute(sa.delete(MetaRow).where(MetaRow.c.name == name))


def ensure_identity(conn: Connection) -> str:
    """Read the identity of this database, created at the first call; a copy has the same one."""
    conn.execute(
        insert_for(conn, MetaRow).values(name=IDENTITY, value=secrets.token_hex(16)).on_conflict_do_nothing()
    )
    known = load_identity(conn)
    assert known is not None
    return known


def load_identity(conn: Connection) -> str | None:
    """Read the identity; None before it has one."""
    return get(conn, IDENTITY)
