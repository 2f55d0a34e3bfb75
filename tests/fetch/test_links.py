"""The current file is found on the publisher's page by its address, its words, and what it says of itself."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from importlib.resources import files
from typing import NoReturn

import pytest

from monitor.errors import ParseError
from monitor.fetch import Fetched, Fetcher, FetchFailed, LinkRule, Target, Validators
from monitor.fetch.links import find_candidates, read_file_name
from monitor.sources.page_links import read_links
from tests.peers.http import Answer, Server

URL = "https://list.example/enforce/page.html"
BODY = b"PK workbook"
PATTERN = r"/participatingAgencies\d{8}(am|mid|pm)\.xlsx$"


def find_link(page: bytes, url: str, pattern: str, content_type: str = "") -> str | None:
    """The first link that an expression of the address finds."""
    found = find_candidates(read_links(page, url, content_type), LinkRule(address=pattern))
    return found[0].address if found else None


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
    assert str(failed) == f"the page has no link that matches {PATTERN}; it has 1 links and none to a file"
    assert failed.evidence.status == 200
    assert failed.evidence.url == server.url("/page")
    assert not failed.transient


def test_a_page_whose_links_cannot_be_read_is_a_failed_fetch(
    server: Server, make: Callable[..., Fetcher], failure: Callable[..., FetchFailed]
) -> None:
    def refuse(page: bytes, url: str, content_type: str) -> NoReturn:
        raise ParseError("Reading it took too much memory.")

    server.page("/page", '<a href="a.xlsx">')
    failed = failure(Target(page=server.url("/page"), link="xlsx"), make(read_links=refuse))
    assert str(failed) == "the page cannot be read: Reading it took too much memory."
    assert failed.evidence.status == 200


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


RULE = LinkRule(
    address=r"(?i)participating_?agenc(?:y|ies)[^/]*\.xlsx",
    words=r"(?i)\bparticipating\s+agenc(?:y|ies)\b",
    never=r"(?i)pending|report",
)


def candidates(page: str, rule: LinkRule = RULE) -> list[str]:
    found = find_candidates(read_links(page.encode(), "https://list.example/"), rule)
    return [link.address.removeprefix("https://list.example") for link in found]


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ('<a href="/download/public/7">View participating agencies</a>', ["/download/public/7"]),
        ('<a href="/7">View <b>Participating</b>\n Agency</a>', ["/7"]),
        ('<a href="/7" aria-label="Participating agencies"><img src="x"></a>', ["/7"]),
        ('<a href="/7" title="participating agencies">Download</a>', ["/7"]),
        ('<p>Participating agencies: <a href="/7">Download</a></p>', ["/7"]),
        ('<a href="/7">View pending agencies</a>', []),
        ('<a href="/7">Participating agencies annual report</a>', []),
        ('<p>Participating agencies <a href="/7">Pending</a></p>', []),
        ('<a href="/PendingParticipatingAgencies.xlsx">x</a>', []),
        ('<a href="/1">Participating agencies</a><a href="/ParticipatingAgency091826am.xlsx">x</a>',
         ["/1", "/ParticipatingAgency091826am.xlsx"]),
        ('<a href="/1">participating agencies</a><a href="/participatingAgencies1.xlsx">Participating '
        'agencies</a>',
         ["/participatingAgencies1.xlsx", "/1"]),
        ('<p>participating agencies <a href="/1">PDF</a></p><a href="/2">participating agencies</a>', ["/2",
        "/1"]),
        ('<a href="/1"><img></a><a href="/1">participating agencies</a>', ["/1"]),
    ],
)  # fmt: skip
def test_a_link_is_found_by_what_a_reader_sees(page: str, found: list[str]) -> None:
    assert candidates(page) == found


def test_words_of_a_hostile_page_are_cut() -> None:
    page = "<div>" + '<a href="/1">' * 300 + "x" * 100_000 + "</a>" * 300
    (link,) = read_links(page.encode(), "https://list.example/")
    assert (len(link.words), len(link.around)) <= (300, 300)


@pytest.mark.parametrize(
    ("disposition", "address", "name"),
    [
        ('attachment; filename="ParticipatingAgency091826am.xlsx"', "https://x.example/209157",
         "ParticipatingAgency091826am.xlsx"),
        ("attachment; filename*=UTF-8''Agencias%20%C3%B1.xlsx", "https://x.example/1", "Agencias ñ.xlsx"),
        ("attachment", "https://x.example/a%20b.xlsx?x=1", "a b.xlsx"),
        ("", "https://x.example/209157", None),
        ("", "https://x.example/", None),
        ("\r\n", "https://x.example/1", None),
        ("attachment; filename*=no-such''x", "https://x.example/1", "x"),
    ],
)  # fmt: skip
def test_the_name_that_an_answer_gives_itself(disposition: str, address: str, name: str | None) -> None:
    assert read_file_name(disposition, address) == name


def test_candidates_are_asked_for_in_order_until_one_fits(server: Server, fetcher: Fetcher) -> None:
    server.page(
        "/page",
        '<a href="/1">participating agencies</a> <a href="/2">participating agencies</a> '
        '<a href="/3">participating agencies</a> <a href="/4">participating agencies</a>',
    )
    named = {"Content-Disposition": 'attachment; filename="PendingAgencies.xlsx"'}
    server.script("/1", [Answer(body=b"the pending list under the wrong words", headers=named)])
    server.put("/3", b"a report")
    server.put("/4", BODY)
    asked: list[bytes] = []

    def fits(got: Fetched) -> str | None:
        asked.append(got.body)
        return None if got.body == BODY else "cannot be read: it has no column STATE"

    target = Target(page=server.url("/page"), link=RULE)
    got = fetcher.get(target, lambda url: None, fits)
    assert isinstance(got, Fetched)
    assert (got.body, got.url, asked) == (BODY, server.url("/4"), [b"a report", BODY])


def test_when_none_fits_the_reason_names_what_was_found(server: Server, fetcher: Fetcher) -> None:
    server.page(
        "/page",
        '<a href="/1">participating agencies</a> <a href="/2.xlsx">Participating agencies, old</a>',
    )
    server.put("/2.xlsx", BODY)
    target = Target(page=server.url("/page"), link=RULE)
    with pytest.raises(FetchFailed) as caught:
        fetcher.get(target, lambda url: None, lambda got: "has no column STATE")
    assert str(caught.value) == (
        'the page links no file that fits: "participating agencies" (1) answered 404; '
        '"Participating agencies, old" (2.xlsx) has no column STATE'
    )
    assert not caught.value.absent
    server.page(
        "/page",
        '<a href="/100">Annual report</a>'
        '<a href="/file-download/download/public/8">View pending agencies</a>',
    )
    with pytest.raises(FetchFailed) as caught:
        fetcher.get(target)
    assert str(caught.value).endswith('; it links "View pending agencies" (8)')
    assert caught.value.absent


def test_no_more_than_five_candidates_are_asked_for(
    server: Server, failure: Callable[..., FetchFailed]
) -> None:
    server.page("/page", "".join(f'<a href="/{n}">participating agencies</a>' for n in range(50)))
    failure(Target(page=server.url("/page"), link=RULE))
    assert [request.path for request in server.requests] == ["/page", "/0", "/1", "/2", "/3", "/4"]


def test_a_candidate_that_is_away_for_now_is_not_replaced_by_another(
    server: Server, fetcher: Fetcher
) -> None:
    server.page("/page", '<a href="/1">participating agencies</a><a href="/2">participating agencies</a>')
    server.script("/1", [Answer(503), Answer(body=BODY)])
    server.put("/2", b"another")
    got = fetcher.get(Target(page=server.url("/page"), link=RULE))
    assert isinstance(got, Fetched)
    assert got.body == BODY


def test_a_source_may_have_a_user_agent_of_its_own(server: Server, fetcher: Fetcher) -> None:
    server.page("/page", '<a href="/1">participating agencies</a>')
    server.put("/1", BODY)
    fetcher.get(Target(page=server.url("/page"), link=RULE, user_agent="Plain/1"))
    fetcher.get(Target(url=server.url("/1")))
    agents = [request.header("user-agent") for request in server.requests]
    assert agents[:2] == ["Plain/1", "Plain/1"]
    assert agents[2] != "Plain/1"


PUBLIC = "/file-download/download/public/"
PENDING = f'<a href="{PUBLIC}9">View pending agencies</a>'


def ice_rule() -> LinkRule:
    """The rule that ships with the program for ICE's list."""
    text = files("monitor.config").joinpath("sources.toml").read_text(encoding="utf-8")
    return LinkRule(**tomllib.loads(text)["sources"]["ice-287g"]["link"])


