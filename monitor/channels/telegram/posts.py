"""Joins blocks of Telegram HTML into posts that Telegram accepts."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

from monitor.channels.placeholders import OWN_LINE, fill
from monitor.errors import Permanent

LIMIT = 4095
"""The longest post, in UTF-16 units: Telegram accepts 4,096 characters without tags, so counting the tags too
is on the safe side.
"""


def split_posts(blocks: Iterable[str]) -> list[str]:
    """Make as few posts as possible, split only between blocks, in order. A blank block is left out.

    Raises Permanent for a block that alone is too long: it would have to be cut inside a tag or a sentence.
    """
    result: list[str] = []
    for block in blocks:
        if not block.strip():
            continue
        if length(block) > LIMIT:
            raise Permanent("a part of this message is longer than a post can be")
        joined = f"{result[-1]}\n\n{block}" if result else block
        if result and length(joined) <= LIMIT:
            result[-1] = joined
        else:
            result.append(block)
    return result


def compose_posts(blocks: Iterable[str], values: Mapping[str, str]) -> list[str]:
    """The posts of one message to one chat, with the chat's own line at the end. Raises Permanent."""
    filled = [fill(block, values, html.escape) for block in blocks]
    own_line = values.get(OWN_LINE)
    return split_posts([*filled, html.escape(own_line, quote=False)] if own_line else filled)


def length(text: str) -> int:
    """The length as Telegram counts it: UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2
