"""Finds changes by the number in `monitor changes`, or by the address of a page of the site."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from monitor.errors import UsageError
from monitor.formatting import format_count

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from monitor.storage.lists.changes import StoredChange

_CHANGE = re.compile(r"(?:.*/)?change/(\d{1,18})/?(?:[?#].*)?|.*/?changes/\d+.*#c(\d{1,18})|(\d{1,18})")
_ANNOUNCEMENT = re.compile(r"(?:.*/)?changes/(\d{1,18})/?(?:[?#].*)?")
_NAMED = 5  # the most changes named in an error


def load_named_changes(conn: Connection, text: str) -> tuple[StoredChange, ...]:
    """Load the change with a number or page address (``/change/N``, ``/changes/N#cN``), or the published
    changes of an announcement (``/changes/N``), oldest first. Raises UsageError.
    """
    from monitor.storage.lists import changes

    if named := _CHANGE.fullmatch(text.strip()):
        number = int(next(group for group in named.groups() if group))
        found = changes.load_by_ids(conn, [number])
        if not found:
            also = (
                f"; changes/{number} names the announcement {number}"
                if changes.load_published(conn, changeset=number)
                else ""
            )
            raise UsageError(
                f"there is no change {number}: `monitor changes` and `monitor holds` list them{also}"
            )
        return found
    if announced := _ANNOUNCEMENT.fullmatch(text.strip()):
        found = changes.load_published(conn, changeset=int(announced[1]))
        if not found:
            raise UsageError(
                f"there is no announcement {announced[1]}: `monitor changes` lists what was announced"
            )
        return found
    raise UsageError(
        f"{text!r} names no change: give a number of `monitor changes`, or the address of its page, "
        "such as https://watch.example/change/12"
    )


def load_named_change(conn: Connection, text: str) -> StoredChange:
    """Load the one change with a number or page address. Raises UsageError, also for an announcement of
    several.
    """
    found = load_named_changes(conn, text)
    if len(found) == 1:
        return found[0]
    named = ", ".join(f"{row.id} ({row.change.subject.name})" for row in found[:_NAMED])
    more = format_count(len(found) - _NAMED, "other") if len(found) > _NAMED else ""
    raise UsageError(
        f"that announcement has {len(found)} changes: give the number of one: {named}"
        + (f" and {more}" if more else "")
    )
