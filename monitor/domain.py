"""The frozen values that the pure functions take and return.

They have no behavior beyond what follows from their own fields.
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
    is a USPS code or None; ``state_text`` is the published text when it cannot be read as a state. ``since``
    is the publisher's own date, the earliest of ``dates``; ``url`` is the first of ``documents``. Both tuples
    are sorted and hold the values of all merged rows: they are evidence for renames and are not compared by
    themselves. ``attributes`` are (column, text) pairs sorted by column; values of merged rows are sorted and
    joined by "; ". ``point`` is (latitude, longitude) in degrees, WGS 84. ``folder`` and ``point`` are
    outside identity. ``city`` holds several towns joined by `TOWNS` where the publisher gives several.

    It is a struct, not a dataclass, because a list has up to 150,000 of them: a struct is created six times
    as fast and is decoded directly from the parser's JSON. It holds no mutable containers, so the garbage
    collector can skip it.
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
"""Separates the towns of a listing that has several."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with one row of a publication.

    ``row`` counts rows or placemarks from 1, None if unknown.
    """

    kind: str  # "unknown state", "state read as", "empty name", "duplicate key", "bad date", ...
    message: str
    row: int | None = None


ROWS_MISSING = "rows missing"
"""The kind of the problem that a publication states more rows than it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The parsed content of one body, without a time: a snapshot is a publication with a time.

    ``columns`` names what the publication contains, by the names of `Listing` fields ("county", "since",
    "url", "city") and of attributes. ``folders`` are all folders seen, also empty ones, in document order.
    ``damaged`` are rows that are not listings because their name is unreadable (empty, "#VALUE!"): because of
    them, the listings that they used to be are not taken for removed. ``unterminated``: the last line of a
    text file has no line end, as if the file were cut off. ``unread`` describes the parts of the publication
    that could not be read, such as a linked document. ``unreadable`` are the keys of listings, each with a
    field or attribute whose cell holds a spreadsheet's error value or is cut off: the accepted value is kept.
    """

    listings: tuple[Listing, ...]
    problems: tuple[Problem, ...] = ()
    columns: frozenset[str] = frozenset()
    folders: tuple[str, ...] = ()
    damaged: tuple[Listing, ...] = ()
    unterminated: bool = False
    unread: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()

    @property
    def in_part(self) -> bool:
        """Whether listings may be missing only because a part was not read, or not served."""
        return bool(self.unread) or any(problem.kind == ROWS_MISSING for problem in self.problems)


class Kind(StrEnum):
    """What happened to a listing. A rename or a move is CHANGED."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class State(StrEnum):
    """The state of a change. PUBLISHED and WITHDRAWN are final; a REJECTED change stays so while it is seen,
    and then becomes WITHDRAWN.
    """

    PENDING = "pending"
    HELD = "held"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between the baseline and a snapshot.

    ADDED has only ``after``, REMOVED only ``before``, CHANGED both. ``fields`` of a CHANGED lists what
    differs, by the names of `Publication.columns` plus "name" and "state". ``quiet``: only fields that are
    never announced differ (silent fields, letter case); it moves the baseline and sends no message.
    ``previous`` of an ADDED is the listing that was announced as gone and is back, perhaps under another
    name.
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
        """The listing to show to people: ``after``, or ``before`` when it is gone."""
        listing = self.after or self.before
        assert listing is not None
        return listing

    @property
    def renamed(self) -> bool:
        return self.kind is Kind.CHANGED and "name" in self.fields


@dataclass(frozen=True, slots=True)
class OpenChange:
    """An open change from earlier polls: PENDING, HELD or REJECTED (silenced).

    ``since``: the time of the good poll that first saw it. ``release_at``: when a hold ends by itself (None:
    only an operator can end it). ``approved``: an operator approved it.
    """

    change: Change
    state: State
    since: datetime
    reason: str = ""
    release_at: datetime | None = None
    approved: bool = False


@dataclass(frozen=True, slots=True)
class PastChange:
    """A change that was published at ``at``; ``held`` if it had been held (then it does not count into later
    groups).
    """

    change: Change
    at: datetime
    held: bool = False


@dataclass(frozen=True, slots=True)
class Judgment:
    """The guard's decision about one change: its state (PUBLISHED, PENDING, HELD or REJECTED), since when,
    the reason as text, and until when.
    """

    change: Change
    state: State
    since: datetime
    reason: str = ""
    release_at: datetime | None = None
    held: bool = False  # it was held before it is published


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
    """The legal basis of an entry on a list: an agreement that the agency signed, one that it requested, or
    nothing that the list states.
    """

    AGREEMENT = "agreement"
    REQUEST = "request"
    LISTING = "listing"


