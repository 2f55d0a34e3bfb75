"""Finds the kind of an agency in its name, and the words of the name for its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from monitor.places.names import spell_direction, word_set, words
from monitor.states import STATES

Words = tuple[str, ...]


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(f" {line.strip()} " for line in text.strip().splitlines())


ALWAYS_STATE = _phrases(
    """
    state police
    state patrol
    highway patrol
    highway police
    state trooper
    state troopers
    state bureau of investigation
    state capitol police
    attorney general
    attorney generals
    national guard
    dept of natural resources
    alcoholic beverage control
    game and fish
    fish and game
    fish and wildlife
    wildlife and fisheries
    parks and wildlife
    wildlife resources
    state fire marshal
    state fire marshals
    natural resources police
    game wardens
    warden service
    marine patrol bureau
    alcohol law enforcement
    """
)
"""Phrases that towns and counties do not use for themselves."""

STATE_FUNCTIONS = word_set(
    "state dept fire division bureau office board commission attorney highway game fish wildlife army air "
    "alcoholic "
    "alcohol marine capitol conservation forest forestry law gaming lottery racing rangers agency "
    "secretary inspector "
    "correctional corrections correction environmental parole probation narcotics mounted executive "
    "supreme legislative governor governors motor drug gang "
    "park parks livestock agriculture insurance dot transportation task criminal judicial military senate "
    "house warden wardens natural marshal abc ale atf commerce customs deep encon general land dci dec "
    "dem bca bci sbi doc dps excise liquor tobacco cannabis casino youth "
    "vehicle vehicles investigative investigation crime health human trial court courts juvenile lottery "
    "racing parks tax revenue labor"
)
"""Words that follow the state's own name in the name of one of its agencies."""

STATE_SUBJECTS = word_set(
    "correction corrections correctional justice revenue insurance agriculture forestry conservation "
    "wildlife lottery gaming "
    "parole probation environmental natural investigation investigations veterans labor taxation commerce "
    "juvenile "
    "transportation motor health human mental inspector agricultural"
)
"""Subjects of departments without a place in their name ("Department of Corrections")."""

INSTITUTION_WORDS = word_set(
    "university universidad college colleges school schools airport airports hospital hospitals medical "
    "transit transportation "
    "railroad railway rail institute polytechnic seminary campus academy park parks housing port ports "
    "harbor zoo museum "
    "authority preserve preserves recreation library clinic healthcare health turnpike expressway bridge "
    "tunnel lake "
    "waterway water utility utilities mall casino community ranch dam reservoir isd"
)
SURE_INSTITUTION_WORDS = word_set(
    "university universidad college colleges school schools airport airports hospital hospitals medical "
    "transit railroad railway "
    "institute polytechnic seminary campus housing preserve preserves zoo museum turnpike isd"
)

_SCHOOL_BOARD = ("board", "of", "education")

PRECINCTS = word_set("precinct pct district ward")
"""Words for a numbered part of a county."""

TRIBAL_WORDS = word_set("tribal tribe tribes nation indian pueblo rancheria reservation")

COUNTY_OFFICES = word_set("sheriff constable constables sheriffs prosecutor prosecutors attorney attorneys")
"""Offices of a county even if the word "county" is not in the name."""

KIND_WORDS = word_set(
    "police policia guardia policing sheriff marshal marshals constable constables dept fire jail detention "
    "prison penitentiary law ranger rangers "
    "patrol security court courts prosecutor prosecutors attorney attorneys correctional corrections "
    "correction bureau division "
    "office headquarters safety public station substation deputies enforcement narcotics investigations "
    "investigation "
    "sheriffs commonwealths states district districts probation parole coroner animal dispatch "
    "communications emergency 911 traffic "
    "services service unit task force cuartel comandancia departamento distrito precinto precinct agency "
    "board commission drug "
    "criminal special officers officer protection gang violent crimes municipal community"
)
"""Words that end the place in a name."""

