"""`monitor sources propose`: writes the section of the configuration for a new list."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from monitor.cli import Session, emit, show_progress, subcommand, table
from monitor.cli.list_search import FoundList, ListSearch, options_of
from monitor.formatting import format_count

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.domain import Publication

_SAMPLES, _PROBLEMS = 5, 5  # the most samples that are shown


@click.group(short_help="Propose a section for a list that is not configured yet.")
def sources() -> None:
    """Add lists to the configuration."""


@subcommand(sources, short_help="Propose how a list is read, and write its section.")
@click.argument("target", metavar="URL|FILE")
@click.option("--name", metavar="NAME", help="The section's name. Default: made from the URL.")
@click.option("--title", metavar="TEXT", help="The title for people. Default: made from the name.")
@click.option("--url", metavar="URL", help="With FILE: the address where the list is published.")
@click.option("--state", metavar="STATE", help="The state of all agencies, if no column has it.")
@click.option("--write", is_flag=True, help="Append the section to the configuration file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def propose(
    session: Session,
    target: str,
    name: str | None,
    title: str | None,
    url: str | None,
    state: str | None,
    write: bool,
    as_json: bool,
) -> None:
    """Examine a list, detect its format and columns, and print what would be read and the section for it.

    URL may be a file, a table on a page, a page that links to a file, a Google My Maps viewer or an ArcGIS
    layer. Nothing is polled and nothing is stored. With --write the section goes to the end of the
    configuration file, which is checked first.

    JSON keys: name, format, columns (an object), options (an object), listings, states (an object), problems
    (kind, message, row), samples (listings as `monitor listings` prints them), notes, section (TOML).
    """
    from monitor import app
    from monitor.errors import UsageError

    settings = session.settings
    path = session.config or _default_path()
    if write and not path.is_file():
        raise UsageError(f"there is no configuration file {path} to write to; make one with `monitor init`")
    with (
        app.open_parser(settings) as parser,
        app.open_fetcher(settings, parser, on_wait=show_progress) as fetcher,
    ):
        file = Path(target)
        if file.is_file():
            body = file.read_bytes()
            proposal = parser.propose(body)
            publication = parser.parse(body, options_of(proposal))
            found = FoundList({"url": url} if url else {}, proposal, publication)
        elif re.match(r"https?://", target):
            found = ListSearch(fetcher, parser).find(target)
        else:
            raise UsageError(f"there is no file {target}; write a file or an address with https://")
    found = _keep_date_order(found)
    if state:
        found = _set_state(found, state)
    if name is None:
        name = _make_name(settings, target)
    elif name in settings.sources:
        raise UsageError(f"[sources.{name}] already exists; choose another --name")
    section = _format_section(name, title or _make_title(name), found)
    if write:
        if not found.where:
            raise UsageError("a file alone cannot be polled; give the list's address with --url")
        _append(path, section)
    if as_json:
        _emit(name, found, section)
        return
    _print(found)
    click.echo()
    click.echo(section, nl=False)
    click.echo()
    if write:
        click.echo(f"Written to {path}. Next: monitor check, then monitor poll {name}")
    elif found.where:
        click.echo(f"Look it over, then add it to {path}: the same command with --write does so.")
    else:
        click.echo("Look it over. With --url and --write it is added to the configuration.")


def _default_path() -> Path:
    from monitor.config import default_path

    return default_path()


def _set_state(found: FoundList, text: str) -> FoundList:
    """The same list with a state for the agencies that have none. Raises UsageError."""
    from msgspec import structs

    from monitor.errors import UsageError
    from monitor.states import read_state

    reading = read_state(text)
    if reading is None or not reading.exact:
        raise UsageError(f'--state "{text}" is not a state; write a name or two letters, such as IN')
    listings = tuple(
        listing if listing.state or listing.state_text else structs.replace(listing, state=reading.code)
        for listing in found.publication.listings
    )
    notes = tuple(note for note in found.proposal.notes if "--state" not in note)
    settings = {**found.proposal.settings, "state": reading.code}
    return replace(
        found,
        proposal=replace(found.proposal, settings=settings, notes=notes),
        publication=replace(found.publication, listings=listings),
    )


def _keep_date_order(found: FoundList) -> FoundList:
    """The same list with the option for dates that have the day first, if they do."""
    from monitor.sources.date_order import DAY_FIRST

    publication, proposal = found.publication, found.proposal
    problems = tuple(problem for problem in publication.problems if problem.kind != DAY_FIRST)
    if len(problems) == len(publication.problems):
        return found
    return replace(
        found,
        proposal=replace(proposal, settings={**proposal.settings, "dates": "day-first"}),
        publication=replace(publication, problems=problems),
    )


def _make_name(settings: Settings, target: str) -> str:
    """Make an unused name for a source: the host and the file, in letters and hyphens."""
    parts = urlsplit(target)
    host = (parts.hostname or "").removeprefix("www.").split(".")
    stem = re.sub(r"\d+", "", PurePosixPath(parts.path).stem)
    words = re.findall(r"[a-z]+", f"{host[-2] if len(host) > 1 else ''} {stem}".lower())
    base = "-".join(dict.fromkeys(words))[:40].strip("-") or "list"
    names = [base, *(f"{base}-{number}" for number in range(2, 100))]
    return next(name for name in names if name not in settings.sources)


def _make_title(name: str) -> str:
    return name.replace("-", " ").capitalize()


def _format_section(name: str, title: str, found: FoundList) -> str:
    """Format the section as TOML: detected values first, and what only a person knows as comments."""
    lines = [f"[sources.{name}]", f"title = {_toml(title)}"]
    lines.append('# publisher = "Who publishes the list, as alerts name it"')
    lines.append('# about = "What the list is about, in one sentence for the home page."')
    lines.append(f"format = {_toml(found.proposal.format)}")
    if not found.where:
        lines.append('# url = "https://..."')
    lines += [f"{key} = {_toml(value)}" for key, value in found.where.items()]
    if found.proposal.settings:
        lines.append(f"options = {_toml(found.proposal.settings)}")
    columns = [
        f"{field.name} = {_toml(value)}"
        for field in fields(found.proposal.columns)
        if (value := getattr(found.proposal.columns, field.name))
    ]
    if columns:
        lines += ["", f"[sources.{name}.columns]", *columns]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """Format a string, list or table as TOML; expressions are in single quotes, where nothing is escaped."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    text = str(value)
    if "\\" in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _append(path: Path, section: str) -> None:
    """Append a section to a configuration file if the result is valid. Raises ConfigError."""
    from monitor.config import load

    path = path.resolve()  # a link stays one
    before = path.read_text("utf-8")
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=".config-", suffix=".toml", delete=False
    ) as file:
        file.write(before + gap + section)
    made = Path(file.name)
    try:
        load(made)
        state = path.stat()
        # only root may, and only root needs to: the service must still be able to read the file
        with suppress(PermissionError):
            os.chown(made, state.st_uid, state.st_gid)
        made.chmod(state.st_mode & 0o7777)
        os.replace(made, path)
    finally:
        made.unlink(missing_ok=True)


