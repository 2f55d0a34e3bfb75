"""The facts about the state of the service: from the database, the machine and the heartbeats."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from monitor.channels import EVERYTHING
from monitor.core.freshness import freshness
from monitor.domain import SourceInfo
from monitor.storage import database_facts, heartbeats, people
from monitor.storage.deliveries import backlog, canary_rows, configured_addresses, pauses, refusals
from monitor.storage.deliveries.backlog import Backlog
from monitor.storage.deliveries.canary_rows import CanaryTrace
from monitor.storage.deliveries.configured_addresses import EndedAddress
from monitor.storage.deliveries.pauses import Pause
from monitor.storage.deliveries.refusals import Wave
from monitor.storage.engine import reading
from monitor.storage.heartbeats import StandingLoop
from monitor.storage.lists import agreements, documents, log_rows, overview, placement_rows
from monitor.storage.lists.documents import DocumentsState
from monitor.storage.lists.log_rows import RecordFork
from monitor.storage.lists.overview import SourceOverview
from monitor.storage.lists.placement_rows import UnplacedListing
from monitor.storage.people import signups

SILENT_AFTER = timedelta(minutes=2)  # `cli.alive` has the same value for its file

"""Sender and bot write a heartbeat every 20 seconds; after this long without one they count as not
working.
"""


WAVE, WAVE_SHARE = 10, 0.05

"""Suppressions within a day, as a count and as a share of all addresses, that indicate a problem of the mail
server.
"""


DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Facts about the machine: free bytes on the data disk (None: not known) and the lower limit, why the key
    cannot be used (None: it can), whether one was created, the time of the last backup, and the age from
    which one is old (None: not checked). ``lost_head`` is a published head of the record that the database
    does not continue (None: it continues it).
    """

    disk_free: int | None = None
    disk_low: int = 0
    key_problem: str | None = None
    key_made: bool = True
    last_backup_at: datetime | None = None
    backup_after: timedelta | None = None
    lost_head: str | None = None


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """One watched source: its public description, its state in the database, whether it is blind now, its
    agencies without a place within their state, and its held changes.
    """

    info: SourceInfo
    state: SourceOverview
    blind: bool
    unplaced: tuple[UnplacedListing, ...] = ()
    held: overview.StandingHolds = field(default_factory=overview.StandingHolds)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFacts:
    """All facts for the checks.

    ``configured`` are the channels with a transport; ``pauses`` those of configured channels. ``fenced`` says
    why nothing is sent (None: sending is allowed). ``signups`` were counted within this hour,
    ``signups_an_hour`` is their limit. ``suppressed`` addresses were closed within a day; ``living`` counts
    the others, read only during a wave. ``canary_every`` is the interval of the canary (None: there is none),
    ``canary`` its last result. ``ended`` are configured addresses that reported that they are gone.
    ``standing`` are the loops that hang. ``unsigned_since`` is the time of the first entry of the record that
    no signature covers. ``forks`` say when it went on from an older copy.
    ``placing`` is the result of the last change of the gazetteer
    (`storage.database_facts.PLACING`).
    """

    now: datetime
    sources: tuple[SourceFacts, ...]
    outbox: Backlog
    configured: frozenset[str]
    pauses: tuple[Pause, ...]
    fenced: str | None
    signups: int
    signups_an_hour: int | None
    suppressed: int
    living: int
    sender_beat: datetime | None
    has_bot: bool
    bot_beat: datetime | None
    bot_trouble: str | None
    sender_works: bool = True
    bot_works: bool = True
    unsigned_since: datetime | None = None
    forks: tuple[RecordFork, ...] = ()
    host: HostFacts = HostFacts()
    waves: tuple[Wave, ...] = ()
    standing: tuple[StandingLoop, ...] = ()
    canary: CanaryTrace | None = None
    canary_every: timedelta | None = None
    ended: tuple[EndedAddress, ...] = ()
    documents: DocumentsState | None = None
    agreements_not_kept: int = 0
    placing: dict[str, Any] | None = None

    @property
    def sending(self) -> bool:
        """Whether a sender has worked within `SILENT_AFTER`; a command that sends may have ended since."""
        return is_alive(self.sender_beat, self.now)

    @property
    def talking(self) -> bool:
        return is_alive(self.bot_beat, self.now)

    @property
    def waiting(self) -> dict[str, int]:
        """Due deliveries by channel, of channels without a transport."""
        return {
            channel: count for channel, count in self.outbox.due.items() if channel not in self.configured
        }

    @property
    def paused(self) -> tuple[Pause, ...]:
        """The pauses of whole channels."""
        return tuple(pause for pause in self.pauses if pause.name == EVERYTHING)


