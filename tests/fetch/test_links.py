"""The current file is the first link on the publisher's page that matches."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from monitor.fetch import Fetched, Fetcher, FetchFailed, Target, Validators
from monitor.fetch.links import find_link
from tests.peers.http import Answer, Server

URL = "https://list.example/enforce/page.html"
BODY = b"PK workbook"
PATTERN = r"/participatingAgencies\d{8}(am|mid|pm)\.xlsx$"


@pytest.mark.parametrize(
    ("page", "link"),
    [
        ('<a href="/f/x1.xlsx">', "https://list.example/f/x1.xlsx"),
        ('<a href="x1.xlsx">', "https://list.example/enforce/x1.xlsx"),
        ('<a href="//list.example/x1.xlsx">', "https://list.example/x1.xlsx"),
        ('<a href=" \n/f/x1.xlsx ">', "https://list.example/f/x1.xlsx"),
        ('<base href="/b/"><a href="x1.xlsx">', "https://list.example/b/x1.xlsx"),
        ('<base href="https://cdn.example/b/"><a href="x1.xlsx">', "https://cdn.example/b/x1.xlsx"),
        ('<base href="http://["><a href="x1.xlsx">', "https://list.example/enforce/x1.xlsx"),
        ('<base href="/x0.xlsx"><a href="x1.xlsx">', "https://list.example/x1.xlsx"),
        ('<a href="/f?a=1&amp;b=x1.xlsx">', "https://list.example/f?a=1&b=x1.xlsx"),
        ('<a href="/x1.xlsx#top">', "https://list.example/x1.xlsx"),
        ('<a href="/x2.xlsx"><a href="/x1.xlsx"><a href="/x2.xlsx">', "https://list.example/x2.xlsx"),
        ('<a href="http://["><a><a href=""><a href="/x1.xlsx">', "https://list.example/x1.xlsx"),
        ('<!-- <a href="/x0.xlsx"> --><A HREF=/x1.xlsx>', "https://list.example/x1.xlsx"),
        ('<table><tr><td><a href="/x1.xlsx"></table></p>', "https://list.example/x1.xlsx"),
        (
            '<?xml version="1.0"?><!DOCTYPE html><html><link href="/x1.xlsx"/></html>',
            "https://list.example/x1.xlsx",
        ),
        ('<a href="mailto:x1.xlsx"><a href="javascript:x1.xlsx"><a href="file:///x1.xlsx">', None),
        ("https://list.example/x1.xlsx", None),
        ("", None),
        (" ", None),
        ("<!-- -->", None),
        ("\x00", None),
    ],
)
def test_links_are_absolute_and_in_document_order(page: str, link: str | None) -> None:
    assert find_link(page.encode(), URL, r"x\d\.xlsx$") == link


def test_the_pattern_is_searched_in_the_whole_address() -> None:
    page = b'<a href="https://other.example/x.xlsx"><a href="/x.xlsx">'
    assert find_link(page, URL, r"^https://list\.example/.*\.xlsx$") == "https://list.example/x.xlsx"


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "no-such-charset", "\x01", "utf-16"])
def test_the_servers_charset_is_respected_and_an_unknown_one_ignored(charset: str) -> None:
    known = charset if charset not in {"no-such-charset", "\x01"} else "ascii"
    page = '<a href="/f/liste.xlsx">'.encode(known)
    assert (
        find_link(page, URL, "liste", f"text/html; charset={charset}") == "https://list.example/f/liste.xlsx"
    )


def test_the_linked_file_is_fetched_and_only_its_own_validators_are_used(
    server: Server, fetcher: Fetcher
) -> None:
    server.script(
        "/page", [Answer(body=b'<a href="/f/participatingAgencies03122026am.xlsx">', etag='"page"')]
    )
    server.put("/f/participatingAgencies03122026am.xlsx", BODY, etag='"file"')
    target = Target(page=server.url("/page"), link=PATTERN)
    got = fetcher.get(target)
    assert isinstance(got, Fetched)
    assert got.body == BODY
    assert got.url == got.final_url == server.url("/f/participatingAgencies03122026am.xlsx")
    known = {server.url("/page"): Validators('"page"'), got.final_url: got.validators}
    assert fetcher.get(target, known.get).status == 304
    assert server.asked("/page")[1].header("if-none-match") is None


def test_a_new_release_is_another_address(server: Server, fetcher: Fetcher) -> None:
    server.put("/a1.xlsx", BODY, etag='"1"')
    server.put("/a2.xlsx", BODY, etag='"1"')
    target = Target(page=server.url("/page"), link=r"a\d\.xlsx$")
    server.page("/page", '<a href="a1.xlsx">')
    first = fetcher.get(target)
    server.page("/page", '<a href="a2.xlsx">')
    second = fetcher.get(target, {first.final_url: Validators('"1"')}.get)
    assert isinstance(first, Fetched)
    assert isinstance(second, Fetched)
    assert (second.final_url, second.sha256) == (server.url("/a2.xlsx"), first.sha256)


def test_links_count_from_where_the_page_was_found(server: Server, fetcher: Fetcher) -> None:
    server.redirect("/page", "/new/page")
    server.page("/new/page", '<a href="a1.xlsx">')
    server.put("/new/a1.xlsx", BODY)
    got = fetcher.get(Target(page=server.url("/page"), link="xlsx"))
    assert got.url == server.url("/new/a1.xlsx")
    assert got.redirects == ()


def test_a_page_without_the_link_is_a_failed_fetch_that_names_the_pattern(
    server: Server, failure: Callable[..., FetchFailed]
) -> None:
    server.page("/page", '<h1>Sign in</h1><a href="/login">')
    failed = failure(Target(page=server.url("/page"), link=PATTERN))
    assert str(failed) == f"the page has no link that matches {PATTERN}"
    assert failed.evidence.status == 200
    assert failed.evidence.url == server.url("/page")
    assert not failed.transient


@pytest.mark.parametrize(
    ("href", "reason"),
    [
        ("https://files.example/a.xlsx", "leads to files.example, which is not an allowed host"),
        ("http://user:secret@127.0.0.1/a.xlsx", "leads to an address with a password in it"),
        ("http://127.0.0.1:x/a.xlsx", "leads to something that is not an address"),
    ],
)
def test_a_link_to_elsewhere_is_a_failure(
    server: Server, failure: Callable[..., FetchFailed], href: str, reason: str
) -> None:
    server.page("/page", f'<a href="{href}">')
    failed = failure(Target(page=server.url("/page"), link="xlsx"))
    assert str(failed) == f"the page has a link that {reason}"


def test_a_link_to_a_named_host_is_followed(server: Server, fetcher: Fetcher) -> None:
    server.put("/a.xlsx", BODY)
    server.page("/page", f'<a href="{server.url("/a.xlsx", host="localhost")}">')
    target = Target(page=server.url("/page"), link="xlsx", hosts=frozenset({"localhost"}))
    assert isinstance(fetcher.get(target), Fetched)


def test_what_is_wrong_with_the_page_is_said_of_the_page(
    server: Server, failure: Callable[..., FetchFailed]
) -> None:
    target = Target(page=server.url("/page"), link="xlsx")
    assert str(failure(target)) == "the page answered 404"
    server.script("/page", [Answer(body=b"x" * (4 * 2**20 + 1), framing="chunked")])
    assert str(failure(target)) == "the page answered more than 4 MiB"
    server.page("/page", '<a href="/a.xlsx">')
    assert str(failure(target)) == "answered 404"


def test_the_whole_path_is_tried_again(server: Server, fetcher: Fetcher) -> None:
    server.script("/page", [Answer(503), Answer(body=b'<a href="/a.xlsx">')])
    server.script("/a.xlsx", [Answer(502), Answer(body=BODY)])
    assert isinstance(fetcher.get(Target(page=server.url("/page"), link="xlsx")), Fetched)
    assert [request.path for request in server.requests] == ["/page", "/page", "/a.xlsx", "/page", "/a.xlsx"]
