"""The real workbooks and maps beside the project, as `sources.md` describes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.domain import Publication
from monitor.errors import ParseError
from monitor.sources import ColumnMap, ParseOptions, find_links, parse
from tests.sources.golden import MAP

ICE = ParseOptions(
    "ice-287g",
    "table",
    ColumnMap(
        name="LAW ENFORCEMENT AGENCY",
        state="STATE",
        county="COUNTY",
        since="SIGNED",
        url="MOA",
        attributes=("SUPPORT TYPE", "TYPE", "ADDENDUM"),
    ),
)


def workbook(shared: Path, name: str) -> Publication:
    return parse((shared / "data/ice_287g" / f"{name}.xlsx").read_bytes(), ICE)


@pytest.mark.parametrize(
    ("name", "listings"),
    [
        ("ParticipatingEntities-20210113002027", 147),
        ("ParticipatingEntities-20250219163339", 139),
        ("participatingAgencies-20250224233101", 143),
        ("participatingAgencies-20250226183301", 180),
        ("participatingAgencies-20250410231052", 349),
        ("participatingAgencies03122026am", 1282),
        ("participatingAgencies03132026am", 1280),
        ("participatingAgencies05182026am", 1557),
    ],
)
def test_a_real_workbook_has_so_many_listings(shared: Path, name: str, listings: int) -> None:
    publication = workbook(shared, name)
    assert len(publication.listings) == listings
    assert all(listing.state and listing.since and listing.key for listing in publication.listings)
    assert not publication.damaged


def test_columns_come_and_go_with_the_years(shared: Path) -> None:
    always = {"state", "since", "url", "SUPPORT TYPE"}
    assert workbook(shared, "ParticipatingEntities-20210113002027").columns == always
    assert workbook(shared, "participatingAgencies-20250221214937").columns == always | {"TYPE"}
    assert workbook(shared, "participatingAgencies05182026am").columns == always | {
        "TYPE",
        "county",
        "ADDENDUM",
    }


def test_the_misspelt_pennsylvania_is_read_and_reported_row_by_row(shared: Path) -> None:
    publication = workbook(shared, "participatingAgencies02272026am")
    kinds = [problem.kind for problem in publication.problems]
    assert kinds.count("state read as") == 68
    assert not any(listing.state_text for listing in publication.listings)


def test_totals_on_a_second_sheet_are_no_listings(shared: Path) -> None:
    assert len(workbook(shared, "participatingAgencies03022026am").listings) == 1265


def test_links_are_the_cells_targets(shared: Path) -> None:
    publication = workbook(shared, "participatingAgencies-20250221214937")
    etowah = next(listing for listing in publication.listings if listing.name.startswith("Etowah"))
    assert etowah.url == "https://www.ice.gov/doclib/287gMOA/287gJEM_%20etowahCoAL_06-09-2020.pdf"
    assert not any(listing.url == "link pending" for listing in publication.listings)


@pytest.mark.parametrize(
    ("name", "listings"),
    [("infraclub_first_60d69dd", 488), ("infraclub_59b957a", 1364), ("infraclub_1a034a3", 1364)],
)
def test_no_placemark_of_a_real_map_is_lost_though_names_repeat(
    shared: Path, name: str, listings: int
) -> None:
    publication = parse((shared / "data/mymaps" / f"{name}.kml").read_bytes(), MAP)
    assert len(publication.listings) == listings
    assert len({listing.key for listing in publication.listings}) == listings
    assert {problem.kind for problem in publication.problems} == {"duplicate key"}


def test_an_address_only_map_has_one_listing_and_two_damaged_rows(shared: Path) -> None:
    publication = parse((shared / "data/mymaps/yard_sale_address_only_excerpt.kml").read_bytes(), MAP)
    assert [(listing.city, listing.state) for listing in publication.listings] == [("Richmond", "VA")]
    assert [damaged.name for damaged in publication.damaged] == ["", "#VALUE!"]
    assert dict(publication.listings[0].attributes)["RDC Refined"] == "1"


def test_a_whole_map_export_by_hand_is_a_link_to_follow(shared: Path) -> None:
    body = (shared / "data/mymaps/networklink_only_mymaps.kml").read_bytes()
    assert (
        find_links(body, MAP).hrefs[0]
        == "https://www.google.com/maps/d/u/0/kml?forcekml=1&mid=17ICKizbR91vBsEn6v6RxcI3avAwFi8k"
    )
    with pytest.raises(ParseError, match="only a link"):
        parse(body, MAP)


def test_a_real_map_cut_at_any_percent_never_publishes(shared: Path) -> None:
    body = (shared / "data/mymaps/infraclub_first_60d69dd.kml").read_bytes()
    for percent in range(100):
        with pytest.raises(ParseError):
            parse(body[: len(body) * percent // 100], MAP)