_LEADERS = word_set(
    "the city town village twp boro county municipality parish of and commonwealth state greater"
)
DESIGNATORS = word_set(
    "city town twp village boro municipality area regional metropolitan metro consolidated joint local"
)
LONGEST = 400  # the most characters of a name that are read
_ARTICLES = word_set("la las los el")
_SPANISH = word_set("de del la el los las municipal municipio general area estatal nueva zona")
_REGIONS = word_set(
    "north south east west central northern southern eastern western northeast northwest southeast "
    "southwest northeastern northwestern "
    "southeastern southwestern upper lower middle of"
)
_BEFORE_ATTORNEY = word_set("state prosecuting circuit county")
_ATTORNEYS = (("attorney",), ("attorneys",))
_SPLIT = re.compile(r"\s+[-\u2010-\u2015]+\s*|\s*[-\u2010-\u2015]+\s+|\s*[/,;:|@()\[\]]\s*")
_DIRECTION = re.compile(r"^(No|So)\. (?=[A-Z][a-z])")
_LETTERS = re.compile(r"\b(?:[A-Z]\.){3,}")
"""An abbreviation with points: N.Y.P.D."""
_INVERTED = re.compile(
    r"^(?P<name>[^,/]+?),\s*(?:the\s+)?(?P<kind>city|town|village|township|twp\.?|borough|boro|county|parish)\s+of\b(?P<rest>.*)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class AgencyName:
    """An agency's parsed name. ``core`` are the words before the word for its kind, which name its place."""

    text: str
    words: Words
    parts: tuple[Words, ...]
    core: Words
    designator: str = ""  # "twp", "boro", "city", ... when the name gives one


def contains(where: Words, what: Words) -> bool:
    """Whether the words occur consecutively in the name."""
    n = len(what)
    return any(where[i : i + n] == what for i in range(len(where) - n + 1))


def read_name(text: str, state: str = "") -> AgencyName:
    """Parse a name; drop the ``state`` after the place ("Kansas City Kansas Police"). Never fails."""
    name = _parse_name(text[:LONGEST])
    core, own = name.core, _STATE_WORDS.get(state, ())
    if own and len(core) > len(own) and core[-len(own) :] == own and core[-len(own) - 1] not in _REGIONS:
        return replace(name, core=core[: -len(own)])
    return name


@lru_cache(maxsize=256)  # the finder asks for the same name in many states
def _parse_name(text: str) -> AgencyName:
    text = _LETTERS.sub(lambda found: found[0].replace(".", ""), _DIRECTION.sub(spell_direction, text))
    inverted = _INVERTED.match(text)
    if inverted and core_of(words(inverted["name"]))[0]:  # not "Police Department, City of Tampa"
        text = f"{inverted['name']} {inverted['kind']} {inverted['rest']}"
    parts = tuple(p for p in (words(piece) for piece in _SPLIT.split(text)) if p)
    whole = tuple(w for p in parts for w in p)
    core, designator = next((c for c in map(core_of, parts) if c[0]), ((), ""))
    return AgencyName(text, whole, parts, core, designator)


def core_of(part: Words) -> tuple[Words, str]:
    """The words before the kind ("Schiller Park Police"), or after it ("Police of Pinesdale"), and the word
    for the kind of place ("village"), "" without one.
    """
    start, designator = _skip_leaders(part)
    end = start
    while end < len(part) and part[end] not in KIND_WORDS:
        end += 1
    core = part[start:end]
    if len(core) > 1 and core[-1] in _BEFORE_ATTORNEY and part[end : end + 1] in _ATTORNEYS:
        core = core[:-1]  # "Broward State Attorney"
    if len(core) == 1 and core[0] in DESIGNATORS and "of" in part[end:]:
        designator = designator or core[0]  # "Town Marshal of Zionsville"
        core = part[:0]
    if not core:
        core, inner = _core_behind_kind(part)
        designator = designator or inner
    if not core and part[start : start + 1] and part[start] in KIND_WORDS and "of" not in part:
        return core_of(part[start + 1 :])  # "Constable Unity Township"
    if len(core) == 1 and core[0] in DESIGNATORS:
        core = ()  # "Village/Town of Mount Kisco"
    if len(core) > 1 and core[-1] in DESIGNATORS:
        designator = designator or core[-1]
    return core, designator


def _skip_leaders(part: Words) -> tuple[int, str]:
    """The position behind the words before a place's name ("The Town of"), and its designator ("town")."""
    start, designator = 0, ""
    while start < len(part) and part[start] in _LEADERS:
        if part[start] in DESIGNATORS:
            if part[start + 1 : start + 2] == ("of",):
                designator = part[start]
            elif not designator:
                break  # "City Point Police", "Village Mills"
        start += 1
    return start, designator


def _core_behind_kind(part: Words) -> tuple[Words, str]:
    """The words after the last "of", or after the words for an agency in Spanish, with their designator."""
    if "of" in part:
        after = part[len(part) - part[::-1].index("of") :]
        return core_of(after) if after != part else ((), "")
    rest = list(part) if any(word in _SPANISH for word in part) else []
    while rest and (rest[0] in _SPANISH or rest[0] in KIND_WORDS):
        if rest[0] in _ARTICLES and not any(word in KIND_WORDS for word in rest):
            break  # "Policia Municipal de Las Piedras"
        del rest[0]
    return tuple(rest), ""


def variants(core: Words) -> list[Words]:
    """The core with and without its designator ("lower merion twp", "lower merion"), the longest first."""
    if len(core) > 2 and core[-1] == "ward":
        core = core[:-2]  # "Lower Burrell Fourth Ward Constable"
    found = [core]
    while len(core) > 1 and core[-1] in DESIGNATORS:
        core = core[:-1]
        found.append(core)
    return [c for c in found if c]


_ALSO_CALLED: dict[str, tuple[Words, ...]] = {
    "MP": (("cnmi",), ("commonwealth", "of", "the", "northern", "mariana", "islands")),
    "VI": (("usvi",), ("us", "virgin", "islands"), ("united", "states", "virgin", "islands")),
    "DC": (("dc",),),
    "NY": (("nys",),),
}
_CODES_LIKE_WORDS = frozenset(("CO", "LA", "MT"))  # "co" is read as county; La Salle and Mt. Airy are towns

_STATE_WORDS = {code: words(name) for code, name in STATES.items()}


def state_led(name: AgencyName, state: str) -> Words | None:
    """The words after the agency's own state's name; None if the name does not begin with it."""
    first = name.parts[0] if name.parts else ()
    while first and first[0] in ("the", "state", "commonwealth", "of"):
        first = first[1:]
    code = () if state in _CODES_LIKE_WORDS else (words(state),)
    for own in (_STATE_WORDS[state], *_ALSO_CALLED.get(state, ()), *code):
        if first[: len(own)] == own:
            return first[len(own) :]
    return None


def state_words(state: str) -> Words:
    """A state's name in comparable words."""
    return _STATE_WORDS[state]


def is_institution(part: Words) -> bool:
    """Whether the name is that of a school, hospital, airport, transit system, park or the like."""
    return any(w in INSTITUTION_WORDS for w in part) or contains(part, _SCHOOL_BOARD)


def is_surely_institution(part: Words) -> bool:
    """Whether the name has words that are rarely part of a town's name."""
    return any(w in SURE_INSTITUTION_WORDS for w in part) or contains(part, _SCHOOL_BOARD)


def is_part_of_county(said: Words) -> bool:
    """Whether the name is that of a district of a county ("King County Fire District 2")."""
    if any(w in COUNTY_OFFICES for w in said) or "police" in said:
        return False
    numbered = any(w.isdigit() and w != "911" for w in said)
    return "district" in said and (numbered or "protection" in said)


def is_named_after_a_town(name: AgencyName) -> bool:
    """Whether an institution is named after a town ("El Paso Community College")."""
    first = next((part for part in name.parts if contains(part, name.core)), ())
    if "police" in first:
        first = first[: first.index("police")]  # "Yakima Police Department Airport Substation" is the city's
    sure = any(w in SURE_INSTITUTION_WORDS for w in first if w not in name.core)
    return bool(name.core) and (sure or contains(first, _SCHOOL_BOARD))


def is_tribal(part: Words) -> bool:
    """Whether the name is that of a tribal nation's agency."""
    return any(w in TRIBAL_WORDS for w in part)


def spoken(core: Words) -> str:
    """Format words for people: "Schiller Park"."""
    return " ".join(w.capitalize() for w in core)
