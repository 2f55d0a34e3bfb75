"""`monitor sources propose`: an operator who has never seen the configuration adds a list."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner, Result

from monitor.cli import root
from monitor.errors import ParseError
from monitor.parser import ParserProcess
from monitor.sources import ParseOptions, parse
from monitor.sources.proposals import propose
from tests.fetch.test_layers import Layer, served
from tests.peers.http import Server
from tests.sources.bodies import kml, placemark, xlsx

STATES = ("Illinois", "Indiana", "Ohio", "Texas", "Maine")
HEADERS: list[object] = [
    "Law Enforcement Agency", "State", "County", "Date Signed", "Agreement", "Support Type", "Contact Name",
]  # fmt: skip
ROWS: list[list[object]] = [
    [f"{name} Police Department", state, "Lake", f"2025-01-{day:02}", "link", kind, f"Chief {name}"]
    for day, (name, state, kind) in enumerate(
        zip(
            ("Gary", "Hammond", "Lima", "Ennis", "Bath", "Peru", "Dixon", "Union", "Reno", "Salem"),
            STATES * 2,
            ("Jail", "Task Force") * 5,
            strict=True,
        ),
        start=1,
    )
]
TABLE = [HEADERS, *ROWS]
LINKS = {f"E{row}": f"https://list.example/moa-{row}.pdf" for row in range(2, 12)}


def text(rows: list[list[object]], delimiter: str = ",") -> bytes:
    return "\n".join([*(delimiter.join(map(str, row)) for row in rows), ""]).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_parser: None) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(root, ["sources", "propose", *arguments])

    return call


def answer(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def source(result: Result) -> dict[str, Any]:
    found = answer(result)
    section: dict[str, Any] = tomllib.loads(found["section"])["sources"][found["name"]]
    return section


EXPECTED = {
    "name": "Law Enforcement Agency",
    "state": "State",
    "county": "County",
    "since": "Date Signed",
    "attributes": ["Support Type"],
}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("list.xlsx", xlsx([["The list of agencies"], [], *TABLE], {})),
        ("list.csv", text(TABLE)),
        ("list.tsv", text([["Agencies with an agreement", *[""] * 6], *TABLE], "\t")),
    ],
)
def test_a_table_is_recognized_by_its_values_and_people_in_it_are_left_out(
    run: Callable[..., Result], tmp_path: Path, name: str, body: bytes
) -> None:
    (tmp_path / name).write_bytes(body)
    found = answer(run(name, "--json"))
    assert (found["format"], found["listings"]) == ("table", 10)
    assert {key: value for key, value in found["columns"].items() if key != "url"} == EXPECTED
    assert found["states"] == {"IL": 2, "IN": 2, "OH": 2, "TX": 2, "ME": 2}
    assert "Contact Name" in found["notes"][-1]
    assert found["samples"][0]["name"] == "Gary Police Department"
    assert not found["problems"]


def test_a_column_of_links_is_the_document() -> None:
    assert propose(xlsx(TABLE, LINKS)).columns.url == "Agreement"


def test_a_map_needs_no_columns_but_its_dates_and_links() -> None:
    body = kml(*(
        placemark(f"A{n}", "Gary, IN", Joined="01/02/2025", Page=f"https://x.example/{n}")
        for n in range(5)
    ))  # fmt: skip
    found = propose(body)
    assert (found.format, found.columns.since, found.columns.url) == ("mymaps", "Joined", "Page")


def test_records_in_json_are_found_with_their_number() -> None:
    records = [{"agency": row[0], "place": {"state": row[1]}, "joined": row[3]} for row in ROWS]
    body = json.dumps({"meta": {"total": 10, "page": 1}, "data": {"portals": records}}).encode()
    found = propose(body)
    assert found.format == "json"
    assert found.settings == {"records": "data.portals", "count": "meta.total"}
    assert (found.columns.name, found.columns.since) == ("agency", "joined")
    assert found.columns.state == "place.state"


def test_properties_of_geojson_are_found() -> None:
    features = [
        {"type": "Feature", "properties": {"AGENCY": row[0], "ST": row[1]}, "geometry": None} for row in ROWS
    ]
    found = propose(json.dumps({"type": "FeatureCollection", "features": features}).encode())
    assert (found.format, found.columns.name, found.columns.state) == ("geojson", "AGENCY", "ST")


PAGE = """<!doctype html><title>Agencies</title><h1>Agencies</h1>
<p>See the <a href="/about.html">program</a>, or <a href="/files/agencies-11282026.csv">download the list of
participating agencies</a>. {}</p>"""
JSON_LINES = "".join(json.dumps(dict(zip(HEADERS, map(str, row), strict=True))) + "\n" for row in ROWS)


@pytest.mark.parametrize(
    ("ending", "body"),
    [("tsv", text(TABLE, "\t")), ("tab", text(TABLE, "\t")), ("jsonl", JSON_LINES.encode())],
)
def test_the_link_is_found_by_the_ending_of_any_format(
    run: Callable[..., Result], server: Server, ending: str, body: bytes
) -> None:
    page = PAGE.replace(".csv", f".{ending}").replace("download the list of\nparticipating agencies", "Q3")
    server.put("/list.html", page.format("").encode())
    server.put(f"/files/agencies-11282026.{ending}", body)
    section = source(run(server.url("/list.html"), "--json"))
    assert section["link"] == rf"agencies\-[^/]*\.{ending}$"


def test_a_page_that_links_a_file_whose_name_changes_becomes_a_page_and_a_link(
    run: Callable[..., Result], server: Server
) -> None:
    server.put("/list.html", PAGE.format("").encode())
    server.put("/about.html", b"<!doctype html><p>About")
    server.put("/files/agencies-11282026.csv", text(TABLE))
    section = source(run(server.url("/list.html"), "--json"))
    assert section["page"] == server.url("/list.html")
    assert section["link"] == r"agencies\-[^/]*\.csv$"
    assert "url" not in section
    assert section["columns"] | {"url": "Agreement"} == EXPECTED | {"url": "Agreement"}


def test_a_page_with_a_table_is_read_itself(run: Callable[..., Result], server: Server) -> None:
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in TABLE)
    server.put("/list.html", PAGE.format(f"</p><table>{rows}</table>").encode())
    section = source(run(server.url("/list.html"), "--json"))
    assert (section["format"], section["url"]) == ("html", server.url("/list.html"))


def test_a_page_within_or_behind_a_page_is_the_list(run: Callable[..., Result], server: Server) -> None:
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in TABLE)
    published = server.url("/spreadsheets/pubhtml")
    server.page("/spreadsheets/pubhtml?widget=true", f"<!doctype html><table>{rows}</table>")
    server.page("/spreadsheets/pubhtml", f"<!doctype html><table>{rows}</table>")
    server.page("/frame", "<!doctype html><iframe src='/spreadsheets/pubhtml?widget=true'></iframe>")
    server.page("/links", "<!doctype html><a href='/spreadsheets/pubhtml'>The list of agencies</a>")
    assert source(run(server.url("/frame"), "--json"))["url"] == f"{published}?widget=true"
    assert source(run(server.url("/links"), "--json"))["url"] == published


def test_a_page_whose_links_cannot_be_read_is_still_examined(
    run: Callable[..., Result], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*page: object) -> NoReturn:
        raise ParseError("Reading it took too much memory.")

    monkeypatch.setattr(ParserProcess, "read_links", refuse)
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in TABLE)
    server.put("/list.html", f"<table>{rows}</table>".encode())
    assert source(run(server.url("/list.html"), "--json"))["format"] == "html"
    server.put("/list.html", b"<html><p>Nothing</p></html>")
    assert "Reading it took too much memory" in run(server.url("/list.html")).stderr


def test_an_arcgis_layer_is_recognized_by_its_address(run: Callable[..., Result]) -> None:
    with served(Layer()) as url:
        found = answer(run(f"{url}/query?where=1%3D1", "--json"))
    assert (found["format"], found["listings"]) == ("arcgis", 7)
    assert {key: found["columns"][key] for key in ("name", "state", "since")} == {
        "name": "AGENCY",
        "state": "ST",
        "since": "JOINED",
    }


def test_what_is_proposed_is_shown_and_nothing_is_written(
    run: Callable[..., Result], server: Server, tmp_path: Path
) -> None:
    server.put("/agencies.csv", text(TABLE))
    result = run(server.url("/agencies.csv"))
    assert result.exit_code == 0
    assert "10 listings: IL 2, IN 2, OH 2, TX 2, ME 2" in result.stdout
    assert "Gary Police Department" in result.stdout
    assert "[sources.agencies]" in result.stdout
    assert "--write" in result.stdout.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_written_section_is_one_that_can_be_checked_and_polled(
    run: Callable[..., Result], server: Server, tmp_path: Path
) -> None:
    server.put("/agencies.csv", text(TABLE))
    off = "[sources.ring]\nenabled = false\n[sources.ice-287g]\nenabled = false\n"
    off += "[sources.ice-287g-pending]\nenabled = false"
    (tmp_path / "config.toml").write_text(off)
    (tmp_path / "config.toml").chmod(0o600)
    result = run(server.url("/agencies.csv"), "--name", "city", "--title", "The city's list", "--write")
    assert result.exit_code == 0, result.output
    written = (tmp_path / "config.toml").read_text()
    assert written.startswith(off + "\n\n[sources.city]\n")
    assert (tmp_path / "config.toml").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]
    polled = CliRunner().invoke(root, ["poll", "city", "--json"])
    assert json.loads(polled.stdout)["outcome"] == "baseline", polled.output

    again = run(server.url("/agencies.csv"), "--name", "city", "--write")
    assert again.exit_code == 2
    assert "already exists" in again.stderr


def test_a_configuration_behind_a_link_keeps_its_place_owner_and_group(
    run: Callable[..., Result], server: Server, tmp_path: Path
) -> None:
    """A file that root writes again would be root's, and the service could not read it any more."""
    server.put("/agencies.csv", text(TABLE))
    kept = tmp_path / "kept" / "monitor.toml"
    kept.parent.mkdir()
    kept.write_text("")
    owner = (65_534, 65_534) if os.geteuid() == 0 else (os.geteuid(), kept.stat().st_gid)
    os.chown(kept, *owner)
    (tmp_path / "config.toml").symlink_to(kept)
    result = run(server.url("/agencies.csv"), "--name", "city", "--write")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "config.toml").is_symlink()
    assert "[sources.city]" in kept.read_text()
    assert (kept.stat().st_uid, kept.stat().st_gid) == owner


