"""A flood of sign-ups over HTTP, from many networks, against a handful of people who never asked."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

import httpx

from tests.peers.processes import PATIENCE
from tests.subscribers.town import Town

VICTIMS = tuple(f"victim{number}@example.org" for number in range(7))
EVERY = timedelta(hours=3)
_AT_ONCE = 8
_LOUD = 40  # posts of each wave that come from one network


@dataclass
class Aftermath:
    """What became of a flood: the answers of each wave by status, and when each victim was written to."""

    answers: list[Counter[int]] = field(default_factory=list)
    mails: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))


def besiege(
    town: Town, *, waves: int, size: int, site: int, network: int, chance: random.Random
) -> Aftermath:
    """Post ``waves`` times ``size`` sign-ups, `EVERY` apart, to a site with these hourly limits; what is due
    is sent after each wave.
    """
    signup = town.settings.signup.model_copy(update={"per_site": site, "per_network": network})
    besieged = replace(town, settings=town.settings.model_copy(update={"signup": signup}))
    aftermath = Aftermath()
    with besieged.open() as address, httpx.Client(verify=False, trust_env=False, timeout=PATIENCE) as client:
        besieged.client, besieged.address = town.client, address
        for _ in range(waves):
            stamp = besieged.stamp()

            def post(where: str, victim: str, stamp: str = stamp) -> int:
                form = {"address": victim, "places": "60601", "lists": "ring", "stamp": stamp}
                headers = {"Host": "watch.example", "X-Forwarded-For": where}
                return client.post(
                    f"{address}/subscribe", data=form, headers=headers, timeout=300
                ).status_code

            with ThreadPoolExecutor(_AT_ONCE) as pool:
                aftermath.answers.append(Counter(pool.map(post, *zip(*_posts(size, chance), strict=True))))
            before = len(town.postbox.mails)
            besieged.deliver()
            for recipient, mail in town.postbox.mails[before:]:
                assert "/confirm/" in mail.as_string()
                aftermath.mails[recipient.lower()].append(besieged.now)
            besieged.now += EVERY
    return aftermath


def check(aftermath: Aftermath, *, site: int) -> None:
    """Nobody was written to twice within a day, and no more was taken in an hour than the site takes."""
    for answers in aftermath.answers:
        assert set(answers) == {200, 429}
        assert answers[200] == site
    assert set(aftermath.mails) == set(VICTIMS)
    for times in aftermath.mails.values():
        assert all(later - earlier >= timedelta(hours=24) for earlier, later in pairwise(times))
        assert len(times) <= 3


def _posts(size: int, chance: random.Random) -> Iterator[tuple[str, str]]:
    """(network address, victim): first some from one network, then each from one of its own, half of them
    IPv6.
    """
    for number in range(size):
        victim = chance.choice(VICTIMS)
        if number < _LOUD:
            yield f"203.0.113.{number + 1}", victim
        elif number % 2:
            yield f"10.{chance.randrange(256)}.{chance.randrange(256)}.{number % 250}", victim.title()
        else:
            yield f"2001:db8:{chance.randrange(1 << 16):x}:{chance.randrange(256) << 8:x}::1", victim
