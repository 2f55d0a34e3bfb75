"""Splitting blocks into posts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.channels.telegram.posts import LIMIT, length, split_posts
from monitor.errors import Permanent


@given(st.lists(st.text(min_size=1, max_size=1500).filter(str.strip), max_size=30))
def test_no_block_is_cut_lost_or_moved_and_no_post_is_too_long(blocks: list[str]) -> None:
    made = split_posts(blocks)
    assert "\n\n".join(made) == "\n\n".join(blocks)
    assert all(length(post) <= LIMIT < 4096 for post in made)


def test_posts_are_as_few_as_can_be() -> None:
    assert len(split_posts(["x" * 1000] * 8)) == 2


def test_length_is_counted_as_telegram_does() -> None:
    assert length("👮") == 2
    assert len(split_posts(["👮" * 1500, "👮" * 1500])) == 2


def test_a_blank_block_makes_no_post() -> None:
    assert split_posts(["", " \n"]) == []


def test_a_block_that_would_have_to_be_cut_is_refused() -> None:
    with pytest.raises(Permanent):
        split_posts(["x" * 4096])
