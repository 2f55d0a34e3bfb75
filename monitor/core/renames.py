"""The rename rule: matches new listings to the removed ones that they used to be.

It uses no clock and no history; the rule and its numbers were tuned on labeled renames of the 287(g) list and
are explained where they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Protocol

from rapidfuzz import fuzz, process

from monitor.core.identity import dates_of, documents_of
from monitor.core.wording import expand, expand_normalized, named_place, normalize
from monitor.domain import Listing

# Required similarity of two names, from 0 to 1. On 84 labeled renames of the 287(g) list these paired 82 to
# 83 correctly and none incorrectly; a raw ratio of 0.82 made mistakes.
_ONE_PLACE = 0.30  # a document, an id or coordinates that no other listing has, and a word of the place
_AGREED = 0.60  # same date or document, and the document or the county agrees
_EVIDENCE = 0.85  # same date or document
_CONTRADICTED = 0.90  # same date, but in another county
_NO_EVIDENCE = 0.90
_NEVER = 2.0
_KIND_WORDS = frozenset(("county", "city", "town"))
# Of two candidates the one in the same county is better, unless its name is that much less similar.
_PLACE_WEIGHT = 0.1


def may_be_one(one: Listing, other: Listing) -> bool:
    """Whether two rows with the same id of the publisher are one agency: in the same state, and not clearly
    named after two places.
    """
    if one.state != other.state or one.name == other.name:
        return one.state == other.state
    here, there = (named_place(expand(x.name, None)) for x in (one, other))
    return (
        here <= there
        or there <= here
        or fuzz.ratio(" ".join(sorted(here)), " ".join(sorted(there))) >= 100 * _EVIDENCE
    )


class Pairing(Protocol):
    """The signature of `pair`; the parser implements it in another process."""

    def __call__(
        self, removed: Iterable[Listing], added: Iterable[Listing], *, widespread: frozenset[str] = ...
    ) -> list[tuple[Listing, Listing]]: ...


def evidence_of(listing: Listing) -> tuple[str, ...]:
    """The evidence that identifies an agency apart from its name: the publisher's documents, its id, its
    coordinates.

    Coordinates are compared to seven decimal places, about a centimeter, the precision to which maps repeat
    them.
    """
    ids = (f"id:{listing.source_id}",) if listing.source_id else ()
    return (*documents_of(listing), *ids, *point_of(listing))


def point_of(listing: Listing) -> tuple[str, ...]:
    """The coordinates as evidence; empty without a point."""
    return ("point:{:.7f},{:.7f}".format(*listing.point),) if listing.point else ()


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """A listing with everything that `pair` compares, computed once. ``text`` is its name without the name of
    its own state, ``words`` are the sorted words of ``text``. ``plain`` is the name with its abbreviations,
    because a typing error can hide one; ``whole`` is the normalized name without regard to its state.
    """

    listing: Listing
    text: str
    words: str
    plain: str
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
    """Return the trade that a name contains, fire or police: a town has both, and neither is the other
    renamed.
    """
    fire, police = "fire" in words, "police" in words or "sheriff" in words
    return "" if fire == police else "fire" if fire else "police"


def _candidate(listing: Listing, widespread: frozenset[str]) -> _Candidate:
    name = normalize(listing.name)
    text = expand_normalized(name, listing.state)
    words = sorted(text.split())
    county = normalize(listing.county or "").removesuffix(" county")
    city = normalize(listing.city or "")
    whole = expand_normalized(name, None)
    where = named_place(whole)
    where_bare = where - _KIND_WORDS
    return _Candidate(
        listing=listing,
        text=text,
        words=" ".join(words),
        plain=name,
        whole=whole,
        state=listing.state or normalize(listing.state_text or ""),
        dates=frozenset(dates_of(listing)),
        documents=frozenset(evidence_of(listing)) - widespread,
        county=county,
        city=city,
        named_place=where,
        places=tuple(filter(None, (county, city, where_bare))),
        trade=_trade(words),
    )


def pair(
    removed: Iterable[Listing], added: Iterable[Listing], *, widespread: frozenset[str] = frozenset()
) -> list[tuple[Listing, Listing]]:
    """Match removed listings to new ones under another name: one to one, the best match first.

    Names are compared after `expand`, in their own word order and with sorted words, and as written; the best
    ratio counts. A date or a document in common is the publisher's own evidence: 0.60 is enough if the
    document or the county (on maps the city, failing both the place in the name) agrees too, otherwise 0.85,
    and 0.90 if the counties differ or one is a fire department and the other police. Without evidence 0.90 is
    required, and there is no match if the counties differ or the attributes have nothing in common, or ever
    if all dates differ. Coordinates and the source's id count as documents; with one of them and a word of
    the place in common, 0.30 is enough. Across states, only an identical name matches, with evidence, or if
    one side has no state and no other listing has that name. ``widespread`` is evidence that many listings
    share; it is ignored. The result does not depend on which side is called removed.
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
    """The sort key for making pairs, lowest first; symmetric, so that ties do not depend on which side is
    removed.
    """
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
    where = was.named_place - _KIND_WORDS
    return bool(where) and where == now.named_place - _KIND_WORDS


def _differ(was: _Candidate, now: _Candidate) -> bool:
    if was.county and now.county:
        return was.county != now.county
    return bool(was.city and now.city) and was.city != now.city


