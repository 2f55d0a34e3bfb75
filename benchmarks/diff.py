"""Diff of 1,000,000 listings, beside csv-diff on the same rows: `python -m benchmarks.diff [LISTINGS]`."""

from __future__ import annotations

import csv
import gc
import io
import sys
import time
from collections.abc import Callable
from datetime import date
from functools import partial

import csv_diff
from msgspec import structs

from monitor.core.diff import apply, diff
from monitor.core.identity import assign_keys, content_digest
from monitor.domain import Listing
from monitor.states import STATES

PLACES = [
    "Ash",
    "Bay",
    "Cedar",
    "Dell",
    "Elm",
    "Fern",
    "Glen",
    "Hill",
    "Iron",
    "Jade",
    "Knoll",
    "Lake",
    "Mill",
    "North",
    "Oak",
    "Pine",
    "Quarry",
    "River",
    "Stone",
    "Tall",
]
KINDS = (
    "Police Department",
    "County Sheriff's Office",
    "Township Police Department",
    "Department of Public Safety",
)


def listings(count: int) -> tuple[Listing, ...]:
    """Agencies with names and dates like those of real lists."""
    states = list(STATES)
    rows = (
        Listing(
            name=f"{PLACES[n % 20]} {PLACES[n // 20 % 20]} {n // 400} {KINDS[n % 4]}",
            state=states[n % len(states)],
            county=f"{PLACES[n % 19]} County",
            since=date(2019 + n % 7, 1 + n % 12, 1 + n % 28),
            attributes=(("SUPPORT TYPE", "Task Force Model"), ("TYPE", "Municipality")),
        )
        for n in range(count)
    )
    return assign_keys(rows, by_city=False)


def later(before: tuple[Listing, ...], moved: int) -> tuple[Listing, ...]:
    """The same list read again, with ``moved`` listings gone, as many renamed, changed and new."""
    quarter = len(before) // max(4 * moved, 1)
    after = [structs.replace(listing) for listing in before]
    for n in range(moved):
        at = 4 * n * quarter
        listing = after[at + 1]
        after[at + 1] = structs.replace(listing, name=listing.name.replace("Department", "Dept"), key="")
        after[at + 2] = structs.replace(
            after[at + 2], attributes=(("SUPPORT TYPE", "Jail Model"), ("TYPE", "Municipality"))
        )
        after[at + 3] = structs.replace(
            after[at + 3], name=f"Newtown {n} Marshal", key="", since=date(2026, 1, 1)
        )
    gone = {4 * n * quarter for n in range(moved)}
    return assign_keys((listing for n, listing in enumerate(after) if n not in gone), by_city=False)


def digests(side: tuple[Listing, ...]) -> dict[str, str]:
    """A hash per listing, as if it had been stored: enough to see that something changed, but not what."""
    return {listing.key: content_digest(listing) for listing in side}


def unequal(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """The lower bound: keys whose stored hash differs or is missing, without the changes themselves."""
    return [key for key, mark in old.items() if new.get(key) != mark] + [key for key in new if key not in old]


def as_csv(side: tuple[Listing, ...]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["key", "name", "state", "county", "since", "support", "type"])
    writer.writerows(
        (x.key, x.name, x.state, x.county, x.since, *(value for _, value in x.attributes)) for x in side
    )
    return text.getvalue()


def _peer(old: str, new: str) -> tuple[float, float]:
    """Seconds of csv-diff from two files, and of its comparison alone."""
    start = time.perf_counter()
    sides = [csv_diff.load_csv(io.StringIO(text), key="key") for text in (old, new)]
    loaded = time.perf_counter()
    csv_diff.compare(*sides)
    end = time.perf_counter()
    return end - start, end - loaded


def timed(work: Callable[..., object], *arguments: object) -> float:
    """The best of three runs, in seconds."""
    best = float("inf")
    for _ in range(3):
        gc.collect()
        start = time.perf_counter()
        work(*arguments)
        best = min(best, time.perf_counter() - start)
    return best


def main(count: int = 1_000_000) -> None:
    before = listings(count)
    print(
        f"{count:,} listings against the same read again (no object is shared); seconds, best of 3, "
        "csv-diff once"
    )
    print(
        "csv-diff compares by key only: it pairs no rename, and its files name the keys that "
        "`identity.assign_keys` gave\n"
    )
    print(
        f"{'changes':>9} | {'diff':>6} | {'limit: hashes':>13} | {'csv-diff':>8} | {'compare alone':>13} | "
        "csv-diff / diff"
    )
    for moved in (0, 500, 10_000):
        after = later(before, min(moved, count // 8))
        changes = diff(before, after)
        assert set(apply(changes, before)) == set(after)
        ours = timed(diff, before, after)
        old, new = digests(before), digests(after)
        limit = timed(unequal, old, new)
        del old, new
        whole, alone = _peer(as_csv(before), as_csv(after))
        print(
            f"{len(changes):>9,} | {ours:6.2f} | {limit:13.2f} | {whole:8.2f} | {alone:13.2f} | "
            f"{whole / ours:.1f}",
            flush=True,
        )
        del after, changes
    print(
        f"\n`keyed` for {count:,} listings, once when a body is parsed: "
        f"{timed(partial(assign_keys, before, by_city=False)):.2f}"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
