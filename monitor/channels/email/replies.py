"""Interprets a mail server's refusal: whether it concerns the delivery, the address, the domain, or us. Pure.

Codes: RFC 5321, 4.2.3; enhanced status codes: RFC 3463 and its registry (5.1.10: RFC 7505). Servers put the
enhanced code in different places, and several use a recipient's code for complaints about the sender; so the
text is examined too.
"""

from __future__ import annotations

import re
from datetime import timedelta

from monitor.channels import EVERYTHING
from monitor.errors import Permanent, SendError, Transient

_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_GONE = {(1, 1), (1, 2), (1, 10)}  # no such mailbox, no such system, null MX
_THEIRS = {(2, 1), (2, 2)}  # disabled, full
# about the sender, although they occur in the recipient's phase: its address (1.7, 1.8), its daily limit
# (1.90 Exchange Online, 4.5 Gmail), no authentication (7.3, 7.57), may not send as this sender (7.60),
# suspected (7.501 ...)
_SENDER = {(1, 7), (1, 8), (1, 90), (4, 5), (7, 3), (7, 57), (7, 60), (7, 501), (7, 502), (7, 503), (7, 750)}
_SENDER_TEXT = re.compile(
    r"""
    \brelay(?:ing)?\b .{0,40} (?:deni|not\ permit|not\ allow|prohibit|disabled|access|refus|unable)
    | (?:not\ (?:permitted|allowed|authori[sz]ed)\ to|unable\ to|cannot) .{0,12} \brelay
    | (?:do\ not|don't|won't|will\ not) .{0,12} \brelay
    | rcpthosts
    | \bsender\b .{0,30} (?:verif|reject|denied|refus|not\ allow|not\ valid|unauthori|must\ auth)
    | \bsender\b .{0,30} (?:not\ confirm|suspend|block)
    | (?:reject|denied|refus|unauthori[sz]ed|invalid|unverified|suspended) \ (?:\w+\ )? sender\b
    | \bsender(?:'s)?\ (?:mailbox|address|domain)\b .{0,60} (?:unknown|not\ (?:exist|found|valid)|does\ not)
    | \b(?:your|the\ sending|this\ sending|sender's)\ (?:\w+\ )?
      (?:account|sending|messages?\ limit|quota|plan|subscription|(?:smtp\ )?user|tenant|allowance)\b
    | \btenant\b .{0,30} (?:exceed|limit|block|suspend)
    | \b(?:free\ tier|trial\ accounts?|sandbox\ mode|e?mail\ credits?|out\ of\ credits?)\b
    | \b(?:log\ ?in|sign\ in)\ first\b
    | \b(?:ihr|votre|su|tu|il\ tuo|il\ suo|sua|seu|tua)\ (?:konto|compte|cuenta|account|conta|usuario)\b
    | \b(?:tages|versand|sende)-?limit | \blimite\ (?:\w+\ )?(?:d.envoi|de\ env[ií]os?|di\ invio)\b
    | \bl[ií]mite\ (?:\w+\ )?de\ env[ií]os?\b | 送信制限 | 发送(?:限制|配额) | 暂停发送 | лимит\w*\ исходящ
    | \b(?:remitente|expéditeur|absender|mittente|remetente|отправител\w*)\b .{0,40}
      (?:no\ |non\ |not\ |pas\ |nicht|не\ |rechaz|refus|abgelehnt|rifiut|rejeit|bloq|gesperrt|заблок)
    | \bsending\b .{0,30} (?:quota|limit|suspend|paused|disabled|block|rate)
    | \bsending\b .{0,30} not\ (?:permitted|allowed|enabled)
    | \b(?:outgoing|outbound)\b
    | \b(?:daily|hourly|monthly)\b .{0,40} (?:limit|quota|exceed)
    | (?:limit|quota|exceeded) .{0,40} \b(?:per\ (?:hour|day|month)|daily|hourly|monthly)\b
    | (?:limit|quota|exceeded) .{0,40} \b(?:plan|messages\ sent|recipients)\b
    | \baccount\b .{0,40} (?:suspended|inactive|not\ active|restricted|compromised|pending\ approval)
    | \b(?:smtp\ )?auth(?:entication|enticated)?\b .{0,20} (?:required|needed|first)
    | \b(?:email|from)\ address\ is\ not\ verified
    | \bnot\ (?:permitted|allowed|authori[sz]ed)\ to\ send\b | permissions?\ to\ send\ as
    """,
    re.IGNORECASE | re.VERBOSE,
)
_TOO_MANY = re.compile(r"\b(?:maximum number of|too many) (?:e?mails?|messages)\b", re.IGNORECASE)
"""In a permanent reply, this is the quota of our account; in a temporary one, the rate that a domain
accepts.
"""
_MAILBOX = re.compile(
    r"\b(?:inbox|recipient(?:'s)?|(?<!your )(?<!smtp )user(?:'s)?)\b.{0,40}"
    r"\b(?:full|over ?quota|storage|disabled|inactive|suspended|closed|exceeded)\b"
    r"|\baccount (?:of|for) \S*@|\baccount that you tried to reach\b"
    r"|\bover ?quota\b|\bquota exceeded for\b|(?<!sender )(?<!sender's )\bmailbox\b",
    re.IGNORECASE,
)
_POLICY_TEXT = re.compile(
    r"\b(?:spf|dkim|dmarc|rdns|reverse dns|ptr record|reputation)\b|\bblack-?list|\bblock-?list"
    r"|\bip\b.{0,40}\b(?:block|list|reject|denied|refused|bloqu|gesperrt)"
    r"|\bmails? from this (?:server|host|ip)\b",
    re.IGNORECASE,
)
"""Complaints about the sender's machine or domain, by servers that give no code for them."""
_GREYLISTING = re.compile(r"gr[ea]y-?list", re.IGNORECASE)
_WAIT = re.compile(r"\b(\d{1,5})\s*(s|sec|secs|seconds?|m|min|mins|minutes?)\b", re.IGNORECASE)
GREYLISTED = timedelta(minutes=5)
"""After this time the usual greylisting takes a second attempt (postgrey's default)."""
_LONGEST_WAIT = timedelta(hours=4)


