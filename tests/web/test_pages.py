"""What the pages say of the story."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from sqlalchemy.engine import Engine

from monitor.fetch import Fetcher
from monitor.web import create_app
from tests.peers.browser import served
from tests.peers.http import Server
from tests.peers.processes import PATIENCE
from tests.web.conftest import Running
from tests.web.story import HAMMOND, Clock, Publisher, site


def words(text: str) -> str:
    """A page's text as it is read: without markup, in one line."""
    body = re.sub(r"(?s)<(head|style|title).*?</\1>", " ", text)
    body = re.sub(r"</?(?:time|strong|a|span)\b[^>]*>", "", body)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def page(web: Running, path: str, **headers: str) -> str:
    answer = web.get(path, **headers)
    assert answer.status_code == 200, (path, answer.status_code)
    return words(answer.text)


# --- home
# ------------------------------------------------------------------------------------------------------------


def test_home_says_how_fresh_each_list_is(web: Running) -> None:
    said = page(web, "/")
    assert "The camera list 6 agencies listed" in said
    assert "Last good check: Mar 1, 2026, 8:00 pm CST (7 minutes ago)." in said


def test_the_postal_address_stands_in_the_footer_of_every_page(web: Running) -> None:
    assert "Postal address" not in page(web, "/")
    parts = replace(site(web.engine, web.clock), postal_address="PO Box 1, Springfield, IL 62701")
    with served(create_app(parts)) as address:
        other = replace(web, address=address)
        for path in ("/", "/zip/46320", "/privacy"):
            assert "Postal address: PO Box 1, Springfield, IL 62701" in page(other, path)
        assert "Dirección postal: PO Box 1" in page(other, "/?lang=es", **{"Accept-Language": "es"})


@pytest.mark.parametrize(
    "path",
    ["/", "/zip/46320", "/zip/46320+46324", "/town/IN-Hammond", "/state/IN", "/map/IN", "/changes", "/api"],
)
def test_a_link_within_a_page_leads_to_one_of_its_elements(web: Running, path: str) -> None:
    answer = web.get(path)
    assert answer.status_code == 200
    ids = re.findall(r'\sid="([^"]*)"', answer.text)
    assert len(ids) == len(set(ids))
    links = re.findall(r'href="#([^"]*)"', answer.text)
    assert links, "each page has one to its content"
    assert set(links) <= set(ids)


def test_a_blind_list_is_said_to_be_blind_everywhere(web: Running) -> None:
    web.clock.now += timedelta(hours=30)
    for path in ("/", "/zip/46320", "/state/IN", "/changes"):
        said = page(web, path)
        assert "We cannot see this list right now." in said, path
        assert "Our last good check was on Mar 1, 2026, 8:00 pm CST (30 hours ago)" in said, path
    assert "Since Mar 1, 2026, 8:00 pm CST we have not seen this list." in page(web, "/changes")


def test_home_shows_the_latest_changes_and_the_count_as_picture_and_table(web: Running) -> None:
    answer = web.get("/").text
    said = words(answer)
    assert "Hammond Police Department (IN)" in said
    assert '<svg class="chart"' in answer
    assert "<title id=" in answer
    assert "Agencies on The camera list: 6 on Mar 1, 2026" in html.unescape(answer)
    assert "<th scope=" in answer
    assert "4 changes are not confirmed yet." in said


def test_home_with_its_style_sheet_and_icon_is_below_60_kilobytes(web: Running) -> None:
    home = web.get("/")
    linked = re.findall(r'(?:href|src)="(/static/[^"]+)"', home.text)
    assert linked
    assert len(home.content) + sum(len(web.get(path).content) for path in set(linked)) < 60_000


# --- places
# ------------------------------------------------------------------------------------------------------------


def test_a_zip_shows_who_covers_it_with_reasons(web: Running) -> None:
    said = page(web, "/zip/46320")
    assert "2 agencies that cover 46320 are on this list:" in said
    assert "Hammond Police Department This agency covers Hammond." in said
    assert "Lake County Sheriff's Office This agency covers Lake County." in said
    assert "One more serves all of Indiana:" in said
    assert "Indiana State Police" in said
    assert "1 listed agency of Indiana could not be placed more exactly" in said
    assert "Zyxwv Task Force" in said


