"""Lists of web pages that are no tables: `<ul>`, `<ol>`, `<dl>`, blocks that repeat, lines between `<br>`."""

from __future__ import annotations

import time
from datetime import date

import pytest

from monitor.errors import ParseError
from monitor.sources import ColumnMap, ParseLimits, ParseOptions, parse
from monitor.sources.format import Proposal
from monitor.sources.html_table import collect
from monitor.sources.proposals import propose

UNDER_STATES = ColumnMap(name="(item)", state="(heading)")
BOTH = [("Gary PD", "IN"), ("Lima PD", "OH")]


def page(inner: str) -> bytes:
    return f"<!doctype html><html><head><title>Partners</title></head><body>{inner}</body></html>".encode()


def read(body: bytes, columns: ColumnMap) -> tuple[list[tuple[str, str | None]], list[str]]:
    """Names and states, and the problems but those of headings."""
    found = parse(body, ParseOptions("list", "html", columns))
    problems = [problem.message for problem in found.problems if problem.kind != "heading"]
    return [(listing.name, listing.state) for listing in found.listings], problems


def propose_and_read(inner: str) -> tuple[Proposal, list[tuple[str, str | None]]]:
    proposal = propose(page(inner))
    assert proposal.format == "html"
    return proposal, read(page(inner), proposal.columns)[0]


MENU = '<nav><ul><li><a href="/police">Police Department</a><li><a href="/so">Sheriff</a></ul></nav>'


@pytest.mark.parametrize(
    "inner",
    [
        "<h3>Indiana</h3><ul><li>Gary PD</ul><h3>Ohio</h3><ul><li>Lima PD</ul>",
        f"{MENU}<h2>Indiana (1)</h2><ol><li>Gary PD</ol><h2>Ohio (1)</h2><ol><li>Lima PD</ol>",
        "<details><summary>Indiana</summary><ul><li>Gary PD</ul></details>"
        "<details><summary>Ohio</summary><ul><li>Lima PD</ul></details>",
        "<p><strong>Indiana</strong></p><ul><li>Gary PD</ul><p><b>Ohio</b></p><ul><li>Lima PD</ul>",
        "<ul><li>Indiana<ul><li>Gary PD</ul><li>Ohio<ul><li>Lima PD</ul></ul>",
        "<ul><li><b>Indiana</b><li>Gary PD<li><b>Ohio</b><li>Lima PD</ul>",
        "<dl><dt>Indiana<dd>Gary PD<dt>Ohio<dd>Lima PD</dl>",
        "<h2>Indiana</h2><h3>Jail model</h3><ul><li>Gary PD</ul>"
        "<h2>Ohio</h2><h3>Task force</h3><ul><li>Lima PD</ul>",
        "<ul><li><a href='#in'>Indiana</a><li><a href='#oh'>Ohio</a></ul><h2 id=in>Indiana</h2><ul>"
        "<li>Gary PD</ul><h2 id=oh>Ohio</h2><ul><li>Lima PD<li><a href='#'>Back to top</a></ul>",
        "<form id=aspnetForm><div class='main has-sidebar'><h3>Indiana</h3><ul><li>Gary PD</ul>"
        "<h3>Ohio</h3><ul><li>Lima PD</ul></div></form>",
    ],
)
def test_lists_under_states_are_read(inner: str) -> None:
    proposal, found = propose_and_read(inner)
    assert (proposal.columns.name, proposal.columns.state) == ("(item)", "(heading)")
    assert found == BOTH


def test_lists_of_towns_under_states_are_read() -> None:
    _, found = propose_and_read("<h2>Indiana</h2><ul><li>Gary<li>Hammond</ul><h2>Ohio</h2><ul><li>Lima</ul>")
    assert found == [("Gary", "IN"), ("Hammond", "IN"), ("Lima", "OH")]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Gary PD - IN", "Lima PD \u2013 OH"),
        ("Gary PD (IN)", "Lima PD (Ohio)"),
        ("Gary PD, Indiana", "Lima PD, OH"),
        ("Gary PD (Gary, IN)", "Lima PD (Lima, Ohio)"),
        ("IN - Gary PD", "Ohio: Lima PD"),
        ("Gary PD, IN (signed 3/1/2025)", "Lima PD, OH (signed 3/4/2025)"),
        ("Gary PD<br>Gary, IN", "Lima PD<br>Lima, OH"),
    ],
)
def test_a_state_behind_the_name_is_its_state(first: str, second: str) -> None:
    proposal, found = propose_and_read(f"<ul><li>{first}<li>{second}</ul>")
    assert (proposal.columns.state, found) == ("(state)", BOTH)


