"""The people's pages in a real browser: without scripts, on a phone, in both languages, for people who cannot
see them, and watched by scanners.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.peers.browser import visit
from tests.subscribers.conftest import who
from tests.subscribers.town import Town, link

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("language", ["en", "es"])
def test_signing_up_to_leaving_in_a_browser_without_scripts(
    small_town: Town, browser: Browser, language: str
) -> None:
    town = small_town
    with visit(
        browser, f"{town.address}/subscribe?place=60601", language=language, phone=True, scripts=False
    ) as seen:
        page = seen.page
        town.later(seconds=5)
        page.fill("#address", "ann@example.org")
        page.click("details.more summary")
        page.check("input[name=frequency][value=daily]")
        page.click("form button")
        assert page.locator("h1").inner_text() in {"Check your email", "Revise su correo"}
        town.deliver()
        page.goto(town.address + link(town.mail(), "confirm"))
        page.click("form button")
        town.deliver()
        assert who(town.engine, town.keys).state == "active"  # type: ignore[union-attr]
        page.goto(town.address + link(town.mail(), "manage"))
        page.fill("#places", "46320, IN")
        page.click("form button")
        assert page.locator("[role=status]").count() == 1
        assert page.input_value("#places") == "46320, IN"
        page.goto(town.address + link(town.mail(), "unsubscribe"))
        page.click("form button")
        assert who(town.engine, town.keys) is None


def test_every_page_can_be_used_by_everybody(small_town: Town, browser: Browser) -> None:
    town = small_town
    town.member()
    manage, leave = link(town.mail(), "manage"), link(town.mail(), "unsubscribe")
    town.sign_up("bob@example.org")
    town.deliver()
    confirm = link(town.mail(), "confirm")
    english = ("/subscribe", "/zip/60601", confirm, leave, "/confirm/1xaaaaaaaaaaaaaaaaaaaaaaaaaa")
    for language, paths in {"en": english, "es": (manage,)}.items():
        with visit(browser, town.address + paths[0], language=language) as seen:
            for path in paths:
                seen.page.goto(town.address + path)
                # what is folded is looked at as well
                seen.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
                assert path not in english[:2] or seen.page.locator(".preview").is_visible()
                assert seen.violations() == [], path
                assert not seen.overflows(), path
                assert [each for each in seen.complaints if "404" not in each] == [], path
                assert all(each.startswith(town.address) for each in seen.requests), path
                seen.page.set_viewport_size({"width": 1100, "height": 800})
    with visit(browser, f"{town.address}/subscribe") as seen:
        town.later(seconds=5)
        seen.page.fill("#places", "Narnia")
        seen.page.fill("#address", "ann@example.org")
        seen.page.click("form button")
        assert seen.page.get_attribute("#places", "aria-invalid") == "true"
        assert seen.page.evaluate("document.activeElement.id") == "places"
        assert "places-error" in (seen.page.get_attribute("#places", "aria-describedby") or "")
        assert seen.violations() == []


def test_a_scanner_with_a_browser_changes_nothing(small_town: Town, browser: Browser) -> None:
    town = small_town
    town.member()
    manage, leave = link(town.mail(), "manage"), link(town.mail(), "unsubscribe")
    town.sign_up("bob@example.org")
    town.deliver()
    confirm = link(town.mail(), "confirm")
    with visit(browser, town.address + confirm) as seen:
        for path in (confirm, manage, leave):
            seen.page.goto(town.address + path)
            seen.page.wait_for_load_state("networkidle")
            assert seen.page.evaluate("document.scripts.length") == 0
    assert who(town.engine, town.keys, "bob@example.org").state == "pending"  # type: ignore[union-attr]
    assert who(town.engine, town.keys).state == "active"  # type: ignore[union-attr]
