"""Why an agency has its places: the sentence in both languages, stored as a value."""

from __future__ import annotations

import re

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from monitor.domain import PlacementReason
from monitor.messages.placements import SENTENCES, describe_placement
from monitor.storage.lists.codec import reason_from_text, reason_to_text
from tests.conftest import ROOT

CATALOGUE = ROOT / "monitor" / "messages" / "es.po"


@pytest.mark.parametrize(
    ("reason", "english", "spanish"),
    [
        (("covers", ("Lake County",)), "covers Lake County", "cubre el condado de Lake"),
        (
            ("covers", ("Kings County", "Queens County")),
            "covers Kings County and Queens County",
            "cubre el condado de Kings y el condado de Queens",
        ),
        (
            ("covers", ("Lake of the Woods County",)),
            "covers Lake of the Woods County",
            "cubre el condado de Lake of the Woods",
        ),
        (
            ("covers", ("Lexington and Fayette County",)),
            "covers Lexington and Fayette County",
            "cubre Lexington y el condado de Fayette",
        ),
        (
            ("covers", ("Lewis and Clark County",)),
            "covers Lewis and Clark County",
            "cubre el condado de Lewis and Clark",
        ),
        (
            ("covers", ("Juneau City and Borough",)),
            "covers Juneau City and Borough",
            "cubre la ciudad y borough de Juneau",
        ),
        (
            ("precinct", ("Kenai Peninsula Borough",)),
            "covers a precinct of Kenai Peninsula Borough",
            "cubre un distrito del borough de Kenai Peninsula",
        ),
        (
            ("in", ("Nome Census Area",)),
            "is in Nome Census Area: an estimate",
            "está en el área censal de Nome: es una estimación",
        ),
        (
            ("covers", ("the city of Roanoke",)),
            "covers the city of Roanoke",
            "cubre la ciudad de Roanoke",
        ),
        (
            ("precinct", ("Harris County",)),
            "covers a precinct of Harris County",
            "cubre un distrito del condado de Harris",
        ),
        (
            ("in", ("St. Mary Parish",)),
            "is in St. Mary Parish: an estimate",
            "está en la parroquia de St. Mary: es una estimación",
        ),
        (("state", ("IN",)), "covers all of Indiana", "cubre todo el territorio de Indiana"),
        (
            ("with_address", ("Hammond",), "Gary"),
            "covers Hammond, with its address in Gary: an estimate",
            "cubre Hammond, con dirección en Gary: es una estimación",
        ),
        (
            ("branch", ("Patillas",)),
            "covers Patillas, where this branch is",
            "cubre Patillas, donde está esta sede",
        ),
        (
            ("covers", ("the five boroughs of New York City",)),
            "covers the five boroughs of New York City",
            "cubre los cinco distritos de la ciudad de Nueva York",
        ),
        (
            ("somewhere", ("OH",)),
            "could not be placed within Ohio; those who follow OH hear of it",
            "no se pudo ubicar dentro de Ohio; se avisa a quienes siguen OH",
        ),
        (("text", (), "covers Lake County"), "covers Lake County", "cubre el condado de Lake"),
        (("text", (), "serves Lake County"), "serves Lake County", "serves Lake County"),
        (("a rule of a later version", ("X",)), "", ""),
    ],
)
def test_a_reason_is_told_in_the_reader_s_language(
    reason: tuple[str, tuple[str, ...], str], english: str, spanish: str
) -> None:
    value = PlacementReason(*reason)
    assert describe_placement(value, "en") == english
    assert describe_placement(value, "es") == spanish


@pytest.mark.parametrize("rule", SENTENCES)
@pytest.mark.parametrize(
    "names", [("Lake County",), ("Kings County", "the city of Roanoke"), ("St. Mary Parish",)]
)
def test_a_sentence_that_0_1_0_stored_is_told_in_the_reader_s_language(
    rule: str, names: tuple[str, ...]
) -> None:
    of_a_state = rule in {"state", "somewhere", "not_located"}
    value = PlacementReason(rule, ("NM",) if of_a_state else names, "Gary")
    stored = PlacementReason(PlacementReason.TEXT, (), describe_placement(value, "en"))
    assert describe_placement(stored, "en") == stored.other
    assert describe_placement(stored, "es") == describe_placement(value, "es") != stored.other


def test_no_reason_is_no_text() -> None:
    assert describe_placement(None, "es") == ""


@pytest.mark.parametrize(
    "reason",
    [
        PlacementReason("covers", ("Lake County", "Doña Ana County")),
        PlacementReason("with_address", ("Hammond",), "Gary"),
        PlacementReason("failed"),
    ],
)
def test_a_reason_is_stored_as_a_value(reason: PlacementReason) -> None:
    assert reason_from_text(reason_to_text(reason)) == reason


def test_a_row_of_0_1_0_holds_a_sentence_that_is_still_told() -> None:
    reason = reason_from_text("covers Hammond, with its address in Gary: an estimate")
    assert reason == PlacementReason("text", (), "covers Hammond, with its address in Gary: an estimate")
    assert describe_placement(reason, "en") == "covers Hammond, with its address in Gary: an estimate"
    assert reason_from_text(None) is None
    assert reason_from_text("") is None


def test_names_of_places_may_hold_braces() -> None:
    reason = PlacementReason("operator_note", (), "see {names} and {0}")
    assert describe_placement(reason, "en") == "placed by the operator: see {names} and {0}"


def test_the_spanish_catalog_has_every_sentence_and_no_other() -> None:
    source = ROOT / "monitor" / "messages" / "placements.py"
    messages = {
        message
        for _, message, _, _ in extract_from_file("python", str(source), keywords={"N_": None})
        if isinstance(message, str)
    }
    assert set(SENTENCES.values()) <= messages
    with CATALOGUE.open("rb") as file:
        catalog = {message.id: message.string for message in read_po(file) if message.id}
    assert messages <= set(catalog)  # `test_catalog` finds what is left over
    for english in messages:
        spanish = catalog[english]
        assert spanish
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", spanish)), english
