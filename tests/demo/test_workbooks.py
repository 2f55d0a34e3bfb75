"""The demo's workbooks are packed as their cells and links, and written to the same bytes each time."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from python_calamine import CalamineWorkbook

from monitor.demo.story import STEPS
from monitor.demo.workbooks import PACKED, unpack_files
from monitor.history.captured_file import find_saved_time
from monitor.parser import IN_PROCESS
from monitor.sources import ColumnMap, ParseLimits, ParseOptions
from monitor.sources.workbook import read_sheets

COLUMNS = ColumnMap(name="LAW ENFORCEMENT AGENCY", state="STATE")
LIMITS = ParseLimits()
MOST_BYTES = 60_000


def test_every_file_of_the_story_is_there_and_the_same_each_time(tmp_path: Path) -> None:
    first, second = unpack_files(tmp_path / "first"), unpack_files(tmp_path / "second")
    names = {path.relative_to(first) for path in first.rglob("*") if path.is_file()}
    assert {Path(step.file) for step in STEPS} <= names
    assert len([name for name in names if name.suffix == ".xlsx"]) == 13
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    assert PACKED.stat().st_size < MOST_BYTES


def test_an_unpacked_workbook_says_what_the_published_one_says(shared: Path, tmp_path: Path) -> None:
    folder = unpack_files(tmp_path / "files")
    paths = sorted(folder.rglob("*.xlsx"))
    assert len(paths) == 13
    for path in paths:
        ours, theirs = path.read_bytes(), (shared / "data" / "ice_287g" / path.name).read_bytes()
        assert list(read_sheets(ours, LIMITS)) == list(read_sheets(theirs, LIMITS)), path.name
        assert find_saved_time(ours) == find_saved_time(theirs), path.name


def test_other_programs_read_an_unpacked_workbook(tmp_path: Path) -> None:
    path = unpack_files(tmp_path / "files") / "participatingAgencies05182026am.xlsx"
    rows = CalamineWorkbook.from_path(path).get_sheet_by_name("Sheet1").to_python()
    assert rows[0][:3] == ["STATE", "LAW ENFORCEMENT AGENCY", "TYPE"]
    assert len(rows) == 1844
    assert rows[1][5] == date(2025, 9, 22)


def test_an_unpacked_workbook_is_read(tmp_path: Path) -> None:
    body = (unpack_files(tmp_path / "files") / "participatingAgencies02172026pm.xlsx").read_bytes()
    read = IN_PROCESS.parse(body, ParseOptions("ice-287g", "table", COLUMNS))
    assert len(read.listings) == 1201  # names with their states; some have several agreements
