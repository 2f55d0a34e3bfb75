"""Files as responses, whole or a range of their bytes (RFC 9110, section 14.2)."""

from __future__ import annotations

import re

from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

_RANGE = re.compile(rb"(\d{1,18})-(\d{0,18})|-(\d{1,18})")


class SentFile(FileResponse):
    """A file. A Range header in another unit or form is ignored, as the standard asks, and not refused."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [
            (name, value) for name, value in scope["headers"] if name != b"range" or is_byte_range(value)
        ]
        await super().__call__({**scope, "headers": headers}, receive, send)


def is_byte_range(value: bytes) -> bool:
    """Whether the value of a Range header is a valid set of ranges of bytes, satisfiable or not."""
    unit, _, ranges = value.partition(b"=")
    if unit.strip().lower() != b"bytes":
        return False
    for part in ranges.split(b","):
        valid = _RANGE.fullmatch(part.strip(b" \t"))
        if valid is None or (valid[2] and int(valid[1]) > int(valid[2])):
            return False
    return True
