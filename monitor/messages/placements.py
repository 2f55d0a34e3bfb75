"""Why an agency has its places, in the reader's language: "covers Lake County", "cubre el condado de Lake".

The English text follows the name of an agency or "this agency". Names of places are not translated, except
the words for their kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from monitor.domain import PlacementReason
from monitor.messages.locale import DEFAULT, N_, translations
from monitor.states import STATES

SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "covers": N_("covers {names}"),
        "covers_estimate": N_("covers {names}: an estimate"),
        "state": N_("covers all of {names}"),
        "precinct": N_("covers a precinct of {names}"),
        "part": N_("covers a part of {names}: an estimate"),
        "part_about": N_("covers a part of {names}, about {other}: an estimate"),
        "misspelt": N_("covers {names}, if that is meant"),
        "point_astray": N_("covers {names}, though its point is far from there"),
        "other_county": N_("covers {names}, though another county is given"),
        "address": N_("covers {names}, its address"),
        "branch": N_("covers {names}, where this branch is"),
        "namesake": N_("covers {names}, beside which {other} lies by its name"),
        "address_instead": N_("covers {names}, its address; {other} is not near it"),
        "either": N_("covers {names} or {other}: an estimate"),
        "with_address": N_("covers {names}, with its address in {other}: an estimate"),
        "in": N_("is in {names}: an estimate"),
        "in_somewhere": N_("is in {names}; where in it is not known"),
        "in_near_point": N_("is in {names}: the ZIPs nearest to its point are an estimate"),
        "in_with_address": N_("is in {names} with its address in {other}: an estimate"),
        "in_near": N_("is in {names}, near {other} by its name: an estimate"),
        "near_point": N_("is an estimate: the ZIPs nearest to its point"),
        "somewhere": N_("could not be placed within {names}; those who follow {code} hear of it"),
        "not_located": N_(
            "{other} exists, but it is not known where in {names}; those who follow {code} hear of it"
        ),
        "no_state": N_("has no state that could be read, so only those who follow US hear of it"),
        "operator": N_("placed by the operator"),
        "operator_note": N_("placed by the operator: {other}"),
        "failed": N_("could not be placed"),
    }
)
"""The sentence of each rule. ``{names}`` are all the names, ``{other}`` is the second name, ``{code}`` a
state's.
"""

AREAS = (
    N_("the five boroughs of New York City"),
    N_("the towns of Salt Lake County that the Unified Police serve"),
    N_("Las Vegas and unincorporated Clark County"),
    N_("the District of Columbia"),
    N_("the island of Hawaii"),
    N_("the Bronx"),
)
"""Descriptions of areas in the manually maintained table of governments, for the catalog."""

_KINDS = (
    (" County", N_("{name} County")),
    (" Parish", N_("{name} Parish")),
    (" Municipio", N_("{name} Municipio")),
    (" City and Borough", N_("{name} City and Borough")),
    (" Borough", N_("{name} Borough")),
    (" Census Area", N_("{name} Census Area")),
    (" Municipality", N_("{name} Municipality")),
)
_ONE_COUNTY = re.compile(
    r"Lewis and Clark County|King and Queen County|Lake and Peninsula Borough|.+ City and Borough"
)
"""Names with "and" that are one county, unlike "Lexington and Fayette County"."""
_OF_A_STATE = ("state", "somewhere", "not_located")  # rules whose name is a state's code
_CODES = {name: code for code, name in STATES.items()}
_AND = N_("{first} and {second}")
_CITY = N_("the city of {name}")


def describe_placement(reason: PlacementReason | None, language: str) -> str:
    """The reason in a language; "" for None. A sentence that version 0.1.0 stored stays as it is in English.

    In another language it is read back into its rule; an unknown sentence stays as it is. A rule that this
    version does not know (a newer version wrote it) gives "".
    """
    if reason is None:
        return ""
    if reason.rule == PlacementReason.TEXT:
        read = None if language == DEFAULT else _read_sentence(reason.other)
        return describe_placement(read, language) if read else reason.other
    sentence = SENTENCES.get(reason.rule)
    if sentence is None:
        return ""
    catalog = translations(language)
    state = reason.names[0] if reason.rule in _OF_A_STATE and reason.names else ""
    names = [STATES.get(state, state)] if state else [translate_name(name, language) for name in reason.names]
    text = catalog.gettext(sentence).format(
        names=_joined(names, language), other=translate_name(reason.other, language), code=state
    )
    return text if language == DEFAULT else text.replace(" de el ", " del ")


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """(rule, pattern of its English sentence); the sentence with the most fixed words comes first."""
    own = {rule: len(re.sub(r"\{\w+\}", "", sentence)) for rule, sentence in SENTENCES.items()}
    return tuple(
        (rule, re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(SENTENCES[rule]))))
        for rule in sorted(own, key=lambda rule: -own[rule])
    )


def _read_sentence(text: str) -> PlacementReason | None:
    """Read an English sentence back into its rule and names; None when it follows no rule."""
    for rule, pattern in _patterns():
        found = pattern.fullmatch(text)
        if found is not None:
            parts = found.groupdict()
            name = parts.get("names", "")
            names = (_CODES.get(name, name),) if rule in _OF_A_STATE else (name,)
            return PlacementReason(rule, names if name else (), parts.get("other", ""))
    return None


def translate_name(name: str, language: str) -> str:
    """A place's name with the word for its kind in the language: "el condado de Lake"."""
    if language == DEFAULT:
        return name
    catalog = translations(language)
    if name in AREAS:
        return catalog.gettext(name)
    if " and " in name and not _ONE_COUNTY.fullmatch(name):
        return _joined([translate_name(part, language) for part in name.split(" and ")], language)
    if name.startswith("the city of "):
        return catalog.gettext(_CITY).format(name=name.removeprefix("the city of "))
    for ending, pattern in _KINDS:
        if name.endswith(ending):
            return catalog.gettext(pattern).format(name=name.removesuffix(ending))
    return name


def label_name(name: str, language: str) -> str:
    """A place's name as a label, without an article: "Condado de Lake"."""
    return drop_article(translate_name(name, language))


def drop_article(name: str) -> str:
    """A translated name at the beginning of a line: "el condado de Lake" is "Condado de Lake"."""
    bare = name.removeprefix("el ").removeprefix("la ")
    return bare[:1].upper() + bare[1:]


def _joined(names: list[str], language: str) -> str:
    text = names[0] if names else ""
    for name in names[1:]:
        text = translations(language).gettext(_AND).format(first=text, second=name)
    return text
