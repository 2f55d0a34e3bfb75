"""Renders pages: the reader's language, the templates, the response."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable, Mapping
from datetime import date, datetime
from functools import cache
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from monitor.messages import locale
from monitor.messages.layout import clean
from monitor.messages.place_names import name_place
from monitor.package_texts import open_templates, read_texts
from monitor.states import STATES
from monitor.web.context import Site
from monitor.web.part_cache import PartCache
from monitor.web.presenters import Presenter

COOKIE = "lang"
"""The only cookie of public pages: the language that the reader chose. It holds nothing else."""

_LANGUAGE = "monitor.language"  # the request's attribute, once computed
_YEAR = 365 * 86400  # seconds
_KEPT = (
    "page",
    "before",
    "list",
    "kind",
    "at",
    "from",
    "to",
    "state",
    "joined",
    "sort",
)  # the query parameters that links to the same page keep


class Templates:
    """The templates of each language, with the filters and globals that they share."""

    def __init__(
        self, site: Site, extras: Mapping[str, Callable[[Request], object]], parts: PartCache
    ) -> None:
        self.extras = dict(extras)
        self._parts = parts
        self._loader = open_templates("web")
        self._environments = {code: self._environment(site, code) for code in locale.LANGUAGES}

    def render(self, language: str, template: str, **context: object) -> str:
        """Render a template of ``monitor/web/templates``."""
        return self._environments[language].get_template(template).render(**context)

    def _environment(self, site: Site, language: str) -> Environment:
        environment = Environment(
            loader=self._loader,
            auto_reload=False,
            extensions=["jinja2.ext.i18n"],
            autoescape=True,
            undefined=StrictUndefined,
            lstrip_blocks=True,
        )
        catalog = locale.translations(language)
        environment.install_gettext_callables(  # type: ignore[attr-defined]
            catalog.gettext, catalog.ngettext, newstyle=True
        )
        environment.filters |= {
            "outside": clean,
            "day": lambda when: locale.day(_day_of(when, site), language),
            "short_day": lambda when: locale.short_day(_day_of(when, site), language),
            "moment": lambda when: _time(when, locale.moment(when, site.timezone, language)),
            "time_of_day": lambda when: locale.time_of_day(when, language),
            "clock": lambda when: _time(when, locale.clock(when, site.timezone, language)),
            "number": lambda count: locale.number(count, language),
            "place": lambda place: name_place(place, language),
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
            "map_stylesheet": site.url(f"/static/{asset_version('map.css')}/map.css"),
            "icon": site.url(f"/static/{asset_version('icon.svg')}/icon.svg"),
            "url": site.url,
            "keep": self._keep(language),
            "words": Presenter(site, language),
            "_": _translate_plain(catalog.gettext),
        }
        return environment

    def _keep(self, language: str) -> Callable[..., Markup]:
        """Create the template function for cached parts:
        ``{% call keep("rows", list.name, list.number) %}...{% endcall %}``.
        """

        def keep(*key: Hashable, caller: Callable[[], Markup]) -> Markup:
            return self._parts.of((language, *key), caller)

        return keep


def _translate_plain(gettext: Callable[[str], str]) -> Callable[[str], Markup]:
    """Create the function that translates sentences without values. A page has dozens, and jinja2's own
    function takes ten times as long.
    """

    @cache
    def translated(sentence: str) -> Markup:
        return Markup(gettext(sentence) % {})  # noqa: S704 - the catalog's own text

    return translated


def _day_of(when: date, site: Site) -> date:
    """The day of a moment in the site's time zone, as in all other times on pages; a date stays itself."""
    return locale.local_day(when, site.timezone) if isinstance(when, datetime) else when


def _time(when: datetime, text: str) -> Markup:
    """A time as an HTML ``time`` element."""
    return Markup(f'<time datetime="{when.isoformat(timespec="minutes")}">{escape(text)}</time>')  # noqa: S704


def site_of(request: Request) -> Site:
    """The parts of the site that handles the request."""
    site: Site = request.app.state.site
    return site


def language_of(request: Request) -> str:
    """The reader's language: from the link, otherwise from the cookie, otherwise from the browser's
    preferences.
    """
    language: str | None = request.scope.get(_LANGUAGE)
    if language is None:
        language = request.scope[_LANGUAGE] = (
            locale.find_language(request.query_params.get("lang"))
            or locale.find_language(request.cookies.get(COOKIE))
            or locale.negotiate(request.headers.get("accept-language", ""))
        )
    return language


def translate(request: Request, sentence: str, **words: object) -> str:
    """Translate a sentence into the reader's language; ``words`` fill ``%(name)s``.

    Plain text: templates escape it.
    """
    return locale.translations(language_of(request)).gettext(sentence) % words


def render_page(
    request: Request, template: str, *, private: bool = False, status: int = 200, **context: object
) -> Response:
    """Render a template as a response.

    ``private``: it concerns one person, so it is neither cached nor indexed.
    """
    templates: Templates = request.app.state.templates
    language = language_of(request)
    site, path = site_of(request), _path(request)
    extras = {name: extra(request) for name, extra in templates.extras.items()}
    body = templates.render(
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
    return set_language_cookie(request, answer)


def parse_number(text: str, largest: int) -> int | None:
    """Parse a positive number from a URL; None for anything else."""
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(largest)):
        return None
    number = int(text)
    return number if 0 < number <= largest else None


def redirect(request: Request, path: str, status: int = 303) -> Response:
    """Redirect within the site: 303 after a POST, 301 to the canonical URL of a page.

    Keeps a chosen language.
    """
    answer = RedirectResponse(site_of(request).url(path), status)
    answer.headers["Cache-Control"] = "no-store" if status == 303 else "no-cache"
    return set_language_cookie(request, answer)


def set_language_cookie(request: Request, answer: Response) -> Response:
    """Store a language that was chosen by a link in the cookie."""
    asked = locale.find_language(request.query_params.get("lang"))
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
    """The page's own path, for language links and print; only query parameters for a page or a moment are
    kept.

    It begins with exactly one slash: with two, a browser would read it as another host.
    """
    kept = "&".join(
        f"{name}={value}"
        for name in _KEPT
        if re.fullmatch(r"[A-Za-z0-9_:.-]{1,60}", value := request.query_params.get(name, ""))
    )
    return "/" + quote(request.scope["path"].lstrip("/")) + (f"?{kept}" if kept else "")


def asset(name: str) -> bytes:
    """A file of ``monitor/web/static``."""
    return _read_assets()[f"static/{name}"]


@cache
def _read_assets() -> dict[str, bytes]:
    return {name: text.encode() for name, text in read_texts("web", "static/*").items()}


@cache
def asset_version(name: str) -> str:
    """The version in the link of a static file, so that browsers fetch a changed file again."""
    return hashlib.sha256(asset(name)).hexdigest()[:10]
