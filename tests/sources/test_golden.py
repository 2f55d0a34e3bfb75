from __future__ import annotations

import pytest

from monitor.sources import FORMATS, ParseOptions, parse
from monitor.sources.proposals import propose
from tests.sources.golden import FOLDER, GOLDEN, as_json, read_golden

ARCGIS_ANSWER = b"""{"fields":[{"name":"FID","type":"esriFieldTypeOID"},
{"name":"Agency","type":"esriFieldTypeString"},{"name":"State","type":"esriFieldTypeString"}],
"features":[{"attributes":{"FID":1,"Agency":"Gary PD","State":"IN"}},
{"attributes":{"FID":2,"Agency":"Cook PD","State":"IL"}}]}"""


@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_file_is_read_as_it_was(name: str) -> None:
    options, publication = read_golden(name)
    assert as_json(parse((FOLDER / name).read_bytes(), options)) == publication


@pytest.mark.parametrize("name", GOLDEN)
def test_every_listing_has_a_key_of_its_own(name: str) -> None:
    options, _ = read_golden(name)
    keys = [listing.key for listing in parse((FOLDER / name).read_bytes(), options).listings]
    assert all(keys)
    assert len(set(keys)) == len(keys)


def test_every_format_has_a_golden_pair() -> None:
    assert {read_golden(name)[0].format for name in GOLDEN} == set(FORMATS)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_format_recognizes_its_own_files(name: str) -> None:
    options, _ = read_golden(name)
    assert FORMATS[options.format].recognizes((FOLDER / name).read_bytes())


@pytest.mark.parametrize("name", GOLDEN)
def test_the_first_format_that_recognizes_a_golden_file_is_its_own(name: str) -> None:
    options, _ = read_golden(name)
    body = (FOLDER / name).read_bytes()
    assert next(key for key, each in FORMATS.items() if each.recognizes(body)) == options.format


def test_the_answer_of_an_arcgis_query_is_proposed_as_one() -> None:
    proposal = propose(ARCGIS_ANSWER)
    assert (proposal.format, proposal.columns.name, proposal.columns.state) == ("arcgis", "Agency", "State")
    options = ParseOptions("x", proposal.format, proposal.columns, settings=proposal.settings)
    assert [listing.name for listing in parse(ARCGIS_ANSWER, options).listings] == ["Gary PD", "Cook PD"]
