"""Tokens: good for one purpose of one subscriber, and for nobody else."""

from __future__ import annotations

import base64
import hmac
import re

from hypothesis import given
from hypothesis import strategies as st

from monitor.core import tokens
from monitor.core.tokens import Purpose

purposes = st.sampled_from(Purpose)
subscribers = st.integers(min_value=1, max_value=2**63 - 1)
KEY = bytes(32)


@given(purposes, subscribers, st.text())
def test_a_token_is_good_for_what_it_was_made_for(purpose: Purpose, subscriber: int, nonce: str) -> None:
    token = tokens.make(KEY, purpose, subscriber, nonce)
    assert tokens.parse_number(token) == subscriber
    assert tokens.check(KEY, purpose, token, subscriber, nonce)
    assert tokens.make(KEY, purpose, subscriber, nonce) == token


@given(st.binary(), purposes, subscribers, st.text())
def test_its_code_is_the_hmac_in_base_32_which_the_standard_library_makes(
    key: bytes, purpose: Purpose, subscriber: int, nonce: str
) -> None:
    signed = hmac.digest(key, f"{purpose.value}\0{subscriber}\0{nonce}".encode(), "sha256")
    length = 10 if purpose is Purpose.BOUNCE else 16
    code = base64.b32encode(signed[:length]).decode().rstrip("=").lower()
    assert tokens.make(key, purpose, subscriber, nonce) == f"{subscriber}x{code}"


@given(purposes, purposes, subscribers, subscribers, st.text(), st.text())
def test_and_for_nothing_else(
    a: Purpose, b: Purpose, mine: int, other: int, nonce: str, next_nonce: str
) -> None:
    token = tokens.make(KEY, a, mine, nonce)
    assert tokens.check(KEY, b, token, other, next_nonce) == ((a, mine, nonce) == (b, other, next_nonce))
    assert not tokens.check(b"another key", a, token, mine, nonce)


@given(purposes, subscribers, st.integers(min_value=0), st.characters())
def test_a_changed_letter_is_noticed(purpose: Purpose, subscriber: int, position: int, letter: str) -> None:
    token = tokens.make(KEY, purpose, subscriber, "nonce")
    position %= len(token)
    changed = token[:position] + letter + token[position + 1 :]
    assert tokens.check(KEY, purpose, changed, subscriber, "nonce") == (changed.lower() == token)


@given(subscribers)
def test_a_token_survives_a_relay_that_changes_case(subscriber: int) -> None:
    token = tokens.make(KEY, Purpose.BOUNCE, subscriber, "nonce")
    assert tokens.check(KEY, Purpose.BOUNCE, token.upper(), subscriber, "nonce")


@given(purposes, subscribers)
def test_a_token_fits_a_local_part_and_a_link_without_escaping(purpose: Purpose, subscriber: int) -> None:
    token = tokens.make(KEY, purpose, subscriber, "nonce")
    assert re.fullmatch(r"[a-z0-9]+", token)
    assert len(f"bounce+{token}") <= 64


@given(st.text())
def test_any_text_may_be_offered_as_a_token(text: str) -> None:
    assert not tokens.check(KEY, Purpose.MANAGE, text, 1, "nonce")
    subscriber = tokens.parse_number(text)
    assert subscriber is None or subscriber > 0
