"""Removes what people write around the name of a place: the topic, a question, addresses that they paste."""

from __future__ import annotations

import re
from itertools import islice

from monitor.states import STATES, read_state

_PASTED = re.compile(
    r"\b(?:https?://|www\.)\S+|(?<![^\s@])[^\s@]+@[^\s@]+\.\w+|(?<![\w.])@\w+"
    r"|(?<![\w-])(?:\+?1[ .-]?)?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?!\w)",
    re.IGNORECASE | re.ASCII,
)
"""Web and mail addresses, names of accounts, telephone numbers."""
_TOPIC = re.compile(
    r"(?<!\w)287 ?\(?g\)?(?!\w)(?: agreements?| program)?|\bneighbors app\b"
    r"|\b(?:ring|flock|doorbell|body|surveillance|license plate) (?:cam(?:era)?s?|doorbells?)\b"
    r"|\bon (?:ring|neighbors|the ring app)\b|\bc[a\u00e1]maras? (?:de )?(?:ring|vigilancia)\b"
    r"|\bring (?:neighbors|partnerships?|partners|map|list)\b"
    r"|\b(?:jail enforcement|task force) model\b|\bwarrant service officers?(?: model)?\b"
    r"|\b(?:the |la )?(?:border patrol|patrulla fronteriza)\b",
    re.IGNORECASE,
)
_HASH = re.compile(r"(?<!\S)#(?=[^\W\d]{2})")
_IN_CARE_OF = re.compile(r"^(?:c/o|attn:?|attention:?) [^,]*, ?", re.IGNORECASE)
_ILLINOIS = re.compile(r",? I['\u2019]ll\W*$")
"""What a phone makes of "IL"."""
_ZIP_OF = re.compile(
    r"^(?:what(?:'s| is) )?(?:the )?(?:zip|postal)(?: ?codes?)? (?:for|of|in) (?=\D)"
    r"|^(?:el |los )?c[o\u00f3]digos? postal(?:es)? (?:(?:del?|en|para) )?(?=[^\W\d])",
    re.IGNORECASE,
)
"""A question for the ZIP of a name: "zip code for Peoria, IL"."""
_AFTER_TOPIC = re.compile(r"^(?:in|at|for|near|en|de) (?=\S)")  # "IN" is Indiana
_LEADS = re.compile(
    r"^(?:(?:is|are|does|do|did|has|have|can|will|what about|how about|what|which|who|where|list of|show me"
    r"|search|find|looking for|hay|que|cual|cuales|donde|tiene|usa|busco|estan?|esta"
    r"|i want(?: to)?|i would like(?: to)?|please|send me|get|receive|alerts?|updates?|quiero|quisiera"
    r"|necesito|recibir|alertas?|avisos?|notificaciones)\b"
    r"(?: (?:for|in|at|about|from|de|para|en|sobre))*[ :]*)+",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"\s+(?:(?:uses?|using|works?|working|partners?|shares?|sharing|usan?|tienen?|trabajan?|colaboran?)\b.*"
    r"|(?:has|have|joined|join|part of|on|with|en|con)\b.+|(?:on )?(?:ring|ice|flock|neighbors|la migra)"
    r"|agenc(?:ies|ias)"
    r"|immigration|inmigracion|(?:right )?now|today|currently|ahora(?: mismo)?|hoy|please|por favor|thanks"
    r"|gracias)$",
    re.IGNORECASE,
)
_LEFT_OVER = re.compile(r"\s+(?:has|have|with|on|part of|en|con)$", re.IGNORECASE)
"""The end of a question whose topic is left out: "what agencies in Florida have"."""
_OFFICES = (
    r"(?:(?:(?:local|city|town|county|state|campus) )?(?:police|pds?|cops?|sheriffs?(?:'s)?|law enforcement"
    r"|agenc(?:y|ies)|officers?|deputies)(?: (?:departments?|depts?|offices?|agencies|officers))?"
    r"|polic[i\u00ed]as?|alguacil(?:es)?|agencias|departamentos? de polic[i\u00ed]a|ice|ring|flock"
    r"|immigration|inmigraci[o\u00f3]n|(?:la )?migra|(?:ice |immigration )?raids?"
    r"|redadas?(?: de (?:ice|la migra))?|cameras?|c[a\u00e1]maras?)"
)
_IN = re.compile(
    rf"^(?:all )?(?:the |la |el |las |los )?{_OFFICES}(?: (?:in|at|near|around|en|cerca de))+ (?=\S)",
    re.IGNORECASE,
)
"""What is asked about, before the name of a place: "police in Hammond"."""
_BEFORE = re.compile(r"^(?:ring|ice|flock|immigration|inmigracion) (?=\S+ \S)", re.IGNORECASE)
_HERE = re.compile(
    r"\b(?:(?:near(?:est)?|around|close|next) (?:to )?(?:me|us|here|my (?:house|home|area))"
    r"|(?:in )?(?:my|our) (?:area|city|town|neighborhood|county|state|location)|where i (?:live|am)"
    r"|(?:my |current )?location|cerca de (?:m[i\u00ed]|aqu[i\u00ed])|d[o\u00f3]nde (?:vivo|estoy)"
    r"|(?:en )?(?:mi|nuestr[oa]) (?:[a\u00e1]rea|ciudad|pueblo|barrio|condado|estado|ubicaci[o\u00f3]n)"
    r")(?!\w)",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"^(?:la|el) (?=(?:ciudad|condado|estado|pueblo|municipio) )", re.IGNORECASE)
