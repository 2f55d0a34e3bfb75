"""`monitor agreements` and the evidence of a replaced document, which a stranger checks and tampers with."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from click.testing import CliRunner, Result

from monitor import app, web
from monitor.app import Components
from monitor.cli import root
from monitor.config import load
from monitor.fetch import Fetcher
from monitor.storage import engine as db
from tests.cli.test_evidence import CONFIG, Run, check_alone, unpack
from tests.peers.browser import served
from tests.peers.http import Answer, Server
from tests.polling.publisher import COLUMNS, Publication, agency

FIRST = b"%PDF-1.7\n1 0 obj <</Type /Catalog>> endobj\ntrailer\n%%EOF\n"
SECOND = FIRST.replace(b"Catalog", b"Catalogue")
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def run(sqlite_url: str, tmp_path: Path) -> Iterator[Callable[..., Result]]:
    """A command with a list whose first agency's agreement was replaced, and whose second one's is a page."""
    with Server() as server, Fetcher(attempts=1) as fetcher:
        config = tmp_path / "config.toml"
        text = CONFIG.format(database=sqlite_url, url=server.url("/list.csv"))
        config.write_text(
            text.replace('title = "The list"', 'title = "The list"\nagreements = true').replace(
                'name = "Agency"', 'name = "Agency"\nurl = "Agreement"'
            )
        )
        engine = db.connect(sqlite_url)
        publication = Publication(server, engine, fetcher)
        options = replace(publication.watch.options, columns=replace(COLUMNS, url="Agreement"))
        publication.watch = replace(publication.watch, options=options)
        paths = ("/a.pdf", "/b.pdf")
        publication.seen([agency(at, Agreement=server.url(path)) for at, path in enumerate(paths)])
        keeper = app.open_agreement_keeper(load(config), engine, fetcher)
        assert keeper is not None
        server.put("/a.pdf", FIRST)
        server.script("/b.pdf", [Answer(body=b"<html>Moved")])
        for document, later in ((FIRST, timedelta()), (SECOND, timedelta(7)), (SECOND, timedelta(0, 3600))):
            server.put("/a.pdf", document)
            publication.now += later
            while keeper.look_at_next(publication.now):
                pass
        engine.dispose()

        def command(*words: str) -> Result:
            return CliRunner().invoke(root, [*words, "--config", str(config)])

        yield command


def test_a_replaced_agreement_is_listed_and_proved_to_a_stranger(run: Run, tmp_path: Path) -> None:
    listed = [json.loads(line) for line in run("agreements", "--json").stdout.splitlines()]
    assert [each["problem"] for each in listed] == ["", "brought a page (HTML) in place of the PDF"]
    assert [copy["replaced"] is None for copy in listed[0]["copies"]] == [True, False]
    assert len(listed[0]["copies"][1]["agencies"]) == 1
    assert "(HTML)" in run("agreements", "--failing").stdout
    assert "/a.pdf" not in run("agreements", "--failing").stdout
    number = listed[0]["copies"][1]["id"]
    bundle = tmp_path / "proof.zip"
    made = run("evidence", "--agreement", str(number), "--output", str(bundle))
    assert made.exit_code == 0, made.output
    assert "was replaced between the checks" in made.output
    folder = unpack(bundle, tmp_path / "empty")
    code, said = check_alone(folder)
    assert code == 0, said
    assert {path.read_bytes() for path in (folder / "bodies").iterdir()} == {FIRST, SECOND}
    assert run("verify", str(folder)).exit_code == 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
        assert run("verify", str(folder)).exit_code == 1, path
        path.write_bytes(content)
    first = run("evidence", "--agreement", str(listed[0]["copies"][0]["id"]), "--output", str(bundle))
    assert "was this one at the check of" in first.output
    for wrong in (("--agreement", "99"), ("1", "--agreement", "1"), ()):
        assert run("evidence", *wrong).exit_code == 2


def test_the_agencys_page_the_feeds_and_the_api_tell_of_the_replacement(run: Run, tmp_path: Path) -> None:
    run("evidence", "--agreement", "1", "--output", str(tmp_path / "signs.zip"))
    with Components.open(load(tmp_path / "config.toml")) as components:
        site = web.create(components)
        with served(site) as address, httpx.Client(base_url=address, trust_env=False, timeout=600) as client:
            found = client.get("/list/list").text
            path = re.search(rf'href="(/agency/list/[^"]+)">{agency(0)["Agency"]}', found)
            assert path
            page = client.get(path[1]).text
            assert "the publisher replaced the document at this address" in page
            kept = re.findall(r'href="(/evidence/document/[0-9a-f]{64}\.pdf)"', page)
            answers = [client.get(each) for each in kept]
            assert [each.content for each in answers] == [SECOND, FIRST]
            assert {each.headers["Content-Type"] for each in answers} == {"application/pdf"}
            assert all("sandbox" in each.headers["Content-Security-Policy"] for each in answers)
            assert "sustituyó" in client.get(path[1], headers={"Accept-Language": "es"}).text
            proofs = re.findall(r'href="(/evidence/agreement/\d+\.zip)"', page)
            assert [client.get(each).status_code for each in proofs] == [200, 200]
            assert client.get("/evidence/agreement/99.zip").status_code == 404
            assert client.get(f"/evidence/document/{'0' * 64}.pdf").status_code == 404
            other = re.search(rf'href="(/agency/list/[^"]+)">{agency(1)["Agency"]}', found)
            assert other
            assert "the document could not be had there" in client.get(other[1]).text
            feed = ElementTree.fromstring(client.get("/feed.atom").content)
            (entry,) = feed.findall(f"{ATOM}entry")
            assert agency(0)["Agency"] in (entry.findtext(f"{ATOM}title") or "")
            assert (entry.findtext(f"{ATOM}id") or "").endswith(f"{path[1]}#agreement-2")
            assert 'id="agreement-2"' in page
            (item,) = client.get("/state/IL/feed.json").json()["items"]
            assert "/a.pdf" in item["content_text"]
            assert client.get("/state/IN/feed.json").json()["items"] == []
            key = client.get("/api/v1/agencies").json()["agencies"]
            (whole,) = [
                client.get(f"/api/v1/agencies/list/{each['agency']}").json()
                for each in key
                if each["name"] == agency(0)["Agency"]
            ]
            assert [each["replaced"] for each in whole["agreements"]] == [
                None,
                whole["agreements"][0]["sha256"],
            ]


def test_without_agreements_it_says_what_is_still_to_be_done(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    for wanted, said in (
        ("false", "set agreements = true"),
        ("true", "no agreements yet: `monitor run` looks"),
    ):
        config.write_text(
            f"[sources.ring]\nenabled = false\n[sources.ice-287g]\nagreements = {wanted}\n"
            '[mailbox]\nfolder = "mailbox"\n'
        )
        app.open_database(load(config)).dispose()
        assert said in CliRunner().invoke(root, ["agreements", "--config", str(config)]).output
