"""Leaves of the log as canonical JSON: the same value gives the same bytes in every language (RFC 8785, JCS).
Pure.

Only objects, lists, text and integers are allowed: fractions and booleans are written differently in
different languages. Unknown values are left out. Keys are ASCII, so that their sort order is unambiguous.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from monitor.core.canonical import dump_canonical

LARGEST = 65_535
"""The most bytes of a leaf: tlog-tiles stores its length in two bytes."""
_SAFE = 2**53 - 1  # the largest integer that every JSON reader keeps exactly (RFC 7493, 2.2)

LeafValue: TypeAlias = "str | int | Sequence[LeafValue] | Mapping[str, LeafValue]"


def encode_leaf(content: Mapping[str, LeafValue]) -> bytes:
    """Encode as canonical bytes. Raises ValueError for anything except objects, lists, text and integers, and
    for a leaf that is too large.
    """
    _check(content)
    encoded = dump_canonical(content)
    if len(encoded) > LARGEST:
        raise ValueError(f"a leaf of {len(encoded)} bytes is too large for the log: at most {LARGEST}")
    return encoded


def decode_leaf(encoded: bytes) -> dict[str, LeafValue]:
    """Decode the bytes of `encode_leaf`. Raises ValueError for bytes that it would not produce."""
    content = json.loads(encoded)
    if not isinstance(content, dict) or encode_leaf(content) != encoded:
        raise ValueError("a leaf of the log is not canonical JSON")
    return content


def format_time(at: datetime) -> str:
    """Format a time in UTC to the microsecond, always of the same length: ``2026-03-01T12:00:00.000000Z``."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _check(value: object) -> None:
    if isinstance(value, str):
        value.encode()  # a lone surrogate has no UTF-8; UnicodeEncodeError is a ValueError
        return
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > _SAFE:
            raise ValueError(f"the integer {value} is too large for the log")
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise ValueError(f"{key!r} is not a key of the log: use ASCII text")
            _check(inner)
        return
    if isinstance(value, list | tuple):
        for inner in value:
            _check(inner)
        return
    raise ValueError(f"the log holds text and integers, not {type(value).__name__}")
