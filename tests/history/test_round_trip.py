"""What one instance recorded, exported as a web archive, becomes the past of another one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from warcio.archiveiterator import ArchiveIterator

from monitor.history import captures, importing
from monitor.history.captured_file import Attribution
from monitor.history.past import judge_past
from monitor.record.data.archive_file import write_archives
from monitor.storage import engine as db
from monitor.storage.engine import reading
from monitor.storage.lists import imports, poll_rows
from monitor.storage.lists.bodies import redact_body
from monitor.storage.lists.tables import BodyRow, FetchRow
from tests.history.test_import import DAY, OWN, lives, own_poll
from tests.history.test_replay import WATCH
from tests.polling.publisher import HOUR, agencies, agency

STEPS = (agencies(60), agencies(60), [*agencies(60), agency(77)], [*agencies(58), agency(77)], agencies(60))


def export(engine: Engine, folder: Path, name: str) -> Path:
    path = folder / f"{name}.warc.gz"
    with reading(engine) as conn, path.open("wb") as polls, (folder / "looks").open("wb") as looks:
        write_archives(conn, "list", "The First Watch", polls, looks)
    return path


def _summarize(life: tuple[Any, ...]) -> tuple[Any, ...]:
    """A version without the hour of its end: an own removal is told at the second look, an imported one at
    the moment of the file.
    """
    agency_key, since, until, name, _ = life
    return agency_key, since, until and until.date(), name


@pytest.fixture
def another(sqlite_template: Path, tmp_path: Path) -> Engine:
    path = tmp_path / "another.db"
    path.write_bytes(sqlite_template.read_bytes())
    return db.connect(f"sqlite:///{path}")


def test_an_exported_archive_is_imported_by_another_instance(
    engine: Engine, another: Engine, tmp_path: Path
) -> None:
    for number, rows in enumerate(STEPS):
        for look in range(3):
            own_poll(engine, tmp_path, rows, OWN + number * DAY + look * HOUR)
    archive = export(engine, tmp_path, "first")
    assert export(engine, tmp_path, "again").read_bytes() == archive.read_bytes()

    # every kept fetch is there, and each replays to its stored hash
    with reading(engine) as conn:
        stored = set(conn.scalars(sa.select(BodyRow.c.hash)))
        polls = conn.scalar(sa.select(sa.func.count()).select_from(FetchRow))
    seen, dates = set(), []
    with archive.open("rb") as stream:
        for record in ArchiveIterator(stream, check_digests="raise"):
            if record.rec_type == "response":
                seen.add(hashlib.sha256(record.content_stream().read()).hexdigest())
            if record.rec_type != "warcinfo":
                dates.append(record.rec_headers.get_header("WARC-Date"))
    assert seen == stored
    assert len(dates) == len(set(dates)) == polls == 15

    files = captures.read_captures([archive], Attribution(), tmp_path)
    assert {file.captured_by for file in files} == {"The First Watch"}
    past = judge_past(files, WATCH)
    importing.write_past(another, past, WATCH, now=OWN + 30 * DAY)
    assert [_summarize(each) for each in lives(another)] == [_summarize(each) for each in lives(engine)]
    assert {each[4] for each in lives(another)} == {"The First Watch"}

    # what was imported there is exported again, with who captured it, and imported by a third
    own_poll(another, tmp_path, STEPS[-1], OWN + 31 * DAY)
    passed_on = captures.read_captures([export(another, tmp_path, "second")], Attribution(), tmp_path)
    assert [file.sha256 for file in passed_on[:-1]] == [file.sha256 for file in files]
    assert [file.captured_by for file in passed_on] == ["The First Watch"] * len(passed_on)
    with reading(another) as conn:
        assert imports.load_import(conn, "list") is not None
        assert poll_rows.find_last_poll(conn, "list") is not None
    another.dispose()


def test_a_redacted_body_is_not_in_the_archive(engine: Engine, tmp_path: Path) -> None:
    for number, rows in enumerate(STEPS[1:3]):
        own_poll(engine, tmp_path, rows, OWN + number * DAY)
    with db.transaction(engine) as conn:
        first = conn.scalar(sa.select(FetchRow.c.hash).order_by(FetchRow.c.at).limit(1))
        assert first is not None
        redact_body(conn, first)
    with export(engine, tmp_path, "rest").open("rb") as stream:
        kinds = [record.rec_type for record in ArchiveIterator(stream)]
    assert kinds == ["warcinfo", "response"]
