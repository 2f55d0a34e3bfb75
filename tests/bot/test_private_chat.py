"""A person and the bot in a private chat."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from monitor import subscribers
from monitor.domain import SourceInfo
from monitor.places.followed_areas import load_area
from monitor.subscribers import Tombstones
from tests.bot.world import ICE, RING, World

ILLINOIS = {("ring", "IL", None), ("ice-287g", "IL", None)}
CHICAGO = {("ring", "60601", "IL"), ("ice-287g", "60601", "IL")}


def test_whoever_watches_is_active_at_once_and_hears_of_every_list_there_is(both: World) -> None:
    answer = both.ask("/watch 60601")
    assert answer.chat == "7"
    assert answer.text.startswith("Watching <b>60601 (Chicago, IL)</b>.")
    assert RING in answer.text
    assert ICE in answer.text
    assert answer.parse_mode == "HTML"
    assert answer.preview_off
    assert both.follows() == CHICAGO
    (listed,) = subscribers.load_subscribers(both.engine, both.keys)
    assert (listed.state, listed.origin, listed.language) == ("active", "bot", "en")


def test_a_deep_link_of_the_site_watches_its_zip(world: World) -> None:
    assert "<b>60601 (Chicago, IL)</b>" in world.ask("/start 60601").text
    assert "<b>IL (Illinois), 46320 (Hammond, IN)</b>" in world.ask("/start IL_46320").text
    assert world.follows() == CHICAGO | ILLINOIS | {("ring", "46320", "IN"), ("ice-287g", "46320", "IN")}


@pytest.mark.parametrize(
    "payload", ["stop", "lists_off_ring", "-1001234", "welcome", "A" * 64, "__", "60601_stop", "watch_60601"]
)
def test_a_deep_link_does_nothing_but_watch(world: World, payload: str) -> None:
    world.ask("/watch IL")
    world.ask(f"/start {payload}")
    assert world.follows() == ILLINOIS


@pytest.mark.parametrize(
    "text", ["/start", "/start hello", "hello", "hi", "OK", "/unknown", "thanks!", "everything"]
)
def test_nobody_subscribes_by_greeting(world: World, text: str) -> None:
    world.ask(text)
    assert world.follows() == set()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("60601", "60601"),
        (" 60601-1234 ", "60601"),
        ("/WATCH il", "IL"),
        ("/watch New York", "NY"),
        ("Illinois", "IL"),
        ("I live in 60601, thanks", "60601"),
        ("1600 Main St, Chicago, IL 60601-1234", "60601"),
    ],
)
def test_a_place_is_read_as_people_write_it(world: World, text: str, place: str) -> None:
    world.ask(text)
    assert {follow[1] for follow in world.follows()} == {place}


@pytest.mark.parametrize(
    ("text", "begins", "left"),
    [
        ("stop 60601", "This chat watches:", {"IN"}),
        ("unsubscribe IN.", "This chat watches:", {"60601"}),
        ("STOP", "Stopped:", set()),
        ("Cancelar", "Stopped:", set()),
        ("list", "This chat watches:", {"60601", "IN"}),
        ("watch 46320", "Watching", {"60601", "IN", "46320"}),
        ("unsubscribe me", "/watch:", {"60601", "IN"}),
        ("end of the world", "/watch:", {"60601", "IN"}),
        ("/watch46320", "I do not know", {"60601", "IN"}),
        ("/", "I do not know", {"60601", "IN"}),
    ],
)
def test_a_command_is_understood_without_its_slash_and_nothing_else_is_taken_for_one(
    world: World, text: str, begins: str, left: set[str]
) -> None:
    world.ask("/watch 60601 IN")
    assert world.ask(text).text.replace("<b>", "").startswith(begins)
    assert {follow[1] for follow in world.follows()} == left


def test_several_places_are_one_command(world: World) -> None:
    world.ask("/watch 60601, IN US")
    assert {follow[1] for follow in world.follows()} == {"60601", "IN", "US"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/watch", "Send a ZIP code or a state"),
        ("/watch 6060", "five digits"),
        ("/watch 606011", "five digits"),
        ("/watch Narnia, IN", "I found no such place"),
        ("/watch AE", "military region"),
        ("/watch 00000", "00000 is not a ZIP code"),
        ("/watch <b>60601</b>", "I found no such place"),
    ],
)
def test_what_is_no_place_is_told_with_what_to_write_instead(world: World, text: str, expected: str) -> None:
    answer = world.ask(text)
    assert expected in answer.text
    assert "Narnia" not in answer.text
    assert world.follows() == set()


@pytest.mark.parametrize(
    ("text", "expected", "buttons"),
    [
        ("Hammond, IN", "Choose a ZIP code of <b>Hammond, IN</b>:", 5),
        ("/watch hammond indiana", "Choose a ZIP code of <b>Hammond, IN</b>:", 5),
        ("/watch Indiana, PA", "Choose a ZIP code of <b>Indiana, PA</b>:", 3),
        ("/watch Detroit Police Department", "<b>Detroit, MI</b> has many ZIP codes. Send me yours", 1),
        ("/watch South Boston", "Choose a ZIP code of <b>South Boston (Boston), MA</b>:", 3),
        ("/watch Chicago, IL", "Send me yours, such as /watch 60601, or watch all of it:", 1),
        ("Detroit", "has many ZIP codes", 1),
        ("Harlem", "Choose a ZIP code of <b>Harlem (Manhattan), NY</b>:", 7),
    ],
)
def test_a_town_is_answered_with_its_zip_codes_and_watched_by_a_tap(
    world: World, text: str, expected: str, buttons: int
) -> None:
    answer = world.ask(text)
    assert expected in answer.text
    assert len(answer.buttons) == buttons
    assert world.follows() == set()
    assert answer.buttons[-1][0].startswith("All of ")
    zips = {words for words, _ in answer.buttons[:-1]}
    world.press(answer.buttons[-1][1])
    ((place, within),) = {follow[1:] for follow in world.follows()}
    area = load_area(place)
    assert area is not None
    assert (area.kind, within) == ("town", None)
    assert zips <= set(area.zips)


@pytest.mark.parametrize(
    ("text", "place", "named"),
    [
        ("/watch Cook County, IL", "county-17031", "Cook County, IL"),
        ("/watch condado de Cook", "county-17031", "Cook County, IL"),
        ("/watch 10 miles of 60601", "radius-60601-10", "10 miles around 60601"),
        ("within 25 miles of 60601", "radius-60601-25", "25 miles around 60601"),
        ("/watch county-17031", "county-17031", "Cook County, IL"),
        ("/start radius-60601-10", "radius-60601-10", "10 miles around 60601"),
    ],
)
def test_a_county_and_a_radius_are_watched_as_one_place_and_left_by_the_same_words(
    both: World, text: str, place: str, named: str
) -> None:
    answer = both.ask(text)
    assert answer.text.startswith(f"Watching <b>{named}</b>.")
    assert (f"Stop {named}", f"stop {place}") in answer.buttons
    assert {follow[1:] for follow in both.follows()} == {(place, None)}
    assert f"• {named}" in both.ask("/list").text
    both.ask("/watch IN")
    both.ask(text.replace("/watch", "/unwatch").replace("/start", "/stop").replace("within", "/stop within"))
    assert {follow[1] for follow in both.follows()} == {"IN"}


def test_a_town_is_left_by_its_name_however_it_was_watched(world: World) -> None:
    for place in ("46320", "town-IN-Hammond", "IL"):
        world.ask(f"/watch {place}")
    world.ask("/stop Hammond, IN")
    assert {follow[1] for follow in world.follows()} == {"IL"}
    assert "I found no such place" in world.ask("/stop Springfield").text
    assert {follow[1] for follow in world.follows()} == {"IL"}


@pytest.mark.parametrize(
    "text", ["hello", "thanks", "please", "hola", "good morning", "what is this?", ":-)"]
)
def test_small_talk_is_not_taken_for_a_town(world: World, text: str) -> None:
    assert world.ask(text).text.startswith("/watch:")


def test_a_command_that_does_not_exist_is_answered_with_those_that_do(world: World) -> None:
    answer = world.ask("/subscribe")
    assert answer.text.startswith("I do not know that command.")
    assert "/watch:" in answer.text


def test_a_town_in_several_states_is_asked_about_with_a_button_for_each(world: World) -> None:
    answer = world.ask("/watch Hammond")
    assert "Write it with its state: /watch Hammond, IN." in answer.text
    assert ("Hammond, IN", "watch Hammond, IN") in answer.buttons
    assert "Choose a ZIP code of <b>Hammond, IN</b>:" in world.press("watch Hammond, IN").text


def test_what_is_a_state_and_a_city_is_asked_about(world: World) -> None:
    answer = world.ask("/watch LA")
    assert [words for words, _ in answer.buttons] == ["Los Angeles, CA", "Louisiana"]
    assert world.follows() == set()
    world.press("watch Louisiana")
    assert {follow[1] for follow in world.follows()} == {"LA"}


def test_a_misspelled_town_is_answered_with_those_that_are_near(world: World) -> None:
    answer = world.ask("/watch Detriot")
    assert "Did you mean one of these?" in answer.text
    assert answer.buttons[0] == ("Detroit, MI", "watch Detroit, MI")
    assert world.follows() == set()


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("09001", "military or diplomatic post office"),
        ("60699", "no area of its own"),
        ("60600", "not a ZIP code that we know"),
    ],
)
def test_a_zip_that_few_agencies_can_match_is_watched_with_a_notice(
    world: World, place: str, expected: str
) -> None:
    assert expected in world.ask(f"/watch {place}").text
    assert {follow[1] for follow in world.follows()} == {place}


def test_the_same_command_twice_changes_nothing(both: World) -> None:
    both.ask("/watch 60601")
    assert "is already watched" in both.ask("/watch 60601").text
    assert both.follows() == CHICAGO


def test_a_list_that_was_left_out_stays_out_when_a_place_is_added(both: World) -> None:
    both.ask("/watch 60601")
    both.press("lists off ice-287g")
    answer = both.ask("/watch IN")
    assert ICE not in answer.text
    assert both.follows() == {("ring", "60601", "IL"), ("ring", "IN", None)}


def test_lists_are_chosen_by_buttons_that_say_what_they_do(both: World) -> None:
    both.ask("/watch 60601")
    answer = both.ask("/lists")
    assert answer.buttons == ((f"✓ {RING}", "lists off ring"), (f"✓ {ICE}", "lists off ice-287g"))
    answer = both.press("lists off ring", bears=4)
    assert answer.edits == 4
    assert answer.buttons == ((f"+ {RING}", "lists on ring"), (f"✓ {ICE}", "lists off ice-287g"))
    assert both.follows() == {("ice-287g", "60601", "IL")}
    both.press("lists on ring")
    assert both.follows() == CHICAGO
    assert all(notice.text == "" for notice in both.api.notices)


def test_a_button_pressed_twice_does_what_it_did_once(world: World) -> None:
    world.ask("/watch 60601")
    for _ in range(2):
        world.press("lists off ring")
    assert world.follows() == {("ice-287g", "60601", "IL")}


def test_the_last_list_cannot_be_left_out(world: World) -> None:
    world.ask("/watch 60601")
    world.press("lists off ring")
    notice = world.refused("lists off ice-287g")
    assert notice.alert
    assert notice.text == "At least one list must stay. /stop stops everything."
    assert world.follows() == {("ice-287g", "60601", "IL")}


def test_what_is_watched_is_listed_with_a_button_to_end_each_place(both: World) -> None:
    both.ask("/watch 60601 IN")
    answer = both.ask("/list")
    assert "60601 (Chicago, IL)" in answer.text
    assert "IN (Indiana)" in answer.text
    assert answer.buttons == (("Stop 60601", "stop 60601"), ("Stop IN", "stop IN"), ("Choose lists", "lists"))
    answer = both.press("stop IN")
    assert "Indiana" not in answer.text
    assert both.follows() == CHICAGO


@pytest.mark.parametrize("last", ["/stop", "/stop 60601"])
def test_stopping_erases_the_chat_and_says_so_outside_the_database(
    both: World, last: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    both.ask("/watch 60601")
    assert "we have erased this chat" in both.ask(last).text
    assert subscribers.load_subscribers(both.engine, both.keys) == ()
    assert ("telegram", both.keys.first_lookup("telegram", "7")) in Tombstones(both.context.folder).read()
    assert "Nothing is watched yet" in both.ask("/stop").text
    both.ask("/watch 60601")
    assert both.follows() == CHICAGO


def test_a_list_that_came_later_is_named_and_never_added(still: World) -> None:
    ring = {"ring": still.context.watched["ring"]}
    still.context = replace(still.context, watched=ring)
    with still.running():
        still.ask("/watch 60601")
    later = SourceInfo(name="later", titles={"en": "A later list"}, every=timedelta(hours=1))
    still.context = replace(still.context, watched=ring | {"later": later})
    with still.running():
        assert "Left out: A later list." in still.ask("/list").text
        still.ask("/watch IN")
    assert still.follows() == {("ring", "60601", "IL"), ("ring", "IN", None)}


def test_as_many_places_as_fit_into_a_message_are_read(world: World) -> None:
    zips = [f"606{n:02}" for n in range(1, 51)]
    world.ask("/watch " + " ".join(f"{zip}-1234" for zip in zips))
    assert {follow[1] for follow in world.follows()} == set(zips)
    assert "At most 50 places" in world.ask("/watch " + " ".join(f"{n}" for n in range(46300, 46400))).text


def test_too_many_places_are_refused(world: World) -> None:
    world.ask("/watch " + " ".join(f"606{n:02}" for n in range(1, 41)))
    before = world.follows()
    assert "At most 50 places" in world.ask("/watch " + " ".join(f"463{n:02}" for n in range(1, 21))).text
    assert world.follows() == before


def test_answers_are_in_the_language_that_the_chat_chose_and_before_that_in_that_of_who_asks(
    both: World,
) -> None:
    assert "Aún no se sigue ningún lugar" in both.ask("/list", language="es").text
    assert both.ask("/watch 60601", language="es").text.startswith(
        "Listo: este chat sigue <b>60601 (Chicago, IL)</b>."
    )
    (listed,) = subscribers.load_subscribers(both.engine, both.keys)
    assert listed.language == "es"
    assert both.ask("/list", language="fr").text.startswith("Este chat sigue:")
    both.press("language en", language="es")
    assert both.ask("/list", language="es").text.startswith("This chat watches:")


def test_the_language_of_messages_is_chosen_by_whoever_wants_another(both: World) -> None:
    assert "Nothing is watched yet" in both.ask("/language").text
    both.ask("/watch 60601")
    answer = both.ask("/language")
    assert answer.buttons == (("✓ English", "language en"), ("+ Español", "language es"))
    assert "Idioma de los mensajes: Español." in both.press("language es").text
    (listed,) = subscribers.load_subscribers(both.engine, both.keys)
    assert listed.language == "es"
    both.ask("/watch IN")
    assert subscribers.load_subscribers(both.engine, both.keys)[0].language == "es", "what was chosen stays"


def test_a_place_that_is_not_watched_cannot_be_stopped_and_that_is_said(world: World) -> None:
    world.ask("/watch 60601")
    text = world.ask("/stop IN").text
    assert text.startswith("<b>IN (Indiana)</b> was not watched.")
    assert "60601" in text


def test_help_names_every_command_and_what_is_stored(world: World) -> None:
    text = world.ask("/help").text
    for command in ("/watch", "/list", "/lists", "/status", "/stop", "/help"):
        assert command in text
    assert "encrypted" in text


@pytest.mark.parametrize("text", ["/start", "/watch 60601"])
def test_starting_again_lifts_what_a_block_closed(both: World, text: str) -> None:
    both.suppress("Telegram: Forbidden: bot was blocked by the user")
    both.ask(text)
    assert both.suppression() is None


def test_what_an_operator_closed_stays_closed(both: World) -> None:
    both.suppress("asked by letter")
    both.ask("/start")
    assert "closed this chat" in both.ask("/watch 60601").text
    assert both.suppression() == "asked by letter"
    assert both.follows() == set()


def test_a_chat_of_the_configuration_is_not_changed_here(both: World) -> None:
    both.configured("7")
    for text in ("/watch 60601", "/stop", "/stop IL"):
        assert "The operator of this service set this chat up" in both.ask(text).text
    assert "IL (Illinois)" in both.ask("/list").text
    assert both.follows() == {("ring", "IL", None)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Queens", "<b>Queens, NY</b>"),
        ("Queens, NY", "<b>Queens, NY</b>"),
        ("Bronx", "<b>The Bronx, NY</b>"),
        ("Harlem", "<b>Harlem (Manhattan), NY</b>"),
        ("South Boston", "<b>South Boston (Boston), MA</b>"),
        ("SF", "<b>San Francisco, CA</b>"),
        ("Detroit Police Department", "<b>Detroit, MI</b>"),
        ("Detriot", "Did you mean one of these?"),
        ("Washington, D.C.", "<b>DC (District of Columbia)</b>"),
        ("The Bronx", "<b>The Bronx, NY</b>"),
        ("Manhattan", "<b>Manhattan, NY</b>"),
        ("Brooklyn", "<b>Brooklyn, NY</b>"),
        ("NYC", "<b>New York City, NY</b>"),
        ("Philly", "<b>Philadelphia, PA</b>"),
        ("LA", "Which place do you mean?"),
        ("Xyzzy and Hammond, IN", "I found no place called Xyzzy. The others:"),
        ("Cook County", "<b>Cook County, IL</b>"),
        ("Harris County, TX", "<b>Harris County, TX</b>"),
        ("Miami-Dade", "<b>Miami-Dade County, FL</b>"),
        ("Orange County", "There is a town of that name in"),
        ("LAPD", "<b>Los Angeles, CA</b>"),
        ("Chicgo", "Did you mean one of these?"),
        ("Saint Paul MN", "<b>Saint Paul, MN</b>"),
        ("St. Louis", "<b>St. Louis, MO</b>"),
        ("Springfield", "There is a town of that name in"),
        ("100 Main St", "Add the town and the state to the address"),
        ("1600 Main St, Springfield, IL 62701", "Watching <b>62701"),
        ("6032", "five digits"),
        ("90210-1234", "Watching <b>90210"),
        ("00901", "Watching <b>00901"),
        ("condado de Cook", "<b>Cook County, IL</b>"),
        ("Nueva York", "Which place do you mean?"),
    ],
)
@pytest.mark.parametrize("command", ["/watch ", ""])
def test_the_bot_takes_every_word_that_the_site_takes(
    world: World, command: str, text: str, says: str
) -> None:
    assert says in world.ask(command + text).text


def test_a_town_that_is_not_watched_is_called_by_its_name(world: World) -> None:
    world.ask("/watch 60601")
    text = world.ask("/unwatch Springfield, IL").text
    assert text.startswith("<b>Springfield, IL</b> was not watched.")
    world.ask("/language es")
    world.ask("/watch Cook County, IL")
    assert "• Condado de Cook, IL" in world.ask("/list").text


def test_offices_regions_and_slips_are_answered_with_places(world: World) -> None:
    assert "Watching <b>TX (Texas)</b>" in world.ask("/watch Texas Rangers").text
    assert "Southern California, CA" in world.ask("/watch SoCal").text
    assert {place for _, place, _ in world.follows()} == {"TX", "town-CA-Southern-California"}
    nation = world.ask("/watch Navajo Nation")
    assert "Navajo Nation, AZ" in str(nation.buttons)
    assert "Pennsylvania" in str(world.ask("/watch Pensylvania").buttons)
    assert "Add where the agency is" in world.ask("/watch state police").text