def test_terms_with_descriptions_are_agencies_with_their_details() -> None:
    body = page(
        "<dl><dt><a href='https://x.org/gary.pdf'>Gary PD</a><dd>Gary, IN<dd>Signed: 3/1/2025"
        "<dt>Lima PD<dd>Lima, OH<dd>Signed: 3/2/2025</dl>"
    )
    columns = propose(body).columns
    assert columns == ColumnMap("(item)", "(state)", since="(date)", url="(link)")
    gary, lima = parse(body, ParseOptions("list", "html", columns)).listings
    assert (gary.name, gary.city, gary.since, gary.url) == (
        "Gary PD",
        "Gary",
        date(2025, 3, 1),
        "https://x.org/gary.pdf",
    )
    assert (lima.name, lima.city, lima.since, lima.url) == ("Lima PD", "Lima", date(2025, 3, 2), None)


def test_a_list_below_an_agency_is_its_details() -> None:
    body = page("<h2>Indiana</h2><ul><li>Gary PD<ul><li>Task Force Model</ul><li>Hammond PD</ul>")
    gary, hammond = parse(
        body, ParseOptions("list", "html", ColumnMap("(item)", "(heading)", attributes=("(line 2)",)))
    ).listings
    assert gary.attributes == (("(line 2)", "Task Force Model"),)
    assert (hammond.name, hammond.attributes) == ("Hammond PD", ())


@pytest.mark.parametrize(
    "inner",
    [
        "<h3>Indiana</h3><p>Gary PD<br>Lake SO<br/></p><h3>Ohio</h3><p>Lima PD<br>Allen SO</p>",
        "<h3>Indiana</h3><div class=a>Gary PD</div><div class=a>Lake SO</div>"
        "<h3>Ohio</h3><div class=a>Lima PD</div><div class=a>Allen SO</div>",
        "<div class=a>Indiana</div><div class=a>Gary PD</div><div class=a>Lake SO</div>"
        "<div class=a>Ohio</div><div class=a>Lima PD</div><div class=a>Allen SO</div>",
    ],
)
def test_blocks_and_lines_under_states_are_read(inner: str) -> None:
    proposal, found = propose_and_read(inner)
    assert (proposal.columns.name, proposal.columns.state) == ("(block)", "(heading)")
    assert found == [("Gary PD", "IN"), ("Lake SO", "IN"), ("Lima PD", "OH"), ("Allen SO", "OH")]


def test_blocks_are_read_with_their_towns_and_links() -> None:
    rows = "".join(
        f'<div class="views-row"><a href="https://x.org/{town}">{town} PD</a><div>{town}, IN</div></div>'
        for town in ("Gary", "Hammond", "Munster")
    )
    body = page(f'<div class="view-content">{rows}</div>')
    columns = propose(body).columns
    assert columns == ColumnMap("(block)", "(state)", url="(link)")
    gary = parse(body, ParseOptions("list", "html", columns)).listings[0]
    assert (gary.name, gary.city, gary.state, gary.url) == ("Gary PD", "Gary", "IN", "https://x.org/Gary")


@pytest.mark.parametrize(
    "inner",
    [
        MENU,
        "<div class=main-menu><ul><li>Police Department<li>Sheriff</ul></div>",
        "<ul><li>Parks<li>Streets<li>Police</ul>",
        "<h3>Indiana</h3><p>The list is moving.</p>",
        "<ul><li><a href='/in'>Indiana</a><li><a href='/oh'>Ohio</a></ul>",
    ],
)
def test_menus_are_no_lists_and_a_page_without_its_list_is_a_failed_fetch(inner: str) -> None:
    with pytest.raises(ParseError, match="no list of agencies"):
        propose(page(inner))
    for columns in (UNDER_STATES, ColumnMap("(item)"), ColumnMap("(block)"), ColumnMap("(item)", "(state)")):
        with pytest.raises(ParseError, match="No list of agencies is on the page"):
            parse(page(inner), ParseOptions("list", "html", columns))


def test_what_is_left_out_beside_the_list_is_named() -> None:
    body = page(
        "<h2>Offices</h2><ul><li>Police Department<li>Sheriff</ul>"
        "<h2>Indiana</h2><ul><li>Gary PD<li>Lake SO</ul><ul><li>Contact us</ul>"
    )
    found, problems = read(body, UNDER_STATES)
    assert found == [("Gary PD", "IN"), ("Lake SO", "IN")]
    assert problems == [
        'lists that are not read, because they seem to be others: "Offices" (2), "Indiana" (1)'
    ]


