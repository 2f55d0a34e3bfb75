"""How a page is made: the reader's language, the templates, and the answer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from monitor.messages import locale
from monitor.render import clean
from monitor.states import STATES
from monitor.web.context import Site
from monitor.web.presenters import Sentences

COOKIE = "lang"
"""The only cookie of the public pages: the language that somebody chose by a link. Nothing else is in it."""

_YEAR = 365 * 86400  # seconds
_F = TypeVar("_F", bound=Callable[..., Any])


def get(router: APIRouter, path: str) -> Callable[[_F], _F]:
    """Route GET and HEAD of a path to a function. Neither changes anything."""
    return router.api_route(path, methods=["GET", "HEAD"], response_model=None, include_in_schema=False)


def post(router: APIRouter, path: str) -> Callable[[_F], _F]:
    """Route POST of a path to a function."""
    return router.api_route(path, methods=["POST"], response_model=None, include_in_schema=False)


class Look:
    """The templates, once per language, with what they all can use."""

    def __init__(self, site: Site, extras: Mapping[str, Callable[[Request], object]]) -> None:
        self.extras = dict(extras)
        self._environments = {code: self._environment(site, code) for code in locale.LANGUAGES}

    def render(self, language: str, template: str, **context: object) -> str:
        """A template of ``monitor/web/templates`` as text."""
        return self._environments[language].get_template(template).render(**context)

    @staticmethod
    def _environment(site: Site, language: str) -> Environment:
        environment = Environment(
            loader=PackageLoader("monitor.web"),
            extensions=["jinja2.ext.i18n"],
            autoescape=True,
            undefined=StrictUndefined,
            lstrip_blocks=True,
        )
        catalogue = locale.translations(language)
        environment.install_gettext_callables(  # type: ignore[attr-defined]
            catalogue.gettext, catalogue.ngettext, newstyle=True
        )
        environment.filters |= {
            "outside": clean,
            "day": lambda when: locale.day(when, language),
            "moment": lambda when: _time(when, locale.moment(when, site.timezone, language)),
            "clock": lambda when: _time(when, locale.clock(when, site.timezone, language)),
            "number": lambda count: locale.number(count, language),
            "state": lambda code: STATES.get(code, code),
        }
        environment.tests["match_zip"] = str.isdigit
        environment.policies["ext.i18n.trimmed"] = True
        environment.globals |= {
            "language": language,
            "languages": locale.LANGUAGES,
            "public": site.public,
            "site": site,
            "stylesheet": site.url(f"/static/{asset_version('site.css')}/site.css"),
            "icon": site.url(f"/static/{asset_version('icon.svg')}/icon.svg"),
            "url": site.url,
            "words": Sentences(site, language),
        }
        return environment


def _time(when: datetime, text: str) -> Markup:
    """A time that machines can read as well."""
    return Markup('<time datetime="{}">{}</time>').format(when.isoformat(timespec="minutes"), text)


def site_of(request: Request) -> Site:
    """The parts of the site that answers."""
    site: Site = request.app.state.site
    return site


def language_of(request: Request) -> str:
    """The reader's language: asked for in the link, chosen before, or what the browser prefers."""
    return (
        locale.known(request.query_params.get("lang"))
        or locale.known(request.cookies.get(COOKIE))
        or locale.negotiate(request.headers.get("accept-language", ""))
    )


def say(request: Request, sentence: str, **words: object) -> str:
    """A sentence in the reader's language; ``words`` stand in it as ``%(name)s``. Plain text: templates escape it."""
    return locale.translations(language_of(request)).gettext(sentence) % words


def show(
    request: Request, template: str, *, private: bool = False, status: int = 200, **context: object
) -> Response:
    """A page as an answer. ``private`` is for what concerns one person: nobody keeps a copy and no search engine lists it."""
    look: Look = request.app.state.look
    language = language_of(request)
    site, path = site_of(request), _path(request)
    extras = {name: extra(request) for name, extra in look.extras.items()}
    body = look.render(
        language,
        template,
        **extras,
        here=site.url(path),
        address=None if private else site.public(path),
        now=site.clock(),
        private=private,
        **context,
    )
    answer = HTMLResponse(body, status)
    answer.headers["Content-Language"] = language
    answer.headers["Vary"] = "Accept-Language, Cookie"
    if private:
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    return remember(request, answer)


def go(request: Request, path: str, status: int = 303) -> Response:
    """A redirect within the site: 303 after a POST, 301 to the one true address of a page. A language that was asked for is kept."""
    answer = RedirectResponse(site_of(request).url(path), status)
    answer.headers["Cache-Control"] = "no-store" if status == 303 else "no-cache"
    return remember(request, answer)


def remember(request: Request, answer: Response) -> Response:
    """Keep a language that was chosen by a link, in the functional cookie."""
    asked = locale.known(request.query_params.get("lang"))
    if asked and asked != request.cookies.get(COOKIE):
        site = site_of(request)
        answer.set_cookie(
            COOKIE,
            asked,
            max_age=_YEAR,
            path=site.url("/"),
            secure=site.secure,
            httponly=True,
            samesite="lax",
        )
    return answer


def _path(request: Request) -> str:
    """The page itself, for its language links and for paper; of a query only the number of a page is carried on.

    It begins with one slash, whatever was asked for: behind two a browser would look for another host.
    """
    kept = next(
        (
            f"?{name}={value}"
            for name in ("page", "before")
            if re.fullmatch(r"[0-9]{1,19}", value := request.query_params.get(name, ""))
        ),
        "",
    )
    return "/" + quote(request.scope["path"].lstrip("/")) + kept


@cache
def asset(name: str) -> bytes:
    """A file of ``monitor/web/static``."""
    return files("monitor.web").joinpath("static", name).read_bytes()


@cache
def asset_version(name: str) -> str:
    """What stands in the link of a static file, so that a changed one is fetched anew."""
    return hashlib.sha256(asset(name)).hexdigest()[:10]
