"""Canonical JSON: equal values have the same bytes, and so the same hash."""

from __future__ import annotations

import hashlib
import json


def dump_canonical(content: object) -> bytes:
    """Serialize as JSON with sorted keys and no spaces, in UTF-8."""
    return json.dumps(
        content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


def hash_canonical(content: object) -> str:
    """The SHA-256 (hexadecimal) of a value's canonical JSON, as used in entries of the log."""
    return hashlib.sha256(dump_canonical(content)).hexdigest()
