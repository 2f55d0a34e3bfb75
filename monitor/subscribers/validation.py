"""Validates what people ask for: an address that a channel can reach, and places that exist."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection

from email_validator import EmailNotValidError, validate_email

from monitor.errors import UsageError
from monitor.places.codes import parse_place
from monitor.storage.people import Follow


def checked(channel: str, address: str) -> str:
    """Normalize an address as it is written to. Raises UsageError for one that its channel cannot reach."""
    address = address.strip()
    # a line break in an address is a command to the relay; libraries have let it through
    if not address or any(unicodedata.category(letter).startswith("C") for letter in address):
        raise UsageError("the address is empty or has invisible characters in it")
    match channel:
        case "email":
            try:
                # no DNS: a look-up would be slow here and tell others who subscribes. ASCII only: not every
                # relay speaks SMTPUTF8.
                found = validate_email(address, check_deliverability=False, allow_smtputf8=False)
            except EmailNotValidError as error:
                raise UsageError(f"this is not a mail address: {error}") from None
            assert found.ascii_email is not None
            return found.ascii_email
        case "telegram":
            if not re.fullmatch(r"-?[1-9][0-9]{0,18}|@[A-Za-z][A-Za-z0-9_]{3,31}", address, re.ASCII):
                raise UsageError(
                    "this is not a Telegram chat: write its number (-1001234567890) or its @name"
                )
    return address


def mask(channel: str, address: str) -> str:
    """Mask an address: ``a…@e….org``."""
    local, at, domain = address.rpartition("@")
    if channel == "telegram" or not at or not local:
        shown = 2 if address.startswith("@") else 1
        return f"{address[:shown]}…{address[-2:]}" if len(address) > shown + 2 else "…"
    ending = domain.rpartition(".")[2]
    return f"{local[0]}…@{domain[0]}….{ending}"


def wanted(
    places: Collection[str], sources: Collection[str], state_of_zip: Callable[[str], str | None]
) -> frozenset[Follow]:
    """Every place of every source, each ZIP with its state.

    Raises UsageError for an invalid place or none.
    """
    if not places or not sources:
        raise UsageError(
            "give at least one place: a ZIP (60601), a state (IL) or US"
            if sources
            else "give at least one source"
        )
    found: set[Follow] = set()
    for place in {parse_place(place) for place in places}:
        within = state_of_zip(place) if place.isdigit() else None
        if place.isdigit() and within is None:
            raise UsageError(f"{place} is not a ZIP code that is in use")
        found |= {Follow(source, place, within) for source in sources}
    return frozenset(found)
