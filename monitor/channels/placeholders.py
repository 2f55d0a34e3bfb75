"""Filling a message's marks with one recipient's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from monitor.domain import mark
from monitor.errors import Permanent

PATTERN = re.compile(mark("([a-z-]+)"))
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ue000\ue001]")


def word(marks: Mapping[str, str], name: str) -> str:
    """The recipient's word for one mark. Raises Permanent when there is none, or one that would break a line."""
    value = marks.get(name)
    if value is None:
        raise Permanent(f"the message has a mark {name!r} for which this delivery has no word")
    if _CONTROL.search(value):
        raise Permanent(f"the word for the mark {name!r} holds a control character")
    return value


def filled(text: str, marks: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
    """The text with every mark replaced by its escaped word. Raises Permanent as `word` does."""
    return PATTERN.sub(lambda found: escape(word(marks, found[1])), text)
