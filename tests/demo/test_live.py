"""After the story: a stranger signs up on the demo's site and gets an alert from the next real release."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import httpx
import pytest

from monitor.demo import play
from monitor.errors import UsageError
from tests.demo.conftest import until


def mail(client: httpx.Client, to: str, word: str) -> str:
    """The page of the mail to somebody whose subject holds a word, once it is there."""

    def look() -> str | None:
        page = client.get("/mailbox").text
        letters = re.findall(r'href="(/mailbox/[^"]+)">([^<]*)</a></p>\s*<p class="soft">To ([^,<]*),', page)
        return next((path for path, subject, whom in letters if whom == to and word in subject), None)

    return client.get(until(look, f"a mail about {word}")).text


def test_a_stranger_signs_up_confirms_and_gets_an_alert_from_a_real_release(demo: httpx.Client) -> None:
    stamp = re.search(r'name="stamp"[^>]*value="([^"]*)"', demo.get("/zip/68310").text)
    assert stamp is not None
    form = {
        "address": "visitor@home.example",
        "places": "68310",
        "lists": ["ring", "ice-287g"],
        "frequency": "at_once",
        "hour": "8",
        "zone": "",
        "website": "",
        "stamp": stamp[1],
    }
    assert "Check your email" in demo.post("/subscribe", data=form).text
    link = re.search(r'href="[^"]*(/confirm/[^"]+)"', mail(demo, "visitor@home.example", "onfirm"))
    assert link is not None
    assert "Yes, send me these alerts" in demo.get(link[1]).text  # looking confirms nothing
    assert "You are subscribed" in demo.post(link[1], data={"confirm": "yes"}).text
    alert = mail(demo, "visitor@home.example", "Beatrice Police Department (NE) added")
    assert "You follow 68310; this agency covers Beatrice." in alert
    drawn = re.search(r'href="[^"]*(/mailbox/[^"]+/html)"', alert)
    assert drawn is not None
    answer = demo.get(drawn[1])
    assert "Beatrice Police Department, Nebraska, is now on" in answer.text
    assert "<script" not in answer.text
    assert "style-src 'unsafe-inline'" in answer.headers["content-security-policy"]
    permalink = re.search(r'href="[^"]*(/change/\d+)"', alert)
    assert permalink is not None
    assert "Beatrice Police Department" in demo.get(permalink[1]).text


def test_its_pages_say_what_its_clock_is_and_show_no_gap(demo: httpx.Client) -> None:
    home = demo.get("/").text
    assert "its clock jumped from one to the next" in home
    assert "We cannot see this list" not in home
    assert 'class="line captured"' in home
    assert "we did not see this list" not in demo.get("/changes").text


def test_the_mailbox_gives_no_other_file(demo: httpx.Client) -> None:
    assert demo.get("/mailbox/..%2Fconfig.toml").status_code == 404
    assert demo.get("/mailbox/none.eml").status_code == 404


def test_a_port_that_was_asked_for_and_is_taken_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match="name another --port"):
            play(tmp_path / "demo", once=False, port=port)
