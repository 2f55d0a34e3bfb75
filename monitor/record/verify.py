#!/usr/bin/env python3
"""Check an evidence bundle of Map Monitor, offline. Needs only Python 3.8 or newer; sends and writes nothing.

    python3 verify.py [FOLDER] [--key KEY] [--head "record NUMBER ROOT" [--proof FILE]]

FOLDER is the unpacked bundle, by default that of this script. KEY is the public key of the record, HEAD the
last line of any mail of the service, both from elsewhere. FILE is what the service has at /log/consistency/,
for a head of another size than the bundle. Exit code 0: all checks passed.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import pathlib
import sys
import zipfile
from functools import lru_cache
from hashlib import sha256, sha512
from html import escape
from typing import Any, Iterable, Tuple

Result = Tuple[str, bool, str]
SUMS, SEAL, BODIES, LARGEST = "SHA256SUMS", "SHA256SUMS.sig", "bodies/", 2**29  # the most bytes to read
REQUIRED = ("README.txt", "LEEME.txt", "statement.html", "claim.json", "polls.ndjson", "changes.ndjson",
            "proofs.json", "checkpoint", "key.txt", "verify.py")  # fmt: skip
NOT_PROVED = """What this does not prove:
- That the list is right, or that an agency did what a listing suggests. Only what was published is shown.
- That the bytes came from the publisher, beyond the word of the operator: servers do not sign their pages.
- The times, beyond the word of the operator: only the order is proved. A head received earlier narrows them.
- That nothing was retracted after this bundle was made: the page of the change on the site says so.
- What statement.html, README.txt and polls.warc.gz say beyond the lines above: the words of the operator.
- Anything about this script: if it did not come from a place that you trust, compare it with one that did."""


class VerificationFailed(Exception):
    """A check that failed. Its text is the reason, for a reader who is no programmer."""


def require(holds: object, reason: str) -> None:
    if not holds:
        raise VerificationFailed(reason)


P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493  # Ed25519 (RFC 8032, 5.1), to verify
D = -121665 * pow(121666, -1, P) % P


def decode_point(encoded: bytes) -> tuple[int, int]:
    sign, y = divmod(int.from_bytes(encoded, "little"), 1 << 255)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x * pow(2, (P - 1) // 4, P) % P if (x * x - square) % P else x
    require(y < P and (x * x - square) % P == 0 and (x or not sign), "a key or a signature is not valid")
    return P - x if x & 1 != sign else x, y


def add_points(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    product = D * a[0] * a[1] * b[0] * b[1]
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + product, -1, P)
    return x % P, (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, P) % P


def verify_ed25519(key: bytes, text: bytes, signature: bytes) -> bool:
    require(len(key) == 32 and len(signature) == 64, "a key or a signature is not valid")
    k = int.from_bytes(sha512(signature[:32] + key + text).digest(), "little") % L
    s, (x, y) = int.from_bytes(signature[32:], "little"), decode_point(key)
    total, base = (0, 1), decode_point(b"X" + b"f" * 31)
    for bit in range(255, -1, -1):
        total = add_points(total, total)
        total = add_points(total, base) if s >> bit & 1 else total
        total = add_points(total, (P - x, y)) if k >> bit & 1 else total
    return s < L and total == decode_point(signature[:32])


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces: the bytes that were hashed."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def decode(text: str) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        content = b""
    require(base64.b64encode(content).decode() == text, "a hash, key or signature is not written in base64")
    return content


def parse_key(text: str) -> tuple[str, bytes, bytes]:
    """Name, id and key of the public key of a log (https://c2sp.org/signed-note)."""
    name, id_, encoded = [*text.strip().split("+", 2), "", ""][:3]
    decoded = decode(encoded)
    expected = sha256(name.encode() + b"\n" + decoded).digest()[:4]
    require((decoded[:1], expected.hex()) == (b"\x01", id_), "the public key does not match its check digits")
    return name, expected, decoded[1:]


@lru_cache(maxsize=2)  # a signature takes most of the time, and two checks read the checkpoint
def open_note(note: str, key: str, what: str) -> tuple[str, ...]:
    """The lines of a note that the key signed, after the first, which is the name of the record."""
    name, id_, public = parse_key(key)
    unsigned = f"{what} is not signed by the record's key: it or its signature was changed"
    text, _, signatures = note.rpartition("\n\n")
    for line in signatures.split("\n")[:-1]:
        mark, signer, encoded = line.split(" ")
        signature = decode(encoded)
        if (mark, signer, signature[:4], note[-1]) == ("\u2014", name, id_, "\n"):
            require(text.startswith(f"{name}\n"), f"{what} is that of another record")
            require(verify_ed25519(public, f"{text}\n".encode(), signature[4:]), unsigned)
            return tuple(text.split("\n")[1:])
    raise VerificationFailed(unsigned)


def climb(node: bytes, index: int, size: int, proof: Iterable[bytes]) -> tuple[bytes, bytes]:
    """The root that a proof leads to from a hash at this place, and that of all up to it (RFC 9162, 2.1)."""
    place, last, left = index, size - 1, node
    for step in proof:
        if last <= 0 or place > last:
            return b"", b""
        if place & 1 or place == last:
            node = sha256(b"\x01" + step + node).digest()
            left = sha256(b"\x01" + step + left).digest()
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = sha256(b"\x01" + node + step).digest()
        place, last = place >> 1, last >> 1
    return (node, left) if last == place == 0 else (b"", b"")


def continues(old: bytes, first: int, new: bytes, size: int, steps: list[bytes]) -> bool:
    """Whether the record of this size begins with the ``first`` entries of the old root (2.1.4.2)."""
    place, last = first - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    node, *rest = [old, *steps] if not first & (first - 1) else (steps or [b""])
    return climb(node, place, last + 1, rest) == (new, old) if first < size else old == new


class Bundle:  # the files by name, each parsed when a check first needs it
    def __init__(self, files: dict[str, bytes], key: str, head: str, proof: str) -> None:
        self.files, self.known_key, self.head, self.proof = files, key.strip(), head, proof
        self.key = self.known_key or files.get("key.txt", b"").decode("ascii", "replace").strip()
        self.read: dict[str, None] = {}  # by the check that runs

    def text(self, name: str) -> str:
        require(name in self.files, f"the file {name} is missing")
        self.read[name] = None
        return self.files[name].decode()

    def value(self, name: str) -> Any:
        value = json.loads(self.text(name))
        same = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1) + "\n" == self.text(name)
        require(same, f"{name} is not written as the service writes it: others may read another thing in it")
        return value

    def lines(self, kind: str) -> list[dict[str, Any]]:
        name = {"poll": "polls.ndjson", "changes": "changes.ndjson", "retraction": "retractions.ndjson"}[kind]
        lines, source = [], self.value("claim.json")["source"]
        *written, rest = (self.text(name) if name in self.files or kind != "retraction" else "").split("\n")
        for at, line in enumerate(written, 1):
            lines.append(json.loads(line))
            same, entry = canonical(lines[-1]) == line.encode(), lines[-1]["entry"]
            require(same and not rest, f"line {at} of {name} is not written as it was recorded")
            fits = entry["type"] == kind and entry["source"] == source
            require(fits, f"line {at} of {name} is of another kind or of another list")
        return lines

    def bodies(self) -> dict[str, bytes]:
        found = {name: body for name, body in self.files.items() if name.startswith(BODIES)}
        self.read.update(dict.fromkeys(found))
        return {name[len(BODIES) :].partition(".")[0]: body for name, body in found.items()}

    def parts(self, body: str) -> dict[str, bytes]:
        content = self.bodies()[body]  # a workbook is searched in its parts
        book = zipfile.ZipFile(io.BytesIO(content)) if content.startswith(b"PK") else None
        return {name: book.open(name).read(LARGEST) for name in book.namelist()} if book else {"": content}

    def checkpoint(self) -> tuple[int, str]:
        size, root = open_note(self.text("checkpoint"), self.key, "the checkpoint")
        return int(size), root


