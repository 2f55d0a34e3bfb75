"""A letter that requests records from an agency, for the reader to complete and send. It cites a state's law
only if the operator configured a table of laws.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from monitor.messages import locale
from monitor.messages.layout import clean
from monitor.states import STATES
from monitor.storage.engine import reading
from monitor.storage.lists import page_queries
from monitor.web.agencies import find_agency
from monitor.web.error_pages import not_found_page
from monitor.web.list_status import load_statuses
from monitor.web.pages import redirect, render_page, site_of
from monitor.web.presenters import agency_path
from monitor.web.records_laws import RecordsLaw
from monitor.web.routing import Router, get

router = Router()


@get(router, "/agency/{source}/{key}/letter")
def letter_page(request: Request, source: str, key: str) -> Response:
    """Show a letter that requests the records behind an agency's listing."""
    site = site_of(request)
    if source not in site.sources:
        return not_found_page(request)
    now = site.clock()
    with reading(site.engine) as conn:
        (listed,) = (each for each in load_statuses(conn, site, now) if each.name == source)
        _, agency = find_agency(site, conn, source, key, listed.number)
        versions = page_queries.load_versions(conn, source, agency) if agency else ()
    if agency is None or not versions:
        return not_found_page(request)
    path = agency_path(source, agency)
    if f"{path}/letter" != f"/agency/{source}/{key}/letter":
        return redirect(request, f"{path}/letter", 301)
    listing, watched = versions[-1].listing, site.sources[source]
    law = site.records_laws.get(listing.state or "")
    return render_page(
        request,
        "letter.html",
        name=clean(listing.name),
        path=path,
        law=law,
        letter=write_letter(
            agency=clean(listing.name),
            state=STATES.get(listing.state or "", ""),
            publisher=clean(watched.publisher),
            title=clean(watched.title()),
            since=locale.day(locale.local_day(versions[0].from_at, site.timezone), "en"),
            address=site.public(path),
            law=law,
        ),
    )


def write_letter(
    *, agency: str, state: str, publisher: str, title: str, since: str, address: str, law: RecordsLaw | None
) -> str:
    """Write the letter in English, the language of the agencies. ``since`` is the day on which the agency was
    first seen on the list.
    """
    under = "your state's public records law"
    if law is not None:
        under = f"{law.law} ({law.citation})" if law.citation else law.law
    return f"""[Your name]
[Your address or email address]
[Date]

{agency}{f", {state}" if state else ""}
Attention: public records

Re: Request for public records

Under {under}, I ask for copies of the following records:

1. Every agreement, memorandum, contract and terms of use between {agency} and {publisher} that concern \
"{title}", with amendments and attachments.
2. Records that show who approved the participation and when, such as minutes, resolutions and votes.
3. Policies, procedures and training materials about it.
4. Reports and statistics about its use since {since}.

{agency} was first seen on "{title}" on {since}: {address}

Please send the records in electronic form. If a part of a record is withheld, please say which part \
and why. If there is a fee, please tell me the amount before you begin.

Thank you,

[Your name]
"""