def test_without_a_configuration_nothing_is_written_and_init_is_named(
    run: Callable[..., Result], server: Server, tmp_path: Path
) -> None:
    server.put("/agencies.csv", text(TABLE))
    result = run(server.url("/agencies.csv"), "--name", "city", "--write")
    assert result.exit_code == 2
    assert "`monitor init`" in result.stderr
    assert list(tmp_path.iterdir()) == []
    assert server.requests == []
    assert CliRunner().invoke(root, ["init"]).exit_code == 0
    assert run(server.url("/agencies.csv"), "--name", "city", "--write").exit_code == 0
    assert (tmp_path / "config.toml").stat().st_mode & 0o777 == 0o600
    assert "[sources.city]" in (tmp_path / "config.toml").read_text("utf-8")


def test_a_configuration_with_a_mistake_is_not_written_to(
    run: Callable[..., Result], server: Server, tmp_path: Path
) -> None:
    server.put("/agencies.csv", text(TABLE))
    (tmp_path / "config.toml").write_text("")
    result = run(server.url("/agencies.csv"), "--title", "", "--write")
    assert result.exit_code == 0  # an empty title is none
    (tmp_path / "list.csv").write_bytes(text(TABLE))
    result = run("list.csv", "--write")
    assert result.exit_code == 2
    assert "--url" in result.stderr


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "The body is empty"),
        (b"a,b\n1,2\n", "No row of headers"),
        (b"<!doctype html><p>Log in", "no table"),
        (b'{"a": 1}', "no array of records"),
        (b"PK\x03\x04" + bytes(30), "damaged"),
    ],
)
def test_what_is_no_list_is_told_in_one_line(
    run: Callable[..., Result], tmp_path: Path, body: bytes, reason: str
) -> None:
    (tmp_path / "file").write_bytes(body)
    result = run("file")
    assert result.exit_code == 1
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


