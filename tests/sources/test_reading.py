from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sources.cells import (
    Address,
    clean,
    is_missing,
    plain_number,
    read_address,
    read_date,
    read_web_address,
)


@pytest.mark.parametrize(
    ("text", "city", "state"),
    [
        ("Hammond, IN", "Hammond", "IN"),
        ("Hammond, Indiana", "Hammond", "IN"),
        ("hammond, in", "hammond", "IN"),
        ("Gary , IN", "Gary", "IN"),
        ("Richmond va", "Richmond", "VA"),
        ("Charleston West Virginia", "Charleston", "WV"),
        ("Salisbury, North Carolina", "Salisbury", "NC"),
        ("Naperville, IL 60540", "Naperville", "IL"),
        ("Naperville, IL 60540-1234", "Naperville", "IL"),
        ("Naperville IL 60540", "Naperville", "IL"),
        ("Naperville, IL, 60540", "Naperville", "IL"),
        ("123 Main St, Naperville, IL", "Naperville", "IL"),
        ("123 Main St, Naperville, IL 60540, USA", "Naperville", "IL"),
        ("Naperville, IL, United States", "Naperville", "IL"),
        ("Springfield, Ill.", "Springfield", "IL"),
        ("Kentucky", None, "KY"),
        ("Washington, D.C.", "Washington", "DC"),
        ("Washington DC", "Washington", "DC"),
        ("123 Main St, KY", None, "KY"),
        ("Kansas City, MO", "Kansas City", "MO"),
        ("Oklahoma City OK", "Oklahoma City", "OK"),
        ("Springfield", "Springfield", None),
        ("", None, None),
        (",", None, None),
    ],
)
def test_an_address_says_city_and_state(text: str, city: str | None, state: str | None) -> None:
    assert read_address(text) == Address(city, state)


def test_a_misspelt_state_is_read_and_said_so() -> None:
    assert read_address("Lansdale, Pennslyvania") == Address("Lansdale", "PA", "Pennslyvania", exact=False)


def test_what_stood_in_place_of_a_state_is_kept() -> None:
    assert read_address("Toronto, Ontario") == Address("Toronto", None, "Ontario")


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2/26/2025", date(2025, 2, 26)),
        ("02/26/25", date(2025, 2, 26)),
        ("2016-06-08", date(2016, 6, 8)),
        ("2016-06-08 00:00:00", date(2016, 6, 8)),
        ("2016-06-08T12:00:00Z", date(2016, 6, 8)),
        ("4/16/2026 19:16:09", date(2026, 4, 16)),
        ("June 8, 2016", date(2016, 6, 8)),
        ("Jun. 8, 2016", date(2016, 6, 8)),
        ("8-Jun-16", date(2016, 6, 8)),
        ("44032", date(2020, 7, 20)),
        ("44032.5", date(2020, 7, 20)),
        ("26/2/2025", None),
        ("2/30/2025", None),
        ("1/1/0001", None),
        ("soon", None),
        ("12", None),
        ("", None),
        ("9" * 12, None),
        ("1582934400000", date(2020, 2, 29)),
        ("9" * 13, None),
    ],
)
def test_dates_are_read_month_first(text: str, day: date | None) -> None:
    assert read_date(text) == day


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://example.org/a%20b.pdf", "https://example.org/a%20b.pdf"),
        ("https://example.org/a b.pdf", "https://example.org/a%20b.pdf"),
        ("HTTP://EXAMPLE.ORG", "HTTP://EXAMPLE.ORG"),
        ("https:/example.org/a", "https://example.org/a"),
        ("chrome-extension://abcdef/https:/example.org/a", "https://example.org/a"),
        ("javascript:alert(1)", None),
        ("link pending", None),
        ("https://", None),
        ("https://" + "a" * 3000, None),
        ("", None),
    ],
)
def test_only_http_addresses_are_links(text: str, address: str | None) -> None:
    assert read_web_address(text) == address


def test_control_and_bidi_characters_are_stripped_and_white_space_is_single() -> None:
    assert clean(" A\u202e b\u200b\x00\n\tc\u00a0 d\u2066 ") == "A b c d"


@given(st.text(st.characters(exclude_categories=[])))
def test_clean_text_is_one_storable_line_and_stays_as_it_is(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    cleaned.encode()
    assert len(cleaned.splitlines()) <= 1


@pytest.mark.parametrize("text", ["", "#VALUE!", "#REF!", "#N/A", "#n/a", "#NA"])
def test_spreadsheet_errors_say_nothing(text: str) -> None:
    assert is_missing(text)


def test_a_number_sign_in_front_of_a_name_is_no_error() -> None:
    assert not is_missing("#1 Police Department")


def test_whole_floats_are_integers() -> None:
    assert [plain_number(text) for text in ("1.0", "-3.00", "1.5", "1.0.0", "v1.0")] == [
        "1",
        "-3",
        "1.5",
        "1.0.0",
        "v1.0",
    ]


@given(st.text(max_size=60))
def test_any_text_is_an_address_a_date_and_a_link_or_none(text: str) -> None:
    cleaned = clean(text)
    read_address(cleaned), read_date(cleaned), read_web_address(cleaned)
