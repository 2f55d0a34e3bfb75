"""The data of the record: a page for people, the files, and their descriptions for programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from monitor.record.checkpoint import read_checkpoint
from monitor.record.data import data_package, dump
from monitor.record.data.data_files import COMPRESSED, DATABASE, FILES, PACKAGE, DataFile, DataFiles
from monitor.record.data.describe import format_time
from monitor.record.data.encoders import dump_json
from monitor.record.data.models import TABLES
from monitor.states import STATES
from monitor.storage.engine import reading
from monitor.storage.lists import log_rows, page_queries, record_rows
from monitor.web.api_answers import (
    ProblemError,
    answer_bytes,
    find_moment,
    format_http_date,
    is_known,
    load_head_header,
    read_moment,
    read_source,
)
from monitor.web.api_versions import CHANGELOG
from monitor.web.context import Site
from monitor.web.error_pages import not_found_page
from monitor.web.pages import render_page, site_of
from monitor.web.routing import Router, get
from monitor.web.sent_files import SentFile

router = Router()

_JSON_LD = "application/ld+json"
DATASET = "dataset.jsonld"
"""A list as a schema.org Dataset."""


@dataclass(frozen=True, slots=True)
class ListFiles:
    """A list on the data page: its files, and the common part of their URLs."""

    source: str
    files: tuple[DataFile, ...]
    number: int
    at: datetime


@get(router, "/data")
def data_page(request: Request) -> Response:
    """Show what can be downloaded, under which license, and how to cite and verify it."""
    site = site_of(request)
    files = site.data_files
    if files is None:
        return not_found_page(request)
    with reading(site.engine) as conn:
        moves = record_rows.find_moves(conn)
        note, forks = log_rows.load_checkpoint(conn), log_rows.load_forks(conn)
    found = [
        ListFiles(name, built, *moves[name]) for name, built in files.build_all().items() if name in moves
    ]
    answer = render_page(
        request,
        "data.html",
        found=found,
        fields={table: list(model.model_fields) for table, model in TABLES.items()},
        licence=data_package.LICENCES[files.terms.licence],
        head=None if note is None else read_checkpoint(note).head,
        forks=forks,
        dumps=[(path.name, path.stat().st_size) for path in dump.list_dumps(files.folder / "dump")],
    )
    answer.headers["Link"] = (
        f'<{site.url("/data/dataset.jsonld")}>; rel="describedby"; type="{_JSON_LD}", '
        f'<{site.url("/data/catalog.jsonld")}>; rel="describedby"; type="{_JSON_LD}"'
    )
    return answer


@get(router, "/api")
def api_page(request: Request) -> Response:
    """Show how programs can query the record."""
    return render_page(
        request, "api.html", changelog=CHANGELOG, source=next(iter(site_of(request).sources), "")
    )


@get(router, "/data/catalog.jsonld")
def catalogue(request: Request) -> Response:
    """All lists as a DCAT catalog."""
    site, files = site_of(request), _files(request)
    terms = files.terms
    body = data_package.describe_catalog(
        {name: site.sources[name] for name in files.list_read()},
        terms.name,
        terms.licence,
        site.public("/data"),
        {name: media_type for name, (_, media_type) in FILES.items()},
    )
    return answer_bytes(request, body, _JSON_LD)


@get(router, "/data/dataset.jsonld")
def dataset(request: Request) -> Response:
    """The lists as schema.org datasets, for search engines."""
    site, files = site_of(request), _files(request)
    with reading(site.engine) as conn:
        since, moves = page_queries.load_first_reads(conn), record_rows.find_moves(conn)
    described = [
        _describe_dataset(site, files, name, built, since.get(name), moves.get(name))
        for name, built in files.build_all().items()
    ]
    return answer_bytes(
        request, dump_json({"@context": "https://schema.org", "@graph": described}) + b"\n", _JSON_LD
    )


def _describe_dataset(
    site: Site,
    files: DataFiles,
    source: str,
    built: Iterable[DataFile],
    since: datetime | None,
    move: tuple[int, datetime] | None,
) -> dict[str, Any]:
    return data_package.describe_dataset(
        site.sources[source],
        files.terms.name,
        files.terms.licence,
        site.public("/data"),
        [(file.name, file.media_type, file.size, file.sha256) for file in built],
        since,
        move[1] if move else None,
    )


@get(router, f"/data/{DATABASE}")
def database(request: Request) -> Response:
    """The tables of all lists as a SQLite database."""
    return _send(request, _files(request).build_database())


@get(router, "/data/dump/{name}")
def dump_file(request: Request, name: str) -> Response:
    """A dump of everything: the newest one, or that of a kept day."""
    files = _files(request)
    kept = dump.list_dumps(files.folder / "dump")
    if not kept:
        raise ProblemError(
            404, "No dump yet", "The service makes one each night; `monitor export` makes one now."
        )
    if name == "latest":
        return _redirect(site_of(request), f"/data/dump/{kept[0].name}")
    path = next((path for path in kept if path.name == name), None)
    if path is None:
        raise ProblemError(404, "Not kept", "Ask for /data/dump/latest.")
    return SentFile(path, media_type=dump.MEDIA_TYPE, filename=name)


@get(router, "/data/{source}/{name}")
def data_file(request: Request, source: str, name: str) -> Response:
    """A file of a list: now, or its agencies at a moment, of one state, or added in one year, with or without
    those that were removed again; compressed with .gz after its name.
    """
    files = _files(request)
    read_source(site_of(request), source)
    if name == PACKAGE:
        return _send_package(request, files, source)
    if name == DATASET:
        return _send_dataset(request, files, source)
    plain = name.removesuffix(COMPRESSED)
    if plain not in FILES:
        raise ProblemError(404, "No such file", f"The files are: {', '.join((*FILES, PACKAGE, DATASET))}.")
    part = _read_part(request, plain)
    moment = None
    with reading(files.engine) as conn:
        modified = find_moment(conn, source, None).at
        if part.at:
            moment = find_moment(conn, source, read_moment(part.at))
        head = load_head_header(conn)
    if moment is not None and part.at != (exact := format_time(moment.at)):
        # all moments between two changes have the same file, under one URL
        return _redirect(site_of(request), f"/data/{source}/{name}?at={exact}{part.query}")
    if not part.query:
        build = files.build if name == plain else files.build_compressed
        return _send(request, build(source, plain, moment), modified, head)
    if name != plain:
        raise ProblemError(400, "Only whole files are compressed", f"Ask for {plain}.")
    year = int(part.joined) if part.joined else None
    body = files.select_agencies(source, plain, moment, part.state or None, year, departed=bool(part.left))
    if plain.endswith("csv"):
        head |= {"Content-Disposition": f'attachment; filename="{part.name_file(source, plain)}"'}
    return answer_bytes(request, body, FILES[plain][1], head)


class _Part(NamedTuple):
    """A part of a file that a URL asks for, as it writes it; "" asks for everything, now."""

    at: str
    state: str
    joined: str
    left: str

    @property
    def query(self) -> str:
        """What a URL asks for apart from the moment."""
        asked = (("state", self.state), ("joined", self.joined), ("left", self.left))
        return "".join(f"&{name}={value}" for name, value in asked if value)

    def name_file(self, source: str, name: str) -> str:
        """The name under which a part is saved."""
        parts = (source, self.state, self.joined and f"joined-{self.joined}", self.left and "with-departed")
        return "-".join((*filter(None, parts), name))


def _read_part(request: Request, name: str) -> _Part:
    """Raises ProblemError for what no file has."""
    part = _Part(*(request.query_params.get(field, "") for field in _Part._fields))
    if FILES[name][0] != "agencies" and any(part):
        raise ProblemError(400, "Whole history", f"{name} is always complete: omit the parameters.")
    if part.state and part.state not in STATES:
        raise ProblemError(400, "No such state", "Write the USPS code of a state, such as TX.")
    if part.joined and not (part.joined.isascii() and part.joined.isdecimal() and len(part.joined) == 4):
        raise ProblemError(400, "Not a year", "Write the year in four digits.")
    if part.left not in ("", "1"):
        raise ProblemError(400, "Not a choice", "Write left=1 for those that are no longer listed too.")
    return part


def _send_package(request: Request, files: DataFiles, source: str) -> Response:
    with reading(files.engine) as conn:
        find_moment(conn, source, None)
        head = load_head_header(conn)
    return answer_bytes(request, files.build_package(source)[0], "application/json", head)


def _send_dataset(request: Request, files: DataFiles, source: str) -> Response:
    with reading(files.engine) as conn:
        since, move = page_queries.load_first_read(conn, source), find_moment(conn, source, None)
    built = files.build_package(source)[1].values()
    described = _describe_dataset(site_of(request), files, source, built, since, move)
    body = dump_json({"@context": "https://schema.org", **described}) + b"\n"
    return answer_bytes(request, body, _JSON_LD)


def _files(request: Request) -> DataFiles:
    files = site_of(request).data_files
    if files is None:
        raise ProblemError(404, "No data files", "This site keeps none.")
    return files


def _send(
    request: Request, file: DataFile, modified: datetime | None = None, head: dict[str, str] | None = None
) -> Response:
    headers = {"ETag": file.etag, **(head or {})}
    if modified is not None:
        headers["Last-Modified"] = format_http_date(modified)
    if is_known(request, file.etag, modified):
        return Response(status_code=304, headers=headers)
    return SentFile(file.path, media_type=file.media_type, headers=headers)


def _redirect(site: Site, path: str) -> Response:
    return Response(status_code=307, headers={"Location": site.url(path), "Cache-Control": "no-cache"})