@dataclass(frozen=True, slots=True)
class Question:
    """A decision that the operator can make about a condition: its kind (`decision_kinds`), its subject, and
    whether it needs text, for which only the page has fields.
    """

    kind: str
    about: str = ""
    needs_words: bool = False


@dataclass(frozen=True, slots=True)
class HealthFinding:
    """Something that needs attention: the part of the program, and a sentence for the operator.

    ``key`` identifies the condition while its sentence changes, such as "blind ring". ``notify``: the
    operator is notified at once, and again when it is over. ``remedy`` is the command that helps,
    ``question`` the decision by a button or a link in the notice. ``members`` are the items that it concerns,
    if they may grow: then the operator is notified again.
    """

    part: str
    problem: str
    key: str
    notify: bool = False
    remedy: str = ""
    question: Question | None = None
    members: frozenset[str] = frozenset()


def load_facts(
    engine: Engine,
    sources: Mapping[str, SourceInfo],
    *,
    configured: Collection[str],
    fenced: str | None,
    now: datetime,
    signups_an_hour: int | None = None,
    bot: bool = False,
    host: HostFacts = HostFacts(),  # frozen
    canary_every: timedelta | None = None,
) -> HealthFacts:
    """Read the facts for the checks, in one transaction.

    ``sources`` are the watched ones, ``configured`` the channels that have a transport, ``fenced`` is why
    nothing is sent (None: sending is allowed), ``signups_an_hour`` the limit of sign-ups, ``bot`` whether one
    is configured, ``canary_every`` the interval of the test message (None: there is none).
    """
    with reading(engine) as conn:
        states = {name: overview.load_overview(conn, name) for name in sources}
        suppressed = people.count_since(conn, now - DAY)
        return HealthFacts(
            now=now,
            sources=tuple(
                SourceFacts(
                    info,
                    state,
                    freshness(state.last_good_at, state.last_fetch_at, info.every, now).blind,
                    placement_rows.load_unplaced(conn, info.name),
                    overview.load_standing_holds(conn, info.name) if state.held else overview.StandingHolds(),
                )
                for info, state in zip(sources.values(), states.values(), strict=True)
            ),
            outbox=backlog.read_backlog(conn),
            configured=frozenset(configured),
            pauses=tuple(pause for pause in pauses.read_pauses(conn, now) if pause.channel in configured),
            fenced=fenced,
            signups=signups.count_requests(conn, signups.SITE, now),
            signups_an_hour=signups_an_hour,
            suppressed=suppressed,
            living=people.count_living(conn) if suppressed >= WAVE else 0,
            sender_beat=heartbeats.load_latest(conn, "sender"),
            has_bot=bot,
            bot_beat=heartbeats.load_latest(conn, "bot"),
            bot_trouble=database_facts.get(conn, database_facts.BOT_TROUBLE),
            sender_works=is_alive(heartbeats.load_latest_unended(conn, "sender"), now),
            bot_works=is_alive(heartbeats.load_latest_unended(conn, "bot"), now),
            unsigned_since=log_rows.load_unsigned_since(conn),
            forks=log_rows.load_forks(conn),
            host=replace(host, last_backup_at=_read_last_backup(conn)),
            waves=refusals.load_waves(conn, now - DAY),
            standing=heartbeats.load_standing_loops(conn, now - SILENT_AFTER),
            canary=canary_rows.load_canary(conn) if canary_every is not None else None,
            canary_every=canary_every,
            ended=configured_addresses.load_ended(conn),
            documents=documents.load_state(conn),
            agreements_not_kept=agreements.count_not_kept(conn),
            placing=_read_placing(conn),
        )


def _read_last_backup(conn: Connection) -> datetime | None:
    text = database_facts.get(conn, database_facts.LAST_BACKUP)
    return datetime.fromisoformat(text) if text else None


def _read_placing(conn: Connection) -> dict[str, Any] | None:
    text = database_facts.get(conn, database_facts.PLACING)
    found: dict[str, Any] | None = json.loads(text) if text else None
    return found


def is_alive(beat: datetime | None, now: datetime) -> bool:
    """Whether the last heartbeat is recent enough; None: there was none."""
    return beat is not None and now - beat <= SILENT_AFTER
