"""How much and how long, as the privacy page and the documents promise it."""

from __future__ import annotations

from datetime import timedelta

from monitor.subscribers import retention, signup

DAY = timedelta(days=1)


def test_how_long_personal_data_is_kept() -> None:
    assert retention.COUNTS_KEPT == DAY
    assert retention.ENDED_KEPT == 180 * DAY
    assert retention.DELIVERIES_KEPT == 400 * DAY
    assert retention.RETURNS_KEPT == 30 * DAY
    assert retention.CHOICES_KEPT == 90 * DAY
    assert retention.UPDATES_KEPT == DAY
    assert timedelta(hours=1) == retention.PURGE_EVERY


def test_how_often_an_address_may_be_asked() -> None:
    assert timedelta(hours=48) == signup.CONFIRM_WITHIN
    assert timedelta(hours=24) == signup.ONE_CONFIRMATION_IN
    assert signup.MOST_CONFIRMATIONS == 3
    assert signup.MOST_IN_A_MAILBOX == 10
    assert signup.MOST_IN_A_DOMAIN == 30
    assert signup.ASK_AGAIN_AFTER == 30 * DAY
    assert signup.REMINDED_ANEW_AFTER == 30 * DAY


def test_how_much_one_form_one_network_and_the_site_may_ask() -> None:
    assert signup.MOST_PLACES == 250
    assert signup.PARTS_OF_THE_SITE == 10
    assert signup.SignupLimits() == signup.SignupLimits(network=20, site=500)
