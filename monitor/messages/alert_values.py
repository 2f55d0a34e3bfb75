"""The content of a layout as values: plain text in one language."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MailSection:
    """A heading, a sentence about it, and the lines under it."""

    title: str
    lines: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One of several changes: its name, what happened in a few sentences, and the facts; why this person gets
    it, how certain the place is, and the URL of the document that the list links to, "" without one.
    """

    name: str
    brief: str
    facts: tuple[str, ...]
    why: str
    reach: str
    document: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The changes in one state; ``why``: the reason that this person gets them, if it is the same for all."""

    state: str
    why: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPage:
    """Everything that a layout shows, as plain text in one language, in reading order.

    ``values`` are the meanings of column values, each once. ``why`` is the reason that this person gets it,
    and ``because`` the place and since when, if they are the same for all changes. ``document`` is the
    document of a single change, ``document_label`` the label of such links.
    """

    language: str
    subject: str
    notes: tuple[str, ...]
    headline: str
    opening: str
    facts: tuple[str, ...]
    reach: str
    groups: tuple[Group, ...]
    rest: str
    rest_url: str
    meaning_title: str
    meaning_language: str
    meaning: str
    gist: str
    caveat: str
    reviewed: str
    values: tuple[str, ...]
    values_reviewed: str
    also: MailSection | None
    because: str
    why: str
    details: str
    document: str
    document_label: str
    steps_title: str
    steps: tuple[str, ...]
    steps_in_short: str
    permalink: str | None
    title: str
    official_url: str
    stop: str
    stop_link: str
    sender: str
    head: str
