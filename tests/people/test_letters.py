"""What mails that are no alerts say of each change: the same as an alert would."""

from __future__ import annotations

import re

from tests.dispatch.world import CHICAGO, STATE_POLICE, World, removed
from tests.people.town import Town, text


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
        assert f"https://watch.example/changes/{only}" in said
        assert re.search(r"https://watch\.example/changes(?!/)", said)  # of several changesets: the timeline
        assert "That an agency is no longer listed does not say why." in said
        assert "You asked on Mar 1, 2026." in said
    assert "  " not in text(town.mail()).replace("\n  ", "\n")
