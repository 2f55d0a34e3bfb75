"""The state of sources, outbox, sender and bot, and what needs the operator's attention.

`load_facts` reads everything in one transaction. Each check is a pure function from these facts to findings,
so a new check is one function and one line in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from monitor.channels import EVERYTHING
from monitor.channels.kinds import KINDS, kind_of
from monitor.formatting import format_count, format_minute
from monitor.ops.health_facts import (
    DAY,
    SILENT_AFTER,
    WAVE,
    WAVE_SHARE,
    HealthFacts,
    HealthFinding,
    HostFacts,
    Question,
    SourceFacts,
    load_facts,
)
from monitor.ops.record_health import check_record
from monitor.storage.deliveries.backlog import OFTEN

__all__ = [
    "BOT",
    "DAY",
    "FENCE",
    "SILENT_AFTER",
    "WAVE",
    "WAVE_SHARE",
    "HealthFacts",
    "HealthFinding",
    "HostFacts",
    "Question",
    "SourceFacts",
    "check_host",
    "find_full_disk",
    "find_problems",
    "load_facts",
]


_CANARY_GRACE = timedelta(minutes=15)  # the minimum, for a short interval


_RECORDS = dict.fromkeys(
    ("5.7.26", "5.7.27", "5.7.30", "5.7.509", "5.7.515"),
    "publish SPF and DKIM for the sender's domain, and a DMARC record (_dmarc, TXT) that they satisfy",
)
"""What to fix in the DNS, by the status with which Gmail (5.7.26 to 5.7.30) and Outlook refuse mail."""


FENCE, BOT = "fence", "bot"
"""Keys of conditions under which the bot does not answer."""


_POLL = "start `monitor run` or call `monitor poll`"
_RESTART = (
    "`monitor run` is running: if the list was added after its start, restart it; otherwise its log says why"
)


Check = Callable[[HealthFacts], Iterator[HealthFinding]]


def check_sources(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find sources that are blind, were never polled, or whose last poll failed or was rejected."""
    running = seen.sender_works and seen.sending
    unread = f"it is not polled; {_RESTART}" if running else f"nobody polls it; {_POLL}"
    never = f"was never polled; {_RESTART if running else _POLL}"
    for source in seen.sources:
        name, state = source.info.name, source.state
        why = {
            "rejected": f"a publication was rejected: {state.last_reason} (see `monitor holds`)",
            "failed": f"the last poll failed: {state.last_reason}",
        }.get(state.last_outcome or "")
        if source.blind:
            since = format_minute(state.last_good_at) if state.last_good_at else "it was added"
            reason = why or unread
            yield HealthFinding(
                "sources",
                f"{name} was not read since {since}: {reason}",
                f"blind {name}",
                notify=True,
                remedy="monitor holds" if state.last_outcome == "rejected" else f"monitor poll {name}",
                question=Question("holds", name) if state.last_outcome == "rejected" else None,
            )
        elif state.last_outcome is None:
            yield HealthFinding("sources", f"{name} {never}", f"never polled {name}")
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
    """Find publications that were read but not kept, because the disk was nearly full."""
    for source in seen.sources:
        if not source.state.body_kept:
            name = source.info.name
            problem = f"{name}: the last publication is not kept, because the disk was nearly full; make room"
            yield HealthFinding("bodies", problem, f"not kept {name}", notify=True, remedy="monitor vacuum")


def paused_key(channel: str) -> str:
    """The key of the condition that a whole channel is paused."""
    return f"paused {channel}"


