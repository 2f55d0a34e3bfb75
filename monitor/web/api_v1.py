"""The API, version 1: the record as JSON, for programs. Everything can be read, nothing written; no key is
needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from sqlalchemy.engine import Connection
from starlette.datastructures import State

from monitor.domain import SourceInfo
from monitor.messages.placements import describe_placement
from monitor.record.data.describe import (
    Record,
    describe_agencies,
    describe_change,
    describe_listing,
    describe_poll,
    describe_version,
    format_time,
    order_fields,
)
from monitor.record.data.encoders import dump_json
from monitor.storage.engine import reading
from monitor.storage.lists import baseline, bodies, log_rows, overview, page_queries, poll_rows, record_rows
from monitor.storage.lists.agency_notes import load_notes_on
from monitor.storage.lists.changes import StoredChange
from monitor.storage.lists.coverage import Cover
from monitor.storage.lists.past_lists import ListMoment
from monitor.storage.lists.record_rows import ListingVersion, ListStep
from monitor.web import api_models as models
from monitor.web.agreement_entries import describe_agreements
from monitor.web.api_answers import (
    ProblemError,
    absolute,
    answer_bytes,
    answer_json,
    answer_problem,
    decode_cursor,
    encode_cursor,
    find_moment,
    limit_requests,
    load_head_header,
    read_moment,
    read_source,
)
from monitor.web.api_versions import CHANGELOG, PREFIX, VERSION, deprecation_headers
from monitor.web.context import Site
from monitor.web.error_pages import answer_errors
from monitor.web.pages import site_of

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig  # older versions do not have it and do not need it

router = APIRouter(prefix=PREFIX, dependencies=[Depends(limit_requests)])

_MOST = 500  # records per page
_SCANNED = 2000  # the most steps that one filtered page examines
_F = TypeVar("_F", bound=Callable[..., Any])
_PROBLEM = {"model": models.ProblemAnswer, "content": {"application/problem+json": {}}}
_DESCRIBED: dict[int | str, dict[str, Any]] = {
    status: {**_PROBLEM, "description": text}
    for status, text in {
        400: "The request cannot be understood.",
        404: "There is no such thing.",
        422: "A parameter is not valid.",
        429: "More than 60 requests in a minute.",
    }.items()
}
_PROBLEMS = {**_DESCRIBED, 304: {"description": "The ETag that was sent is still right."}}

SourceName = Annotated[str | None, Query(description="The list; may be omitted if there is only one.")]
StateCode = Annotated[str | None, Query(pattern="^[A-Z]{2}$", description="USPS code of a state.")]
ZipCode = Annotated[str | None, Query(pattern="^[0-9]{5}$", description="A ZIP code.")]
At = Annotated[str | None, Query(description="A moment (RFC 3339), or a day (its end, UTC).")]
Limit = Annotated[int, Query(ge=1, le=_MOST)]
Cursor = Annotated[str | None, Query(description="From `next` of the page before; opaque.")]


def _api_get(
    path: str, model: type[BaseModel] | None = None, media_type: str = "application/json"
) -> Callable[[_F], _F]:
    """Route GET, which the schema describes, and HEAD. Without a model the response is of ``media_type``."""

    def add(function: _F) -> _F:
        responses = dict(_PROBLEMS)
        options: dict[str, Any] = {"responses": responses}
        if model is None:
            options["response_class"] = Response  # of no media type: the one below stands alone
            responses[200] = {"description": "The file.", "content": {media_type: {}}}
        router.add_api_route(path, function, methods=["GET"], response_model=model, **options)
        router.add_api_route(path, function, methods=["HEAD"], response_model=None, include_in_schema=False)
        return function

    return add


# Telemetry exporters that others install get neither addresses nor typed text.
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


def create_api(state: State, title: str) -> FastAPI:
    """Create the application of the API, with the ``state`` of the site's."""
    # No documentation pages of the framework: they load third-party scripts. No slash redirects: they echo
    # the Host header.
    api = FastAPI(
        title=title,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    api.state = state
    # `include_router` would analyze the parameters of each route again, at the first request.
    api.router.routes.extend(router.routes)
    answer_errors(api)
    api.add_exception_handler(RequestValidationError, _answer_invalid)
    return api


def _answer_invalid(_: Request, error: Exception) -> Response:
    """Answer invalid parameters; the framework's own response would repeat what was typed."""
    assert isinstance(error, RequestValidationError)
    names = ", ".join(dict.fromkeys(str(each["loc"][-1]) for each in error.errors()))
    return answer_problem(422, "Not valid", f"Look at {names}. See /api/v1/openapi.json.")


@_api_get("/lists", models.ListsAnswer)
def lists(request: Request) -> Response:
    """The watched lists."""
    site = site_of(request)
    with reading(site.engine) as conn:
        moves, sights = record_rows.find_moves(conn), overview.load_sights(conn)
        counts = site.counts.of(conn, {name: sight.number for name, sight in sights.items()})
        found = [
            _describe_list(info, moves.get(name), sights.get(name), counts.get(name))
            for name, info in site.sources.items()
        ]
        return _answer(request, {"lists": found}, conn)


@_api_get("/agencies", models.AgenciesAnswer)
def agencies(
    request: Request,
    source: SourceName = None,
    state: StateCode = None,
    zip: ZipCode = None,
    at: At = None,
    number: Annotated[
        int | None,
        Query(ge=-(2**31), lt=2**31, description="A baseline number: the list as it was believed with it."),
    ] = None,
    q: Annotated[str | None, Query(max_length=100, description="A part of the name.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The agencies on a list, in the order of their names: now, or as polls saw it at a moment (what was
    believed later is in it since the first poll that saw it), or as it was believed with a baseline number,
    which is what a copy kept by /changes has at that number.
    """
    site = site_of(request)
    name = read_source(site, source).name
    if at is not None and number is not None:
        raise ProblemError(400, "One of both", "Give ?at= or ?number=, not both.")
    with reading(site.engine) as conn:
        moment = find_moment(conn, name, None if at is None else read_moment(at))
        after: tuple[str, str] | None = None
        if cursor is not None:
            stood, *place = decode_cursor(cursor, int, str, str)
            after = (place[0], place[1])
            number = stood if at is None else None
        if number is not None:
            found_at = record_rows.find_move_time(conn, name, number)
            if found_at is None:
                if cursor is not None:
                    raise ProblemError(400, "Unknown cursor", "Start again without a cursor.")
                raise ProblemError(404, "No such number", "Take a number from /changes, or omit it.")
            moment = ListMoment(number, found_at)
        listed = (
            record_rows.load_list(conn, name, moment.number)
            if at is None
            else record_rows.load_list_at(conn, name, moment)
        )
        versions = [
            version
            for version in listed
            if (state is None or version.listing.state == state)
            and (q is None or q.casefold() in version.listing.name.casefold())
            and (after is None or _place(version) > after)
            and (zip is None or _serves(site, name, version, zip))
        ]
        page = versions[:limit]
        following = None
        if len(versions) > limit:
            then = {} if at is None else {"at": format_time(moment.at) or ""}
            following = _next(request, **then, cursor=encode_cursor(moment.number, *_place(page[-1])))
        found = _describe_agencies(conn, site, name, page)
        value = {
            "source": name,
            "number": moment.number,
            "at": format_time(moment.at),
            "agencies": found,
        }
        return _answer(request, value | {"next": following}, conn)


@_api_get("/agencies/{source}/{key:path}", models.AgencyAnswer)
def agency(request: Request, source: str, key: str) -> Response:
    """One agency by its key, with everything that the list ever said of it."""
    site = site_of(request)
    read_source(site, source)
    with reading(site.engine) as conn:
        # a NUL is in no key, and PostgreSQL refuses to be asked for one
        versions = () if "\0" in key else record_rows.load_agency_versions(conn, source, key)
        if not versions:
            raise ProblemError(404, "No such agency", "Take `agency` from /api/v1/agencies, unchanged.")
        history = [row for row in page_queries.load_history(conn, source, key) if row.changeset is not None]
        numbers = page_queries.load_changeset_numbers(conn, history)
        standing = versions[-1] if versions[-1].to_number is None else None
        value = {
            "source": source,
            "agency": None if standing is None else _describe_agencies(conn, site, source, [standing])[0],
            "versions": [order_fields("versions", describe_version(source, each)) for each in versions],
            "changes": [_change(row, numbers[row.changeset]) for row in history if row.changeset is not None],
            "notes": [
                {
                    "id": note.id,
                    "at": format_time(note.at),
                    "en": note.texts["en"],
                    "es": note.texts.get("es"),
                }
                for note in load_notes_on(conn, source, key)
            ],
            "agreements": describe_agreements(conn, source, versions),
        }
        return _answer(request, value, conn)


@_api_get("/changes", models.ChangesAnswer)
def changes(
    request: Request,
    source: SourceName = None,
    since: Annotated[
        int, Query(ge=-(2**31), lt=2**31, description="Only after this baseline number; 0: everything.")
    ] = 0,
    kind: Literal["added", "removed", "changed"] | None = None,
    state: StateCode = None,
    zip: ZipCode = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """What happened to a list, step by step. Without filters this is a protocol to keep a copy: begin with
    ``since=0``, apply each step (``after`` null: remove the agency, else put it), follow ``next`` to the end,
    and ask ``resume`` later.
    """
    site = site_of(request)
    name = read_source(site, source).name
    place: tuple[int, str] = (since + 1, "") if since else record_rows.BEGINNING
    if cursor is not None:
        number, agency = decode_cursor(cursor, int, str)
        place = (number, agency)
    filtered = bool(kind or state or zip)
    scan = _SCANNED if filtered else limit
    with reading(site.engine) as conn:
        steps = record_rows.load_steps(conn, name, place, scan + 1)
        published = record_rows.load_published(conn, name, steps[0].number, steps[-1].number) if steps else {}
        found: list[Record] = []
        seen = 0
        for step in steps[:scan]:
            seen += 1
            if _wanted(site, name, step, kind, state, zip):
                found.append(_step(step, published.get((step.number, step.agency))))
                if len(found) == limit:
                    break
        if seen:
            place = (steps[seen - 1].number, steps[seen - 1].agency)
        here = _next(request, drop="since", cursor=encode_cursor(*place))
        value = {
            "source": name,
            "number": (record_rows.find_move(conn, name) or (0, None))[0],
            "changes": found,
            "next": here if seen < len(steps) else None,
            "resume": here,
        }
        return _answer(request, value, conn)


@_api_get("/polls", models.PollsAnswer)
def polls(request: Request, source: SourceName = None, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Every attempt to read a list, also those that failed."""
    site = site_of(request)
    name = read_source(site, source).name
    (after,) = decode_cursor(cursor, int) if cursor is not None else (0,)
    with reading(site.engine) as conn:
        rows = poll_rows.load_polls_page(conn, name, after, limit + 1)
        following = None
        if len(rows) > limit:
            following = _next(request, cursor=encode_cursor(rows[limit - 1].id))
        found = [order_fields("polls", describe_poll(name, row)) for row in rows[:limit]]
        return _answer(request, {"source": name, "polls": found, "next": following}, conn)


@_api_get("/zip/{zip}", models.ZipAnswer)
def zip_code(request: Request, zip: Annotated[str, Path(pattern="^[0-9]{5}$")]) -> Response:
    """Which listed agencies serve a ZIP today, why, and how sure that is."""
    site = site_of(request)
    state, area = site.gazetteer.state_of_zip(zip), site.gazetteer.zip(zip)
    serving: list[Record] = []
    not_placed: list[Record] = []
    with reading(site.engine) as conn:
        believed = baseline.load_all_infos(conn)
        for name in site.sources:
            covered = site.coverage.of(name, believed[name].number if name in believed else 0)
            serving += [_cover(conn, site, cover) for cover in covered.at(zip, state)]
            not_placed += [_cover(conn, site, cover) for cover in covered.unplaced((state,) if state else ())]
        towns = list(area.towns) if area else []
        value = {"zip": zip, "state": state, "towns": towns, "agencies": serving, "not_placed": not_placed}
        return _answer(request, value, conn)


@_api_get("/bodies/{sha256}", media_type="application/octet-stream")
def body(request: Request, sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]) -> Response:
    """A publication exactly as it was received (decoded), by its SHA-256."""
    with reading(site_of(request).engine) as conn:
        content = bodies.load_body(conn, sha256)
        head = load_head_header(conn)
    if content is None:
        raise ProblemError(
            404, "Not kept", "This publication was never received here, or its bytes were removed."
        )
    return answer_bytes(
        request,
        content,
        "application/octet-stream",
        head
        | {
            "Content-Disposition": f'attachment; filename="{sha256[:16]}"',
            "Cache-Control": "public, max-age=31536000, immutable",
        },
    )


@_api_get("/log", models.LogAnswer)
def log(request: Request) -> Response:
    """Where the log of the record stands, and where its parts are."""
    with reading(site_of(request).engine) as conn:
        value = {
            "head": load_head_header(conn).get("Record-Head"),
            "size": log_rows.load_head(conn).size,
            "checkpoint": absolute(request, "/log/checkpoint"),
            "key": absolute(request, "/log/key"),
            "tiles": absolute(request, "/log/tile/"),
        }
        return _answer(request, value, conn)


@_api_get("/changelog.json", models.ChangelogAnswer)
def changelog(request: Request) -> Response:
    """What changed in this API, and what will go."""
    entries = [
        {
            "day": each.day.isoformat(),
            "text": each.text,
            "address": each.address,
            "sunset": each.sunset and each.sunset.isoformat(),
        }
        for each in CHANGELOG
    ]
    with reading(site_of(request).engine) as conn:
        return _answer(request, {"version": VERSION, "changes": entries}, conn)


@_api_get("/openapi.json")
def schema(request: Request) -> Response:
    """This API as an OpenAPI 3.1 document."""
    return answer_bytes(request, dump_json(describe_api(site_of(request))), "application/json")


def describe_api(site: Site) -> dict[str, Any]:
    """The OpenAPI document of the API."""
    described = FastAPI()
    described.include_router(router)
    return get_openapi(
        title=f"{site.name}: the public record",
        version=VERSION,
        openapi_version="3.1.0",
        description="Official lists of law-enforcement agencies, with every change since the first reading.",
        routes=described.routes,
        servers=[{"url": site.public_url.rstrip("/")}],
    )


def _answer(request: Request, value: dict[str, Any], conn: Connection) -> Response:
    return answer_json(request, value, conn, deprecation_headers(request.url.path))


def _describe_list(
    info: SourceInfo,
    move: tuple[int, datetime] | None,
    sight: overview.SourceSight | None,
    counts: overview.SourceCounts | None,
) -> Record:
    return {
        "source": info.name,
        "title": info.title(),
        "publisher": info.publisher,
        "url": info.official_url,
        "number": move[0] if move else 0,
        "at": format_time(move[1] if move else None),
        "agencies": counts.listings if counts else 0,
        "last_poll_at": format_time(sight.last_fetch_at if sight else None),
        "last_good_at": format_time(sight.last_good_at if sight else None),
    }


def _describe_agencies(
    conn: Connection, site: Site, source: str, versions: Sequence[ListingVersion]
) -> list[Record]:
    described = describe_agencies(conn, source, versions, site.coverage.placement)
    return [order_fields("agencies", each) for each in described]


def _cover(conn: Connection, site: Site, cover: Cover) -> Record:
    versions = record_rows.load_agency_versions(conn, cover.source, cover.agency)
    (described,) = _describe_agencies(conn, site, cover.source, versions[-1:])
    return described | {"why": describe_placement(cover.placement.reason, "en")}


def _change(row: StoredChange, number: int) -> Record:
    return order_fields("changes", describe_change(row, number))


def _step(step: ListStep, published: StoredChange | None) -> Record:
    return {
        "number": step.number,
        "at": format_time(step.at),
        "kind": _kind(step),
        "agency": step.agency,
        "before": None if step.before is None else describe_listing(step.before),
        "after": None if step.after is None else describe_listing(step.after),
        "change": None if published is None else _change(published, step.number),
    }


def _kind(step: ListStep) -> str:
    return "added" if step.before is None else "removed" if step.after is None else "changed"


def _wanted(
    site: Site, source: str, step: ListStep, kind: str | None, state: str | None, zip: str | None
) -> bool:
    if kind is not None and kind != _kind(step):
        return False
    listings = [listing for listing in (step.before, step.after) if listing is not None]
    if state is not None and state not in {listing.state for listing in listings}:
        return False
    return zip is None or any(_reaches(site, source, listing, zip) for listing in listings)


def _serves(site: Site, source: str, version: ListingVersion, zip: str) -> bool:
    return _reaches(site, source, version.listing, zip)


def _reaches(site: Site, source: str, listing: Any, zip: str) -> bool:
    home = site.gazetteer.state_of_zip(zip)
    placement = site.coverage.placement(source, listing)
    return zip in placement.places or (placement.statewide and home in placement.places)


def _place(version: ListingVersion) -> tuple[str, str]:
    return version.listing.name.casefold(), version.listing.key


def _next(request: Request, drop: str = "at", **more: str) -> str:
    """The absolute public URL of this request with other parameters."""
    kept = {
        name: value
        for name, value in request.query_params.items()
        if name in ("source", "state", "zip", "q", "kind", "limit", "at", "since") and name != drop
    }
    return absolute(request, f"{quote(request.scope['path'])}?{urlencode(kept | more)}")
