"""Whether the dates of a list have the month first, as in the United States, or the day: 25/12/2024.

One date with the day first proves it for the whole column, unless another one has the month first. Dates that
prove nothing are American.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date

from monitor.domain import Problem, Publication
from monitor.sources.cells import read_date, read_day_first
from monitor.sources.column_map import DateOrder, ParseOptions

DAY_FIRST = "day first"
"""The kind of the problem that says how dates are read which nothing but the column explains."""
_KEEP = 'dates = "day-first" in the options keeps it so'
_MIXED = 'dates are read with the month first unless the options have dates = "day-first"'


class OtherDateOrder(Exception):
    """A date is one only in the other order than the column seemed to have; the argument is its text."""


def read_in_order(order: DateOrder) -> Callable[[str], date | None]:
    """The function that reads a date in this order, None for what is none."""
    return read_day_first if order.day_first else read_date


def check_order(text: str, order: DateOrder) -> None:
    """Raise OtherDateOrder if a text that is no date in an order that only seems so is one in the other."""
    if order in (DateOrder.SEEMS_MONTH_FIRST, DateOrder.SEEMS_DAY_FIRST):
        other = read_date if order.day_first else read_day_first
        if other(text) is not None:
            raise OtherDateOrder(text)


def parse_in_order(
    parse: Callable[[bytes, ParseOptions], Publication], body: bytes, options: ParseOptions
) -> Publication:
    """Parse a body with its dates in the order that is configured, or else in the one that they have."""
    if configured := options.settings.get("dates"):
        return parse(body, replace(options, date_order=DateOrder(configured)))
    try:
        return parse(body, replace(options, date_order=DateOrder.SEEMS_MONTH_FIRST))
    except OtherDateOrder as error:
        text = error.args[0]
    try:
        publication = parse(body, replace(options, date_order=DateOrder.SEEMS_DAY_FIRST))
    except OtherDateOrder as error:
        other = error.args[0]
        publication = parse(body, replace(options, date_order=DateOrder.MONTH_FIRST))
        problem = Problem("mixed dates", f'"{text}" has the day first and "{other}" the month; {_MIXED}')
    else:
        problem = Problem(DAY_FIRST, f'dates are read with the day first, as in "{text}"; {_KEEP}')
    return replace(publication, problems=(*publication.problems, problem))


def find_doubtful(texts: Iterable[str]) -> str | None:
    """A date that is another one with the day first, if no other date says which is first; else None."""
    doubtful = None
    for text in texts:
        american, other = read_date(text), read_day_first(text)
        if (american is None) != (other is None):
            return None
        if american != other:
            doubtful = doubtful or text
    return doubtful
