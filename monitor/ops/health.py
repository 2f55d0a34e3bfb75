"""The state of sources, outbox, sender and bot, and what needs an operator's attention.

`load_facts` reads everything in one transaction. Each check is a pure function from these facts to findings,
so a new check is one function and one line in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from monitor.channels import EVERYTHING
from monitor.channels.kinds import KINDS
from monitor.core.freshness import freshness
from monitor.domain import SourceInfo
from monitor.storage import heartbeats, meta, people
from monitor.storage.deliveries import backlog, canary_rows, configured_addresses, pauses, refusals
from monitor.storage.deliveries.backlog import OFTEN, Backlog
from monitor.storage.deliveries.canary_rows import CanaryTrace
from monitor.storage.deliveries.configured_addresses import EndedAddress
from monitor.storage.deliveries.pauses import Pause
from monitor.storage.deliveries.refusals import Wave
from monitor.storage.engine import reading
from monitor.storage.heartbeats import StandingLoop
from monitor.storage.lists import documents, log_rows, overview
from monitor.storage.lists.documents import DocumentsState
from monitor.storage.lists.overview import SourceOverview
from monitor.storage.people import signups

SILENT_AFTER = timedelta(minutes=2)  # `cli.alive` has the same for its file
"""Sender and bot write a heartbeat every 20 seconds; after this long without one they count as not working.
"""
WAVE, WAVE_SHARE = 10, 0.05
"""Suppressions within a day, as a count and as a share of all addresses, that point at the mail server."""
DAY = timedelta(days=1)
_CANARY_GRACE = timedelta(minutes=15)  # at least, for a short interval
SIGNED_WITHIN = timedelta(hours=1)
"""`monitor run` signs the record every 5 minutes, `monitor poll` each time."""
_RECORDS = dict.fromkeys(
    ("5.7.26", "5.7.27", "5.7.30", "5.7.509", "5.7.515"),
    "publish SPF and DKIM for the sender's domain, and a DMARC record (_dmarc, TXT) that they satisfy",
)
"""What to mend in the DNS, by the status with which Gmail (5.7.26 to 5.7.30) and Outlook refuse mail."""
FENCE, BOT = "fence", "bot"
"""Keys of conditions under which the bot answers nobody."""
_POLL = "start `monitor run` or call `monitor poll`"


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the machine says: bytes free where the data is (None: not known) and how many are too few, why the
    key cannot be read (None: it can), when the last backup was made, and after how long one is old (None:
    nobody checks).
    """

    disk_free: int | None = None
    disk_low: int = 0
    key_problem: str | None = None
    last_backup_at: datetime | None = None
    backup_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """One watched source: what is told of it, its state in the database, and whether it is blind now."""

    info: SourceInfo
    state: SourceOverview
    blind: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFacts:
    """Everything that the checks look at.

    ``configured`` are the channels with a transport; ``pauses`` those of configured channels. ``fenced`` says
    why nothing is sent (None: it is). ``signups`` were counted within this hour, ``signups_an_hour`` is their
    limit. ``suppressed`` addresses were closed within a day; ``living`` counts the others, read only during a
    wave. ``canary_every`` is the interval of the canary (None: there is none), ``canary`` what became of it.
    ``ended`` are addresses of the configuration that said that they are gone. ``standing`` are the loops that
    stand still. ``unsigned_since`` is the time of the first entry of the record that no signature covers.
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
    unsigned_since: datetime | None = None
    host: HostFacts = HostFacts()
    waves: tuple[Wave, ...] = ()
    standing: tuple[StandingLoop, ...] = ()
    canary: CanaryTrace | None = None
    canary_every: timedelta | None = None
    ended: tuple[EndedAddress, ...] = ()
    documents: DocumentsState | None = None

    @property
    def sending(self) -> bool:
        return _is_alive(self.sender_beat, self.now)

    @property
    def talking(self) -> bool:
        return _is_alive(self.bot_beat, self.now)

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
    """What the operator can decide about a condition: the kind of decision (`decision_kinds`), and about
    what.
    """

    kind: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class HealthFinding:
    """Something that needs attention: the part of the program, and a sentence for the operator.

    ``key`` names the condition while its sentence changes, such as "blind ring". ``notify``: the operator is
    told at once, and again when it is over. ``remedy`` is the command that helps, ``question`` what a button
    or a link in the notice decides.
    """

    part: str
    problem: str
    key: str
    notify: bool = False
    remedy: str = ""
    question: Question | None = None


Check = Callable[[HealthFacts], Iterator[HealthFinding]]


def status(
    engine: Engine,
    sources: Mapping[str, SourceInfo],
    *,
    configured: Collection[str],
    fenced: str | None,
    now: datetime,
    signups_an_hour: int | None = None,
    bot: bool = False,
) -> dict[str, Any]:
    """Read the state of everything as one JSON-ready object.

    ``sources`` are the watched ones, ``configured`` the channels that have a transport, ``fenced`` is why
    nothing is sent (None: it is), ``signups_an_hour`` the limit of sign-ups, ``bot`` whether one is
    configured. Keys: ``now, ok, problems, sources, outbox, sender``, and
    ``bot`` where one is configured; times are ISO 8601 in UTC, ages in seconds.
    """
    return report(
        load_facts(
            engine,
            sources,
            configured=configured,
            fenced=fenced,
            now=now,
            signups_an_hour=signups_an_hour,
            bot=bot,
        )
    )


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
    """Read what the checks look at, in one transaction. The parameters are those of `status`."""
    with reading(engine) as conn:
        states = {name: overview.source_state(conn, name) for name in sources}
        suppressed = people.lately_suppressed(conn, now - DAY)
        return HealthFacts(
            now=now,
            sources=tuple(
                SourceFacts(
                    info, state, freshness(state.last_good_at, state.last_fetch_at, info.every, now).blind
                )
                for info, state in zip(sources.values(), states.values(), strict=True)
            ),
            outbox=backlog.read_backlog(conn),
            configured=frozenset(configured),
            pauses=tuple(pause for pause in pauses.read_pauses(conn, now) if pause.channel in configured),
            fenced=fenced,
            signups=signups.counted(conn, signups.SITE, now),
            signups_an_hour=signups_an_hour,
            suppressed=suppressed,
            living=people.count_living(conn) if suppressed >= WAVE else 0,
            sender_beat=heartbeats.latest(conn, "sender"),
            has_bot=bot,
            bot_beat=heartbeats.latest(conn, "bot"),
            bot_trouble=meta.get(conn, meta.BOT_TROUBLE),
            unsigned_since=log_rows.load_unsigned_since(conn),
            host=replace(host, last_backup_at=_read_last_backup(conn)),
            waves=refusals.load_waves(conn, now - DAY),
            standing=heartbeats.load_standing_loops(conn, now - SILENT_AFTER),
            canary=canary_rows.load_canary(conn) if canary_every is not None else None,
            canary_every=canary_every,
            ended=configured_addresses.load_ended(conn),
            documents=documents.load_state(conn),
        )


def _read_last_backup(conn: Connection) -> datetime | None:
    text = meta.get(conn, meta.LAST_BACKUP)
    return datetime.fromisoformat(text) if text else None


def check_sources(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find sources that are blind, were never polled, or whose last poll failed or was rejected."""
    for source in seen.sources:
        name, state = source.info.name, source.state
        why = {
            "rejected": f"a publication was rejected: {state.last_reason} (see `monitor holds`)",
            "failed": f"the last poll failed: {state.last_reason}",
        }.get(state.last_outcome or "")
        if source.blind:
            since = _iso(state.last_good_at) or "it was added"
            reason = why or f"nobody polls it; {_POLL}"
            yield HealthFinding(
                "sources",
                f"{name} was not read since {since}: {reason}",
                f"blind {name}",
                notify=True,
                remedy=f"monitor poll {name}",
                question=Question("holds", name) if state.last_outcome == "rejected" else None,
            )
        elif state.last_outcome is None:
            yield HealthFinding("sources", f"{name} was never polled; {_POLL}", f"never polled {name}")
        elif why:
            rejected = state.last_outcome == "rejected"
            yield HealthFinding(
                "sources",
                f"{name}: {why}",
                f"{state.last_outcome} {name}",
                notify=rejected,
                remedy="monitor holds" if rejected else f"monitor poll {name}",
                question=Question("holds", name) if rejected else None,
            )


