"""The data files: the same on both databases and without a site, complete, in constant memory, and without a
byte of a subscriber.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import tarfile
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection, Engine

from monitor.domain import Listing
from monitor.keys import KeyFile
from monitor.places import load
from monitor.record import log, signing
from monitor.record.data import dump
from monitor.record.data.data_files import DATABASE, FILES, DataFiles
from monitor.record.data.describe import order_fields
from monitor.record.data.dump import forget_dumps, make_dump, write_dump
from monitor.record.data.encoders import encode_csv
from monitor.record.data.models import TABLES
from monitor.record.leaf import LARGEST
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import baseline, record_rows
from monitor.storage.lists.baseline import NewVersion
from monitor.storage.lists.coverage import Coverage
from monitor.subscribers import operator
from tests.web.story import SOURCE, data_files, locate, tell

START = datetime(2026, 1, 1, tzinfo=UTC)
ADDRESS = "resident.with.a.secret@mail.example"


def open_files(engine: Engine, folder: Path) -> DataFiles:
    return data_files(engine, Coverage(engine, [SOURCE], locate), folder)


def read_all(files: DataFiles) -> dict[str, bytes]:
    return {name: files.build(SOURCE, name).path.read_bytes() for name in FILES}


def test_both_databases_give_the_same_bytes(
    sqlite_engine: Engine, postgres_engine: Engine, tmp_path: Path
) -> None:
    found = []
    for engine in (sqlite_engine, postgres_engine):
        tell(engine)
        found.append(read_all(open_files(engine, tmp_path / engine.dialect.name)))
    for name in ("agencies.csv", "agencies.json", "agencies.geojson", "versions.csv"):
        assert found[0][name] == found[1][name], name
    ids = [
        [{key: value for key, value in row.items() if key != "id"} for row in read_csv(each["changes.csv"])]
        for each in found
    ]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 4
    outcomes = [[row["outcome"] for row in read_csv(each["polls.csv"])] for each in found]
    assert outcomes[0] == outcomes[1]
    assert outcomes[0].count("failed") == 5


def test_an_agency_is_at_the_center_of_its_zips(sqlite_engine: Engine, tmp_path: Path) -> None:
    tell(sqlite_engine)
    features = json.loads(read_all(open_files(sqlite_engine, tmp_path))["agencies.geojson"])["features"]
    placed = 0
    for feature in features:
        told = feature["properties"]
        centers = [load().point(code) for code in told["zips"]]
        points = [center for center in centers if center is not None]
        assert len(points) == len(centers), "the gazetteer has the center of every ZIP of the story"
        if told["latitude"] is not None:
            assert feature["geometry"]["coordinates"] == [told["longitude"], told["latitude"]]
        elif points:
            placed += 1
            north, east = (sum(point[axis] for point in points) / len(points) for axis in (0, 1))
            assert feature["geometry"]["coordinates"] == [round(east, 4), round(north, 4)]
        else:
            assert feature["geometry"] is None
    assert 0 < placed < len(features), "there are both"


def read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_a_file_is_built_once_for_a_state(sqlite_engine: Engine, tmp_path: Path) -> None:
    tell(sqlite_engine)
    files = open_files(sqlite_engine, tmp_path)
    first = files.build(SOURCE, "agencies.csv")
    stamp = first.path.stat().st_mtime_ns
    again = open_files(sqlite_engine, tmp_path).build(SOURCE, "agencies.csv")
    assert (again, again.path.stat().st_mtime_ns) == (first, stamp)
    for number in range(1, 7):
        with reading(sqlite_engine) as conn:
            known = record_rows.find_move_time(conn, SOURCE, number)
        if known is not None:
            files.build(SOURCE, "agencies.csv", record_rows.ListMoment(number, known))
    assert not list(tmp_path.rglob(".*")), "nothing half-written stays"


def test_a_formula_in_a_name_stays_text() -> None:
    record = dict.fromkeys(TABLES["versions"].model_fields) | {
        "name": '=HYPERLINK("x")', "latitude": -12.5, "documents": ["a", "b"], "attributes": {"Type": "@x"},
    }  # fmt: skip
    rows = read_csv(b"".join(encode_csv("versions", [order_fields("versions", record)])))
    assert rows[0]["name"] == '\'=HYPERLINK("x")'
    assert rows[0]["latitude"] == "-12.5"
    assert rows[0]["documents"] == "a b"
    assert json.loads(rows[0]["attributes"]) == {"Type": "@x"}


def test_the_dump_has_everything_and_nobody(
    engine: Engine, keys: KeyFile, tmp_path: Path, now: datetime
) -> None:
    tell(engine)
    operator.add(
        engine,
        keys,
        channel="email",
        address=ADDRESS,
        places=["IN"],
        sources=[SOURCE],
        origin="test",
        now=now,
    )
    files = open_files(engine, tmp_path / "public")
    packed = io.BytesIO()
    write_dump(packed, files)
    assert zstandard.frame_content_size(packed.getvalue()) == -1, "it is streamed"
    content = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed.getvalue())).read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    assert {f"data/{SOURCE}/{name}" for name in FILES} < members.keys()
    assert sum(name.startswith("bodies/") for name in members) >= 6
    (tmp_path / "copy.sqlite").write_bytes(members[f"data/{DATABASE}"])
    with closing(sqlite3.connect(tmp_path / "copy.sqlite")) as copy:
        tables = {name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables == {"lists", *TABLES}
        assert copy.execute("SELECT count(*) FROM agencies").fetchone() == (6,)
    with reading(engine) as conn:
        (hashed,) = conn.exec_driver_sql("SELECT address_hash FROM subscriber").one()
    for secret in (ADDRESS.encode(), b"subscriber", str(hashed).encode(), b"mail.example"):
        assert all(secret not in member for name, member in members.items() if name != "verify.py"), secret


def _measure_encoding(engine: Engine, files: DataFiles) -> tuple[int, int]:
    """Encode all versions; returns the peak of memory and the size of the file, both in bytes."""
    with reading(engine) as conn:
        tracemalloc.start()
        size = sum(len(piece) for piece in files._encode(conn, SOURCE, "versions.csv", None))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak, size


def test_the_whole_history_is_streamed(sqlite_engine: Engine, tmp_path: Path) -> None:
    """Ten times the rows take the same memory."""
    peaks = []
    files = open_files(sqlite_engine, tmp_path)
    number = 0
    for rows in (500, 5000):
        with transaction(sqlite_engine) as conn:
            if number == 0:
                baseline.advance(conn, baseline.BaselineInfo(SOURCE), number=1)
            versions = [
                NewVersion(
                    Listing(name=f"Agency {each}", key=f"{number}-{each}", state="IN"), f"{number}-{each}"
                )
                for each in range(rows)
            ]
            number += 1
            baseline.begin_versions(conn, SOURCE, versions, number, START)
        # twice: a server of an earlier test may allocate at the same time in another thread
        measured = [_measure_encoding(sqlite_engine, files) for _ in range(2)]
        peaks.append(min(peak for peak, _ in measured))
    assert measured[0][1] > 250_000
    assert peaks[1] < 1.5 * peaks[0] + 200_000


def test_a_dump_has_one_piece_in_memory_at_a_time_however_long_the_record_is(
    sqlite_engine: Engine, tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted are the characters of the log that were read and not yet handed over, for a short log and for
    one four times as long.
    """
    key = signing.open_log_key(sqlite_engine, tmp_path, "watch.example/log", now)
    waiting = most_waiting = 0
    iterate, add = record_rows.iterate_leaves, dump._add

    def count_leaves(conn: Connection, size: int) -> Iterator[str]:
        nonlocal waiting, most_waiting
        for content in iterate(conn, size):
            waiting += len(content)
            most_waiting = max(most_waiting, waiting)
            yield content

    def count_member(archive: tarfile.TarFile, name: str, content: bytes) -> None:
        nonlocal waiting
        add(archive, name, content)
        waiting = 0

    monkeypatch.setattr(record_rows, "iterate_leaves", count_leaves)
    monkeypatch.setattr(dump, "_add", count_member)
    most = []
    for leaves in (20, 60):
        with transaction(sqlite_engine) as conn:
            for _ in range(leaves):
                log.append_entry(conn, {"type": "start", "version": "x" * 60_000}, now)
        signing.sign_checkpoint(sqlite_engine, key, tmp_path, now)
        packed = io.BytesIO()
        write_dump(packed, open_files(sqlite_engine, tmp_path / str(leaves)))
        with tarfile.open(
            fileobj=zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed.getvalue())), mode="r|"
        ) as archive:
            entries = [member.size for member in archive if member.name.startswith("log/entries-")]
        assert sum(entries) >= leaves * 60_000
        most.append(most_waiting)
    assert len(entries) >= 4
    assert most[0] <= most[1] <= 2**20 + LARGEST


