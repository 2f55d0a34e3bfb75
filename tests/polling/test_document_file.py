"""The operator's file of documents: what is read, what is left out and why, and rows about nobody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.polling.document_file import (
    DocumentsError,
    load_unmatched,
    parse_documents,
    poll_documents,
)
from monitor.storage import engine as db
from monitor.storage.lists import documents as store
from monitor.storage.lists.documents import load_documents_about
from monitor.storage.lists.tables import ListingVersionRow

NOW = datetime(2026, 4, 3, 12, tzinfo=UTC)
SHERIFF = "Lake County Sheriff's Office"
HEAD = "source,agency,name,state,kind,title,url,date,publisher,archived_url,note\n"
ROWS = (
    "camera,gary,,,policy,Camera policy,https://gary.example/policy.pdf,2026-02-01,City of Gary,,\n"
    ',,"Lake County Sheriff\'s Office",Indiana,meeting,County council,https://lake.example/agenda,'
    "2026-05-01T18:30,Lake County,https://archive.example/1,Item 7\n"
)


@pytest.fixture
def engine(tmp_path: Path, sqlite_template: Path) -> Iterator[Engine]:
    path = tmp_path / "monitor.db"
    path.write_bytes(sqlite_template.read_bytes())
    made = db.connect(f"sqlite:///{path}")
    with db.transaction(made) as conn:
        for key, name, state in (
            ("gary", "Gary Police Department", "IN"),
            ("lake", "Lake County Sheriff’s Office", "IN"),  # noqa: RUF001 - as a list may write it
            ("lake il", "Lake County Sheriff's Office", "IL"),
        ):
            conn.execute(
                sa.insert(ListingVersionRow).values(
                    source="camera", key=key, agency=key, name=name, state=state, content={},
                    from_number=1, from_at=NOW,
                )
            )  # fmt: skip
    yield made
    made.dispose()


def test_rows_are_read_with_their_days_and_codes() -> None:
    rows, skipped = parse_documents(("\ufeff" + HEAD + ROWS).encode(), NOW)
    assert skipped == []
    assert [(row.agency, row.state, row.kind, row.day, row.date) for row in rows] == [
        ("gary", "", "policy", date(2026, 2, 1), "2026-02-01"),
        ("", "IN", "meeting", date(2026, 5, 1), "2026-05-01T18:30"),
    ]
    assert rows[1].note == "Item 7"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("camera,,,,policy,T,https://a.example,,,,", "line 2: give an agency's key (agency), or its name"),
        ("camera,gary,,,,T,https://a.example,,,,", "line 2: kind is empty"),
        ("camera,gary,,,policy,T,ftp://a.example,,,,", "line 2: url is not a web address"),
        ("camera,gary,,,policy,T,javascript:alert(1),,,,", "line 2: url is not a web address"),
        ("camera,gary,,,policy,T,https://a.example,,,data:x,", "line 2: archived_url is not a web address"),
        (
            "camera,,Gary,Indianna Jones,policy,T,https://a.example,,,,",
            "line 2: 'Indianna Jones' is no",
        ),
        ("camera,gary,,,policy,T,https://a.example,05/01/2026,,,", "line 2: the date '05/01/2026' is not"),
        ("camera,gary,,,policy,T,https://a.example,2026-02-30,,,", "line 2: there is no day '2026-02-30'"),
        ("camera,gary,,,meeting,T,https://a.example,2026-05,,,", "line 2: a meeting needs a date"),
        ("camera,gary,,,policy,T,https://a.example,,,,,more", "line 2: it has more cells"),
    ],
)
def test_a_row_that_cannot_be_used_is_left_out_and_says_why(row: str, says: str) -> None:
    rows, skipped = parse_documents((HEAD + row + "\n" + ROWS).encode(), NOW)
    assert len(rows) == 2
    assert len(skipped) == 1
    assert skipped[0].startswith(says)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"kind,title\n", "lacks the columns url"),
        (b"kind,title,url,price\n", "unknown columns: price"),
        ((HEAD + '"open').encode(), "not readable as CSV"),
    ],
)
def test_a_file_that_cannot_be_read_keeps_what_was_there(engine: Engine, body: bytes, says: str) -> None:
    poll_documents(engine, (HEAD + ROWS).encode, now=NOW)
    state = poll_documents(engine, lambda: body, now=NOW + timedelta(hours=1))
    assert says in (state.problem or "")
    with db.reading(engine) as conn:
        assert len(store.load_documents(conn)) == 2
        assert store.load_state(conn) == state
    with pytest.raises(DocumentsError):
        parse_documents(body, NOW)


def test_a_file_without_rows_and_one_that_is_gone_keep_what_was_there_too(engine: Engine) -> None:
    poll_documents(engine, (HEAD + ROWS).encode, now=NOW)

    def gone() -> bytes:
        raise DocumentsError("documents.csv: No such file or directory")

    for read, says in ((HEAD.encode, "no rows any more"), (gone, "No such file")):
        assert says in (poll_documents(engine, read, now=NOW).problem or "")
    assert poll_documents(engine, (HEAD + ROWS).encode, now=NOW).problem is None
    with db.reading(engine) as conn:
        assert len(store.load_documents(conn)) == 2


def test_a_row_keeps_its_name_and_first_time_while_its_note_changes(engine: Engine) -> None:
    poll_documents(engine, (HEAD + ROWS).encode, now=NOW)
    with db.reading(engine) as conn:
        before = store.load_documents(conn)
    later = ROWS.replace("Item 7", "Item 9").replace("Camera policy", "Camera policy 2")
    poll_documents(engine, (HEAD + later).encode, now=NOW + timedelta(days=1))
    with db.reading(engine) as conn:
        policy, meeting = store.load_documents(conn)
    assert (meeting.uid, meeting.first_at, meeting.note) == (before[1].uid, NOW, "Item 9")
    assert (policy.uid == before[0].uid, policy.first_at) == (False, NOW + timedelta(days=1))


def test_rows_about_nobody_are_counted_and_have_near_names(engine: Engine) -> None:
    more = (
        "camera,,Garry Police Dept,IN,policy,A,https://a.example/1,,,,\n"
        "camera,unknown key,,,policy,B,https://a.example/2,,,,\n"
        "other,gary,,,policy,C,https://a.example/3,,,,\n"
        ",,LAKE COUNTY SHERIFFS OFFICE,,policy,D,https://a.example/4,,,,\n"
    )
    state = poll_documents(engine, (HEAD + ROWS + more).encode, now=NOW)
    assert (state.rows, state.unmatched) == (6, 3)
    found = load_unmatched(engine)
    assert [each.document.title for each in found] == ["A", "B", "C"]
    assert found[0].near == (("camera", "gary"),)


def test_documents_about_an_agency_are_found_by_every_name_that_it_had(engine: Engine) -> None:
    poll_documents(engine, (HEAD + ROWS).encode, now=NOW)
    with db.reading(engine) as conn:
        about = load_documents_about(conn, "camera", "lake", ("Old", SHERIFF), "IN")
        assert [each.title for each in about] == ["County council"]
        assert load_documents_about(conn, "camera", "lake", (SHERIFF,), "IL") == ()
        assert [d.title for d in load_documents_about(conn, "camera", "gary", ("x",), "IN")] == [
            "Camera policy"
        ]
        assert load_documents_about(conn, "other", "gary", ("x",), "IN") == ()
