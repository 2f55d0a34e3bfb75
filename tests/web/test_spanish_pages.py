"""Every page in Spanish: no English sentence, value or citation, read by following the site's own links."""

from __future__ import annotations

import html
import re
from collections import Counter, deque

import httpx

from tests.web.agreements import HAMMOND, LAKE, MANY, POLICE

ENGLISH = re.compile(
    r"\b(the|of|and|is|are|was|were|not|with|from|this|that|our|you|your|for|list|lists|listed|agency|agencies|"
    r"check|checks|since|seen|model|officer|officers|county|law|read|added|removed|changed|day|week|month|"
    r"never|none|unknown|other|more|page|next|previous|search|about|data|state|town|city|jail|task|force|"
    r"warrant|support|type|municipality|section|act|source|text|reviewed)\b",
    re.IGNORECASE,
)
NAMES = (
    *(row["Agency"] for row in (LAKE, HAMMOND, POLICE, *MANY)),
    "District of Columbia",
    "Lake and Peninsula",
    "Prince of Wales",
    "Request for Assistance",
    "Community Requests",
    "Axon Evidence",
    "Watch",
    "watch.example",
)
"""What has the same name in every language."""
UNREAD = re.compile(
    r"""(?s)<(script|style|code|pre)\b.*?</\1>
    |<(\w+)\b[^>]*\slang="en"[^>]*>.*?</\2>
    |<a\b[^>]*\shreflang="en"[^>]*>.*?</a>""",
    re.VERBOSE,
)
SPOKEN = re.compile(r'\b(?:title|alt|aria-label|placeholder|content)="([^"]*)"')
MOST = 150


def read_aloud(page: str) -> list[str]:
    """The texts of a page, one by one, with those of attributes that are shown or spoken."""
    page = UNREAD.sub(" ", page)
    texts = re.split(r"<[^>]*>", page) + SPOKEN.findall(page)
    return [" ".join(html.unescape(each).split()) for each in texts]


def test_no_page_says_anything_in_english_to_who_reads_spanish(agreements: httpx.Client) -> None:
    begun = [
        "/",
        "/subscribe",
        "/find?q=Hammond",
        "/zip/99999",
        "/zip/09012",
        "/nope",
        "/api",
        "/embed/map",
        "/embed/IN",
        "/numbers/ring/months.svg",
        "/map/IN.svg",
        "/state/AK",
        "/radius/46320-10",
        "/town/IN-Hammond",
    ]
    waiting, met, found = deque(begun), set(begun), []
    kinds: Counter[str] = Counter()
    read: list[str] = []
    while waiting and len(read) < MOST:
        path = waiting.popleft()
        answer = agreements.get(path, headers={"Accept-Language": "es-US,es"})
        if not answer.headers.get("content-type", "").startswith(("text/html", "image/svg")):
            continue
        read.append(path)
        for text in read_aloud(answer.text):
            left = text
            for name in NAMES:
                left = left.replace(name, "")
            if ENGLISH.search(re.sub(r"https?://\S+|/\S+|\S+@\S+|\w+=\S+|“[^”]*”", "", left)):
                found.append((path, text))
        for link in re.findall(r'href="(/[^"#]*)', answer.text):
            link = html.unescape(link).split("&lang=")[0]
            kind = re.sub(
                r"[0-9a-f]{6,}|\d+|\b[A-Z]{2}\b", "0", re.sub(r"/in-[-a-z0-9]+", "/0", link.split("?")[0])
            )
            if link not in met and "lang=" not in link and kinds[kind] < 3:
                met.add(link)
                kinds[kind] += 1
                waiting.append(link)
    assert found == []
    assert len(read) >= 60, read
    assert {
        "/map/0",
        "/numbers",
        "/compare/ring",
        "/absence/ring",
        "/change/0",
        "/agency/ring/0/letter",
    } <= set(kinds)
