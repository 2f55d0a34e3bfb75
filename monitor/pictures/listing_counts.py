"""The statistics of the periods in which agencies were listed. Pure.

Our own dates and the publisher's are never mixed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from statistics import median

LAGS = ((0, 0), (1, 3), (4, 7), (8, 30), (31, 90), (91, 365), (366, None))
"""Days between the publisher's date and our first sight: first and last of each bin (None: no end)."""

MILESTONES = (30, 90, 180, 365, 730)
"""Days after joining at which the table says how many are still listed."""


@dataclass(frozen=True, slots=True)
class DatedPeriod:
    """An agency's time on a list in days. ``joined`` and ``left`` are by our own checks; ``left`` None: still
    listed. ``published`` is the publisher's date. ``from_start``: it was there at the first check, so its
    beginning was not seen.
    """

    state: str | None
    joined: date
    left: date | None
    published: date | None
    from_start: bool


@dataclass(frozen=True, slots=True)
class Month:
    """A month, by its first day: how many joined and left in it, and how many were listed at its end.

    ``seen``: the list was checked in it. Otherwise its numbers are unknown, and ``total`` is the number
    listed at the last check before.
    """

    first: date
    joined: int
    left: int
    total: int
    seen: bool = True

    @property
    def net(self) -> int:
        """Joined less left."""
        return self.joined - self.left


@dataclass(frozen=True, slots=True)
class Lags:
    """Days from the publisher's date to our first sight: a count for each bin of `LAGS`. ``early`` were seen
    before the date; ``undated`` have none.
    """

    counts: tuple[int, ...]
    early: int
    undated: int
    median: float | None


@dataclass(frozen=True, slots=True)
class Survival:
    """The share still listed after some days, of agencies whose addition we saw (Kaplan and Meier, 1958).

    ``steps`` are the (day, share) at which it falls; ``milestones`` are (day, share, periods watched that
    long). ``seen`` periods are in it, of which ``ended`` ended; the others are censored at the last check.
    """

    steps: tuple[tuple[int, float], ...]
    milestones: tuple[tuple[int, float, int], ...]
    seen: int
    ended: int


def count_months(
    periods: Iterable[DatedPeriod], first: date, last: date, unseen: Collection[date] = ()
) -> tuple[Month, ...]:
    """Count who joined and left in each month from ``first`` to ``last``, by our own checks.

    Agencies listed at the first check joined in no month; they are in the totals. The months in ``unseen``,
    by their first days, had no checks.
    """
    periods = list(periods)
    joined = Counter(_month(period.joined) for period in periods if not period.from_start)
    left = Counter(_month(period.left) for period in periods if period.left is not None)
    total = sum(period.from_start for period in periods)
    return _months(joined, left, total, first, last, unseen)


def find_unseen_months(
    spans: Iterable[tuple[datetime, datetime]], first: date, now: datetime
) -> tuple[date, ...]:
    """Find the first days of the months without a check, from the month of ``first`` until ``now``, in the
    time zone of ``now``: months that lie within a span from one check to the next; the current month counts
    up to now.
    """
    spans, found, at = list(spans), [], _month(first)
    while at <= now.date():
        following = _next(at)
        start = datetime.combine(at, time(), now.tzinfo)
        end = min(datetime.combine(following, time(), now.tzinfo), now)
        if any(since < start and end <= until for since, until in spans):
            found.append(at)
        at = following
    return tuple(found)


def count_published_months(periods: Iterable[DatedPeriod], last: date) -> tuple[Month, ...]:
    """Count the agencies of a list by the month of the publisher's own date, with their running total.

    Publishers give no removal dates, so there are no removals here: a month's number counts all that were
    ever seen listed. Dates after ``last`` are left out.
    """
    dates = [
        period.published for period in periods if period.published is not None and period.published <= last
    ]
    if not dates:
        return ()
    return _months(Counter(map(_month, dates)), Counter(), 0, min(dates), last)


def count_lags(periods: Iterable[DatedPeriod]) -> Lags:
    """Count how long after the publisher's own date we first saw an agency, for agencies whose addition we
    saw.
    """
    seen = [period for period in periods if not period.from_start]
    days = [(period.joined - period.published).days for period in seen if period.published is not None]
    late = [each for each in days if each >= 0]
    counts = tuple(sum(low <= day and (high is None or day <= high) for day in late) for low, high in LAGS)
    undated = len(seen) - len(days)
    return Lags(counts, len(days) - len(late), undated, median(days) if days else None)


def estimate_survival(periods: Iterable[DatedPeriod], last: date) -> Survival:
    """Estimate how long agencies stay listed, by Kaplan and Meier's estimator.

    Stays that have not ended count as watched until ``last``. Those listed at the first check are left out,
    because their beginning is unknown.
    """
    spans = [
        (((period.left or last) - period.joined).days, period.left is not None)
        for period in periods
        if not period.from_start and period.joined <= last
    ]
    share, steps = 1.0, []
    for day in sorted({span for span, ended in spans if ended}):
        at_risk = sum(span >= day for span, _ in spans)
        gone = sum(span == day and ended for span, ended in spans)
        share *= 1 - gone / at_risk
        steps.append((day, share))
    milestones = []
    for milestone in MILESTONES:
        watched = sum(span >= milestone for span, _ in spans)
        if watched:
            milestones.append(
                (milestone, next((s for d, s in reversed(steps) if d <= milestone), 1.0), watched)
            )
    return Survival(tuple(steps), tuple(milestones), len(spans), sum(ended for _, ended in spans))


def group_years(months: Sequence[Month]) -> tuple[Month, ...]:
    """The same by year, for a picture in which months would be too narrow. A year was seen when one of its
    months was.
    """
    found: dict[int, Month] = {}
    for month in months:
        year = found.get(month.first.year)
        joined, left = (year.joined, year.left) if year else (0, 0)
        found[month.first.year] = Month(
            date(month.first.year, 1, 1),
            joined + month.joined,
            left + month.left,
            month.total,
            month.seen or (year is not None and year.seen),
        )
    return tuple(found.values())


def _months(
    joined: Counter[date],
    left: Counter[date],
    total: int,
    first: date,
    last: date,
    unseen: Collection[date] = (),
) -> tuple[Month, ...]:
    found, at = [], _month(first)
    while at <= last:
        total += joined[at] - left[at]
        seen = at not in unseen or bool(joined[at] or left[at])
        found.append(Month(at, joined[at], left[at], total, seen))
        at = _next(at)
    return tuple(found)


def _next(month: date) -> date:
    """The first day of the month after."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _month(day: date) -> date:
    return day.replace(day=1)
