"""A file that ends in the middle of a row, and one that has lost a column or a folder."""

from __future__ import annotations

from datetime import date

import pytest
from msgspec import structs

from monitor.core import guard
from monitor.core.diff import diff
from monitor.domain import Listing, Policy
from tests.core.simulation import START, Source, agency, publication

ROWS = [agency(f"{chr(65 + n // 5) * 4}{chr(75 + n % 5) * 3} Marshal", "IL") for n in range(40)]
LAST = agency(
    "Zelkova Jail",
    county="Lake",
    since=date(2024, 1, 1),
    attributes=(("NOTE", "x"), ("TYPE", "Warrant Service Officer")),
)


def refusal(last: Listing | None, *, cut: bool = True) -> str | None:
    """Why a list is refused whose last row reads so now (None: it is gone)."""
    before = publication([*ROWS, LAST])
    after = publication([*ROWS, last] if last else ROWS)
    found = guard.reject(
        after, before.listings, diff(before.listings, after.listings), (),
        columns=before.columns, folders=(), last_seen=None, now=START, policy=Policy(), cut=cut,
    )  # fmt: skip
    return found.reason if found else None


def note(text: str) -> Listing:
    return structs.replace(LAST, attributes=(("NOTE", "x"), ("TYPE", text)))


@pytest.mark.parametrize(
    "last",
    [
        None,
        structs.replace(LAST, county=None),
        structs.replace(LAST, county="La"),
        note("Warrant Serv"),
        structs.replace(note("Warrant"), county="Polk"),
    ],
)
def test_what_is_missing_or_shorter_at_a_cut_is_not_believed(last: Listing | None) -> None:
    assert refusal(last) == (
        "The file ends without the end of its last line, and Zelkova Jail (IL) is missing or shorter than "
        "before. It may be cut off. If it is still published on 2026-03-05 12:00 UTC, its changes are judged "
        "one by one."
    )
    assert refusal(last, cut=False) is None


@pytest.mark.parametrize(
    "last",
    [LAST, structs.replace(LAST, county="Polk"), structs.replace(LAST, county="Lakeview"), note("Jail")],
)
def test_other_news_at_a_cut_are_believed(last: Listing) -> None:
    assert refusal(last) is None


def test_a_row_that_is_new_at_a_cut_is_believed() -> None:
    before, after = publication(ROWS), publication([*ROWS, LAST])
    assert (
        guard.reject(
            after, before.listings, diff(before.listings, after.listings), (),
            columns=before.columns, folders=(), last_seen=None, now=START, policy=Policy(), cut=True,
        ) is None
    )  # fmt: skip


@pytest.mark.parametrize(("gone", "blamed"), [(9, False), (10, False), (11, True)])
def test_a_folder_is_blamed_if_more_than_half_of_its_listings_went_with_it(gone: int, blamed: bool) -> None:
    rows = [structs.replace(x, folder="North" if n < 20 else "South") for n, x in enumerate(ROWS)]
    moved = [structs.replace(x, folder="South") for x in rows[gone:]]
    reason = Source(publication(rows)).poll(publication(moved))
    assert reason is not None
    assert reason.startswith(
        f'The folder "North" is gone, and with it {gone} of its 20 listings.' if blamed else f"{gone} of 40"
    )


@pytest.mark.parametrize(("gone", "blamed"), [(9, False), (10, False), (11, True)])
def test_a_column_is_blamed_if_more_than_half_of_its_values_went_with_it(gone: int, blamed: bool) -> None:
    rows = [structs.replace(x, attributes=(("TYPE", "x"),)) if n < 20 else x for n, x in enumerate(ROWS)]
    before = publication(rows)
    after = publication(ROWS[gone:], columns=before.columns - {"TYPE"})
    found = guard.reject(
        after, before.listings, diff(before.listings, after.listings), (),
        columns=before.columns, folders=(), last_seen=None, now=START, policy=Policy(),
    )  # fmt: skip
    assert found is not None
    assert found.reason.startswith('The column "TYPE" is gone' if blamed else f"{gone} of 40")
