"""A token lets one subscriber do one thing, and survives what mail does to it."""

from __future__ import annotations

import base64
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core import tokens
from monitor.core.tokens import SMALLEST, Purpose, check, make, parse_number

KEY, NUMBER, NONCE = bytes(32), SMALLEST + 7, "n"


@pytest.mark.parametrize("purpose", Purpose)
def test_a_token_is_good_for_what_it_was_made_for_and_nothing_else(purpose: Purpose) -> None:
    token = make(KEY, purpose, NUMBER, NONCE)
    assert check(KEY, purpose, token, NUMBER, NONCE)
    assert check(KEY, purpose, token.upper(), NUMBER, NONCE)
    assert not check(KEY, purpose, token, NUMBER + 1, NONCE)
    assert not check(KEY, purpose, token, NUMBER, "another")
    assert not check(bytes(31) + b"1", purpose, token, NUMBER, NONCE)
    for other in set(Purpose) - {purpose}:
        assert not check(KEY, other, token, NUMBER, NONCE)


def test_the_number_of_another_subscriber_with_ones_own_code_is_refused() -> None:
    token = make(KEY, Purpose.MANAGE, NUMBER, NONCE)
    forged = token.replace(str(NUMBER), str(NUMBER + 1))
    assert parse_number(forged) == NUMBER + 1
    assert not check(KEY, Purpose.MANAGE, forged, NUMBER + 1, NONCE)
    assert not check(KEY, Purpose.MANAGE, forged, NUMBER, NONCE)


def test_the_number_of_a_subscriber_is_no_id_of_the_first_version() -> None:
    assert SMALLEST == 2**40


def test_the_code_is_128_bits_and_80_for_a_bounce() -> None:
    for purpose in Purpose:
        number, _, code = make(KEY, purpose, NUMBER, NONCE).partition("x")
        assert (number, len(code)) == (str(NUMBER), 16 if purpose is Purpose.BOUNCE else 26)


def test_the_token_of_given_arguments_never_changes() -> None:
    """What was mailed stays good."""
    assert make(KEY, Purpose.UNSUBSCRIBE, 1, "nonce") == "1xcqlbwln3yv62udlki6jexm43ke"


@given(st.binary(min_size=1, max_size=40))
def test_a_code_is_written_in_base_32(content: bytes) -> None:
    assert tokens._encode(content) == base64.b32encode(content).decode().rstrip("=").lower()


def test_what_is_signed_is_an_hmac_of_sha_256() -> None:
    assert tokens.sign(b"k" * 32, "text").hex() == hmac.new(b"k" * 32, b"text", "sha256").hexdigest()


def test_a_number_has_at_most_64_bits_of_digits() -> None:
    assert parse_number(f"{10**19 - 1}x{'a' * 26}") == 10**19 - 1
    assert parse_number(f"{10**19}x{'a' * 26}") is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5x" + "a" * 16, 5),
        ("5X" + "A" * 26, 5),
        ("5x" + "a" * 15, None),
        ("5x" + "a" * 27, None),
        ("05x" + "a" * 16, None),
        ("x" + "a" * 16, None),
        ("5x" + "a" * 15 + "1", None),
        ("\u0665x" + "a" * 16, None),
        ("5x" + "a" * 16 + "\n", None),
    ],
)
def test_only_the_form_of_a_token_is_read(text: str, number: int | None) -> None:
    assert parse_number(text) == number
