"""The catalog is whole, and says the same in both languages."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from monitor.messages import locale
from monitor.messages.placements import describe_placement
from monitor.places import load
from monitor.sources import ColumnMap, ParseOptions, parse

ENGLISH = re.compile(r"(?<![-\w])(?:covers|is in|of it|an|its|not|with|where|near|lies)(?![-\w])")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"), ("es", "es"), ("es-MX,es;q=0.9,en;q=0.8", "es"), ("en-US,es;q=0.9", "en"),
        ("fr,es;q=0.2", "es"), ("fr", "en"),
        ("es;q=0", "en"), ("en;q=0.1,es;q=0.2", "es"), ("*", "en"), ("es;q=nonsense", "es"),
        (";;;,,,=q", "en"), ("ES_us", "es"),
    ],
)  # fmt: skip
def test_the_browser_s_wish_decides(header: str, language: str) -> None:
    assert locale.negotiate(header) == language


def test_times_and_dates_in_both_languages() -> None:
    at = datetime(2026, 11, 24, 20, 7, tzinfo=UTC)
    assert locale.moment(at, "America/Chicago", "en") == "Nov 24, 2026, 2:07 pm CST"
    assert (
        locale.moment(at, "America/Chicago", "es").replace("\xa0", " ")
        == "24 de noviembre de 2026, 2:07 p.m. CST"
    )
    assert locale.clock(at, "Asia/Kathmandu", "en") == "1:52 am UTC+0545"
    assert (locale.day(date(2026, 1, 2), "en"), locale.day(date(2026, 1, 2), "es")) == (
        "Jan 2, 2026",
        "2 de enero de 2026",
    )
    assert locale.short_day(date(2026, 1, 2), "es") == "2 ene 2026"
    assert locale.number(2640, "en") == "2,640"


@pytest.mark.shared
def test_every_reason_of_the_real_lists_is_said_in_spanish(shared: Path) -> None:
    columns = ColumnMap(name="LAW ENFORCEMENT AGENCY", state="STATE", county="COUNTY")
    body = (shared / "data" / "ice_287g" / "participatingAgencies05182026am.xlsx").read_bytes()
    listings = parse(body, ParseOptions(name="ice", format="table", columns=columns)).listings
    left = {
        spanish
        for listing in listings
        if ENGLISH.search(spanish := describe_placement(load().locate(listing).reason, "es"))
    }
    assert left == set()
