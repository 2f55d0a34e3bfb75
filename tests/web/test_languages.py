"""The catalogue is whole, and says the same in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po
from jinja2 import Environment, PackageLoader

from monitor.messages import locale
from monitor.messages.placements import describe_placement
from monitor.places import load
from monitor.sources import ColumnMap, ParseOptions, parse
from tests.conftest import ROOT

CATALOGUES = ROOT / "monitor" / "locale" / "es"
ENGLISH = re.compile(r"(?<![-\w])(?:covers|is in|of it|an|its|not|with|where|near|lies)(?![-\w])")
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")


def sentences() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every sentence of the site's code and templates, with its plural if it has one."""
    templates = {"trimmed": "true", "silent": "false"}
    found = extract_from_dir(
        ROOT / "monitor" / "web",
        [("templates/**.html", "jinja2"), ("templates/**.atom", "jinja2"), ("**.py", "python")],
        {"templates/**.html": templates, "templates/**.atom": templates},
        keywords={**DEFAULT_KEYWORDS, "N_": None},
    )
    for file, line, message, _, _ in found:
        yield f"{file}:{line}", message if isinstance(message, tuple) else (message,)


def test_every_sentence_of_the_site_is_there_in_spanish() -> None:
    spanish = locale.translations("es")
    missing = [
        (where, message[0])
        for where, message in sentences()
        if spanish.gettext(message[0]) == message[0]
        and spanish.ngettext(message[0], message[-1], 1) == message[0]
    ]
    assert missing == []


def test_the_catalogue_of_the_site_holds_nothing_that_is_not_said() -> None:
    said = {message[0] for _, message in sentences()}
    catalogue = read_po(BytesIO((CATALOGUES / "site.po").read_bytes()))
    unused = [
        message.id
        for message in catalogue
        if message.id and (message.id if isinstance(message.id, str) else message.id[0]) not in said
    ]
    assert unused == []


@pytest.mark.parametrize("path", sorted(CATALOGUES.glob("*.po")), ids=lambda path: path.name)
def test_a_translation_has_the_places_of_its_sentence_and_no_doubt(path: Path) -> None:
    for message in read_po(BytesIO(path.read_bytes())):
        if not message.id:
            continue
        english = message.id if isinstance(message.id, tuple) else (message.id,)
        spanish = message.string if isinstance(message.string, tuple) else (message.string,)
        assert not message.fuzzy, english
        wanted = set(PLACEHOLDER.findall(english[-1]))
        for text in spanish:
            assert text, english
            assert set(PLACEHOLDER.findall(text)) <= wanted, english
        assert set(PLACEHOLDER.findall(spanish[-1])) == wanted, english


def test_the_words_of_alerts_are_the_same_macros_in_both_languages() -> None:
    loader = Environment(loader=PackageLoader("monitor")).loader
    assert loader is not None
    words = {
        code: re.findall(r"macro (\w+\([^)]*\))", loader.get_source(Environment(), f"words/{code}.j2")[0])
        for code in ("en", "es")
    }
    of_english_alone, of_spanish_alone = {"owner(name)"}, {"at(time)"}
    assert set(words["en"]) - set(words["es"]) <= of_english_alone
    assert set(words["es"]) - set(words["en"]) <= of_spanish_alone


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"), ("es", "es"), ("es-MX,es;q=0.9,en;q=0.8", "es"), ("en-US,es;q=0.9", "en"), ("fr,es;q=0.2", "es"), ("fr", "en"),
        ("es;q=0", "en"), ("en;q=0.1,es;q=0.2", "es"), ("*", "en"), ("es;q=nonsense", "es"), (";;;,,,=q", "en"), ("ES_us", "es"),
    ],
)  # fmt: skip
def test_the_browser_s_wish_decides(header: str, language: str) -> None:
    assert locale.negotiate(header) == language


def test_times_and_dates_in_both_languages() -> None:
    at = datetime(2026, 11, 24, 20, 7, tzinfo=UTC)
    assert locale.moment(at, "America/Chicago", "en") == "Nov 24, 2026, 2:07 pm CST"
    assert locale.moment(at, "America/Chicago", "es").replace("\xa0", " ") == "24 nov 2026, 2:07 p.m. CST"
    assert locale.clock(at, "Asia/Kathmandu", "en") == "1:52 am UTC+0545"
    assert (locale.day(date(2026, 1, 2), "en"), locale.day(date(2026, 1, 2), "es")) == (
        "Jan 2, 2026",
        "2 ene 2026",
    )
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