def test_only_state_agencies_is_a_sentence_of_its_own(web: Running) -> None:
    said = page(web, "/zip/47901")  # Lafayette, Indiana
    assert "Only state agencies cover 47901. No local one was listed at 8:00 pm CST." in said


def test_not_listed_is_a_sentence_of_its_own_with_the_time(web: Running) -> None:
    assert "No agency that covers 90210 was listed at 8:00 pm CST." in page(web, "/zip/90210")


def test_not_listed_while_blind_does_not_claim_a_present(web: Running) -> None:
    web.clock.now += timedelta(days=3)
    said = page(web, "/zip/90210")
    assert "We cannot see this list right now." in said
    assert "No agency that covers 90210 was listed then." in said
    assert "2 agencies that cover 46320 were on this list then:" in page(web, "/zip/46320")
    assert "5 agencies of Indiana were listed then." in page(web, "/state/IN")


def test_several_zips_say_which_of_them_an_agency_covers(web: Running) -> None:
    said = page(web, "/zip/46320+47901")
    assert "Of these ZIP codes: 46320." in said


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("/zip/46320-1234", "/zip/46320"),
        ("/zip/46323+46320+46323", "/zip/46320+46323"),
        ("/state/indiana", "/state/IN"),
        ("/state/us", "/changes"),
    ],
)
def test_every_place_has_one_address(web: Running, asked: str, given: str) -> None:
    answer = web.get(asked)
    assert (answer.status_code, answer.headers["location"]) == (301, given)


@pytest.mark.parametrize(
    "path",
    [
        "/zip/4632",
        "/zip/463201",
        "/zip/abcde",
        "/zip/" + "+".join(["60601"] * 251),
        "/zip/\uff14\uff16\uff13\uff12\uff10",
        "/state/XX",
        "/state/Indianna",
        "/changes/0",
        "/changes/999",
        "/changes/-1",
        "/changes/1e3",
        "/changes/99999999999999999999",
        "/agency/list/x",
        "/agency/none/x",
        "/changes/1?page=2",
        "/nowhere",
    ],
)
def test_what_is_not_there_is_a_page_with_the_field(web: Running, path: str) -> None:
    answer = web.get(path)
    assert answer.status_code == 404
    assert 'action="/find"' in answer.text


def test_an_unknown_and_a_military_zip_say_what_they_are(web: Running) -> None:
    assert "99999 is not a ZIP code that we know. By its first digits it is in Alaska" in page(
        web, "/zip/99999"
    )
    assert "00000 is not a ZIP code that we know, and its first digits belong to no state." in page(
        web, "/zip/00000"
    )
    nowhere = web.get("/zip/00000").text
    assert "No agency that covers 00000" not in words(nowhere)
    assert 'action="/subscribe"' not in nowhere
    assert 'action="/find"' in nowhere
    assert "APO AE 09012 09012 is a military or diplomatic post office" in page(web, "/zip/09012")
    assert "00000 is not a ZIP code that we know" in page(web, "/zip/00000+60601")


def test_fields_of_the_api_are_set_apart_and_not_quoted_as_in_a_program(web: Running) -> None:
    answer = web.get("/api").text
    assert "`" not in answer
    assert "<code>attributes_text</code> of agencies, versions and changes" in answer


def test_a_state_lists_its_agencies_by_what_they_serve(web: Running) -> None:
    said = page(web, "/state/IN")
    assert "5 agencies of Indiana are listed." in said
    assert "The list names it. Listing alone gives no access." in said
    assert said.index("For the whole state") < said.index("Indiana State Police") < said.index("Local")
    assert said.index("Could not be placed more exactly") < said.index("Zyxwv Task Force")


def test_a_place_shows_what_changed_there(web: Running) -> None:
    said = page(web, "/zip/46402")  # Gary
    news = said[said.index("What changed here") :]
    assert "added Gary Police Department, Indiana" in news
    assert "Not there at our check Mar 1, 2026, 7:00 am CST; there at 8:00 am." in news
    assert "Springfield" not in news


