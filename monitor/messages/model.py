"""What is said, as values: one frozen class per kind of message, before any channel has rendered it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from monitor.domain import Basis, Meaning, PlacementReason, Told, ValueMeaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who sends messages. ``timezone``: the zone in which times are shown.

    ``managed``: a site serves the personal links, so that messages may name them. ``head`` is the line of the
    public record that stands at the end of each message, "" before it was signed. ``next_step`` is what the
    operator adds to what a reader can do, ``next_step_es`` the same in Spanish.
    """

    site_name: str
    contact: str = ""
    postal_address: str = ""
    timezone: str = "UTC"
    managed: bool = False
    head: str = ""
    next_step: str = ""
    next_step_es: str = ""


@dataclass(frozen=True, slots=True)
class ListPlaces:
    """What somebody follows on one list: its title and the places."""

    title: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When somebody gets messages: ``frequency`` as in `core.due`, and the local ``hour`` of digests in
    ``timezone``.
    """

    frequency: str = "at_once"
    timezone: str | None = None
    hour: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgenciesToday:
    """Which agencies cover places today on one list; ZIPs with the same answer stand together.

    ``agencies``: (name, reason) each; ``total`` counts all, also those that are not named. ``seen_at``: the
    last good check. ``state_only``: no agency of the place itself, only statewide ones. ``blind``: the list
    cannot be read now.
    """

    places: tuple[str, ...]
    title: str
    agencies: tuple[tuple[str, PlacementReason | None], ...]
    total: int
    seen_at: datetime | None
    state_only: bool = False
    blind: bool = False


@dataclass(frozen=True, slots=True)
class ListedAgency:
    """An agency that is listed: its name, its list's title, and why it serves a place."""

    name: str
    title: str
    reason: PlacementReason


@dataclass(frozen=True, slots=True)
class AlsoListed:
    """Agencies that are listed for somebody's places today, which we know by better data on places, and not
    by a change. ``total`` counts also those that are not named.
    """

    agencies: tuple[ListedAgency, ...]
    total: int


@dataclass(frozen=True, slots=True)
class ListChecks:
    """How well one list was checked from ``since`` to ``until``: good checks, the last one, and the time
    without one beyond ``longest`` between two. ``polls`` counts all checks, ``url`` is the file that has each
    of them, None without a site.
    """

    title: str
    good: int
    last_good_at: datetime | None
    blind: timedelta
    since: datetime
    until: datetime
    polls: int
    longest: timedelta
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Changes of one list that one message tells.

    ``source`` is the configured name ("ring"), ``title`` its words, ``official_url`` its page for people.
    ``values`` explain what stands in its columns. ``late``: a change was detected more than 24 h ago.
    ``held``: a change was held before. ``permalink``: None without a site. ``sample``: it tells of nothing
    that has happened.
    """

    language: str = "en"
    source: str
    title: str
    publisher: str
    official_url: str
    told: tuple[Told, ...]
    meaning: Meaning | None
    basis: Basis = Basis.LISTING
    values: tuple[ValueMeaning, ...] = ()
    permalink: str | None = None
    late: bool = False
    held: bool = False
    sample: bool = False
    also: AlsoListed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRetracted:
    """The operator takes a change back that somebody was told.

    ``reason`` is in ``reason_language``. ``told_at``: when the message that told it left, to the hour; None:
    not known. ``permalink``: the page of the change, None without a site.
    """

    language: str
    source: str
    title: str
    publisher: str
    official_url: str
    told: Told
    told_at: datetime | None
    retracted_at: datetime
    reason: str
    reason_language: str
    permalink: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """Asks the owner of an address to confirm a sign-up."""

    language: str
    follows: tuple[ListPlaces, ...]
    schedule: Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadySubscribed:
    """Tells the owner of a subscribed address that somebody asked for the same again."""

    language: str
    follows: tuple[ListPlaces, ...]
    schedule: Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """Says what somebody will get, and which agencies cover their places today."""

    language: str
    follows: tuple[ListPlaces, ...]
    schedule: Schedule
    today: tuple[AgenciesToday, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """All changes of a day, a week or a pause, or since the last digest ("last")."""

    language: str
    about: Literal["daily", "weekly", "summary", "last"]
    alerts: tuple[Alert, ...]
    also: AlsoListed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListUnreadable:
    """A list could not be read for long; ``seen_at`` is the last good check."""

    language: str
    title: str
    official_url: str
    seen_at: datetime | None
    also: AlsoListed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSwitchedOff:
    """The operator does not monitor a list any more."""

    language: str
    title: str
    official_url: str
    seen_at: datetime | None
    also: AlsoListed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReadable:
    """A list can be read again."""

    language: str
    title: str
    official_url: str
    seen_at: datetime | None
    also: AlsoListed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Still monitoring: nothing changed for a quarter, and how well each list was checked."""

    language: str
    follows: tuple[ListPlaces, ...]
    schedule: Schedule
    checks: tuple[ListChecks, ...]
    also: AlsoListed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Everything that is stored about somebody; ``facts`` are (name, value)."""

    language: str
    follows: tuple[ListPlaces, ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class NoticeDecision:
    """What the operator can decide from a notice: about which problem, on the page at ``url`` ("": there is
    no site) or by the command that a button sends to the bot ("": no bot listens).
    """

    about: str
    url: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorNotice:
    """What needs the operator: (problem, command that helps or "") each, what can be decided from the notice,
    and problems that are over. In English, as the commands are.
    """

    opened: tuple[tuple[str, str], ...]
    ended: tuple[str, ...] = ()
    decisions: tuple[NoticeDecision, ...] = ()
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """The operator's test message, which takes the way of an alert. In English, as the commands are."""

    queued_at: datetime
    language: str = "en"


Message = (
    Alert
    | ChangeRetracted
    | Confirmation
    | AlreadySubscribed
    | Welcome
    | Digest
    | ListUnreadable
    | ListSwitchedOff
    | ListReadable
    | Receipt
    | Export
    | OperatorNotice
    | Canary
)
