"""Text that a broken encoding damaged, and text that is only unusual."""

from __future__ import annotations

import pytest

from monitor.core.damage import is_worse, looks_damaged, mend


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Cañon City Police", "CaÃ±on City Police"),
        ("Cañon City Police", "Ca\ufffdon City Police"),
        ("Cañon City Police", "Ca?on City Police"),
        ("Cañon City Police", "Caon City Police"),
        ("Lee Sheriff\u2019s Office", "Lee Sheriffâ€™s Office"),
        ("Lee Sheriff\u2019s Office", "Lee Sheriff?s Office"),
        ("Lee Sheriff\u2019s Office", "Lee Sheriff\x92s Office"),
        ("Joliet Police", "JÃ³liet PÃ³lice"),
        ("Álamo Police", "Ã\ufffdlamo Police"),
        ("Doña", "Do?a"),
        ("Alder Police", "Alder\ufffd Police"),
        ("Española Police", "EspaÃƒÂ±ola Police"),
    ],
)
def test_text_that_only_became_worse(before: str, after: str) -> None:
    assert is_worse(before, after)
    assert not is_worse(after, before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Cañon City Police", "Canon City Police"),
        ("Joliet Police", "Elgin Police"),
        ("Joliet Police", "Joliet Police Department"),
        ("Cañon City Police", "Peñasco Police"),
        ("Who Police", "Who? Police"),
        ("Peñ", "Pe?"),
        ("Cañon City", "Ca?on Town"),
        ("Al Der Marshal", "Alder Marshal"),
        ("Alder\ufffd Police", "Alder \ufffdPolice"),
        ("Ca\ufffdon City", "Ca?on City"),
    ],
)
def test_another_text_or_no_damage(before: str, after: str) -> None:
    assert not is_worse(before, after)


def test_what_was_broken_twice_is_mended_and_good_text_stays() -> None:
    assert mend("EspaÃƒÂ±ola") == "Española"
    assert mend("Cañon â\u20ac\u201c Doña") == "Cañon \u2013 Doña"
    for text in ("Cañon", "São Tomé", "\u201cRed\u201d", "Peñasco \u2013 West", "Police? Yes."):
        assert mend(text) == text
        assert not looks_damaged(text)


def test_every_byte_of_a_character_is_read() -> None:
    for text in ("Àlamo", "Āland", "Ŀ", "\u20ac", "\u2014", "\U0001f6a8"):
        for encoding in ("latin-1", "cp1252"):
            broken = text.encode().decode(encoding, errors="ignore")
            if broken.encode(encoding) == text.encode():
                assert mend(broken) == text
                assert looks_damaged(broken)


def test_what_was_broken_three_times_is_not_guessed() -> None:
    broken = "Española"
    for _ in range(3):
        once, broken = broken, broken.encode().decode("cp1252")
    assert mend(broken) == "EspaÃ±ola"
    assert once != broken
