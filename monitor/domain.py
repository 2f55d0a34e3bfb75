"""The frozen values that the pure functions take and give.

No behaviour beyond what the value itself knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from msgspec import Struct


class Listing(Struct, frozen=True, kw_only=True, gc=False):
    """One agency's entry in a source.

    ``key`` is its identity within the source; `identity.assign_keys` gives it, never a parser. ``state``
    is a USPS code or None; ``state_text`` is what stood there when it could not be read as a state. ``since``
    is the publisher's own date, the earliest of ``dates``; ``url`` the first of ``documents``. Both tuples
    are sorted and hold all values of merged rows: they are evidence for renames and are not compared by
    themselves. ``attributes`` are (column, text) pairs sorted by column; values of merged rows are sorted and
    joined by "; ". ``point`` is (latitude, longitude) in degrees, WGS 84. ``folder`` and ``point`` are
    outside identity. ``city`` holds several towns joined by `TOWNS` where the publisher gives several.

    A struct and no dataclass, because a list has up to 150,000 of them: made six times as fast, and read from
    the parser's JSON as they are. It holds no containers that change, so the collector need not look at it.
    """

    name: str
    key: str = ""
    source_id: str | None = None
    city: str | None = None
    county: str | None = None
    state: str | None = None
    state_text: str | None = None
    since: date | None = None
    dates: tuple[date, ...] = ()
    url: str | None = None
    documents: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    point: tuple[float, float] | None = None
    folder: str | None = None


TOWNS = "; "
"""Between the towns of a listing that has several."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with one row of a publication.

    ``row`` counts rows or placemarks from 1, None if unknown.
    """

    kind: str  # "unknown state", "state read as", "empty name", "duplicate key", "bad date", ...
    message: str
    row: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What one body says, before it has a time: a snapshot is a publication with a time.

    ``columns`` names what the publication carries, in the words of `Listing` fields ("county", "since",
    "url", "city") and of attributes. ``folders`` are all folders seen, also empty ones, in document order.
    ``damaged`` are rows that are not listings because their name is unreadable (empty, "#VALUE!"): they keep
    the listing that they used to be from being taken for removed. ``unterminated``: a text file whose last
    line has no end, as if it were cut off. ``unread`` says in words which parts of the publication could not
    be read, such as a linked document.
    """

    listings: tuple[Listing, ...]
    problems: tuple[Problem, ...] = ()
    columns: frozenset[str] = frozenset()
    folders: tuple[str, ...] = ()
    damaged: tuple[Listing, ...] = ()
    unterminated: bool = False
    unread: tuple[str, ...] = ()


class Kind(StrEnum):
    """What happened to a listing. A rename or a move is CHANGED."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class State(StrEnum):
    """The state of a change. PUBLISHED and WITHDRAWN are final; REJECTED stays while the change is seen and
    then is WITHDRAWN.
    """

    PENDING = "pending"
    HELD = "held"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between the baseline and a snapshot.

    ADDED has only ``after``, REMOVED only ``before``, CHANGED both. ``fields`` of a CHANGED names what
    differs, in the words of `Publication.columns` plus "name" and "state". ``quiet``: it differs only in what
    nobody is told about (silent fields, letter case); it moves the baseline and is never announced.
    ``previous`` of an ADDED is the listing, announced as gone, that is back (perhaps under another name).
    """

    kind: Kind
    before: Listing | None = None
    after: Listing | None = None
    fields: tuple[str, ...] = ()
    quiet: bool = False
    previous: Listing | None = None

    @property
    def identity(self) -> tuple[Kind, str]:
        """What identifies the change from poll to poll: its kind and the key of its listing."""
        listing = self.before or self.after
        assert listing is not None
        return self.kind, listing.key

    @property
    def subject(self) -> Listing:
        """The listing as people should read it now: after, or before when it is gone."""
        listing = self.after or self.before
        assert listing is not None
        return listing

    @property
    def renamed(self) -> bool:
        return self.kind is Kind.CHANGED and "name" in self.fields


@dataclass(frozen=True, slots=True)
class OpenChange:
    """An open change from earlier polls: PENDING, HELD or REJECTED (silenced).

    ``since``: the good poll that first saw it. ``release_at``: when a hold ends by itself (None: only an
    operator can end it). ``approved``: an operator approved it.
    """

    change: Change
    state: State
    since: datetime
    reason: str = ""
    release_at: datetime | None = None
    approved: bool = False