def test_neither_a_file_nor_an_address_is_wrong_usage(run: Callable[..., Result]) -> None:
    result = run("nothing.csv")
    assert result.exit_code == 2
    assert "there is no file nothing.csv" in result.stderr


def records(*numbers: int) -> list[dict[str, object]]:
    return [
        {"agency": ROWS[number][0], "state": ROWS[number][1], "signed": ROWS[number][3]} for number in numbers
    ]


def test_records_are_found_below_any_key_beside_other_values() -> None:
    body = json.dumps({"meta": {"total": 4}, "data": {"portals": [*records(0, 1, 2), "text"]}}).encode()
    proposal = propose(body)
    assert proposal.settings == {"records": "data.portals", "count": "meta.total"}
    assert (proposal.columns.name, proposal.columns.since) == ("agency", "signed")


def test_records_by_their_keys_are_found() -> None:
    keyed = {"meta": {"made": "2026-01-02"}, "agencies": {f"a{at}": records(at)[0] for at in range(5)}}
    proposal = propose(json.dumps(keyed).encode())
    assert proposal.settings == {"records": "agencies"}
    assert proposal.columns.state == "state"


def test_arrays_of_records_by_state_are_one_list() -> None:
    agencies = {"IL": [{"agency": "Chicago Police"}], "IN": [{"agency": "Gary Police"}] * 2}
    proposal = propose(json.dumps(agencies).encode())
    assert proposal.settings == {}
    assert proposal.columns.state == "(key)"


