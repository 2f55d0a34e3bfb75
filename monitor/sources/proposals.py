"""Proposes how to read a file that is not configured: its format, and the meanings of its columns.

A proposal is for a person to review; it does not start to watch anything.
"""

from __future__ import annotations

from dataclasses import replace

from monitor.errors import ParseError
from monitor.sources.column_map import ParseLimits
from monitor.sources.compressed_file import unpack_file
from monitor.sources.format import Proposal
from monitor.sources.formats import FORMATS
from monitor.sources.sniff import refuse_other_kinds


def propose(body: bytes, limits: ParseLimits | None = None) -> Proposal:
    """Propose how a body is read. Raises ParseError with the reason if no list is found in it."""
    limits = limits or ParseLimits()
    if not body.strip():
        raise ParseError("The body is empty.")
    body, _, others = unpack_file(body, limits)
    try:
        proposal = _ask_formats(body, limits)
    except ParseError:
        refuse_other_kinds(body)  # what the file is says more than what a format missed in it
        raise
    if others:
        note = f"the ZIP also holds {', '.join(others[:10])[:200]}, which is not read"
        proposal = replace(proposal, notes=(*proposal.notes, note))
    return proposal


def _ask_formats(body: bytes, limits: ParseLimits) -> Proposal:
    """The proposal of the first format that finds a list; otherwise the first one's reason."""
    reasons: list[ParseError] = []
    for chosen in FORMATS.values():
        if chosen.recognizes(body):
            try:
                return chosen.propose(body, limits)
            except ParseError as error:
                reasons.append(error)
    raise reasons[0] if reasons else ParseError("The body is of no format that is known.")