def check_files(bundle: Bundle) -> str:
    listed = {line[66:]: line[:64] for line in bundle.text(SUMS).split("\n")[:-1]}
    for name, digest in {**dict.fromkeys(REQUIRED, ""), **listed}.items():
        require(name in bundle.files, f"the file {name!r} is missing")
        same = sha256(bundle.files[name]).hexdigest() == digest
        require(same, f"the file {name} was changed, or added to the bundle, after it was made")
    added = str(sorted(set(bundle.files) - {*listed, SUMS, SEAL}))[1:-1]
    require(BODIES not in added, f"added after the bundle was made: {added}")
    others = f"; NOT of the bundle, and not checked: {added}" if added else ""
    return f"{len(listed)} files are as they were when the bundle was made{others}"


def check_key(bundle: Bundle) -> str:
    own = bundle.text("key.txt").strip()
    require(bundle.key == own, "the bundle was signed with another key than the one that you gave")
    (line,) = open_note(bundle.text(SEAL), own, "the list of files")
    same = line == f"sha256 {sha256(bundle.text(SUMS).encode()).hexdigest()}"
    require(same, "the list of files is not the one that was signed")
    require(parse_key(own)[0] == bundle.value("claim.json")["origin"], "the key is that of another record")
    known = "the one that you gave" if bundle.known_key else f"to be compared with the published one: {own}"
    return f"the key signed the list of files; it is {known}"


