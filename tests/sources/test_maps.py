from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from monitor.domain import Listing
from monitor.sources import ColumnMap, Links, ParseOptions, find_links, fingerprint, parse
from tests.sources.bodies import kml, placemark, zipped
from tests.sources.golden import FOLDER, MAP

PROFILE = "https://agency.ring.com/agencies/0a1b2c3d-0000-4000-8000-000000000001"


def only(body: bytes, spec: ParseOptions = MAP) -> Listing:
    (listing,) = parse(body, spec).listings
    return listing


def test_a_kmz_reads_like_its_kml() -> None:
    body = (FOLDER / "map.kml").read_bytes()
    assert parse(zipped({"images/a.png": b"png", "doc.kml": body}), MAP) == parse(body, MAP)


def test_utf_16_reads_like_utf_8() -> None:
    text = kml(placemark("Cañon City Police", "Cañon City, CO")).decode()
    assert parse(text.encode("utf-16"), MAP) == parse(text.encode(), MAP)


def test_columns_are_read_by_name_wherever_they_stand() -> None:
    columns = {"Active Date": "5/8/2018", "Agency Profile": PROFILE, "Note": "x"}
    there = only(kml(placemark(**columns)))
    assert there == only(kml(placemark(**dict(reversed(columns.items())))))
    assert there.source_id == PROFILE[-36:]


def test_columns_that_a_source_maps_replace_the_usual_ones() -> None:
    spec = ParseOptions(
        "other", "mymaps", ColumnMap(since="Joined", id="No", county="County", state="State", city="Town")
    )
    columns = {
        "Joined": "1/2/2020",
        "No": "7.0",
        "County": "Lake",
        "State": "Indiana",
        "Town": "Gary",
        "X": "y",
    }
    listing = only(kml(placemark("A", None, **columns)), spec)
    assert (listing.since and listing.since.isoformat(), listing.source_id, listing.county) == (
        "2020-01-02",
        "7",
        "Lake",
    )
    assert (listing.city, listing.state, listing.attributes) == ("Gary", "IN", (("X", "y"),))


def test_named_attributes_leave_the_others_out() -> None:
    spec = ParseOptions("ring", "mymaps", ColumnMap(attributes=("Video Requests",)))
    assert only(kml(placemark(**{"VIDEO requests": "3.0", "Other": "x"})), spec).attributes == (
        ("Video Requests", "3"),
    )


def test_schema_data_is_read_like_data() -> None:
    body = kml(
        "<Placemark><name>A</name><ExtendedData><SchemaData>"
        '<SimpleData name="Active Date">5/8/2018</SimpleData></SchemaData></ExtendedData></Placemark>'
    )
    assert only(body).since is not None


def test_a_placemark_without_an_address_is_no_problem() -> None:
    publication = parse(kml(placemark("A", None)), MAP)
    assert publication.listings[0].state is publication.listings[0].state_text is None
    assert not publication.problems
    assert not publication.columns


def test_long_names_and_texts_are_cut_with_a_problem() -> None:
    publication = parse(kml(placemark("N" * 300, "C" * 300 + ", IN", Note="t" * 3000)), MAP)
    (listing,) = publication.listings
    assert (len(listing.name), len(listing.city or ""), len(listing.attributes[0][1])) == (200, 200, 2000)
    assert [problem.kind for problem in publication.problems] == ["text cut"] * 3


def test_a_link_that_is_no_web_address_is_no_link() -> None:
    publication = parse(kml(placemark(**{"Agency Profile": "javascript:alert(1)"})), MAP)
    assert publication.listings[0].url is None
    assert [problem.kind for problem in publication.problems] == ["bad url"]


def test_free_text_with_colons_is_not_columns() -> None:
    body = kml(
        "<Placemark><name>A</name><description>Open: always&lt;br&gt;Closed: never</description></Placemark>"
    )
    assert only(body).attributes == ()


def test_a_network_link_is_alone_only_without_placemarks() -> None:
    link = "<NetworkLink><name>x</name><Link><href><![CDATA[https://www.google.com/maps/d/kml?mid=1&a=2]]></href></Link></NetworkLink>"
    address = "https://www.google.com/maps/d/kml?mid=1&a=2"
    assert find_links(kml(link), MAP) == Links((address,), alone=True)
    assert find_links(zipped({"doc.kml": kml(link)}), MAP) == Links((address,), alone=True)
    assert find_links(kml(link, placemark()), MAP) == Links((address,))
    assert (
        find_links(kml("<GroundOverlay><Icon><href>https://example.org</href></Icon></GroundOverlay>"), MAP)
        == Links()
    )
    assert find_links(b"<html>", MAP) == Links()
    assert find_links(b"", MAP) == Links()


def test_a_fingerprint_moves_with_what_decides_the_reading() -> None:
    assert fingerprint(MAP) == fingerprint(dataclasses.replace(MAP, name="another"))
    assert fingerprint(MAP) != fingerprint(dataclasses.replace(MAP, format="table"))
    assert fingerprint(MAP) != fingerprint(dataclasses.replace(MAP, columns=ColumnMap(since="Joined")))


def test_a_listing_of_a_map_is_one_like_any_other() -> None:
    listing = only(kml(placemark()))
    assert listing == structs.replace(listing)
    assert hash(listing) == hash(structs.replace(listing))
    assert pickle.loads(pickle.dumps(listing)) == copy.copy(listing) == listing
    with pytest.raises(AttributeError, match="immutable"):
        listing.name = "Gary Police"  # type: ignore[misc]


PLACEMARKS = st.builds(
    lambda name, address, note: placemark(name, address, Note=note),
    st.sampled_from(["Hammond Police", "Gary Police", "Gary  police", "#VALUE!", ""]),
    st.sampled_from(["Hammond, IN", "Gary, IN", "Gary, Indianna", "Toronto, Ontario", None]),
    st.sampled_from(["", "x", "1.0"]),
)


@given(
    st.lists(PLACEMARKS, min_size=1, max_size=8).flatmap(
        lambda them: st.tuples(st.just(them), st.permutations(them))
    )
)
@settings(max_examples=60)
def test_the_order_of_placemarks_does_not_matter(lists: tuple[list[str], list[str]]) -> None:
    always = placemark("Always Police", "Gary, IN")
    one, other = (parse(kml(always, *placemarks), MAP) for placemarks in lists)
    assert set(one.listings) == set(other.listings)
    assert len(one.listings) == len(other.listings)


@pytest.mark.parametrize("text", ["Fish & Game", "A <b> C", "]]>", "Łódź", "a\tb"])
def test_text_and_cdata_say_the_same(text: str) -> None:
    plain = only(kml(placemark(text)))
    cdata = "".join(f"<![CDATA[{piece}]]>" for piece in text.replace("]]>", "]]|>").split("|"))
    assert (
        only(kml(f"<Placemark><name>{cdata}</name><address>Hammond, IN</address></Placemark>")).name
        == plain.name
    )
