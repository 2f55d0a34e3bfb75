"""What a form is read as, by whose network it counts, and how often an address may be asked."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from monitor.errors import UsageError
from monitor.storage.people.signups import ConfirmationCount
from monitor.subscribers.signup import (
    MOST_PLACES,
    SignupRequest,
    _form,
    _may_ask,
    network_of,
    schedule,
    wide_network_of,
    zone_of_place,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("client", "network", "wide"),
    [
        ("192.0.2.77", "192.0.2.0/24", None),
        ("::ffff:192.0.2.77", "192.0.2.0/24", None),
        ("2001:db8:1:2ff::7", "2001:db8:1:200::/56", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/56", "fe80::/48"),
        ("", "unknown", None),
        (None, "unknown", None),
        ("nonsense", "unknown", None),
    ],
)
def test_the_network_of_a_client(client: str | None, network: str, wide: str | None) -> None:
    assert network_of(client) == network
    assert wide_network_of(client) == wide


@pytest.mark.parametrize(
    ("frequency", "zone", "hour", "found"),
    [
        ("at_once", "America/Denver", 5, (None, None)),
        ("daily", None, None, ("America/Chicago", 8)),
        ("weekly", "UTC", 0, ("UTC", 0)),
        ("daily", "UTC", 23, ("UTC", 23)),
    ],
)
def test_a_schedule_has_its_defaults(
    frequency: str, zone: str | None, hour: int | None, found: tuple[str | None, int | None]
) -> None:
    assert schedule(frequency, zone, hour, "America/Chicago") == found


@pytest.mark.parametrize(
    ("frequency", "zone", "hour"),
    [
        ("hourly", None, None),
        ("daily", "Mars/North", 8),
        ("daily", "", 8),
        ("daily", "UTC", 24),
        ("daily", "UTC", -1),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(frequency: str, zone: str | None, hour: int) -> None:
    with pytest.raises(UsageError, match="choose"):
        schedule(frequency, zone, hour, "UTC")


@pytest.mark.parametrize(
    ("place", "zone"),
    [("60601", "America/Chicago"), ("IL", "America/Chicago"), ("CA", "America/Los_Angeles")],
)
def test_the_zone_of_a_place_is_that_of_its_state(place: str, zone: str) -> None:
    assert zone_of_place(place) == zone


def wish(count: int, address: str = "ann@mail.example") -> SignupRequest:
    return SignupRequest(
        address=address, places=tuple(f"{60000 + n}" for n in range(count)), sources=("ring",)
    )


def form(made: SignupRequest) -> str:
    return _form("email", made, lambda zip_code: "IL")


def test_a_form_is_padded_so_that_its_size_says_little() -> None:
    sizes = {len(form(wish(count))) for count in (1, 2, 3)}
    assert sizes == {512}
    assert all(len(form(wish(count))) % 512 == 0 for count in range(1, 40))
    content = json.loads(form(wish(1)))
    assert content["follows"] == [["ring", "60000", "IL"]]
    assert (content["frequency"], content["timezone"], content["local_hour"]) == ("at_once", None, None)


def test_a_form_of_any_length_is_padded_to_the_next_512_characters() -> None:
    texts = [form(wish(15, f"{'a' * length}@mail.example")) for length in range(1, 65)]
    lengths = [len(text.rstrip()) for text in texts]
    assert lengths == list(range(lengths[0], lengths[0] + 64))
    assert lengths[0] < 512 < lengths[-1]
    assert [len(text) for text in texts] == [512 if length <= 512 else 1024 for length in lengths]


def test_a_form_has_at_most_250_places() -> None:
    assert len(json.loads(form(wish(MOST_PLACES)))["follows"]) == MOST_PLACES
    with pytest.raises(UsageError, match=f"at most {MOST_PLACES} places"):
        form(wish(MOST_PLACES + 1))
    doubled = SignupRequest(address="ann@mail.example", places=("60601",) * 300, sources=("ring",))
    assert len(json.loads(form(doubled))["follows"]) == 1


@pytest.mark.parametrize(
    ("count", "hours", "may"),
    [(1, 24, True), (1, 23.99, False), (2, 24, True), (3, 24, False), (3, 1000, False)],
)
def test_an_address_is_asked_once_a_day_and_three_times(count: int, hours: float, may: bool) -> None:
    assert _may_ask(ConfirmationCount(count, NOW - timedelta(hours=hours)), NOW) is may
    assert _may_ask(None, NOW)
