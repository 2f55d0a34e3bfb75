#!/usr/bin/env python3
"""Check an evidence bundle of Map Monitor, offline. Needs only Python 3.8 or newer; sends and writes nothing.

    python3 verify.py [FOLDER] [--key KEY] [--head "record NUMBER ROOT"]

FOLDER is the unpacked bundle, by default that of this script. KEY is the public key of the record, HEAD the
last line of any mail of the service, both from another place than the bundle. Exit code 0: all checks passed.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import pathlib
import sys
import zipfile
from typing import Any, Iterable

SUMS, SEAL, BODIES = "SHA256SUMS", "SHA256SUMS.sig", "bodies/"
REQUIRED = ("README.txt", "LEEME.txt", "statement.html", "claim.json", "polls.ndjson", "changes.ndjson",
            "proofs.json", "checkpoint", "key.txt", "verify.py")  # fmt: skip
NOT_PROVED = """What this does not prove:
- That the list is right, or that an agency did what a listing suggests. Only what was published is shown.
- That the bytes came from the publisher, beyond the word of the operator: servers do not sign their pages.
- The times, beyond the word of the operator: only the order is proved. A head received earlier narrows them.
- That nothing was retracted after this bundle was made: the page of the change on the site says so.
- Anything about this script: if it did not come from a place that you trust, compare it with one that did.
"""


class VerificationFailed(Exception):
    """A check that failed. Its text is the reason, for a reader who is no programmer."""


# Ed25519 (RFC 8032, 5.1), verification only. Points are in extended coordinates.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
BASE = (4 * pow(5, P - 2, P) % P).to_bytes(32, "little")


def decode_point(encoded: bytes) -> tuple[int, int, int, int]:
    number = int.from_bytes(encoded, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        raise VerificationFailed("a key or a signature is not a valid one")
    x = P - x if x & 1 != sign else x
    return (x, y, 1, x * y % P)


def add_points(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    one, two = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    three, four = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = two - one, four - three, four + three, two + one
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply_point(factor: int, point: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    result = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            result = add_points(result, point)
        point, factor = add_points(point, point), factor >> 1
    return result


def verify_ed25519(key: bytes, text: bytes, signature: bytes) -> bool:
    if len(key) != 32 or len(signature) != 64:
        return False
    s = int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % L
    left = multiply_point(s, decode_point(BASE))
    right = add_points(decode_point(signature[:32]), multiply_point(k, decode_point(key)))
    same = ((left[at] * right[2] - right[at] * left[2]) % P == 0 for at in (0, 1))
    return s < L and all(same)


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces: the bytes that were hashed."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def require(holds: object, reason: str) -> None:
    if not holds:
        raise VerificationFailed(reason)


def encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def decode(text: str) -> bytes:
    content = base64.b64decode(text, validate=True)
    require(encode(content) == text, "a hash or signature is not in its one canonical spelling")
    return content


def parse_key(text: str) -> tuple[str, bytes, bytes]:
    """Name, id and key of the public key of a log (https://c2sp.org/signed-note)."""
    name, id_, encoded = text.strip().split("+", 2)
    decoded = decode(encoded)
    expected = hashlib.sha256(name.encode() + b"\n" + decoded).digest()[:4]
    require(
        decoded[:1] == b"\x01" and expected.hex() == id_, "the public key does not match its check digits"
    )
    return name, expected, decoded[1:]


def open_note(note: bytes, key: str, what: str) -> list[str]:
    """The lines of a note that the key signed, after the first, which is the name of the record."""
    name, id_, public = parse_key(key)
    text, _, signatures = note.decode().rpartition("\n\n")
    text += "\n"
    for line in signatures.split("\n")[:-1]:
        mark, signer, encoded = line.split(" ")
        signature = decode(encoded)
        if (mark, signer, signature[:4]) == ("\u2014", name, id_):
            require(text.startswith(f"{name}\n"), f"{what} is that of another record")
            if verify_ed25519(public, text.encode(), signature[4:]):
                return text.split("\n")[1:-1]
    raise VerificationFailed(f"{what} is not signed by the record's key: it or its signature was changed")


def climb(leaf: bytes, index: int, size: int, proof: Iterable[bytes]) -> bytes | None:
    """The root that a proof of inclusion leads to (RFC 9162, 2.1.3.2)."""
    place, last, node = index, size - 1, hashlib.sha256(b"\x00" + leaf).digest()
    for step in proof:
        if last <= 0 or place > last:
            return None
        if place & 1 or place == last:
            node = hashlib.sha256(b"\x01" + step + node).digest()
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + step).digest()
        place, last = place >> 1, last >> 1
    return node if last == place == 0 else None


