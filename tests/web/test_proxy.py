"""Who a visitor is behind a proxy, over real connections: a trusted proxy is believed, anybody else is
not.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from fastapi import FastAPI, Request

from monitor.config import LOOPBACK
from monitor.errors import UsageError
from monitor.web import server


@contextmanager
def proxied(host: str, *trusted: str) -> Iterator[str]:
    """The address of a server that says who its visitor is."""
    app = FastAPI()

    @app.get("/")
    def visitor(request: Request) -> str:
        return request.client.host if request.client else ""

    try:
        listening = server.open_socket(host, 0)
    except UsageError:
        pytest.skip(f"this machine has no {host}")
    with server.serve_in_thread(app, listening, trusted):
        port = listening.getsockname()[1]
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def seen(client: httpx.Client, address: str, *forwarded: str) -> str:
    return str(client.get(address, headers=[("X-Forwarded-For", each) for each in forwarded]).json())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_trusted_proxy_is_believed_up_to_the_last_hop_that_is_none(client: httpx.Client, host: str) -> None:
    with proxied(host, *LOOPBACK, "10.0.0.0/8", "fd00::/8") as address:
        assert seen(client, address) == host
        assert seen(client, address, "203.0.113.7") == "203.0.113.7"
        assert seen(client, address, "2001:db8::7") == "2001:db8::7"
        assert seen(client, address, "[2001:db8::7]:4711") == "2001:db8::7"
        # two proxies of ours, one line each or one line for both; what stands before them the visitor wrote
        assert seen(client, address, "198.51.100.1, 203.0.113.7, 10.0.0.5") == "203.0.113.7"
        assert seen(client, address, "198.51.100.1", "2001:db8::7, fd00::5") == "2001:db8::7"
        assert seen(client, address, "") == host


@pytest.mark.parametrize(("host", "other"), [("127.0.0.1", "::1/128"), ("::1", "127.0.0.0/8")])
def test_who_is_not_trusted_is_taken_for_who_it_is_and_told_of_once(
    client: httpx.Client, caplog: pytest.LogCaptureFixture, host: str, other: str
) -> None:
    with caplog.at_level(logging.WARNING, "monitor.web.proxy"), proxied(host, other) as address:
        assert seen(client, address) == host
        assert not caplog.records
        for _ in range(3):
            assert seen(client, address, "203.0.113.7") == host
    (told,) = (record.getMessage() for record in caplog.records)
    assert told.startswith(f"the proxy at {host} is not in [site] trusted_proxies")
    assert "203.0.113.7" not in told
