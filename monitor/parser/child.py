"""The child process: reads requests one after the other from standard input, and answers on standard output.

Run as a script by `ParserProcess`, isolated (``python -I``), with its limits as arguments: bytes of address
space and seconds of processor for each request.
"""

from __future__ import annotations

import gc
import json
import math
import mimetypes
import os
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

if __name__ == "__main__":  # isolated mode uses neither the working directory nor PYTHONPATH
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import msgspec

from monitor import sources
from monitor.core import renames
from monitor.domain import Listing, Publication
from monitor.errors import ParseError, location_of
from monitor.parser.confinement import confine
from monitor.parser.protocol import BATCH, OUT_OF_MEMORY, frame, read_frame
from monitor.sources import ParseOptions
from monitor.sources.page_links import read_links
from monitor.sources.proposals import propose

_FILES = 32  # file descriptors: three streams, and those that a library opens briefly


def limit(memory: int) -> None:
    """Limit this process permanently: address space, no core dumps, no written files, few file
    descriptors.
    """
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _FILES),
    ):
        resource.setrlimit(what, (most, most))


def limit_processor(seconds: int) -> None:
    """Allow this process ``seconds`` more of processor time; after that, the kernel ends it with SIGXCPU."""
    until = math.ceil(time.process_time()) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def dump_publication(publication: Publication) -> bytes:
    """Serialize a publication: without its listings on one line, then a line of JSON for every `BATCH`
    listings.
    """
    listings = publication.listings
    lines = [b'{"publication":' + msgspec.json.encode(replace(publication, listings=())) + b"}"]
    lines += [msgspec.json.encode(listings[at : at + BATCH]) for at in range(0, len(listings), BATCH)]
    return b"\n".join(lines)


def answer(request: dict[str, Any], content: bytes) -> bytes:
    """Compute the JSON answer to a request."""
    try:
        if request["do"] == "parse":
            publication = sources.parse(content, msgspec.convert(request["options"], ParseOptions))
            return dump_publication(publication)
        if request["do"] == "links":
            links = sources.find_links(content, msgspec.convert(request["options"], ParseOptions))
            return b'{"links":' + msgspec.json.encode(links) + b"}"
        if request["do"] == "page":
            page = read_links(content, request["url"], request["content_type"])
            return b'{"page":' + msgspec.json.encode(page) + b"}"
        if request["do"] == "propose":
            return b'{"proposal":' + msgspec.json.encode(propose(content)) + b"}"
        removed, added = msgspec.json.decode(content, type=tuple[list[Listing], list[Listing]])
        pairs = renames.pair(removed, added, widespread=frozenset(request["widespread"]))
        return json.dumps({"pairs": [(was.key, now.key) for was, now in pairs]}).encode()
    except ParseError as error:
        return json.dumps({"refused": str(error)}).encode()
    except MemoryError:
        return OUT_OF_MEMORY
    except Exception as error:  # a bug must not affect more than this request
        return json.dumps({"broken": location_of(error)}).encode()


def main(memory: int, processor: int, incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Answer requests until the parent closes the stream."""
    limit(memory)
    mimetypes.init()  # reads the system's files; openpyxl would do so later
    confine()
    gc.disable()  # with a million live objects, each collection takes longer than the parsing in between
    while (header := read_frame(incoming)) is not None:
        content = read_frame(incoming)
        if content is None:
            return
        limit_processor(processor)
        outgoing.write(frame(answer(json.loads(header), content)))
        outgoing.flush()
        del content
        gc.collect()


if __name__ == "__main__":
    streams = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # a library that prints or reads must not get between the frames
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    main(int(sys.argv[1]), int(sys.argv[2]), *streams)
