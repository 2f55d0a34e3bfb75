"""How requests become arguments of the functions of pages."""

from __future__ import annotations

import asyncio
import threading

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from monitor.web.routing import Router, get, post

router = Router()


@get(router, "/places/{state}/{number:int}")
def show(_: Request, state: str, number: int) -> Response:
    return JSONResponse([state, number, threading.current_thread() is threading.main_thread()])


@post(router, "/places/{state}")
def store(
    _: Request,
    state: str,
    name: str = "",
    frequency: str = "daily",
    lists: list[str] = [],  # noqa: B006 - read only
) -> Response:
    return JSONResponse([state, name, frequency, lists])


@post(router, "/raw")
async def read(request: Request) -> Response:
    return Response(await request.body())


def ask(method: str, path: str, **options: object) -> httpx.Response:
    """A request to an application with these routes only."""

    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=router.routes))
        async with httpx.AsyncClient(transport=transport, base_url="http://site.example") as client:
            return await client.request(method, path, **options)  # type: ignore[arg-type]

    return asyncio.run(go())


def test_a_plain_function_gets_the_parameters_of_the_path_in_a_worker_thread() -> None:
    assert ask("GET", "/places/IN/7").json() == ["IN", 7, False]
    assert ask("HEAD", "/places/IN/7").status_code == 200
    assert ask("GET", "/places/IN/seven").status_code == 404
    assert ask("POST", "/places/IN/7").status_code == 405


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        ({}, ["IN", "", "daily", []]),
        ({"name": "Gary", "frequency": ""}, ["IN", "Gary", "daily", []]),
        (
            {"name": ["Gary", "Hammond"], "lists": ["ring", "ice"]},
            ["IN", "Hammond", "daily", ["ring", "ice"]],
        ),
        ({"state": "TX", "unknown": "x", "lists": "ring"}, ["IN", "", "daily", ["ring"]]),
    ],
)
def test_fields_of_a_form_are_arguments_with_defaults(sent: dict[str, object], got: list[object]) -> None:
    assert ask("POST", "/places/IN", data=sent).json() == got


def test_fields_of_a_multipart_form_are_read_and_files_are_refused() -> None:
    assert ask("POST", "/places/IN", files={"name": (None, "Gary")}).json() == ["IN", "Gary", "daily", []]
    assert ask("POST", "/places/IN", files={"name": ("name.txt", b"Gary")}).status_code == 400
    assert ask("POST", "/places/IN", files={"lists": ("a.txt", b"ring")}).status_code == 400
    broken = {"Content-Type": "multipart/form-data"}
    assert ask("POST", "/places/IN", content=b"name=Gary", headers=broken).status_code == 400


def test_a_body_that_is_no_form_has_no_fields() -> None:
    body = {"Content-Type": "application/json"}
    assert ask("POST", "/places/IN", content=b'{"name": "Gary"}', headers=body).json()[1] == ""


def test_a_coroutine_reads_the_body_itself() -> None:
    assert ask("POST", "/raw", content=b"name=%FF").content == b"name=%FF"
