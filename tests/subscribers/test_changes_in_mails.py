"""What mails that are no alerts say of each change: the same as an alert would."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from monitor import config
from tests.outbox.world import CHICAGO, STATE_POLICE, World, removed
from tests.subscribers.town import Town, text


@pytest.mark.parametrize(
    ("sender", "site", "links"),
    [
        (
            "Watch, Müller & Co. <alerts@watch.example>",
            "https://watch.example:8443/a",
            "https://watch.example:8443/a",
        ),
        ("alerts@bücher.example", "https://watch.example/päth", "https://watch.example/p%C3%A4th"),
        ("Watch <alerts@watch.example>", "https://Bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_mail_leaves_whatever_the_sender_and_the_site_are_called(
    small_town: Town, sender: str, site: str, links: str
) -> None:
    town = small_town
    path = town.settings.data.folder.parent / "config.toml"
    written = (
        path.read_text()
        .replace("https://watch.example", site)
        .replace("Watch <alerts@watch.example>", sender)
    )
    path.write_text(written)
    town.settings = config.load(path, {})
    town.sign_up()
    assert town.deliver().sent == 1
    assert f"\n{links}/confirm/" in text(town.mail())
    assert town.mail()["List-Unsubscribe"].startswith(f"<{links}/unsubscribe/")
    assert town.mail()["From"].addresses[0].display_name == sender.rpartition(" <")[0]


def test_what_happened_on_a_list_is_told_also_when_its_configuration_is_deleted(small_town: Town) -> None:
    town = small_town
    world = World(town.engine, town.keys, town.settings.data.folder, town.now)
    daily = {"frequency": "daily", "timezone": "UTC", "local_hour": 8, "digest_since": town.now}
    for name, fields in (("at-once", {}), ("daily", daily | {"digest_at": town.now + timedelta(days=1)})):
        world.person(f"{name}@example.org", "60601", sources=("ring", "deleted"), **fields)
    world.publish(CHICAGO)
    world.publish(CHICAGO, source="deleted")
    world.fan_out()
    town.later(days=1)
    assert town.deliver().sent == 3
    for address, mail in town.postbox.mails:
        assert ("https://watch.example/change/2" in text(mail)) == ("deleted" in text(mail).lower()), address


def test_a_digest_says_of_each_list_why_it_is_told_and_where_the_proof_is(small_town: Town) -> None:
    town = small_town
    town.member(places="60601, IN", lists=["ring", "ice-287g"], frequency="daily", zone="UTC", hour="8")
    world = World(town.engine, town.keys, town.settings.data.folder, town.now)
    only = world.publish(CHICAGO, was_held=True)
    world.publish(removed(STATE_POLICE), source="ice-287g")
    world.publish(STATE_POLICE, source="ice-287g")
    world.fan_out()
    town.later(days=1)
    town.deliver()
    plain = " ".join(text(town.mail()).split())
    markup = text(town.mail(), "html")
    for said in (plain, markup):
        assert "You follow 60601; this agency covers Chicago." in said
        assert "You follow Indiana." in said
        assert "Announced after a wait" in said
        assert f"https://watch.example/change/{only}" in said
        assert re.search(r"https://watch\.example/changes(?!/)", said)  # of several changesets: the timeline
        assert "That an agency is no longer listed does not say why." in said
        assert "You asked for these alerts on Mar 1, 2026." in said
    assert "  " not in text(town.mail()).replace("\n  ", "\n")
