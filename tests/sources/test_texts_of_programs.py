"""Texts as programs export them: what is written around the rows, and how characters are escaped."""

from __future__ import annotations

import pytest

from monitor.errors import ParseError
from monitor.sources import ColumnMap, ParseOptions, parse
from monitor.sources.proposals import propose

OPTIONS = ParseOptions("list", "table", ColumnMap(name="Agency", state="State"))
GARY, LIMA = ("Gary Police Department", "IN"), ("Lima Police Department", "OH")


def read(body: bytes, options: ParseOptions = OPTIONS) -> tuple[list[tuple[str, str | None]], list[str]]:
    publication = parse(body, options)
    return [(x.name, x.state) for x in publication.listings], [x.kind for x in publication.problems]


def read_as_proposed(body: bytes) -> tuple[list[tuple[str, str | None]], list[str]]:
    proposal = propose(body)
    return read(body, ParseOptions("x", proposal.format, proposal.columns, settings=proposal.settings))


def test_a_csv_of_excel_on_a_macintosh_is_in_its_encoding() -> None:
    body = "Agency,State\rDoña Ana Police,NM\rO\u2019Fallon Police,MO\r".encode("mac_roman")
    alone = "Agency,State\rR\xedo Rancho Police,NM\r".encode("mac_roman")
    assert read(alone)[0] == [("R\xedo Rancho Police", "NM")]
    assert read(body) == ([("Doña Ana Police", "NM"), ("O\u2019Fallon Police", "MO")], ["wrong encoding"])


def test_a_csv_with_the_line_ends_of_a_macintosh_may_be_of_windows() -> None:
    names = ["Do\xf1a Ana Police", "O\u2019Fallon Police", "R\xedo Rancho Police"]
    body = "Agency,State\r" + "".join(f"{name},NM\r" for name in names)
    assert [name for name, _ in read(body.encode("cp1252"))[0]] == names


def test_the_schema_above_a_list_of_sharepoint_is_no_header() -> None:
    schema = b'\xef\xbb\xbfListSchema="{""schemaXmlList"":[""<Field DisplayName=\\""Agency\\"" />""]}"\r\n'
    body = schema + b'"Agency","State"\r\n"Gary Police Department","IN"\r\n"Lima Police Department","OH"\r\n'
    assert read_as_proposed(body) == ([GARY, LIMA], [])


@pytest.mark.parametrize(
    "body",
    [
        b"# Agencies\n\n| Agency | State |\n|:---|:---:|\n| Gary Police Department | IN |\n"
        b"| Lima Police Department | OH |\n",
        b" Agency                 | State \n------------------------+-------\n"
        b" Gary Police Department | IN\n Lima Police Department | OH\n(2 rows)\n",
        b"+------------------------+-------+\n| Agency                 | State |\n"
        b"+------------------------+-------+\n| Gary Police Department | IN    |\n"
        b"| Lima Police Department | OH    |\n+------------------------+-------+\n",
    ],
    ids=["markdown", "psql", "mysql"],
)
def test_lines_that_are_drawn_are_no_agencies(body: bytes) -> None:
    assert read_as_proposed(body)[0] == [GARY, LIMA]


def test_quotation_marks_of_a_database_are_unescaped() -> None:
    assert read(b'Agency,State\n"Allen Sheriff\\\'s Office",OH\n')[0] == [("Allen Sheriff's Office", "OH")]


def test_who_made_a_list_on_which_day_is_no_agency() -> None:
    body = b"Agency,State\nGary Police Department,IN\nPrepared 11/20/2026 by the Clerk of the Board,\n"
    assert read(body) == ([GARY], ["footer"])


def test_a_town_between_an_agency_and_its_state_is_its_town() -> None:
    body = b'Agencies\n"Gary Police Department, Gary, IN"\n"Allen County Sheriff\'s Office, Lima, OH"\n'
    publication = parse(body, ParseOptions("x", "table", ColumnMap(name="Agencies")))
    assert [(x.name, x.city, x.state) for x in publication.listings] == [
        ("Gary Police Department", "Gary", "IN"),
        ("Allen County Sheriff's Office", "Lima", "OH"),
    ]
    body = b'Agencies\n"Police Department, City of Gary, IN"\n'
    publication = parse(body, ParseOptions("x", "table", ColumnMap(name="Agencies")))
    assert [(x.name, x.state) for x in publication.listings] == [("Police Department, City of Gary", "IN")]


