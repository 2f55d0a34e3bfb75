"""The words for a connection that was not made."""

from __future__ import annotations

import socket

import pytest

from monitor.errors import describe_connection_error


def test_a_name_without_an_address_leads_to_the_name_and_the_dns() -> None:
    """The system's words, "Name or service not known", do not say where to look."""
    with pytest.raises(socket.gaierror) as raised:
        socket.getaddrinfo("relay.example", 25, flags=socket.AI_NUMERICHOST)
    said = describe_connection_error(raised.value)
    assert said == "its name has no address: check the name, and the DNS of this machine"


def test_of_the_words_of_asyncio_only_the_systems_stay() -> None:
    repeats = ConnectionRefusedError(111, "Connect call failed ('192.0.2.1', 25)")
    assert describe_connection_error(repeats) == "Connection refused"
    assert describe_connection_error(OSError()) == ""
