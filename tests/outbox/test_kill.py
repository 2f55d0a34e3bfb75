"""A message is not lost because the process died at any instruction, and nobody gets it many times."""

from __future__ import annotations

import random

from tests.outbox.killing import check, kill_again_and_again
from tests.outbox.world import World


def test_a_kill_between_claim_and_settle_loses_nothing_and_copies_little(
    world: World, database_url: str
) -> None:
    """Bounded here; ``make torture`` kills thirty times."""
    kills = 2 if database_url.startswith("sqlite") else 1
    aftermath = kill_again_and_again(world, database_url, people=160, kills=kills, chance=random.Random(7))
    assert aftermath.kills == kills
    check(world, aftermath, 160)
