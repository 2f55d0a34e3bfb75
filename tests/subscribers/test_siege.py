"""A flood of sign-ups neither bombs anybody nor passes the site's limit; ten thousand of them are in
`tests/torture`.
"""

from __future__ import annotations

import random

from tests.subscribers.siege import besiege, check
from tests.subscribers.town import Town


def test_hundreds_of_posts_from_everywhere_are_one_mail_a_day_each(small_town: Town) -> None:
    aftermath = besiege(small_town, waves=10, size=60, site=30, network=20, chance=random.Random(1))
    check(aftermath, site=30)
    assert {len(times) for times in aftermath.mails.values()} == {2}  # the flood lasts 27 hours
