"""The people's pages, from the form to the last mail, over a real mail server."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from monitor.fetch import Fetcher
from monitor.ops.health_facts import load_facts
from monitor.ops.health_report import report_status
from monitor.storage import database_facts, people
from monitor.storage import engine as db
from monitor.storage.deliveries import fanout, pauses, send_mark
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.people import signups
from monitor.storage.people.tables import RateWindowRow, SignupRow, SubscriberRow
from tests.peers.http import Server
from tests.subscribers.conftest import ANN, count, member, who
from tests.subscribers.town import PRESSED, Town, Visitor, link, links, text
from tests.web.story import CHICAGO, HAMMOND, STATE_POLICE, Publisher

Publish = Callable[..., int]
LEAVE = {"unsubscribe": "yes"}
"""What the button of the page behind a link for unsubscribing sends."""


def out(town: Town, publish: Publish, name: str) -> None:
    changeset = publish(name, town.now)
    with db.transaction(town.engine) as conn:
        fanout.mark_fanned_out(conn, changeset, town.now)
        fanout.insert_deliveries(conn, changeset, "ring", town.now)


def test_from_the_form_to_the_last_mail(town: Town, publish: Publish) -> None:
    answer = town.sign_up(places="60601, IL", lists=["ring", "ice-287g"])
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert ANN not in answer.text
    assert town.postbox.mails == []  # nothing is sent within the request

    town.deliver()
    [(address, asked)] = town.postbox.mails
    assert address == ANN
    assert "confirm" in asked["Subject"]
    page = town.client.get(link(asked, "confirm"))
    assert page.status_code == 200
    assert "Illinois" in page.text
    assert who(town.engine, town.keys).state == "pending"  # type: ignore[union-attr]
    assert "subscribed" in town.client.post(link(asked, "confirm"), data=PRESSED).text
    assert "already" in town.client.post(link(asked, "confirm"), data=PRESSED).text
    assert "already" in town.client.get(link(asked, "confirm")).text

    town.deliver()
    welcome = town.mail()
    assert "You asked for these alerts on Mar 1, 2026." in text(welcome)
    assert (
        "No agency listed" in text(welcome)
        or "cannot see" in text(welcome)
        or "not been able" in text(welcome)
    )

    out(town, publish, "Chicago Police Department")
    town.deliver()
    alert = town.mail()
    assert "Chicago Police Department" in alert["Subject"]
    assert "https://watch.example/change/1" in text(alert)
    assert "Change, pause or stop: https://watch.example/manage/" in text(alert)

    manage = link(alert, "manage")
    assert "\n60601, IL</textarea>" in town.client.get(manage).text
    saved = town.client.post(
        manage,
        data={"places": "46320", "lists": ["ring"], "frequency": "daily", "hour": "9", "language": "es"},
    )
    assert saved.status_code == 200
    assert "Saved" in saved.text or "Guardado" in saved.text

    one_click = next(
        each for each in re.findall(r"<([^>]+)>", alert["List-Unsubscribe"]) if each.startswith("https:")
    )
    assert alert["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    gone = town.client.post(one_click, data={"List-Unsubscribe": "One-Click"})
    assert (gone.status_code, gone.headers.get("set-cookie")) == (200, None)
    assert who(town.engine, town.keys) is None
    out(town, publish, "Another")
    before = len(town.postbox.mails)
    town.later(days=30)
    town.deliver()
    assert len(town.postbox.mails) == before
    assert "already" in town.client.get(one_click.removeprefix("https://watch.example")).text
    assert town.client.post(one_click, data={"List-Unsubscribe": "One-Click"}).status_code == 200


def test_the_old_link_of_somebody_who_came_back_does_not_say_that_they_left(small_town: Town) -> None:
    town = small_town
    town.member()
    old = link(town.mail(), "unsubscribe")
    town.client.post(old, data={"List-Unsubscribe": "One-Click"})
    town.later(hours=1)
    town.member()
    for page in (town.client.get(old), town.client.post(old), town.client.post(old, data=LEAVE)):
        assert page.status_code == 200
        assert "This subscription has ended already" in page.text
        assert "use the link in the newest email" in page.text
        assert "Nothing more is sent" not in page.text
    answer = town.client.post(old, data={"List-Unsubscribe": "One-Click"}).text
    assert "Unsubscribed" not in answer
    assert "ended already" in answer
    assert who(town.engine, town.keys) is not None
    assert town.client.post(link(town.mail(), "unsubscribe"), data=LEAVE).status_code == 200
    assert who(town.engine, town.keys) is None


def test_a_previewer_that_posts_nothing_unsubscribes_nobody(small_town: Town) -> None:
    town = small_town
    town.member()
    path = link(town.mail(), "unsubscribe")
    for body in ({}, {"again": ""}, {"url": "https://watch.example/"}):
        page = town.client.post(path, data=body)
        assert page.status_code == 200
        assert "Do you want to unsubscribe?" in page.text
        assert who(town.engine, town.keys) is not None
    assert 'name="unsubscribe" value="yes"' in page.text
    assert "You are unsubscribed" in town.client.post(path, data=LEAVE).text
    assert who(town.engine, town.keys) is None


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\nContent-Disposition: form-data; name="List-Unsubscribe"\n\nOne-Click\n--b--',
        ),
        ("multipart/form-data", b"List-Unsubscribe=One-Click"),
        ("text/plain", b"List-Unsubscribe=One-Click"),
    ],
)
def test_one_click_is_understood_however_a_program_writes_it(
    small_town: Town, kind: str, body: bytes
) -> None:
    town = small_town
    town.member()
    town.client.headers["Content-Type"] = kind
    gone = town.client.post(link(town.mail(), "unsubscribe"), content=body)
    assert (gone.status_code, gone.text) == (200, "Unsubscribed.\n")
    assert who(town.engine, town.keys) is None


def test_a_previewer_that_posts_nothing_confirms_nobody(small_town: Town) -> None:
    town = small_town
    town.sign_up()
    town.deliver()
    path = link(town.mail(), "confirm")
    for body in ({}, {"again": ""}, {"url": path}):
        page = town.client.post(path, data=body)
        assert page.status_code == 200
        assert "Do you want these alerts?" in page.text
        assert who(town.engine, town.keys).state == "pending"  # type: ignore[union-attr]
    assert 'name="confirm" value="yes"' in page.text
    assert "subscribed" in town.client.post(path, data=PRESSED).text
    assert who(town.engine, town.keys).state == "active"  # type: ignore[union-attr]


@pytest.mark.parametrize("behind", ["/", ".", ")", ">", ").", ",", "%3E", "./", "%20", "%E2%80%9D"])
def test_a_link_survives_what_stood_behind_it_in_a_sentence(small_town: Town, behind: str) -> None:
    town = small_town
    town.sign_up()
    town.deliver()
    confirm = link(town.mail(), "confirm")
    assert town.client.get(confirm + behind).status_code == 200
    assert "subscribed" in town.client.post(confirm + behind, data=PRESSED).text
    town.deliver()
    assert town.client.get(link(town.mail(), "manage") + behind).status_code == 200
    public = town.client.get("/zip/60601" + behind)
    assert (public.status_code, public.headers.get("location")) == (301, "/zip/60601")
    assert town.client.get("/nowhere" + behind).status_code == 301
    assert town.client.get("/nowhere").status_code == 404
    gone = town.client.post(link(town.mail(), "unsubscribe") + behind, data={"List-Unsubscribe": "One-Click"})
    assert (gone.status_code, gone.text) == (200, "Unsubscribed.\n")


def test_scanners_change_nothing(town: Town, publish: Publish) -> None:
    town.sign_up()
    town.deliver()
    town.member("bob@example.org")
    out(town, publish, "Chicago Police Department")
    town.deliver()
    assert len(town.postbox.mails) >= 4
    before = _everything(town)
    for _, mail in town.postbox.mails:
        for each in links(mail):
            if each.startswith("https://watch.example"):
                for method in ("GET", "HEAD"):
                    assert town.client.request(method, each).status_code in {200, 303, 404}
    assert _everything(town) == before


def _everything(town: Town) -> list[object]:
    with db.reading(town.engine) as conn:
        return [
            conn.execute(sa.select(table.__table__)).all()  # type: ignore[attr-defined]
            for table in (SubscriberRow, DeliveryRow, SignupRow)
        ]


@pytest.mark.parametrize("language", ["en", "es"])
def test_five_states_of_an_address_get_the_same_answer(small_town: Town, language: str) -> None:
    town = small_town
    town.client.headers["Accept-Language"] = language
    answers = []
    member(town.engine, town.keys, town.now, "active@example.org")
    with db.transaction(town.engine) as conn:
        people.suppress(conn, "email", town.keys.lookup("email", "gone@example.org"), "gone", town.now)
    member(town.engine, town.keys, town.now, "bad@example.org")
    with db.transaction(town.engine) as conn:
        people.update(conn, who(town.engine, town.keys, "bad@example.org").id, strikes=2)  # type: ignore[union-attr]
    from tests.subscribers.conftest import ask

    ask(town.engine, town.keys, town.now, "pending@example.org")
    stamp = town.stamp()
    for name in ("unknown", "pending", "active", "gone", "bad"):
        form = {"address": f"{name}@example.org", "places": "60601", "lists": ["ring"], "stamp": stamp}
        answer = town.client.post("/subscribe", data=form)
        own = ("date", "x-request-id")  # of each request
        headers = {name: value for name, value in answer.headers.items() if name not in own}
        answers.append((answer.status_code, answer.content, headers))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 200


def test_a_mistake_comes_back_beside_its_field_with_nothing_lost(small_town: Town) -> None:
    town = small_town
    answer = town.sign_up(
        "ann at example.org", places="60601, Narnia", lists=[], frequency="weekly", hour="18"
    )
    assert answer.status_code == 422
    for text_ in (
        'value="ann at example.org"',
        "60601, Narnia</textarea>",
        "“Narnia”",
        "address-error",
        "places-error",
        "lists-error",
    ):
        assert text_ in answer.text
    assert re.search(r'value="weekly" checked', answer.text)
    assert re.search(r'value="18" selected', answer.text)
    assert count(town.engine, SignupRow) == count(town.engine, RateWindowRow) == 0


def test_a_whole_city_is_followed_in_one_and_told_of_in_few_words(small_town: Town) -> None:
    town = small_town
    with Server() as server, Fetcher(attempts=1) as fetcher:
        Publisher(server, town.engine, fetcher, name="ring").says([CHICAGO, HAMMOND, STATE_POLICE])
    choice = town.client.post("/find", data={"q": "Chicago, IL"}).text
    assert 'href="/town/IL-Chicago">All of Chicago' in choice
    page = town.client.get("/town/IL-Chicago").text
    found = re.search(r'id="places"[^>]*>\n([^<]+)</textarea>', page)
    assert found
    assert found[1] == "Chicago, IL"
    answer = town.sign_up(places=found[1], frequency="weekly")
    assert answer.status_code == 200
    assert re.findall(r"<h3>(.*?) · ", answer.text) == ["Chicago, IL"] * answer.text.count("<h3>")
    zips = re.findall(r'href="/zip/(\d{5})"', page)
    assert len(zips) > 50
    (heading, *_) = re.findall(r"<h3>(.*?)</h3>", town.sign_up(places=", ".join(zips)).text)
    assert heading.startswith(f"{', '.join(zips[:6])} and {len(zips) - 6} more · ")
    town.deliver()
    town.client.post(link(town.mail(), "confirm"), data=PRESSED)
    town.deliver()
    assert text(town.mail()).count("Chicago Police Department") == 1
    # in what they follow, and over how it stands there today
    assert " ".join(text(town.mail()).split()).count(found[1]) == 2


@pytest.mark.parametrize("field", ["address", "places"])
def test_markup_in_a_field_is_shown_and_not_run(small_town: Town, field: str) -> None:
    answer = small_town.sign_up(**{field: '"><script>alert(1)</script>'})
    assert answer.status_code == 422
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_programs_that_fill_in_everything_get_nowhere(small_town: Town) -> None:
    town = small_town
    assert town.sign_up(website="https://spam.example").status_code == 200
    assert count(town.engine, SignupRow) == 0
    quick = town.client.get("/subscribe")
    stamp = re.search(r'name="stamp" value="([^"]+)"', quick.text)[1]  # type: ignore[index]
    for bad in ("", "1.2", stamp.replace(".", ".0"), f"9{stamp}"):
        form = {"address": ANN, "places": "60601", "lists": ["ring"], "stamp": bad}
        assert town.client.post("/subscribe", data=form).status_code == 422
    assert count(town.engine, SignupRow) == 0
    form = {"address": ANN, "places": "60601", "lists": ["ring"], "stamp": stamp}
    assert town.client.post("/subscribe", data=form).status_code == 200  # a browser fills it in at once


def test_too_many_from_one_network_are_asked_to_come_back(small_town: Town) -> None:
    stamp = small_town.stamp()
    statuses = [
        small_town.client.post(
            "/subscribe",
            data={"address": f"v{n}@example.org", "places": "60601", "lists": ["ring"], "stamp": stamp},
        ).status_code
        for n in range(22)
    ]
    assert statuses == [200] * 20 + [429] * 2


def test_without_a_working_mail_server_sign_up_is_closed_and_says_why(small_town: Town) -> None:
    town = small_town
    with db.transaction(town.engine) as conn:
        pauses.set_pause(conn, "email", "*", town.now + timedelta(hours=5), "refused")
    assert 'name="address"' in town.client.get("/subscribe").text
    town.sign_up()
    town.deliver()
    town.later(hours=2)
    page = town.client.get("/subscribe")
    assert 'name="address"' not in page.text
    assert "not getting through" in page.text
    assert town.client.post("/subscribe", data={"address": ANN}).status_code == 503


def test_an_expired_link_starts_again_in_one_tap(small_town: Town) -> None:
    town = small_town
    town.sign_up()
    town.deliver()
    town.later(hours=49)
    path = link(town.mail(), "confirm")
    page = town.client.get(path)
    assert "expired" in page.text
    assert 'name="again"' in page.text
    assert town.client.post(path, data=PRESSED).status_code == 200
    assert who(town.engine, town.keys).state == "pending"  # type: ignore[union-attr]
    assert town.client.post(path, data={"again": "1"}).status_code == 200
    town.deliver()
    assert len(town.postbox.mails) == 2
    assert "You are subscribed" in town.client.post(path, data=PRESSED).text


def test_a_confirmation_that_comes_late_says_until_when_its_link_works(small_town: Town) -> None:
    town = small_town
    town.postbox.refused["ann@example.org"] = "451 4.3.0 later"
    town.sign_up()
    town.deliver()
    town.postbox.refused.clear()
    town.later(hours=40)
    town.deliver()
    for part in ("plain", "html"):
        assert "The link works until Mar 3, 2026, 6:00 am CST." in " ".join(text(town.mail(), part).split())
    # the time is filled in after the text was wrapped
    assert max(len(line) for line in text(town.mail(), "plain").splitlines() if "://" not in line) <= 76
    town.later(hours=7, minutes=59)
    assert "You are subscribed" in town.client.post(link(town.mail(), "confirm"), data=PRESSED).text


def test_a_link_that_is_days_old_has_the_form_beside_it_and_the_address_is_gone(small_town: Town) -> None:
    town = small_town
    town.sign_up()
    town.deliver()
    town.later(hours=49)
    town.deliver()  # purges
    assert who(town.engine, town.keys) is None
    path = link(town.mail(), "confirm")
    for method in ("GET", "POST"):
        page = town.client.request(method, path)
        assert page.status_code == 404
        assert "more than 48 hours old" in page.text
        assert ANN not in page.text
    stamp = re.search(r'name="stamp" value="([^"]+)"', page.text)
    assert stamp
    town.later(seconds=5)
    form = {"address": ANN, "places": "60601", "lists": ["ring"], "frequency": "at_once", "stamp": stamp[1]}
    assert town.client.post("/subscribe", data=form).status_code == 200
    town.deliver()
    assert town.client.post(link(town.mail(), "confirm"), data=PRESSED).status_code == 200
    assert who(town.engine, town.keys).state == "active"  # type: ignore[union-attr]


def test_no_link_of_somebody_elses_making_leads_anywhere(small_town: Town) -> None:
    for page in ("confirm", "manage", "unsubscribe"):
        for token in ("1xaaaaaaaaaaaaaaaaaaaaaaaaaa", "x", "999999x" + "a" * 26, "%00"):
            for method in ("GET", "POST"):
                answer = small_town.client.request(method, f"/{page}/{token}")
                assert answer.status_code == 404, (page, token, method)
                assert answer.headers["cache-control"] == "no-store"


def test_managing_says_what_is_wrong_and_keeps_what_was_typed(small_town: Town) -> None:
    town = small_town
    town.member()
    path = link(town.mail(), "manage")
    answer = town.client.post(
        path, data={"places": "60601, Nowhere", "lists": ["ring"], "pause": "2020-01-01"}
    )
    assert answer.status_code == 422
    assert "60601, Nowhere</textarea>" in answer.text
    assert "pause-error" in answer.text
    paused = town.client.post(path, data={"places": "60601", "lists": ["ring"], "pause": "2026-03-20"})
    assert paused.status_code == 200
    assert "Paused until" in paused.text
    assert 'value="2026-03-20"' in paused.text
    resumed = town.client.post(path, data={"places": "60601", "lists": ["ring"]})
    assert "Paused until" not in resumed.text


def test_a_pause_until_tomorrow_is_one_also_in_the_evening(small_town: Town) -> None:
    town = small_town
    town.member()
    town.later(hours=14)  # March 2 in Greenwich and still March 1 in Chicago
    form = {"places": "60601", "lists": ["ring"]}
    answer = town.client.post(link(town.mail(), "manage"), data=form | {"pause": "2026-03-02"})
    assert "Paused until Mar 2, 2026, 8:00 am CST" in re.sub(r"<[^>]+>", "", answer.text)
    for day in ("2026-03-01", "0001-01-01", "9999-12-31"):
        assert town.client.post(link(town.mail(), "manage"), data=form | {"pause": day}).status_code == 422


def test_digests_keep_the_time_of_the_place_that_was_written_first(small_town: Town) -> None:
    town = small_town
    town.member(places="NY, 10001, 60601", frequency="daily")
    assert who(town.engine, town.keys).timezone == "America/New_York"  # type: ignore[union-attr]
    town.member("bob@example.org", places="96813, 10001", frequency="daily")
    assert who(town.engine, town.keys, "bob@example.org").timezone == "Pacific/Honolulu"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("IL 60601, IN 46320", {"60601", "46320"}),
        ("NY 60601", {"New York", "60601"}),
        ("60601/60602 IL", {"60601", "60602", "Illinois"}),
        ("60601-1234; 60601 & indiana", {"60601", "Indiana"}),
    ],
)
def test_places_are_read_as_people_write_them(small_town: Town, written: str, meant: set[str]) -> None:
    answer = small_town.sign_up(places=written)
    headings = re.findall(r"<h3>(.*?) · ", answer.text)
    assert {place for heading in headings for place in heading.split(", ")} == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Hammond, IN", ["Hammond, IN"]),
        ("60601, South Boston, MA", ["60601", "South Boston (Boston), MA"]),
        ("Harlem", ["Harlem (Manhattan), NY"]),
        ("Detroit", ["Detroit, MI"]),
        ("Cook County, IL; 10 miles of 60601", ["10 miles around 60601", "Cook County, IL"]),
        ("condado de Cook", ["Cook County, IL"]),
        ("Washington, DC", ["District of Columbia"]),
        ("IL, IN", ["Illinois", "Indiana"]),
        ("Indiana, PA", ["Indiana, PA"]),
        ("90210-1234", ["90210"]),
        ("US", ["The whole country"]),
    ],
)
def test_the_form_takes_every_word_that_the_search_field_takes(
    small_town: Town, written: str, meant: list[str]
) -> None:
    answer = small_town.sign_up(places=written)
    assert sorted(set(re.findall(r"<h3>(.*?) · ", answer.text))) == sorted(meant)


def test_a_large_town_a_county_and_a_radius_are_one_line_each_everywhere(small_town: Town) -> None:
    town = small_town
    town.sign_up(places="Detroit; Cook County, IL; 25 miles of 60601", lists=["ring"])
    town.deliver()
    named = "Cook County, IL; 25 miles around 60601; Detroit, MI"
    lines = named.replace("; ", "\n")
    assert named in " ".join(text(town.mail()).split())
    page = town.client.get(link(town.mail(), "confirm")).text
    assert named in page
    town.client.post(link(town.mail(), "confirm"), data=PRESSED)
    town.deliver()
    manage = link(town.mail(), "manage")
    assert f"{lines}</textarea>" in town.client.get(manage).text
    saved = town.client.post(
        manage, data={"places": lines, "lists": ["ring"], "frequency": "at_once", "language": "es"}
    )
    assert saved.status_code == 200
    with db.reading(town.engine) as conn:
        one = who(town.engine, town.keys)
        assert one is not None
        followed = [each.place for each in people.load_follows(conn, one.id)]
    assert followed == ["county-17031", "radius-60601-25", "town-MI-Detroit"]
    page = town.client.get(f"{manage}?lang=es").text
    assert "Condado de Cook, IL\n25 millas alrededor de 60601\nDetroit, MI</textarea>" in page


@pytest.mark.parametrize("asked", ["county-17031", "radius-60601-10", "town-MI-Detroit"])
def test_a_link_to_the_form_fills_in_an_area_by_name(small_town: Town, asked: str) -> None:
    page = small_town.client.get(f"/subscribe?place={asked}").text
    name = {"county": "Cook County, IL", "radius": "10 miles around 60601", "town": "Detroit, MI"}
    assert f"{name[asked.partition('-')[0]]}</textarea>" in page


@pytest.mark.parametrize(
    ("written", "suggestion"),
    [("Detriot", "Detroit, MI"), ("LA", "Los Angeles, CA; Louisiana"), ("Springfield", "Springfield, MO")],
)
def test_a_word_that_is_no_place_by_itself_comes_back_with_suggestions(
    small_town: Town, written: str, suggestion: str
) -> None:
    answer = small_town.sign_up(places=written)
    assert answer.status_code == 422
    assert suggestion in answer.text


def test_a_digest_arrives_at_the_local_hour(town: Town, publish: Publish) -> None:
    town.member(frequency="daily", hour="8", zone="America/Chicago")
    out(town, publish, "Chicago Police Department")
    out(town, publish, "Cook County Sheriff")
    town.deliver()
    assert len(town.postbox.mails) == 2
    town.later(hours=2)  # 8 am in Chicago
    town.deliver()
    mail = town.mail()
    assert mail["Subject"] == "Your daily digest: 2 changes · Map Monitor"
    assert "Chicago Police Department" in text(mail)
    assert "Cook County Sheriff" in text(mail, "html")
    assert "manage/" in text(mail)
    out(town, publish, "Illinois State Police")
    form = {"places": "60601", "lists": ["ring"], "frequency": "at_once"}
    assert town.client.post(link(mail, "manage"), data=form).status_code == 200
    town.deliver()
    assert town.mail()["Subject"] == "Since your last digest: 1 change · Map Monitor"


def test_a_spanish_reader_gets_spanish(small_town: Town) -> None:
    town = small_town
    town.client.headers["Accept-Language"] = "es-MX"
    town.member(frequency="daily", hour="8", zone="America/Chicago")
    assert len({mail["Subject"] for _, mail in town.postbox.mails}) == 2
    for _, mail in town.postbox.mails:
        assert "Usted" in text(mail) or "su" in text(mail)
        assert 'lang="es"' in text(mail, "html")
        assert not re.search(
            r"\b(you|your|the|when)\b", text(mail).replace("Map Monitor", ""), re.IGNORECASE
        ), text(mail)


def test_no_answer_carries_an_address_in_a_header_or_a_link(small_town: Town) -> None:
    town = small_town
    answer = town.sign_up()
    assert "ann" not in repr(answer.headers).lower()
    assert "example.org" not in answer.text
    town.deliver()
    assert "ann" not in link(town.mail(), "confirm")


def test_whoever_asks_whether_the_site_is_ready_hears_that_sign_up_is_closed(small_town: Town) -> None:
    town = small_town
    assert "nobody can sign up" not in town.client.get("/readyz").text
    with db.transaction(town.engine) as conn:
        pauses.set_pause(conn, "email", "*", town.now + timedelta(hours=5), "refused")
    town.sign_up()
    town.deliver()
    town.later(hours=2)
    ready = town.client.get("/readyz")
    assert ready.status_code == 503
    assert "nobody can sign up: the mail server refuses everything" in ready.text


def test_the_operator_sees_that_the_sites_limit_was_reached(small_town: Town) -> None:
    town = small_town
    with db.transaction(town.engine) as conn:
        for _ in range(3):
            signups.count(conn, signups.SITE, town.now)
    for limit, told in ((2, True), (3, False)):
        report = report_status(
            load_facts(
                town.engine, {}, configured=["email"], fenced=None, now=town.now, signups_an_hour=limit
            )
        )
        assert any("sign-ups: 3 came within this hour" in problem for problem in report["problems"]) is told


def test_a_database_that_looks_like_a_copy_is_not_ready(small_town: Town) -> None:
    with db.transaction(small_town.engine) as conn:
        database_facts.ensure_identity(conn)
        send_mark.advance(conn, 5)  # it has sent before, but there is no mark of it in this folder
    ready = small_town.client.get("/readyz")
    assert ready.status_code == 503
    assert any("nothing is sent: run `monitor resume`" in reason for reason in ready.json()["reasons"])
    assert str(small_town.settings.data.folder) not in ready.text


def test_a_list_is_called_by_its_spanish_title_in_spanish(small_town: Town) -> None:
    town, spanish = small_town, "Mapa de agencias activas de Ring"
    for path in ("/", "/zip/60601", "/state/IL", "/about", "/subscribe"):
        assert spanish in town.client.get(f"{path}?lang=es").text, path
        assert spanish not in town.client.get(path).text, path
    town.client.headers["Accept-Language"] = "es"
    town.sign_up()
    town.deliver()
    assert spanish in text(town.mail())


def test_the_bot_is_offered_with_the_places_once_its_name_is_known(small_town: Town) -> None:
    town = small_town
    telegram = town.settings.telegram.model_copy(update={"token": SecretStr("1:a")})
    offering = replace(town, settings=town.settings.model_copy(update={"telegram": telegram}))
    with offering.open() as address:
        client = Visitor(address)
        assert "t.me/" not in client.get("/zip/60601").text
        with db.transaction(town.engine) as conn:
            database_facts.put(conn, database_facts.BOT_USERNAME, "watch_bot")
        for path, start in (
            ("/zip/60601", "?start=60601"),
            ("/zip/60601+60602", "?start=60601_60602"),
            ("/state/IL", "?start=IL"),
            ("/subscribe?place=60601&place=il", "?start=60601_IL"),
            ("/subscribe", ""),
            ("/zip/" + "+".join(f"606{n:02}" for n in range(1, 20)), ""),  # longer than a link may be
        ):
            assert f'href="https://t.me/watch_bot{start}" rel="noopener' in client.get(path).text, path
    assert "t.me/" not in town.client.get("/zip/60601").text  # here no bot is configured
