"""The operator's notes on agencies: on the page, in the API and in feeds, never in the list; and how a reader
reports a mistake.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from sqlalchemy.engine import Engine

from monitor.polling.annotate import add_note, remove_note
from monitor.storage import engine as db
from monitor.storage.lists import log_rows
from monitor.web import create_app
from tests.peers.browser import served
from tests.web.story import SOURCE, Clock, site

ATOM = "{http://www.w3.org/2005/Atom}"
TEXT = "The department says that it left the program in May; the list still has it."
SPANISH = "El departamento dice que dejó el programa en mayo; la lista todavía lo tiene."


@pytest.fixture
def own(told: tuple[Path, datetime], tmp_path: Path) -> Iterator[tuple[Engine, Clock, httpx.Client]]:
    """A site on a copy of the story that a test may change."""
    path, ended = told
    shutil.copyfile(path, tmp_path / "monitor.db")
    engine = db.connect(f"sqlite:///{tmp_path / 'monitor.db'}")
    clock = Clock(ended + timedelta(minutes=7))
    made = replace(site(engine, clock), contact="alerts@watch.example")
    with (
        served(create_app(made)) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=600) as client,
    ):
        yield engine, clock, client
    engine.dispose()


def test_a_note_stands_on_the_page_in_the_api_and_in_the_feeds_of_its_place(
    own: tuple[Engine, Clock, httpx.Client],
) -> None:
    engine, clock, client = own
    state = client.get("/state/IN").text
    path = re.search(r'href="(/agency/[^"]+)">Hammond', state)
    assert path
    before, listed = client.get(path[1]).text, client.get("/api/v1/agencies").json()
    note = add_note(engine, SOURCE, "hammond police department", {"en": TEXT, "es": SPANISH}, now=clock.now)
    page = client.get(path[1]).text  # within the same minute: the record has moved
    assert TEXT not in before
    assert f'id="note-{note.id}"' in page
    assert TEXT in page
    assert "Note by the operator of this site" in page
    assert SPANISH in client.get(path[1], headers={"Accept-Language": "es"}).text
    whole = client.get(f"/api/v1/agencies/{SOURCE}/{note.agency}").json()
    assert [(each["id"], each["en"], each["es"]) for each in whole["notes"]] == [(note.id, TEXT, SPANISH)]
    # the list itself says what it said
    assert client.get("/api/v1/agencies").json() == listed
    for feed, there in (
        ("/feed.atom", True), ("/state/IN/feed.atom", True), ("/zip/46320/feed.atom", True),
        ("/state/IL/feed.atom", False), ("/zip/60601/feed.atom", False),
    ):  # fmt: skip
        root = ElementTree.fromstring(client.get(feed).content)
        entries = root.findall(f"{ATOM}entry")
        mine = [each for each in entries if "note-" in (each.findtext(f"{ATOM}id") or "")]
        assert [each.findtext(f"{ATOM}content") for each in mine] == [TEXT] * there, feed
        updated = [each.findtext(f"{ATOM}updated") or "" for each in entries]
        assert (root.findtext(f"{ATOM}updated") or "") >= max(updated, default="")
    items = client.get("/state/IN/feed.json").json()["items"]
    (item,) = [each for each in items if "#note-" in each["id"]]
    assert (item["content_text"], item["tags"]) == (TEXT, [SOURCE, "IN"])
    assert [each["date_published"] for each in items] == sorted(
        (each["date_published"] for each in items), reverse=True
    )
    remove_note(engine, note.id, now=clock.now)
    assert TEXT not in client.get(path[1]).text
    assert "note-" not in client.get("/feed.atom").text


def test_the_record_says_that_there_is_a_note_and_that_it_went(
    own: tuple[Engine, Clock, httpx.Client],
) -> None:
    engine, clock, _ = own
    note = add_note(engine, SOURCE, "Hammond Police Department", {"en": TEXT}, now=clock.now)
    remove_note(engine, note.id, now=clock.now)
    with db.reading(engine) as conn:
        size = log_rows.load_head(conn).size
        leaves = [json.loads(each.content) for each in log_rows.load_leaf_range(conn, size - 2, size)]
    assert [(each["type"], each["decision"], each["note"]) for each in leaves] == [
        ("note", "added", note.id),
        ("note", "removed", note.id),
    ]
    assert leaves[0]["hash"] == leaves[1]["hash"]
    assert TEXT not in json.dumps(leaves)


def test_every_page_of_an_agency_or_a_place_says_how_to_report_a_mistake(
    own: tuple[Engine, Clock, httpx.Client],
) -> None:
    client = own[2]
    path = re.search(r'href="(/agency/[^"]+)">Hammond', client.get("/state/IN").text)
    assert path
    for page in ("/zip/46320", "/state/IN", "/county/18089", path[1]):
        text = client.get(page).text
        section = text[text.index('<h2 id="wrong">') :]
        section = section[: section.index("</section>")]
        assert "https://publisher.example/list" in section, page
        assert "alerts@watch.example" in section
        assert f"https://watch.example{page}" in section
    spanish = client.get("/zip/46320", headers={"Accept-Language": "es"}).text
    assert "¿Hay algún error?" in spanish
