"""The imported past of a list: judged like polls, in one order with them, told to nobody, and taken back
whole.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import sqlalchemy as sa
from openpyxl import Workbook
from sqlalchemy.engine import Engine

from monitor.domain import Confidence, Kind, Listing, Placement, PlacementReason
from monitor.errors import UsageError
from monitor.history import captures, importing
from monitor.history.captured_file import Attribution, CapturedFile, find_time
from monitor.history.past import Past, judge_past
from monitor.history.replay import Event, Served, ServedFiles, replay
from monitor.keys import KeyFile
from monitor.outbox import fan_out, renew_placements
from monitor.places import load
from monitor.polling import PollOutcome, poll
from monitor.storage.engine import reading
from monitor.storage.lists import baseline, changes, imports, log_rows, page_queries, record_rows
from monitor.storage.schema import metadata
from monitor.subscribers import operator
from tests.history.test_replay import WATCH
from tests.polling.publisher import HOUR, agencies, agency, csv

DAY = timedelta(days=1)
BEGAN = datetime(2021, 1, 13, 12, tzinfo=UTC)
OWN = datetime(2026, 3, 1, 12, tzinfo=UTC)
SAID = Attribution(captured_by="An Archive")
RENAMED = agency(3, Agency=agency(3)["Agency"] + "s")
PAST = (
    (0, agencies(60)),
    (400, [*agencies(58), agency(77)]),
    (800, [*agencies(3), RENAMED, *agencies(54, 4), agency(77)]),
    (801, [*agencies(3), RENAMED, *agencies(54, 4), agency(77), *agencies(20, 100)]),
)
"""Days after the first capture, and what was captured: two leave and one joins, one is renamed, twenty
join.
"""
NOW_LISTED = [*agencies(3), RENAMED, *agencies(50, 4), agency(77), *agencies(20, 100), agency(88)]


def workbook(rows: Sequence[dict[str, str]], saved: datetime | None = None) -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append(list(row.values()))
    made, content = io.BytesIO(), io.BytesIO()
    book.save(made)
    with ZipFile(made) as old, ZipFile(content, "w") as new:
        for part in old.namelist():
            text = old.read(part)
            if part == "docProps/core.xml":  # the library writes the time of today
                stamp = f"{saved or BEGAN:%Y-%m-%dT%H:%M:%SZ}".encode()
                text = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + stamp, text)
            new.writestr(part, text)
    return content.getvalue()


def folder_of(folder: Path, *files: tuple[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files:
        (folder / name).write_bytes(content)
    return folder


def written(
    folder: Path, steps: Iterable[tuple[float, list[dict[str, str]] | bytes]] = PAST
) -> list[CapturedFile]:
    """Captured CSV files, so many days after the first."""
    folder.mkdir(exist_ok=True)
    rows = ["time,file"]
    for number, (days, content) in enumerate(steps):
        (folder / f"{number}.csv").write_bytes(content if isinstance(content, bytes) else csv(content))
        rows.append(f"{(BEGAN + days * DAY).isoformat()},{number}.csv")
    (folder / "manifest.csv").write_text("\n".join(rows), "utf-8")
    return list(captures.read_captures([folder], SAID, folder))


def judged(folder: Path, steps: Iterable[tuple[float, list[dict[str, str]] | bytes]] = PAST) -> Past:
    return judge_past(written(folder, steps), WATCH)


def own_poll(engine: Engine, folder: Path, rows: list[dict[str, str]], at: datetime) -> PollOutcome:
    path = folder / f"own-{at:%Y%m%d%H%M%S}.csv"
    path.write_bytes(csv(rows))
    publisher = ServedFiles((Served(at, path),))
    return poll(engine, WATCH, publisher, now=at).outcome


def told_of(past: Past) -> Counter[tuple[str, str, str]]:
    return Counter(
        (each.row.change.kind.value, each.row.change.subject.key, " ".join(each.row.change.fields))
        for each in past.changes
    )


def locate(source: str, listing: Listing) -> Placement:
    return Placement(
        (listing.state or "US",), "test", Confidence.STATE_ONLY, PlacementReason("state", ("TX",))
    )


def everything(engine: Engine) -> dict[str, list[Any]]:
    """All rows of what was seen and believed, but the log and what counts moves."""
    tables = (
        "listing",
        "change",
        "change_place",
        "changeset",
        "fetch",
        "snapshot",
        "history_import",
        "capture",
    )
    with reading(engine) as conn:
        return {name: sorted(map(repr, conn.execute(sa.select(metadata.tables[name])))) for name in tables}


def lives(engine: Engine) -> list[tuple[Any, ...]]:
    """The versions, the agency first, without what depends on when they were written."""
    with reading(engine) as conn:
        return [
            (each.agency, each.from_at, each.to_at, each.listing.name, each.captured_by)
            for each in record_rows.iterate_versions(conn, "list")
        ]


def published_in(engine: Engine) -> list[tuple[Any, ...]]:
    with reading(engine) as conn:
        rows = [each.row for each in record_rows.iterate_published(conn, "list")]
    return [
        (
            row.agency,
            row.change.kind,
            row.not_before,
            row.first_seen_at,
            row.ended_at,
            row.origin,
            row.captured_by,
        )
        for row in rows
    ]


def grouped(rows: list[tuple[Any, ...]]) -> Counter[frozenset[tuple[Any, ...]]]:
    """Rows by what their first field says is one, whatever its name."""
    groups: dict[Any, list[tuple[Any, ...]]] = {}
    for first, *rest in rows:
        groups.setdefault(first, []).append(tuple(rest))
    return Counter(map(frozenset, groups.values()))


def test_replay_of_the_same_manifest_publishes_the_same_changes(tmp_path: Path) -> None:
    steps = [
        *PAST,
        (900, [*agencies(3), RENAMED, *agencies(40, 4), agency(77), *agencies(20, 100)]),
        (950, [*agencies(3), RENAMED, *agencies(40, 4), agency(77), *agencies(80, 100)]),
    ]
    past = judged(tmp_path / "files", steps)
    served = [Served(file.at, file.path) for file in past.files]
    events = [
        event for event in replay(served, WATCH) if isinstance(event, Event) and event.verdict == "published"
    ]

    assert told_of(past) == Counter(
        (change.kind.value, change.subject.key, " ".join(change.fields))
        for event in events
        for change in event.changes
    )
    assert past.count(Kind.REMOVED) == 16
    assert past.count(Kind.ADDED) == 81
    # what a simulated poll found out days later is of the capture that shows it
    moments = {file.at for file in past.files}
    for each in past.changes:
        assert {each.row.not_before, each.row.first_seen_at, each.row.ended_at} <= moments
        assert not each.row.was_held


@pytest.mark.shared
def test_the_real_workbooks_give_what_their_replay_gives(shared: Path, tmp_path: Path) -> None:
    from tests.history.test_replay import ICE

    files = captures.read_captures([shared / "data/ice_287g"], SAID, tmp_path)
    past = judge_past(files, ICE)
    assert [past.count(kind) for kind in (Kind.ADDED, Kind.REMOVED, Kind.CHANGED)] == [1451, 47, 195]
    assert (len(past.captures), past.count_outcome("good"), len(past.standing)) == (14, 14, 1551)
    assert (past.captures[0].at.year, past.waiting) == (2021, 0)
    assert {each.kind for each in captures.find_conflicts(files)} == {"date", "equal content"}


def test_the_next_file_is_the_second_look(tmp_path: Path) -> None:
    whole, cut = agencies(60), agencies(20)
    lost_one = judged(
        tmp_path / "a", [(0, whole), (100, agencies(59)), (200, whole), (300, [*agencies(59), agency(91)])]
    )
    assert {(each.row.change.kind, each.row.first_seen_at) for each in lost_one.changes} == {
        (Kind.REMOVED, BEGAN + 300 * DAY),
        (Kind.ADDED, BEGAN + 300 * DAY),
    }
    cut_once = judged(tmp_path / "b", [(0, whole), (100, cut), (200, whole)])
    assert (cut_once.changes, cut_once.count_outcome("rejected")) == ((), 1)
    cut_last = judged(tmp_path / "c", [(0, whole), (100, cut)])
    assert (cut_last.changes, len(cut_last.standing)) == ((), 60)
    smaller = judged(
        tmp_path / "d", [(0, whole), (100, cut), (200, [*cut, agency(90)]), (300, [*cut, agency(90)])]
    )
    assert (smaller.count(Kind.REMOVED), smaller.count(Kind.ADDED)) == (40, 1)


def test_what_cannot_be_read_is_kept_and_says_nothing(tmp_path: Path) -> None:
    past = judged(tmp_path / "files", [(0, agencies(60)), (1, b"<html>"), (400, agencies(60))])
    assert [capture.outcome for capture in past.captures] == ["good", "failed", "good"]
    assert past.captures[1].reason
    with pytest.raises(UsageError, match="none of 1 file can be read"):
        judged(tmp_path / "none", [(0, b"<html>")])


def test_the_first_own_poll_goes_on_from_the_past_and_tells_nobody(
    engine: Engine, tmp_path: Path, keys: KeyFile
) -> None:
    operator.add(
        engine, keys, channel="email", address="reader@mail.example", places=["US"], sources=["list"],
        origin="test", now=BEGAN - DAY,
    )  # fmt: skip
    past = judged(tmp_path / "files")
    importing.write_past(engine, past, WATCH, now=OWN - DAY)
    with reading(engine) as conn:
        assert len(baseline.load_listings(conn, "list", BEGAN + 500 * DAY)) == 59
        assert len(baseline.load_listings(conn, "list")) == 79
        assert baseline.load_info(conn, "list").last_good_at is None

    assert own_poll(engine, tmp_path, NOW_LISTED, OWN) is PollOutcome.BASELINE

    assert fan_out(engine, locate=locate, now=OWN) == 0
    with reading(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(metadata.tables["delivery"])) == 0
        joined = changes.load_published(conn, since=OWN)
        assert Counter(row.change.kind for row in joined) == {Kind.REMOVED: 4, Kind.ADDED: 1}
        assert {(row.not_before, row.first_seen_at, row.origin, row.captured_by) for row in joined} == {
            (BEGAN + 801 * DAY, OWN, "joined", "An Archive")
        }
        # they have places for the pages, and no feed has them
        assert len(page_queries.load_latest(conn, places=["US"], limit=500)) == len(past.changes) + 5
        assert page_queries.load_latest(conn, places=["US"], limit=500, imported=False) == ()
        # the agency that was renamed in 2023 is the same one today
        (row,) = (
            each for each in record_rows.load_list(conn, "list", 10) if each.listing.name == RENAMED["Agency"]
        )
        assert row.from_at == BEGAN + 800 * DAY
        assert row.captured_by == "An Archive"
    # and what own polls see from then on is told
    assert own_poll(engine, tmp_path, [*NOW_LISTED, agency(89)], OWN + HOUR) is PollOutcome.PUBLISHED
    assert fan_out(engine, locate=locate, now=OWN + HOUR) == 1


def test_before_or_after_the_first_own_polls_an_import_is_the_same(
    sqlite_engine: Engine, postgres_engine: Engine, tmp_path: Path
) -> None:
    past = judged(tmp_path / "files")
    later = [*NOW_LISTED, agency(89)]
    importing.write_past(sqlite_engine, past, WATCH, now=OWN - DAY)
    for engine in (sqlite_engine, postgres_engine):
        own_poll(engine, tmp_path, NOW_LISTED, OWN)
        own_poll(engine, tmp_path, later, OWN + HOUR)
    before = everything(postgres_engine)
    importing.write_past(postgres_engine, past, WATCH, now=OWN + DAY)
    with reading(postgres_engine) as conn:
        known = conn.exec_driver_sql("SELECT reltuples FROM pg_class WHERE oid = 'listing'::regclass")
        assert known.scalar_one() == len(list(record_rows.iterate_versions(conn, "list")))

    # the agency that was renamed has the key of its first capture, or of its first own reading
    for read in (lives, published_in):
        assert grouped(read(sqlite_engine)) == grouped(read(postgres_engine))

    importing.undo_import(postgres_engine, "list", OWN + 2 * DAY)
    assert everything(postgres_engine) == before


def test_undo_leaves_what_own_polls_saw(engine: Engine, tmp_path: Path) -> None:
    past = judged(tmp_path / "files")
    importing.write_past(engine, past, WATCH, now=OWN - DAY)
    renew_placements(engine, load(), OWN - HOUR)  # as a start of the service does
    own_poll(engine, tmp_path, NOW_LISTED, OWN)
    renew_placements(engine, load(), OWN)
    importing.undo_import(engine, "list", OWN + HOUR)
    with reading(engine) as conn:
        versions = list(record_rows.iterate_versions(conn, "list"))
        assert {(each.from_at, each.to_at, each.captured_by) for each in versions} == {(OWN, None, "")}
        assert len(versions) == len(NOW_LISTED)
        assert changes.load_published(conn) == ()
        assert imports.load_captures(conn, "list") == ()
        kinds = read_log(conn)
    assert kinds.count("import") == 4
    assert kinds[-1] == "import undone"
    with pytest.raises(UsageError, match="no past of list was imported"):
        importing.undo_import(engine, "list", OWN + HOUR)
    # and it can be imported again
    importing.write_past(engine, past, WATCH, now=OWN + DAY)


def read_log(conn: Any) -> list[str]:
    import json

    size = log_rows.load_head(conn).size
    return [json.loads(leaf)["type"] for leaf in record_rows.iterate_leaves(conn, size)]


@pytest.mark.parametrize("polled_first", [False, True])
def test_a_copy_that_is_kept_by_steps_is_the_list_at_every_number(
    engine: Engine, tmp_path: Path, polled_first: bool
) -> None:
    past = judged(tmp_path / "files")
    if not polled_first:
        importing.write_past(engine, past, WATCH, now=OWN - DAY)
    own_poll(engine, tmp_path, NOW_LISTED, OWN)
    own_poll(engine, tmp_path, [*NOW_LISTED, agency(89)], OWN + HOUR)
    if polled_first:
        importing.write_past(engine, past, WATCH, now=OWN + DAY)
    copy: dict[str, str] = {}
    place, numbers = record_rows.BEGINNING, []
    with reading(engine) as conn:
        while found := record_rows.load_steps(conn, "list", place, 7):
            for step in found:
                if numbers and numbers[-1] != step.number:
                    assert copy == names_at(conn, numbers[-1])
                if not numbers or numbers[-1] != step.number:
                    numbers.append(step.number)
                if step.after is None:
                    del copy[step.agency]
                else:
                    copy[step.agency] = step.after.name
            place = (found[-1].number, found[-1].agency)
        assert copy == names_at(conn, numbers[-1])
    assert numbers[:4] == [-4, -3, -2, -1]
    assert len(copy) == len(NOW_LISTED) + 1


def names_at(conn: Any, number: int) -> dict[str, str]:
    return {each.agency: each.listing.name for each in record_rows.load_list(conn, "list", number)}


def test_what_overlaps_own_polls_is_refused_with_its_time(engine: Engine, tmp_path: Path) -> None:
    past = judged(tmp_path / "files")
    own_poll(engine, tmp_path, NOW_LISTED, BEGAN + 800 * DAY)
    before = everything(engine)
    with pytest.raises(
        UsageError, match=r"2\.csv was captured at 2023-03-24 12:00 UTC, and its first own poll"
    ):
        importing.write_past(engine, past, WATCH, now=OWN)
    assert everything(engine) == before
    with pytest.raises(UsageError, match="only what is older can be imported"):
        importing.refuse_overlap(engine, "another", written(tmp_path / "more"), BEGAN + DAY)


def test_a_second_import_is_refused_until_the_first_is_taken_back(engine: Engine, tmp_path: Path) -> None:
    importing.write_past(engine, judged(tmp_path / "files"), WATCH, now=OWN)
    with pytest.raises(UsageError, match="--undo"):
        importing.refuse_overlap(engine, "list", written(tmp_path / "more"), OWN)


# --- where captures come from


NAMES = {
    "participatingAgencies-20250221214937.xlsx": datetime(2025, 2, 21, 21, 49, 37, tzinfo=UTC),
    "participatingAgencies02172026pm.xlsx": datetime(2026, 2, 17, 20, tzinfo=UTC),
    "participatingAgencies04292025.xlsx": datetime(2025, 4, 29, 12, tzinfo=UTC),
    "list-2026-02-17.csv": datetime(2026, 2, 17, 12, tzinfo=UTC),
    "list_2026-02-17T08:30.csv": datetime(2026, 2, 17, 8, 30, tzinfo=UTC),
    "20260217T083059Z list.csv": datetime(2026, 2, 17, 8, 30, 59, tzinfo=UTC),
    "list-20260217.csv": datetime(2026, 2, 17, 12, tzinfo=UTC),
    "list 2.csv": None,
    "list-2026-02-17-and-2026-03-01.csv": None,
    "list-13172026.csv": None,
}


@pytest.mark.parametrize("name", list(NAMES))
def test_the_time_in_a_name(name: str) -> None:
    found = find_time(name)
    assert (found and found[0]) == NAMES[name]


def test_files_are_ordered_by_their_times_and_never_by_their_names(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path / "files",
        ("b-02172025.xlsx", workbook(agencies(3))),
        ("a-03012026.xlsx", workbook(agencies(4))),
        ("c-12312025.xlsx", workbook(agencies(5))),
    )
    files = captures.read_captures([folder], SAID, tmp_path)
    assert [file.name[0] for file in files] == ["b", "c", "a"]


def test_a_file_without_a_time_or_a_name_behind_it_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "files", ("list.csv", csv(agencies(3))))
    with pytest.raises(UsageError, match="Write a manifest"):
        captures.read_captures([folder], SAID, tmp_path)
    dated = folder_of(tmp_path / "dated", ("list-2026-02-17.csv", csv(agencies(3))))
    with pytest.raises(UsageError, match="--captured-by"):
        captures.read_captures([dated], Attribution(), tmp_path)
    twice = folder_of(
        tmp_path / "twice", ("a-2026-02-17.csv", csv(agencies(3))), ("b-2026-02-17.csv", csv(agencies(4)))
    )
    with pytest.raises(UsageError, match="same moment"):
        captures.read_captures([twice], SAID, tmp_path)


def test_a_manifest_says_who_captured_what_and_where(tmp_path: Path) -> None:
    folder_of(tmp_path, ("a.csv", csv(agencies(3))), ("b.csv", csv(agencies(4))))
    (tmp_path / "m.csv").write_text(
        "time,file,captured_by,url,licence,note\n"
        "2025-01-01,a.csv,Ann,https://list.example/a,CC0,by hand\n2025-02-01,b.csv,,,,\n"
    )
    first, second = captures.read_captures([tmp_path / "m.csv"], SAID, tmp_path)
    assert (first.captured_by, first.url, first.licence, first.note) == (
        "Ann", "https://list.example/a", "CC0", "by hand",
    )  # fmt: skip
    assert (second.captured_by, second.url) == ("An Archive", "")


def test_conflicts_of_dates_content_and_order_are_listed(tmp_path: Path) -> None:
    one, two = workbook(agencies(3), BEGAN), workbook(agencies(4), BEGAN + 20 * DAY)
    folder_of(
        tmp_path,
        ("a-2021-01-14.xlsx", one),
        ("b-2021-02-04.xlsx", two),
        ("c-2021-02-05.xlsx", two),
        ("d-2021-02-06.xlsx", one),
        ("e-2021-09-09.xlsx", workbook(agencies(5), BEGAN + 900 * DAY)),
    )
    times = ("2021-01-14", "2021-02-04", "2021-02-05", "2021-02-06", "2021-03-01")
    rows = [f"{time},{path.name}" for time, path in zip(times, sorted(tmp_path.glob("*.xlsx")), strict=True)]
    (tmp_path / "m.csv").write_text("time,file\n" + "\n".join(rows))

    found = captures.find_conflicts(captures.read_captures([tmp_path / "m.csv"], SAID, tmp_path))

    assert [(each.name[0], each.kind) for each in found] == [
        ("c", "equal content"),
        ("d", "backward jump"),
        ("d", "backward jump"),
        ("e", "date"),
        ("e", "date"),
    ]
    assert "Its name says 2021-09-09, its manifest says 2021-03-01." in found[3].text


def test_the_history_of_a_file_in_a_git_repository(tmp_path: Path) -> None:
    repository = tmp_path / "lists"
    repository.mkdir()

    def git(*words: str, at: datetime = BEGAN) -> None:
        quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
        who = {
            f"GIT_{role}_{what}": "t@t.example"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        when = {"GIT_AUTHOR_DATE": at.isoformat(), "GIT_COMMITTER_DATE": at.isoformat()}
        subprocess.run(
            ["git", "-C", str(repository), *words], check=True, capture_output=True, env=quiet | who | when
        )

    git("init")
    for days, rows in PAST:
        (repository / "data.csv").write_bytes(csv(rows))
        (repository / "other.csv").write_text(str(days))
        git("add", ".")
        git("commit", "-m", "update", at=BEGAN + days * DAY)
    git("rm", "data.csv")
    git("commit", "-m", "gone", at=BEGAN + 900 * DAY)

    files = captures.read_captures([repository], Attribution(), tmp_path, "data.csv")

    assert [file.at for file in files] == [BEGAN + days * DAY for days, _ in PAST]
    assert [file.path.read_bytes() for file in files] == [csv(rows) for _, rows in PAST]
    assert {file.captured_by for file in files} == {"the git repository lists"}
    assert all(file.note.startswith("commit ") for file in files)
    assert told_of(judge_past(files, WATCH)) == told_of(judged(tmp_path / "same"))
    with pytest.raises(UsageError, match="--git-path"):
        captures.read_captures([repository], SAID, tmp_path)
    with pytest.raises(UsageError, match="no commit"):
        captures.read_captures([repository], SAID, tmp_path, "none.csv")


def warc(steps: Iterable[tuple[float, bytes, int]], url: str = "https://list.example/list.csv") -> bytes:
    """A WARC file: one record that says who made it, and answers that were sent with gzip."""
    records = [_record("warcinfo", b"operator: A Library\r\n", BEGAN)]
    for days, body, status in steps:
        sent = gzip.compress(body, mtime=0)
        head = f"HTTP/1.1 {status} OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(sent)}\r\n\r\n"
        at = BEGAN + days * DAY
        records.append(_record("response", head.encode() + sent, at, f"WARC-Target-URI: {url}\r\n"))
    return b"".join(records)


def _record(kind: str, content: bytes, at: datetime, more: str = "") -> bytes:
    media = "application/http; msgtype=response" if kind == "response" else "application/warc-fields"
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Date: {at:%Y-%m-%dT%H:%M:%SZ}\r\n"
        f"WARC-Record-ID: <urn:uuid:{kind}-{at.timestamp()}>\r\n{more}Content-Type: {media}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + content + b"\r\n\r\n", mtime=0)


@pytest.mark.parametrize("packed", [False, True])
def test_a_web_archive(tmp_path: Path, packed: bool) -> None:
    content = warc([(0, csv(agencies(60)), 200), (1, b"busy", 503), (400, csv(agencies(58)), 200)])
    path = tmp_path / ("a.wacz" if packed else "a.warc.gz")
    if packed:
        with ZipFile(path, "w") as archive:
            archive.writestr("archive/data.warc.gz", content)
            archive.writestr("datapackage.json", "{}")
    else:
        path.write_bytes(content)
    files = captures.read_captures([path], Attribution(), tmp_path)
    assert [(file.at, file.captured_by, file.url) for file in files] == [
        (BEGAN, "A Library", "https://list.example/list.csv"),
        (BEGAN + 400 * DAY, "A Library", "https://list.example/list.csv"),
    ]
    assert [file.path.read_bytes() for file in files] == [csv(agencies(60)), csv(agencies(58))]


def test_a_web_archive_of_several_addresses_needs_a_choice(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(
        warc([(0, csv(agencies(60)), 200)]) + warc([(1, b"other", 200)], "https://list.example/page")
    )
    with pytest.raises(UsageError, match="choose one with --url"):
        captures.read_captures([path], SAID, tmp_path)
    said = Attribution(url="https://list.example/list.csv")
    (file,) = captures.read_captures([path], said, tmp_path)
    assert file.path.read_bytes() == csv(agencies(60))
    path.write_bytes(b"no archive at all")
    with pytest.raises(UsageError, match="web archive"):
        captures.read_captures([path], said, tmp_path)
