"""`monitor sources propose`: writes the section of the configuration for a new list."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import click

from monitor.cli import Session, emit, show_progress, subcommand, table
from monitor.formatting import format_count

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.domain import Publication
    from monitor.fetch import Fetched, Fetcher
    from monitor.parser import ParserProcess
    from monitor.sources.format import Proposal
    from monitor.sources.page_links import PageLink

_WORDS = re.compile(r"agenc|participat|download|spreadsheet|excel|\bcsv\b|\blist\b|\bdata\b", re.IGNORECASE)
_MOST_LINKS = 5  # the most links of a page that are tried
_SAMPLES, _PROBLEMS = 5, 5  # the most samples that are shown


@dataclass(frozen=True)
class _Found:
    """A list that was found: its location, how it is read, and the listings. ``where`` are keys of
    ``[sources.NAME]``.
    """

    where: dict[str, Any]
    proposal: Proposal
    publication: Publication


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
            publication = parser.parse(body, _options("x", proposal))
            found = _Found({"url": url} if url else {}, proposal, publication)
        elif re.match(r"https?://", target):
            found = _find_list(settings, fetcher, parser, target)
        else:
            raise UsageError(f"there is no file {target}; write a file or an address with https://")
    found = _keep_date_order(found)
    if state:
        found = _set_state(found, state)
    if name is None:
        name = _make_name(settings, target)
    elif name in settings.sources:
        raise UsageError(f"[sources.{name}] is there already; choose another --name")
    section = _format_section(name, title or _make_title(name), found)
    if write:
        if not found.where:
            raise UsageError("a file alone cannot be watched; give the list's address with --url")
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


def _set_state(found: _Found, text: str) -> _Found:
    """The same list with a state for the agencies that have none. Raises UsageError."""
    from msgspec import structs

    from monitor.errors import UsageError
    from monitor.states import read_state

    reading = read_state(text)
    if reading is None or not reading.exact:
        raise UsageError(f'--state "{text}" is no state; write a name or two letters, such as IN')
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


def _keep_date_order(found: _Found) -> _Found:
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


def _options(name: str, proposal: Proposal) -> Any:
    from monitor.sources import ParseOptions

    return ParseOptions(name, proposal.format, proposal.columns, settings=proposal.settings)


def _find_list(settings: Settings, fetcher: Fetcher, parser: ParserProcess, address: str) -> _Found:
    """Find the list at an address. Raises MonitorError with the reason."""
    from monitor.errors import MonitorError, ParseError
    from monitor.fetch import Fetched, Target
    from monitor.sources.sniff import is_html

    address = _direct_address(address)
    if re.search(r"/(?:Feature|Map)Server/\d+$", urlsplit(address).path):
        return _find_layer(settings, fetcher, parser, address)
    got = fetcher.get(Target(url=address))
    assert isinstance(got, Fetched)  # the request was not conditional
    if not is_html(got.body):
        return _read(fetcher, parser, {"url": address}, got)
    found: list[_Found] = []
    reasons: list[str] = []
    content_type = next((value for key, value in got.headers if key.lower() == "content-type"), "")
    attempts = [partial(_read_page, settings, fetcher, parser, address, got)]
    pages: list[tuple[str, Fetched]] = []
    try:
        links = _rank_links(parser.read_links(got.body, got.final_url, content_type))
        attempts += [partial(_read_link, fetcher, parser, address, link, pages) for link in links]
    except ParseError as error:
        reasons.append(str(error))
    for attempt in attempts:
        try:
            found.append(attempt())
        except MonitorError as error:
            reasons.append(str(error))
    if not found:
        found = list(_read_linked_pages(settings, fetcher, parser, pages))
    if not found:
        raise ParseError(
            f"no list was found on the page or behind its links: {'; '.join(dict.fromkeys(reasons))}"
        )
    return max(found, key=lambda one: len(one.publication.listings))


def _read_linked_pages(
    settings: Settings, fetcher: Fetcher, parser: ParserProcess, pages: list[tuple[str, Fetched]]
) -> Iterator[_Found]:
    """Read the lists of the pages that are linked, or within the page, such as a published spreadsheet."""
    from monitor.errors import MonitorError

    for address, got in pages:
        try:
            yield _read_page(settings, fetcher, parser, address, got)
        except MonitorError:
            continue


def _direct_address(address: str) -> str:
    """The address of the data if people give that of a viewer."""
    parts = urlsplit(address)
    is_map = re.fullmatch(r"(?:www\.)?google\.[a-z.]+", parts.hostname or "") and "/maps/d/" in parts.path
    if is_map and (mid := parse_qs(parts.query).get("mid")):
        return f"https://www.google.com/maps/d/kml?mid={mid[0]}&forcekml=1"
    if re.search(r"/(?:Feature|Map)Server/\d+(?:/query)?/?$", parts.path):
        return parts._replace(path=re.sub(r"(?:/query)?/?$", "", parts.path), query="", fragment="").geturl()
    return parts._replace(fragment="").geturl()


def _read(fetcher: Fetcher, parser: ParserProcess, where: dict[str, Any], got: Fetched) -> _Found:
    """Read a file in the detected format, with the documents that it links to."""
    from monitor.fetch import Fetched, Target
    from monitor.polling import fetch_whole

    proposal = parser.propose(got.body)
    options = _options("x", proposal)
    whole = fetch_whole(fetcher, got, parser, options, Target(url=got.final_url))
    assert isinstance(whole, Fetched)  # the request was not conditional
    return _Found(where, proposal, parser.parse(whole.body, options))


def _read_page(
    settings: Settings, fetcher: Fetcher, parser: ParserProcess, address: str, got: Fetched
) -> _Found:
    """Read the table on a page, and those on the pages that follow it."""
    return _collect(settings, fetcher, parser, address, parser.propose(got.body))


def _find_layer(settings: Settings, fetcher: Fetcher, parser: ParserProcess, address: str) -> _Found:
    from monitor.errors import ParseError
    from monitor.fetch import Fetched, Target
    from monitor.sources.arcgis import propose_layer

    def load(url: str) -> dict[str, Any]:
        got = fetcher.get(Target(url=url))
        assert isinstance(got, Fetched)  # the request was not conditional
        try:
            answer = json.loads(got.body)
        except ValueError:
            raise ParseError("The layer does not answer in JSON.") from None
        if not isinstance(answer, dict) or "error" in answer:
            raise ParseError("The address is not that of a layer.")
        return answer

    about = load(f"{address}?f=json")
    query = "where=1%3D1&outFields=*&returnGeometry=false&resultRecordCount=500&f=json"
    page = load(f"{address}/query?{query}")
    records = [x["attributes"] for x in page.get("features", ()) if isinstance(x.get("attributes"), dict)]
    proposal = propose_layer(about.get("fields") or page.get("fields") or (), records)
    return _collect(settings, fetcher, parser, address, proposal)


def _collect(
    settings: Settings, fetcher: Fetcher, parser: ParserProcess, address: str, proposal: Proposal
) -> _Found:
    """Read a list with several pages, as a poll would."""
    from monitor.fetch import Fetched, Target
    from monitor.sources import FORMATS

    options = _options("x", proposal)
    collect = FORMATS[proposal.format].collect
    target = Target(url=address, collect=(lambda url: collect(url, options)) if collect else None)
    got = fetcher.get(target)
    assert isinstance(got, Fetched)  # the request was not conditional
    return _Found({"url": address}, proposal, parser.parse(got.body, options))


def _rank_links(links: tuple[PageLink, ...]) -> list[PageLink]:
    """Sort the links that may lead to a list, the most likely first."""

    def rank(link: PageLink) -> int:
        path = urlsplit(link.address).path.lower()
        return 2 * _is_file(path) + ("/maps/d/" in path) + bool(_WORDS.search(f"{link.words} {path}"))

    likely = [link for link in links if rank(link) > 0]
    return sorted(likely, key=rank, reverse=True)[:_MOST_LINKS]


def _is_file(path: str) -> bool:
    """Whether a path ends as that of a list in a file, which is no page."""
    from monitor.sources.compressed_file import COMPRESSED
    from monitor.sources.formats import ENDINGS

    path = path.lower()
    return path.endswith((*ENDINGS, *COMPRESSED)) and not path.endswith((".htm", ".html"))


def _read_link(
    fetcher: Fetcher, parser: ParserProcess, page: str, link: PageLink, pages: list[tuple[str, Fetched]]
) -> _Found:
    """Read the file behind a link of a page; another page is added to ``pages``. Raises MonitorError."""
    from monitor.errors import ParseError
    from monitor.fetch import Fetched, Target
    from monitor.sources.sniff import is_html

    address = _direct_address(link.address)
    got = fetcher.get(Target(url=address))
    assert isinstance(got, Fetched)  # the request was not conditional
    if is_html(got.body):
        pages.append((address, got))
        raise ParseError("a link leads to another page")
    where: dict[str, Any]
    file = PurePosixPath(urlsplit(address).path).name
    if address != link.address or not re.search(r"\d", file):
        where = {"url": address}  # a name without a number or a date stays the same
    elif _is_file(file) and (stem := re.match(r"[A-Za-z_-]{4,}", file)):
        suffix = re.escape(PurePosixPath(file).suffix)
        where = {"page": page, "link": f"{re.escape(stem[0])}[^/]*{suffix}$"}
    else:
        words = re.sub(r"(?:\\?[\d/.,-])+", r"[\\d/.,-]+", re.escape(link.words[:80]))
        where = {"page": page, "link": {"words": f"(?i){words}"}}
    return _read(fetcher, parser, where, got)


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


def _format_section(name: str, title: str, found: _Found) -> str:
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

    before = path.read_text("utf-8")
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.resolve().parent, prefix=".config-", suffix=".toml", delete=False
    ) as file:
        file.write(before + gap + section)
    made = Path(file.name)
    try:
        load(made)
        made.chmod(path.stat().st_mode & 0o7777)
        os.replace(made, path)
    finally:
        made.unlink(missing_ok=True)


def _count_states(publication: Publication) -> dict[str, int]:
    counts = Counter(listing.state or "none" for listing in publication.listings)
    return dict(counts.most_common())


def _print(found: _Found) -> None:
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


def _emit(name: str, found: _Found, section: str) -> None:
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
