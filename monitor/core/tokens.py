"""Tokens that let one subscriber, or the operator, do one thing: HMAC-SHA256 over a purpose, the number of a
subscriber or of a decision, and a random nonce from its row.

The same arguments give the same token, so a mail can be rendered again; without the key, a copy of the
database reveals no token. A token consists of lower-case letters and digits and is case-insensitive: it
survives mail relays, a VERP local part and manual typing.
"""

from __future__ import annotations

import base64
import hmac
import re
from enum import StrEnum

SMALLEST = 2**40
"""The smallest random number of a subscriber. Tokens of version 0.1.0 contain the id instead, which is
smaller.
"""
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


def _code(key: bytes, purpose: Purpose, number: int, nonce: str) -> str:
    signed = hmac.digest(key, f"{purpose}\0{number}\0{nonce}".encode(), "sha256")
    return base64.b32encode(signed[: _BYTES[purpose]]).decode().rstrip("=").lower()
