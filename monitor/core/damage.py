"""Text that a publisher's software damaged: broken encodings, question marks in place of letters.

A name whose text was only damaged is still the same name. Nothing here guesses the original text; the
functions answer whether a text can be a damaged form of a known one.
"""

from __future__ import annotations

import re

from monitor.core.wording import normalize

_CP1252 = {
    ord(character): byte
    for byte in range(0x80, 0xA0)
    for character in bytes([byte]).decode("cp1252", "ignore")  # no sequence has five bytes
}
_NEXT = "[" + "".join(map(chr, [*range(0x80, 0xC0), *_CP1252])) + "]"
# one UTF-8 character whose bytes were read as characters: as many follow as its first byte requires. A class
# at the start is searched for three times as fast as the starts of alternatives
_FOREIGN = re.compile(
    f"[\xc2-\xf4](?:(?<=[\xc2-\xdf]){_NEXT}|(?<=[\xe0-\xef]){_NEXT}{{2}}|(?<=[\xf0-\xf4]){_NEXT}{{3}})"
)
_LOST = re.compile(r"[\ufffd\x80-\x9f]|\w\?+\w|(?:^|\s)\?+\w")
_LEAST_LEFT = 3  # ASCII letters that must remain of a name to recognize it
_PASSES = 2  # text that was mis-decoded twice is common, three times is not


def looks_damaged(text: str) -> bool:
    """Whether a text has the traces of a broken encoding: UTF-8 read as another encoding, replacement
    characters, control characters, question marks in words.
    """
    if text.isascii():
        return "?" in text and _LOST.search(text) is not None
    if ("?" in text or "\ufffd" in text or not text.isprintable()) and _LOST.search(text):
        return True
    # bytes of UTF-8 are two characters beyond ASCII at least; to see that takes a quarter of the expression
    return b"??" in text.encode("ascii", "replace") and bool(_FOREIGN.search(text)) and mend(text) != text


def mend(text: str) -> str:
    """Decode text that is UTF-8 read as Windows-1252 or Latin-1: "CaÃ±on" is "Cañon"."""
    for _ in range(_PASSES):
        mended = _FOREIGN.sub(_decode, text)
        if mended == text:
            break
        text = mended
    return text


def is_worse(before: str, after: str) -> bool:
    """Whether ``after`` is a damaged form of ``before``, or ``before`` without its letters beyond ASCII.

    A difference that `normalize` removes is not damage, and neither is an improved text.
    """
    if normalize(before) == normalize(after):
        return looks_damaged(after) and not looks_damaged(before)
    if not looks_damaged(after) and "?" not in after and (before.isascii() or not after.isascii()):
        return False
    if looks_damaged(before):
        return False
    bones = skeleton(before)
    return (len(bones) >= _LEAST_LEFT and bones == skeleton(after)) or normalize(mend(after)) == normalize(
        before
    )


def skeleton(text: str) -> str:
    """The characters that no broken encoding changes: ASCII letters and digits, in lower case."""
    return "".join(c for c in text.casefold() if c.isascii() and c.isalnum())


def _decode(match: re.Match[str]) -> str:
    run = match[0]
    try:
        return bytes(_CP1252.get(ord(c), ord(c)) for c in run).decode()
    except ValueError:
        return run
