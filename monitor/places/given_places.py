"""Parses the places that an operator assigns to an agency in words: ZIPs, a state, a town, a county or a
radius.
"""

from __future__ import annotations

from monitor.errors import UsageError
from monitor.places.codes import EVERYWHERE
from monitor.places.finder import PROBLEMS, find
from monitor.places.gazetteer import Gazetteer


def read_given_places(text: str, gazetteer: Gazetteer) -> tuple[tuple[str, ...], str]:
    """Read what an agency serves: its ZIPs or its state, and the words for it ("Lake County, IN"; "" where
    ZIPs were written). Raises UsageError with what to write instead.
    """
    found = find(text, gazetteer)
    if found.problem:
        raise UsageError(f'"{text}": {PROBLEMS[found.problem]}')
    if not found.places:
        raise UsageError(f'"{text}" is not one place; write one of these: {"; ".join(found.suggestions[:8])}')
    if found.places == (EVERYWHERE,):
        raise UsageError("no agency serves the whole country; write ZIP codes, a town, a county or a state")
    return tuple(sorted(found.places)), "" if found.zips else found.label