def check_entries(bundle: Bundle) -> str:
    (size, root), proofs = bundle.checkpoint(), bundle.value("proofs.json")
    entries = bundle.lines("poll") + bundle.lines("changes") + bundle.lines("retraction")
    complete = sorted(str(line["number"]) for line in entries) == sorted(proofs)
    require(complete, "entries and proofs do not match: one of them is missing")
    for line in entries:
        number, leaf = line["number"], sha256(b"\x00" + canonical(line["entry"])).digest()
        same = climb(leaf, number, size, map(decode, proofs[str(number)]))[0] == decode(root)
        require(same, f"entry {number} was changed: the signed record has another one in its place")
    return f"all {len(entries)} are in the signed record, at their places; record {size} {root}"


def check_polls(bundle: Bundle) -> str:
    claim, polls = bundle.value("claim.json"), bundle.lines("poll")
    require(polls, "polls.ndjson has none of the polls that were recorded")
    for line, following in zip(polls, polls[1:]):
        a, b = line["entry"], following["entry"]
        in_order = a["poll"] + 1 == b["poll"] and line["number"] < following["number"] and a["at"] <= b["at"]
        require(in_order, f"after poll {a['poll']} comes poll {b['poll']}: polls are missing or out of order")
    for line in polls:
        for part in ("headers", "request"):
            given = sha256(canonical(line[part])).hexdigest() if part in line else None
            fits = line["entry"].get(part) == given
            require(fits, f"what stands here as {part} of poll {line['entry']['poll']} was not recorded")
    first, last = polls[0]["entry"], polls[-1]["entry"]
    complete = (first["poll"], last["poll"]) == (claim["first_poll"], claim["last_poll"])
    require(complete, "the first or the last poll that the claim names is missing")
    failed = [line["entry"]["outcome"] for line in polls].count("failed")
    return f"{len(polls)} in a row, none missing, {failed} failed, from {first['at']} to {last['at']}"


def check_bodies(bundle: Bundle) -> str:
    bodies, seen = bundle.bodies(), {line["entry"].get("body") for line in bundle.lines("poll")}
    for name, content in bodies.items():
        same = sha256(content).hexdigest() == name
        require(same, f"the publication {name[:12]} was changed: its hash is another one")
        require(name in seen, f"the publication {name[:12]} was seen in none of these polls")
    missing = ", ".join(name[:12] for name in bundle.value("claim.json")["not_kept"])
    return f"{len(bodies)} as received, each with its hash" + (missing and f"; known by hash only: {missing}")


def check_claim(bundle: Bundle) -> str:
    claim, polls = bundle.value("claim.json"), [line["entry"] for line in bundle.lines("poll")]
    known, change = {None, *bundle.bodies(), *claim["not_kept"]}, claim.get("change")
    require(claim["format"] == 1, "claim.json is of a newer version than this script")
    for side, poll, moment in (("before", polls[0], "not_before"), ("after", polls[-1], "first_seen")):
        fits = poll.get("body") == claim[side] if side in claim else moment not in (change or ())
        require(fits, f"the poll {side} the change did not see the publication that the claim names")
        require(claim.get(side) in known, f"the publication {side} the change is missing")
    for quote in claim["present"]:
        part, text = bundle.parts(quote["body"])[quote["part"]], quote["text"].encode()
        found = text and part[quote["offset"] :].startswith(text)
        require(found, f"the publication {quote['body'][:12]} has not the quoted text at its place")
    for text, name in ((quote["text"], quote["body"]) for quote in claim["absent"]):
        forms = [form.encode() for form in (text, escape(text), escape(text, quote=False))]
        found = any(form in part for part in bundle.parts(name).values() for form in forms)
        require(text and not found, f"the publication {name[:12]} has what the claim says it lacks")
    ats = [poll["at"] for poll in polls]
    if change:
        recorded = [change for line in bundle.lines("changes") for change in line["entry"]["changes"]]
        require(change in recorded, "the change that is claimed is not among the recorded ones")
        around = change.get("not_before", ats[0]) == ats[0] and change.get("first_seen", ats[-1]) in ats
        told = f"{change['kind']}: {change.get('name', change.get('url'))}"
    else:
        searched, seen = {quote["body"] for quote in claim["absent"]}, {poll.get("body") for poll in polls}
        complete = seen <= known and (not searched or searched == seen - {None})
        require(complete, "a publication of the day is missing, or was not searched for the text")
        around = len(claim["day"]) == 10 and ats[0] < claim["day"] < ats[-1][:10]
        told = ", without ".join([claim["day"], *{repr(quote["text"]) for quote in claim["absent"]}])
    require(around, "the polls are not those around the change, or the day, that is claimed")
    taken_back = [(line["entry"]["at"], line["entry"]["retracts"]) for line in bundle.lines("retraction")]
    same = taken_back == [(at, change) for at in claim.get("retracted", [])]
    require(same, "the claim and the record disagree whether the change was retracted")
    missing = ", ".join(name[:12] for name in claim["not_kept"])
    told += f". In the operator's words: {claim['sentence']}"
    return told + (missing and f" (not checked in {missing}, whose bytes were not kept)")


