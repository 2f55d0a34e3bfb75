"""What the pages of docs/ and SECURITY.md name exists: commands, options, keys, other pages and tests."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest

from monitor.cli import root
from monitor.config import load, settings_model
from tests.conftest import ROOT

DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [*DOCS, ROOT / "SECURITY.md"]
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
CALL = re.compile(r"\bmonitor (?=[a-z])")


def snippets(page: Path) -> list[str]:
    """Code in backticks, and lines of shell blocks, that call the program."""
    text = page.read_text("utf-8")
    inline = re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))
    lines = [
        line.partition("#")[0]
        for kind, block in BLOCK.findall(text)
        if kind == "sh"
        for line in block.splitlines()
    ]
    return [code for code in (*inline, *lines) if CALL.search(code)]


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words name, and the words behind it."""
    command: click.Command = root
    while words and isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            break
        command, words = found, words[1:]
    return command, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    for code in snippets(page):
        words = CALL.split(code)[-1].split()
        command, rest = find_command(words)
        assert command is not root, f"{code}: no such command"
        options = {name for option in command.params for name in option.opts}
        named = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert named <= options | {"--help"}, f"{code}: no such option"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_the_configuration_are_valid(page: Path, tmp_path: Path) -> None:
    written = {
        "url": "https://x.example/",
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "password": "x",
        "token": "1:x",
    }
    for kind, block in BLOCK.findall(page.read_text("utf-8")):
        if kind != "toml":
            continue
        assert tomllib.loads(block).keys() <= settings_model().model_fields.keys()
        text = re.sub(
            r"^(\w+)_file = .*$", lambda found: f'{found[1]} = "{written[found[1]]}"', block, flags=re.M
        )
        (tmp_path / "config.toml").write_text(text)
        load(tmp_path / "config.toml", {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_pages_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).is_file(), target


def test_the_first_page_names_every_other() -> None:
    named = set(re.findall(r"\]\(([^)]+\.md)\)", (ROOT / "docs" / "README.md").read_text("utf-8")))
    assert {page.name for page in DOCS} - {"README.md"} <= named
