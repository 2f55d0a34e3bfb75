"""Identity: the key of a listing within its source, and which removed listing a new one used to be.

Nothing here knows a clock or a history; the rules and their numbers were found on labeled renames of the
287(g) list and are explained where they stand.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import blake2b
from itertools import product

from rapidfuzz import fuzz, process

from monitor.domain import Listing
from monitor.states import STATES

_ABBREVIATIONS = {
    "bocc": "board of county commissioners",
    "bd": "board",
    "cnty": "county",
    "co": "county",
    "comm": "commission",
    "const": "constable",
    "corr": "corrections",
    "cso": "county sheriff office",
    "da": "district attorney",
    "dept": "department",
    "depts": "department",
    "depart": "department",
    "departments": "department",
    "dpt": "department",
    "dist": "district",
    "div": "division",
    "doc": "department of corrections",
    "dps": "department of public safety",
    "fd": "fire department",
    "ft": "fort",
    "hwy": "highway",
    "isd": "independent school district",
    "metro": "metropolitan",
    "mt": "mount",
    "mtn": "mountain",
    "natl": "national",
    "offc": "office",
    "ofc": "office",
    "offices": "office",
    "pct": "precinct",
    "pd": "police department",
    "sheriffs": "sheriff",
    "so": "sheriff office",
    "spd": "school police department",
    "st": "saint",
    "ste": "sainte",
    "twp": "township",
    "univ": "university",
    "vlg": "village",
}
_ARTICLES = re.compile(r"^(?:the )?(?:(?:city|town|county|village|township|borough|parish) of )?(?=.)")
_PLACE_WORDS = frozenset("beach borough city county falls heights parish park town township village".split())  # noqa: SIM905
_AGENCY_WORDS = frozenset(
    [
        "agency", "board", "bureau", "center", "commission", "commissioners", "constable", "correctional",
        "corrections", "department", "detention", "division", "enforcement", "facility", "jail", "law",
        "marshal", "of", "office", "patrol", "police", "public", "safety", "service", "services", "sheriff",
        "state", "the", "trustees",
    ]
)  # fmt: skip
"""What an agency is, not where: what is left of a name without these says which place it is of."""
_INITIALS = re.compile(r"\b(\w)\.(?=\w\b)")

_QUOTES = {ord(c): None for c in "'\u2018\u2019\u02bc`\u00b4"}
_ASCII = (
    {i: (chr(i).lower() if chr(i).isalnum() else " ") for i in range(128)} | _QUOTES | {ord("&"): " and "}
)


def normalise(text: str) -> str:
    """The text without what people do not read as a difference: case, accents, punctuation, white space; "&"
    reads "and".

    An apostrophe and the points of initials join ("Sheriff's" is "sheriffs", "P.D." is "pd"); any other mark
    parts words.
    """
    if "." in text:
        text = _INITIALS.sub(r"\1", text)
    if text.isascii():
        return " ".join(text.translate(_ASCII).split())
    decomposed = unicodedata.normalize("NFKD", text.translate(_QUOTES)).casefold().replace("&", " and ")
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in bare).split())


def expand(name: str, state: str | None) -> str:
    """The name as it is compared with others: abbreviations written out, its own state's name and "city of"
    in front dropped.

    A state's name that is the name of a place stays: Oklahoma County, Virginia Beach, Kansas City.
    """
    return _expanded(normalise(name), state)


def _expanded(text: str, state: str | None) -> str:
    text = _ARTICLES.sub("", text)
    own = STATES.get(state or "", "").lower()
    if own and text.startswith(own + " "):
        rest = text[len(own) + 1 :]
        if rest.split(" ", 1)[0] not in _PLACE_WORDS:
            text = rest
    return " ".join(_ABBREVIATIONS.get(word, word) for word in text.split())


def natural_key(listing: Listing, *, by_city: bool) -> str:
    """The key that a listing has by itself: the source's id, or else state and name, on maps also the city.

    "IN|hammond police department|hammond". Never the county, which publishers move. Letter case and white
    space apart, the name stands as the publisher writes it, because two spellings in one list are two
    listings there; `named_key` recognizes them. A state that could not be read stands as it was written, so
    that no other state shares it.
    """
    city = (listing.city or "") if by_city else None
    return make_key(listing.source_id, listing.state, listing.state_text, listing.name, city)


def make_key(
    source_id: str | None, state: str | None, state_text: str | None, name: str, city: str | None
) -> str:
    """`natural_key` of a listing that is not made yet; ``city`` None leaves the city out."""
    if source_id:
        return f"id:{source_id}"
    key = f"{state or _plain(state_text or '')}|{_plain(name)}"
    return key if city is None else f"{key}|{_plain(city)}"


def named_key(listing: Listing, *, by_city: bool = False) -> str:
    """State and name (and city) as people read them, whatever id the source gives: equal for two spellings of
    one name.
    """
    name = normalise(listing.name) or listing.name.strip()
    key = f"{listing.state or normalise(listing.state_text or '')}|{name}"
    return f"{key}|{normalise(listing.city or '')}" if by_city else key


_plain_marks = str.maketrans("|~", "  ")  # they part the pieces of a key


def _plain(text: str) -> str:
    if "|" in text or "~" in text:
        text = text.translate(_plain_marks)
    return " ".join(text.casefold().split())


def keyed(listings: Iterable[Listing], *, by_city: bool) -> tuple[Listing, ...]:
    """The same listings in the same order, each with a key that no other has.

    Listings with one natural key all get a mark of their own behind it, by url, else point, else content;
    where that is shared too, by the next of them. So it does not matter which stands first in the file, a
    further one changes no key of two or more that were there, and none of several is taken for the one that
    was there alone: `diff.diff` asks which of them it is. Listings alike in everything are counted.
    """
    listings = tuple(listings)
    keys = [natural_key(listing, by_city=by_city) for listing in listings]
    for distinguish in (_first_evidence, _point_evidence, _content_evidence):
        for positions in _shared(keys):
            for position in positions:
                if mark := distinguish(listings[position]):
                    keys[position] += f"~{mark}"
    for positions in _shared(keys):
        positions.sort(key=lambda position: listings[position].folder or "")
        for number, position in enumerate(positions[1:], start=2):
            keys[position] += f"~{number}"
    return tuple(
        listing if listing.key == key else replace(listing, key=key)
        for listing, key in zip(listings, keys, strict=True)
    )


def _shared(keys: list[str]) -> list[list[int]]:
    """The positions of every key that is there more than once."""
    if len(set(keys)) == len(keys):
        return []
    positions: dict[str, list[int]] = defaultdict(list)
    for position, key in enumerate(keys):
        positions[key].append(position)
    return [group for group in positions.values() if len(group) > 1]


def _first_evidence(listing: Listing) -> str:
    return listing.url or _point_evidence(listing) or _content_evidence(listing)


def _point_evidence(listing: Listing) -> str:
    return "{:.6f},{:.6f}".format(*listing.point) if listing.point else ""


def _content_evidence(listing: Listing) -> str:
    return content_digest(replace(listing, key="", folder=None))[:12]


def content_digest(listing: Listing) -> str:
    """A hash of the whole listing, its key included: equal exactly for equal listings (32 hexadecimal
    digits).
    """
    whole = (
        listing.name, listing.key, listing.source_id, listing.city, listing.county, listing.state,
        listing.state_text,
        listing.since and listing.since.isoformat(), tuple(day.isoformat() for day in listing.dates),
        listing.url, listing.documents, listing.attributes, listing.point, listing.folder,
    )  # fmt: skip
    return blake2b(repr(whole).encode(), digest_size=16).hexdigest()


def digest(listings: Iterable[Listing]) -> str:
    """A hash of the set of listings, by which a publication is known again (32 hexadecimal digits).

    In it: names, places, dates and attributes, without letter case and punctuation. Outside: order, keys,
    ids, links, points and folders, for a stale list that is put up again may come with new links, and is as
    stale.
    """
    rows = sorted(
        repr((
            normalise(x.name), x.state or normalise(x.state_text or ""), normalise(x.city or ""),
            normalise(x.county or ""),
            x.since and x.since.isoformat(),
            tuple((column, normalise(text)) for column, text in x.attributes),
        ))
        for x in listings
    )  # fmt: skip
    return blake2b("\n".join(rows).encode(), digest_size=16).hexdigest()


def documents_of(listing: Listing) -> tuple[str, ...]:
    """The documents that the publisher links for it, of all its rows."""
    return listing.documents or ((listing.url,) if listing.url else ())


def dates_of(listing: Listing) -> tuple[date, ...]:
    """The publisher's dates for it, of all its rows."""
    return listing.dates or ((listing.since,) if listing.since else ())


