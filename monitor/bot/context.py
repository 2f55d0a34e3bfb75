"""The values and parts of the bot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import Engine

from monitor.domain import Listing, Placement, SourceInfo
from monitor.keys import KeyFile
from monitor.ops.decisions import DecisionDesk
from monitor.places import Gazetteer

Covering = Callable[[str, str], Iterable[tuple[Listing, Placement]]]
"""Returns the currently listed agencies of a source that serve a place, including those that serve its whole
state: (source, place) to pairs.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BotContext:
    """The parts of the bot.

    ``watched`` holds the lists by name, in display order. ``covering`` None: answers do not say which
    agencies cover a ZIP. ``folder`` is the data folder, where erasures are noted. ``public_url`` None:
    answers contain no links to pages. ``sample`` returns the blocks of a sample alert in a language. ``desk``
    takes decisions from ``operator_chats``, the numbers of the operator's own chats.
    """

    engine: Engine
    keys: KeyFile
    watched: Mapping[str, SourceInfo]
    gazetteer: Gazetteer
    clock: Callable[[], datetime]
    folder: Path
    covering: Covering | None = None
    sample: Callable[[str], tuple[str, ...]] = lambda language: ()
    name: str = "Map Monitor"
    contact: str = ""
    timezone: str = "UTC"
    public_url: str | None = None
    desk: DecisionDesk | None = None
    operator_chats: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Webhook:
    """The URL to which Telegram sends updates, and the secret that each must contain; the site
    receives them.
    """

    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in seconds.

    ``poll``: a long poll. ``standby``: between attempts to become the process that polls. ``pause``,
    ``longest_pause``: after a failure. ``answer``: how long an answer may wait for its turn to be posted.
    ``patience``: how long one chat's answers delay the next request for updates. ``beat``: between
    heartbeats. ``look``: between checks for updates that the webhook has received.
    """

    poll: int = 25
    standby: float = 30.0
    pause: float = 1.0
    longest_pause: float = 60.0
    answer: float = 20.0
    patience: float = 0.5
    beat: float = 20.0
    look: float = 1.0
