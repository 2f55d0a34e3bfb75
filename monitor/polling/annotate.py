"""Writes or removes an operator's note on an agency. The listing itself is not changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from rapidfuzz import fuzz, process
from sqlalchemy.engine import Connection, Engine

from monitor.core.wording import normalize
from monitor.errors import UsageError
from monitor.record import log
from monitor.storage.engine import transaction
from monitor.storage.lists import agency_notes, page_queries
from monitor.storage.lists.agency_notes import AgencyNote

LONGEST_NOTE = 1000
"""The most characters of a note in one language."""
_NEAR = 60  # of 100; the similarity from which a name is proposed
_PROPOSED = 5


def add_note(
    engine: Engine, source: str, agency: str, texts: Mapping[str, str], *, now: datetime
) -> AgencyNote:
    """Write a note on an agency of a list, given by its key, or by its name if only one agency has it.

    ``texts`` are by language and contain "en". The log of the record gets an entry with the note's hash.
    Raises UsageError for an unknown agency and for a text that is empty or too long.
    """
    cleaned = {language: " ".join(text.split()) for language, text in texts.items() if text.strip()}
    if "en" not in cleaned:
        raise UsageError("the note needs a text")
    if (longest := max(map(len, cleaned.values()))) > LONGEST_NOTE:
        raise UsageError(f"the note has {longest} characters; at most {LONGEST_NOTE} are allowed")
    with transaction(engine) as conn:
        key = _find_agency(conn, source, agency)
        number = agency_notes.insert_note(conn, source, key, cleaned, now)
        note = AgencyNote(id=number, source=source, agency=key, at=now, texts=cleaned)
        log.append_note(conn, source, key, number, _hash(note), "added", now)
    return note


def remove_note(engine: Engine, number: int, *, now: datetime) -> AgencyNote:
    """Delete a note; the log keeps its hash. Raises UsageError for an unknown number."""
    with transaction(engine) as conn:
        note = agency_notes.delete_note(conn, number)
        if note is None:
            raise UsageError(f"there is no note {number}; `monitor note list` shows them")
        log.append_note(conn, note.source, note.agency, number, _hash(note), "removed", now)
    return note


def _hash(note: AgencyNote) -> str:
    whole = "\n".join(f"{language}: {note.texts[language]}" for language in sorted(note.texts))
    return hashlib.sha256(whole.encode()).hexdigest()


def _find_agency(conn: Connection, source: str, text: str) -> str:
    names = page_queries.load_agency_names(conn, source)
    if text in names:
        return text
    wanted = normalize(text)
    alike = [key for key, name in names.items() if normalize(name) == wanted]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise UsageError(
            f"several agencies have that name; give a key: {'; '.join(map(repr, sorted(alike)))}"
        )
    near = process.extract(
        wanted,
        {key: normalize(name) for key, name in names.items()},
        scorer=fuzz.token_sort_ratio,
        score_cutoff=_NEAR,
        limit=_PROPOSED,
    )
    said = "; ".join(f"{names[key]} ({key!r})" for _, _, key in near)
    hint = f": near are {said}" if said else ""
    raise UsageError(f"the list {source} never had an agency {text!r}{hint}")
