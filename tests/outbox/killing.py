"""Killing senders at any instruction, and what is true afterwards."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from monitor.outbox.commit import GROUP
from tests.outbox.victim import CONCURRENCY
from tests.outbox.world import HAMMOND, World

ROOT = Path(__file__).resolve().parents[2]
BOUND = CONCURRENCY + GROUP
"""How many copies one kill may cause: open connections and one group."""


@dataclass(frozen=True)
class Aftermath:
    """Message-IDs and counts of what the relay accepted, by address, and how often a sender was killed at
    work.
    """

    accepted: Counter[str]
    ids: dict[str, set[str]]
    kills: int

    @property
    def copies(self) -> int:
        return sum(self.accepted.values()) - len(self.accepted)


def kill_again_and_again(
    world: World, url: str, *, people: int, kills: int, chance: random.Random
) -> Aftermath:
    """Owe ``people`` a message each and start senders, of which the first ``kills`` are killed somewhere in
    their work.
    """
    for number in range(people):
        world.person(f"p{number}@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    log = world.folder / "relay.log"
    world.folder.mkdir()
    log.touch()
    killed = 0
    for run in range(kills + 1):
        sender = subprocess.Popen(
            [sys.executable, "-m", "tests.outbox.victim", url, str(world.folder), str(log), str(run)],
            cwd=ROOT,
        )
        try:
            if run < kills:
                killed += _killed(sender, log, chance.randint(1, max(1, people // kills)))
            else:
                assert sender.wait(timeout=120) == 0
        finally:
            sender.kill()
            sender.wait()
    lines = [line.split() for line in log.read_text().splitlines()]
    ids: dict[str, set[str]] = {}
    for _, address, message_id in lines:
        ids.setdefault(address, set()).add(message_id)
    return Aftermath(Counter(address for _, address, _ in lines), ids, killed)


def _killed(sender: subprocess.Popen[bytes], log: Path, after: int) -> bool:
    """Kill the sender once it has sent ``after`` messages; False if it ended by itself before."""
    target = log.read_bytes().count(b"\n") + after
    deadline = time.monotonic() + 120
    while log.read_bytes().count(b"\n") < target:
        if sender.poll() is not None:
            assert sender.returncode == 0
            return False
        assert time.monotonic() < deadline, "the sender sends nothing"
        time.sleep(0.0005)
    sender.kill()
    return True


def check(world: World, aftermath: Aftermath, people: int) -> None:
    """Nothing is lost, copies are few and known as copies, and all is settled."""
    assert len(aftermath.accepted) == people
    assert set(world.states()) == {"sent"}
    assert all(len(ids) == 1 for ids in aftermath.ids.values()), "a copy carries the same Message-ID"
    assert aftermath.copies <= aftermath.kills * BOUND
    assert max(aftermath.accepted.values()) <= aftermath.kills + 1