class Bundle:
    """The files of a bundle by name, each parsed when a check first needs it."""

    def __init__(self, files: dict[str, bytes], key: str, head: str) -> None:
        self.files, self.known_key, self.head = files, key.strip(), head

    def text(self, name: str) -> str:
        require(name in self.files, f"the file {name} is missing")
        return self.files[name].decode()

    def key(self) -> str:
        return self.known_key or self.text("key.txt").strip()

    def claim(self) -> dict[str, Any]:
        claim: dict[str, Any] = json.loads(self.text("claim.json"))
        require(claim["format"] == 1, "claim.json is of a newer version than this script")
        return claim

    def lines(self, kind: str) -> list[dict[str, Any]]:
        name = {"poll": "polls.ndjson", "changes": "changes.ndjson", "retraction": "retractions.ndjson"}[kind]
        lines, source = [], self.claim()["source"]
        written = self.text(name) if name in self.files or kind != "retraction" else ""
        for at, line in enumerate(written.split("\n")[:-1], 1):
            value = json.loads(line)
            require(
                canonical(value) == line.encode(), f"line {at} of {name} is not written as it was recorded"
            )
            entry = value["entry"]
            fits = entry["type"] == kind and entry["source"] == source
            require(fits, f"line {at} of {name} is of another kind or of another list")
            lines.append(value)
        return lines

    def bodies(self) -> dict[str, bytes]:
        found = {name: body for name, body in self.files.items() if name.startswith(BODIES)}
        return {name[len(BODIES) :].partition(".")[0]: body for name, body in found.items()}

    def missing(self) -> str:
        return ", ".join(str(name)[:12] for name in self.claim()["not_kept"])

    def checkpoint(self) -> tuple[int, bytes]:
        size, root = open_note(self.files["checkpoint"], self.key(), "the checkpoint")
        require(size == str(int(size)), "the checkpoint is not written as it was recorded")
        return int(size), decode(root)


def check_files(bundle: Bundle) -> str:
    listed = {line[66:]: line[:64] for line in bundle.text(SUMS).split("\n")[:-1]}
    for name in REQUIRED:
        require(name in listed, f"{name} is not in the list of files, although every bundle has it")
    for name, digest in listed.items():
        require(name in bundle.files, f"the file {name!r}, which is in the list of files, is missing")
        require(
            sha256(bundle.files[name]) == digest, f"the file {name} was changed after the bundle was made"
        )
    for name in bundle.files:
        require(name in listed or not name.startswith(BODIES), f"{name} was added after the bundle was made")
    added = ", ".join(sorted(repr(name) for name in set(bundle.files) - {*listed, SUMS, SEAL}))
    added = f"; NOT of the bundle, and not checked: {added}" if added else ""
    return f"{len(listed)} files are as they were when the bundle was made{added}"


def check_key(bundle: Bundle) -> str:
    own = bundle.text("key.txt").strip()
    require(bundle.key() == own, "the bundle was signed with another key than the one that you gave")
    (line,) = open_note(bundle.files[SEAL], own, "the list of files")
    require(
        line == f"sha256 {sha256(bundle.files[SUMS])}", "the list of files is not the one that was signed"
    )
    require(
        parse_key(own)[0] == bundle.claim()["origin"], "the key is that of another record than the claim's"
    )
    known = "the one that you gave" if bundle.known_key else f"to be compared with the published one: {own}"
    return f"the key signed the list of files; it is {known}"


def check_entries(bundle: Bundle) -> str:
    size, root = bundle.checkpoint()
    proofs = json.loads(bundle.text("proofs.json"))
    entries = bundle.lines("poll") + bundle.lines("changes") + bundle.lines("retraction")
    numbers = sorted(str(line["number"]) for line in entries)
    require(numbers == sorted(proofs), "entries and proofs do not match: one of them is missing")
    for line in entries:
        number, content = line["number"], canonical(line["entry"])
        reached = climb(content, number, size, map(decode, proofs[str(number)]))
        require(
            reached == root, f"entry {number} was changed: the signed record has another one in its place"
        )
    return f"all {len(entries)} are in the signed record, at their places; record {size} {encode(root)}"


def check_polls(bundle: Bundle) -> str:
    claim, polls = bundle.claim(), bundle.lines("poll")
    require(polls, "there is no poll")
    for line, following in zip(polls, polls[1:]):
        a, b = line["entry"], following["entry"]
        in_order = a["poll"] + 1 == b["poll"] and line["number"] < following["number"] and a["at"] <= b["at"]
        require(in_order, f"after poll {a['poll']} comes poll {b['poll']}: polls are missing or out of order")
    for line in polls:
        for part in ("headers", "request"):
            fits = line["entry"].get(part) == (sha256(canonical(line[part])) if part in line else None)
            require(fits, f"what stands here as {part} of poll {line['entry']['poll']} was not recorded")
    first, last = polls[0]["entry"], polls[-1]["entry"]
    complete = (first["poll"], last["poll"]) == (claim["first_poll"], claim["last_poll"])
    require(complete, "the first or the last poll that the claim names is missing")
    failed = sum(line["entry"]["outcome"] == "failed" for line in polls)
    return f"{len(polls)} in a row, none missing, {failed} failed, from {first['at']} to {last['at']}"


