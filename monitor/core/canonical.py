"""Values as JSON of which there is only one form, so that equal ones have one hash."""

from __future__ import annotations

import hashlib
import json


def dump_canonical(content: object) -> bytes:
    """JSON with sorted keys and no spaces, as UTF-8."""
    return json.dumps(
        content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


def hash_canonical(content: object) -> str:
    """The SHA-256 (hex) of a value as canonical JSON, as an entry of the log names it."""
    return hashlib.sha256(dump_canonical(content)).hexdigest()
