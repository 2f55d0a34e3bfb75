"""The one field: what it finds, and that nothing of what was typed stays anywhere."""

from __future__ import annotations

import logging
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.messages.locale import translations
from monitor.places import load
from monitor.places.finder import PROBLEMS, find
from monitor.states import STATES
from monitor.web.home import residential_zips
from tests.web.conftest import Running
from tests.web.test_pages import words


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("60601", "60601"),
        (" 60601-1234 ", "60601"),
        ("1600 Main St, Springfield, IL 62701", "62701"),
        ("1600 Pennsylvania Ave NW, Washington, DC 20500, USA", "20500"),
        ("90210 Beverly Hills", "90210"),
        ("Chicago IL 60601-1234.", "60601"),
        ("APO AE 09012", "09012"),
        ("60601\0", "60601"),
    ],
)
def test_a_zip_is_found_wherever_it_stands(text: str, code: str) -> None:
    assert find(text, load()).zips == (code,)


@pytest.mark.parametrize(
    ("text", "name", "state"),
    [
        ("Hammond, IN", "Hammond", "IN"),
        ("hammond indiana", "Hammond", "IN"),
        ("12345 Main St, Springfield, IL", "Springfield", "IL"),
        ("10 Oak Ave Saint Louis MO", "St. Louis", "MO"),
        ("1 Main St, Apt 4, Hammond IN", "Hammond", "IN"),
        ("Winston Salem, NC", "Winston-Salem", "NC"),
        ("Washington DC", "Washington", "DC"),
        ("St. Louis", "St. Louis", "MO"),
        ("100 Main St, Saint Louis", "St. Louis", "MO"),
        ("Port Washington", "Port Washington", "NY"),
        ("Añasco, Puerto Rico", "Añasco", "PR"),
        ("Filadelfia, Pensilvania", "Philadelphia", "PA"),
    ],
)
def test_a_town_is_found_and_a_house_number_is_no_zip(text: str, name: str, state: str) -> None:
    found = find(text, load())
    assert not found.zips
    assert (found.towns[0].name, found.towns[0].state) == (name, state)


def test_a_name_in_several_states_is_offered_for_each_largest_first() -> None:
    found = find("Springfield", load())
    assert [town.state for town in found.towns[:3]] == ["MO", "MA", "IL"]
    assert len({(town.state, town.zips) for town in found.towns}) == len(found.towns)


def test_a_state_that_is_also_a_town_is_offered_as_both() -> None:
    found = find("New York", load())
    assert found.states == ("NY",)
    assert [(town.name, town.state) for town in found.towns] == [("New York", "NY")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [("", "empty"), ("  ", "empty"), ("1234", "digits"), ("606011", "digits"), ("Qwxzt", "nothing")],
)
def test_what_cannot_be_found_says_why(text: str, problem: str) -> None:
    assert find(text, load()).problem == problem


def test_the_site_says_the_reasons_of_the_command_in_the_language_of_its_reader(web: Running) -> None:
    typed = {
        "empty": "", "digits": "1234", "unknown_zip": "00000", "no_town": "100 Main St",
        "radius": "5 miles of 60601", "which_agency": "police", "which_town": "near me",
        "nothing": "Qwxzt",
    }  # fmt: skip
    assert typed.keys() == PROBLEMS.keys()
    for problem, text in typed.items():
        assert find(text, load()).problem == problem
        assert PROBLEMS[problem] in words(web.find(text).text)
        said = translations("es").gettext(PROBLEMS[problem])
        assert said != PROBLEMS[problem]
        assert said in words(web.find(text, **{"Accept-Language": "es"}).text)


def test_a_misspelled_town_is_offered_as_it_is_spelled(web: Running) -> None:
    answer = web.find("Detriot")
    assert "Did you mean one of these?" in answer.text
    assert "Detroit, Michigan" in answer.text


def test_the_only_suggestion_for_an_unknown_name_is_offered_too(web: Running) -> None:
    """It led to the page of Jackson, which did not say that Camp Jackson is unknown."""
    answer = web.find("Camp Jackson, SC")
    assert answer.status_code == 200
    assert "Did you mean one of these?" in answer.text
    assert "Jackson, South Carolina" in answer.text


def test_an_address_without_a_town_asks_for_it(web: Running) -> None:
    answer = web.find("100 Main St")
    assert answer.status_code == 422
    assert "Add the town and the state to the address" in answer.text


def test_a_county_is_one_tap_for_all_of_it(web: Running) -> None:
    assert web.find("Harris County, TX").headers["location"] == "/county/48201"
    assert "<h1>Harris County, TX</h1>" in web.get("/county/48201").text


def test_a_radius_leads_to_its_page(web: Running) -> None:
    assert web.find("within 10 miles of 60601").headers["location"] == "/radius/60601-10"
    answer = web.find("5 miles of 60601")
    assert answer.status_code == 422
    assert "10 or 25 miles" in answer.text


@settings(max_examples=60)
@given(st.one_of(st.text(max_size=300), st.from_regex(r"[0-9 ,A-Za-z#-]{0,60}", fullmatch=True)))
def test_whatever_is_typed_there_is_one_answer(text: str) -> None:
    found = find(text, load())
    assert sum(map(bool, (found.zips, found.country, found.problem, found.towns or found.states))) == 1
    assert all(code.isdigit() and len(code) == 5 for code in found.zips)
    assert set(found.states) <= set(STATES)


def test_a_zip_leads_to_its_page(web: Running) -> None:
    answer = web.find("1600 Main St, Springfield, IL 62701")
    assert (answer.status_code, answer.headers["location"]) == (303, "/zip/62701")
    assert answer.headers["cache-control"] == "no-store"


