"""A retracted change says so with its reason: on pages, in feeds, in the API and in the data files."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

import httpx
import pytest
from sqlalchemy.engine import Engine

from monitor.domain import Kind
from monitor.errors import RecordError
from monitor.outbox.retract import retract
from monitor.record import signing, verify
from monitor.record.bundle import build_bundle
from monitor.record.bundle_files import BundleFiles
from monitor.record.collect import collect_change
from monitor.storage import engine as db
from monitor.storage.lists import changes, log_rows
from monitor.storage.lists.changes import StoredChange
from monitor.storage.lists.listing_periods import load_listing_periods
from monitor.web import create_app
from tests.peers.browser import served
from tests.web.story import SOURCE, SOURCES, Clock, data_files, site

ATOM = "{http://www.w3.org/2005/Atom}"
WHY = {"en": "We read the wrong column <b>.", "es": "Leímos la columna equivocada."}


@pytest.fixture
def own(told: tuple[Path, datetime], tmp_path: Path) -> Iterator[tuple[Engine, Clock, httpx.Client]]:
    """A site on a copy of the story that a test may change."""
    path, ended = told
    shutil.copyfile(path, tmp_path / "monitor.db")
    engine = db.connect(f"sqlite:///{tmp_path / 'monitor.db'}")
    clock = Clock(ended + timedelta(minutes=7))
    made = site(engine, clock)
    made = replace(made, data_files=data_files(engine, made.coverage, tmp_path / "files"))
    with (
        served(create_app(made)) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=600) as client,
    ):
        yield engine, clock, client
    engine.dispose()


def published(engine: Engine, kind: Kind) -> StoredChange:
    with db.reading(engine) as conn:
        return next(row for row in changes.load_published(conn, source=SOURCE) if row.change.kind is kind)


def test_every_place_where_a_change_stands_says_that_it_is_retracted_and_why(
    own: tuple[Engine, Clock, httpx.Client],
) -> None:
    engine, clock, client = own
    row = published(engine, Kind.ADDED)
    name = row.change.subject.name
    before = {path: client.get(path) for path in ("/numbers", f"/data/{SOURCE}/changes.csv")}
    retract(engine, row.id or 0, WHY, now=clock.now)
    agency = re.search(
        rf'href="(/agency/[^"]+)">{re.escape(name)}',
        client.get("/changes").text + client.get(f"/changes/{row.changeset}").text,
    )
    assert agency
    escaped = "We read the wrong column &lt;b&gt;."
    for path in (f"/change/{row.id}", f"/changes/{row.changeset}", agency[1]):
        page = client.get(path).text
        assert escaped in page, path
        assert ">retracted</span>" in page or "Retracted:" in page, path
        assert WHY["es"] in client.get(path, headers={"Accept-Language": "es"}).text, path
    assert "<h1>Retracted: " in client.get(f"/change/{row.id}").text
    assert ">retracted</span>" in client.get("/changes").text

    root = ElementTree.fromstring(client.get("/feed.atom").content)
    (entry,) = [
        each
        for each in root.findall(f"{ATOM}entry")
        if (each.findtext(f"{ATOM}id") or "").endswith(f"#c{row.id}")
    ]
    assert (entry.findtext(f"{ATOM}title") or "").startswith("Retracted: ")
    assert WHY["en"] in (entry.findtext(f"{ATOM}content") or "")
    assert entry.findtext(f"{ATOM}updated") == clock.now.isoformat(timespec="seconds")
    assert root.findtext(f"{ATOM}updated") == clock.now.isoformat(timespec="seconds")
    items = client.get("/feed.json").json()["items"]
    (item,) = [each for each in items if each["id"].endswith(f"#c{row.id}")]
    assert WHY["en"] in item["content_text"]
    assert "retracted" in item["tags"]
    assert item["date_modified"] > item["date_published"]

    told = [each["change"] for each in client.get("/api/v1/changes?limit=500").json()["changes"]]
    (mine,) = [each for each in told if each and each["id"] == row.id]
    assert (mine["retraction"], mine["retracted_at"][:10]) == (WHY["en"], f"{clock.now:%Y-%m-%d}")
    assert [each["retracted_at"] for each in told if each and each["id"] != row.id].count(None) == len(
        [each for each in told if each]
    ) - 1
    path = f"/data/{SOURCE}/changes.csv"
    assert before[path].status_code == 200
    assert WHY["en"] in client.get(path).text
    assert WHY["en"] not in before[path].text
    with db.reading(engine) as conn:
        size = log_rows.load_head(conn).size
        (leaf,) = log_rows.load_leaf_range(conn, size - 1, size)
    assert json.loads(leaf.content)["reason"] == WHY


@pytest.mark.parametrize("kind", [Kind.ADDED, Kind.REMOVED])
def test_the_numbers_do_not_count_it(own: tuple[Engine, Clock, httpx.Client], kind: Kind) -> None:
    engine, clock, client = own
    row = published(engine, kind)

    def counted() -> tuple[int, int]:
        lines = client.get(f"/numbers/{SOURCE}/months.csv").text.splitlines()[1:]
        figures = [line.split(",") for line in lines]
        return sum(int(each[1]) for each in figures), sum(int(each[2]) for each in figures)

    joined, left = counted()
    with db.reading(engine) as conn:
        periods = [period for period in load_listing_periods(conn, SOURCE) if period.agency == row.agency]
    clock.now += timedelta(minutes=1)
    retract(engine, row.id or 0, WHY, now=clock.now)
    with db.reading(engine) as conn:
        after = [period for period in load_listing_periods(conn, SOURCE) if period.agency == row.agency]
    if kind is Kind.ADDED:
        ended = sum(period.to_at is not None for period in periods if period.from_at == row.ended_at)
        assert len(after) == len(periods) - 1
        assert counted() == (joined - 1, left - ended)
    else:
        came_back = len(periods) - 1
        assert len(after) == 1
        assert counted() == (joined - came_back, left - 1)


def test_the_bundle_and_its_statement_say_that_the_change_is_retracted(
    own: tuple[Engine, Clock, httpx.Client], tmp_path: Path
) -> None:
    engine, clock, _ = own
    row = published(engine, Kind.ADDED)
    assert row.id is not None
    key = signing.open_log_key(engine, tmp_path, "watch.example/log", clock.now)
    signing.sign_checkpoint(engine, key, tmp_path, clock.now)
    bundles = BundleFiles(
        engine=engine, sources=SOURCES, operator="Watch", open_key=lambda: key, folder=tmp_path / "kept"
    )

    def read() -> dict[str, bytes]:
        with ZipFile(bundles.prepare_change(row.id or 0)) as archive:
            return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}

    before = read()
    assert "retractions.ndjson" not in before
    retract(engine, row.id, WHY, now=clock.now)
    with pytest.raises(RecordError, match="has not been signed since"):
        bundles.prepare_change(row.id)
    signing.sign_checkpoint(engine, key, tmp_path, clock.now)
    files = read()
    results = verify.verify(files)
    assert all(passed for _, passed, _ in results)
    assert any(WHY["en"] in text for _, _, text in results)
    assert "We read the wrong column &lt;b&gt;." in files["statement.html"].decode()
    assert "Retracted by the operator" in files["statement.html"].decode()
    assert WHY["en"] in files["README.txt"].decode()
    assert WHY["es"] in files["LEEME.txt"].decode()
    # what a forger with the key could do: leave the retraction out of one place
    for changed in (
        {"retractions.ndjson": b""},
        {"claim.json": files["claim.json"].replace(b'"retracted": [', b'"retired": [')},
        {"changes.ndjson": files["changes.ndjson"] + files["retractions.ndjson"]},
    ):
        assert not all(passed for _, passed, _ in verify.verify(files | changed))
    with db.reading(engine) as conn:
        found = collect_change(conn, row.id, SOURCES[SOURCE], "Watch")
    for forged in (
        replace(found, change={**(found.change or {}), "name": "Another"}),
        replace(found, retractions=()),
        replace(found, retractions=found.retractions * 2),
    ):
        made = build_bundle(forged, key.signer)
        claim = json.loads(made["claim.json"]) | {"retracted": [found.retractions[0].entry["at"]]}
        made["claim.json"] = json.dumps(claim).encode()
        failed = {name for name, passed, _ in verify.verify(made) if not passed}
        assert failed & {"Claim", "Entries"}


def test_an_old_retracted_change_is_in_the_feeds_of_its_place_again(
    own: tuple[Engine, Clock, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, clock, client = own
    row = published(engine, Kind.ADDED)
    state = row.change.subject.state
    monkeypatch.setattr("monitor.web.feeds._ENTRIES", 1)
    mark = f"#c{row.id}"
    assert mark not in client.get("/feed.atom").text
    retract(engine, row.id or 0, WHY, now=clock.now)
    clock.now += timedelta(minutes=2)
    assert mark in client.get("/feed.atom").text
    assert mark in client.get(f"/state/{state}/feed.json").text
    assert mark not in client.get("/state/AK/feed.json").text
