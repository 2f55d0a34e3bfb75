"""The demo's workbooks are packed as parts, and unpacked to the same bytes each time."""

from __future__ import annotations

import zipfile
from pathlib import Path

from monitor.demo.story import STEPS
from monitor.demo.workbooks import PACKED, unpack_files
from monitor.parser import IN_PROCESS
from monitor.sources import ColumnMap, ParseOptions

COLUMNS = ColumnMap(name="LAW ENFORCEMENT AGENCY", state="STATE")
MOST_BYTES = 400_000


def test_every_file_of_the_story_is_there_and_the_same_each_time(tmp_path: Path) -> None:
    first, second = unpack_files(tmp_path / "first"), unpack_files(tmp_path / "second")
    names = {path.relative_to(first) for path in first.rglob("*") if path.is_file()}
    assert {Path(step.file) for step in STEPS} <= names
    assert len([name for name in names if name.suffix == ".xlsx"]) == 13
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    assert PACKED.stat().st_size < MOST_BYTES


def test_an_unpacked_workbook_has_the_parts_of_the_published_one(shared: Path, tmp_path: Path) -> None:
    for path in unpack_files(tmp_path / "files").glob("*.xlsx"):
        published = shared / "data" / "ice_287g" / path.name
        with zipfile.ZipFile(path) as ours, zipfile.ZipFile(published) as theirs:
            assert set(ours.namelist()) == set(theirs.namelist())
            assert all(ours.read(name) == theirs.read(name) for name in theirs.namelist()), path.name


def test_an_unpacked_workbook_is_read(tmp_path: Path) -> None:
    body = (unpack_files(tmp_path / "files") / "participatingAgencies02172026pm.xlsx").read_bytes()
    read = IN_PROCESS.parse(body, ParseOptions("ice-287g", "table", COLUMNS))
    assert len(read.listings) == 1201  # names with their states; some have several agreements
