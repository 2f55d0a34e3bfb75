"""`monitor status`: its keys, and what each check finds, from facts alone."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.channels import EVERYTHING
from monitor.domain import SourceInfo
from monitor.ops.doctor import diagnose_record
from monitor.ops.health import DAY, HealthFacts, HostFacts, SourceFacts, find_problems
from monitor.ops.health_report import report_status
from monitor.ops.open_questions import find_holds, find_questions
from monitor.ops.record_health import find_lasting
from monitor.storage.deliveries.backlog import Backlog
from monitor.storage.deliveries.canary_rows import CanaryTrace
from monitor.storage.deliveries.configured_addresses import EndedAddress
from monitor.storage.deliveries.pauses import Pause
from monitor.storage.deliveries.refusals import Wave
from monitor.storage.lists.documents import DocumentsState
from monitor.storage.lists.log_rows import RecordFork
from monitor.storage.lists.overview import HoldGroup, SourceOverview, StandingHolds
from monitor.storage.lists.placement_rows import UnplacedListing
from tests.conftest import ROOT

NOW = datetime(2026, 11, 28, 3, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RING = SourceInfo(name="ring", titles={"en": "Ring's map"}, every=timedelta(hours=1))
GOOD = SourceOverview(
    last_good_at=NOW - MINUTE,
    last_fetch_at=NOW - MINUTE,
    last_outcome="unchanged",
    last_reason="",
    next_poll_at=NOW + 59 * MINUTE,
    baseline=12,
    pending=0,
    held=0,
    rejected_at=None,
    rejected_hash=None,
)
FINE = HealthFacts(
    now=NOW,
    sources=(SourceFacts(RING, GOOD, blind=False),),
    outbox=Backlog(due={}, refused={}, oldest_due_at=None, failed=0, unfanned=0),
    configured=frozenset({"email"}),
    pauses=(),
    fenced=None,
    signups=0,
    signups_an_hour=500,
    suppressed=0,
    living=0,
    sender_beat=NOW - MINUTE,
    has_bot=True,
    bot_beat=NOW - MINUTE,
    bot_trouble=None,
)


def problems(seen: HealthFacts) -> list[str]:
    return [finding.problem for finding in find_problems(seen)]


def test_the_report_keeps_its_keys_in_order() -> None:
    whole = report_status(FINE)
    assert list(whole) == ["now", "ok", "problems", "sources", "outbox", "sender", "bot"]
    assert list(whole["sources"]["ring"]) == [
        "last_good_at", "age", "blind", "baseline", "pending", "held", "last_fetch_at", "last_outcome",
        "last_reason",
        "next_poll_at", "rejected", "rejected_until",
    ]  # fmt: skip
    assert list(whole["outbox"]) == [
        "due", "due_by_channel", "waiting_for_channel", "oldest_due_at", "oldest_age", "paused",
        "refused_often",
        "failed", "unknown", "to_fan_out", "fenced",
    ]  # fmt: skip
    assert list(whole["sender"]) == ["last_beat_at", "age", "working"]
    assert list(whole["bot"]) == ["last_beat_at", "age", "working", "problem"]
    assert "bot" not in report_status(replace(FINE, has_bot=False))


def test_a_fork_is_a_problem_for_a_week_and_what_was_told_of_it_is_never_over() -> None:
    lost = "record 9 A+/BDnq5"
    (before,) = find_problems(replace(FINE, host=HostFacts(lost_head=lost)))
    forked = replace(FINE, forks=(RecordFork(NOW, 5, lost),))
    (after,) = find_problems(forked)
    assert before.key == after.key  # one notice for both
    assert before.notify
    assert after.notify
    assert "its entry 5" in after.problem
    assert report_status(forked)["forks"] == [
        {"at": NOW.isoformat(timespec="seconds"), "entry": 5, "published": lost}
    ]
    old = replace(forked, now=NOW + timedelta(days=7))
    assert [finding.part for finding in find_problems(old) if finding.part == "record"] == []
    assert [finding.key for finding in find_lasting(old)] == [after.key]
    assert diagnose_record(forked).ok is None
    assert diagnose_record(replace(FINE, host=HostFacts(lost_head=lost))).ok is False
    assert diagnose_record(FINE).ok is True


def test_held_changes_say_until_when_and_why() -> None:
    later = NOW + timedelta(days=5)
    groups = (
        HoldGroup(2, NOW + timedelta(days=1), "2 agencies vanished at once."),
        HoldGroup(1, later, "It returned."),
    )
    source = SourceFacts(RING, replace(GOOD, held=3), blind=False, held=StandingHolds((1, 2, 3), groups))
    told = report_status(replace(FINE, sources=(source,)))["sources"]["ring"]
    assert told["held_until"] == later.isoformat(timespec="seconds")
    assert told["held_reason"] == "It returned.", "not the reason of other changes"
    assert [(group["count"], group["reason"]) for group in told["holds"]] == [
        (2, "2 agencies vanished at once."),
        (1, "It returned."),
    ]
    (finding,) = find_holds(replace(FINE, sources=(source,)))
    assert finding.problem == f"ring: 3 changes are held until {later:%Y-%m-%d %H:%M} UTC: It returned."
    by_hand = replace(source, held=StandingHolds((1, 2), (*groups, HoldGroup(1, None, "A whole field."))))
    told = report_status(replace(FINE, sources=(by_hand,)))["sources"]["ring"]
    assert (told["held_until"], told["held_reason"]) == (None, "A whole field.")


def test_a_service_in_order_has_no_problems() -> None:
    whole = report_status(FINE)
    assert (whole["ok"], whole["problems"], whole["bot"]["problem"]) == (True, [], None)
    assert whole["now"] == "2026-11-28T03:00:00+00:00"
    assert whole["sources"]["ring"]["age"] == 60


RUNNING = (
    "`monitor run` is running: if the list was added after its start, restart it; otherwise its log says why"
)


@pytest.mark.parametrize(
    ("state", "blind", "problem"),
    [
        (replace(GOOD, last_outcome=None), False,
        f"ring was never polled; {RUNNING}"),
        (replace(GOOD, last_outcome="failed", last_reason="no answer"), False,
        "ring: the last poll failed: no answer"),
        (
            replace(GOOD, last_outcome="rejected", last_reason="too small"),
            False,
            "ring: a publication was rejected: too small (see `monitor holds`)",
        ),
        (
            replace(GOOD, last_outcome="failed", last_reason="no answer", last_good_at=NOW - 300 * MINUTE),
            True,
            "ring was not read since 2026-11-27 22:00 UTC: the last poll failed: no answer",
        ),
        (
            replace(GOOD, last_good_at=None),
            True,
            f"ring was not read since it was added: it is not polled; {RUNNING}",
        ),
    ],
)  # fmt: skip
def test_a_source_says_one_thing(state: SourceOverview, blind: bool, problem: str) -> None:
    assert problems(replace(FINE, sources=(SourceFacts(RING, state, blind),))) == [problem]


@pytest.mark.parametrize("off", [{"sender_works": False}, {"sender_beat": NOW - 10 * MINUTE}])
def test_while_the_service_is_off_the_advice_is_to_start_it(off: dict[str, Any]) -> None:
    start = "start `monitor run` or call `monitor poll`"
    new = replace(FINE, sources=(SourceFacts(RING, replace(GOOD, last_outcome=None), False),), **off)
    assert f"ring was never polled; {start}" in problems(new)
    blind = replace(FINE, sources=(SourceFacts(RING, replace(GOOD, last_good_at=None), True),), **off)
    assert f"ring was not read since it was added: nobody polls it; {start}" in problems(blind)


def test_pauses_of_a_channel_and_of_mail_domains_are_two_findings() -> None:
    pauses = (
        Pause("email", EVERYTHING, NOW + MINUTE, "greylisted"),
        Pause("email", "a.example", NOW, "not today"),
        Pause("email", "b.example", NOW, "nor now"),
        Pause("telegram", "-100", NOW, "slow down"),
        Pause("webhook", "newsroom", NOW, "the webhook answered 403"),
    )
    assert problems(replace(FINE, pauses=pauses)) == [
        "email: nothing is sent before 2026-11-28 03:01 UTC, everything stays due: greylisted",
        "email: 2 mail domains refuse us for now, one with: not today",
        "webhook: 1 webhook answers with an error and is tried again later, one with: the webhook answered "
        "403",
    ]
    paused = report_status(replace(FINE, pauses=pauses))["outbox"]["paused"]
    assert paused == [{"channel": "email", "until": "2026-11-28T03:01:00+00:00", "reason": "greylisted"}]


def test_deliveries_that_do_not_get_on_are_found_by_channel() -> None:
    outbox = Backlog(
        due={"telegram": 2, "email": 3},
        refused={"email": (4, "451 later"), "telegram": (1, "429")},
        oldest_due_at=NOW - 90 * MINUTE,
        failed=5,
        unfanned=0,
        unknown=2,
    )
    seen = replace(FINE, outbox=outbox)
    assert problems(seen) == [
        "email: 4 deliveries were tried 3 times or more, the last answer: 451 later",
        "2 deliveries wait for the channel telegram, which is not configured: write its section",
        "5 deliveries have failed for good (see `monitor outbox --failed`)",
        "2 messages may have arrived: handed over without an answer, and not sent again (see `monitor outbox "
        "--failed`)",
    ]
    shown = report_status(seen)["outbox"]
    assert (shown["due"], shown["waiting_for_channel"], shown["oldest_age"]) == (5, {"telegram": 2}, 5400)
    assert (shown["failed"], shown["unknown"]) == (5, 2)
    assert shown["refused_often"] == {"email": 4, "telegram": 1}


def test_a_limit_that_turned_people_away_is_found_and_one_that_was_just_reached_is_not() -> None:
    assert problems(replace(FINE, signups=500)) == []
    assert problems(replace(FINE, signups=501)) == [
        "sign-ups: 501 came within this hour, and those above 500 were turned away; if these are people, "
        "raise [signup] per_site"
    ]
    assert problems(replace(FINE, signups=501, signups_an_hour=None)) == []


@pytest.mark.parametrize(
    ("suppressed", "living", "found"), [(10, 189, True), (10, 190, False), (9, 0, False), (11, 190, True)]
)
def test_a_wave_of_suppressions_counts_by_number_and_share(suppressed: int, living: int, found: bool) -> None:
    wave = problems(replace(FINE, suppressed=suppressed, living=living))
    assert bool(wave) is found
    if found:
        assert wave[0].startswith(f"{suppressed} addresses of {suppressed + living} were closed within a day")


@pytest.mark.parametrize(
    ("due", "unfanned", "silent", "found"),
    [
        ({"email": 1}, 0, True, True),
        ({"email": 1}, 0, False, False),
        ({"telegram": 1}, 0, True, False),
        ({}, 1, True, True),
        ({}, 0, True, False),
    ],
)
def test_a_sender_is_missed_only_when_it_has_something_to_send(
    due: dict[str, int], unfanned: int, silent: bool, found: bool
) -> None:
    outbox = replace(FINE.outbox, due=due, unfanned=unfanned)
    beat = NOW - timedelta(minutes=2, seconds=1 if silent else 0)
    seen = replace(FINE, outbox=outbox, sender_beat=beat, has_bot=False)
    assert any("no sender is working" in problem for problem in problems(seen)) is found
    assert report_status(seen)["sender"]["working"] is not silent


def test_a_command_that_has_ended_has_sent_and_is_no_sender_at_work() -> None:
    owed = replace(FINE.outbox, due={"email": 1})
    seen = replace(FINE, outbox=owed, sender_works=False)
    assert report_status(seen)["sender"] == {
        "last_beat_at": "2026-11-28T02:59:00+00:00",
        "age": 60,
        "working": False,
    }
    assert problems(seen) == []  # what is called once a minute sends it next time
    assert problems(replace(seen, sender_beat=NOW - 3 * MINUTE)) != []


def test_a_closed_fence_is_said_and_excuses_the_bot() -> None:
    assert problems(replace(FINE, fenced="it looks like a copy", bot_beat=None)) == ["it looks like a copy"]
    assert report_status(replace(FINE, fenced="it looks like a copy"))["outbox"]["fenced"] is True


def test_a_silent_bot_says_since_when_and_why() -> None:
    long_ago = NOW - 5 * MINUTE
    silent = "the bot answers nobody, last seen 2026-11-28 02:55 UTC"
    assert problems(replace(FINE, bot_beat=long_ago)) == [silent]
    whole = report_status(replace(FINE, bot_beat=long_ago, bot_trouble="the token is refused"))
    assert whole["problems"] == [f"{silent}: the token is refused"]
    assert whole["bot"]["problem"] == f"{silent}: the token is refused"
    assert problems(replace(FINE, bot_beat=None)) == ["the bot answers nobody, last seen never"]
    assert problems(replace(FINE, bot_beat=None, sender_beat=None)) == []


LIST = SourceFacts(RING, GOOD, blind=False)
REJECTED = replace(GOOD, last_outcome="rejected", last_reason="it is too small")
WAVE_RETURNED = Wave("email", "550 5.7.26", "", 2, 2, 0, 0, 0, 3, NOW, NOW)
LOST = "record 9 A+/BDnq5"
NOTICES: dict[str, tuple[str, HealthFacts]] = {
    "f'blind {name}'": ("was not read since", replace(FINE, sources=(replace(LIST, blind=True),))),
    "f'{state.last_outcome} {name}'": (
        "a publication was rejected",
        replace(FINE, sources=(replace(LIST, state=REJECTED),)),
    ),
    "f'not kept {name}'": (
        "the last publication is not kept",
        replace(FINE, sources=(replace(LIST, state=replace(GOOD, body_kept=False)),)),
    ),
    "f'held {source.info.name}'": (
        "changes are held",
        replace(FINE, sources=(replace(LIST, state=replace(GOOD, held=3)),)),
    ),
    "f'unplaced {name}'": (
        "agencies have no place",
        replace(
            FINE,
            sources=(
                replace(LIST, unplaced=(UnplacedListing("1", "A", "IL"), UnplacedListing("2", "B", "IL"))),
            ),
        ),
    ),
    "paused_key(pause.channel)": (
        "nothing is sent before",
        replace(FINE, pauses=(Pause("email", EVERYTHING, NOW, "greylisted"),)),
    ),
    "'failed for good'": (
        "deliveries have failed for good",
        replace(FINE, outbox=replace(FINE.outbox, failed=2)),
    ),
    "'fate unknown'": ("messages may have arrived", replace(FINE, outbox=replace(FINE.outbox, unknown=2))),
    "f'ended {ended.channel} {ended.name}'": (
        "ended at",
        replace(FINE, ended=(EndedAddress("webhook", "newsroom", NOW, "410 gone"),)),
    ),
    "f'returned {wave.channel} {status}'": ("mails came back from", replace(FINE, waves=(WAVE_RETURNED,))),
    "'sign-ups'": ("came within this hour", replace(FINE, signups=501)),
    "'wave of refusals'": ("were closed within a day", replace(FINE, suppressed=10)),
    "FENCE": ("looks copied or restored", replace(FINE, fenced="/data looks copied or restored")),
    "'sender'": (
        "no sender is working",
        replace(FINE, outbox=replace(FINE.outbox, unfanned=1), sender_beat=None, bot_beat=NOW),
    ),
    "'canary'": (
        "no test message",
        replace(FINE, canary=CanaryTrace(NOW - DAY, None, None, False), canary_every=MINUTE),
    ),
    "BOT": ("the bot answers nobody", replace(FINE, bot_beat=NOW - DAY)),
    "'record'": ("the record is not signed since", replace(FINE, unsigned_since=NOW - DAY)),
    "_fork_key(lost)": ("older copy than the public record", replace(FINE, host=HostFacts(lost_head=LOST))),
    "_fork_key(fork.published)": (
        "the record goes on from an older copy since",
        replace(FINE, forks=(RecordFork(NOW, 5, LOST),)),
    ),
    "'documents'": (
        "the file of documents could not be read",
        replace(FINE, documents=DocumentsState(at=NOW.isoformat(), problem="no answer")),
    ),
    "'key'": (
        "the key",
        replace(FINE, host=HostFacts(key_problem="the key in /data/monitor.key is not the one")),
    ),
    "'disk'": ("MB are free where the data is", replace(FINE, host=HostFacts(disk_free=1, disk_low=2))),
    "'backup'": ("no backup was made yet", replace(FINE, host=HostFacts(backup_after=DAY))),
}
"""What can be told, by the expression of its key in the program: what a page may call it, and its facts."""


def test_the_page_of_notices_describes_each_that_can_be_sent() -> None:
    written = {
        ast.unparse(call.args[2])
        for module in (ROOT / "monitor" / "ops").glob("*.py")
        for call in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "HealthFinding"
        if any(keyword.arg == "notify" for keyword in call.keywords)
    }
    assert written == {*NOTICES, "DATABASE"}
    table = (ROOT / "docs" / "notices.md").read_text("utf-8").partition("|---|---|\n")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()]
    told = {"the database cannot be opened, read or written"}
    for phrase, seen in NOTICES.values():
        (finding,) = (each for each in (*find_problems(seen), *find_questions(seen)) if each.notify)
        assert phrase in finding.problem
        told.add(phrase)
    for phrase in told:
        assert sum(phrase in row for row in rows) == 1, phrase
    for row in rows:
        assert any(phrase in row for phrase in told), row