def test_pages_of_a_list_are_read_one_after_the_other() -> None:
    options = ParseOptions("list", "html", ColumnMap("(item)", "(state)", url="(link)"))
    pages = collect("https://x.org/list", options)
    assert next(pages) == "https://x.org/list"
    first = page("<ul><li><a href='/gary.pdf'>Gary PD</a> - IN</ul><a href='?page=2'>Next</a>")
    assert pages.send(first) == "https://x.org/list?page=2"
    assert pages.send(page("<ul><li>Lima PD - OH</ul>")) == "https://x.org/list"
    with pytest.raises(StopIteration) as ended:
        pages.send(first)
    publication = parse(ended.value.value, options)
    assert [(x.name, x.state, x.url) for x in publication.listings] == [
        ("Gary PD", "IN", "https://x.org/gary.pdf"),
        ("Lima PD", "OH", None),
    ]


def test_long_and_deep_pages_are_read_and_a_huge_list_is_refused() -> None:
    rows = "".join(f"<li>Town {number} PD - IN" for number in range(20_000))
    found, _ = read(page(f"<ul>{rows}</ul>"), ColumnMap("(item)", "(state)"))
    assert len(found) == 20_000
    deep = "<div>" * 200 + "Gary PD<br>Lake SO" + "</div>" * 200
    assert read(page(deep), ColumnMap("(block)"))[0] == [("Gary PD", None), ("Lake SO", None)]
    assert read(page(deep * 50), ColumnMap("(block)"))[0] == [("Gary PD", None)]
    with pytest.raises(ParseError, match="more than"):
        parse(
            page("<ul>" + "<li>PD" * 200_001 + "</ul>"),
            ParseOptions("list", "html", ColumnMap("(item)"), ParseLimits()),
        )


@pytest.mark.parametrize(
    "body",
    [
        b"Participating agencies\nGary PD - IN\nLima PD - OH\n",
        b'Participating Police Departments\n"Gary PD, Indiana"\n"Lima PD, Ohio"\n',
        b"Agency,Signed\nGary PD (IN),2025-01-02\nLima PD (OH),2025-01-03\n",
        b'[{"agency":"Gary PD (Gary, IN)"},{"agency":"Lima PD (Lima, OH)"}]',
    ],
)
def test_states_behind_names_are_read_in_every_format_without_a_column_of_states(body: bytes) -> None:
    proposal = propose(body)
    assert (proposal.columns.state, proposal.settings) == (None, {})
    assert "states are read from the ends of the names" in proposal.notes
    found = parse(body, ParseOptions("list", proposal.format, proposal.columns)).listings
    assert [(listing.name, listing.state) for listing in found] == BOTH


def test_a_column_of_states_leaves_names_as_they_are() -> None:
    body = b'Agency,State\n"Gary PD, Indiana",IN\nLima PD - Ohio Division,OH\n'
    found = parse(body, ParseOptions("list", "table", ColumnMap("Agency", "State"))).listings
    assert [listing.name for listing in found] == ["Gary PD, Indiana", "Lima PD - Ohio Division"]
    found = parse(
        b"Agency\nGary PD - OH\n",
        ParseOptions("list", "table", ColumnMap("Agency"), settings={"state": "IN"}),
    ).listings
    assert [(listing.name, listing.state) for listing in found] == [("Gary PD - OH", "IN")]


@pytest.mark.parametrize(
    "inner",
    [
        "<ul><li>Indiana: Gary PD; Lake SO</li><li>Ohio: Lima PD; Allen SO</li></ul>",
        "<h3>Indiana</h3><ul><li>Gary PD; Lake SO</ul><h3>Ohio</h3><ul><li>Lima PD; Allen SO</ul>",
        "<p><b>Indiana:</b> Gary PD; Lake SO</p><p><b>Ohio:</b> Lima PD; Allen SO</p>"
        "<p><b>Texas:</b> Waco PD; Hill SO</p>",
    ],
)
def test_several_agencies_in_one_item_are_read_one_by_one(inner: str) -> None:
    _, found = propose_and_read(inner)
    assert found[:4] == [("Gary PD", "IN"), ("Lake SO", "IN"), ("Lima PD", "OH"), ("Allen SO", "OH")]