@pytest.mark.parametrize(
    "names",
    [
        ["City Police, Gary", "City Police, Hammond"],
        ["Indiana State Police, Troop A", "Indiana State Police, Troop B"],
        ["Lake County Sheriff's Office, North Station", "Lake County Sheriff's Office, South Station"],
        ["Purdue University Police, Calumet Campus", "Purdue University Police, Fort Wayne"],
    ],
)
def test_a_town_without_which_two_agencies_would_be_one_stays_in_the_name(names: list[str]) -> None:
    rows = "".join(f'"{name}, IN"\n' for name in names)
    publication = parse(f"Agencies\n{rows}".encode(), ParseOptions("x", "table", ColumnMap(name="Agencies")))
    assert [(x.name, x.state) for x in publication.listings] == [(name, "IN") for name in names]


def test_the_delimiter_is_the_one_that_parts_every_row() -> None:
    body = (
        b"Agency,State\nGary Police Department,IN\nAllen County Sheriff&#39;s Office,OH\n"
        b"Do&ntilde;a Ana County Sheriff&#39;s Office,NM\nO&#39;Fallon Police Department,MO\n"
    )
    assert [name for name, _ in read_as_proposed(body)[0]] == [
        "Gary Police Department",
        "Allen County Sheriff's Office",
        "Doña Ana County Sheriff's Office",
        "O'Fallon Police Department",
    ]


def test_columns_are_recognized_by_the_agencies_in_them() -> None:
    body = b"Title,State,County\nGary Police Department,IN,Lake\nLima Police Department,OH,Allen\n"
    assert read_as_proposed(body) == ([GARY, LIMA], [])
    assert propose(body.replace(b"Title", b"Company")).columns.name == "Company"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"State:,Indiana,Agency:,Lake County Sheriff's Department\n" * 3, "No row of headers"),
        (b"BEGIN:VCARD\nORG:Gary Police Department\nEND:VCARD\n", "a file of contacts or dates"),
        (b"BEGIN:VCALENDAR\nSUMMARY:Gary Police Department joins\nEND:VCALENDAR\n", "contacts or dates"),
        (b'ID;PWXL;N;E\r\nC;Y1;X1;K"Agency"\r\n', "a spreadsheet in SYLK"),
        (b"From: clerk@list.example\r\nSubject: agencies\r\n\r\nGary Police Department\r\n", "an email"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_give(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        propose(body)


def test_what_stands_for_no_county_is_none() -> None:
    columns = ColumnMap(name="Agency", state="State", county="County", city="City", id="ORI")
    rows = (
        f"{town} Police,IN,{no},{no},{no}"
        for town, no in zip("ABCDE", ("NA", "NULL", "N/A", "-", "nan"), strict=True)
    )
    body = "\n".join(["Agency,State,County,City,ORI", *rows, ""]).encode()
    publication = parse(body, ParseOptions("x", "table", columns))
    assert {(x.county, x.city, x.source_id) for x in publication.listings} == {(None, None, None)}
    assert not publication.problems


def test_a_total_in_another_column_than_the_name_is_no_agency() -> None:
    body = b"Region,State,Agency\nWest,IN,Gary Police Department\n,,\nTotal,,1\n"
    assert read(body) == ([GARY], ["footer"])


def test_columns_without_a_header_that_hold_agencies_are_said() -> None:
    body = (
        b"Participating Agencies,,\nGary Police Department (IN),Lima Police Department (OH),\n"
        b"Hammond Police Department (IN),Kent Police Department (OH),x\n"
    )
    names, _ = read_as_proposed(body)
    assert names == [GARY, ("Hammond Police Department", "IN")]
    proposal = propose(body)
    said = [each.message for each in parse(body, ParseOptions("x", "table", proposal.columns)).problems]
    assert said == ["columns without a header that hold agencies are not read: 2"]


def test_the_organization_above_an_agency_is_not_the_agency() -> None:
    body = (
        b"Parent Organization,Agency Name,State\n"
        b"City of Gary,Gary Police Department,IN\nCity of Lima,Lima PD,OH\n"
    )
    assert propose(body).columns.name == "Agency Name"


def test_the_row_labels_of_a_pivot_table_are_its_names() -> None:
    rows = [
        ("Indiana", "2"), ("Gary Police Department", "1"), ("Hammond Police Department", "1"),
        ("Ohio", "2"), ("Lima Police Department", "1"), ("Kent Police Department", "1"),
    ]  # fmt: skip
    body = "\n".join(["Row Labels,Count of Agency", *(",".join(row) for row in rows), ""]).encode()
    columns = propose(body).columns
    assert (columns.name, columns.state) == ("Row Labels", "(heading)")


def test_an_outline_is_named_whatever_stands_in_it() -> None:
    body = b"agencies:\n- name: Gary Police Department\n  state: IN\n- name: Lima Police\n  state: OH\n"
    with pytest.raises(ParseError, match="seems to be YAML"):
        propose(body)
