"""The quarterly receipt proves itself: all who have the record count the same, and a record that was changed
since does not lead to the head in the mail.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from monitor.record import log
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import log_rows
from monitor.storage.lists.history import Attempt
from tests.subscribers.town import Town, text

HOUR = timedelta(hours=1)
GOOD = ("good", "unchanged")


@dataclass(frozen=True)
class Said:
    """What the receipt says of one list."""

    good: int
    polls: int
    blind: int
    since: datetime
    until: datetime
    longest: timedelta
    size: int
    root: bytes


def read_receipt(mail: str) -> Said:
    said = " ".join(mail.split())
    counted = re.search(
        r"Counted from (\S+ \S+) to (\S+ \S+) UTC: (\d+) checks in all, .* from (\d+) minutes on", said
    )
    good, blind = re.search(r"(\d+) good checks", said), re.search(r"(\d+) hours without a good check", said)
    head = re.search(r"^record (\d+) (\S+)\r?$", mail, re.MULTILINE)
    assert counted, mail
    assert good
    assert blind
    assert head
    since, until = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in counted.group(1, 2))
    return Said(
        int(good[1]),
        int(counted[3]),
        int(blind[1]),
        since,
        until,
        timedelta(minutes=int(counted[4])),
        int(head[1]),
        base64.b64decode(head[2]),
    )


def compute_root(leaves: list[bytes]) -> bytes:
    """The Merkle tree hash of RFC 9162, 2.1.1, straight from its definition."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\1" + compute_root(leaves[:half]) + compute_root(leaves[half:])).digest()


def count(polls: list[tuple[datetime, str]], said: Said) -> tuple[int, int, int]:
    """Good checks, all checks and hours without a good one, from the polls and what the receipt says of its
    time alone.
    """
    inside = sorted((at, outcome) for at, outcome in polls if said.since <= at <= said.until)
    good = [at for at, outcome in inside if outcome in GOOD]
    gaps = [end - start for start, end in pairwise([said.since, *good, said.until])]
    blind = sum((gap for gap in gaps if gap > said.longest), timedelta())
    return len(good), len(inside), round(blind / HOUR)


def polls_of(leaves: list[bytes]) -> list[tuple[datetime, str]]:
    entries: list[dict[str, Any]] = [json.loads(leaf) for leaf in leaves]
    return [
        (datetime.fromisoformat(entry["at"]), entry["outcome"])
        for entry in entries
        if (entry["type"], entry.get("source")) == ("poll", "ring")
    ]


@pytest.fixture
def receipt(town: Town) -> tuple[Town, Said, list[bytes]]:
    """A quarter passes in which nothing changes: polls with failures, and hours in which nobody looked."""
    town.member()
    start = town.now
    town.now = (start + timedelta(days=92)).replace(hour=7)
    outcomes = {
        hour: "failed" if hour in (-50, -49) else "unchanged" if hour % 3 else "good"
        for hour in (*range(-150, -90), *range(-84, -20), *range(-18, 0))
    }
    with transaction(town.engine) as conn:
        for hour, outcome in outcomes.items():
            log.insert_poll(conn, Attempt(source="ring", at=town.now + hour * HOUR, outcome=outcome))
            log.insert_poll(conn, Attempt(source="ice-287g", at=town.now + hour * HOUR, outcome="good"))
    town.components.sign_record()
    town.deliver()
    with reading(town.engine) as conn:
        size = log_rows.load_head(conn).size
        leaves = [leaf.content for leaf in log_rows.load_leaf_range(conn, 0, size)]
    return town, read_receipt(text(town.mail())), leaves


def test_whoever_has_the_record_counts_what_the_receipt_says(
    receipt: tuple[Town, Said, list[bytes]],
) -> None:
    town, said, leaves = receipt
    told = (said.good, said.polls, said.blind)
    assert count(polls_of(leaves[: said.size]), said) == told
    assert compute_root(leaves[: said.size]) == said.root
    # 60, 64 and 18 hours less those since midnight, and the gaps of 7, 3 and 3 hours between them
    assert told == (60 + 62 + 11, 60 + 64 + 11, 7 + 3 + 3)
    assert "https://watch.example/data/ring/polls.csv" in text(town.mail())
    rows = town.client.get("/api/v1/polls?source=ring&limit=500").json()["polls"]
    public = [(datetime.fromisoformat(row["at"]), row["outcome"]) for row in rows]
    assert count(public, said) == told


def test_a_record_that_was_changed_since_does_not_lead_to_the_head_of_the_receipt(
    receipt: tuple[Town, Said, list[bytes]],
) -> None:
    _, said, leaves = receipt
    signed = leaves[: said.size]
    failed = next(place for place, leaf in enumerate(signed) if b'"failed"' in leaf)
    whitewashed = signed[failed].replace(b'"failed"', b'"good"')
    tampered = {
        "a failure made good": [*signed[:failed], whitewashed, *signed[failed + 1 :]],
        "a failure left out": signed[:failed] + signed[failed + 1 :],
        "a good check added": [*signed[:failed], whitewashed, *signed[failed:]],
        "another order": [*signed[:failed], *signed[failed + 2 :], *signed[failed : failed + 2]],
    }
    for what, other in tampered.items():
        assert compute_root(other) != said.root, what
    told = (said.good, said.polls, said.blind)
    for what in ("a failure made good", "a failure left out", "a good check added"):
        assert count(polls_of(tampered[what]), said) != told, what
