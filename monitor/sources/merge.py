"""Merges the rows of one agency into one listing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from msgspec import structs

from monitor.core import renames, wording
from monitor.domain import Listing, Problem
from monitor.sources.cells import TEXT_LENGTH

Rows = list[tuple[int, Listing]]
"""Listings with the numbers of their rows."""

_MOST_SHARING = 20
"""The most agencies with one id by a publisher's mistake, each of which is compared with the next row of that
id. Above that, the id is ignored and rows are grouped by state and name, so a file with only one id takes
linear time.
"""


def merge_by_key(rows: Rows, problems: list[Problem]) -> Iterator[Listing]:
    """Yield one listing per natural key, in the order of their first rows; rows that share an id by mistake
    stay separate.
    """
    counts = Counter(listing.key for _, listing in rows)
    sharing: dict[str, Rows] = {}
    for row in rows:
        if counts[row[1].key] > 1:
            sharing.setdefault(row[1].key, []).append(row)
    for _, listing in rows:
        if counts[listing.key] == 1:
            yield listing
        elif listing.key in sharing:
            yield from _merge_alike(sharing.pop(listing.key), problems)


def _merge_alike(alike: Rows, problems: list[Problem]) -> Iterator[Listing]:
    """The listings of the rows that have one key."""
    agencies = _part_agencies(alike)
    if len(agencies) > 1:
        number, first = agencies[0][0]
        message = f"{len(agencies)} agencies share the id {first.source_id}"
        problems.append(Problem("duplicate key", message, number))
    for group in agencies:
        yield group[0][1] if len(group) == 1 else _merge_group(group, problems)


def _part_agencies(rows: Rows) -> list[Rows]:
    """Split the rows of one key if they clearly belong to several agencies."""
    if not rows[0][1].source_id:
        return [rows]
    agencies: list[Rows] = []
    for number, listing in rows:
        for group in agencies:
            if renames.may_be_one(group[0][1], listing):
                group.append((number, listing))
                break
        else:
            if len(agencies) == _MOST_SHARING:
                return _part_by_name(rows)
            agencies.append([(number, listing)])
    return agencies


def _part_by_name(rows: Rows) -> list[Rows]:
    groups: dict[tuple[str | None, str], Rows] = {}
    for number, listing in rows:
        groups.setdefault((listing.state, wording.normalize(listing.name)), []).append((number, listing))
    return list(groups.values())


def merge_by_fields(rows: Rows, fields: tuple[str, ...], problems: list[Problem]) -> Iterator[Listing]:
    """One listing per set of equal values and state, in the order of their first rows."""
    groups: dict[tuple[str, ...], Rows] = {}
    for number, listing in rows:
        values = tuple(" ".join((getattr(listing, field) or "").casefold().split()) for field in fields)
        groups.setdefault(values, []).append((number, listing))
    for group in (part for whole in groups.values() for part in _part_by_state(whole, problems)):
        merged = group[0][1] if len(group) == 1 else _merge_group(group, problems)
        ids = {listing.source_id for _, listing in group}
        # The id of one of several rows would depend on their order.
        yield merged if len(ids) == 1 else structs.replace(merged, source_id=None)


def _part_by_state(rows: Rows, problems: list[Problem]) -> list[Rows]:
    """Split rows with equal values that are of several states: no agency is in two."""
    parts: dict[str | None, Rows] = {}
    for row in rows:
        parts.setdefault(row[1].state, []).append(row)
    states = sorted(filter(None, parts))
    if len(states) < 2:
        return [rows]
    message = f"{rows[0][1].name} is in {' and '.join(states)}: each state has its listing"
    problems.append(Problem("rows differ", message, rows[0][0]))
    return list(parts.values())


def join_texts(texts: list[str]) -> str:
    """The texts joined by "; ", as many of them as an attribute may hold."""
    length = 0
    for count, text in enumerate(texts):
        length += len(text) + 2 * (count > 0)
        if length > TEXT_LENGTH:
            return "; ".join(texts[:count])
    return "; ".join(texts)


def _merge_group(group: Rows, problems: list[Problem]) -> Listing:
    """Merge rows of one agency into one listing. The result does not depend on the order of the rows, which
    publishers change.
    """
    listings = [listing for _, listing in group]

    def most_frequent(field: Callable[[Listing], str | None], title: str) -> str | None:
        """Choose the most frequent value, so that the listing does not depend on the order of rows if one has
        a typo.
        """
        counts = Counter(value for value in map(field, listings) if value)
        if len({wording.normalize(value) for value in counts}) > 1:
            written = " and ".join(f'"{value[:80]}"' for value in sorted(counts))
            message = f"{listings[0].name} has the {title} {written}"
            problems.append(Problem("rows differ", message, group[0][0]))
        return min(counts, key=lambda value: (-counts[value], value), default=None)

    days = tuple(sorted({day for listing in listings for day in listing.dates}))
    documents = tuple(sorted({document for listing in listings for document in listing.documents}))
    values: dict[str, set[str]] = {}
    for listing in listings:
        for column, text in listing.attributes:
            values.setdefault(column, set()).add(text)
    state = most_frequent(lambda listing: listing.state, "state")
    state_text = most_frequent(lambda listing: listing.state_text, "state")
    return structs.replace(
        listings[0],
        name=most_frequent(lambda listing: listing.name, "name") or listings[0].name,
        city=most_frequent(lambda listing: listing.city, "city"),
        county=most_frequent(lambda listing: listing.county, "county"),
        state=state,
        state_text=None if state else state_text,
        since=days[0] if days else None,
        dates=days,
        url=documents[0] if documents else None,
        documents=documents,
        attributes=tuple((column, join_texts(sorted(values[column]))) for column in sorted(values)),
    )
