"""Whatever somebody changes in the changes, versions and captures of a database, the entries of the log show
it: by the list and the number.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from monitor.history import importing
from monitor.history.replay import Served, ServedFiles
from monitor.outbox.retract import retract
from monitor.polling import PollOutcome, poll
from monitor.record import log
from monitor.record.checkpoint import Checkpoint
from monitor.record.log_check import check_log
from monitor.sources import ParseOptions
from monitor.storage import engine as db
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import changes, log_rows
from monitor.storage.lists.past_lists import express_span
from monitor.storage.lists.tables import (
    BodyRow,
    CaptureRow,
    ChangeRow,
    ChangesetRow,
    FetchRow,
    ListingVersionRow,
    SnapshotRow,
)
from tests.history.test_import import DAY, NOW_LISTED, OWN, judged
from tests.history.test_replay import WATCH
from tests.polling.publisher import COLUMNS, HOUR, agency, csv

CHANGE, SET, VERSION, CAPTURE = ChangeRow.c, ChangesetRow.c, ListingVersionRow.c, CaptureRow.c
JOINED, GONE, MOVED = 89, 5, 6
MOVED_ROW = agency(MOVED, Agency=agency(MOVED)["Agency"] + " Department of the County")
OTHERWISE = replace(
    WATCH, options=ParseOptions(name="list", format="table", columns=replace(COLUMNS, attributes=()))
)


def name_of(number: int) -> str:
    return agency(number)["Agency"]


def write_story(engine: Engine, folder: Path) -> str:
    """A past that was imported, taken back and imported again, and then own polls: one agency joins, one is
    moved to another county, one leaves and was missing earlier, a change is retracted, and the list is parsed
    in another way. The head of its log.
    """
    past = judged(folder / "files")
    importing.write_past(engine, past, WATCH, now=OWN - DAY)
    importing.undo_import(engine, "list", OWN - DAY + HOUR)
    importing.write_past(engine, past, WATCH, now=OWN - DAY + 2 * HOUR)
    joined = [*NOW_LISTED, agency(JOINED)]
    moved = [agency(MOVED, County="Elsewhere") if row == agency(MOVED) else row for row in joined]
    left = [row for row in moved if row != agency(GONE)]
    found = []
    for hours, rows in enumerate([NOW_LISTED, joined, moved, left, left, left]):
        path = folder / f"{hours}.csv"
        path.write_bytes(csv(rows))
        at = OWN + hours * HOUR
        found.append(poll(engine, WATCH, ServedFiles((Served(at, path),)), now=at).outcome)
    assert found == [
        PollOutcome.BASELINE, PollOutcome.PUBLISHED, PollOutcome.PUBLISHED,
        PollOutcome.PENDING, PollOutcome.PUBLISHED, PollOutcome.UNCHANGED,
    ]  # fmt: skip
    with reading(engine) as conn:
        last = changes.load_published(conn)[-1]
    assert last.id is not None
    retract(engine, last.id, {"en": "It was a mistake."}, now=OWN + 7 * HOUR)
    at = OWN + 8 * HOUR
    assert poll(engine, OTHERWISE, ServedFiles((Served(at, path),)), now=at).outcome is PollOutcome.UNCHANGED
    with reading(engine) as conn:
        head = log_rows.load_head(conn)
    return Checkpoint("watch.example/log", head.size, log.read_frontier(head).root).head


@pytest.fixture(scope="module")
def story(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, str]]:
    """The story in one database, which no test changes for good."""
    folder = tmp_path_factory.mktemp("story")
    path = folder / "monitor.db"
    shutil.copyfile(sqlite_template, path)
    path.chmod(0o600)
    engine = db.connect(f"sqlite:///{path}")
    yield engine, write_story(engine, folder)
    engine.dispose()


class _Undone(Exception):
    """Raised so that a tampering is rolled back."""


def check(engine: Engine, head: str, tamper: Callable[[Connection], object]) -> dict[str, str]:
    """What the failed checks of the tables say while something is changed."""
    failed = {}
    with suppress(_Undone), transaction(engine) as conn:
        tamper(conn)
        results = check_log(conn, head)
        failed = {name: text for name, passed, text in results if not passed and name != "Signature"}
        raise _Undone
    return failed


def of_change(number: int, kind: str = "") -> sa.ColumnElement[bool]:
    """The condition of the change of an agency that own polls published."""
    named = CHANGE.agency.like(f"%{name_of(number).lower()}%")
    return sa.and_(named, CHANGE.origin.is_(None), CHANGE.kind == kind if kind else sa.true())


def of_version(number: int, *more: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.and_(VERSION.agency.like(f"%{name_of(number).lower()}%"), *more)


def set_change(number: int, **values: Any) -> Callable[[Connection], object]:
    return lambda conn: one(conn, sa.update(ChangeRow).where(of_change(number)).values(values))


def set_version(where: sa.ColumnElement[bool], **values: Any) -> Callable[[Connection], object]:
    return lambda conn: one(conn, sa.update(ListingVersionRow).where(where).values(values))


def one(conn: Connection, statement: Any) -> None:
    """Execute a statement that touches one row."""
    assert conn.execute(statement).rowcount == 1


def copy_row(conn: Connection, table: Any, where: sa.ColumnElement[bool], **values: Any) -> None:
    row = conn.execute(sa.select(*table.c).where(where)).mappings().one()
    conn.execute(sa.insert(table).values({name: row[name] for name in row if name != "id"} | values))


def remove_changeset(conn: Connection) -> None:
    """The agency that joined, with everything that says so."""
    changeset = conn.scalar(sa.select(CHANGE.changeset_id).where(of_change(JOINED)))
    one(conn, sa.delete(ChangeRow).where(of_change(JOINED)))
    one(conn, sa.delete(ChangesetRow).where(SET.id == changeset))
    conn.execute(sa.delete(ListingVersionRow).where(of_version(JOINED)))


def move_times(conn: Connection) -> None:
    """When the agency joined, everywhere in the tables."""
    at = OWN + timedelta(minutes=61)
    number = number_of(conn, JOINED)
    one(conn, sa.update(ChangeRow).where(of_change(JOINED)).values(ended_at=at))
    one(conn, sa.update(ChangesetRow).where(SET.number == number).values(at=at))
    first = of_version(JOINED, VERSION.from_number == number)
    one(conn, sa.update(ListingVersionRow).where(first).values(from_at=at))


def add_change(conn: Connection, **values: Any) -> None:
    copy_row(conn, ChangeRow, of_change(JOINED), **values)


def number_of(conn: Connection, number: int) -> int:
    """The baseline number with which an agency was published."""
    query = sa.select(SET.number).join(ChangeRow, CHANGE.changeset_id == SET.id).where(of_change(number))
    found: int = conn.execute(query).scalar_one()
    return found


def waiting(conn: Connection, side: str) -> dict[str, Any]:
    """The number and time at which a removal waited and the list did not change, for versions."""
    return {f"{side}_number": number_of(conn, GONE) - 1, f"{side}_at": OWN + 3 * HOUR}


CURRENT, ENDED = VERSION.to_number.is_(None), VERSION.to_number.is_not(None)
CHANGES: dict[str, tuple[Callable[[Connection], object], str]] = {
    "kind": (set_change(JOINED, kind="removed"), "says another thing than entry"),
    "agency": (set_change(JOINED, agency="TX|gary"), "it has no such change"),
    "fields": (set_change(MOVED, fields=["city"]), ": fields"),
    "name": (set_change(JOINED, after={"name": "Gary", "state": "TX"}), ": name, state"),
    "not_before": (set_change(JOINED, not_before=None), ": not_before"),
    "first_seen_at": (set_change(GONE, first_seen_at=OWN), ": first_seen"),
    "ended_at": (set_change(GONE, ended_at=OWN), ": ended_at"),
    "source": (set_change(GONE, source="other"), ": source"),
    "state": (set_change(GONE, state="withdrawn"), ": state of the change"),
    "a change removed": (
        lambda conn: one(conn, sa.delete(ChangeRow).where(of_change(GONE))), "is not in the tables",
    ),
    "a change taken out": (set_change(GONE, changeset_id=None), "is not in the tables"),
    "a change added": (add_change, "it has no such change|says another thing"),
    "another added": (lambda conn: add_change(conn, agency="TX|gary"), "it has no such change"),
    "one added outside": (lambda conn: add_change(conn, changeset_id=None), "names no entry"),
    "number": (lambda conn: one(conn, sa.update(ChangesetRow).where(
        SET.number == number_of(conn, GONE)).values(number=99)), "says another thing than the tables"),
    "at": (lambda conn: one(conn, sa.update(ChangesetRow).where(
        SET.number == number_of(conn, GONE)).values(at=OWN)), "says another thing than the tables"),
    "list": (lambda conn: one(conn, sa.update(ChangesetRow).where(
        SET.number == number_of(conn, GONE)).values(source="other")), "says another thing than the tables"),
    "leaf": (lambda conn: one(conn, sa.update(ChangesetRow).where(
        SET.number == number_of(conn, GONE)).values(leaf=0)), "which is of something else"),
    "no leaf": (lambda conn: one(conn, sa.update(ChangesetRow).where(
        SET.number == number_of(conn, GONE)).values(leaf=None)), "do not have what entry"),
    "a changeset twice": (lambda conn: copy_row(
        conn, ChangesetRow, SET.number == number_of(conn, GONE), number=98), "other changes name entry"),
    "a changeset without entry": (lambda conn: (
        copy_row(conn, ChangesetRow, SET.number == number_of(conn, GONE), number=98, leaf=None),
        add_change(conn, changeset_id=sa.select(SET.id).where(SET.number == 98).scalar_subquery()),
    ), "names no entry"),
    "a changeset removed": (remove_changeset, "do not have what entry"),
    "every time": (move_times, "says another thing than the tables"),
    "retracted_at": (set_change(GONE, retracted_at=OWN), "retraction of change .*: at"),
    "retraction": (set_change(GONE, retraction={"en": "No."}), "retraction of change .*: reason"),
    "not retracted": (set_change(GONE, retracted_at=None), "was retracted by entry"),
    "retracted too": (
        set_change(JOINED, retracted_at=OWN, retraction={"en": "No."}), "2 changes retracted in the tables",
    ),
}  # fmt: skip
LEFT = of_version(GONE, VERSION.gone_at.is_not(None))
VERSIONS: dict[str, tuple[Callable[[Connection], object], str]] = {
    "its name": (set_version(LEFT, name="Gary"), "another name"),
    "its state": (set_version(LEFT, state="OK"), "another state"),
    "its agency": (
        set_version(LEFT, agency="TX|gary"), "does not end",
    ),
    "gone_at": (set_version(LEFT, gone_at=None), "not seen to"),
    "to_at": (set_version(LEFT, to_at=OWN), "does not end at"),
    "to_number": (
        set_version(LEFT, to_number=90), "does not end",
    ),
    "removed": (lambda conn: one(conn, sa.delete(ListingVersionRow).where(LEFT)), "does not end"),
    "never left": (
        set_version(LEFT, to_number=None, to_at=None, gone_at=None),
        "does not end",
    ),
    "from_at": (set_version(of_version(JOINED, ENDED), from_at=OWN), "does not begin at"),
    "seen_at": (set_version(of_version(JOINED, ENDED), seen_at=OWN), "not seen to begin"),
    "from_number": (set_version(of_version(JOINED, ENDED), from_number=1), "does not begin"),
    "one that never was": (
        lambda conn: copy_row(
            conn, ListingVersionRow, of_version(7, CURRENT), key="TX|gary", agency="TX|gary", name="Gary",
            **waiting(conn, "from"),
        ),
        "begins, and no entry has a change of it",
    ),
    "one that joined": (
        lambda conn: copy_row(
            conn, ListingVersionRow, of_version(JOINED, ENDED), key="TX|gary", agency="TX|gary", name="Gary"
        ),
        "begins, and entry .* has no change of it",
    ),
    "one that left": (
        lambda conn: set_version(of_version(7, ENDED), **waiting(conn, "to"))(conn),
        "ends, and no entry has a change of it",
    ),
    "another time": (set_version(of_version(7, CURRENT), from_at=OWN + HOUR / 2), "begin or end at"),
    "span": (set_version(of_version(JOINED, ENDED), span=30), "missing in past lists by its span"),
}  # fmt: skip
CAPTURES: dict[str, tuple[Callable[[Connection], object], str]] = {
    f"capture's {column}, {value}": (
        lambda conn, column=column, value=value: one(  # type: ignore[misc]
            conn,
            sa.update(CaptureRow)
            .where(CAPTURE.at == sa.select(sa.func.max(CAPTURE.at)).scalar_subquery())
            .values({column: value}),
        ),
        told,
    )
    for column, value, told in [
        ("captured_by", "Another Archive", ": captured_by"),
        ("name", "other.csv", ": name"),
        ("hash", "c" * 64, ": body"),
        ("bytes", 1, ": bytes"),
        ("outcome", "rejected", ": outcome"),
        ("reason", "else", ": reason"),
        ("url", "https://else.example/", ": url"),
        ("licence", "else", ": licence"),
        ("note", "else", ": note"),
        ("source", "other", ": source"),
        ("at", OWN - 2 * DAY, ": captured_at"),
        ("leaf", None, "is not in the tables"),
        ("leaf", 0, "says another thing than entry 0"),
    ]
}


@pytest.mark.parametrize("name", [*CHANGES, *VERSIONS, *CAPTURES])
def test_what_was_changed_in_the_tables_is_named(story: tuple[Engine, str], name: str) -> None:
    engine, head = story
    tamper, told = (CHANGES | VERSIONS | CAPTURES)[name]
    failed = check(engine, head, tamper)
    assert failed.keys() == {"Changes"}
    assert failed["Changes"].startswith(("list", "other"))
    assert re.search(told, failed["Changes"])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"hash": "c" * 64}, "is not in the tables"),
        ({"encoding": "redacted", "content": b""}, "was removed from the tables, and no entry says so"),
    ],
)
def test_a_publication_that_somebody_exchanged_or_removed_is_named(
    story: tuple[Engine, str], values: dict[str, Any], told: str
) -> None:
    """Its row was changed with its hash, or its bytes were removed without `monitor redact`."""
    engine, head = story
    with reading(engine) as conn:
        seen = sa.select(FetchRow.c.hash, FetchRow.c.leaf).where(FetchRow.c.outcome == "good")
        first = conn.execute(seen.order_by(FetchRow.c.leaf)).first()
    assert first is not None

    def exchange(conn: Connection) -> None:
        base = sa.update(BodyRow).where(BodyRow.c.base == first.hash)
        conn.execute(base.values(base=None))
        one(conn, sa.update(BodyRow).where(BodyRow.c.hash == first.hash).values(**values))

    failed = check(engine, head, exchange)
    assert failed == {"Publications": f"the publication {first.hash[:12]} of entry {first.leaf} {told}"}


@pytest.mark.parametrize(("column", "value"), [("digest", "0" * 32), ("listings", 7), ("fetch_id", 2)])
def test_what_was_read_of_a_publication_is_in_its_entry(
    story: tuple[Engine, str], column: str, value: Any
) -> None:
    """How many agencies, and a hash of the set of them: without the publication itself."""
    engine, head = story
    snapshot = SnapshotRow.c
    query = sa.select(snapshot.id, FetchRow.c.leaf).join(FetchRow, snapshot.fetch_id == FetchRow.c.id)
    with reading(engine) as conn:
        first = conn.execute(query.order_by(snapshot.id)).first()
    assert first is not None
    failed = check(
        engine,
        head,
        lambda conn: one(conn, sa.update(SnapshotRow).where(snapshot.id == first.id).values({column: value})),
    )
    assert failed.keys() == {"Polls"}
    assert failed["Polls"].startswith(f"entry {first.leaf} says another thing than the poll of ")
    assert failed["Polls"].endswith(": what was read")


def test_the_story_reads_as_its_entries_say(engine: Engine, tmp_path: Path) -> None:
    head = write_story(engine, tmp_path)
    with reading(engine) as conn:
        told = {name: (passed, text) for name, passed, text in check_log(conn, head)}
    assert told["Changes"][0], told["Changes"][1]
    assert told["Polls"] == (True, "7 polls read as their entries say")


def test_an_agency_that_moved_to_another_list_leaves_without_an_entry(story: tuple[Engine, str]) -> None:
    engine, head = story

    def move(conn: Connection) -> None:
        # the other list was read before there was a log
        copy_row(
            conn,
            ListingVersionRow,
            of_version(7, CURRENT),
            source="other",
            from_at=OWN - 2 * DAY,
            from_number=1,
        )
        VERSIONS["one that left"][0](conn)
        conn.execute(
            sa.update(ListingVersionRow)
            .where(of_version(7, ENDED))
            .values(span=express_span(VERSION.from_number, VERSION.to_number))
        )

    assert check(engine, head, move) == {}
