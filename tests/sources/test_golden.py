from __future__ import annotations

import json

import pytest

from monitor.sources import parse
from tests.sources.golden import FOLDER, SPECS, as_json


@pytest.mark.parametrize("name", SPECS)
def test_a_golden_file_is_read_as_it_was(name: str) -> None:
    publication = parse((FOLDER / name).read_bytes(), SPECS[name])
    golden = (FOLDER / name).with_suffix(".json").read_text(encoding="utf-8")
    assert as_json(publication) == json.loads(golden)


@pytest.mark.parametrize("name", SPECS)
def test_every_listing_has_a_key_of_its_own(name: str) -> None:
    keys = [listing.key for listing in parse((FOLDER / name).read_bytes(), SPECS[name]).listings]
    assert all(keys)
    assert len(set(keys)) == len(keys)
