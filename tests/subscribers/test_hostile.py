"""What somebody who means harm may ask of the site, and what comes of it: nothing."""

from __future__ import annotations

from monitor.core.tokens import Purpose
from tests.subscribers.conftest import member, token
from tests.subscribers.town import Town

PAGES = {"confirm": Purpose.CONFIRM, "manage": Purpose.MANAGE, "unsubscribe": Purpose.UNSUBSCRIBE}


def test_a_token_of_any_number_leads_nowhere(town: Town) -> None:
    for number in (1, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**19 - 1):
        for page in PAGES:
            path = f"/{page}/{number}x{'a' * 26}"
            assert town.client.get(path).status_code == 404, path
            assert town.client.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 404, path


def test_a_changeset_of_any_number_is_not_there(town: Town) -> None:
    for number in ("0", "2147483647", "2147483648", "3000000000", "999999999999999", "9" * 40, "-1", "1e3"):
        assert town.client.get(f"/changes/{number}").status_code == 404, number
        assert town.client.get(f"/changes?before={number}").status_code == 200, number
        assert town.client.get(f"/changes/1?page={number}").status_code == 404, number


def test_a_token_is_good_on_its_own_page_alone(small_town: Town) -> None:
    town = small_town
    one = member(town.engine, town.keys, town.now)
    for purpose in Purpose:
        for page, wanted in PAGES.items():
            answer = town.client.get(f"/{page}/{token(town.keys, purpose, one)}")
            assert answer.status_code == (200 if purpose is wanted else 404), (purpose, page)


def test_no_page_links_to_the_host_that_its_address_names(small_town: Town) -> None:
    town = small_town
    for path in (
        "//evil.example",
        "///evil.example/x",
        "/%2F%2Fevil.example",
        "/%2Fevil.example",
        "/\\evil.example",
    ):
        answer = town.client.get(path)
        assert answer.status_code in {404, 421}
        assert "location" not in answer.headers
        assert not [part for part in answer.text.split('"') if part.startswith("//")], path
