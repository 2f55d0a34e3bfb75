"""Messages as values: one frozen class per kind of message, before any channel has rendered it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from monitor.domain import AlertedChange, Basis, Meaning, PlacementReason, ValueMeaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who sends messages. ``timezone``: the zone in which times are shown.

    ``managed``: a site serves the personal links, so messages may contain them. ``head`` is the line of the
    public record at the end of each message, "" before it is first signed. ``next_step`` is the operator's
    own addition to what a reader can do, ``next_step_es`` the same in Spanish.
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
    """What a person follows on one list: its title and the places."""

    title: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a person gets messages: ``frequency`` as in `core.due`, and the local ``hour`` of digests in
    ``timezone``.
    """

    frequency: str = "at_once"
    timezone: str | None = None
    hour: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgenciesToday:
    """The agencies that cover places today on one list; ZIPs with the same answer are grouped.

    ``agencies``: (name, reason) each; ``total`` counts all, including those that are not named. ``seen_at``:
    the last good check. ``state_only``: no agency of the place itself, only statewide ones. ``blind``: the
    list cannot be read now.
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
    """Agencies that are listed for a person's places today because of better data on places, not because of a
    change. ``total`` includes those that are not named.
    """

    agencies: tuple[ListedAgency, ...]
    total: int


@dataclass(frozen=True, slots=True)
class ListChecks:
    """How well one list was checked from ``since`` to ``until``: the good checks, the last one, and the total
    time in gaps longer than ``longest`` between two. ``polls`` counts all checks, ``url`` is the file with
    all of them, None without a site.
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
    """Changes of one list in one message.

    ``source`` is the configured name ("ring"), ``title`` its title, ``official_url`` its public page.
    ``values`` explain the values of its columns. ``late``: a change was detected more than 24 h ago.
    ``held``: a change was held before. ``permalink``: None without a site. ``sample``: it describes a change
    that has not happened.
    """

    language: str = "en"
    source: str
    title: str
    publisher: str
    official_url: str
    told: tuple[AlertedChange, ...]
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
    """The operator retracts a change that a person was alerted to.

    ``reason`` is in ``reason_language``. ``told_at``: when the first message was sent, to the hour; None: not
    known. ``permalink``: the page of the change, None without a site.
    """

    language: str
    source: str
    title: str
    publisher: str
    official_url: str
    told: AlertedChange
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
    """Tells the owner of a subscribed address that somebody signed it up again."""

    language: str
    follows: tuple[ListPlaces, ...]
    schedule: Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """Tells a new subscriber what they will get, and which agencies cover their places today."""

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
    """A list could not be read for a long time; ``seen_at`` is the last good check."""

    language: str
    title: str
    official_url: str
    seen_at: datetime | None
    also: AlsoListed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSwitchedOff:
    """The operator no longer monitors a list."""

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
    """Everything that is stored about a person; ``facts`` are (name, value)."""

    language: str
    follows: tuple[ListPlaces, ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class NoticeDecision:
    """A decision that the operator can make from a notice: the problem, the page at ``url`` ("" without a
    site), and the command that a button sends to the bot ("" without a bot).
    """

    about: str
    url: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorNotice:
    """What needs the operator's attention: (problem, command that helps or "") each, the decisions that can
    be made from the notice, and problems that are over. In English, like the commands.
    """

    opened: tuple[tuple[str, str], ...]
    ended: tuple[str, ...] = ()
    decisions: tuple[NoticeDecision, ...] = ()
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """The operator's test message, which is sent like an alert. In English, like the commands."""

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