def test_two_arrays_that_are_not_of_states_are_two_lists() -> None:
    proposal = propose(json.dumps({"joined": records(0, 1, 2), "left": records(3, 4)}).encode())
    assert proposal.settings == {"records": "joined"}
    assert proposal.notes[-1] == "other arrays that are not read: left (2)"


def test_a_title_over_two_columns_and_a_page_that_is_only_a_table_are_read() -> None:
    rows = "".join(
        f"<tr><td>{row[0]}</td><td>{row[1]}</td><td><a href=m.pdf>PDF</a></td><td>{row[3]}</td></tr>"
        for row in ROWS
    )
    head = "<tr><th>Agency</th><th>State</th><th colspan=2>Agreement</th></tr>"
    proposal = propose(f"<table>{head}{rows}</table>".encode())
    assert proposal.format == "html"
    assert (proposal.columns.name, proposal.columns.url) == ("Agency", "Agreement")


def test_the_time_of_an_edit_is_no_date_of_an_agency() -> None:
    """Map servers add "EDIT_DATE" and the like to each row; it moves with every edit."""
    rows = "".join(f"{row[0]},{row[1]},{row[3]},2026-11-27\n" for row in ROWS)
    proposal = propose(f"Agency,State,Joined,EDIT_DATE\n{rows}".encode())
    assert proposal.columns.since == "Joined"
    assert proposal.columns.attributes == ()
    only = "".join(f"{row[0]},{row[1]},2026-11-27\n" for row in ROWS)
    without = propose(f"Agency,State,last_updated\n{only}".encode())
    assert without.columns.since is None
    assert without.notes[-1] == "columns that are not read: last_updated"