def check_bodies(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find publications that are read and not kept, because the disk was nearly full."""
    for source in seen.sources:
        if not source.state.body_kept:
            name = source.info.name
            problem = f"{name}: the last publication is not kept, because the disk was nearly full; make room"
            yield HealthFinding("bodies", problem, f"not kept {name}", notify=True, remedy="monitor vacuum")


def check_pauses(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find channels that send nothing for now, and mail domains that refuse us."""
    for pause in seen.paused:
        problem = f"{pause.channel}: nothing is sent before {_iso(pause.until)}: {pause.reason}"
        yield HealthFinding("outbox", problem, f"paused {pause.channel}", notify=True, remedy="monitor check")
    # a chat asks for pauses in normal operation; a mail domain does because it mistrusts the sender
    for name, kind in KINDS.items():
        lanes = [pause for pause in seen.pauses if pause.channel == name and pause.name != EVERYTHING]
        if lanes and kind.lane_problem:
            problem = f"{name}: {len(lanes)} {kind.lane_problem}, one with: {lanes[0].reason}"
            yield HealthFinding("outbox", problem, f"lanes {name}")


def check_deliveries(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find deliveries that were refused often, wait for a channel, or have failed."""
    outbox = seen.outbox
    for channel, (count, error) in sorted(outbox.refused.items()):
        if channel in seen.configured:
            problem = f"{count} deliveries were tried {OFTEN} times or more, the last answer: {error}"
            yield HealthFinding("outbox", f"{channel}: {problem}", f"refused often {channel}")
    for channel, count in sorted(seen.waiting.items()):
        problem = f"{count} deliveries wait for the channel {channel}, which is not configured"
        yield HealthFinding("outbox", problem, f"unconfigured {channel}")
    if outbox.failed:
        problem = f"{outbox.failed} deliveries have failed for good (see `monitor failed`)"
        yield HealthFinding(
            "outbox",
            problem,
            "failed for good",
            notify=True,
            remedy="monitor failed",
            question=Question("retry"),
        )


def check_ended(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find addresses of the configuration that said that they are gone, and get nothing any more."""
    for ended in seen.ended:
        yield HealthFinding(
            "outbox",
            f"{ended.channel}: {ended.name} ended at {_iso(ended.at)}: {ended.reason}; change its address in"
            f" the configuration, or `monitor webhooks revive {ended.name}`",
            f"ended {ended.channel} {ended.name}",
            notify=True,
            remedy=f"monitor webhooks revive {ended.name}",
        )


def check_returned(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find mail that came back because our own domain's authentication or reputation fails."""
    for wave in seen.waves:
        if wave.returned:
            status = wave.answer.rpartition(" ")[2]
            records = _RECORDS.get(status, "check SPF, DKIM and DMARC of the sender's domain")
            yield HealthFinding(
                "outbox",
                f"{wave.returned} mails came back from {wave.lanes} providers with {status}: {records};"
                f" then `monitor outbox restore '{wave.answer}'`",
                f"returned {wave.channel} {status}",
                notify=True,
                remedy=f"monitor outbox restore '{wave.answer}'",
                question=Question("restore", f"{wave.channel} {wave.answer}"),
            )


def check_signups(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find a limit of sign-ups that turns people away."""
    limit = seen.signups_an_hour
    if limit is not None and seen.signups > limit:
        problem = f"{seen.signups} came within this hour, and those above {limit} were turned away"
        yield HealthFinding("sign-ups", f"sign-ups: {problem}", "sign-ups", notify=True)


def check_suppressions(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find a wave of suppressions: so many at once point at the mail server and not at the addresses."""
    suppressed, everybody = seen.suppressed, seen.suppressed + seen.living
    if suppressed >= WAVE and suppressed > everybody * WAVE_SHARE:
        yield HealthFinding(
            "outbox",
            f"{suppressed} addresses of {everybody} were closed within a day because they refuse mail:"
            " see in the mail server's log whether that is so",
            "wave of refusals",
            notify=True,
        )


def check_fence(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find a closed fence: the database looks copied or restored."""
    if seen.fenced:
        yield HealthFinding(
            "fence", seen.fenced, FENCE, notify=True, remedy="monitor resume", question=Question("resume")
        )


def check_sender(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find deliveries that are due while no sender works."""
    due = seen.outbox.unfanned or any(channel in seen.configured for channel in seen.outbox.due)
    if due and not seen.sending:
        problem = "deliveries are due and no sender is working; start `monitor run` or call `monitor deliver`"
        yield HealthFinding("sender", problem, "sender", notify=True, remedy="monitor run")


def check_canary(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find a canary that was not accepted for longer than its interval and a quarter of it."""
    trace, every = seen.canary, seen.canary_every
    if trace is None or every is None:
        return
    if seen.now - (trace.accepted_at or trace.since) > every + max(every / 4, _CANARY_GRACE):
        yield HealthFinding(
            "outbox",
            "no test message ([operator] canary) was accepted since "
            f"{_iso(trace.accepted_at or trace.since)}: alerts may not arrive either",
            "canary",
            notify=True,
            remedy="monitor outbox",
        )


def check_loops(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find loops of a running service that stand still: the others go on."""
    for loop in seen.standing:
        yield HealthFinding(
            "loops",
            f"{loop.name} stands still since {_iso(loop.since)}; the rest goes on",
            f"loop {loop.name}",
        )


def check_bot(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find a bot that does not answer."""
    if not seen.has_bot or seen.talking or seen.fenced:  # behind a closed fence it is silent on purpose
        return
    if not seen.sending and seen.bot_beat is None:
        return  # an installation that only calls `monitor deliver` never runs the bot
    problem = f"the bot answers nobody, last seen {_iso(seen.bot_beat) or 'never'}"
    text = f"{problem}: {seen.bot_trouble}" if seen.bot_trouble else problem
    yield HealthFinding("bot", text, BOT, notify=True, remedy="monitor telegram test")


def check_record(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find a public record that nobody signs, although it once was signed."""
    if seen.unsigned_since is not None and seen.now - seen.unsigned_since > SIGNED_WITHIN:
        problem = f"the record is not signed since {_iso(seen.unsigned_since)}; see the log of `monitor run`"
        yield HealthFinding("record", problem, "record", notify=True)


def check_documents(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find a file of documents that cannot be read, and rows of it that fit nowhere."""
    state = seen.documents
    if state is None:
        return
    if state.problem:
        problem = f"the file of documents could not be read at {state.at}: {state.problem}"
        yield HealthFinding("documents", problem, "documents", notify=True)
    for count, what in ((state.unmatched, "fit no agency"), (len(state.skipped), "were left out")):
        if count:
            problem = f"{count} rows of the file of documents {what}: `monitor documents` lists them"
            yield HealthFinding("documents", problem, f"documents {what}", remedy="monitor documents")


def check_host(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find a full disk, a key that cannot be read, and an old backup."""
    host = seen.host
    if host.key_problem:
        yield HealthFinding("key", host.key_problem, "key", notify=True)
    if host.disk_free is not None and host.disk_free < host.disk_low:
        yield HealthFinding(
            "disk",
            f"{host.disk_free / 1e6:.0f} MB are free where the data is: make room, or delete old backups",
            "disk",
            notify=True,
            remedy="monitor vacuum",
        )
    if host.backup_after is not None and (
        host.last_backup_at is None or seen.now - host.last_backup_at > host.backup_after
    ):
        made = f"is of {_iso(host.last_backup_at)}" if host.last_backup_at else "was never made"
        yield HealthFinding(
            "backup", f"the last backup {made}", "backup", notify=True, remedy="monitor backup"
        )


def find_holds(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find lists with held changes: nothing is wrong, but the operator may decide before they end."""
    for source in seen.sources:
        if source.state.held:
            yield HealthFinding(
                "holds",
                f"{source.info.name}: {source.state.held} changes are held",
                f"held {source.info.name}",
                notify=True,
                remedy=f"monitor holds list --source {source.info.name}",
                question=Question("holds", source.info.name),
            )


CHECKS: tuple[Check, ...] = (
    check_sources,
    check_bodies,
    check_pauses,
    check_deliveries,
    check_ended,
    check_returned,
    check_signups,
    check_suppressions,
    check_fence,
    check_sender,
    check_canary,
    check_loops,
    check_bot,
    check_record,
    check_documents,
    check_host,
)
"""The checks, in the order in which `monitor status` shows what they find."""


def find_problems(seen: HealthFacts) -> tuple[HealthFinding, ...]:
    """Run every check."""
    return tuple(finding for check in CHECKS for finding in check(seen))


def report(seen: HealthFacts) -> dict[str, Any]:
    """Compute the JSON-ready object of `status` from the facts."""
    found = find_problems(seen)
    whole: dict[str, Any] = {
        "now": _iso(seen.now),
        "ok": not found,
        "problems": [finding.problem for finding in found],
        "sources": {source.info.name: _source_report(source, seen.now) for source in seen.sources},
        "outbox": _outbox_report(seen),
        "sender": _beat_report(seen.sender_beat, seen.now),
    }
    if seen.has_bot:
        problem = next((finding.problem for finding in found if finding.part == "bot"), None)
        whole["bot"] = {**_beat_report(seen.bot_beat, seen.now), "problem": problem}
    return whole


def _source_report(source: SourceFacts, now: datetime) -> dict[str, Any]:
    state = source.state
    return {
        "last_good_at": _iso(state.last_good_at),
        "age": _age(state.last_good_at, now),
        "blind": source.blind,
        "baseline": state.baseline,
        "pending": state.pending,
        "held": state.held,
        "last_fetch_at": _iso(state.last_fetch_at),
        "last_outcome": state.last_outcome,
        "last_reason": state.last_reason,
        "next_poll_at": _iso(state.next_poll_at),
        "rejected": state.rejected_hash[:12] if state.rejected_hash else None,
        "rejected_until": _iso(state.rejected_until),
    }


def _outbox_report(seen: HealthFacts) -> dict[str, Any]:
    outbox = seen.outbox
    return {
        "due": sum(outbox.due.values()),
        "due_by_channel": outbox.due,
        "waiting_for_channel": seen.waiting,
        "oldest_due_at": _iso(outbox.oldest_due_at),
        "oldest_age": _age(outbox.oldest_due_at, seen.now),
        "paused": [
            {"channel": pause.channel, "until": _iso(pause.until), "reason": pause.reason}
            for pause in seen.paused
        ],
        "refused_often": {channel: count for channel, (count, _) in sorted(outbox.refused.items())},
        "failed": outbox.failed,
        "to_fan_out": outbox.unfanned,
        "fenced": seen.fenced is not None,
    }


def _beat_report(beat: datetime | None, now: datetime) -> dict[str, Any]:
    return {"last_beat_at": _iso(beat), "age": _age(beat, now), "working": _is_alive(beat, now)}


def _is_alive(beat: datetime | None, now: datetime) -> bool:
    return beat is not None and now - beat <= SILENT_AFTER


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def _age(at: datetime | None, now: datetime) -> int | None:
    return int((now - at).total_seconds()) if at else None
