"""The rule: which step decides, how sure it is, and what it says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from monitor.domain import Confidence, Listing, Placement
from monitor.messages.placements import describe_placement
from monitor.places import STATES, load


def locate(
    name: str,
    state: str | None,
    city: str | None = None,
    county: str | None = None,
    point: tuple[float, float] | None = None,
) -> Placement:
    return load().locate(Listing(name=name, state=state, city=city, county=county, point=point))


def english(placement: Placement) -> str:
    return describe_placement(placement.reason, "en")


@pytest.mark.parametrize(
    ("name", "state", "city", "how"),
    [
        ("New York State Police Troop K", "NY", "Poughkeepsie", "state_wide"),
        ("Department of Corrections", "AK", None, "state_wide"),
        ("Cook County Sheriff's Office", "IL", "Chicago", "county"),
        ("Sheriff of Orleans Parish", "LA", None, "county"),
        ("NYPD", "NY", "New York", "consolidated"),
        ("Schiller Park Police", "IL", "Schiller Park", "name_is_city"),
        ("University of California Davis Police", "CA", "Davis", "seat"),
        ("Rockford Park District Police", "IL", "Rockford", "institution"),
        ("Hammond Police Department", "IN", None, "name"),
        ("Central Berks Regional Police", "PA", "Reading", "address_city"),
        ("Albemarle-Charlottesville Regional Jail", "VA", None, "regional_jail"),
        ("Drug Task Force - Hartsville", "TN", None, "name"),
        ("North Hodge Police", "LA", None, "namesake"),
        ("Neuces County Constable Precinct 5", "TX", None, "misspelt_county"),
        ("Schaumberg Police Department", "IL", None, "misspelt_town"),
        ("Anne Arundel Police Department", "MD", "Millersville", "county_by_name"),
        ("Narcotics Task Force", "MO", None, "not_placed"),
    ],
)
def test_how_names_the_step_that_decided(name: str, state: str, city: str | None, how: str) -> None:
    assert locate(name, state, city).how == how


def test_an_agency_with_two_towns_serves_both() -> None:
    both = locate("Joint Public Safety Task Force", "IL", "Springfield; Decatur")
    one, other = (locate("Joint Public Safety Task Force", "IL", town) for town in ("Springfield", "Decatur"))
    assert set(both.places) == {*one.places, *other.places}
    assert one.places != other.places
    assert both.confidence is Confidence.APPROXIMATE
    assert english(both) == "covers Springfield and Decatur"


def test_an_agency_that_its_name_places_is_there_whatever_its_towns() -> None:
    both = locate("Sangamon County Sheriff's Office", "IL", "Springfield; Decatur")
    assert both == locate("Sangamon County Sheriff's Office", "IL", "Springfield")


def test_an_agency_without_a_state_goes_to_those_who_follow_everything() -> None:
    for state in (None, "XX", ""):
        placement = locate("Springfield Police", state)
        assert placement.places == ("US",)
        assert placement.confidence is Confidence.STATE_ONLY
        assert not placement.statewide


def test_an_agency_that_cannot_be_placed_stays_in_its_state_and_says_so() -> None:
    placement = locate("Narcotics Enforcement Team", "MS")
    assert placement.places == ("MS",)
    assert placement.confidence is Confidence.STATE_ONLY
    assert not placement.statewide
    assert "could not be placed within Mississippi" in english(placement)


def test_a_known_village_without_a_known_place_is_said_to_exist() -> None:
    assert "exists, but it is not known where in Missouri" in english(locate("Champ Police Department", "MO"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Mount Vernon Police Department", "MT. VERNON PD"),
        ("Saint Charles Police Department", "St Charles Police Dept."),
        ("Ember Police", "ember police"),
        ("City of Peoria Police Department", "Peoria, City of, Police"),
        ("Lake County Sheriff's Office", "Lake Co. Sheriffs Office"),
        ("LaSalle County Sheriff", "La Salle County Sheriff"),
        ("O\u2019Fallon Police Department", "OFallon Police Department"),
        ("Village of Schaumburg Police Department", "Schaumburg Police"),
    ],
)
def test_spelling_does_not_decide_where_an_agency_is(one: str, other: str) -> None:
    assert locate(one, "IL").places == locate(other, "IL").places


def test_accents_do_not_decide_where_an_agency_is() -> None:
    assert (
        locate("Policía Municipal de Mayagüez", "PR").places
        == locate("POLICIA MUNICIPAL DE MAYAGUEZ", "PR").places
        == ("00680", "00682")
    )


def test_a_misspelt_place_is_never_more_than_approximate() -> None:
    for name, state in (("Schaumberg Police Department", "IL"), ("Alleghany County Sheriff", "PA")):
        assert locate(name, state).confidence is Confidence.APPROXIMATE


def test_a_misspelling_near_two_names_is_not_guessed() -> None:
    assert locate("Marien Police Department", "ZZ").how == "no_state"
    assert (
        locate("Hansen Police Department", "MA").how != "misspelt_town"
        or len(locate("Hansen Police Department", "MA").places) > 0
    )


def test_an_independent_city_and_the_county_of_its_name_are_kept_apart() -> None:
    city, county = locate("Roanoke City Sheriff's Office", "VA"), locate("Roanoke County Police", "VA")
    assert "24011" in city.places
    assert "24011" not in county.places
    assert english(city) == "covers the city of Roanoke"
    assert english(county) == "covers Roanoke County"


def test_every_zip_with_two_percent_of_its_land_in_the_county_is_the_sheriffs() -> None:
    gazetteer = load()
    for zip_code in ("60010", "60126"):  # Barrington and Elmhurst reach into Cook County
        area = gazetteer.zip(zip_code)
        assert area is not None
        assert "Cook County" in area.counties
        assert zip_code in locate("Cook County Sheriff", "IL").places


def test_same_named_townships_are_told_apart_by_county() -> None:
    washington = locate("Union Township Police Department", "PA", county="Washington County")
    assert washington.confidence is Confidence.APPROXIMATE
    areas = [load().zip(z) for z in washington.places]
    assert all(a is not None and "Washington County" in a.counties for a in areas)


def test_a_far_address_wins_over_the_name_and_is_marked_as_conflict() -> None:
    placement = locate("Abington Township Police", "PA", city="Erie")
    assert placement.confidence is Confidence.CONFLICT
    assert "16501" in placement.places


def test_a_name_and_a_near_address_are_both_served_approximately() -> None:
    placement = locate("Panama City Beach Police Department", "FL", city="Panama City")
    assert placement.confidence is Confidence.APPROXIMATE
    assert "32407" in placement.places


def test_a_county_that_contradicts_the_name_is_marked_as_conflict() -> None:
    assert locate("Peoria Police Department", "IL", county="Cook County").confidence is Confidence.CONFLICT


@pytest.mark.parametrize(
    ("name", "state", "city", "far", "neighbors"),
    [
        ("Omaha Police", "NE", "Omaha", "68144 68137 68164", "68046"),  # 12 to 16 km out; Papillion
        ("Wichita Police", "KS", "Wichita", "67206 67226 67235", "67037"),  # Derby
        ("Henderson PD", "NV", "Henderson", "89011 89014 89052 89074", "89109"),
        ("Overland Park PD", "KS", "Overland Park", "66213 66221 66223 66224", "66206"),  # Leawood
        ("Colorado Springs PD", "CO", "Colorado Springs", "80919 80920 80923", "80911"),  # Security-Widefield
        ("Phoenix PD", "AZ", "Phoenix", "85022 85024 85032", "85281"),  # Tempe
        ("Billings PD", "MT", "Billings", "59105", "59301"),  # a wide ZIP across the river
        ("Charlottesville PD", "VA", "Charlottesville", "22901 22902 22903", "22932"),  # mostly countryside
    ],
)
def test_a_city_has_its_own_zips_far_from_its_middle_and_not_its_suburbs(
    name: str, state: str, city: str, far: str, neighbors: str
) -> None:
    places = set(locate(name, state, city).places)
    assert set(far.split()) <= places
    assert not set(neighbors.split()) & places


def test_a_city_does_not_take_what_lies_deeper_in_the_larger_city_beside_it() -> None:
    assert "60644" not in locate("Oak Park Police", "IL", "Oak Park").places  # Austin, in Chicago
    assert "71101" not in locate("Bossier City Police", "LA", "Bossier City").places  # Shreveport


def test_a_suburb_without_a_post_office_takes_what_lies_deepest_in_it() -> None:
    places = locate("St. Louis Park Police", "MN", "St. Louis Park").places
    assert {"55416", "55426"} <= set(places)
    assert "55403" not in places


def test_a_township_beside_the_city_of_its_name_is_not_the_city() -> None:
    city = locate("Bethlehem Police Department", "PA", "Bethlehem")
    township = locate("Bethlehem Township Police Department", "PA", "Bethlehem")
    assert {"18015", "18018"} <= set(city.places)
    assert not {"18015", "18018"} & set(township.places)


def test_a_district_of_a_county_is_not_the_whole_county() -> None:
    known = locate("King County Fire District 2", "WA", "Burien")
    assert "98052" not in known.places
    assert english(known) == "covers a part of King County, about Burien: an estimate"
    unknown = locate("King County Fire Protection District No. 44", "WA")
    assert unknown.confidence is Confidence.APPROXIMATE
    assert english(unknown) == "covers a part of King County: an estimate"


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("AZ DPS", "AZ"),
        ("NYS DEC Police", "NY"),
        ("N.J. State Police", "NJ"),
        ("SLED", "SC"),
        ("CHP - Golden Gate Division", "CA"),
        ("Maine Warden Service", "ME"),
        ("Maryland Natural Resources Police", "MD"),
        ("Virginia ABC", "VA"),
        ("Ohio Investigative Unit", "OH"),
    ],
)
def test_a_state_agency_is_known_by_its_letters_and_its_function(name: str, state: str) -> None:
    assert locate(name, state).statewide


def test_letters_of_another_state_say_nothing() -> None:
    assert not locate("SLED", "OH").statewide
    assert not locate("La Salle Police", "LA").statewide
    assert not locate("Mt. Vernon Police", "MT").statewide


def test_the_state_after_the_place_is_not_part_of_its_name() -> None:
    assert "66101" in locate("Kansas City Kansas Police Department", "KS").places
    assert locate("Eastern Kentucky Task Force", "KY").how == "not_placed"  # not the village of Eastern


def test_a_county_in_the_place_of_the_town_is_read_as_the_county() -> None:
    placement = locate("District Attorney's Office", "MA", "Norfolk County")
    assert english(placement) == "covers Norfolk County"


def test_a_sheriff_named_like_a_city_and_a_county_is_told_apart_by_the_address() -> None:
    assert "23219" in locate("Richmond Sheriff's Office", "VA", "Richmond").places
    assert "22572" in locate("Richmond Sheriff's Office", "VA", "Warsaw").places
    assert "22101" in locate("Fairfax Sheriff's Office", "VA", "Fairfax").places


@pytest.mark.parametrize(
    "point",
    [(0.0, 0.0), (41.6, 87.5), (-41.6, -87.5), (float("nan"), -87.5), (float("inf"), 1e9), (91.0, -87.5)],
)
def test_a_point_that_cannot_be_is_not_used(point: tuple[float, float]) -> None:
    for name in ("Hammond Police", "Mercy Hospital Police"):
        assert locate(name, "IN", "Hammond", point=point) == locate(name, "IN", "Hammond")


def test_a_point_just_over_the_border_is_used() -> None:
    assert locate("Mercy Hospital Police", "IN", point=(41.62, -87.53)).how == "institution"


def test_a_point_far_from_the_town_named_is_a_conflict() -> None:
    placement = locate("Gary Police", "IN", point=(39.77, -86.16))  # Indianapolis
    assert placement.confidence is Confidence.CONFLICT
    assert english(placement) == "covers Gary, though its point is far from there"


@pytest.mark.parametrize(
    ("name", "state", "sure", "zip_code"),
    [
        ("Rappahannock Regional Jail", "VA", False, "22623"),
        ("Blue Ridge Regional Jail Authority", "VA", False, "24064"),
        ("Jackson City Jail", "MI", True, "49201"),
        ("Norfolk City Jail", "VA", True, "23502"),
        ("Town of Brookhaven Public Safety", "NY", False, "11719"),
        ("Town of Hempstead Public Safety", "NY", False, "11550"),
        ("Hempstead Police Department", "NY", True, "11550"),
        ("Town of Greece Police", "NY", True, "14626"),
        ("Town of Wallkill Police", "NY", False, "10941"),
        ("Town of Madison Police", "WI", False, "53703"),
        ("Town of Herndon Police", "VA", True, "20170"),
        ("Lansing Township Police", "MI", False, "48917"),
        ("Saginaw Township Police", "MI", False, "48602"),
        ("Redford Township Police", "MI", True, "48239"),
        ("Tredyffrin Township Police", "PA", True, "19301"),
        ("No. Little Rock PD", "AR", True, "72114"),
        ("Guardia Municipal San Juan", "PR", True, "00901"),
        ("City of Industry", "CA", True, "91746"),
    ],
)
def test_what_is_called_after_a_town_without_being_the_towns_is_not_exact(
    name: str, state: str, sure: bool, zip_code: str
) -> None:
    placement = load().locate(Listing(name=name, state=state))
    assert (placement.confidence is Confidence.EXACT) is sure
    assert zip_code in placement.places


@pytest.mark.parametrize(
    ("name", "state", "zip_code"),
    [
        ("Andrews AFB Police", "MD", "20762"),
        ("Lackland AFB Security Forces", "TX", "78236"),
        ("Lackland ISD Police", "TX", "78236"),
        ("Fort Sam Houston ISD Police", "TX", "78234"),
        ("Joint Base San Antonio-Lackland", "TX", "78236"),
        ("Nellis AFB Security Forces", "NV", "89191"),
        ("Nellis", "NV", "89191"),
        ("Fort Liberty Police", "NC", "28310"),
        ("West Point Military Police", "NY", "10996"),
        ("Naval Station Norfolk Police", "VA", "23511"),
        ("Yosemite", "CA", "95389"),
        ("Lone Star College Police", "TX", "77381"),
        ("Delaware River Port Authority Police", "NJ", "08102"),
        ("Indiana University Police Department - Northwest", "IN", "46408"),
    ],
)
def test_bases_parks_and_branches_are_near_their_gate(name: str, state: str, zip_code: str) -> None:
    placement = load().locate(Listing(name=name, state=state))
    assert placement.confidence is Confidence.APPROXIMATE
    assert zip_code in placement.places
    assert len(placement.places) <= 3


def test_an_endless_name_is_read_in_no_time() -> None:
    assert locate("police and " * 30_000, "IL").places == ("IL",)


@pytest.mark.parametrize("city", ["El Paso", None])
def test_an_institution_named_after_a_big_city_is_not_its_government(city: str | None) -> None:
    placement = locate("El Paso Community College Police", "TX", city)
    assert placement.confidence is Confidence.APPROXIMATE
    assert len(placement.places) <= 8
    assert locate("El Paso Police Airport Substation", "TX", "El Paso").confidence is Confidence.EXACT


def test_a_branch_far_from_the_town_of_its_institution_is_not_believed() -> None:
    campus = locate("Austin Community College - Riverside Campus", "TX")
    assert campus.places[0].startswith("787")


def test_a_campus_never_takes_a_whole_big_city() -> None:
    for name, city, state in (
        ("Chicago Medical Hospital Police", "Chicago", "IL"),
        ("Houston Independent School District Police", "Houston", "TX"),
        ("Some University Police", "Los Angeles", "CA"),
    ):
        placement = locate(name, state, city)
        assert 1 <= len(placement.places) <= 8
        assert placement.confidence is Confidence.APPROXIMATE


def test_a_point_places_an_institution_by_itself() -> None:
    placement = locate("Riverside Hospital Police", "IL", "Chicago", point=(41.787, -87.588))
    assert "60637" in placement.places
    assert len(placement.places) <= 3


def test_a_point_brings_a_town_the_zip_it_stands_in() -> None:
    without = locate("Tinley Park Police", "IL", "Tinley Park").places
    point = (41.556, -87.787)
    assert set(without) <= set(locate("Tinley Park Police", "IL", "Tinley Park", point=point).places)


def test_a_point_tells_two_towns_of_one_name_apart() -> None:
    north = locate("Riverview Police", "MO", point=(38.748, -90.212))
    south = locate("Riverview Police", "MO", point=(38.276, -93.07))
    assert set(north.places).isdisjoint(south.places)


def test_a_reason_reads_as_the_rest_of_a_sentence() -> None:
    assert english(locate("Lake County Sheriff", "IN")) == "covers Lake County"
    assert english(locate("Hammond Police Department", "IN", "Hammond")) == "covers Hammond"
    assert english(locate("Illinois State Police", "IL")) == "covers all of Illinois"


def test_many_threads_get_the_same_answers() -> None:
    listings = [
        Listing(name="Springfield Police", state=s, city="Springfield") for s in ("IL", "MO", "OH", "MA")
    ] * 50
    gazetteer = load()
    one_by_one = [gazetteer.locate(li) for li in listings]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(gazetteer.locate, listings)) == one_by_one


TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)
WORDS = st.lists(
    st.sampled_from(
        [
            "police",
            "county",
            "of",
            "sheriff",
            "city",
            "university",
            "state",
            "the",
            "-",
            "/",
            ",",
            "lake",
            "town",
            "twp",
            "department",
            ".",
            "'",
            "and",
            "'s",
            "saint",
        ]
    ),
    max_size=7,
).map(" ".join)


@given(
    st.one_of(TEXT, WORDS),
    st.one_of(st.none(), TEXT, WORDS),
    st.one_of(st.none(), TEXT),
    st.sampled_from([*STATES, None, "XX"]),
    st.one_of(st.none(), st.tuples(st.floats(-90, 90), st.floats(-180, 180))),
)
def test_no_listing_is_ever_dropped_or_raises(
    name: str, city: str | None, county: str | None, state: str | None, point: tuple[float, float] | None
) -> None:
    placement = locate(name, state, city, county, point)
    assert placement.places == tuple(sorted(set(placement.places)))
    assert placement.places
    assert placement.how
    assert placement.reason
    zips = [p for p in placement.places if p.isdigit()]
    assert zips == list(placement.places) or placement.places in ((state,), ("US",))
    assert not (placement.statewide and zips)


@given(
    st.sampled_from(
        [
            "Hammond Police Department",
            "Lake County Sheriff",
            "Indiana State Police",
            "Purdue University Police",
        ]
    )
)
def test_the_answer_depends_on_nothing_but_the_listing(name: str) -> None:
    listing = Listing(name=name, state="IN")
    first = load().locate(listing)
    load().locate(structs.replace(listing, name="Gary Police"))
    assert load().locate(listing) == first


@pytest.mark.parametrize(
    ("name", "state", "code"),
    [
        ("College Station Police Department", "TX", "77840"),
        ("City of Lake Station Police", "IN", "46405"),
        ("Borough of State College Police Department", "PA", "16801"),
        ("District Heights Police Department", "MD", "20747"),
        ("Safety Harbor Police", "FL", "34695"),
        ("Huntington Station Police", "NY", "11746"),
    ],
)
def test_a_town_with_the_word_of_an_office_in_its_name_is_that_town(name: str, state: str, code: str) -> None:
    placement = load().locate(Listing(name=name, state=state))
    assert (placement.how, placement.confidence) == ("name", Confidence.EXACT)
    assert code in placement.places
    assert len(placement.places) < 12


@pytest.mark.parametrize(
    "name", ["Iowa State College Police", "State University Police", "School District Police"]
)
def test_an_office_is_no_town_where_there_is_none_of_its_name(name: str) -> None:
    assert load().locate(Listing(name=name, state="IA")).how != "name"
