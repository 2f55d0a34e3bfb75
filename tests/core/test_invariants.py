"""What holds whatever a publisher does, poll after poll."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.diff import apply
from monitor.domain import Kind, Listing, Policy, State
from tests.core.simulation import Source, publication
from tests.core.strategies import listings

FOREST = [
    "Alder Police", "Banyan Sheriff", "Cypress Marshal", "Dogwood Jail", "Ebony Rangers", "Ginkgo Airport",
    "Hickory Campus",
    "Juniper Harbor", "Katsura Transit", "Larch Constable", "Magnolia Troopers", "Nutmeg Wardens",
]  # fmt: skip
TIGHT = Policy(removals=2, additions=3, renames=1, others=2, missing_share=0.5)
"""Limits so low that short lists meet them."""

plain = st.lists(st.sampled_from(FOREST), unique=True, min_size=4).map(
    lambda names: [Listing(name=name, state="IL" if len(name) % 2 else "IN") for name in names]
)
waits = st.sampled_from([timedelta(minutes=10), timedelta(hours=1), timedelta(hours=30), timedelta(days=6)])
answers = st.none() | st.tuples(st.sampled_from(FOREST), st.booleans())


def polls(
    rows: st.SearchStrategy[list[Listing]],
) -> st.SearchStrategy[list[tuple[list[Listing], timedelta, tuple[str, bool] | None]]]:
    return st.lists(st.tuples(rows, waits, answers), min_size=2, max_size=12)


def played(steps: Iterable[tuple[list[Listing], timedelta, tuple[str, bool] | None]]) -> Source:
    (first, _, _), *rest = steps
    source = Source(publication(first), policy=TIGHT)
    for rows, wait, answer in rest:
        before = source.accepted, source.standing, len(source.events)
        published = publication(rows)
        if source.poll(published, after=wait) is not None:
            assert (source.accepted, source.standing, len(source.events)) == before
        elif not source.standing:
            assert set(source.accepted) == set(source.last.listings)
        if answer:
            source.answer(answer[0], approve=answer[1])
    return source


@given(polls(plain))
@settings(max_examples=80)
def test_a_listing_alternates_in_and_out_and_no_change_is_published_twice(steps: list) -> None:  # type: ignore[type-arg]
    source = played(steps)
    listed = {listing.name for listing in source.first.listings}
    for event in source.events:
        name = event.change.subject.name
        assert (name in listed) is (event.change.kind is Kind.REMOVED)
        listed ^= {name}
    assert listed == {listing.name for listing in source.accepted}


@given(polls(st.lists(listings, min_size=1, max_size=7)))
@settings(max_examples=80)
def test_whatever_is_published_the_baseline_follows_and_a_rejected_snapshot_changes_nothing(
    steps: list,
) -> None:  # type: ignore[type-arg]
    source = played(steps)
    if source.accepted:
        assert max(Counter(listing.key for listing in source.accepted).values()) == 1


@given(polls(st.lists(listings, min_size=1, max_size=7)))
@settings(max_examples=60)
def test_the_baseline_and_what_stands_make_up_the_last_good_snapshot(steps: list) -> None:  # type: ignore[type-arg]
    source = played(steps)
    assert set(apply([one.change for one in source.standing], source.accepted)) == set(source.last.listings)


@given(polls(st.lists(listings, min_size=1, max_size=7)))
@settings(max_examples=60)
def test_what_can_publish_itself_does_and_then_only_a_person_can(steps: list) -> None:  # type: ignore[type-arg]
    source = played(steps)
    source.settle()
    assert all(one.state is not State.PENDING and one.release_at is None for one in source.standing)
    if not source.standing:
        assert set(source.accepted) == set(source.last.listings)
