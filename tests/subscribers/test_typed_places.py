"""What people type, into the form and into the preferences: both take every word that the first page takes,
keep what was typed, and ask where it means several places.
"""

from __future__ import annotations

import html
from datetime import timedelta

import pytest

from monitor.channels.kinds import lookup
from monitor.messages.place_names import name_place
from monitor.places import load
from monitor.places.followed_areas import load_area
from monitor.storage import people
from monitor.storage.engine import reading
from monitor.subscribers.signup import MOST_PLACES
from monitor.web.forms import write_places
from tests.subscribers.town import Town, link

MEANT = {
    "Queens": "Queens, NY",
    "Queens, NY": "Queens, NY",
    "The Bronx": "The Bronx, NY",
    "Bronx": "The Bronx, NY",
    "Manhattan": "Manhattan, NY",
    "Harlem": "Harlem (Manhattan), NY",
    "Brooklyn": "Brooklyn, NY",
    "South Boston": "South Boston (Boston), MA",
    "NYC": "New York City, NY",
    "SF": "San Francisco County, CA",
    "Philly": "Philadelphia County, PA",
    "Cook County": "Cook County, IL",
    "Harris County, TX": "Harris County, TX",
    "Miami-Dade": "Miami-Dade County, FL",
    "Detroit Police Department": "Detroit, MI",
    "LAPD": "Los Angeles, CA",
    "Washington, D.C.": "District of Columbia",
    "Saint Paul MN": "Saint Paul, MN",
    "St. Louis": "St. Louis, MO",
    "1600 Main St, Springfield, IL 62701": "62701",
    "90210-1234": "90210",
    "00901": "00901",
    "condado de Cook": "Cook County, IL",
    "10 miles of 60601": "10 miles around 60601",
    "within 25 miles of 60601": "25 miles around 60601",
    "Illinois": "Illinois",
}
"""The design's list, and places of kinds that came later: what each is called once it is followed."""

ASKED = {
    "LA": ("Los Angeles, CA", "Louisiana"),
    "Orange County": ("Orange County, CA", "Orange County, FL"),
    "Detriot": ("Detroit, MI",),
    "Chicgo": ("Chicago, IL",),
    "Springfield": ("Springfield, IL", "Springfield, MO"),
    "Nueva York": ("New York, NY",),
    "100 Main St": ("town",),
    "6032": ("five digits",),
}
"""What is asked about, and what the question holds."""


def followed(town: Town, address: str) -> list[str]:
    with reading(town.engine) as conn:
        one = people.find(conn, "email", lookup(town.keys, "email", address))
        assert one is not None
        return [name_place(follow.place, "en") for follow in people.load_follows(conn, one.id)]


@pytest.mark.parametrize("text", MEANT)
def test_the_form_takes_what_people_type(small_town: Town, text: str) -> None:
    assert small_town.sign_up(places=text).status_code in {200, 303}
    small_town.deliver()
    assert followed(small_town, "ann@example.org") == [MEANT[text]]


@pytest.mark.parametrize("text", ASKED)
def test_the_form_asks_and_keeps_what_was_typed(small_town: Town, text: str) -> None:
    answer = small_town.sign_up(address="ann@example.org", places=f"60601\n{text}")
    assert answer.status_code == 422
    said = html.unescape(answer.text)
    for part in ASKED[text]:
        assert part in said
    assert f"\n60601\n{text}</textarea>" in said
    assert 'value="ann@example.org"' in said


def test_the_preferences_take_what_people_type_and_say_whose_they_are(small_town: Town) -> None:
    small_town.member()
    path = link(small_town.mail(), "manage")
    form = {"lists": ["ring"], "frequency": "at_once", "language": "en"}
    for text, meant in MEANT.items():
        small_town.now += timedelta(minutes=1)
        saved = small_town.client.post(path, data=form | {"places": text})
        assert saved.status_code == 200, text
        assert followed(small_town, "ann@example.org") == [meant], text
        assert "Sent to a…@e….org." in saved.text
    before = followed(small_town, "ann@example.org")
    for text, parts in ASKED.items():
        asked = small_town.client.post(path, data=form | {"places": f"60601\n{text}"})
        assert asked.status_code == 422, text
        said = html.unescape(asked.text)
        assert all(part in said for part in parts), text
        assert f"\n60601\n{text}</textarea>" in said, text
        assert "Sent to a…@e….org." in said
    assert followed(small_town, "ann@example.org") == before


def test_as_many_places_as_can_be_followed_are_saved_again_with_their_names(small_town: Town) -> None:
    small_town.member()
    path = link(small_town.mail(), "manage")
    form = {"lists": ["ring"], "frequency": "at_once", "language": "en"}
    keys = [
        f"county-{county.fips}" for state in ("GA", "VA") for county in load().table.state(state).counties
    ]
    typed = write_places((key for key in keys if load_area(key)), "en")
    names = typed.split("\n")[:MOST_PLACES]
    assert len(names) == MOST_PLACES
    assert small_town.client.post(path, data=form | {"places": "\n".join(names)}).status_code == 200
    before = followed(small_town, "ann@example.org")
    assert len(before) == MOST_PLACES
    page = html.unescape(small_town.client.get(path).text)
    shown = page.partition('name="places"')[2].partition(">")[2].partition("</textarea>")[0].strip()
    small_town.now += timedelta(minutes=1)
    assert small_town.client.post(path, data=form | {"places": shown}).status_code == 200
    assert followed(small_town, "ann@example.org") == before
    more = small_town.client.post(path, data=form | {"places": shown + "\nDetroit, MI"})
    assert more.status_code == 422
    assert f"at most {MOST_PLACES} places" in more.text
    long = small_town.client.post(path, data=form | {"places": "60601\n" * 2_001})
    assert long.status_code == 422
    assert followed(small_town, "ann@example.org") == before