ATHENS, LIMA_AND_DC = "Athens Police Department", ("Lima PD", "Metropolitan Police Department")


@pytest.mark.parametrize(
    "inner",
    [
        # a wiki, a builder of pages with an accordion, Word, groups of links, states before names
        "<h2><span>Alabama</span><span>[</span><a>edit</a><span>]</span></h2><ul><li>{0}</ul><h2>Ohio</h2><ul>"
        "<li>{1}</ul><h2>Washington, D.C.</h2><ul><li>{2}</ul>",
        "<h5 class=t>Alabama agencies</h5><p>{0}</p><h5 class=t>Agencies in Ohio</h5><p>{1}</p>"
        "<h5 class=t>District of Columbia (DC)</h5><p>{2}</p>",
        "<p class=M><b>Alabama</b></p><p class=L>\u00b7<span>&nbsp; </span>{0}</p><p class=M><b>Ohio</b></p>"
        "<p class=L>\u00b7 {1}</p><p class=M><b>District of Columbia</b></p><p class=L>\u00b7 {2}</p>",
        "<div><a class=i>{0}<span>Alabama</span></a><a class=i>{1}<span>Ohio</span></a>"
        "<a class=i>{2}<span>District of Columbia</span></a></div>",
        "<ul><li><b>Alabama:</b> {0}<li><b>Ohio:</b> {1}<li><b>District of Columbia:</b> {2}</ul>",
        "<table><tr><td>Alabama<td><ul><li>{0}</ul><tr><td>Ohio<td><ul><li>{1}</ul>"
        "<tr><td>District of Columbia<td><ul><li>{2}</ul></table>",
    ],
)
def test_lists_as_programs_for_pages_write_them(inner: str) -> None:
    _, found = propose_and_read(inner.format(ATHENS, *LIMA_AND_DC))
    assert found == [(ATHENS, "AL"), ("Lima PD", "OH"), ("Metropolitan Police Department", "DC")]


def test_a_list_of_one_state_beside_other_lists() -> None:
    inner = (
        "<p>These take part:</p><ul><li>Gary PD<li>Lake County Sheriff<li>Dyer PD</ul>"
        "<h2>How to join</h2><ul><li>Ask the sheriff<li>Sign the form</ul>"
    )
    proposal, found = propose_and_read(inner)
    assert proposal.columns == ColumnMap("(item)")
    assert [name for name, _ in found] == ["Gary PD", "Lake County Sheriff", "Dyer PD"]
    assert read(page(inner), proposal.columns)[1][0].startswith("lists that are not read")


@pytest.mark.parametrize(
    "inner",
    [
        "<table><tr class=odd><td>Gary PD<td>IN<tr class=even><td>Lima PD<td>OH"
        "<tr class=odd><td>Waco PD<td>TX</table>",
        "<div><div class='row row-1 odd'>Gary PD - IN</div><div class='row row-2 even'>Lima PD - OH</div>"
        "<div class='row row-3 odd'>Waco PD - TX</div></div>",
        "<div><div class=item-1><b>Gary PD</b><p>Gary, IN</div>"
        "<div class=item-2><b>Lima PD</b><p>Lima, OH</div>"
        "<div class=item-3><b>Waco PD</b><p>Waco, TX</div></div>",
    ],
)
def test_rows_without_headers_and_numbered_blocks_are_alike(inner: str) -> None:
    proposal, found = propose_and_read(inner)
    assert (proposal.columns.name, proposal.columns.state) == ("(block)", "(state)")
    assert found == [*BOTH, ("Waco PD", "TX")]


def test_a_table_with_headers_comes_before_its_rows_as_blocks() -> None:
    rows = "".join(f"<tr><td>{name}<td>{state}" for name, state in [*BOTH, ("Waco PD", "TX")])
    proposal, found = propose_and_read(f"<table><tr><th>Agency<th>State{rows}</table>")
    assert (proposal.columns.name, proposal.columns.state) == ("Agency", "State")
    assert found == [*BOTH, ("Waco PD", "TX")]


def test_blocks_in_blocks_are_not_read_to_their_end_at_each_level() -> None:
    body = page("<div><div>Gary PD</div><div>Hammond PD</div>" * 200 + "<div>a PD</div>" * 13_000)
    began = time.process_time()
    assert len(read(body, ColumnMap(name="(block)"))[0]) == 3
    assert time.process_time() - began < 2, "five seconds where each level reads all below it"