@dataclass(frozen=True, slots=True)
class Released:
    """A change that was published at ``at``; ``held`` if it had been held (then it does not count into later
    groups).
    """

    change: Change
    at: datetime
    held: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the guard says of one change now: PUBLISHED, PENDING, HELD or REJECTED, since when, why in words,
    until when.
    """

    change: Change
    state: State
    since: datetime
    reason: str = ""
    release_at: datetime | None = None
    held: bool = False  # it is published out of a hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The thresholds of `guard`, tuned on 15 months of the 287(g) list; each is a key of ``[guard]``.

    Shares are of the accepted listings.
    """

    missing_share: float = 0.20
    missing_floor: int = 5
    reject_wait: timedelta = timedelta(days=3)
    stale_after: timedelta = timedelta(days=1)
    future_rows: int = 3
    removal_wait: timedelta = timedelta(minutes=30)
    group_window: timedelta = timedelta(hours=24)
    removals: int = 5
    removals_share: float = 0.03
    additions: int = 50
    additions_share: float = 0.10
    renames: int = 20
    renames_share: float = 0.03
    others: int = 50
    others_share: float = 0.10
    whole_group: int = 3
    group_share: float = 0.20
    hold_additions: timedelta = timedelta(days=1)
    hold_undone: timedelta = timedelta(days=1)
    hold_others: timedelta = timedelta(days=5)
    flap_window: timedelta = timedelta(days=7)
    rename_memory: timedelta = timedelta(days=14)
    silent: frozenset[str] = frozenset({"url", "point", "folder"})


class Basis(StrEnum):
    """What an agency's entry on a list rests on: an agreement that it signed, one that it asked for, or
    nothing that the list says.
    """

    AGREEMENT = "agreement"
    REQUEST = "request"
    LISTING = "listing"


class Confidence(StrEnum):
    """How far a placement can be trusted."""

    EXACT = "exact"
    APPROXIMATE = "approximate"
    CONFLICT = "conflict"
    STATE_ONLY = "state_only"


@dataclass(frozen=True, slots=True)
class PlacementReason:
    """Why an agency has its places, as a value; `messages.placements.describe_placement` renders it.

    ``rule`` is a key of `messages.placements.SENTENCES`, or `TEXT` for a sentence that version 0.1.0 stored.
    ``names`` are the places covered ("Lake County"), or one state's code. ``other`` is the second name of
    rules that have one, or the stored sentence.
    """

    TEXT: ClassVar[str] = "text"

    rule: str
    names: tuple[str, ...] = ()
    other: str = ""


@dataclass(frozen=True, slots=True)
class Placement:
    """Which places an agency serves: ZIPs, or one state, or ("US",) when the state is not known.

    ``how`` names the step of the rule that decided. ``statewide``: the agency serves the whole state, so
    ZIP followers there are told; a STATE_ONLY placement is not statewide, only not placed.
    """

    places: tuple[str, ...]
    how: str
    confidence: Confidence
    reason: PlacementReason
    statewide: bool = False


@dataclass(frozen=True, slots=True)
class Meaning:
    """What being listed means from ``since`` on, in the words of the configuration; ``reviewed`` is when
    somebody last checked it.
    """

    since: date
    en: str
    es: str
    citation: str = ""
    reviewed: date | None = None
    citation_es: str = ""

    def text(self, language: str) -> str:
        """What it means, in a language."""
        return self.es if language == "es" else self.en

    def source(self, language: str) -> str:
        """What the text rests on, in a language."""
        return (self.citation_es if language == "es" else "") or self.citation


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueMeaning:
    """What one value of a list's column means, in the words of the configuration.

    ``names`` say the value in other languages by code, ``texts`` what it means; both may be empty.
    ``reviewed`` is when somebody last checked the texts.
    """

    column: str
    value: str
    names: Mapping[str, str] = field(default_factory=dict, hash=False)
    texts: Mapping[str, str] = field(default_factory=dict, hash=False)
    citations: Mapping[str, str] = field(default_factory=dict, hash=False)
    reviewed: date | None = None

    def name(self, language: str = "en") -> str:
        """The value in a language, as the list writes it where there is no translation."""
        return self.names.get(language) or self.value

    def text(self, language: str = "en") -> str:
        """What it means; "" where nobody said or reviewed it."""
        return (self.texts.get(language) or "") if self.reviewed else ""

    def source(self, language: str = "en") -> str:
        """What the text rests on."""
        return self.citations.get(language) or self.citations.get("en") or ""