_STATE_BETWEEN = re.compile(
    r"(?P<town>[^,]+), ?(?P<state>[a-z.]{2,5}|[a-z ]{4,20}?) "
    r"(?P<office>police(?: dept\.?| department)?|pd|sheriff(?:'?s?)?(?: office| dept\.?| department)?)",
    re.IGNORECASE,
)
_STATE_BEHIND = re.compile(
    r"(?P<town>[^()]+?) ?\((?P<state>[a-z .]{2,20})\)"
    r"|(?P<before>[^\W\d_][\w '\u2019.-]+)[./|_-](?P<end>[a-z]{2})",
    re.IGNORECASE,
)
_IN_STATE = re.compile(
    r"(?P<town>[^,]+?)(?:,? (?:in|en) (?:the |el )?(?:state of |estado de )?| ?[-_|>] ?)"
    r"(?P<state>[a-z .]{4,25})",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"\b(?:in|at|to|en|near|for|about|sobre|para|from|es|is"
    r"|(?:policias?|agencias|departamentos|redadas|sheriff|alguacil|agencies) (?:de|of)) (?:the |la |el )?"
    r"(?=\S)",
    re.IGNORECASE,
)
MOST_PREPOSITIONS = 3
_POSSESSIVE = re.compile(r"(?<=[a-z])['\u2019]s(?= (?:police|pd|cops|sheriff)\b)", re.IGNORECASE)
_SIGNS = ' ,;:?!\u00bf\u00a1"\u201c\u201d'
_EDGE = " ,.;:?!\u00bf\u00a1-\u2013\"'"


def drop_topic(text: str) -> str:
    """Remove from a text what is not part of a place's name: addresses, "287(g)", "Ring cameras", "police
    in".
    """
    text = text.strip(_SIGNS)
    text = _ILLINOIS.sub(", IL", _IN_CARE_OF.sub("", _HASH.sub("", text)))
    kept = _ZIP_OF.sub("", _TOPIC.sub(" ", _PASTED.sub(" ", text)))
    kept = text if kept == text else _AFTER_TOPIC.sub("", " ".join(kept.split()).strip(_EDGE))
    # before "in" can be Indiana and "la" Louisiana, but not so that "me" is Maine
    return kept if _HERE.search(kept) else _ARTICLE.sub("", _IN.sub("", kept))


def asks_about_here(text: str) -> bool:
    """Whether a text means the place where its writer is: "near me", "mi ciudad"."""
    return _HERE.search(text) is not None


def put_state_last(text: str) -> str:
    """Move the state between a town and an office to the end: "Gary, IN police" becomes "Gary police, IN". A
    state in brackets or after a period is put after a comma.
    """
    if between := _STATE_BETWEEN.fullmatch(text):
        reading = read_state(between["state"])
        if reading and reading.exact:
            return f"{between['town']} {between['office']}, {reading.code}"
    if behind := _STATE_BEHIND.fullmatch(text):
        reading = read_state(behind["state"] or behind["end"])
        name = (behind["town"] or behind["before"]).strip()
        if reading and reading.exact and name and name.split()[-1] not in STATES:  # "Bristol TN/VA"
            return f"{name}, {reading.code}"
    return text


def split_at_state(text: str) -> tuple[str, str] | None:
    """Split a text such as "Detroit in Michigan" into a name and a state's code; None for other texts."""
    match = _IN_STATE.fullmatch(text)
    reading = read_state(match["state"]) if match else None
    return (match["town"], reading.code) if match and reading and reading.exact else None


def follow_prepositions(text: str) -> list[str]:
    """Yield the text after each of the first prepositions of a sentence: "Gary" of "send me what is new in
    Gary".
    """
    text = _HERE.sub("", text)  # "near me" is not near Maine
    return [drop_question(text[match.end() :]) for match in islice(_AFTER.finditer(text), MOST_PREPOSITIONS)]


def drop_question(text: str) -> str:
    """Remove accents and the words that people write around the name of a place, from a text in which no
    place is found. "Is the Gary PD on Neighbors?" becomes "Gary PD", "police in Hammond" becomes "Hammond",
    "ICE near me" becomes "".
    """
    kept = text.strip(_EDGE)
    kept = " ".join(_HERE.sub("", kept).split()).strip(_EDGE)
    kept = _POSSESSIVE.sub("", kept)
    if _LEADS.match(kept):
        kept = _LEFT_OVER.sub("", kept)
    for pattern in (_LEADS, _IN, _TAIL, _TAIL, _IN, _BEFORE, _ARTICLE):
        kept = pattern.sub("", kept).strip(_EDGE)
    if _HERE.search(text):
        kept = re.sub(rf"^(?:{_OFFICES}) (?=\S)", "", kept, flags=re.IGNORECASE)
    bare = re.fullmatch(_OFFICES, kept, re.IGNORECASE)
    return "" if bare and _HERE.search(text) else kept
