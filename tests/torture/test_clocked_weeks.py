"""A week around each change of the clock, under libfaketime: ``make torture``.

200 people in ten time zones are told of everything once, digests come at their hour, and neither memory nor
log grows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from glob import glob
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from monitor.core.due import AT_ONCE, DAILY, WEEKLY, ZONES
from tests.conftest import ROOT
from tests.torture.clocked_weeks import EVERY, STEP

LIBRARY = next(iter(glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)
pytestmark = [
    pytest.mark.skipif(not os.environ.get("MONITOR_TORTURE"), reason="minutes long: make torture"),
    pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not here (on Debian: faketime)"),
]
DAYS = 7
POLLED_WITHIN = timedelta(hours=1) + 2 * STEP
PEOPLE = [
    {
        "address": f"person{number}@example.org",
        "zone": ZONES[number % len(ZONES)],
        "frequency": (AT_ONCE, DAILY, WEEKLY, DAILY)[number // len(ZONES) % 4],
        "hour": (2, 1, 3, 0, 8, 23, 12, 18)[number // len(ZONES) % 8],
    }
    for number in range(200)
]


def play(folder: Path, start: datetime) -> dict[str, Any]:
    """Play the week in a process whose clock is libfaketime's, in a zone that changes its clock that week."""
    folder.mkdir(exist_ok=True)
    (folder / "people.json").write_text(json.dumps(PEOPLE))
    clock = folder / "clock"
    clock.write_text(str(int(start.timestamp())))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MONITOR_")},
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_FMT": "%s",
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # pauses and time limits are real
        "NO_FAKE_STAT": "1",
        "TZ": "America/New_York",
    }
    arguments = [str(folder), str(clock), start.isoformat(), str(DAYS)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture.clocked_weeks", *arguments],
        capture_output=True, text=True, cwd=ROOT, env=environment, timeout=1500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def find_digests(person: dict[str, Any], start: datetime) -> list[datetime]:
    """The steps at which this person's clock first shows the hour of a day, found by looking at the clock."""
    zone, found = ZoneInfo(person["zone"]), []
    first = start.astimezone(zone).replace(hour=person["hour"], minute=0, tzinfo=None)
    days = [first + timedelta(days=day) for day in range(-1, DAYS + 2)]
    steps = [start + step * STEP for step in range(int(timedelta(days=DAYS) / STEP))]
    for day in days:
        shown = [step for step in steps if step.astimezone(zone).replace(tzinfo=None) >= day]
        if shown and shown[0] > start and (person["frequency"] == DAILY or day.weekday() == 0):
            found.append(shown[0])
    return found


@pytest.mark.parametrize(
    "start",
    [datetime(2026, 3, 5, 9, tzinfo=UTC), datetime(2026, 10, 29, 9, tzinfo=UTC)],
    ids=["spring", "fall"],
)
def test_everybody_is_told_once_and_digests_come_at_their_hour(tmp_path: Path, start: datetime) -> None:
    result = play(tmp_path / "week", start)
    published = {name: datetime.fromtimestamp(at, UTC) for name, at in result["published"].items()}
    assert len(published) == int((timedelta(days=DAYS) - STEP) / EVERY)
    mails: dict[str, list[tuple[datetime, list[str]]]] = defaultdict(list)
    for at, to, names in result["mails"]:
        mails[to].append((datetime.fromtimestamp(at, UTC), names))
    assert set(mails) <= {person["address"] for person in PEOPLE}
    end = start + timedelta(days=DAYS)
    for person in PEOPLE:
        got = mails[person["address"]]
        told = Counter(name for _, names in got for name in names)
        assert set(told.values()) <= {1}, (person, told.most_common(3))
        when = {name: at for at, names in got for name in names}
        at_once = person["frequency"] == AT_ONCE
        digests = [] if at_once else find_digests(person, start)
        if not at_once:
            assert {at for at, _ in got} <= set(digests), person
            assert len(got) == len({at for at, _ in got}), person
        for name, at in published.items():
            known = at + POLLED_WITHIN
            limit = known if at_once else next((due for due in digests if due >= known), None)
            if limit is not None and limit < end:
                assert at <= when[name] <= limit, (person, name)
    daily = [person for person in PEOPLE if person["frequency"] == DAILY]
    assert min(len(mails[person["address"]]) for person in daily) >= DAYS - 1
    memory, lines = result["memory"], result["lines"]
    assert memory[-1] < memory[1] + 40_000, memory  # kB
    assert lines[-1] < 2 * lines[1] + 50, lines
