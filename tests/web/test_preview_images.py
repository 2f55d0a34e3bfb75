"""Cards of shared links: for what there is, in the reader's language, whatever the names are."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from monitor.pictures.share_card import HEIGHT, WIDTH, draw_card, wrap_text
from tests.web.conftest import Running
from tests.web.story import SOURCE


def card_of(web: Running, path: str) -> str:
    found = re.search(
        r'<meta property="og:image" content="https://watch\.example([^"]+)"', web.get(path).text
    )
    assert found, path
    return found[1]


def test_states_agencies_and_changes_name_their_card_and_it_is_a_picture_of_the_right_size(
    web: Running,
) -> None:
    agency = re.search(r'href="(/agency/[^"]+)"', web.get("/zip/46320").text)
    assert agency
    seen = set()
    for path in ("/state/IN", agency[1], "/changes/1", "/changes/2"):
        answer = web.get(card_of(web, path))
        assert answer.headers["content-type"] == "image/png", path
        assert answer.content[:8] == b"\x89PNG\r\n\x1a\n"
        assert int.from_bytes(answer.content[16:20]) == WIDTH
        assert int.from_bytes(answer.content[20:24]) == HEIGHT
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        seen.add(answer.content)
    assert len(seen) == 4


def test_a_card_speaks_the_language_of_its_page(web: Running) -> None:
    english, spanish = (web.get(f"/card/state/IN.png?lang={code}").content for code in ("en", "es"))
    assert english != spanish
    assert card_of(web, "/state/IN?lang=es").endswith("?lang=es")


@pytest.mark.parametrize(
    "path",
    [
        "/card/state/ZZ.png",
        "/card/state/IN",
        "/card/agency/other/x-0.png",
        f"/card/agency/{SOURCE}/nobody-0123456789.png",
        "/card/changes/99.png",
        "/card/changes/x.png",
        "/card/changes/99999999999.png",
    ],
)
def test_there_is_no_card_of_what_there_is_not(web: Running, path: str) -> None:
    assert web.get(path).status_code == 404


def test_an_agency_that_left_has_a_card_that_says_so(web: Running) -> None:
    page = web.get("/changes/2").text
    agency = re.search(r'href="(/agency/[^"]+springfield[^"]+)"', page)
    assert agency
    assert web.get(f"/card{agency[1]}.png").status_code == 200


def test_long_and_hostile_names_stay_within_the_card() -> None:
    for name in ('"><script>', "A" * 900, "wide " * 300, "Zażółć gęślą Diné bizaad"):
        card = draw_card(name, name, [name, name], name, "")
        root = ElementTree.fromstring(card.replace("xmlns=", "data-ns="))
        assert root.find(".//script") is None
        assert max(float(each.get("y", "0")) for each in root.iter("text")) <= HEIGHT
    names = [f"Sheriff's Office of County number {n}, Alabama" for n in range(4)]
    for drawing in ("", "<svg ></svg>"):
        for title in ("Added", "276 agencies were added or are listed again, 3 are no longer listed"):
            card = draw_card("List", title, ["May 15, 2026", *names], "watch.example", drawing)
            root = ElementTree.fromstring(card.replace("xmlns=", "data-ns="))
            *above, foot = [(float(each.get("y", "0")), each.text or "") for each in root.iter("text")]
            assert foot == (HEIGHT - 50, "watch.example")
            assert max(y for y, _ in above) <= HEIGHT - 100  # no line over the foot
            assert above[-1][1].endswith(("…", "number 3, Alabama"))
    long = "L" * 300
    assert long not in draw_card(long, "Title", [], long, "")
    assert wrap_text("one two three", 10, 50, 2) == ["one two", "three"]
    assert wrap_text("x" * 50, 10, 50, 2) == ["x" * 9 + "…"]
    assert wrap_text("aa bb cc", 10, 5, 2)[-1].endswith("…")