@pytest.mark.parametrize(
    "page",
    [
        f'<a href="{PUBLIC}1">View participating agencies</a>{PENDING}',
        f'{PENDING}<a href="{PUBLIC}1">View participating agency list</a>',
        f'<A HREF="{PUBLIC}1">VIEW PARTICIPATING AGENCIES</A>{PENDING}',
        f'<a href="{PUBLIC}1">View participating&nbsp;agencies</a>',
        f'<a href="{PUBLIC}1"><span>Participating</span><br><span>agencies</span></a>{PENDING}',
        f'<a href="{PUBLIC}1">Participating 287(g) Agencies</a>{PENDING}',
        f'<a href="{PUBLIC}1">List of participating law enforcement agencies</a>{PENDING}',
        f'<a href="{PUBLIC}1">Agencies participating in 287(g)</a>{PENDING}',
        f'<a href="{PUBLIC}1">287(g) participants</a>{PENDING}',
        f'<a href="{PUBLIC}1">Ver agencias participantes</a>{PENDING}',
        f'<a href="{PUBLIC}1" aria-label="View participating agencies"><i></i></a>{PENDING}',
        f'<a href="{PUBLIC}1"><img alt="View participating agencies" src=x></a>{PENDING}',
        f'<a href="{PUBLIC}1" title="Participating agencies">XLSX</a>{PENDING}',
        f'<base href="https://list.example/"><a href="{PUBLIC[1:]}1">Participating agencies</a>',
        f'<a href="#list">Participating agencies</a><a href="{PUBLIC}1">View participating agencies</a>',
        f'<a href="/map">Map of participating agencies</a><a href="{PUBLIC}1">Participating agencies</a>',
        f'<p>Participating agencies <a href="{PUBLIC}1">here</a>'
        f', pending agencies <a href="{PUBLIC}9">here</a>',
        f'<p>Pending agencies <a href="{PUBLIC}9">here</a>'
        f', participating agencies <a href="{PUBLIC}1">here</a>',
        f'<h3>Participating agencies</h3><p><a href="{PUBLIC}1">XLSX</a></p>'
        f'<h3>Pending agencies</h3><p><a href="{PUBLIC}9">XLSX</a></p>',
        f'<h3>Pending agencies</h3><p><a href="{PUBLIC}9">XLSX</a></p>'
        f'<h3>Participating agencies</h3><p><a href="{PUBLIC}1">XLSX</a></p>',
        f'<ul><li>Pending agencies <a href="{PUBLIC}9">XLSX</a>'
        f'<li>Participating agencies <a href="{PUBLIC}1">XLSX</a>',
        f'<table><tr><td>Participating agencies<td><a href="{PUBLIC}1">Download</a></tr>'
        f'<tr><td>Pending agencies<td><a href="{PUBLIC}9">Download</a></tr></table>',
    ],
)  # fmt: skip
def test_ices_list_is_the_only_candidate_however_the_page_says_it(page: str) -> None:
    annual = f'<a href="{PUBLIC}100">Annual report</a>'
    for before, behind in ((annual, ""), ("", annual)):
        body = f"<html><body>{before}{page}{behind}</body></html>".encode()
        found = find_candidates(read_links(body, "https://list.example/287g"), ice_rule())
        assert [link.address for link in found] == [f"https://list.example{PUBLIC}1"]


@pytest.mark.parametrize(
    "address",
    [
        "/doclib/participatingAgencies05142026am.xlsx",
        "/doclib/ParticipatingAgency091826am.xlsx",
        "/doclib/participating%20Agencies%2005142026.xlsx",
        "https://cdn.example/participating_agencies05142026pm.xlsx",
        "/doclib/participating-agencies.xls?v=2",
    ],
)
def test_ices_list_is_found_by_its_address_alone(address: str) -> None:
    page = f'{PENDING}<a href="{address}">Download</a>'.encode()
    (found,) = find_candidates(read_links(page, "https://list.example/287g"), ice_rule())
    assert found.address.endswith(address)


def test_words_before_links_are_looked_for_on_a_hostile_page_within_bounds() -> None:
    """A million empty elements stand before links: only some of them are looked at."""
    page = (b"<p>" + b"<i></i>" * 40 + b"<a href=/x></a></p>") * 2_000
    assert len(read_links(page, "https://list.example/")) == 1
