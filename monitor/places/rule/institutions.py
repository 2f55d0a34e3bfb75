"""Universities, schools, airports, transit, hospitals, parks, tribal nations: finds their place in a city."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.domain import Confidence, Placement, PlacementReason
from monitor.places import agency_kinds
from monitor.places.areas import NamedPlace, closest, sites
from monitor.places.county_names import counties_by_key, counties_in_words, county_rows, county_titles
from monitor.places.hand_kept_tables import campus
from monitor.places.names import key, squeeze, word_set
from monitor.places.packaged_table import Point, distance
from monitor.places.rule.listing_in_state import ListingInState, place
from monitor.places.rule.municipalities import named_site
from monitor.places.town_zips import town_rows

CAMPUS_ZIPS = 8  # of a big city, when it is not known where in it an institution is
SEAT_KM = 6.0  # an address in another town, farther from the main seat than that, is another campus
BESIDE_KM = 3.0  # the distance from a campus within which centers of ZIPs are near it
SHORT_NAME = 4  # letters below which a word is no evidence of a town
# farther from its town, a branch belongs to another town ("Austin Community College - Riverside")
BRANCH_KM = 30.0
BRANCH_PEOPLE = 2000  # smaller places are more often the name of a hall or a founder

_COMMON = word_set(
    "north south east west central northern southern eastern western state national united american saint "
    "valley county city "
    "independent unified consolidated community technical university college school police union junior "
    "public safety "
    "southwest southeast northwest northeast texas lake center health science campus system board "
    "trustees main"
)
_NOT_ALONE = _COMMON | agency_kinds.KIND_WORDS | agency_kinds.INSTITUTION_WORDS
_NEVER = agency_kinds.SURE_INSTITUTION_WORDS | word_set("of at and the for")


def institution(subject: ListingInState) -> Placement | None:
    """Place a university, school, airport or the like: the ZIPs near its point, seat or address."""
    said = subject.name.words
    known = campus(said, subject.state)
    if known is None and not agency_kinds.is_institution(said) and not agency_kinds.is_tribal(said):
        return None
    if known is None and _is_municipality(subject):
        return None  # "Schiller Park Police", "Port Orange Police", "Indian Head Police"
    return _near_point(subject) or _seat(subject) or _near_address(subject) or _near_name(subject)


def _is_municipality(subject: ListingInState) -> bool:
    if agency_kinds.is_named_after_a_town(subject.name):
        return False
    first, *others = subject.name.parts or ((),)
    if agency_kinds.KIND_WORDS.isdisjoint(first) and any(map(agency_kinds.is_surely_institution, others)):
        return False  # "San Felipe - Del Rio Independent School District Police"
    cores = [squeeze(core) for core in agency_kinds.variants(subject.name.core)]
    return named_site(subject) is not None or any(core in subject.table.unlocated for core in cores)


def near_point(subject: ListingInState) -> Placement | None:
    """Place an agency by its point if none of the places in its name is known."""
    return _near_point(subject, "point")


def _near_point(subject: ListingInState, how: str = "institution") -> Placement | None:
    if subject.point is None:
        return None
    table = subject.table
    rows = [r for _, r in closest(table, subject.point, 1)]
    rows += [
        r for away, r in closest(table, subject.point, 2, 8.0, areal=True) if away <= BESIDE_KM or not rows
    ]
    rows += [r for _, r in closest(table, subject.point, 1, areal=True)]
    return place(subject, rows, how, Confidence.APPROXIMATE, PlacementReason("near_point"))


def _seat(subject: ListingInState) -> Placement | None:
    """The main seat from the hand-kept list, unless the address is a town far from it."""
    known = campus(subject.name.words, subject.state)
    if known is None:
        return None
    table = subject.table
    rows = [table.row[z] for z in known.zips if z in table.row]
    rows.sort(key=lambda r: table.radius[r] < 0)  # centers of ZIPs with an area are known best
    seat = next((p for r in rows if (p := table.point(r)) and not table.has_shared_point(r)), None)
    reason = PlacementReason("in", (known.town,))
    address = subject.address
    if address is not None and key(address.name) != key(known.town) and not _is_beside(address.point, seat):
        return None
    if seat is None:
        return place(subject, rows, "seat", Confidence.APPROXIMATE, reason)
    if address is None:
        branch = _branch(subject, known.name)
        if branch is not None and branch.point is not None and distance(branch.point, seat) > SEAT_KM:
            return _in_town(subject, branch)
    rows += [r for _, r in closest(table, seat, 1, areal=True)]
    rows += [r for away, r in closest(table, seat, 3, BESIDE_KM, areal=True)]
    return place(subject, rows, "seat", Confidence.APPROXIMATE, reason)


def _is_beside(point: Point | None, seat: Point | None) -> bool:
    return point is not None and seat is not None and distance(point, seat) <= SEAT_KM


def _branch(subject: ListingInState, own: agency_kinds.Words) -> NamedPlace | None:
    """The town of a branch in the name, without its ``own`` words: "... - Loudoun", "... Newark Campus"."""
    said = subject.name.parts[0]
    at = said.index("campus") if "campus" in said else 0
    for part in (*subject.name.parts[1:], said[max(0, at - 3) : at]):
        for run in (r for r in _runs(part) if not agency_kinds.contains(own, r)):
            for site in subject.fit(sites(subject.table, squeeze(run))):
                if site.located and site.population >= BRANCH_PEOPLE:
                    return site
    return None


def _near_address(subject: ListingInState) -> Placement | None:
    return _in_town(subject, subject.address) if subject.address is not None else None


def _in_town(subject: ListingInState, site: NamedPlace) -> Placement | None:
    """The town's ZIPs; for a big town, those nearest to its center."""
    table = subject.table
    rows = list(town_rows(table, site))
    middle = site.point
    if len(rows) > CAMPUS_ZIPS and middle is not None:
        rows.sort(key=lambda r: (table.radius[r] < 0, distance(table.point(r) or middle, middle)))
        del rows[CAMPUS_ZIPS:]
    return place(subject, rows, "institution", Confidence.APPROXIMATE, PlacementReason("in", (site.name,)))