def check_bodies(bundle: Bundle) -> str:
    bodies, seen = bundle.bodies(), {line["entry"].get("body") for line in bundle.lines("poll")}
    for name, content in bodies.items():
        require(sha256(content) == name, f"the publication {name[:12]} was changed: its hash is another one")
        require(name in seen, f"the publication {name[:12]} was seen in none of these polls")
    missing = bundle.missing()
    by_hash = f"; known by hash only: {missing}" if missing else ""
    return f"{len(bodies)} as received, each with its hash{by_hash}"


def read_part(body: bytes, part: str) -> bytes:
    """A body, or a named part of it when it is a workbook."""
    return zipfile.ZipFile(io.BytesIO(body)).read(part) if part else body


def check_claim(bundle: Bundle) -> str:
    claim, bodies, polls = bundle.claim(), bundle.bodies(), bundle.lines("poll")
    for side, line in (("before", polls[0]), ("after", polls[-1])):
        if side in claim:
            fits = line["entry"].get("body") == claim[side]
            require(fits, f"the poll {side} the change did not see the publication that the claim names")
            known = claim[side] in bodies or claim[side] in claim["not_kept"]
            require(known, f"the publication {side} the change is missing")
    for quote in claim["present"]:
        text, at = quote["text"].encode(), quote["offset"]
        found = read_part(bodies[quote["body"]], quote["part"])[at : at + len(text)] == text
        require(text and found, f"the publication {quote['body'][:12]} has not the quoted text at its place")
    for quote in claim["absent"]:
        found = quote["text"].encode() in read_part(bodies[quote["body"]], quote["part"])
        require(not found, f"the publication {quote['body'][:12]} has a text that the claim says it lacks")
    recorded = [change for line in bundle.lines("changes") for change in line["entry"]["changes"]]
    claimed = "change" not in claim or claim["change"] in recorded
    require(claimed, "the change that is claimed is not among the recorded ones")
    taken_back = [line["entry"] for line in bundle.lines("retraction")]
    same = [entry["at"] for entry in taken_back] == claim.get("retracted", [])
    require(same, "the claim and the record disagree whether the change was retracted")
    about = all(entry["retracts"] == claim.get("change") for entry in taken_back)
    require(about, "a retraction is of another change than the claim")
    unseen = f" (not checked in {bundle.missing()}, whose bytes were not kept)" if claim["not_kept"] else ""
    return str(claim["sentence"]) + unseen


def check_head(bundle: Bundle) -> str:
    size, root = bundle.checkpoint()
    if not bundle.head:
        return "not compared with a head that you received earlier: none was given (--head)"
    number, known = [*bundle.head.partition("record ")[2].split(), "", ""][:2]
    require(number.isdigit() and known, 'the head that you gave is none: it reads "record NUMBER ROOT"')
    if int(number) != size:
        return f"not compared: the head has {number} entries, this bundle {size}"
    require(known == encode(root), "the head that you received is of another history: one of them was forged")
    return "the head that you received is that of this bundle"


CHECKS = (("Files", check_files), ("Key", check_key),
          ("Entries", check_entries), ("Polls", check_polls), ("Publications", check_bodies),
          ("Claim", check_claim), ("Head", check_head))  # fmt: skip


def verify(files: dict[str, bytes], key: str = "", head: str = "") -> list[tuple[str, bool, str]]:
    """Name, success and explanation of every check."""
    bundle, results = Bundle(files, key, head), []
    for name, check in CHECKS:
        try:
            results.append((name, True, check(bundle)))
        except Exception as error:  # whatever a changed file makes of the parsers, it is a failed check
            damage = f"a file is missing or not written as it was recorded ({type(error).__name__}: {error})"
            results.append((name, False, str(error) if isinstance(error, VerificationFailed) else damage))
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description="Check an evidence bundle offline.")
    parser.add_argument("folder", nargs="?", default=pathlib.Path(__file__).resolve().parent)
    parser.add_argument("--key", default="", help="public key of the record, not from the bundle")
    parser.add_argument("--head", default="", help='"record NUMBER ROOT": the last line of a mail')
    arguments = parser.parse_args()
    paths = [path for path in pathlib.Path(arguments.folder).rglob("*") if path.is_file()]
    files = {path.relative_to(arguments.folder).as_posix(): path.read_bytes() for path in paths}
    results = verify(files, arguments.key, arguments.head)
    for name, passed, text in results:
        print(f"{'OK' if passed else 'FAIL':<5} {name:<13} {text}")
    good = all(passed for _, passed, _ in results)
    print("\nEvery check passed.\n" if good else "\nFAILED: do not rely on this bundle.\n")
    print(NOT_PROVED)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
