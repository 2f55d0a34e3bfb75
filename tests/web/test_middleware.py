"""Rules for every response: its headers, what no request can do, and that GET changes nothing."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from monitor.storage.engine import reading
from monitor.storage.schema import metadata
from monitor.web import create_app
from tests.peers.browser import served
from tests.web.conftest import Running
from tests.web.story import site

PATHS = (
    "/", "/zip/46320", "/zip/46320+46323", "/zip/99999", "/county/18089", "/state/IN", "/changes",
    "/changes/1", "/about", "/privacy", "/feed.atom",
    "/zip/46320/feed.atom", "/state/IN/feed.atom", "/healthz", "/readyz", "/robots.txt", "/find", "/nowhere",
    "/zip/1", "/static/x/site.css",
    "/static/x/nothing.css", "/changes?before=2", "/changes/1?lang=es",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_guarded(web: Running, path: str) -> None:
    for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS"):
        headers = web.ask(method, path).headers
        assert headers["content-security-policy"] == (
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert "cache-control" in headers


@pytest.mark.parametrize("path", [path for path in PATHS if not path.endswith((".css", ".txt", "z"))])
def test_no_page_holds_a_script_a_style_or_a_foreign_address(web: Running, path: str) -> None:
    text = web.get(path).text
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:|<iframe|<base\b", text, re.IGNORECASE)
    loaded = re.findall(r'<(?:link|img|source|use)[^>]*?(?:href|src)="([^"]+)"', text)
    assert all(urlsplit(address).netloc in {"", "watch.example"} for address in loaded)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "watch.example.evil.example",
        "",
        "127.0.0.1.evil.example",
        "[::2]",
    ],
)
def test_a_foreign_host_is_refused_and_never_repeated(web: Running, host: str) -> None:
    for path in ("/", "/zip/46323+46320", "/feed.atom", "/state/indiana", "/changes/"):
        answer = web.get(path, host=host)
        assert answer.status_code in {400, 421}
        assert "evil" not in answer.text + str(answer.headers)


@pytest.mark.parametrize(
    "host",
    ["watch.example", "watch.example:443", "WATCH.example", "localhost:1", "127.0.0.1:9", "[::1]:8000"],
)
def test_our_own_hosts_are_served_and_links_come_from_the_configuration(web: Running, host: str) -> None:
    feed = web.get("/feed.atom", host=host)
    assert feed.status_code == 200
    assert set(re.findall(r"https?://([^/\"<]+)", feed.text)) == {"watch.example", "www.w3.org"}
    moved = web.get("/state/indiana", host=host, **{"x-forwarded-host": "evil.example"})
    assert moved.headers["location"] == "/state/IN"


def test_a_name_with_letters_that_ascii_lacks_is_served_as_browsers_ask_for_it(web: Running) -> None:
    with served(create_app(site(web.engine, web.clock, "https://años.example"))) as address:
        for host, status in (("xn--aos-7ma.example", 200), ("watch.example", 421)):
            assert web.client.get(f"{address}/about", headers={"host": host}).status_code == status


def test_a_slash_too_many_does_not_repeat_the_host(web: Running) -> None:
    answer = web.get("/changes/", host="localhost:6666")
    assert (answer.status_code, answer.headers["location"]) == (301, "/changes")
    assert "6666" not in str(answer.headers) + answer.text


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example/", "//evil.example.", "///evil.example/", "/%2f/evil.example/", "/%2Fevil.example,",
        "http://evil.example/",
    ],
)  # fmt: skip
def test_a_path_that_names_another_site_leads_nowhere(web: Running, target: str) -> None:
    """The real bytes: https://watch.example//evil.example/ in a mail led away from here."""
    where = urlsplit(web.address)
    with socket.create_connection((str(where.hostname), where.port or 0), timeout=300) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head = b"".join(iter(lambda: connection.recv(65_536), b"")).partition(b"\r\n\r\n")[0].lower()
    assert head.split(b" ")[1] == b"404"
    assert b"location:" not in head


def test_a_body_that_is_too_large_is_refused_with_and_without_a_length(web: Running) -> None:
    assert web.ask("POST", "/find", content=b"q=" + b"x" * 2_000_000).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b"q=" + b"y" * 65_536

    form = {"content-type": "application/x-www-form-urlencoded"}
    assert web.ask("POST", "/find", content=endless(), headers=form).status_code == 413


def test_a_length_that_is_no_number_is_refused(web: Running) -> None:
    where = urlsplit(web.address)
    with socket.create_connection((str(where.hostname), where.port or 0), timeout=300) as connection:
        connection.sendall(b"POST /find HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n")
        assert connection.recv(100).split(b" ")[1] in {b"400", b"413"}


def contents(web: Running) -> dict[str, list[tuple[object, ...]]]:
    with reading(web.engine) as conn:
        return {
            name: sorted(map(tuple, conn.execute(sa.select(table))), key=repr)
            for name, table in metadata.tables.items()
        }


def test_get_and_head_change_nothing_in_the_database(web: Running) -> None:
    before = contents(web)
    links = set(PATHS)
    for path in PATHS:
        links |= set(re.findall(r'href="(/[^"]*)"', web.get(path).text))
    assert len(links) > 60
    one_of_a_kind = {re.sub(r"\d+", "0", link): link for link in links}
    for path in sorted(one_of_a_kind.values()):
        for method in ("GET", "HEAD"):
            assert web.ask(method, path.replace("&amp;", "&")).status_code < 500
    web.find("Hammond, IN")
    assert contents(web) == before


def test_every_link_of_every_page_leads_somewhere(web: Running) -> None:
    tried: set[str] = set()
    for path in ("/", "/changes", "/zip/46320+46323", "/state/IN", "/changes/1", "/about", "/privacy"):
        for link in re.findall(r'href="(/[^"]*)"', web.get(path).text):
            shape = re.sub(r"\d+", "0", link)
            if shape not in tried:
                tried.add(shape)
                assert web.get(link.replace("&amp;", "&")).status_code == 200, link


def test_a_static_file_is_kept_for_ever_under_its_version_only(web: Running) -> None:
    sheets = re.findall(r'<link rel="stylesheet" href="([^"]+)"', web.get("/").text)
    assert [sheet.rpartition("/")[2] for sheet in sheets] == ["site.css", "map.css"]
    assert all("immutable" in web.get(sheet).headers["cache-control"] for sheet in sheets)
    assert web.get("/static/0/site.css").headers["cache-control"] == "no-cache"
