"""What a reader can do about the lists that name an agency: true everywhere, reviewed on 2026-11-28."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.domain import Basis
from monitor.messages.locale import N_, translations

_OF_A_LIST = {
    Basis.AGREEMENT: (
        N_("Read the agreement where the list links it."),
        N_(
            "Ask the sheriff or the chief who approved it, and when it can be ended. Ask the same of the "
            "county commission, the city council or the board that the agency answers to."
        ),
    ),
    Basis.REQUEST: (
        N_(
            "Ask the sheriff or the chief who decided to ask for an agreement, and who must approve it. Ask "
            "the same of the county commission, the city council or the board that the agency answers to."
        ),
    ),
    Basis.LISTING: (
        N_(
            "Ask the sheriff or the chief why the agency is on this list, and who approved that. Ask the "
            "same of the county commission, the city council or the board that the agency answers to."
        ),
    ),
}
_WITHOUT_AN_AGENCY = N_(
    "Ask the sheriff or the chief, and the county commission, the city council or the board that they answer "
    "to, whether they plan to join."
)
_RECORDS = N_("Request the records under your state's public records law.")
_IN_SHORT = {
    Basis.AGREEMENT: N_(
        "What you can do: read the agreement, ask who approved it and when it can be ended, and request the "
        "records under your state's public records law."
    ),
    Basis.REQUEST: N_(
        "What you can do: ask who decided to ask for an agreement and who must approve it, and request the "
        "records under your state's public records law."
    ),
    Basis.LISTING: N_(
        "What you can do: ask the agency why it is on this list and who approved that, and request the "
        "records under your state's public records law."
    ),
}


def list_steps(lists: Iterable[tuple[str, Basis]], language: str, own: str = "") -> tuple[str, ...]:
    """The steps that follow from the lists that name an agency, as (title, basis), in one language.

    If the lists differ in their legal basis, each step names its list. ``own`` is the operator's step, ""
    without one. Without a list, the steps are those for an agency that is on none.
    """
    _ = translations(language).gettext
    titles: dict[Basis, list[str]] = {}
    for title, basis in lists:
        titles.setdefault(basis, []).append(title)
    steps = [] if titles else [_(_WITHOUT_AN_AGENCY)]
    for basis, of_these in titles.items():
        about = "; ".join(dict.fromkeys(of_these)) + ": " if len(titles) > 1 else ""
        steps += [about + _(step) for step in _OF_A_LIST[basis]]
    return (*steps, _(_RECORDS), *([own] if own else []))


def summarize_steps(basis: Basis, language: str) -> str:
    """The steps of one list in one sentence, for posts."""
    return translations(language).gettext(_IN_SHORT[basis])
