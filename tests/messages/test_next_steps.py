"""Next steps follow from what a list's entries rest on: nobody is told to read an agreement that is none."""

from __future__ import annotations

import pytest

from monitor.config import load
from monitor.domain import Basis
from monitor.messages.next_steps import list_steps, summarize_steps

RING, ICE = ("Ring's map", Basis.LISTING), ("ICE's list", Basis.AGREEMENT)
RECORDS = "Request the records under your state's public records law."


def test_the_lists_out_of_the_box_say_what_they_rest_on() -> None:
    infos = load(None, {}).infos
    assert {name: info.basis.value for name, info in infos.items()} == {
        "ring": "listing",
        "ice-287g": "agreement",
        "ice-287g-pending": "request",
    }


@pytest.mark.parametrize("language", ["en", "es"])
def test_only_a_list_of_agreements_sends_people_to_read_one(language: str) -> None:
    for word in ("agreement", "acuerdo"):
        assert word not in " ".join(list_steps([RING], language))
        assert word not in summarize_steps(Basis.LISTING, language)
    signed = " ".join((*list_steps([ICE], language), summarize_steps(Basis.AGREEMENT, language)))
    assert ("acuerdo" if language == "es" else "agreement") in signed


def test_lists_that_differ_name_themselves_and_what_is_the_same_stands_once() -> None:
    steps = list_steps([RING, ICE, ("Another list", Basis.AGREEMENT)], "en", "Come to the council.")
    assert steps[0].startswith("Ring's map: Ask the sheriff or the chief why the agency is on this list")
    assert steps[1] == "ICE's list; Another list: Read the agreement where the list links it."
    assert steps[-2:] == (RECORDS, "Come to the council.")
    assert steps.count(RECORDS) == 1
    assert len(steps) == 5


def test_where_no_agency_is_listed_nobody_is_asked_why_it_is() -> None:
    steps = list_steps([], "en")
    assert len(steps) == 2
    assert steps[0].endswith("whether they plan to join.")
