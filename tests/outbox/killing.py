"""Killing senders at any instruction, and what is true afterwards."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from monitor.outbox.commit import GROUP
from tests.outbox.victim import CONCURRENCY, send_all
from tests.outbox.world import HAMMOND, World
from tests.peers.forks import PATIENCE, running

BOUND = CONCURRENCY + GROUP
"""How many copies one kill may cause: open connections and one group."""
MARGIN = 2 * CONCURRENCY
"""How many messages more than wanted a sender may send before it is killed."""


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
    their work, after numbers of messages that chance chooses. Together they are too few for all people, so
    that each of them is killed before it has no more work.
    """
    world.crowd([f"p{number}@a.example" for number in range(people)], "IN")
    world.publish(HAMMOND)
    world.fan_out()
    log = world.folder / "relay.log"
    world.folder.mkdir()
    log.touch()
    moments = [0, *sorted(chance.sample(range(1, people - kills * MARGIN), kills))]
    killed = 0
    for run, (last, moment) in enumerate(itertools.pairwise(moments)):
        after = moment - last
        before = log.stat().st_size
        with running(send_all, url, str(world.folder), str(log), run, after + MARGIN) as sender:
            killed += _killed(sender, log, before, after)
    with running(send_all, url, str(world.folder), str(log), kills, None) as sender:
        sender.join(PATIENCE)
        assert sender.exitcode == 0
    lines = [line.split() for line in log.read_text().splitlines()]
    ids: dict[str, set[str]] = {}
    for _, address, message_id in lines:
        ids.setdefault(address, set()).add(message_id)
    return Aftermath(Counter(address for _, address, _ in lines), ids, killed)


def _killed(sender: BaseProcess, log: Path, before: int, after: int) -> bool:
    """Kill the sender once it has sent ``after`` messages; False if it ended by itself before.

    ``before`` is how long the log was when it began.
    """
    deadline, sent = time.monotonic() + PATIENCE, 0
    with log.open("rb") as file:
        file.seek(before)
        while sent < after:
            if not sender.is_alive():
                assert sender.exitcode == 0
                return False
            assert time.monotonic() < deadline, "the sender sends nothing"
            time.sleep(0.0005)
            sent += file.read().count(b"\n")
    sender.kill()
    return True


def check(world: World, aftermath: Aftermath, people: int) -> None:
    """Nothing is lost, copies are few and known as copies, and all is settled."""
    assert len(aftermath.accepted) == people
    assert set(world.states()) == {"sent"}
    assert all(len(ids) == 1 for ids in aftermath.ids.values()), "a copy carries the same Message-ID"
    assert aftermath.copies <= aftermath.kills * BOUND
    assert max(aftermath.accepted.values()) <= aftermath.kills + 1
