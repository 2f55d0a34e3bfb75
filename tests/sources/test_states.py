from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.states import STATES, StateReading, read_state


def test_there_are_fifty_states_the_district_and_five_territories() -> None:
    assert len(STATES) == 56


@pytest.mark.parametrize(("code", "name"), STATES.items())
def test_codes_and_names_are_read_in_any_case(code: str, name: str) -> None:
    for text in (code, code.lower(), name, name.upper(), name.lower(), f"  {name} ", ".".join(code) + "."):
        assert read_state(text) == StateReading(code, exact=True)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Ill.", "IL"),
        ("Calif.", "CA"),
        ("D. C.", "DC"),
        ("N. Mex.", "NM"),
        ("W.Va.", "WV"),
        ("NORTH  CAROLINA", "NC"),
        ("Commonwealth of Pennsylvania", "PA"),
        ("State of Ohio", "OH"),
        ("CNMI", "MP"),
        ("Commonwealth of the Northern Mariana Islands", "MP"),
        ("U.S. Virgin Islands", "VI"),
        ("Washington, D.C.", "DC"),
    ],
)
def test_customary_ways_to_write_a_state_are_exact(text: str, code: str) -> None:
    assert read_state(text) == StateReading(code, exact=True)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("PENNSLYVANIA", "PA"),
        ("Tennesse", "TN"),
        ("MARYLND", "MD"),
        ("West Viginia", "WV"),
        ("Viginia", "VA"),
    ],
)
def test_a_misspelling_is_its_only_near_match_and_not_exact(text: str, code: str) -> None:
    assert read_state(text) == StateReading(code, exact=False)


@pytest.mark.parametrize("text", ["", " ", "...", "Carolina", "Ontario", "XX", "Dakota", "#REF!", "\x00"])
def test_what_is_near_no_state_or_two_is_none(text: str) -> None:
    assert read_state(text) is None


@given(st.text(max_size=40))
def test_any_text_is_a_state_or_none(text: str) -> None:
    reading = read_state(text)
    assert reading is None or reading.code in STATES
