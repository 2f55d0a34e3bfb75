"""The operator's file of corrections."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.domain import Confidence, Listing, PlacementReason
from monitor.errors import ConfigError
from monitor.places import Gazetteer, load, load_overrides

HEAD = "source,key,name,state,places,note\n"


def written(folder: Path, rows: str, head: str = HEAD) -> Path:
    path = folder / "overrides.csv"
    path.write_text(head + rows, encoding="utf-8")
    return path


def corrected(folder: Path, rows: str) -> Gazetteer:
    return load().with_overrides(load_overrides(written(folder, rows), load()))


def test_an_override_by_name_and_state_places_the_agency(tmp_path: Path) -> None:
    gazetteer = corrected(tmp_path, ",,Narcotics Task Force,Mississippi,39401 39402,Forrest County\n")
    placement = gazetteer.locate(Listing(name="NARCOTICS TASK FORCE", state="MS"), "ring")
    assert placement.places == ("39401", "39402")
    assert placement.how == "override"
    assert placement.confidence is Confidence.EXACT
    assert placement.reason == PlacementReason("operator_note", (), "Forrest County")
    assert gazetteer.locate(Listing(name="Narcotics Task Force", state="AL")).how != "override"


def test_an_override_by_key_holds_in_its_source_only(tmp_path: Path) -> None:
    gazetteer = corrected(tmp_path, "ring,IL|lost police,,,60601;60602,\n")
    listing = Listing(name="Lost Police", key="IL|lost police", state="IL")
    assert gazetteer.locate(listing, "ring").places == ("60601", "60602")
    assert gazetteer.locate(listing, "ice-287g").how != "override"
    assert gazetteer.locate(listing).how != "override"


def test_an_override_to_a_state_makes_the_agency_statewide(tmp_path: Path) -> None:
    placement = corrected(tmp_path, ",,Lost Police,IL,IL,\n").locate(Listing(name="Lost Police", state="IL"))
    assert placement.places == ("IL",)
    assert placement.statewide


def test_towns_and_counties_are_written_as_in_the_command(tmp_path: Path) -> None:
    rows = (
        ',,Lost Police,IN,"Hammond, IN; Lake County, IN",\n,,Found Police,IN,"Lake County, IN",it says so\n'
    )
    gazetteer = corrected(tmp_path, rows)
    lost = gazetteer.locate(Listing(name="Lost Police", state="IN"))
    found = gazetteer.locate(Listing(name="Found Police", state="IN"))
    assert {"46320", "46402"} <= set(lost.places) == set(found.places)
    assert lost.reason == PlacementReason("operator_note", (), "Hammond, IN; Lake County, IN")
    assert found.reason == PlacementReason("operator_note", (), "it says so")
    with pytest.raises(ConfigError, match=r"line 2: .*Xyzzy"):
        corrected(tmp_path, ',,Lost Police,IN,"Xyzzy County, IN",\n')
    with pytest.raises(ConfigError, match="line 2: 'Indiana' is a state: give it alone"):
        corrected(tmp_path, ',,Lost Police,IN,"Indiana; Cook County, IL",\n')


def test_the_source_of_the_list_comes_before_every_source(tmp_path: Path) -> None:
    gazetteer = corrected(tmp_path, ",,Lost Police,IL,60601,\nring,,Lost Police,IL,60602,\n")
    listing = Listing(name="Lost Police", state="IL")
    assert gazetteer.locate(listing, "ring").places == ("60602",)
    assert gazetteer.locate(listing, "other").places == ("60601",)


def test_the_packaged_gazetteer_keeps_no_overrides(tmp_path: Path) -> None:
    corrected(tmp_path, ",,Lost Police,IL,60601,\n")
    assert load().locate(Listing(name="Lost Police", state="IL")).how != "override"


def test_every_problem_of_the_file_is_listed_with_its_line(tmp_path: Path) -> None:
    rows = (
        ",,Fine Police,IL,60601,\n"
        ",,No State Police,,60601,\n"
        ",,,IL,60601,\n"
        ",,Bad Zip Police,IL,606 99999,\n"
        ",,Nowhere Police,Atlantis,,\n"
        ",,Both Police,IL,IL 60601,\n"
        ",,Everywhere Police,IL,US,\n"
        ",,Fine Police,IL,60602,\n"
        ",,Cells Police,IL,60601,note,60602\n"
    )
    with pytest.raises(ConfigError) as raised:
        load_overrides(written(tmp_path, rows), load())
    said = "\n".join(raised.value.problems)
    for line, problem in (
        (3, "a name without a state"),
        (4, "neither key nor name"),
        (5, "has 3 digits"),
        (5, "99999 is not a known ZIP code"),
        (6, "'Atlantis' is not a state"),
        (6, "gives no places"),
        (7, "ZIPs or one state"),
        (8, "US is not a place"),
        (9, "says again what line 2 says"),
        (10, "more than 6 cells"),
    ):
        assert any(f"line {line}:" in p and problem in p for p in raised.value.problems), (
            line,
            problem,
            said,
        )


def test_a_file_that_is_not_one_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_overrides(tmp_path / "missing.csv", load())
    with pytest.raises(ConfigError, match="no column 'place'"):
        load_overrides(written(tmp_path, "", "source,name,state,place\n"), load())
    (tmp_path / "latin.csv").write_bytes(HEAD.encode() + ",,Cañon Police,CO,81212,\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load_overrides(tmp_path / "latin.csv", load())


def test_empty_lines_and_a_byte_order_mark_are_nothing(tmp_path: Path) -> None:
    path = tmp_path / "excel.csv"
    path.write_bytes(b"\xef\xbb\xbf" + HEAD.encode() + b",,,,,\r\n\r\n,,Lost Police,IL,60601,\r\n")
    assert load_overrides(path, load()).by_name