def test_old_dumps_go_and_one_of_each_month_stays(
    sqlite_engine: Engine, tmp_path: Path, now: datetime
) -> None:
    files = open_files(sqlite_engine, tmp_path / "public")
    for day in range(500):
        (tmp_path / f"{now - timedelta(days=day + 1):%Y-%m-%d}.tar.zst").touch()
    made = make_dump(files, tmp_path, now)
    assert made.stat().st_size > 0
    assert make_dump(files, tmp_path, now) == made
    kept = sorted(path.name[:10] for path in tmp_path.glob("*.tar.zst"))
    assert 7 + 10 <= len(kept) <= 7 + 12
    assert kept[-7:] == sorted(f"{now - timedelta(days=day):%Y-%m-%d}" for day in range(7))
    forget_dumps(tmp_path)
    assert len(list(tmp_path.glob("*.tar.zst"))) == len(kept)


steps = st.lists(
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["gone", "one", "two", "three"]), max_size=4),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(history=steps, page=st.integers(1, 5))
def test_a_copy_that_applies_steps_is_the_list_at_every_number(
    sqlite_engine: Engine, history: list[dict[str, str]], page: int
) -> None:
    """Whatever happens to a list, and on whatever page a copy stops and goes on."""
    source = SOURCE
    with transaction(sqlite_engine) as conn:
        conn.exec_driver_sql("DELETE FROM listing")
        listed: dict[str, str] = {}
        for number, moves in enumerate(history, 1):
            at = START + timedelta(hours=number)
            changed = {key: name for key, name in moves.items() if listed.get(key, "gone") != name}
            baseline.end_versions(conn, source, [key for key in changed if key in listed], number, at)
            opened = [
                NewVersion(Listing(name=name, key=key), key)
                for key, name in changed.items()
                if name != "gone"
            ]
            baseline.begin_versions(conn, source, opened, number, at)
            listed = {key: name for key, name in {**listed, **changed}.items() if name != "gone"}
    copy: dict[str, str] = {}
    place = (0, "")
    with reading(sqlite_engine) as conn:
        states: dict[int, dict[str, str]] = {}
        while found := record_rows.load_steps(conn, source, place, page):
            for step in found:
                before = step.before.name if step.before else None
                assert copy.get(step.agency) == before
                if step.after is None:
                    del copy[step.agency]
                else:
                    copy[step.agency] = step.after.name
                states[step.number] = dict(copy)
            place = (found[-1].number, found[-1].agency)
        for number, state in states.items():
            listed_then = record_rows.load_list(conn, source, number)
            assert state == {each.agency: each.listing.name for each in listed_then}


@pytest.mark.parametrize("name", list(FILES))
def test_export_writes_the_bytes_of_the_site(sqlite_engine: Engine, tmp_path: Path, name: str) -> None:
    tell(sqlite_engine)
    served = open_files(sqlite_engine, tmp_path / "site").build(SOURCE, name)
    exported = open_files(sqlite_engine, tmp_path / "export").build(SOURCE, name)
    assert served.path.read_bytes() == exported.path.read_bytes()
