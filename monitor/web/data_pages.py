"""The data of the record: a page for people, the files, and their descriptions for programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response

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
from monitor.web.error_pages import missing
from monitor.web.pages import get, render_page, site_of
from monitor.web.sent_files import SentFile

router = APIRouter()

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
        return missing(request)
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
    body = data_package.describe_catalogue(
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
    site, files = site_of(request), _files(request)
    read_source(site, source)
    if name == PACKAGE:
        with reading(site.engine) as conn:
            find_moment(conn, source, None)
            head = load_head_header(conn)
        return answer_bytes(request, files.build_package(source)[0], "application/json", head)
    if name == DATASET:
        with reading(site.engine) as conn:
            since, move = page_queries.load_first_read(conn, source), find_moment(conn, source, None)
        built = files.build_package(source)[1].values()
        described = {
            "@context": "https://schema.org",
            **_describe_dataset(site, files, source, built, since, move),
        }
        return answer_bytes(request, dump_json(described) + b"\n", _JSON_LD)
    whole = name
    name = name.removesuffix(COMPRESSED)
    if name not in FILES:
        raise ProblemError(404, "No such file", f"The files are: {', '.join((*FILES, PACKAGE, DATASET))}.")
    at, state, year, left = (request.query_params.get(each, "") for each in ("at", "state", "joined", "left"))
    if FILES[name][0] != "agencies" and (at or state or year or left):
        raise ProblemError(400, "Whole history", f"{name} is always complete: omit the parameters.")
    if state and state not in STATES:
        raise ProblemError(400, "No such state", "Write the USPS code of a state, such as TX.")
    if year and not (year.isascii() and year.isdecimal() and len(year) == 4):
        raise ProblemError(400, "Not a year", "Write the year in four digits.")
    if left not in ("", "1"):
        raise ProblemError(400, "Not a choice", "Write left=1 for those that are no longer listed too.")
    moment = None
    with reading(site.engine) as conn:
        modified = find_moment(conn, source, None).at
        if at:
            moment = find_moment(conn, source, read_moment(at))
        head = load_head_header(conn)
    if moment is not None and at != (exact := format_time(moment.at)):
        # all moments between two changes have the same file, under one URL
        asked = (("state", state), ("joined", year), ("left", left))
        rest = "".join(f"&{key}={value}" for key, value in asked if value)
        return _redirect(site, f"/data/{source}/{whole}?at={exact}{rest}")
    if (state or year or left) and whole != name:
        raise ProblemError(400, "Only whole files are compressed", f"Ask for {name}.")
    if state or year or left:
        body = files.select_agencies(
            source, name, moment, state or None, int(year) if year else None, departed=bool(left)
        )
        parts = (source, state, year and f"joined-{year}", left and "with-departed")
        place = "-".join(filter(None, parts))
        named = (
            {"Content-Disposition": f'attachment; filename="{place}-{name}"'} if name.endswith("csv") else {}
        )
        return answer_bytes(request, body, FILES[name][1], head | named)
    build = files.build if whole == name else files.build_compressed
    return _send(request, build(source, name, moment), modified, head)


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
