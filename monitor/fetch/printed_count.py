"""The count that a publisher prints of its own list: "has signed 1,135 Memorandums of Agreement"."""

from __future__ import annotations

import html
import re

_TAG = re.compile(r"<[^<>]*>")
_MOST = 10_000_000
MOST_TEXT = 2_000_000
"""The most characters of a document that are searched."""


def read_printed_count(body: bytes, pattern: str) -> int | None:
    """Find the number in the first group of ``pattern`` in the text of a page or document, without its tags;
    None if it prints none.
    """
    text = html.unescape(_TAG.sub(" ", body[:MOST_TEXT].decode("utf-8", "replace")))
    found = re.search(pattern, " ".join(text.split()))
    digits = re.sub(r"[,.\s]", "", found[1] or "") if found else ""
    if not re.fullmatch(r"[0-9]{1,8}", digits) or int(digits) > _MOST:
        return None
    return int(digits)