def _near_name(subject: ListingInState) -> Placement | None:
    """The county or town after which the institution is named."""
    table = subject.table
    counties = [c for part in subject.name.parts for c in counties_in_words(table, part)]
    if not counties:
        site = next(_named_towns(subject), None)
        if site is not None:
            return _in_town(subject, site)
        counties = next(
            (
                hit
                for run in _runs(subject.name.parts[0])
                if not agency_kinds.contains(agency_kinds.state_words(subject.state), run)
                and (hit := counties_by_key(table, squeeze(run)))
            ),
            [],
        )[:1]
    if not counties:
        return None
    reason = PlacementReason("in", county_titles(table, counties))
    return place(subject, county_rows(table, counties), "institution_county", Confidence.APPROXIMATE, reason)


def _runs(part: agency_kinds.Words) -> Iterator[agency_kinds.Words]:
    """Runs of words that may be a place, longest first, later before earlier ("... at San Antonio")."""
    for length in range(min(4, len(part)), 0, -1):
        for at in range(len(part) - length, -1, -1):
            run = part[at : at + length]
            if length == 1 and (run[0] in _NOT_ALONE or len(run[0]) < SHORT_NAME):
                continue
            if not any(w in _NEVER for w in run):
                yield run


def _named_towns(subject: ListingInState) -> Iterator[NamedPlace]:
    """The towns in the name, a branch's first; near the town that the institution is named after."""
    own = agency_kinds.state_words(subject.state)
    home = named_site(subject) if agency_kinds.is_named_after_a_town(subject.name) else None
    middle = home.point if home is not None and home.located else None
    for part in (*subject.name.parts[1:], *subject.name.parts[:1]):
        for run in _runs(part):
            if agency_kinds.contains(own, run):
                continue
            for site in subject.fit(sites(subject.table, squeeze(run))):
                far = middle and site.point and distance(middle, site.point) > BRANCH_KM
                if site.located and not far:
                    yield site