def explain_values(
    known: Iterable[ValueMeaning], column: str, text: str
) -> tuple[tuple[str, ValueMeaning | None], ...]:
    """The values that stand in a column, in order, each with what is known of it."""
    found = {each.value.casefold(): each for each in known if each.column.casefold() == column.casefold()}
    parts = [part.strip() for part in text.split(";")]
    return tuple((part, found.get(part.casefold())) for part in parts if part)


def translate_values(known: Iterable[ValueMeaning], column: str, text: str, language: str) -> str:
    """The text of a column with the values that are known in a language."""
    explained = explain_values(known, column, text)
    if not any(meaning for _, meaning in explained):
        return text
    return "; ".join(meaning.name(language) if meaning else part for part, meaning in explained)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """What people are told of a configured source.

    ``titles`` are by language code and hold "en". ``every`` is the polling interval. ``official_url`` is the
    list's page for people. ``meanings`` are sorted by ``since``. ``values`` explain what stands in its
    columns. ``abouts`` are one sentence by language: what the list is about. ``enabled``: it is polled.
    ``leads_to`` names the list to which agencies move from this one. ``basis`` decides which next steps a
    reader is told.
    """

    name: str
    titles: Mapping[str, str]
    every: timedelta
    publisher: str = "The publisher"
    official_url: str = ""
    meanings: tuple[Meaning, ...] = ()
    values: tuple[ValueMeaning, ...] = ()
    abouts: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True
    leads_to: str | None = None
    basis: Basis = Basis.LISTING

    def title(self, language: str = "en") -> str:
        """The list's title in a language, in English where there is no translation."""
        return self.titles.get(language) or self.titles["en"]

    def about(self, language: str = "en") -> str:
        """One sentence: what the list is about. "" where nobody said it in that language."""
        return self.abouts.get(language) or ""

    def explain(self, column: str, text: str) -> tuple[tuple[str, ValueMeaning | None], ...]:
        """The values that stand in a column ("Jail Enforcement Model; Task Force Model" are two), in order,
        each with what is known of it.
        """
        return explain_values(self.values, column, text)

    def meaning(self, on: date) -> Meaning | None:
        """What being listed means on a day; None before the first meaning."""
        known = [meaning for meaning in self.meanings if meaning.since <= on]
        return known[-1] if known else None


@dataclass(frozen=True, slots=True)
class Told:
    """One published change as one person is told it: why they get it, and how sure the match is.

    ``because`` are the person's own places that matched ("46320", "IN", "US"); ``reason`` is the placement's.
    ``not_before``/``not_after`` bound the moment of the change: last good poll without it, first with it.
    ``came_from`` is the title of the list from which an added agency moved here; ``gone_at``: when a listing
    that is back was first missing.
    """

    change: Change
    because: tuple[str, ...]
    reason: PlacementReason | None
    confidence: Confidence
    not_before: datetime | None
    not_after: datetime
    came_from: str | None = None
    gone_at: datetime | None = None


def placeholder(name: str) -> str:
    """The placeholder of a recipient's own word: private-use characters around a name, which untrusted text
    cannot contain.
    """
    return f"\ue000{name}\ue001"


@dataclass(frozen=True, slots=True)
class Rendered:
    """One rendered content. A recipient's own words are placeholders in it, which a channel replaces.

    ``blocks`` are Telegram-HTML pieces that may be sent together or apart, never cut inside. ``buttons`` are
    what a chat shows under the last of them: the text, and the command to the bot or the https address.
    ``state`` is the USPS code of the one state that it is about, for a picture; "" otherwise.
    """

    subject: str
    text: str
    html: str
    blocks: tuple[str, ...] = ()
    buttons: tuple[tuple[str, str], ...] = ()
    state: str = ""


@dataclass(frozen=True, slots=True)
class LaneLimit:
    """What a channel lets through to one lane: messages a second, and how many of them at once."""

    rate: float
    burst: int


@dataclass(frozen=True, slots=True)
class Envelope:
    """One delivery of a message: to whom and with which values for the placeholders.

    ``address`` is the mail address or chat id in the clear: it never enters a log or an exception's text.
    ``answers`` is the Message-ID of the message that this one answers, ``answered`` what its server calls
    that; "" where there is none, or nobody knows.
    """

    delivery: int
    address: str
    message_id: str
    subscriber: int = 0
    placeholders: Mapping[str, str] = field(default_factory=dict)
    answers: str = ""
    answered: str = ""
