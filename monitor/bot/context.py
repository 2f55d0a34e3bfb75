"""What the bot is made of: plain values and the parts that it asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.engine import Engine

from monitor.domain import Listing, Placement
from monitor.keys import KeyFile
from monitor.places import Gazetteer

Covering = Callable[[str, str], Iterable[tuple[Listing, Placement]]]
"""The agencies of a source that are listed now and serve a ZIP, those of its whole state included: (source, ZIP) to pairs."""


@dataclass(frozen=True, slots=True)
class BotList:
    """One list that is watched: what people are told that it is called, and its polling interval."""

    title: str
    every: timedelta
    title_es: str | None = None

    def titled(self, language: str) -> str:
        """What readers of a language are told that the list is called."""
        return (self.title_es if language == "es" else None) or self.title


@dataclass(frozen=True, slots=True, kw_only=True)
class BotContext:
    """The parts of the bot.

    ``watched`` are the lists by name, in the order in which they are shown. ``covering`` None: what covers a ZIP today is not told.
    ``folder`` is the data folder, where erasures are noted. ``public_url`` None: no link to a page is given.
    """

    engine: Engine
    keys: KeyFile
    watched: Mapping[str, BotList]
    gazetteer: Gazetteer
    clock: Callable[[], datetime]
    folder: Path
    covering: Covering | None = None
    name: str = "Map Monitor"
    contact: str = ""
    timezone: str = "UTC"
    public_url: str | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where Telegram sends updates to, and the secret that each must carry."""

    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things take, in seconds: a long poll, the wait for a turn to poll, the first and the longest pause after a failure, how
    long an answer may wait for its place among the posts, how long one chat's answers hold up the next question for updates, and the
    time between signs of life."""

    poll: int = 25
    standby: float = 30.0
    pause: float = 1.0
    longest_pause: float = 60.0
    answer: float = 20.0
    patience: float = 2.0
    beat: float = 20.0