def _needed(was: _Candidate, now: _Candidate) -> float:
    """The similarity that the names of two listings of one state must have."""
    if was.dates and now.dates and not was.dates & now.dates:
        return _NEVER
    evidence = bool(was.dates & now.dates or was.documents & now.documents)
    if was.state != now.state:
        return 1.0 if evidence or not (was.state and now.state) else _NEVER
    if not evidence:
        return _NEVER if _differ(was, now) or _nothing_in_common(was.listing, now.listing) else _NO_EVIDENCE
    if was.trade and now.trade and was.trade != now.trade:
        return _CONTRADICTED
    if was.documents & now.documents and was.named_place & now.named_place - _KIND_WORDS:
        return _ONE_PLACE
    if _agree(was, now):
        return _AGREED
    return _CONTRADICTED if _differ(was, now) else _EVIDENCE


def _nothing_in_common(was: Listing, now: Listing) -> bool:
    """Whether both have values in the same columns and no value is equal; merged values are compared one by
    one.
    """
    texts, shared = dict(now.attributes), False
    for column, text in was.attributes:
        if column in texts:
            shared = True
            if not {*map(normalize, text.split(";"))}.isdisjoint(map(normalize, texts[column].split(";"))):
                return False
    return shared


_MOST_COMPARED = 12_000_000
"""The limit of name comparisons in one pairing: enough for 3,400 listings that leave one state and as many
new ones.
"""
_MOST_ALIKE = 20
"""The number of similar names that are considered for a given one, the nearest first."""


class _Budget:
    """The number of comparisons that one pairing has left."""

    def __init__(self) -> None:
        self.left = _MOST_COMPARED

    def allows(self, gone: Sequence[_Candidate], come: Sequence[_Candidate]) -> bool:
        """Whether all of ``gone`` may be compared with all of ``come``; if so, the comparisons are
        deducted.
        """
        cost = len(gone) * len(come)
        if cost > self.left:
            return False
        self.left -= cost
        return True


def _resembling(
    gone: Sequence[_Candidate], come: Sequence[_Candidate]
) -> Iterator[tuple[_Candidate, _Candidate, float]]:
    """Yield every possible pair with its score, without comparing all with all.

    The evidence that `_needed` requires is looked up first, so that names are compared only among listings
    that share a state and a date, a document or the lack of a date. Where too many share it, only equal names
    make a pair.
    """
    budget = _Budget()
    for was, now in _sharing(gone, come, lambda x: ((x.state, document) for document in x.documents)):
        yield from _close(was, now, budget, _ONE_PLACE)
    for was, now in _sharing(gone, come, lambda x: product([x.state], x.dates, x.places)):
        yield from _close(was, now, budget, _AGREED)
    for was, now in _sharing(gone, come, lambda x: ((x.state, day) for day in x.dates)):
        yield from _close(was, now, budget, _EVIDENCE)
    for was, now in _sharing(gone, come, lambda x: (x.state,)):
        undated = [x for x in was if not x.dates]
        yield from _close(undated, now, budget, _NO_EVIDENCE)
        yield from _close([x for x in was if x.dates], [x for x in now if not x.dates], budget, _NO_EVIDENCE)
    for was, now in _sharing(gone, come, lambda x: ((x.whole, mark) for mark in x.dates | x.documents)):
        both = product(was, now) if budget.allows(was, now) else zip(was, now, strict=False)
        yield from ((old, new, 1.0) for old, new in both if old.state != new.state)
    for was, now in _sharing(gone, come, lambda x: (x.whole,)):
        if len(was) == len(now) == 1 and was[0].state != now[0].state:
            yield was[0], now[0], 1.0


def _sharing(
    gone: Sequence[_Candidate], come: Sequence[_Candidate], marks: Callable[[_Candidate], Iterable[Hashable]]
) -> Iterator[tuple[list[_Candidate], list[_Candidate]]]:
    """Yield the candidates that have a mark, for every mark that both sides have."""
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
    gone: Sequence[_Candidate], come: Sequence[_Candidate], budget: _Budget, cutoff: float
) -> Iterator[tuple[_Candidate, _Candidate, float]]:
    """Yield the pairs whose names have at least the similarity ``cutoff``, with the best of the ratios."""
    if not budget.allows(gone, come):
        yield from _equal(gone, come)
        return
    texts, words, plain = ([getattr(x, form) for x in come] for form in ("text", "words", "plain"))
    for was in gone:
        best: dict[int, float] = {}
        for query, choices in ((was.text, texts), (was.words, words), (was.plain, plain)):
            for _, score, index in process.extract(
                query,
                choices,
                scorer=fuzz.ratio,
                processor=None,
                score_cutoff=100 * cutoff,
                limit=_MOST_ALIKE,
            ):
                best[index] = max(score, best.get(index, 0))
        yield from ((was, come[index], score / 100) for index, score in best.items())


def _equal(
    gone: Sequence[_Candidate], come: Sequence[_Candidate]
) -> Iterator[tuple[_Candidate, _Candidate, float]]:
    """Yield pairs with equal names, ignoring word order; of several with one name, the first with the
    first.
    """
    for was, now in _sharing(gone, come, lambda x: (x.words,)):
        yield from ((old, new, 1.0) for old, new in zip(was, now, strict=False))
