"""Finds which email addresses may reach one mailbox, judging by the address alone: variants of a name, and
whole domains.

Used to limit how often mail can be sent to a stranger, never to find a subscriber.
"""

from __future__ import annotations

import re

_LARGE_TEXT = """
gmail.com yahoo.com ymail.com rocketmail.com aol.com aim.com outlook.com hotmail.com live.com
msn.com passport.com icloud.com me.com mac.com proton.me protonmail.com pm.me gmx.com gmx.net gmx.us
mail.com email.com zoho.com zohomail.com fastmail.com fastmail.fm hey.com tutanota.com tuta.com
tuta.io duck.com mozmail.com simplelogin.com anonaddy.me yandex.com hushmail.com startmail.com
mailfence.com posteo.net riseup.net disroot.org att.net sbcglobal.net bellsouth.net ameritech.net
pacbell.net swbell.net flash.net prodigy.net nvbell.net snet.net comcast.net xfinity.com verizon.net
frontier.com frontiernet.net charter.net spectrum.net rr.com roadrunner.com twc.com brighthouse.com
cox.net optonline.net optimum.net suddenlink.net centurylink.net centurytel.net q.com embarqmail.com
qwest.net windstream.net earthlink.net mindspring.com juno.com netzero.net netzero.com cableone.net
sparklight.com mediacombb.net mchsi.com wowway.com wow-way.com rcn.com tds.net hughes.net
consolidated.net googlemail.com hawaiiantel.net gci.net metronet.com usa.net inbox.com lycos.com
excite.com hotmail.es yahoo.es yahoo.com.mx hotmail.com.mx outlook.es outlook.com.mx prodigy.net.mx
live.com.mx yahoo.ca hotmail.ca
"""
_LARGE = frozenset(_LARGE_TEXT.split())
"""Providers with very many users. A missing one only reaches its limit sooner."""
_SECOND_LEVEL = frozenset({"com", "org", "net", "edu", "gov", "mil", "gob", "gouv", "info", "name"})


def find_owner_domain(domain: str) -> str:
    """Compute the domain that somebody registers: two labels, or three below a second level such as "co.uk"
    or "tx.us".

    This is a rule of thumb instead of the Public Suffix List, which changes weekly: where it is wrong, a
    limit applies to slightly more or fewer people.
    """
    labels = domain.lower().rstrip(".").split(".")
    below_country = (
        len(labels) > 2 and len(labels[-1]) == 2 and (len(labels[-2]) <= 2 or labels[-2] in _SECOND_LEVEL)
    )
    return ".".join(labels[-3:] if below_country else labels[-2:])


def is_large(domain: str) -> bool:
    """Whether many people have a mailbox each at a domain: a large provider, or a school below .edu."""
    owner = find_owner_domain(domain)
    return owner in _LARGE or owner.endswith(".edu")


def strip_variants(local: str) -> str:
    """Compute what the variants of one mailbox share: its name without a tag after "+" or "-", without dots.

    Servers differ in which of these they support; "mary-ann" and "mary" are treated as one.
    """
    name = re.split(r"[+-]", local, maxsplit=1)[0].replace(".", "")
    return name or local
