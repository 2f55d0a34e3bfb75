"""Pages whose lists a script shows in parts, and cells whose values are pictures or blocks."""

from __future__ import annotations

import pytest

from monitor.domain import Publication
from monitor.sources import ColumnMap, ParseOptions, parse
from monitor.sources.proposals import propose

ROWS = "<tr><th>Agency<th>State</tr><tr><td>Gary Police<td>IN</tr><tr><td>Lima Police<td>OH</tr>"
COLUMNS = ColumnMap(name="Agency", state="State")


def page(body: str) -> bytes:
    return f"<!DOCTYPE html><html><body>{body}</body></html>".encode()


def read(body: str, **settings: object) -> Publication:
    return parse(page(body), ParseOptions("x", "html", COLUMNS, settings=settings))


def read_as_proposed(body: str) -> Publication:
    proposal = propose(page(body))
    options = ParseOptions("x", proposal.format, proposal.columns, settings=proposal.settings)
    return parse(page(body), options)


@pytest.mark.parametrize(
    "below",
    [
        "<button class='more' data-page='2'>Load more</button>",
        "<a href='#' class='load'>Show more agencies</a>",
        "<a href='javascript:void(0)' aria-label='Next page'>&rsaquo;</a>",
        "<input type='button' value='Next'>",
        "<div><nav><ul><li><span><a href='#'>Next</a></span></li></ul></nav></div>",
        "<span>1</span> <a href=\"javascript:__doPostBack('gv','Page$2')\">2</a>",
    ],
)
def test_rows_that_a_script_adds_are_missing_and_said(below: str) -> None:
    publication = read(f"<table>{ROWS}</table>{below}")
    assert [each.kind for each in publication.problems] == ["rows missing"]
    assert "a script adds more rows" in publication.problems[0].message
    assert publication.in_part
    assert not read(f"<table>{ROWS}</table>{below}", ignore_total=True).problems


@pytest.mark.parametrize(
    "below",
    [
        "<button disabled>Next</button>",
        "<li class='page-item disabled'><a href='#'>Next</a></li>",
        "<div class='carousel slide'><button>Next</button></div>",
        "<button>Show more</button>",
        "<a href='/about'>Load more</a>",
        "<button>Load more news</button>",
        "<button>See more news</button>",
        "<form><input name=email><input type=submit value='Next >'></form>",
        "<footer><div><section><div><button>Next</button></div></section></div></footer>",
    ],
)
def test_buttons_of_other_things_are_none_of_a_list(below: str) -> None:
    assert not read(f"<table>{ROWS}</table>{below}").problems


@pytest.mark.parametrize("said", ["1-2 of 57", "1 \u2013 2 of 57 items", "<b>1</b> to <b>2</b> of <b>57</b>"])
def test_a_range_from_one_states_the_number_of_rows(said: str) -> None:
    assert [each.kind for each in read(f"<table>{ROWS}</table><p>{said}</p>").problems] == ["rows missing"]
    for other in ("chapter 3.1-2 of 57", "Meetings of May 1-2 of 2026"):
        assert not read(f"<table>{ROWS}</table><p>{other}</p>").problems


def test_a_picture_alone_in_a_cell_is_what_its_text_says() -> None:
    body = (
        "<table><tr><th>Agency<th>State</tr><tr><td>Gary Police<td><img src=in.png alt=Indiana></tr>"
        "<tr><td><img src=badge.png alt=Badge>Lima Police<td><img src=oh.png alt=Ohio></tr></table>"
    )
    assert [(x.name, x.state) for x in read(body).listings] == [("Gary Police", "IN"), ("Lima Police", "OH")]


@pytest.mark.parametrize("kinds", [("", ""), ("role=row", "role=gridcell"), ("class=tr", "class=td")])
def test_titles_above_blocks_are_no_agency(kinds: tuple[str, str]) -> None:
    row, cell = kinds
    pairs = (("Agency", "State"), ("Gary Police", "IN"), ("Lima Police", "OH"), ("Kent Police", "OH"))
    rows = (f"<div {row}><div {cell}>{name}</div><div {cell}>{state}</div></div>" for name, state in pairs)
    publication = read_as_proposed(f"<div class=grid>{''.join(rows)}</div>")
    assert [(x.name, x.state) for x in publication.listings] == list(pairs[1:])


def test_a_table_with_its_headers_far_down_is_read_only_where_no_other_fits() -> None:
    far = "<table>" + "<tr><td>A note</tr>" * 30 + f"{ROWS}</table>"
    assert [x.name for x in read(far).listings] == ["Gary Police", "Lima Police"]
    near = "<table><tr><th>Agency<th>State</tr><tr><td>Kent Police<td>OH</tr></table>"
    assert [x.name for x in read(near + far).listings] == ["Kent Police"]
