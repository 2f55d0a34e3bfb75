"""The brief: one printed page about a place, each sentence with its address, in both languages."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser
from sqlalchemy.engine import Engine

from monitor.storage.engine import reading
from monitor.storage.lists import sightings
from monitor.web import create_app
from monitor.web.brief import MOST, split_sentences
from tests.peers.browser import served, visit
from tests.peers.processes import PATIENCE
from tests.web.agreements import HAMMOND, ICE, LAKE, MANY, POLICE, serve_agreements
from tests.web.conftest import Running
from tests.web.story import START, Clock
from tests.web.story import site as story_site
from tests.web.test_pages import words

ENGLISH = re.compile(
    r"\b(the|of|and|is|are|was|not|with|list|agency|agencies|check|since|seen|model|officer|county|law|read)\b",
    re.IGNORECASE,
)


def test_it_says_who_since_when_by_both_dates_and_what_the_values_mean(agreements: httpx.Client) -> None:
    said = words(agreements.get("/zip/46320/brief").text)
    assert "Which listed agencies serve Hammond, IN 46320?" in said
    assert "3 agencies that serve 46320 were on this list at our last good check, Mar 10, 2026," in said
    assert "Hammond Police Department covers Hammond." in said
    assert "ICE's own date: Jan 5, 2026." in said
    assert "First seen by us: Mar 1, 2026, 7:00 am CST, at our first check of this list." in said
    assert "It was away in between and has been listed again since" in said
    assert "The list gives no date of its own for it." in said
    assert "In the agency's jail only: officers may question people who were booked" in said
    assert "signed by an immigration officer, not a judge" in said
    assert "has been used again since January 2025" in said
    assert "Text reviewed Nov 28, 2026." in said
    assert "2 agencies that serve 46320 were on this list" in said  # Ring's


def test_each_sentence_names_its_address_and_the_addresses_are_printed(agreements: httpx.Client) -> None:
    page = agreements.get("/zip/46320/brief").text
    printed = re.findall(r'<li><a href="([^"]+)"[^>]*>\1</a></li>', page.partition('class="addresses"')[2])
    cited = re.findall(r'<a class="ref" href="([^"]+)"[^>]*>\[(\d+)\]</a>', page)
    assert printed
    assert all(printed[int(number) - 1] == address for address, number in cited)
    assert {address for address, _ in cited} == set(printed)
    body = page.partition("<main>")[2].partition('class="addresses"')[0]
    for block in re.findall(r"(?s)<(?:li|p)\b.*?</(?:li|p)>", body):
        assert 'class="ref"' in block, block
        for said in re.split(r'<a class="ref".*?</a>', block)[:-1]:
            text = " ".join(html.unescape(re.sub("<[^>]*>", "", said)).split())
            assert len(split_sentences(text)) == 1, text
        assert not html.unescape(re.sub(r"<[^>]*>", "", block.rpartition("</a>")[2])).strip(), block
    anchors = re.findall(r'<span id="s(\d+)">', body)
    assert anchors == [str(number + 1) for number in range(len(anchors))]
    assert len(anchors) > 25
    own = [address.removeprefix("https://watch.example") for address in printed if "watch.example" in address]
    assert len(own) >= 6
    for path in own:
        if path != "/log/checkpoint" and path != "/log/key":  # signed by the service, which does not run here
            answer = agreements.get(path, follow_redirects=True)
            assert answer.status_code == 200, path
            _, _, anchor = path.partition("#")
            assert not anchor or f'id="{anchor}"' in answer.text, path


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two? Tres. ¿Cuatro? Última.", ["One.", "Two?", "Tres.", "¿Cuatro?", "Última."]),
        ("At 2:07 p.m. CST in St. Louis. Gone.", ["At 2:07 p.m. CST in St. Louis.", "Gone."]),
        ("By 8 U.S.C. 1357(g); the U.S. Code. It ended in 2012. It is back.", None),
        ("", [""]),
    ],
)
def test_a_text_is_split_at_its_sentences(text: str, sentences: list[str] | None) -> None:
    wanted = sentences or ["By 8 U.S.C. 1357(g); the U.S. Code.", "It ended in 2012.", "It is back."]
    assert split_sentences(text) == wanted


def test_the_source_is_named_with_the_hash_of_the_last_good_body_and_its_entry(
    agreements: httpx.Client, agreements_engine: Engine
) -> None:
    with reading(agreements_engine) as conn:
        check = sightings.load_last_good(conn).get(ICE)
    assert check is not None
    page = agreements.get("/state/IN/brief").text
    assert check.hash in page
    assert check.url is not None
    assert html.escape(check.url) in page
    assert f"entry {check.leaf} of our public log" in words(page)
    entry = re.search(r'href="https://watch.example(/log/tile/entries/[^"]+)"', page)
    assert entry is not None
    assert check.hash.encode() in agreements.get(entry[1]).content


def test_a_list_with_many_agencies_counts_those_that_it_leaves_out(agreements: httpx.Client) -> None:
    said = words(agreements.get("/state/IN/brief").text)
    assert f"{3 + len(MANY)} agencies that serve Indiana were on this list" in said
    assert "Task Force Model: 15; " in said
    assert "Indiana State Police" in said
    assert "Lake County Sheriff's Office covers Lake County. ICE's own date" not in said  # seen for long
    assert f"Here are {MOST // 2} of them" in said  # the other list has its share
    assert f"the other {3 + len(MANY) - MOST // 2} are on the page of this place." in said


@pytest.mark.parametrize(
    "path", ["/zip/46320/brief", "/state/IN/brief", "/zip/46320+46323/brief", "/county/18089/brief"]
)
def test_it_is_small_without_script_and_wholly_spanish(agreements: httpx.Client, path: str) -> None:
    for language in ("en", "es"):
        answer = agreements.get(path, headers={"Accept-Language": language})
        linked = re.findall(r'href="(/static/[^"]+)"', answer.text)
        assert len(answer.content) + sum(len(agreements.get(each).content) for each in set(linked)) < 60_000
        assert "<script" not in answer.text
    said = words(answer.text.partition('class="addresses"')[0])
    for name in ["Watch", *(each["Agency"] for each in (LAKE, HAMMOND, POLICE, *MANY))]:
        said = said.replace(name, "")
    assert ENGLISH.findall(said) == []
    assert "Modelo de grupo operativo" in said
    assert "Ley de Inmigración y Nacionalidad" in said


def test_the_values_are_explained_on_the_pages_of_places_and_agencies_too(agreements: httpx.Client) -> None:
    place = agreements.get("/zip/46320").text
    assert 'href="/zip/46320/brief"' in place
    assert 'href="/state/IN/brief"' in agreements.get("/state/IN").text
    agency = re.search(r'href="(/agency/ice-287g/[^"]*hammond[^"]*)"', place)
    assert agency is not None
    for path in ("/zip/46320", "/state/IN", agency[1], "/changes/2", "/change/2"):
        assert "question and arrest people over immigration status" in words(agreements.get(path).text), path
        text = agreements.get(path, headers={"Accept-Language": "es"}).text
        spanish = words(re.sub(r"(?s)<pre.*?</pre>", "", text))  # without what the publisher served
        assert "Modelo de grupo operativo" in spanish, path
        assert "Task Force Model" not in spanish, path
    home = words(agreements.get("/").text)
    assert home.index("Immigration enforcement") < home.index(
        "ZIP code, town, county or agency"
    )  # on the first screen
    assert "Immigration enforcement: ICE lists" in home
    assert "Cameras: Ring, which makes doorbell" in home


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("/zip/46323+46320/brief", "/zip/46320+46323/brief"),
        ("/state/indiana/brief", "/state/IN/brief"),
        ("/town/IN-HAMMOND/brief", "/town/IN-Hammond/brief"),
    ],
)
def test_every_brief_has_one_address(web: Running, asked: str, given: str) -> None:
    answer = web.get(asked)
    assert (answer.status_code, answer.headers["location"]) == (301, given)


@pytest.mark.parametrize("path", ["/zip/4632/brief", "/state/ZZ/brief", "/state/US/brief"])
def test_an_unknown_place_has_no_brief(web: Running, path: str) -> None:
    assert web.get(path).status_code == 404


def test_a_blind_list_and_what_is_not_known_are_said(web: Running) -> None:
    said = words(web.get("/zip/46320/brief").text)
    assert "1 agency of Indiana on The camera list could not be placed more exactly" in said
    web.clock.now += timedelta(days=3)
    blind = words(web.get("/zip/46320/brief").text)
    assert re.search(r"We cannot see this list right now\. \[1\] What stands here is what it said", blind)
    assert "4 changes that concern this place are not confirmed yet" in words(web.get("/state/OH/brief").text)
    assert web.get("/zip/99999/brief").status_code == 200


def test_a_list_that_was_never_read_is_said_to_be_so(sqlite_engine: Engine) -> None:
    with served(create_app(story_site(sqlite_engine, Clock(START)))) as address:
        said = words(httpx.get(f"{address}/zip/46320/brief", trust_env=False, timeout=PATIENCE).text)
    assert "There has been no good check of this list yet." in said
    assert "serve 46320 were" not in said


@pytest.mark.browser
@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("most", [MOST, 30])
def test_it_is_accessible_fits_a_phone_and_prints_on_one_sheet(
    agreements_engine: Engine,
    told_agreements: tuple[Path, datetime],
    browser: Browser,
    language: str,
    most: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("monitor.web.brief.MOST", most)  # the text itself is measured too
    with (
        serve_agreements(agreements_engine, told_agreements[1]) as own,  # which has kept no page with fewer
        visit(browser, f"{own.base_url}/zip/46320/brief", language=language) as seen,
    ):
        assert seen.page.get_attribute("html", "lang") == language
        assert seen.violations() == []
        assert seen.complaints == []
        for path in ("/zip/46320/brief", "/state/IN/brief", "/county/18089/brief"):
            seen.page.goto(f"{own.base_url}{path}")
            for size in ("Letter", "A4"):
                printed = seen.page.pdf(format=size, path=tmp_path / "brief.pdf")
                assert len(re.findall(rb"/Type\s*/Page\b(?!s)", printed)) == 1, (path, size)
        assert not seen.overflows()
