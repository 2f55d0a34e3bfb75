"""Tokens that let one subscriber, or the operator, do one thing: HMAC-SHA256 over a purpose, the number of a
subscriber or of a decision, and a random nonce from its row.

The same arguments give the same token, so a mail can be rendered again; without the key, a copy of the
database reveals no token. A token consists of lower-case letters and digits and is case-insensitive: it
survives mail relays, a VERP local part and manual typing.
"""

from __future__ import annotations

import hmac
import re
from enum import StrEnum
from functools import lru_cache

SMALLEST = 2**40
"""The smallest random number of a subscriber. Tokens of version 0.1.0 contain the id instead, which is
smaller.
"""
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]  # of ten bits
_FORM = re.compile(r"([1-9][0-9]{0,18})x([a-z2-7]{16,26})", re.ASCII)


class Purpose(StrEnum):
    """The purpose of a token; a token made for another purpose is not accepted."""

    CONFIRM = "confirm"
    MANAGE = "manage"
    UNSUBSCRIBE = "unsubscribe"
    BOUNCE = "bounce"
    DECIDE = "decide"


# A local part has 64 characters (RFC 5321, 4.5.3.1.1), of which relays and "bounce+" need some. 80 bits are
# ample for what a forger can gain here: one bounce counted against one address.
_BYTES = {**dict.fromkeys(Purpose, 16), Purpose.BOUNCE: 10}


def make(key: bytes, purpose: Purpose, number: int, nonce: str) -> str:
    """Compute the token of a subscriber for a purpose: the number, an "x" and the code (26 characters, 16 for
    BOUNCE).
    """
    return f"{number}x{_code(key, purpose, number, nonce)}"


def parse_number(token: str) -> int | None:
    """Read the number that a token claims, to look up the nonce for `check`; None if it is not a token.

    It proves nothing.
    """
    match = _FORM.fullmatch(token.lower())
    return int(match[1]) if match else None


def check(key: bytes, purpose: Purpose, token: str, number: int, nonce: str) -> bool:
    """Whether the token was made with these arguments, in constant time."""
    match = _FORM.fullmatch(token.lower())
    if match is None or int(match[1]) != number:
        return False
    return hmac.compare_digest(match[2], _code(key, purpose, number, nonce))


def sign(key: bytes, text: str) -> bytes:
    """Compute the HMAC-SHA256 of a text with one of the service's keys, of which there are few."""
    keyed = _start_signing(key).copy()
    keyed.update(text.encode())
    return keyed.digest()


def _code(key: bytes, purpose: Purpose, number: int, nonce: str) -> str:
    return _encode(sign(key, f"{purpose}\0{number}\0{nonce}")[: _BYTES[purpose]])


@lru_cache(maxsize=4)
def _start_signing(key: bytes) -> hmac.HMAC:
    """An HMAC of no text yet; a copy of it costs half of a new one, and a mail needs four."""
    return hmac.new(key, digestmod="sha256")


def _encode(content: bytes) -> str:
    """Base 32 (RFC 4648, 6) in lower case and without padding, in half the time of `base64.b32encode`."""
    width = 8 * len(content)
    missing = -width % 10
    bits = int.from_bytes(content, "big") << missing
    pairs = [_PAIRS[bits >> at & 1023] for at in range(width + missing - 10, -1, -10)]
    return "".join(pairs)[: (width + 4) // 5]
