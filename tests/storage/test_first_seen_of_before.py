"""A database of version 0.1.0 in which changes waited: after the upgrade they are dated by the first poll
that saw them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.storage import columns, migrate
from monitor.storage import engine as db
from monitor.storage.lists import record_rows
from monitor.storage.lists.changes import load_standing
from tests.storage.test_migrate import empty, scripts_at

__all__ = ["empty"]  # the fixture

MOMENT = columns.UtcDateTime()
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
BELIEVED = BEGAN + 26 * HOUR


def table(name: str, plain: str, moments: str = "", json: str = "") -> sa.TableClause:
    return sa.table(
        name,
        *(sa.column(each) for each in plain.split()),
        *(sa.column(each, MOMENT) for each in moments.split()),
        *(sa.column(each, columns.Json()) for each in json.split()),
    )


LISTING = table("listing", "source key agency name state from_number to_number", "from_at to_at", "content")
CHANGESET = table("changeset", "id source number", "at fanned_out_at")
CHANGE = table(
    "change",
    "source kind agency state reason was_held approved changeset_id",
    "not_before first_seen_at ended_at",
    "fields before after",
)


def write_history(engine: Engine) -> None:
    """Number 1 was the first reading. A poll an hour later saw an addition, a removal and a change, which
    were held and believed a day later as number 2; another addition is held still.
    """

    def version(name: str, number: int, ended: int | None, text: str = "") -> dict[str, Any]:
        times = {1: BEGAN, 2: BELIEVED, None: None}
        return {
            "source": "list", "key": name, "agency": name, "name": f"{name} Police", "state": "IN",
            "from_number": number, "to_number": ended, "from_at": times[number], "to_at": times[ended],
            "content": {"attributes": [["Type", text]]} if text else {},
        }  # fmt: skip

    def change(kind: str, agency: str, state: str) -> dict[str, Any]:
        sides = {"before": kind != "added", "after": kind != "removed"}
        published = state == "published"
        return {
            "source": "list", "kind": kind, "agency": agency, "state": state, "reason": "", "fields": [],
            "was_held": True, "approved": published, "changeset_id": 1 if published else None,
            "not_before": BEGAN, "first_seen_at": BEGAN + HOUR, "ended_at": BELIEVED if published else None,
            **{side: {"name": f"{agency} Police", "key": agency} if there else None
               for side, there in sides.items()},
        }  # fmt: skip

    with db.transaction(engine) as conn:
        conn.execute(
            sa.insert(LISTING),
            [
                version("Stays", 1, None),
                version("Gone", 1, 2),
                version("Moved", 1, 2, "Jail"),
                version("Moved", 2, None, "Task force"),
                version("New", 2, None),
            ],
        )
        conn.execute(
            sa.insert(CHANGESET),
            {"id": 1, "source": "list", "number": 2, "at": BELIEVED, "fanned_out_at": BELIEVED},
        )
        conn.execute(
            sa.insert(CHANGE),
            [
                change("added", "New", "published"),
                change("removed", "Gone", "published"),
                change("changed", "Moved", "published"),
                change("added", "Held", "held"),
            ],
        )


def test_what_waited_in_the_first_version_is_dated_by_the_poll_that_saw_it(
    empty: Engine, tmp_path: Path, now: datetime
) -> None:
    migrate.upgrade(empty, folder=tmp_path, now=now, scripts=scripts_at(tmp_path / "first", "0001"))
    write_history(empty)
    migrate.upgrade(empty, folder=tmp_path, now=now)
    with db.reading(empty) as conn:
        versions = {
            (each.agency, each.from_number): each for each in record_rows.iterate_versions(conn, "list")
        }
        seen = BEGAN + HOUR
        assert {key: (each.seen_from, each.seen_to) for key, each in versions.items()} == {
            ("Stays", 1): (BEGAN, None),
            ("Gone", 1): (BEGAN, seen),
            ("Moved", 1): (BEGAN, seen),
            ("Moved", 2): (seen, None),
            ("New", 2): (seen, None),
        }
        assert versions["New", 2].from_at == versions["Gone", 1].to_at == BELIEVED  # when it was believed
        for at, names in (
            (BEGAN, ["Gone", "Moved", "Stays"]),
            (seen - timedelta(seconds=1), ["Gone", "Moved", "Stays"]),
            (seen, ["Moved", "New", "Stays"]),
            (BELIEVED + HOUR, ["Moved", "New", "Stays"]),
        ):
            moment = record_rows.find_moment(conn, "list", at)
            assert moment is not None
            assert [each.agency for each in record_rows.load_list_at(conn, "list", moment)] == names
        # a list by its number is what was believed, and the steps lead there
        assert [each.agency for each in record_rows.load_list(conn, "list", 1)] == ["Gone", "Moved", "Stays"]
        steps = record_rows.load_steps(conn, "list", (1, "~"), 10)
        assert [(each.agency, each.before is None, each.after is None) for each in steps] == [
            ("Gone", False, True),
            ("Moved", False, False),
            ("New", True, False),
        ]
        (held,) = load_standing(conn)
        assert (held.agency, held.first_seen_at) == ("Held", seen)