def test_a_list_of_one_state_gets_it_from_the_operator(run: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(text([[row[0], row[2], row[3]] for row in TABLE]))
    assert "name it with --state IN" in run(str(file)).output
    told = answer(run(str(file), "--state", "Indiana", "--json"))
    assert (told["options"], told["states"]) == ({"state": "IN"}, {"IN": 10})
    refused = run(str(file), "--state", "Nowhere")
    assert refused.exit_code == 2


def test_titles_in_capitals_and_towns_with_their_states_are_recognized(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "portal.csv"
    rows = [["OBJECTID", "AGENCY_NM", "CITY_NM", "STATE_CD", "CNTY_NM"]]
    rows += [[str(at), f"{row[0]}", "Gary", str(row[1]), "Lake"] for at, row in enumerate(ROWS)]
    file.write_bytes(text(rows))  # type: ignore[arg-type]
    columns = answer(run(str(file), "--json"))["columns"]
    assert (columns["city"], columns["county"], columns["state"]) == ("CITY_NM", "CNTY_NM", "STATE_CD")
    file = tmp_path / "news.csv"
    rows = [
        ["Department", "Where"],
        *([str(row[0]), f'"{str(row[0]).split()[0]}, {row[1]}"'] for row in ROWS),
    ]
    file.write_bytes(text(rows))  # type: ignore[arg-type]
    told = answer(run(str(file), "--json"))
    assert told["columns"]["state"] == "Where"
    assert (told["samples"][0]["city"], told["samples"][0]["state"]) == ("Gary", "IL")


def test_what_is_written_is_checked_and_polled_at_once(
    run: Callable[..., Result], tmp_path: Path, server: Server
) -> None:
    """The five minutes of an operator who adds a list: propose, check, poll."""
    notes = [["Questions: call 555-0100", "", "", "", "", "", ""]]
    server.put("/agencies.csv", text([*TABLE, *notes]))
    (tmp_path / "config.toml").write_text(
        "[sources.ring]\nenabled = false\n[sources.ice-287g]\nenabled = false\n"
        "[sources.ice-287g-pending]\nenabled = false\n"
    )
    assert run(server.url("/agencies.csv"), "--name", "city", "--write").exit_code == 0

    checked = CliRunner().invoke(root, ["check"])
    assert "city: 10 listings, 1 problem: 1 x footer; the first, in row 12: " in checked.output
    polled = CliRunner().invoke(root, ["poll", "city"])
    assert polled.exit_code == 0, polled.output
    assert polled.stdout.splitlines() == [
        "city: baseline",
        "  10 agencies listed now, none announced; from the next poll on changes are",
    ]
    again = CliRunner().invoke(root, ["poll", "city"])
    assert again.stdout.splitlines() == ["city: unchanged"]


def test_a_page_of_lists_under_states_is_proposed_polled_and_its_changes_told(
    run: Callable[..., Result], tmp_path: Path, server: Server
) -> None:
    def page(*ohio: str) -> bytes:
        items = "".join(f"<li>{name}</li>" for name in ohio)
        return (
            "<!doctype html><title>Partners</title><nav><ul><li>Police Department<li>Sheriff</ul></nav>"
            "<h2>Indiana</h2><ul><li>Gary Police Department<li>Lake County Sheriff</ul>"
            f"<h2>Ohio</h2><ul>{items}</ul>"
        ).encode()

    server.put("/list.html", page("Lima Police Department", "Allen County Sheriff"))
    off = "".join(f"[sources.{name}]\nenabled = false\n" for name in ("ring", "ice-287g", "ice-287g-pending"))
    (tmp_path / "config.toml").write_text(off)
    assert run(server.url("/list.html"), "--name", "city", "--write").exit_code == 0

    def poll() -> list[str]:
        return CliRunner().invoke(root, ["poll", "city"]).output.splitlines()

    assert poll()[:2] == [
        "city: baseline",
        "  4 agencies listed now, none announced; from the next poll on changes are",
    ]
    server.put(
        "/list.html", page("Lima Police Department", "Allen County Sheriff", "Akron Police Department")
    )
    assert poll() == ["city: published (1 added)"]
    server.put("/list.html", b"<!doctype html><title>Partners</title><p>The list is moving.</p>")
    assert "No list of agencies is on the page" in " ".join(poll())


def test_days_that_come_first_are_an_option_of_the_section(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "lista.csv"
    rows = "".join(
        f"Policía de {town},TX,{day}\n"
        for town, day in (("Waco", "03/04/2025"), ("Austin", "25/12/2024"), ("Tyler", "31/1/2025"))
    )
    file.write_text(f"Agencia,Estado,Fecha de firma\n{rows}", "utf-8")
    (tmp_path / "config.toml").touch()
    result = run(str(file), "--url", "https://list.example/lista.csv", "--write", "--json")
    proposed = answer(result)
    assert proposed["options"] == {"dates": "day-first"}
    assert proposed["problems"] == []
    assert [one["since"] for one in proposed["samples"]] == ["2025-04-03", "2024-12-25", "2025-01-31"]
    (section,) = tomllib.loads((tmp_path / "config.toml").read_text("utf-8"))["sources"].values()
    assert section["options"] == {"dates": "day-first"}


def test_dates_that_may_have_the_day_first_are_told(run: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "lista.csv"
    file.write_text("Agencia,Estado,Fecha\nWaco Police,TX,03/04/2025\nTyler Police,TX,05/06/2025\n", "utf-8")
    proposed = answer(run(str(file), "--json"))
    assert proposed["options"] == {}
    assert [note for note in proposed["notes"] if "03/04/2025 is 2025-03-04" in note]


def test_states_beside_the_first_of_their_agencies_are_filled_down_in_short_blocks_too() -> None:
    rows = ["Illinois,Peru PD", ",Dixon PD", "Indiana,Gary PD", ",Lake SO", "Maine,Bath PD", "Ohio,Lima PD"]
    proposal = propose("\n".join(["State,Agency", *rows, "Ohio Total,1", ""]).encode())
    assert (proposal.columns.state, proposal.settings) == ("State", {"fill_down": ["State"]})


def test_a_state_that_is_missing_here_and_there_is_not_that_of_the_row_above() -> None:
    rows = [f"{state},{state} City PD" for state in ("IL", "IN", "OH", "TX", "ME", "NM", "IA", "FL")]
    proposal = propose("\n".join(["State,Agency", *rows[:4], ",Peru PD", *rows[4:], ""]).encode())
    assert (proposal.columns.state, proposal.settings) == ("State", {})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"Agency^State\nGary PD^IN\nLima PD^OH\n", 'separated by "^"; save it with commas.'),
        (b"Agency          State\nGary PD         IN\nLima PD         OH\n", "separated by spaces; save it"),
        (b'"Agency,State"\n"Gary PD,IN"\n"Lima PD,OH"\n', "each of its lines is in quotes as a whole"),
        (
            b"Gary Police Department,IN,Lake\nLima Police Department,OH,Allen\n",
            "The text has no row of headers",
        ),
        (b"Gary Police Department\nLima Police Department\n", "No row of headers"),
        (
            b"Gary Police Department,Lima Police Department\nLake County Sheriff,Allen County Sheriff\n",
            "No row of headers",
        ),
    ],
)
def test_a_text_without_columns_or_headers_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=re.escape(reason)):
        propose(body)


