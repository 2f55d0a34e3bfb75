"""`monitor note`: a note is written on an agency by its key, its name or the address of its page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from monitor.app import open_database
from monitor.cli import root
from monitor.config import load
from monitor.storage import engine as db
from monitor.storage.lists.tables import ListingVersionRow
from monitor.web.presenters import agency_path

AT = datetime(2026, 4, 3, 12, tzinfo=UTC)
AGENCIES = {
    "gary police, IN": ("Gary Police Department", "IN"),
    "lake sheriff, IN": ("Lake County Sheriff's Office", "IN"),
    "lake sheriff, IL": ("LAKE COUNTY SHERIFFS OFFICE", "IL"),
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(
        '[data]\nfolder = "data"\n[sources.camera]\ntitle = "Cameras"\nformat = "table"\nurl = "https://a.example/x"\n'
        '[sources.camera.columns]\nname = "Agency"\n'
    )
    engine = open_database(load(file))
    assert monitor(file, "note", "list").output == "there are no notes\n"
    with db.transaction(engine) as conn:
        for key, (name, state) in AGENCIES.items():
            conn.execute(
                sa.insert(ListingVersionRow).values(
                    source="camera", key=key, agency=key, name=name, state=state, content={},
                    from_number=1, from_at=AT,
                )
            )  # fmt: skip
    engine.dispose()
    return file


def monitor(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(root, [*arguments, "--config", str(config)])


def test_a_note_is_added_listed_and_removed(config: Path) -> None:
    named = (
        "gary police, IN",
        "gary police department",
        f"https://watch.example{agency_path('camera', 'gary police, IN')}?lang=es",
    )
    for number, agency in enumerate(named, start=1):
        added = monitor(config, "note", "add", "camera", agency, f"Note {number}", "--es", "Nota", "--json")
        assert added.exit_code == 0, added.output
        told = json.loads(added.output)
        assert (told["id"], told["agency"], told["es"]) == (number, "gary police, IN", "Nota")
    lines = [json.loads(line) for line in monitor(config, "note", "list", "--json").output.splitlines()]
    assert {each["en"] for each in lines} == {"Note 1", "Note 2", "Note 3"}
    removed = monitor(config, "note", "remove", "2")
    assert removed.output == "removed note 2 on gary police, IN\n"
    assert "Note 2" not in monitor(config, "note", "list").output
    assert monitor(config, "note", "remove", "2").exit_code == 2


@pytest.mark.parametrize(
    ("agency", "text", "says"),
    [
        (
            "Lake County Sheriff's Office",
            "x",
            "several agencies have that name; give a key: 'lake sheriff, IL'",
        ),
        ("Garry Police Dept", "x", "near are Gary Police Department ('gary police, IN')"),
        ("Zzz", "x", "never had an agency 'Zzz'"),
        ("gary police, IN", "  ", "the note needs a text"),
        ("gary police, IN", "x" * 1001, "1001 characters; at most 1000 are allowed"),
    ],
)
def test_what_names_no_agency_or_says_nothing_is_refused(
    config: Path, agency: str, text: str, says: str
) -> None:
    refused = monitor(config, "note", "add", "camera", agency, text)
    assert refused.exit_code == 2
    assert says in refused.output.replace("\n", " ")
    assert monitor(config, "note", "list").output == "there are no notes\n"


def test_an_unknown_list_is_refused(config: Path) -> None:
    assert monitor(config, "note", "add", "camra", "x", "y").exit_code == 2
