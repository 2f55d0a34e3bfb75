"""The site as an installed web app: its manifest, its icons, and the service worker that shows alerts."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response

from monitor.messages.layout import clean
from monitor.web import pages
from monitor.web.error_pages import not_found_page
from monitor.web.map_images import MapImages
from monitor.web.pages import language_of, site_of
from monitor.web.routing import Router, get

router = Router()

ICON_SIZES = (180, 192, 512)
"""Icon sizes in pixels: for Apple's home screen, and for the manifest."""
_GROUND = "#fbfaf7"
_WORKER_POLICY = "default-src 'none'; connect-src 'self'"


@get(router, "/manifest.webmanifest")
def manifest(request: Request) -> Response:
    """Serve the manifest that a phone needs to install the site. The app opens with the alerts of this
    browser, if it has them.
    """
    site = site_of(request)
    name = clean(site.name, 60)
    content = {
        "id": site.url("/"),
        "name": name,
        "short_name": clean(site.name, 20),
        "lang": language_of(request),
        "start_url": site.url("/push" if site.browser_alerts else "/"),
        "scope": site.url("/"),
        "display": "standalone",
        "background_color": _GROUND,
        "theme_color": "#0b4f6c",
        "icons": [
            {
                "src": site.url(f"/app-icon-{size}.png"),
                "sizes": f"{size}x{size}",
                "type": "image/png",
                "purpose": purpose,
            }
            for size in ICON_SIZES[1:]
            for purpose in ("any", "maskable")
        ],
    }
    answer = Response(json.dumps(content, ensure_ascii=False), media_type="application/manifest+json")
    answer.headers["Vary"] = "Accept-Language, Cookie"
    return answer


@get(router, "/app-icon-{size}.png")
def icon(request: Request, size: str) -> Response:
    """Serve the icon with a background and margins, so that a round mask cuts nothing off."""
    if size not in map(str, ICON_SIZES):
        return not_found_page(request)
    images: MapImages = request.app.state.map_images
    drawn = images.png(draw_app_icon(pages.asset("icon.svg").decode()), int(size))
    answer = Response(drawn, media_type="image/png")
    answer.headers["Cache-Control"] = "public, max-age=86400"
    return answer


def draw_app_icon(icon: str) -> str:
    """Render a 24 by 24 icon within the middle 60 % of a square with a background."""
    inner = icon.replace("<svg ", '<svg x="4.8" y="4.8" width="14.4" height="14.4" ', 1)
    head = '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24" viewBox="0 0 24 24">'
    return f'{head}<rect width="24" height="24" fill="{_GROUND}"/>{inner}</svg>'


@get(router, "/push-worker.js")
def worker(request: Request) -> Response:
    """Serve the service worker. It is at the top of the site, because its folder limits its scope."""
    answer = Response(pages.asset("push-worker.js"), media_type="text/javascript; charset=utf-8")
    answer.headers["Content-Security-Policy"] = _WORKER_POLICY
    answer.headers["Cache-Control"] = "no-cache"
    return answer
