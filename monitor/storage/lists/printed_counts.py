"""The count that a publisher prints of its own list, as it was last found on its page."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Connection

from monitor.storage import database_facts


def load_printed_count(conn: Connection, source: str) -> tuple[datetime, int] | None:
    """Read the publisher's own count of a list, and when it was first found so; None where none was found."""
    text = database_facts.get(conn, _name(source))
    if text is None:
        return None
    at, _, count = text.partition(" ")
    return datetime.fromisoformat(at), int(count)


def put_printed_count(conn: Connection, source: str, count: int, now: datetime) -> None:
    """Write the publisher's own count of a list."""
    database_facts.put(conn, _name(source), f"{now.isoformat()} {count}")


def _name(source: str) -> str:
    return f"printed count of {source}"
