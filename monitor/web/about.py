"""The pages about the site: what being listed means, what is stored about people; and static files."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from monitor.web import pages
from monitor.web.error_pages import not_found_page
from monitor.web.pages import render_page, site_of
from monitor.web.routing import Router, get

router = Router()

_FILES = {
    "site.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "brief.css": "text/css; charset=utf-8",
    "map.css": "text/css; charset=utf-8",
    "map.js": "text/javascript; charset=utf-8",
    "push.js": "text/javascript; charset=utf-8",
}


@get(router, "/about")
def about(request: Request) -> Response:
    """Show what the site is, how it works, and the dated meaning of each list."""
    return render_page(request, "about.html")


@get(router, "/privacy")
def privacy(request: Request) -> Response:
    """Show what is stored about a person, for how long, and how to have it deleted."""
    return render_page(request, "privacy.html", backups=site_of(request).backups_kept)


@get(router, "/static/{version}/{name}")
def static(request: Request, version: str, name: str) -> Response:
    """Serve the style sheets, the scripts and the icon, cached forever under the version of their content."""
    if name not in _FILES:
        return not_found_page(request)
    answer = Response(pages.asset(name), media_type=_FILES[name])
    fresh = version == pages.asset_version(name)
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable" if fresh else "no-cache"
    return answer


@get(router, "/robots.txt")
def robots(request: Request) -> Response:
    """Allow crawlers on the public pages; personal pages are not named here and send noindex themselves."""
    return Response("User-agent: *\nDisallow:\n", media_type="text/plain; charset=utf-8")