# --- agencies
# ------------------------------------------------------------------------------------------------------------


def agency(web: Running, name: str, start: str = "/state/IN") -> str:
    found = re.search(rf'href="(/agency/[^"]+)">{re.escape(name)}<', web.get(start).text)
    assert found, name
    return found[1]


def test_an_agency_has_a_history_with_intervals_and_its_places(web: Running) -> None:
    path = agency(web, "Hammond Police Department")
    said = page(web, path)
    assert "Listed at our last good check, Mar 1, 2026, 8:00 pm CST." in said
    assert "At our first check of this list, Mar 1, 2026, 7:00 am CST; it was there before" in said
    assert "Camera Co's own date Jan 5, 2026" in said
    assert "This agency covers Hammond." in said
    assert "46320" in said
    assert "The list names it. Listing alone gives no access." in said
    assert "Type: was “Jail”, now “Task force”." in said
    assert "Unchanged at our check Mar 1, 2026, 11:00 am CST; changed at 12:00 pm." in said


def test_an_agency_that_is_gone_says_so_and_keeps_its_page(web: Running) -> None:
    path = agency(web, "Springfield Police Department", "/changes/2")
    said = page(web, path)
    assert "No longer listed." in said
    assert "There at our check Mar 1, 2026, 8:00 am CST; not there at 9:00 am." in said


def test_an_agency_keeps_its_address_through_a_rename(web: Running) -> None:
    path = agency(web, "Chicago Police Dept and Bureau", "/state/IL")
    assert "chicago-police-department" in path
    assert "is now listed as Chicago Police Dept and Bureau" in page(web, path)


def test_an_agency_is_found_by_its_mark_whatever_words_stand_before_it(web: Running) -> None:
    path = agency(web, "Hammond Police Department")
    answer = web.get(re.sub(r"/[^/]*-(\w+)$", r"/anything-\1", path))
    assert (answer.status_code, answer.headers["location"]) == (301, path)


# --- changes
# ------------------------------------------------------------------------------------------------------------


def test_the_timeline_tells_changes_holds_withdrawals_and_gaps(web: Running) -> None:
    said = page(web, "/changes")
    assert (
        "Not confirmed: 4 agencies appeared at once, Akron Police Department, OH, among them, between Mar "
        "1, 2026, 12:00 pm CST and "
        "Mar 1, 2026, 1:00 pm CST. That may be a publisher's error; nobody was alerted. We check hourly. "
        "What still stands on "
        "Mar 2, 2026, 1:00 pm CST is announced with these times, unless a person decides sooner. What "
        "disappears stays here, marked "
        "withdrawn." in said
    )
    assert "Withdrawn: 2 agencies appeared at once" in said
    assert "They were gone again at our check on Mar 1, 2026, 2:00 pm CST; nobody was alerted." in said
    assert (
        "Between Mar 1, 2026, 2:00 pm CST and Mar 1, 2026, 8:00 pm CST we did not see this list. 5 checks "
        "failed." in said
    )
    assert "1 agency added Gary Police Department (IN)" in said
    assert "1 agency no longer listed Springfield Police Department (IL)" in said


def test_a_place_names_what_is_held_and_would_concern_it(web: Running) -> None:
    for zip_code, town, other in (("44308", "Akron", "Canton"), ("44702", "Canton", "Akron")):
        said = page(web, f"/zip/{zip_code}")
        assert (
            f"Not confirmed: 4 agencies appeared at once, {town} Police Department, OH, among them, between"
            in said
        )
        assert "That may be a publisher's error; nobody was alerted." in said
        assert other not in said
    assert "Canton Police Department" in page(web, "/zip/44308+44702")
    state = page(web, "/state/OH")
    assert "Not confirmed: 4 agencies appeared at once" in state
    assert "Show the 4 that concern this place" in state
    for path in ("/zip/46320", "/state/IN", "/zip/43215"):
        assert "Not confirmed" not in page(web, path)