def test_a_state_leads_to_its_page(web: Running) -> None:
    assert web.find("Illinois").headers["location"] == "/state/IL"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("60602, 60601-1234", "/zip/60601+60602"),
        ("60601 and 60602", "/zip/60601+60602"),
        ("ten miles of 60601", "/radius/60601-10"),
        ("municipio de Ponce, PR", "/county/72113"),
        ("USA", "/changes"),
        ("Nueva York 10001", "/zip/10001"),
        ("Nuevo México", "/state/NM"),
    ],
)
def test_several_zips_the_country_and_spanish_names_lead_somewhere(
    web: Running, text: str, path: str
) -> None:
    assert web.find(text).headers["location"] == path


def test_several_towns_are_each_one_tap(web: Running) -> None:
    page = web.find("Hammond and Gary, IN").text
    assert 'href="/town/IN-Hammond"' in page
    assert 'href="/town/IN-Gary"' in page
    assert "Hammond, Indiana" in page


def test_a_radius_around_a_town_is_offered_in_the_language_of_the_reader(web: Running) -> None:
    page = web.find("25 millas alrededor de Chicago").text
    assert 'href="/radius/60607-25"' in page
    assert "25 miles around 60607 (Chicago, IL)" in page
    page = web.find("25 millas alrededor de Chicago", **{"Accept-Language": "es"}).text
    assert page.count("25 millas alrededor de 60607 (Chicago, IL)") == 2
    assert "miles" not in page


def test_every_zip_of_the_largest_city_is_offered() -> None:
    (city, *_) = find("New York City", load()).towns
    assert {"10001", "11692"} <= set(residential_zips(city, load()))


def test_a_town_of_one_zip_leads_to_its_page(web: Running) -> None:
    assert web.find("Lafayette, CA").headers["location"] == "/zip/94549"


def test_a_town_of_several_zips_is_one_tap_for_all_of_them(web: Running) -> None:
    answer = web.find("Hammond, IN")
    assert 'href="/town/IN-Hammond">All of Hammond' in answer.text
    assert 'href="/zip/46323"' in answer.text


@pytest.mark.parametrize("text", ["Hammond police, IN", "hammond pd indiana", "City of Hammond Police, IN"])
def test_an_agency_that_a_list_has_is_found_by_its_name(web: Running, text: str) -> None:
    answer = web.find(text)
    assert answer.headers["location"].startswith("/agency/list/in-hammond-police-department-")
    assert web.get(answer.headers["location"]).status_code == 200


def test_a_listed_agency_stands_before_towns_that_may_be_meant(web: Running) -> None:
    said = web.find("Hammond police").text
    assert said.index('href="/agency/list/in-hammond-police-department-') < said.index("Louisiana")


def test_an_agency_that_no_list_has_is_answered_with_its_places(web: Running) -> None:
    answer = web.find("Detroit police")
    assert 'href="/town/MI-Detroit"' in answer.text
    assert "/agency/" not in answer.text


def test_a_chooser_counts_the_zips_as_the_page_that_it_leads_to(web: Running) -> None:
    count = len(find("Detroit", load()).places)
    assert f"It has {count} ZIP codes." in web.find("Detroit, MI").text
    assert f"Its {count} ZIP codes" in web.get("/town/MI-Detroit").text


def test_a_town_in_several_states_is_a_chooser(web: Running) -> None:
    answer = web.find("Springfield")
    assert "Springfield, Missouri" in answer.text
    assert "Springfield, Oregon" in answer.text


def test_a_wrong_text_comes_back_on_the_form_with_the_error_beside_it(web: Running) -> None:
    answer = web.find('1234" autofocus onfocus="x')
    assert answer.status_code == 422
    assert 'value="1234&#34; autofocus onfocus=&#34;x"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert 'id="q-error"' in answer.text
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("text", ["Xyzzy and Hammond, IN", "Xyzzy; Beverly Hills, CA", "Xyzzy; 46320"])
def test_a_part_that_is_no_place_is_said_above_the_others(web: Running, text: str) -> None:
    answer = web.ask("POST", "/find", data={"q": text})
    assert answer.status_code == 200
    assert "We found no place called “Xyzzy”." in words(answer.text)


def test_a_form_without_its_field_or_of_another_type_is_no_error_of_ours(web: Running) -> None:
    assert web.ask("POST", "/find").status_code == 422
    assert web.ask("POST", "/find", json={"q": "60601"}).status_code in {400, 422}
    assert web.ask("POST", "/find", files={"q": ("a.txt", b"60601")}).status_code in {400, 422}


def test_nothing_typed_is_in_a_log_an_address_or_a_header(
    web: Running, caplog: pytest.LogCaptureFixture
) -> None:
    canaries = [
        "742 Evergreen Terrace, Springfield, OR 97477",
        "9 Canary Row",
        "Zzyzx Canary, CA",
        "canary 1234",
    ]
    with caplog.at_level(logging.DEBUG):
        for text in canaries:
            answer = web.find(text)
            said = unquote(" ".join(f"{name}: {value}" for name, value in answer.headers.items())).lower()
            assert "canary" not in said
            assert "evergreen" not in said
            assert "742" not in answer.headers.get("location", "")
        web.ask(
            "POST",
            "/find",
            content=b"q=\xff\xfe canary%ZZ&q=canary",
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
    said = " ".join(
        record.getMessage() + str(record.exc_text)
        for record in caplog.records
        if record.name not in {"httpx", "httpcore"}
    )
    assert "anary" not in said
    assert "Evergreen" not in said
