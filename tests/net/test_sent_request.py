"""What is recorded of a request's destination."""

from __future__ import annotations

from dataclasses import replace

import httpx

from monitor.net.sent_request import add_peer, describe_request
from tests.peers.http import Server


def test_a_connection_that_is_cut_before_it_is_described_has_no_address() -> None:
    """The deadline cuts it from another thread: an OSError left the fetch as an unforeseen error.

    It is closed here. After a shutdown, as the deadline does it, the system names the peer until the peer has
    closed its side too: which is first would be chance.
    """
    with Server() as server, httpx.Client(trust_env=False) as client:
        server.put("/list", b"Hammond")
        with client.stream("GET", server.url("/list")) as response:
            sent = describe_request(response.request)
            assert add_peer(sent, response, proxied=False) == replace(sent, remote="127.0.0.1")
            response.extensions["network_stream"].get_extra_info("socket").close()
            assert add_peer(sent, response, proxied=False) == sent
