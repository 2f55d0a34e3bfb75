from __future__ import annotations

import pytest

from monitor.sources import FORMATS, parse
from tests.sources.golden import FOLDER, GOLDEN, as_json, read_golden


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
