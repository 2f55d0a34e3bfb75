"""A site that watches ICE's list as it is configured out of the box, with agreements in Indiana."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import httpx
from sqlalchemy.engine import Engine

from monitor.config import load as load_settings
from monitor.domain import Policy
from monitor.fetch import Fetcher
from monitor.places import load
from monitor.sources import ColumnMap
from monitor.storage.lists.coverage import Coverage
from monitor.web import Site, create_app
from tests.peers.browser import served
from tests.peers.http import Server
from tests.web.story import Clock, Publisher, locate

ICE = "ice-287g"
COLUMNS = ColumnMap(
    name="Agency",
    state="State",
    county="County",
    since="Signed",
    url="MOA",
    attributes=("SUPPORT TYPE", "TYPE"),
)


def row(name: str, county: str, kind: str, **more: str) -> dict[str, str]:
    return {
        "Agency": name,
        "State": "Indiana",
        "County": county,
        "Signed": "2026-01-05",
        "SUPPORT TYPE": kind,
        "TYPE": "County",
        "MOA": "https://ice.example/moa.pdf",
    } | more


LAKE = row("Lake County Sheriff's Office", "Lake", "Jail Enforcement Model")
HAMMOND = row(
    "Hammond Police Department", "Lake", "Task Force Model; Warrant Service Officer", TYPE="Municipality"
)
POLICE = row("Indiana State Police", "", "Task Force Model", Signed="", TYPE="State Agency")
MANY = [
    row(f"{town} Police Department", "", "Task Force Model")
    for town in (
        "Carmel", "Fishers", "Gary", "Muncie", "Kokomo", "Goshen", "Elkhart", "Anderson", "Lafayette",
        "Evansville", "Bloomington", "Terre Haute", "Valparaiso",
    )
]  # fmt: skip


def tell_agreements(engine: Engine) -> datetime:
    """Let the lists say it, and return when that ended; Hammond went and came back."""
    policy = Policy(additions_share=1.0, whole_group=50, removal_wait=timedelta(0))
    with Server() as server, Fetcher(attempts=1) as fetcher:
        publisher = Publisher(server, engine, fetcher, policy, name=ICE, columns=COLUMNS)
        publisher.says([LAKE, HAMMOND])
        publisher.says([LAKE])
        publisher.says([LAKE])
        publisher.says([LAKE, HAMMOND])
        publisher.now += timedelta(days=9)
        for _ in range(2):
            publisher.says([LAKE, HAMMOND, POLICE])
        publisher.says([LAKE, HAMMOND, POLICE, *MANY])
        now = publisher.now
        ring = Publisher(server, engine, fetcher, policy, name="ring", columns=COLUMNS)
        ring.now = now - timedelta(hours=1)
        ring.says([LAKE | {"SUPPORT TYPE": "", "TYPE": ""}, HAMMOND | {"SUPPORT TYPE": "", "TYPE": ""}])
    return now


@contextmanager
def serve_agreements(engine: Engine, now: datetime) -> Iterator[httpx.Client]:
    """Serve the site of what was told by ``now``."""
    infos = load_settings(None, {}).infos
    site = Site(
        engine=engine,
        sources={name: infos[name] for name in (ICE, "ring")},
        gazetteer=load(),
        coverage=Coverage(engine, [ICE, "ring"], locate),
        clock=Clock(now),
        public_url="https://watch.example",
        name="Watch",
        contact="hello@watch.example",
        timezone="America/Chicago",
    )
    with (
        served(create_app(site)) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=600) as client,
    ):
        yield client
