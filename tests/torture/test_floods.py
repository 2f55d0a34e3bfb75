"""Ten thousand sign-ups over HTTP against a handful of people: ``make torture``."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from tests.subscribers.siege import besiege, check
from tests.subscribers.town import Town, opened

pytestmark = pytest.mark.skipif(
    not os.environ.get("MONITOR_TORTURE"), reason="minutes long: set MONITOR_TORTURE=1"
)


@pytest.fixture
def town(engine: Engine, database_url: str, now: datetime, tmp_path: Path) -> Iterator[Town]:
    """A service of its own, on SQLite and on PostgreSQL."""
    yield from opened(engine, database_url, now, tmp_path)


def test_ten_thousand_posts_are_one_mail_a_day_for_each_victim(
    town: Town, record_property: Callable[[str, object], None]
) -> None:
    aftermath = besiege(town, waves=10, size=1000, site=500, network=20, chance=random.Random(1))
    check(aftermath, site=500)
    record_property("mails", sum(map(len, aftermath.mails.values())))
