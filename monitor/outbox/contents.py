"""What a message says, apart from whom it is for: an alert's `Content`, and the `Letter` that every other kind of delivery is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.domain import Message, Told
from monitor.storage.deliveries.fanout import Published
from monitor.storage.deliveries.notices import Checks
from monitor.storage.people import Follow


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One distinct thing to say to however many people: what `Compose` makes a message of.

    ``at`` is when its newest change was first seen. ``late``: a change was detected more than 24 h ago. ``changeset`` is where all of it
    was published, None where that was not at once.
    """

    source: str
    language: str
    told: tuple[Told, ...]
    at: datetime
    late: bool = False
    held_until_now: bool = False
    changeset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What `Write` makes a message of.

    ``kind`` and ``about``: confirm "asked" (somebody is to say yes) or "known" (they are subscribed already); welcome; digest "daily",
    "weekly", "summary" (after a pause) or "last" (before alerts at once), with ``contents``; notice "blind" or "back" (of ``source``),
    "receipt" with ``checks`` by source since ``since``, or "export" with ``facts``. ``follows``, ``frequency``, ``timezone`` and
    ``local_hour`` are the subscriber's as of now.
    """

    kind: str
    about: str
    language: str
    at: datetime
    follows: tuple[Follow, ...] = ()
    frequency: str = "at_once"
    timezone: str | None = None
    local_hour: int | None = None
    contents: tuple[Content, ...] = ()
    source: str = ""
    since: datetime | None = None
    checks: tuple[tuple[str, Checks], ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a message is for, as far as its own words need it; ``asked_at`` is when they asked for what they are told of, ``confirm_until``
    how long their link to confirm works.
    """

    subscriber: int
    channel: str
    language: str
    nonce: str
    asked_at: datetime
    confirm_until: datetime | None = None


Compose = Callable[[Content], Message]
Write = Callable[[Letter], Message]
Marks = Callable[[Recipient], "dict[str, str]"]


def content(
    source: str,
    language: str,
    told: Sequence[tuple[Published, tuple[str, ...]]],
    *,
    late: bool,
    changeset: int | None = None,
) -> Content:
    """Published changes of one source as one person is told them, each with the places that are the reason."""
    return Content(
        source=source,
        language=language,
        told=tuple(
            Told(
                change=each.change,
                because=places,
                reason=each.reason,
                confidence=each.confidence,
                not_before=each.not_before,
                not_after=each.not_after,
            )
            for each, places in told
        ),
        at=max(each.not_after for each, _ in told),
        late=late,
        held_until_now=any(each.was_held for each, _ in told),
        changeset=changeset,
    )
