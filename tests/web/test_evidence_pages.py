"""Details and proof of a change, absence on a day, and their bundles, as a visitor gets them."""

from __future__ import annotations

import io
import re
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.errors import BundleBusyError, RecordError
from monitor.record import bundle_files, signing, verify
from monitor.record.bundle_files import BundleFiles, remove_kept_copies
from monitor.record.change_proof import read_original
from monitor.storage import engine as db
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import bodies, changes
from monitor.storage.lists.tables import FetchRow
from monitor.web import create_app
from tests.history.test_import import own_poll
from tests.peers.browser import served
from tests.web.conftest import Running
from tests.web.story import CHICAGO, HAMMOND, SOURCE, SOURCES, START, Clock, site, tell


@pytest.fixture(scope="module")
def signed(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[tuple[Engine, BundleFiles]]:
    """The story in a database of its own, with a signed record."""
    folder = tmp_path_factory.mktemp("evidence")
    shutil.copyfile(sqlite_template, folder / "monitor.db")
    engine = db.connect(f"sqlite:///{folder / 'monitor.db'}")
    ended = tell(engine)
    key = signing.open_log_key(engine, folder, "watch.example/log", ended)
    signing.sign_checkpoint(engine, key, folder, ended)
    yield (
        engine,
        BundleFiles(
            engine=engine, sources=SOURCES, operator="Watch", open_key=lambda: key, folder=folder / "evidence"
        ),
    )
    engine.dispose()


@pytest.fixture
def proved(signed: tuple[Engine, BundleFiles], web: Running) -> Iterator[Running]:
    engine, bundles = signed
    clock = Clock(web.told_at + timedelta(days=2))
    made = replace(site(engine, clock), bundles=bundles)
    with served(create_app(made)) as address:
        yield Running(address, clock, engine, web.told_at, web.client)


def test_details_lead_to_the_very_change(web: Running) -> None:
    for page in ("/changes/1", "/zip/46402", "/state/IN"):
        assert 'href="/change/' in web.get(page).text, page
    for path in ("/change/0", "/change/x", "/change/99999999", "/change/99999999999999999999"):
        assert web.get(path).status_code == 404


def test_a_change_shows_both_sides_as_text_and_as_the_original(proved: Running) -> None:
    with reading(proved.engine) as conn:
        rows = {row.change.subject.name: row for row in changes.load_published(conn)}
    gone = proved.get(f"/change/{rows['Springfield Police Department'].id}").text
    before, after = gone.split("First check with the change")
    assert "Springfield Police Department,Illinois,,2025-07-02,Jail" in before
    assert "does not occur in this publication" in after
    assert f"/evidence/change/{rows['Springfield Police Department'].id}.zip" in gone
    assert "record " in gone
    renamed = proved.get(f"/change/{rows['Chicago Police Dept and Bureau'].id}").text
    assert "Chicago Police Department,Illinois,Cook" in renamed
    assert "Chicago Police Dept and Bureau,Illinois,Cook" in renamed
    assert "<strong>Chicago Police Dept and Bureau</strong>" in renamed
    spanish = proved.get(f"/change/{rows['Gary Police Department'].id}?lang=es").text
    assert "Lo que esto no muestra" in spanish


def test_the_bundle_of_a_change_passes_its_own_check_and_is_made_once(
    proved: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = proved.get("/evidence/change/1.zip")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    with ZipFile(io.BytesIO(answer.content)) as archive:
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    assert all(passed for _, passed, _ in verify.verify(files))

    def fail(*_: object) -> None:
        raise AssertionError("it is made once")

    monkeypatch.setattr(bundle_files, "build_checked_bundle", fail)
    assert proved.get("/evidence/change/1.zip").content == answer.content


def test_no_visitor_gets_a_bundle_that_fails_its_own_check(
    signed: tuple[Engine, BundleFiles], tmp_path: Path
) -> None:
    """Somebody edits the database: the address from which a publication came."""
    engine, bundles = signed
    with sqlite3.connect(str(engine.url.database)) as source:
        source.execute("VACUUM INTO ?", (str(tmp_path / "monitor.db"),))
    source.close()
    copy = db.connect(f"sqlite:///{tmp_path / 'monitor.db'}")
    bundles = replace(bundles, engine=copy, folder=tmp_path / "evidence")
    assert bundles.prepare_change(1).exists()
    shutil.rmtree(tmp_path / "evidence")
    with transaction(copy) as conn:
        conn.execute(sa.update(FetchRow).values(headers=[["etag", "x"]]))
    with pytest.raises(RecordError, match=r"own check \(Polls: what stands here as headers of poll"):
        bundles.prepare_change(1)
    assert not (tmp_path / "evidence").exists()
    copy.dispose()


def test_the_bundle_of_a_day_and_what_has_no_proof(proved: Running) -> None:
    answer = proved.get(f"/evidence/day/{SOURCE}/2026-03-01.zip")
    assert answer.status_code == 404  # the story begins on that day: no poll before it
    assert "poll before it" in answer.json()["detail"]
    for path in ("/evidence/change/x.zip", "/evidence/change/99999.zip", "/evidence/day/none/2026-03-01.zip"):
        assert proved.get(path).status_code == 404


def test_visitors_make_one_bundle_at_a_time_and_no_more_than_is_kept(
    signed: tuple[Engine, BundleFiles], tmp_path: Path
) -> None:
    engine, bundles = signed
    small = BundleFiles(
        engine=engine,
        sources=SOURCES,
        operator="Watch",
        open_key=bundles.open_key,
        folder=tmp_path / "evidence",
        most_bytes=1,
    )
    paths = [small.prepare_change(number) for number in (1, 2, 3)]
    assert [path.exists() for path in paths] == [False, False, True]
    busy: list[object] = []

    def open_key() -> object:
        try:
            small.prepare_change(2)
        except BundleBusyError as error:
            busy.append(error)
        return bundles.open_key()

    small.open_key = open_key  # type: ignore[assignment]
    worker = threading.Thread(target=small.prepare_change, args=(1,))
    worker.start()
    worker.join()
    assert len(busy) == 1
    remove_kept_copies(tmp_path)
    assert not (tmp_path / "evidence").exists()


def test_absence_on_a_day_is_said_only_where_it_is_so(proved: Running) -> None:
    page = f"/absence/{SOURCE}"
    assert proved.get(page).status_code == 200
    here = proved.get(f"{page}?day=2026-03-01&who=Hammond")
    assert "Hammond Police Department" in here.text
    assert "cannot be proved" in here.text  # nothing was polled before that day
    assert here.headers["cache-control"] == "no-store"
    for query in ("day=2026-03-01&who=1", "day=x&who=46320", "day=2031-01-01&who=46320"):
        assert 'role="alert"' in proved.get(f"{page}?{query}").text, query
    assert proved.get("/absence/none?day=2026-03-01&who=46320").status_code == 404


@pytest.fixture
def whole_day(tmp_path: Path, sqlite_engine: Engine, web: Running) -> Iterator[Running]:
    """A list of two agencies, polled six times a day from March 1 to March 3, and a signed record."""
    rows = [HAMMOND, CHICAGO]
    for hour in range(0, 72, 4):
        own_poll(sqlite_engine, tmp_path, rows, START + timedelta(hours=hour))
    ended = START + timedelta(days=4)
    key = signing.open_log_key(sqlite_engine, tmp_path, "watch.example/log", ended)
    signing.sign_checkpoint(sqlite_engine, key, tmp_path, ended)
    bundles = BundleFiles(
        engine=sqlite_engine,
        sources=SOURCES,
        operator="Watch",
        open_key=lambda: key,
        folder=tmp_path / "evidence",
    )
    clock = Clock(ended)
    with served(create_app(replace(site(sqlite_engine, clock), bundles=bundles))) as address:
        yield Running(address, clock, sqlite_engine, ended, web.client)


def test_the_form_of_absence_says_what_it_is_for_and_what_its_address_holds(proved: Running) -> None:
    page = proved.get(f"/absence/{SOURCE}").text
    assert "listed, not listed, or not known" in page
    assert "The oldest that we have of this list is of" in page
    assert "The address of the answer has the day and what you entered in it" in page
    assert "have what they show in their address" in proved.get("/privacy").text


def test_absence_says_in_a_word_whether_the_list_was_checked(proved: Running, whole_day: Running) -> None:
    page = f"/absence/{SOURCE}?day=2026-03-02&who="
    seen = whole_day.get(page + "Hammond").text
    assert "<strong>Checked.</strong> On this day this service checked the list 6 times." in seen
    assert "<strong>Listed.</strong>" in seen
    assert "<strong>Not listed.</strong>" in whole_day.get(page + "Gary Police").text
    assert "<strong>No figuraba.</strong>" in whole_day.get(page + "Gary Police&lang=es").text
    never = whole_day.get(f"/absence/{SOURCE}?day=2026-02-01&who=Gary Police").text
    assert "<strong>Unchecked.</strong> On this day nobody checked the list." in never
    assert "<strong>Not known.</strong>" in never
    # the publisher listed it, and nobody has confirmed it: it was there
    held = proved.get(f"/absence/{SOURCE}?day=2026-03-01&who=Akron").text
    assert "<strong>Listed.</strong>" in held
    assert "it is not confirmed" in held


def test_a_day_with_many_matches_stays_a_page_of_100_kb(
    tmp_path: Path, sqlite_engine: Engine, web: Running
) -> None:
    rows = [{**HAMMOND, "Agency": f"Police {each:04} of {'a very long name ' * 8}"} for each in range(700)]
    own_poll(sqlite_engine, tmp_path, rows, START)
    own_poll(sqlite_engine, tmp_path, rows, START + timedelta(days=2))
    clock = Clock(START + timedelta(days=3))
    with served(create_app(site(sqlite_engine, clock))) as address:
        running = Running(address, clock, sqlite_engine, clock.now, web.client)
        page = running.get(f"/absence/{SOURCE}?day=2026-03-02&who=Police").text
    assert len(page.encode()) <= 100_000
    assert "550 more are not shown: enter more of the name." in page
    assert "<strong>Unchecked.</strong> On this day nobody checked the list; this service saw it" in page
    assert "Cite this" in page


def test_an_agency_first_seen_after_a_day_that_nobody_checked_was_not_listed_for_certain(
    tmp_path: Path, sqlite_engine: Engine, web: Running
) -> None:
    own_poll(sqlite_engine, tmp_path, [HAMMOND], START)
    own_poll(
        sqlite_engine, tmp_path, [HAMMOND, {**HAMMOND, "Agency": "Gary Police"}], START + timedelta(days=2)
    )
    clock = Clock(START + timedelta(days=3))
    with served(create_app(site(sqlite_engine, clock))) as address:
        running = Running(address, clock, sqlite_engine, clock.now, web.client)
        between = running.get(f"/absence/{SOURCE}?day=2026-03-02&who=Gary").text
        stayed = running.get(f"/absence/{SOURCE}?day=2026-03-02&who=Hammond").text
        never = [
            running.get(f"/absence/{SOURCE}?day=2026-03-02&who={who}{language}").text
            for who in ("Akron", "60601")
            for language in ("", "&lang=es")
        ]
        came = running.get(f"/absence/{SOURCE}?day={(START + timedelta(days=2)).date()}&who=Gary").text
    assert "<strong>Not known.</strong>" in between
    assert (
        "<strong>Not listed before and after it.</strong> Neither the last look before this day" in never[0]
    )
    assert "<strong>No figuraba antes ni después.</strong>" in never[1]
    assert "saw an agency for ZIP code 60601, or for its whole state, on " in never[2]
    assert all("<strong>Not listed.</strong>" not in page for page in never)
    assert "first seen on the list after this day" in between
    assert "<strong>Listed.</strong>" not in between
    assert "<strong>Listed.</strong>" in stayed
    assert "<strong>Listed.</strong>" in came
    assert f"/absence/{SOURCE}?day=2026-03-02&amp;who=Gary" in between  # the citation gives the same answer


def test_absence_is_proved_for_a_day_with_polls_around_it(whole_day: Running) -> None:
    page = f"/absence/{SOURCE}?day=2026-03-02&who="
    absent, listed = whole_day.get(page + "Gary Police").text, whole_day.get(page + "Hammond").text
    assert "cannot be proved" not in absent
    assert "Hammond Police Department" not in absent
    assert f"/evidence/day/{SOURCE}/2026-03-02.zip" in absent
    assert "Hammond Police Department" in listed
    assert "Chicago" in whole_day.get(page + "60601").text
    assert "Chicago" not in whole_day.get(page + "77001").text
    answer = whole_day.get(f"/evidence/day/{SOURCE}/2026-03-02.zip")
    with ZipFile(io.BytesIO(answer.content)) as archive:
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    assert all(passed for _, passed, _ in verify.verify(files))
    assert len(files["polls.ndjson"].splitlines()) == 8
    for name, content in files.items():
        middle = len(content) // 2
        changed = (
            content[:middle] + bytes([(*content, 0)[middle] ^ 1]) + content[middle + 1 :]
        )  # one may be empty
        assert not all(passed for _, passed, _ in verify.verify({**files, name: changed})), name
    assert whole_day.get(f"/evidence/day/{SOURCE}/2026-03-02.zip").content == answer.content


def test_an_original_is_the_line_or_what_is_around_it() -> None:
    csv = b"Agency,State\r\nA Police,OH\r\nB Police & Fire Department,IN\r\n"
    found = read_original(csv, "B Police & Fire Department")
    assert found is not None
    assert (found.text, csv[found.offset :][:8]) == ("B Police & Fire Department,IN", b"B Police")
    kml = (
        "<kml>" + "<Placemark><name>X</name></Placemark>" * 50 + "<name>Ñandú &amp; Co</name></kml>"
    ).encode()
    found = read_original(kml, "Ñandú & Co")
    assert found is not None
    assert "Ñandú &amp; Co" in found.text
    assert len(found.text) < 1000
    assert read_original(csv, "C Police") is None


def test_a_publication_that_was_removed_is_not_said_never_to_have_been_kept(
    told: tuple[Path, datetime], web: Running, tmp_path: Path
) -> None:
    shutil.copyfile(told[0], tmp_path / "monitor.db")
    engine = db.connect(f"sqlite:///{tmp_path / 'monitor.db'}")
    with served(create_app(site(engine, Clock(told[1])))) as address:
        own = replace(web, address=address)
        before = own.get("/change/1").text
        kept = re.findall(r"/api/v1/bodies/([0-9a-f]{64})", before)
        assert kept
        assert "Its bytes are not kept here" not in before
        with transaction(engine) as conn:
            bodies.redact_body(conn, kept[-1])
        after = own.get("/change/1").text
    engine.dispose()
    assert "Its bytes are not kept here; only the hash is known." in after
    assert kept[-1] in after
    assert f"/api/v1/bodies/{kept[-1]}" not in after
