"""`monitor documents`: the file or address is read, `status` names what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor.cli import root
from tests.peers.http import Server

HEAD = "source,agency,name,state,kind,title,url,date,publisher,archived_url,note\n"
ROW = ",,Gary Police Department,IN,policy,Policy,https://gary.example/policy.pdf,2026-02-01,City of Gary,,\n"


def monitor(config: Path, *arguments: str) -> Result:
    """Run a command on a database that is there."""
    assert CliRunner().invoke(root, ["init", "--config", str(config)]).exit_code in (0, 2)
    return CliRunner().invoke(root, [*arguments, "--config", str(config)])


def write_config(folder: Path, documents: str) -> Path:
    file = folder / "config.toml"
    file.write_text(f'[data]\nfolder = "data"\n{documents}')
    return file


def test_a_file_beside_the_configuration_is_read_and_told(tmp_path: Path) -> None:
    config = write_config(tmp_path, '[documents]\nfile = "documents.csv"\n')
    assert "--read" in monitor(config, "documents").output
    (tmp_path / "documents.csv").write_text(HEAD + ROW + ",,Gary,IN,policy,,https://a.example,,,,\n")
    told = monitor(config, "documents", "--read")
    assert told.exit_code == 0, told.output
    assert "1 document, read " in told.output
    assert "left out, line 3: title is empty" in told.output
    assert "about no agency of a list:" in told.output
    whole = json.loads(monitor(config, "documents", "--json").output)
    assert (whole["rows"], whole["problem"], len(whole["unmatched"])) == (1, None, 1)
    assert whole["unmatched"][0]["name"] == "Gary Police Department"
    problems = "\n".join(json.loads(monitor(config, "status", "--json").output)["problems"])
    assert "1 row of the file of documents fits no agency: see `monitor documents`" in problems
    assert "1 row of the file of documents was left out" in problems
    (tmp_path / "documents.csv").unlink()
    assert "the file could not be read: " in monitor(config, "documents", "--read").output
    problems = "\n".join(json.loads(monitor(config, "status", "--json").output)["problems"])
    assert "the file of documents could not be read at" in problems
    assert json.loads(monitor(config, "documents", "--json").output)["rows"] == 1


def test_an_address_is_fetched(tmp_path: Path) -> None:
    with Server() as server:
        server.put("/documents.csv", (HEAD + ROW).encode())
        config = write_config(tmp_path, f'[documents]\nurl = "{server.url("/documents.csv")}"\n')
        assert "1 document, read " in monitor(config, "documents", "--read").output


@pytest.mark.parametrize(
    ("documents", "says"),
    [
        ("", "set [documents] file or url"),
        ('[documents]\nfile = "a.csv"\nurl = "https://a.example/b.csv"\n', "give either file or url"),
    ],
)
def test_no_place_or_two_are_wrong_usage(tmp_path: Path, documents: str, says: str) -> None:
    refused = monitor(write_config(tmp_path, documents), "documents")
    assert refused.exit_code == 2
    assert says in refused.output
