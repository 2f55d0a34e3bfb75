"""Loads the data for messages about retractions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from monitor.storage.deliveries.queue import Claimed
from monitor.storage.deliveries.retractions import FirstMessage, load_first_messages
from monitor.storage.lists import changes
from monitor.storage.lists.changes import StoredChange


@dataclass(frozen=True, slots=True)
class RetractionFacts:
    """The retraction of a delivery: the change, and the message that announced it (None: not known)."""

    change: StoredChange
    first: FirstMessage | None


def load_retractions(conn: Connection, owed: Sequence[tuple[Claimed, str]]) -> dict[int, RetractionFacts]:
    """Read the retractions of deliveries, by delivery; ``owed`` maps each to the number of its change as
    text.
    """
    wanted = {delivery: int(change) for delivery, change in owed}
    rows = {row.id: row for row in changes.load_by_ids(conn, sorted(set(wanted.values())))}
    told = {
        delivery: (delivery.subscriber, row.changeset)
        for delivery, change in wanted.items()
        if (row := rows.get(change)) is not None and row.changeset is not None
    }
    first = load_first_messages(conn, told.values())
    return {
        delivery.id: RetractionFacts(rows[wanted[delivery]], first.get(key)) for delivery, key in told.items()
    }