def _count_states(publication: Publication) -> dict[str, int]:
    counts = Counter(listing.state or "none" for listing in publication.listings)
    return dict(counts.most_common())


def _print(found: FoundList) -> None:
    """Print what would be read."""
    publication, proposal = found.publication, found.proposal
    click.echo(f"format      {proposal.format}")
    for field in fields(proposal.columns):
        if value := getattr(proposal.columns, field.name):
            click.echo(f"{field.name:<11} {', '.join(value) if isinstance(value, tuple) else value}")
    for note in proposal.notes:
        click.echo(f"note        {note}")
    states = _count_states(publication)
    named = ", ".join(f"{state} {count:,}" for state, count in list(states.items())[:8])
    more = f" and {len(states) - 8} more" if len(states) > 8 else ""
    click.echo(f"\n{format_count(len(publication.listings), 'listing')}: {named}{more}")
    for line in _describe_problems(publication):
        click.echo(line)
    click.echo()
    table(
        ("name", "city", "county", "state", "since"),
        [
            (x.name[:60], x.city, x.county, x.state or x.state_text, x.since)
            for x in publication.listings[:_SAMPLES]
        ],
    )


def _describe_problems(publication: Publication) -> Iterator[str]:
    kinds = Counter(problem.kind for problem in publication.problems)
    if kinds:
        said = ", ".join(f"{count:,} x {kind}" for kind, count in kinds.most_common())
        yield f"{format_count(len(publication.problems), 'problem')}: {said}"
    for problem in publication.problems[:_PROBLEMS]:
        where = f"row {problem.row}: " if problem.row else ""
        yield f"  {where}{problem.message}"


def _emit(name: str, found: FoundList, section: str) -> None:
    from monitor.cli.output import listing_json

    columns = {
        field.name: value
        for field in fields(found.proposal.columns)
        if (value := getattr(found.proposal.columns, field.name))
    }
    publication = found.publication
    emit(
        {
            "name": name,
            "format": found.proposal.format,
            "columns": columns,
            "options": found.proposal.settings,
            "listings": len(publication.listings),
            "states": _count_states(publication),
            "problems": [
                {"kind": x.kind, "message": x.message, "row": x.row} for x in publication.problems[:100]
            ],
            "samples": [listing_json(listing) for listing in publication.listings[:_SAMPLES]],
            "notes": list(found.proposal.notes),
            "section": section,
        }
    )