def check_head(bundle: Bundle) -> str:
    size, root = bundle.checkpoint()
    if not bundle.head:
        return "not compared with a head that you received earlier: none was given (--head)"
    number, known = [*bundle.head.partition("record ")[2].split(), "", ""][:2]
    valid = number.isascii() and number.isdigit() and 0 < int(number[:19]) < 10**18 and len(known) == 44
    require(valid, 'the head that you gave is none: it reads "record NUMBER ROOT"')
    (first, old), (last, new) = sorted([(int(number), decode(known)), (size, decode(root))])
    if first < last and not bundle.proof:
        where = f"/log/consistency/{first}/{last} of the service ({bundle.value('claim.json')['origin']})"
        return f"NOT compared: save what is at {where} as a file, and run this again with --proof FILE"
    same = continues(old, first, new, last, list(map(decode, bundle.proof.split())))
    reason = "one was forged, the record goes on from an older copy, or --proof is for other numbers"
    require(same, f"the head that you received is of another history than this bundle: {reason}")
    return f"the head that you received and this bundle are of one history ({first} and {last} entries)"


CHECKS = (("Files", check_files), ("Key", check_key), ("Entries", check_entries), ("Polls", check_polls),
          ("Publications", check_bodies), ("Claim", check_claim), ("Head", check_head))  # fmt: skip


def verify(files: dict[str, bytes], key: str = "", head: str = "", proof: str = "") -> list[Result]:
    """Name, success and explanation of every check."""
    bundle, results = Bundle(files, key, head, proof), []
    for name, check in CHECKS:
        bundle.read.clear()
        try:
            text, passed = check(bundle), True
        except VerificationFailed as error:
            text, passed = str(error), False
        except Exception:  # whatever a changed file makes of the parsers, it is a failed check
            text, passed = f"changed, cut or exchanged, at least one: {', '.join(bundle.read)}", False
        results.append((name, passed, "".join(each if each.isprintable() else "\ufffd" for each in text)))
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description="Check an evidence bundle offline.")
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    parser.add_argument("--key", default="", help="public key of the record, not from the bundle")
    parser.add_argument("--head", default="", help='"record NUMBER ROOT": the last line of a mail')
    parser.add_argument("--proof", type=pathlib.Path, help="what /log/consistency/ of the service has")
    given = parser.parse_args()
    try:
        proof = given.proof.read_text("utf-8", "replace") if given.proof else ""
        paths = [path for path in given.folder.rglob("*") if path.is_file() and not path.is_symlink()]
        if sum(path.stat().st_size for path in paths) > LARGEST:
            raise OSError("the folder is too large for an evidence bundle")
        files = {path.relative_to(given.folder).as_posix(): path.read_bytes() for path in paths}
    except OSError as error:
        parser.error(f"cannot be read: {error}")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    results = verify(files, given.key, given.head, proof)
    for name, passed, text in results:
        print(f"{'OK' if passed else 'FAIL':<5} {name:<13} {text}")
    good = all(passed for _, passed, _ in results)
    print(f"\n{'Every check passed.' if good else 'FAILED: do not rely on this bundle.'}\n\n{NOT_PROVED}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
