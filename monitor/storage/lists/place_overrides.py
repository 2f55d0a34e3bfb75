"""Places that the operator assigned to agencies on the page of a notice or with `monitor place`, in addition
to the file of overrides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.engine import insert_for
from monitor.storage.lists.operator_tables import PlaceOverrideRow


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOverride:
    """The places of an agency of a list, ZIPs or one state. ``key`` is its listing's; ``note`` is what was
    meant, such as "Lake County, IN", "" where only ZIPs were given.
    """

    source: str
    key: str
    name: str
    state: str
    places: tuple[str, ...]
    note: str
    at: datetime


def put_override(conn: Connection, override: StoredOverride) -> None:
    """Write the places of an agency, replacing earlier ones."""
    row = {
        "source": override.source,
        "key": override.key,
        "name": override.name,
        "state": override.state,
        "places": " ".join(override.places),
        "note": override.note,
        "at": override.at,
    }
    insert = insert_for(conn, PlaceOverrideRow)
    given = {name: insert.excluded[name] for name in row if name not in ("source", "key")}
    conn.execute(insert.on_conflict_do_update(index_elements=["source", "key"], set_=given), [row])


def delete_override(conn: Connection, source: str, key: str) -> bool:
    """Delete the places that were assigned to an agency; returns whether there were any."""
    rows = PlaceOverrideRow
    return conn.execute(sa.delete(rows).where(rows.c.source == source, rows.c.key == key)).rowcount > 0


def load_stored_overrides(conn: Connection) -> tuple[StoredOverride, ...]:
    """Read all stored overrides, by list and name."""
    rows = PlaceOverrideRow.c
    found = conn.execute(sa.select(PlaceOverrideRow).order_by(rows.source, rows.name, rows.key))
    return tuple(
        StoredOverride(
            source=row.source,
            key=row.key,
            name=row.name,
            state=row.state,
            places=tuple(row.places.split()),
            note=row.note,
            at=row.at,
        )
        for row in found
    )
