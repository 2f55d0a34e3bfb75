"""The checks of `monitor doctor --mail` on a received email: whether it is signed for the sender's domain,
what the signature covers, and the results that its receiver recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from email import message_from_bytes
from email.message import Message
from email.utils import parseaddr

import dns.exception

from monitor.ops.doctor import Diagnosis, DomainRecords, diagnose_dkim

_SIGNED = ("From", "List-Unsubscribe", "List-Unsubscribe-Post")
"""What the signature must cover: From for DMARC, the others for a button to unsubscribe (RFC 8058, 4)."""
_METHODS = ("spf", "dkim", "dmarc")


def diagnose_mail(content: bytes, domain: str, records: DomainRecords) -> Iterator[Diagnosis]:
    """Check one email as it was received. ``domain`` is the sender's, "" to use that of the email."""
    message = message_from_bytes(content)
    sender = parseaddr(str(message.get("From", "")))[1].rpartition("@")[2].lower()
    if not sender:
        yield Diagnosis("mail", False, "this is no mail with its headers: save its source (raw message)")
        return
    if domain and sender != domain:
        yield Diagnosis("mail", False, f"it is from {sender}, and this service sends from {domain}")
        return
    signatures = [_read_tags(str(value)) for value in message.get_all("DKIM-Signature", [])]
    own = [tags for tags in signatures if _is_aligned(tags.get("d", "").lower(), sender)]
    if own:
        yield Diagnosis("mail: DKIM", True, f"signed for {', '.join(tags['d'] for tags in own)}")
        yield _diagnose_covered(message, own)
        for tags in own:
            yield _look_up_key(tags, records)
    else:
        others = ", ".join(tags.get("d", "?") for tags in signatures)
        yield Diagnosis(
            "mail: DKIM",
            False,
            f"it is signed for {others} only: let your relay sign for {sender}"
            if others
            else f"it is not signed: let your relay sign for {sender}",
        )
    yield _diagnose_receiver(message)


def _diagnose_covered(message: Message, own: Sequence[Mapping[str, str]]) -> Diagnosis:
    wanted = [name for name in _SIGNED if name in message]
    missing = [
        [name for name in wanted if name.lower() not in tags.get("h", "").lower().split(":")] for tags in own
    ]
    least = min(missing, key=len)
    if least:
        return Diagnosis(
            "mail: signed headers",
            False,
            f"the signature leaves out {', '.join(least)}: let your relay sign them too, or receivers show "
            "no button to unsubscribe",
        )
    return Diagnosis("mail: signed headers", True, f"the signature covers {', '.join(wanted)}")


def _look_up_key(tags: Mapping[str, str], records: DomainRecords) -> Diagnosis:
    try:
        found = diagnose_dkim(records, tags["d"], tags.get("s", ""))
    except dns.exception.DNSException as error:
        return Diagnosis("mail: key", None, f"no name server answered ({type(error).__name__}): try again")
    return Diagnosis("mail: key", found.ok, found.message)


def _diagnose_receiver(message: Message) -> Diagnosis:
    """Check the last receiver's results (RFC 8601); only its own header, the first one, can be trusted."""
    written = str(message.get("Authentication-Results", ""))
    results = dict(re.findall(r"\b(spf|dkim|dmarc)\s*=\s*(\w+)", written.lower()))
    if not results:
        return Diagnosis("mail: receiver", None, "its receiver wrote no result (Authentication-Results)")
    said = ", ".join(f"{method} {results[method]}" for method in _METHODS if method in results)
    failed = [method for method, result in results.items() if result in ("fail", "softfail", "permerror")]
    return Diagnosis(
        "mail: receiver",
        not failed,
        f"it found {said}" + (": mend what failed, by the records above" if failed else ""),
    )


def _read_tags(value: str) -> dict[str, str]:
    """The tags of a signature (RFC 6376, 3.2), without white space."""
    pairs = (part.partition("=") for part in value.split(";") if "=" in part)
    return {name.strip(): re.sub(r"\s", "", text) for name, _, text in pairs}


def _is_aligned(signer: str, sender: str) -> bool:
    """Whether two domains are aligned for receivers (RFC 7489, 3.1.1): equal, or one below the other."""
    return bool(signer) and (
        signer == sender or sender.endswith(f".{signer}") or signer.endswith(f".{sender}")
    )