def test_of_two_tables_side_by_side_the_first_is_read() -> None:
    body = b"Agency,State,,Agency,State\nGary PD,IN,,Lima PD,OH\nDixon PD,IL,,Ennis PD,TX\n"
    proposal = propose(body)
    found = parse(body, ParseOptions("list", proposal.format, proposal.columns))
    assert [listing.name for listing in found.listings] == ["Gary PD", "Dixon PD"]
    assert [problem.kind for problem in found.problems] == ["odd table"]


def test_a_column_that_is_called_after_police_departments_is_one() -> None:
    proposal = propose(b"Participating Police Department,State\nGary Police Department,IN\nLima Police,OH\n")
    assert proposal.columns.name == "Participating Police Department"


def test_the_codes_of_a_layer_are_judged_by_their_names() -> None:
    codes = [{"code": at, "name": state} for at, state in enumerate(STATES)]
    fields = [
        {"name": "agency", "type": "esriFieldTypeString"},
        {"name": "st", "type": "esriFieldTypeSmallInteger", "domain": {"codedValues": codes}},
        {"name": "signed", "type": "esriFieldTypeDate"},
    ]
    records = [
        {"attributes": {"agency": f"{name} Police", "st": at, "signed": 1736467200000}}
        for at, name in enumerate(("Peru", "Gary", "Lima", "Ennis", "Bath"))
    ]
    columns = propose(json.dumps({"fields": fields, "features": records}).encode()).columns
    assert (columns.name, columns.state, columns.since) == ("agency", "st", "signed")


def test_cells_of_a_hundred_thousand_characters_are_judged_by_their_beginning() -> None:
    body = text([["Agency", "State"], *([f"{state} PD {'total ' * 20_000}", state] for state in STATES * 4)])
    columns = propose(body).columns
    assert (columns.name, columns.state) == ("Agency", "State")