class Confidence(StrEnum):
    """How reliable a placement is."""

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
    """The places that an agency serves: ZIPs, or one state, or ("US",) when the state is not known.

    ``how`` names the step of the placement rule that decided. ``statewide``: the agency serves the whole
    state, so followers of its ZIPs are alerted; a STATE_ONLY placement is not statewide, it means that the
    agency could not be placed more exactly.
    """

    places: tuple[str, ...]
    how: str
    confidence: Confidence
    reason: PlacementReason
    statewide: bool = False


@dataclass(frozen=True, slots=True)
class Meaning:
    """What being listed means from ``since`` on, as the configuration says it; ``reviewed`` is the day when a
    person last checked the text.
    """

    since: date
    en: str
    es: str
    citation: str = ""
    reviewed: date | None = None
    citation_es: str = ""

    def text(self, language: str) -> str:
        """The meaning in a language."""
        return self.es if language == "es" else self.en

    def source(self, language: str) -> str:
        """The citation for the text, in a language."""
        return (self.citation_es if language == "es" else "") or self.citation


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueMeaning:
    """What one value of a list's column means, as the configuration says it.

    ``names`` are translations of the value and ``texts`` its meaning, both by language code; both may be
    empty. ``reviewed`` is the day when a person last checked the texts.
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
        """The meaning in a language; "" if the configuration has none or it was not reviewed."""
        return (self.texts.get(language) or "") if self.reviewed else ""

    def source(self, language: str = "en") -> str:
        """The citation for the text, in a language."""
        return self.citations.get(language) or self.citations.get("en") or ""


def explain_values(
    known: Iterable[ValueMeaning], column: str, text: str
) -> tuple[tuple[str, ValueMeaning | None], ...]:
    """Split the text of a column into its values, in order, each with its meaning (None: unknown)."""
    found = {each.value.casefold(): each for each in known if each.column.casefold() == column.casefold()}
    parts = [part.strip() for part in text.split(";")]
    return tuple((part, found.get(part.casefold())) for part in parts if part)


def translate_values(known: Iterable[ValueMeaning], column: str, text: str, language: str) -> str:
    """The text of a column with its known values translated into a language."""
    explained = explain_values(known, column, text)
    if not any(meaning for _, meaning in explained):
        return text
    return "; ".join(meaning.name(language) if meaning else part for part, meaning in explained)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """The public description of a configured source.

    ``titles`` are by language code and hold "en". ``every`` is the polling interval. ``official_url`` is the
    list's page for people. ``meanings`` are sorted by ``since``. ``values`` explain the values of its
    columns. ``abouts`` are one sentence by language code: what the list is about. ``enabled``: it is polled.
    ``leads_to`` names the list to which agencies move from this one. ``basis`` decides which next steps are
    suggested to a reader.
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
        """One sentence about the list; "" if the configuration has none in that language."""
        return self.abouts.get(language) or ""

    def explain(self, column: str, text: str) -> tuple[tuple[str, ValueMeaning | None], ...]:
        """Split the text of a column into its values ("Jail Enforcement Model; Task Force Model" are two), in
        order, each with its meaning (None: unknown).
        """
        return explain_values(self.values, column, text)

    def meaning(self, on: date) -> Meaning | None:
        """What being listed means on a day; None before the first meaning."""
        known = [meaning for meaning in self.meanings if meaning.since <= on]
        return known[-1] if known else None


@dataclass(frozen=True, slots=True)
class AlertedChange:
    """One published change as one person is alerted to it: why they get it, and how sure the match is.

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
    """The placeholder for a value that differs by recipient: a name between private-use characters, which
    untrusted text cannot contain.
    """
    return f"\ue000{name}\ue001"


@dataclass(frozen=True, slots=True)
class Rendered:
    """One rendered message. What differs by recipient is a placeholder in it, which the channel replaces.

    ``blocks`` are Telegram-HTML pieces that may be sent together or apart, never cut inside. ``buttons`` are
    shown in a chat below the last block: each has a text, and a command to the bot or an https address.
    ``state`` is the USPS code of the one state that the message is about, for a picture; "" otherwise.
    """

    subject: str
    text: str
    html: str
    blocks: tuple[str, ...] = ()
    buttons: tuple[tuple[str, str], ...] = ()
    state: str = ""


@dataclass(frozen=True, slots=True)
class LaneLimit:
    """The rate limit of one lane of a channel: messages per second, and the size of a burst."""

    rate: float
    burst: int


@dataclass(frozen=True, slots=True)
class Envelope:
    """One delivery of a message: the recipient, and the values for the placeholders.

    ``address`` is the mail address or chat id in the clear: it never enters a log or an exception's text.
    ``answers`` is the Message-ID of the message that this one replies to, ``answered`` the id that the
    channel's server gave that message; "" if there is none or it is not known.
    """

    delivery: int
    address: str
    message_id: str
    subscriber: int = 0
    placeholders: Mapping[str, str] = field(default_factory=dict)
    answers: str = ""
    answered: str = ""
