"""What is counted from listing periods, and how it is drawn."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.pictures.column_charts import Columns, draw_columns, draw_curve
from monitor.pictures.listing_counts import (
    DatedPeriod,
    count_lags,
    count_months,
    count_published_months,
    estimate_survival,
    find_unseen_months,
    group_years,
)

LOOKED = date(2019, 8, 28)


def period(
    joined: date, left: date | None = None, published: date | None = None, *, start: bool = False
) -> DatedPeriod:
    return DatedPeriod("TX", joined, left, published, start)


def test_the_sentence_that_started_this_six_in_june_2018_forty_in_august_2019_and_405_in_all() -> None:
    """Made-up rows with the totals that were reported: six in June 2018, 40 in August 2019, 405 by then."""
    between = [date(2018, 7, 1) + timedelta(days=n) for n in range(390)]  # to July 2019
    dates = [date(2018, 6, 4 + n) for n in range(6)]
    dates += [between[n % 390] for n in range(405 - 6 - 40)]
    dates += [date(2019, 8, 1 + n % 28) for n in range(40)]
    months = count_published_months([period(LOOKED, published=day, start=True) for day in dates], LOOKED)
    by_month = {month.first: month for month in months}
    assert by_month[date(2018, 6, 1)].joined == 6
    assert by_month[date(2018, 6, 1)].total == 6
    assert by_month[date(2019, 8, 1)].joined == 40
    assert months[-1].first == date(2019, 8, 1)
    assert months[-1].total == 405
    # the day before, one less: the last of the 40 has the 28th
    assert count_published_months(
        [period(LOOKED, published=day, start=True) for day in dates], LOOKED - timedelta(days=1)
    )[-1].total == 405 - sum(day == LOOKED for day in dates)


def test_months_count_gross_and_net_and_nobody_joins_by_being_there_first() -> None:
    start = date(2026, 1, 15)
    periods = [
        period(start, start=True),
        period(start, date(2026, 3, 2), start=True),
        period(date(2026, 1, 31)),
        period(date(2026, 3, 1), date(2026, 3, 30)),
    ]
    months = count_months(periods, start, date(2026, 4, 2))
    assert [(m.joined, m.left, m.net, m.total) for m in months] == [
        (1, 0, 1, 3),
        (0, 0, 0, 3),
        (1, 2, -1, 2),
        (0, 0, 0, 2),
    ]
    (year,) = group_years(months)
    assert (year.joined, year.left, year.total) == (2, 2, 2)


def test_a_month_in_which_nobody_looked_has_no_numbers() -> None:
    zone = ZoneInfo("America/Chicago")
    now = datetime(2026, 8, 20, 12, tzinfo=zone)
    looks = [
        (datetime(2026, 1, 31, 23, 30, tzinfo=zone), datetime(2026, 4, 1, 0, 0, tzinfo=zone)),
        (datetime(2026, 4, 2, tzinfo=zone), datetime(2026, 6, 30, 23, 59, tzinfo=zone)),
        (datetime(2026, 7, 31, tzinfo=zone), now),
    ]
    unseen = find_unseen_months(looks, date(2026, 1, 5), now)
    # looked at: on Jan 31, on Apr 2, in the last minute of June, and in July; not at all in August until now
    assert unseen == (date(2026, 2, 1), date(2026, 3, 1), date(2026, 5, 1), date(2026, 8, 1))
    assert find_unseen_months(looks[:1], date(2026, 3, 5), now) == (date(2026, 3, 1),)
    assert find_unseen_months((), date(2026, 1, 5), now) == ()

    periods = [period(date(2026, 1, 5), start=True), period(date(2026, 4, 1))]
    months = count_months(periods, date(2026, 1, 5), now.date(), unseen)
    assert [m.first.month for m in months if not m.seen] == [2, 3, 5, 8]
    assert [(m.joined, m.total) for m in months if m.seen] == [(0, 1), (1, 2), (0, 2), (0, 2)]
    assert all(year.seen for year in group_years(months))
    assert not group_years(months[1:3])[0].seen
    drawing = draw_columns(Columns(tuple("abcdefgh"), (0,) * 8, unseen=(1, 2, 4, 7)), "T")
    shaded = [each for each in ElementTree.fromstring(drawing).iter("rect") if each.get("class") == "gap"]
    widths = [float(each.get("width", "0")) for each in shaded]
    assert widths == [pytest.approx(widths[1] * 2, abs=0.2), widths[1], widths[1]]


@given(
    st.lists(
        st.tuples(st.integers(0, 900), st.one_of(st.none(), st.integers(0, 900)), st.booleans()), max_size=60
    )
)
def test_totals_are_what_is_listed_whatever_happened(given_stays: list[tuple[int, int | None, bool]]) -> None:
    first, last = date(2024, 1, 1), date(2026, 12, 31)
    periods = []
    for at, length, start in given_stays:
        joined = first if start else first + timedelta(days=at)
        left = None if length is None else min(joined + timedelta(days=length), last)
        periods.append(period(joined, left, start=start))
    months = count_months(periods, first, last)
    assert months[-1].total == sum(each.left is None for each in periods)
    survival = estimate_survival(periods, last)
    shares = [share for _, share in survival.steps]
    assert shares == sorted(shares, reverse=True)
    assert all(-1e-9 <= share <= 1 for share in shares)
    assert survival.seen == sum(not each.from_start for each in periods)


def test_lags_are_of_those_that_we_saw_join() -> None:
    at = date(2026, 5, 1)
    days = (0, 1, 3, 4, 400, -2)
    periods = [period(at, published=at - timedelta(days=n)) for n in days]
    periods += [period(at), period(at, published=at, start=True)]
    lags = count_lags(periods)
    assert (lags.counts, lags.early, lags.undated) == ((1, 2, 1, 0, 0, 0, 1), 1, 1)
    assert lags.median == 2
    assert count_lags([]).median is None


def test_survival_is_kaplan_and_meier_s() -> None:
    """The textbook's 6-MP group of Freireich et al. (1963): 21 patients, the published estimates."""
    ended = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    last = date(2026, 1, 1)
    periods = [period(last - timedelta(days=500), last - timedelta(days=500 - n)) for n in ended]
    periods += [period(last - timedelta(days=n)) for n in censored]
    survival = estimate_survival(periods, last)
    assert [(day, round(share, 3)) for day, share in survival.steps] == [
        (6, 0.857),
        (7, 0.807),
        (10, 0.753),
        (13, 0.69),
        (16, 0.627),
        (22, 0.538),
        (23, 0.448),
    ]
    assert (survival.seen, survival.ended) == (21, 9)
    assert survival.milestones[0] == (30, pytest.approx(0.448, abs=0.001), 4)


@pytest.mark.parametrize("standalone", [False, True])
def test_pictures_are_well_formed_and_start_at_zero(standalone: bool) -> None:
    columns = Columns(("a", "<b>", "c"), (3, 0, 120), (0, 40, 2), ("1", "<2>", "3"))
    for drawing in (
        draw_columns(columns, "T & <t>", standalone=standalone),
        draw_columns(Columns((), ()), "empty", standalone=standalone),
        draw_curve([(5, 0.5)], 10, "T", "days", standalone=standalone),
    ):
        root = ElementTree.fromstring(drawing.replace("xmlns=", "data-ns="))
        assert any(each.text == "0" or each.text == "0%" for each in root.iter("text"))
    whole = ElementTree.fromstring(draw_columns(columns, "T"))
    up = [float(each.get("height", "0")) for each in whole.iter("rect") if each.get("class") == "up"]
    down = [float(each.get("height", "0")) for each in whole.iter("rect") if each.get("class") == "down"]
    assert up[1] / up[0] == pytest.approx(40, rel=0.1)
    assert down[0] / up[1] == pytest.approx(1 / 3, rel=0.05)
