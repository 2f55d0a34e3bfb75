"""Liveness and readiness probes for the operator: JSON with a reason for each problem."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from monitor import __version__
from monitor.errors import MonitorError
from monitor.ops.health_facts import SILENT_AFTER, load_facts
from monitor.ops.health_report import report_status
from monitor.storage import migrate
from monitor.storage.deliveries import backlog
from monitor.storage.engine import reading
from monitor.web.context import Site
from monitor.web.pages import site_of
from monitor.web.routing import Router, get

log = logging.getLogger(__name__)

router = Router()

STUCK_AFTER = timedelta(minutes=15)
"""A delivery that is due on a configured channel is claimed within seconds. One that waits this long means
that no sender runs, or that the clone guard stops it.
"""

# The full reasons contain folders and hosts: they are only in the log and in `monitor status`.
_NO_DATABASE = "the database cannot be read"
_FENCED = "nothing is sent: run `monitor resume` and confirm to start sending"


@get(router, "/healthz")
def alive(request: Request) -> Response:
    """Answer only that the process runs, so that a publisher's failure does not cause a restart."""
    return _json({"alive": True, "version": __version__}, 200)


@get(router, "/readyz")
def ready(request: Request) -> Response:
    """Answer 200 when everything works, or 503 with the reasons."""
    site = site_of(request)
    checks: dict[str, dict[str, Any]] = {}
    try:
        checks["migrations"] = _verdict(*_migrations(site))
        if checks["migrations"]["ok"]:
            checks |= _service(site)
            for name, check in site.checks.items():
                reason = check()
                checks[name] = _verdict([reason] if reason else [])
    except MonitorError as error:
        log.error("the database: %s", error)
        checks["database"] = _verdict([_NO_DATABASE])
    reasons = [reason for check in checks.values() for reason in check["reasons"]]
    return _json({"ready": not reasons, "reasons": reasons, "checks": checks}, 503 if reasons else 200)


def _migrations(site: Site) -> tuple[list[str], dict[str, Any]]:
    now, wanted = migrate.load_revision(site.engine), migrate.head()
    wrong = (
        [] if now == wanted else [f"the database is at revision {now or 'none'}, this program needs {wanted}"]
    )
    return wrong, {"revision": now, "head": wanted}


def _service(site: Site) -> dict[str, dict[str, Any]]:
    """Check sources, outbox, clone guard and bot by `report_status`.

    It contains no number of deliveries: after an alert that would reveal the number of subscribers. Metrics
    have it, on a separate listener.
    """
    now = site.clock()
    fenced = site.fenced()
    state = report_status(
        load_facts(
            site.engine,
            site.sources,
            configured=site.configured,
            fenced=fenced,
            now=now,
            bot=site.bot,
        )
    )
    blind = [
        f"{name} was not read since {line['last_good_at'] or 'it was added'}"
        for name, line in state["sources"].items()
        if line["blind"]
    ]
    outbox, sender = state["outbox"], state["sender"]
    stuck: list[str] = []
    with reading(site.engine) as conn:
        waiting = backlog.count_overdue(conn, site.configured, before=now - STUCK_AFTER, now=now)
    if waiting:
        stuck.append("deliveries are overdue and nobody sends them")
    # a command that sends now and then is a sender too
    if outbox["to_fan_out"] and (sender["age"] is None or sender["age"] > SILENT_AFTER.total_seconds()):
        stuck.append("changesets wait to be fanned out and no sender is working")
    bot = state.get("bot")
    shown = ("last_good_at", "age", "blind", "last_outcome")
    return {
        "sources": _verdict(
            blind, {name: {key: line[key] for key in shown} for name, line in state["sources"].items()}
        ),
        "outbox": _verdict(stuck, {"sender": {"working": sender["working"]}}),
        "fence": _verdict([_FENCED] if fenced else []),
    } | ({"bot": _verdict([bot["problem"]] if bot["problem"] else [], {"age": bot["age"]})} if bot else {})


def _verdict(reasons: list[str], facts: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"ok": not reasons, "reasons": reasons, **(facts or {})}


def _json(content: dict[str, Any], status: int) -> Response:
    return JSONResponse(content, status, headers={"Cache-Control": "no-store"})
