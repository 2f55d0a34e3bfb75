"""Routes of pages: Starlette's, with the parameters of the path and the fields of the form as arguments.

FastAPI does this too. It is loaded with the first request of the API, which it validates and describes: it
takes 10 MB that a service on a small machine needs for something else.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar, get_origin

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, compile_path

_F = TypeVar("_F", bound=Callable[..., Any])


class Router:
    """Routes in the order in which they are tried."""

    def __init__(self) -> None:
        self.routes: list[Route] = []


def get(router: Router, path: str) -> Callable[[_F], _F]:
    """Route GET and HEAD of a path to a function. Neither changes anything."""
    return _add(router, path, "GET")  # Starlette adds HEAD


def post(router: Router, path: str) -> Callable[[_F], _F]:
    """Route POST of a path to a function. Its parameters that are not in the path are fields of the form, a
    text or a list of texts, with a default for a field that is missing or empty.
    """
    return _add(router, path, "POST")


def _add(router: Router, path: str, method: str) -> Callable[[_F], _F]:
    def add(function: _F) -> _F:
        router.routes.append(Route(path, _create_endpoint(path, function), methods=[method]))
        return function

    return add


class _Field(NamedTuple):
    """A field of a form."""

    name: str
    default: Any
    is_list: bool


def _create_endpoint(path: str, function: Callable[..., Any]) -> Callable[[Request], Awaitable[Response]]:
    """The function as Starlette calls it. A plain function is run in a worker thread."""
    fields = _list_fields(path, function)
    call = function if inspect.iscoroutinefunction(function) else partial(run_in_threadpool, function)

    async def answer(request: Request) -> Response:
        given = dict(request.path_params)
        if fields:
            async with request.form() as form:
                given |= {field.name: _read_field(form, field) for field in fields}
        response: Response = await call(request, **given)
        return response

    return answer


def _list_fields(path: str, function: Callable[..., Any]) -> tuple[_Field, ...]:
    in_path = compile_path(path)[2]
    parameters = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    return tuple(
        _Field(each.name, each.default, get_origin(each.annotation) is list)
        for each in parameters
        if each.name not in in_path
    )


def _read_field(form: FormData, field: _Field) -> Any:
    """The value of a field, the last one of a text; HTTPException for a file."""
    values = form.getlist(field.name)
    if not all(isinstance(value, str) for value in values):
        raise HTTPException(400)
    if field.is_list:
        return values or field.default
    return (values[-1] if values else "") or field.default