def check_pauses(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find channels that currently send nothing, and mail domains that refuse us."""
    for pause in seen.paused:
        waits = f"nothing is sent before {format_minute(pause.until)}, everything stays due"
        problem = f"{pause.channel}: {waits}: {pause.reason}"
        yield HealthFinding("outbox", problem, paused_key(pause.channel), notify=True, remedy="monitor check")
    # a chat requests pauses in normal operation; a mail domain does so because it distrusts the sender
    for name, kind in KINDS.items():
        lanes = [pause for pause in seen.pauses if pause.channel == name and pause.name != EVERYTHING]
        if lanes and kind.lane_problem:
            problem = f"{name}: {format_count(len(lanes), *kind.lane_problem)}, one with: {lanes[0].reason}"
            yield HealthFinding("outbox", problem, f"lanes {name}")


def check_deliveries(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find deliveries that were refused often, wait for a channel, or have failed."""
    outbox = seen.outbox
    for channel, (count, error) in sorted(outbox.refused.items()):
        if channel in seen.configured:
            deliveries = format_count(count, "delivery was", "deliveries were")
            problem = f"{channel}: {deliveries} tried {OFTEN} times or more, the last answer: {error}"
            yield HealthFinding("outbox", problem, f"refused often {channel}")
    for channel, count in sorted(seen.waiting.items()):
        deliveries = format_count(count, "delivery waits", "deliveries wait")
        problem = f"{deliveries} for the channel {channel}, which is not configured: write its section"
        yield HealthFinding("outbox", problem, f"unconfigured {channel}")
    if outbox.failed:
        deliveries = format_count(outbox.failed, "delivery has", "deliveries have")
        yield HealthFinding(
            "outbox",
            f"{deliveries} failed for good (see `monitor outbox --failed`)",
            "failed for good",
            notify=True,
            remedy="monitor outbox --failed",
            question=Question("retry"),
        )
    if outbox.unknown:
        # no question is asked: a hasty answer would send duplicates
        problem = (
            f"{format_count(outbox.unknown, 'message')} may have arrived: handed over without an answer, and "
            "not sent again (see `monitor outbox --failed`)"
        )
        yield HealthFinding("outbox", problem, "fate unknown", notify=True, remedy="monitor outbox --failed")


def check_ended(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find configured addresses that reported that they are gone, and get no messages any more."""
    for ended in seen.ended:
        command = f"{kind_of(ended.channel).revive_command} {ended.name}"
        yield HealthFinding(
            "outbox",
            f"{ended.channel}: {ended.name} ended at {format_minute(ended.at)}: {ended.reason}; change its"
            f" address in the configuration, or run `{command}`",
            f"ended {ended.channel} {ended.name}",
            notify=True,
            remedy=command,
        )


def check_returned(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find mail that bounced because our own domain's authentication or reputation fails."""
    for wave in seen.waves:
        if wave.returned:
            status = wave.answer.rpartition(" ")[2]
            records = _RECORDS.get(status, "check SPF, DKIM and DMARC of the sender's domain")
            mails, providers = format_count(wave.returned, "mail"), format_count(wave.lanes, "provider")
            yield HealthFinding(
                "outbox",
                f"{mails} came back from {providers} with {status}: {records};"
                f" then `monitor outbox restore '{wave.answer}'`",
                f"returned {wave.channel} {status}",
                notify=True,
                remedy=f"monitor outbox restore '{wave.answer}'",
                question=Question("restore", f"{wave.channel} {wave.answer}"),
            )


def check_signups(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find an exceeded limit of sign-ups, which turns people away."""
    limit = seen.signups_an_hour
    if limit is not None and seen.signups > limit:
        problem = (
            f"{seen.signups} came within this hour, and those above {limit} were turned away; if these are "
            "people, raise [signup] per_site"
        )
        yield HealthFinding("sign-ups", f"sign-ups: {problem}", "sign-ups", notify=True)


def check_suppressions(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find a wave of suppressions: so many at once indicate a problem of the mail server, not of the
    addresses.
    """
    suppressed, everybody = seen.suppressed, seen.suppressed + seen.living
    if suppressed >= WAVE and suppressed > everybody * WAVE_SHARE:
        yield HealthFinding(
            "outbox",
            f"{suppressed} addresses of {everybody} were closed within a day because they refuse mail:"
            " see in the mail server's log whether that is so",
            "wave of refusals",
            notify=True,
            remedy="monitor outbox restore",
        )


def check_fence(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find a closed fence: the database looks copied or restored."""
    if seen.fenced:
        yield HealthFinding(
            "fence", seen.fenced, FENCE, notify=True, remedy="monitor resume", question=Question("resume")
        )


def check_sender(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find deliveries that are due while no sender runs."""
    due = seen.outbox.unfanned or any(channel in seen.configured for channel in seen.outbox.due)
    if due and not seen.sending:
        problem = "deliveries are due and no sender is working; start `monitor run` or call `monitor deliver`"
        yield HealthFinding("sender", problem, "sender", notify=True, remedy="monitor run")


def check_canary(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find a canary that was not accepted for longer than 1.25 times its interval."""
    trace, every = seen.canary, seen.canary_every
    if trace is None or every is None:
        return
    if seen.now - (trace.accepted_at or trace.since) > every + max(every / 4, _CANARY_GRACE):
        yield HealthFinding(
            "outbox",
            "no test message ([operator] canary) was accepted since "
            f"{format_minute(trace.accepted_at or trace.since)}: alerts may not arrive either",
            "canary",
            notify=True,
            remedy="monitor outbox",
        )


def check_loops(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find loops of a running service that hang while the others continue."""
    for loop in seen.standing:
        yield HealthFinding(
            "loops",
            f"{loop.name} stands still since {format_minute(loop.since)}; the rest goes on; if it stays so,"
            " restart `monitor run`",
            f"loop {loop.name}",
        )


def check_bot(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find a bot that does not answer."""
    # while sending is not allowed, the bot is silent on purpose
    if not seen.has_bot or seen.talking or seen.fenced:
        return
    if not seen.sending and seen.bot_beat is None:
        return  # an installation that only calls `monitor deliver` never runs the bot
    beat = format_minute(seen.bot_beat) if seen.bot_beat else "never"
    problem = f"the bot answers nobody, last seen {beat}"
    text = f"{problem}: {seen.bot_trouble}" if seen.bot_trouble else problem
    yield HealthFinding("bot", text, BOT, notify=True, remedy="monitor telegram test")


def check_documents(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find a file of documents that cannot be read, rows of it that match no agency, and lost agreements."""
    if count := seen.agreements_not_kept:
        agreements = format_count(count, "agreement was", "agreements were")
        problem = f"{agreements} seen but not kept for want of room: raise [agreements] all_bytes"
        yield HealthFinding("agreements", problem, "agreements", remedy="monitor agreements")
    state = seen.documents
    if state is None:
        return
    if state.problem:
        at = format_minute(datetime.fromisoformat(state.at))
        problem = f"the file of documents could not be read at {at}: {state.problem}"
        yield HealthFinding("documents", problem, "documents", notify=True, remedy="monitor documents --read")
    for count, what in (
        (state.unmatched, ("fits no agency", "fit no agency")),
        (len(state.skipped), ("was left out", "were left out")),
    ):
        if count:
            rows = format_count(
                count, "row of the file of documents " + what[0], "rows of the file of documents " + what[1]
            )
            problem = f"{rows}: see `monitor documents`"
            yield HealthFinding("documents", problem, f"documents {what[1]}", remedy="monitor documents")


def check_host(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find a full disk, a key that cannot be read, and an old backup."""
    host = seen.host
    if host.key_problem:
        yield HealthFinding("key", host.key_problem, "key", notify=True)
    if (disk := find_full_disk(host)) is not None:
        yield disk
    if host.backup_after is not None and (
        host.last_backup_at is None or seen.now - host.last_backup_at > host.backup_after
    ):
        made = host.last_backup_at
        problem = f"the last backup is of {format_minute(made)}" if made else "no backup was made yet"
        yield HealthFinding("backup", problem, "backup", notify=True, remedy="monitor backup")


def find_full_disk(host: HostFacts) -> HealthFinding | None:
    """Find a disk with less free space than the limit; None if there is enough, or if it is not known."""
    if host.disk_free is None or host.disk_free >= host.disk_low:
        return None
    free = f"{host.disk_free / 1e6:.0f} MB are free where the data is"
    return HealthFinding(
        "disk",
        f"{free}: make room, or delete old backups",
        "disk",
        notify=True,
        remedy="monitor vacuum",
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