def refusal(phase: str, code: int, text: str, address: str) -> SendError:
    """Create the error for a reply that refuses. ``phase`` is "MAIL", "RCPT", "DATA" or "message"
    (the reply to its end).

    The error's text never holds the address, even if the server repeats it.
    """
    status = enhanced_status(code, text)
    reason = f"the mail server answered {phase} with {code} {redact(text, address)}".rstrip()
    answer = f"{phase} {code} " + (".".join(map(str, (code // 100, *status))) if status != (0, 0) else "")
    answer = answer.rstrip()
    if is_about_us(phase, code, status, text):
        lasting = 500 <= code <= 599
        return Transient(
            reason,
            lane=EVERYTHING if lasting else None,
            refuses_us=lasting,
            slower=not lasting,
            answer=answer,
        )
    if not 500 <= code <= 599:
        return _refusal_for_now(phase, code, status, text, reason, address, answer)
    says_mailbox = _MAILBOX.search(text) is not None
    if status[0] == 7 or (status[0] not in {1, 2} and not says_mailbox and _POLICY_TEXT.search(text)):
        # reputation, DKIM, policy: counts for the domain if many get it, and is never a reason to suppress a
        # person
        return Transient(reason, lane=domain_of(address), policy=True, answer=answer)
    if status in _GONE:
        return Permanent(reason, address_gone=True, answer=answer)
    # a bad address or mailbox is the recipient's; a refused content (5.6), size (5.3.4) or command (5.5) is
    # not, unless the text names the mailbox (Outlook's 5.5.0)
    is_theirs = status[0] in {1, 2} or (phase == "RCPT" and (says_mailbox or status[0] not in {5, 6}))
    return Permanent(reason, strike=is_theirs, answer=answer)


def enhanced_status(code: int, text: str) -> tuple[int, int]:
    """Find the subject and detail of the enhanced code that agrees with the reply's own code, anywhere in the
    text; (0, 0) without one.
    """
    for found in _ENHANCED.finditer(text):
        if int(found[1]) == code // 100:
            return int(found[2]), int(found[3])
    return 0, 0


def is_about_us(phase: str, code: int, status: tuple[int, int], text: str) -> bool:
    """Whether a refusal is about the sender's account, address, quota or permission to relay."""
    if status in _THEIRS:
        return False
    if code in {530, 535} or status in _SENDER:
        return True
    if phase == "MAIL":
        return code >= 500
    if status[0] == 2 or _MAILBOX.search(text):
        return False
    return bool(_SENDER_TEXT.search(text) or (code >= 500 and _TOO_MANY.search(text)))


def _refusal_for_now(
    phase: str, code: int, status: tuple[int, int], text: str, reason: str, address: str, answer: str
) -> Transient:
    """Create the error for a temporary refusal: greylisting, a limit of the domain, or anything else."""
    if _GREYLISTING.search(text) or (phase == "RCPT" and code in {450, 451} and status == (7, 1)):
        return Transient(reason, retry_after=max(_named_wait(text), GREYLISTED), answer=answer)
    if status[0] == 7 and phase == "MAIL":
        return Transient(reason, lane=EVERYTHING, answer=answer)
    if status[0] == 7:
        # a rate limit: send fewer at a time, and this one later
        return Transient(
            reason,
            lane=domain_of(address),
            policy=True,
            slower=True,
            retry_after=_named_wait(text) or None,
            answer=answer,
        )
    return Transient(reason, answer=answer)


def _named_wait(text: str) -> timedelta:
    """Read the wait that a text asks for; zero if it names none."""
    found = _WAIT.search(text)
    if found is None:
        return timedelta()
    seconds = int(found[1]) * (60 if found[2].lower().startswith("m") else 1)
    return min(timedelta(seconds=seconds), _LONGEST_WAIT)


def redact(text: str, address: str) -> str:
    """Remove all addresses from a server's text, and the local part of this address (or a user name); one
    line of at most 200 characters.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = re.sub(r"[^\s<>(),;:\"']*@[^\s<>(),;:\"']*", "[address]", line)
    if name := address.partition("@")[0]:
        line = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", "[address]", line, flags=re.IGNORECASE)
    return line[:200]


def domain_of(address: str) -> str:
    """The mail domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()