def test_a_permalink_says_what_when_whose_date_what_it_means_where_and_what_next(web: Running) -> None:
    said = page(web, "/changes/1")
    assert "Gary Police Department (IN) added to The camera list" in said
    assert "Not there at our check Mar 1, 2026, 7:00 am CST; there at 8:00 am." in said
    assert "Camera Co's own date for it: Feb 28, 2026 (not checked by us)." in said
    assert "This agency covers Gary." in said
    assert "46402" in said
    assert (
        "The list names it. Listing alone gives no access. Text reviewed Feb 1, 2026. Source: The "
        "publisher's page." in said
    )
    assert "What you can do Ask the sheriff or the chief why the agency is on this list, and who" in said
    assert "agreement" not in said
    assert "Request the records under your state's public records law." in said
    assert "joined" not in said
    assert "left" not in said.replace("left-hand", "")


def test_on_paper_a_page_says_where_it_is(web: Running) -> None:
    assert '<p class="paper">https://watch.example/changes/1</p>' in web.get("/changes/1?lang=en").text
    assert '<p class="paper">' not in web.get("/nowhere").text


def test_a_removal_says_that_it_does_not_say_why(web: Running) -> None:
    assert "That an agency is no longer listed does not say why." in page(web, "/changes/2")


def test_the_meaning_is_the_one_of_that_time(web: Running) -> None:
    said = page(web, "/about")
    assert said.index("Since Jan 1, 2026: The list names it.") < said.index(
        "Since Jan 1, 2019: It was a partnership."
    )
    assert "They ended." in said  # no text of ours is cut like one from outside


# --- languages
# ------------------------------------------------------------------------------------------------------------


def test_spanish_by_link_is_remembered_by_a_cookie_and_by_nothing_else(web: Running) -> None:
    answer = web.get("/zip/46320?lang=es")
    cookie = answer.headers["set-cookie"]
    assert re.fullmatch(r"lang=es; HttpOnly; Max-Age=31536000; Path=/; SameSite=lax; Secure", cookie)
    assert '<html lang="es">' in answer.text
    assert '<html lang="es">' in web.get("/changes", cookie="lang=es").text
    assert web.get("/state/indiana?lang=es").headers["set-cookie"].startswith("lang=es;")
    assert "set-cookie" not in web.get("/changes").headers


def test_spanish_by_the_browser_and_english_for_any_other(web: Running) -> None:
    assert '<html lang="es">' in web.get("/", **{"accept-language": "es-MX,es;q=0.9,en;q=0.5"}).text
    assert '<html lang="en">' in web.get("/", **{"accept-language": "fr"}).text
    assert "2 agencias que cubren 46320 están en esta lista:" in page(web, "/zip/46320?lang=es")
    assert "Esta agencia cubre el condado de Lake." in page(web, "/zip/46320?lang=es")
    assert "La lista la nombra." in page(web, "/changes/1?lang=es")


def test_a_publication_that_is_not_believed_is_said_with_until_when(sqlite_engine: Engine) -> None:
    rows = [{**HAMMOND, "Agency": f"{HAMMOND['Agency']} {chr(97 + n) * 6}"} for n in range(20)]
    with Server() as server, Fetcher(attempts=1) as fetcher:
        publisher = Publisher(server, sqlite_engine, fetcher)
        publisher.says(rows)
        publisher.says(rows[:10])
        clock = Clock(publisher.now + timedelta(minutes=7))
    with served(create_app(site(sqlite_engine, clock))) as address:
        english = words(httpx.get(address + "/", timeout=PATIENCE).text)
        spanish = words(httpx.get(address + "/?lang=es", timeout=PATIENCE).text)
    assert "may be an error: cut off, an old copy or another list." in english
    assert re.search(r"If it is still so on Mar \d, 2026, \d+:00 [ap]m CST, we judge its changes", english)
    assert "puede ser un error: estar cortado, ser una copia vieja o ser otra lista." in spanish


def test_a_county_is_called_by_its_spanish_name_wherever_it_stands(web: Running) -> None:
    for path in ("/zip/46320", "/county/18089", "/state/IN", "/map/IN"):
        spanish = words(web.get(f"{path}?lang=es").text)
        assert re.search(r"[Cc]ondado de Lake\b", spanish), path
        assert not re.search(r"\w County\b(?! Sheriff)", spanish), path
    assert "Lake County" in words(web.get("/map/IN").text)
