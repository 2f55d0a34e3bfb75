"""Lists that are HTML tables over many pages: one that is whole, and sites that lie in each way."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from functools import partial
from urllib.parse import urldefrag, urljoin

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.errors import ParseError
from monitor.fetch import Fetched, Fetcher, FetchFailed, Target
from monitor.sources import ColumnMap, ParseLimits, ParseOptions, html_document, parse
from monitor.sources.html_table import collect
from tests.peers.http import Answer, Server

OPTIONS = ParseOptions("waivers", "html", ColumnMap(name="Agency", state="State", url="Waiver"))
HEADERS = "<tr><th>Agency</th><th>State</th><th>Waiver</th><th>Pilot</th></tr>"


def row(name: str, state: str = "IN") -> str:
    return f"<tr><td>{name}</td><td>{state}</td><td><a href='/w/{name}.pdf'>PDF</a></td><td>Jo Doe</td></tr>"


def page(rows: Sequence[str], following: str = "", headers: str = HEADERS, more: str = "") -> bytes:
    link = f'<a rel="next" href="{following}">&raquo;</a>' if following else ""
    return f"<html><body><table>{headers}{''.join(rows)}</table>{link}{more}</body></html>".encode()


def put(server: Server, *pages: bytes) -> None:
    for number, body in enumerate(pages, start=1):
        server.put(f"/list?page={number}" if number > 1 else "/list", body, content_type="text/html")


def whole(server: Server) -> None:
    put(
        server,
        page([row("Hammond"), row("Gary")], "?page=2"),
        page([row("Lima", "OH")], "?page=3"),
        page([row("Reno", "NV")]),
    )


def target(server: Server, options: ParseOptions = OPTIONS) -> Target:
    return Target(url=server.url("/list"), collect=partial(collect, options=options))


def get(fetcher: Fetcher, server: Server, options: ParseOptions = OPTIONS) -> bytes:
    fetched = fetcher.get(target(server, options))
    assert isinstance(fetched, Fetched)
    return fetched.body


def test_pages_are_followed_to_the_last_one(server: Server, fetcher: Fetcher) -> None:
    whole(server)
    body = get(fetcher, server)
    publication = parse(body, OPTIONS)
    assert [(listing.name, listing.state) for listing in publication.listings] == [
        ("Hammond", "IN"),
        ("Gary", "IN"),
        ("Lima", "OH"),
        ("Reno", "NV"),
    ]
    assert publication.listings[2].url == server.url("/w/Lima.pdf")
    assert [request.path for request in server.requests] == ["/list", "/list?page=2", "/list?page=3", "/list"]
    assert len(json.loads(body)["pages"]) == 3


def test_a_column_that_nobody_configured_is_not_kept(server: Server, fetcher: Fetcher) -> None:
    whole(server)
    assert b"Jo Doe" not in get(fetcher, server)


@pytest.mark.parametrize(
    "link",
    [
        '<a href="?page=2" title="Go to next page">2</a>',
        '<a href="?page=2">Next &rsaquo;</a>',
        '<a href="?page=2" aria-label="Next page"><i></i></a>',
        '<link rel="next" href="?page=2">',
        '<a rel="nofollow next" href="?page=2#top">more</a>',
    ],
)
def test_the_next_page_is_found_by_what_a_reader_sees(server: Server, fetcher: Fetcher, link: str) -> None:
    put(server, page([row("Hammond")], more=link), page([row("Gary")]))
    assert len(parse(get(fetcher, server), OPTIONS).listings) == 2


def test_an_expression_finds_the_next_page_where_its_link_says_nothing(
    server: Server, fetcher: Fetcher
) -> None:
    put(server, page([row("Hammond")], more='<a href="/list?page=2">older</a>'), page([row("Gary")]))
    assert len(parse(get(fetcher, server), OPTIONS).listings) == 1
    options = ParseOptions("waivers", "html", OPTIONS.columns, settings={"next": r"page=2$"})
    server.put("/list?page=2", page([row("Gary")]))
    assert len(parse(get(fetcher, server, options), options).listings) == 2


def lie_with_a_failing_page(server: Server) -> None:
    server.script("/list?page=3", [Answer(500)])


def lie_with_no_table(server: Server) -> None:
    server.put("/list?page=3", b"<html><title>Sign in</title><body>Sign in</body></html>")


def lie_with_no_row(server: Server) -> None:
    server.put("/list?page=3", page([]))


def lie_with_other_columns(server: Server) -> None:
    server.put("/list?page=3", page([row("Reno")], headers="<tr><th>Agency</th><th>State</th></tr>"))


def lie_with_one_page_for_all(server: Server) -> None:
    server.put("/list?page=3", page([row("Lima", "OH")]))


def lie_with_a_circle(server: Server) -> None:
    server.put("/list?page=3", page([row("Reno", "NV")], "?page=2"))


def lie_with_a_change_in_the_middle(server: Server) -> None:
    first = page([row("Hammond"), row("Gary")], "?page=2")
    moved = page([row("Aurora", "IL"), row("Hammond")], "?page=2")
    server.script("/list", [Answer(body=body) for body in (first, moved) * 3])


def lie_with_a_shorter_list(server: Server) -> None:
    first = page([row("Hammond"), row("Gary")], "?page=2")
    server.script("/list", [Answer(body=body) for body in (first, page([row("Hammond"), row("Gary")])) * 3])


def lie_with_another_host(server: Server) -> None:
    server.put("/list?page=2", page([row("Lima")], "http://localhost:1/list?page=3"))


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (lie_with_a_failing_page, "answered 500"),
        (lie_with_no_table, "No column is called"),
        (lie_with_no_row, "has no row on page 3"),
        (lie_with_other_columns, "has other columns on page 3"),
        (lie_with_one_page_for_all, "has the same rows on the pages 2 and 3"),
        (lie_with_a_circle, "leads from page 3 back to an earlier one"),
        (lie_with_a_change_in_the_middle, "changed while its pages were read"),
        (lie_with_a_shorter_list, "changed while its pages were read"),
        (lie_with_another_host, "localhost, which is not an allowed host"),
    ],
)
def test_pages_that_lie_are_a_failed_fetch(
    server: Server, fetcher: Fetcher, lie: object, reason: str
) -> None:
    whole(server)
    assert callable(lie)
    lie(server)
    with pytest.raises(FetchFailed, match=reason):
        fetcher.get(target(server))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (page([row("Hammond")], "?page=2"), "leads to a next one"),
        (page([]), "no row with a name"),
        (b"<html><body>Hello</body></html>", "there are: none"),
        (b"", "empty"),
        (b"{}", "no rows of an HTML table"),
        (b'{"titles": ["Agency"], "rows": [[["A", null], ["B", null]]]}', "other columns"),
        (b'{"titles": ["Agency"], "rows": [[7]]}', "other columns"),
    ],
)
def test_a_page_that_is_no_whole_list_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        parse(body, OPTIONS)


def test_a_cell_over_more_columns_than_are_read_stays_cheap() -> None:
    wide = "<tr>" + '<td colspan="9999" rowspan="9999">x</td>' * 500 + "</tr>"
    publication = parse(page([row("Hammond"), *[wide] * 50]), OPTIONS)
    assert [listing.name for listing in publication.listings] == ["Hammond", "x"]


@given(st.text(alphabet="/.ab1?=&#;%:é -_~@", max_size=12))
@example("/a/../b")
@example("//other.example/a")
@example("/a/./b?c=1#d")
def test_a_link_is_joined_as_browsers_do_whatever_way_is_taken(href: str) -> None:
    table = f'<table><tr><td><a href="{html.escape(href)}">x</a></td></tr></table>'
    ((_, (((_, link),),)),) = html_document.read_tables(
        html_document.parse_page(table.encode(), ParseLimits())
    )
    try:
        joined = urldefrag(urljoin("https://page.invalid/", href.strip())).url if href.strip() else None
    except ValueError:
        joined = None
    assert link == (joined if joined and joined.startswith("http") else None)


def test_a_page_that_names_others_and_links_to_none_is_no_whole_list(
    server: Server, fetcher: Fetcher
) -> None:
    put(server, page([row("Hammond")], more="<p>Page 1 of 3</p>"))
    publication = parse(get(fetcher, server), OPTIONS)
    assert publication.unread == ("pages 2 to 3",)
    assert [problem.kind for problem in publication.problems] == ["pages missing"]


def test_the_last_page_of_several_names_itself(server: Server, fetcher: Fetcher) -> None:
    put(
        server,
        page([row("Hammond")], "?page=2", more="<p>Page 1 of 2</p>"),
        page([row("Gary")], more="<p>Page 2 of 2</p>"),
    )
    publication = parse(get(fetcher, server), OPTIONS)
    assert (publication.unread, publication.problems) == ((), ())


def test_rows_that_two_pages_share_are_told(server: Server, fetcher: Fetcher) -> None:
    put(server, page([row("Hammond"), row("Gary")], "?page=2"), page([row("Gary"), row("Dyer")]))
    publication = parse(get(fetcher, server), OPTIONS)
    messages = [problem.message for problem in publication.problems]
    assert messages == ["page 2: rows that stand on an earlier page too: 1"]