# How alike two names must be, from 0 to 1. On 84 labelled renames of the 287(g) list these paired 82 to 83
# rightly and none wrongly; a raw ratio of 0.82 made mistakes.
_AGREED = 0.60  # same date or document, and the document or the county agrees
_EVIDENCE = 0.85  # same date or document
_CONTRADICTED = 0.90  # same date, but in another county
_NO_EVIDENCE = 0.90
_NEVER = 2.0
_PLACE_WEIGHT = (
    0.1  # the better of two candidates is the one in the same county, unless its name is that much less alike
)


def _named_place(expanded: str) -> frozenset[str]:
    return frozenset(expanded.split()) - _AGENCY_WORDS


def may_be_one(one: Listing, other: Listing) -> bool:
    """Whether two rows to which the publisher gave one id are one agency: of one state, and not plainly named
    after two places.
    """
    if one.state != other.state or one.name == other.name:
        return one.state == other.state
    here, there = (_named_place(expand(x.name, None)) for x in (one, other))
    return (
        here <= there
        or there <= here
        or fuzz.ratio(" ".join(sorted(here)), " ".join(sorted(there))) >= 100 * _EVIDENCE
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """A listing with all that `pair` compares, worked out once.

    ``text`` is its name without its own state's, ``words`` are those of it sorted; ``whole`` is the name that
    it would have in any state.
    """

    listing: Listing
    text: str
    words: str
    whole: str
    state: str
    dates: frozenset[date]
    documents: frozenset[str]
    county: str
    city: str
    named_place: frozenset[str]
    places: tuple[Hashable, ...]
    trade: str


def _trade(words: Collection[str]) -> str:
    """Fire or police, if the name says one of them: a town has both, and neither is the other renamed."""
    fire, police = "fire" in words, "police" in words or "sheriff" in words
    return "" if fire == police else "fire" if fire else "police"


def _candidate(listing: Listing, widespread: frozenset[str]) -> _Candidate:
    name = normalise(listing.name)
    text = _expanded(name, listing.state)
    words = sorted(text.split())
    county = normalise(listing.county or "").removesuffix(" county")
    city = normalise(listing.city or "")
    whole = _expanded(name, None)
    named_place = _named_place(whole)
    return _Candidate(
        listing=listing,
        text=text,
        words=" ".join(words),
        whole=whole,
        state=listing.state or normalise(listing.state_text or ""),
        dates=frozenset(dates_of(listing)),
        documents=frozenset(documents_of(listing)) - widespread,
        county=county,
        city=city,
        named_place=named_place,
        places=tuple(filter(None, (county, city, named_place))),
        trade=_trade(words),
    )


def pair(
    removed: Iterable[Listing], added: Iterable[Listing], *, widespread: frozenset[str] = frozenset()
) -> list[tuple[Listing, Listing]]:
    """Which of the vanished listings is which of the new ones under another name: one to one, the best first.

    Names are compared after `expand`, as they stand and with their words sorted; the better ratio counts. A
    date or a document in common is the publisher's own evidence: 0.60 is enough if the document or the county
    (on maps the city, failing both the place in the name) agrees too, else 0.85, and 0.90 if the counties
    differ or one is a fire department and the other police. Without evidence 0.90, unless the counties differ
    or the attributes have nothing in common. Never where all dates differ. Across states only an identical
    name with evidence, or where one side has no state at all and nobody else has that name. ``widespread``
    are documents that many listings name: no evidence. Which side is called removed does not matter.
    """
    gone = sorted((_candidate(x, widespread) for x in removed), key=_candidate_key)
    come = sorted((_candidate(x, widespread) for x in added), key=_candidate_key)
    found = {
        (was.listing.key, now.listing.key): (_rank(was, now, score), was, now)
        for was, now, score in _resembling(gone, come)
        if score >= _needed(was, now)
    }
    pairs: list[tuple[Listing, Listing]] = []
    taken: set[int] = set()
    for _, was, now in sorted(found.values(), key=lambda match: match[0]):
        if id(was) not in taken and id(now) not in taken:
            taken |= {id(was), id(now)}
            pairs.append((was.listing, now.listing))
    return pairs


def _candidate_key(candidate: _Candidate) -> str:
    return candidate.listing.key


def _rank(was: _Candidate, now: _Candidate, score: float) -> tuple[float, float, str, str]:
    """The order in which pairs are made, least first; ties are broken alike whichever side is which."""
    place = _PLACE_WEIGHT * (_agree(was, now) - _differ(was, now))
    one, other = sorted((was.listing.key, now.listing.key))
    return 2 * (was.state != now.state) + (score < 1), -score - place, one, other


def _agree(was: _Candidate, now: _Candidate) -> bool:
    if was.documents & now.documents:
        return True
    if was.county and now.county:
        return was.county == now.county
    if was.city and now.city:
        return was.city == now.city
    return bool(was.named_place) and was.named_place == now.named_place


def _differ(was: _Candidate, now: _Candidate) -> bool:
    if was.county and now.county:
        return was.county != now.county
    return bool(was.city and now.city) and was.city != now.city


def _needed(was: _Candidate, now: _Candidate) -> float:
    """How alike the names of two listings of one state must be."""
    if was.dates and now.dates and not was.dates & now.dates:
        return _NEVER
    evidence = bool(was.dates & now.dates or was.documents & now.documents)
    if was.state != now.state:
        return 1.0 if evidence or not (was.state and now.state) else _NEVER
    if not evidence:
        return _NEVER if _differ(was, now) or _nothing_in_common(was.listing, now.listing) else _NO_EVIDENCE
    if was.trade and now.trade and was.trade != now.trade:
        return _CONTRADICTED
    if _agree(was, now):
        return _AGREED
    return _CONTRADICTED if _differ(was, now) else _EVIDENCE


def _nothing_in_common(was: Listing, now: Listing) -> bool:
    """Whether both have values in the same columns and not one of them is the same; merged values count one
    by one.
    """
    texts, shared = dict(now.attributes), False
    for column, text in was.attributes:
        if column in texts:
            shared = True
            if not {*map(normalise, text.split(";"))}.isdisjoint(map(normalise, texts[column].split(";"))):
                return False
    return shared


def _resembling(
    gone: Sequence[_Candidate], come: Sequence[_Candidate]
) -> Iterator[tuple[_Candidate, _Candidate, float]]:
    """Every pair that could be one, with its score, found without comparing all with all.

    The evidence that `_needed` asks for is looked up first, so that names are compared only among listings
    that share a state and a date, a document or the lack of a date.
    """
    for was, now in _sharing(gone, come, lambda x: ((x.state, document) for document in x.documents)):
        yield from _close(was, now, _AGREED)
    for was, now in _sharing(gone, come, lambda x: product([x.state], x.dates, x.places)):
        yield from _close(was, now, _AGREED)
    for was, now in _sharing(gone, come, lambda x: ((x.state, day) for day in x.dates)):
        yield from _close(was, now, _EVIDENCE)
    for was, now in _sharing(gone, come, lambda x: (x.state,)):
        undated = [x for x in was if not x.dates]
        yield from _close(undated, now, _NO_EVIDENCE)
        yield from _close([x for x in was if x.dates], [x for x in now if not x.dates], _NO_EVIDENCE)
    for was, now in _sharing(gone, come, lambda x: ((x.whole, mark) for mark in x.dates | x.documents)):
        yield from ((old, new, 1.0) for old, new in product(was, now) if old.state != new.state)
    for was, now in _sharing(gone, come, lambda x: (x.whole,)):
        if len(was) == len(now) == 1 and was[0].state != now[0].state:
            yield was[0], now[0], 1.0


def _sharing(
    gone: Sequence[_Candidate], come: Sequence[_Candidate], marks: Callable[[_Candidate], Iterable[Hashable]]
) -> Iterator[tuple[list[_Candidate], list[_Candidate]]]:
    """For every mark that both sides have, the candidates that bear it."""
    sides: dict[Hashable, tuple[list[_Candidate], list[_Candidate]]] = {}
    for candidate in gone:
        for mark in marks(candidate):
            sides.setdefault(mark, ([], []))[0].append(candidate)
    for candidate in come:
        for mark in marks(candidate):
            if mark in sides:
                sides[mark][1].append(candidate)
    return ((was, now) for was, now in sides.values() if now)


def _close(
    gone: Sequence[_Candidate], come: Sequence[_Candidate], cutoff: float
) -> Iterator[tuple[_Candidate, _Candidate, float]]:
    """The pairs whose names are at least so much alike, with the better of the two ratios."""
    texts, words = [x.text for x in come], [x.words for x in come]
    for was in gone:
        best: dict[int, float] = {}
        for query, choices in ((was.text, texts), (was.words, words)):
            for _, score, index in process.extract(
                query, choices, scorer=fuzz.ratio, processor=None, score_cutoff=100 * cutoff, limit=None
            ):
                best[index] = max(score, best.get(index, 0))
        yield from ((was, come[index], score / 100) for index, score in best.items())
