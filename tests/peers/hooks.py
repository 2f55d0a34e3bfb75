"""Chat services and a receiver of signed webhooks, on a loopback port: each checks what it gets as its
documentation says and answers as it does.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

Reply = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True, slots=True)
class HookCall:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HookServer:
    """A context manager. ``posts`` are the texts that a service has taken; ``answers`` are given first, one
    for each request.
    """

    service: Callable[[HookServer, HookCall], Reply]
    calls: list[HookCall] = field(default_factory=list)
    posts: list[str] = field(default_factory=list)
    answers: list[Reply] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                call = HookCall(self.command, self.path, headers, self.rfile.read(length))
                server.calls.append(call)
                status, more, body = server.answers.pop(0) if server.answers else server.service(server, call)
                self.send_response(status)
                for name, value in {**more, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PUT = do_GET = _handle

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}{path}"


def receiver(server: HookServer, call: HookCall) -> Reply:
    """Standard Webhooks: a signature by one of our keys, over id, time and body; one id is taken once."""
    id, timestamp = call.headers["webhook-id"], call.headers["webhook-timestamp"]
    assert re.fullmatch(r"[0-9]{10}", timestamp)
    signed = f"{id}.{timestamp}.".encode() + call.body
    expected = {
        "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in server.keys
    }
    if not expected & set(call.headers["webhook-signature"].split(" ")):
        return 401, {}, b"bad signature"
    if id not in server.known:
        server.known.add(id)
        server.posts.append(call.json["type"])
    return 204, {}, b""


def discord(server: HookServer, call: HookCall) -> Reply:
    """Execute Webhook: content of 1 to 2,000 characters, read as Markdown: a backslash hides one sign."""
    content = call.json.get("content", "")
    if not 1 <= len(content) <= 2000:
        return 400, {}, b'{"content": ["Must be 2000 or fewer in length."]}'
    assert call.json["allowed_mentions"] == {"parse": []}
    assert not re.search(r"(?<!\\)[*~`|>]", content)
    server.posts.append(re.sub(r"\\(.)", r"\1", content))
    return 204, {}, b""


def slack(server: HookServer, call: HookCall) -> Reply:
    """Incoming webhooks: text in which &, < and > are escaped."""
    text = call.json.get("text", "")
    if not text:
        return 400, {}, b"no_text"
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", text)
    server.posts.append(text)
    return 200, {}, b"ok"


def teams(server: HookServer, call: HookCall) -> Reply:
    """Workflows: a message with an Adaptive Card, 28 KB at most."""
    if len(call.body) > 28 * 1024:
        return 413, {}, b""
    (attachment,) = call.json["attachments"]
    assert call.json["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert card["type"] == "AdaptiveCard"
    assert {each["type"] for each in card["body"]} == {"RichTextBlock"}  # a TextBlock reads Markdown
    lines = [run["text"] for each in card["body"] for run in each["inlines"]]
    assert all("\n" not in line for line in lines)
    server.posts.append("\n".join(lines))
    return 202, {}, b""


def ntfy(server: HookServer, call: HookCall) -> Reply:
    """Publish as JSON: to the root, 4,096 bytes of message."""
    if call.path != "/" or not re.fullmatch(r"[-_A-Za-z0-9]{1,64}", call.json.get("topic", "")):
        return 400, {}, b'{"code":40024,"error":"invalid request: topic invalid"}'
    if call.headers.get("authorization") != "Bearer tk_secret":
        return 403, {}, b'{"code":40301,"error":"forbidden"}'
    assert len(call.json["message"].encode()) <= 4096
    server.posts.append(call.json["message"])
    return 200, {}, b"{}"


def matrix(server: HookServer, call: HookCall) -> Reply:
    """PUT send: one event per transaction id."""
    found = re.fullmatch(r"/_matrix/client/v3/rooms/([^/]+)/send/m\.room\.message/([^/]+)", call.path)
    if call.method != "PUT" or not found or unquote(found[1]) != "!abc:matrix.example":
        return 404, {}, b'{"errcode":"M_UNRECOGNIZED"}'
    if call.headers.get("authorization") != "Bearer tk_secret":
        return 401, {}, b'{"errcode":"M_UNKNOWN_TOKEN"}'
    if found[2] not in server.known:
        server.known.add(found[2])
        assert call.json["msgtype"] == "m.text"
        server.posts.append(call.json["body"])
    return 200, {}, b'{"event_id":"$1"}'


def mastodon(server: HookServer, call: HookCall) -> Reply:
    """POST statuses: 500 characters, one status per Idempotency-Key."""
    if call.path != "/api/v1/statuses" or call.headers.get("authorization") != "Bearer tk_secret":
        return 401, {}, b'{"error":"The access token is invalid"}'
    status = call.json["status"]
    if len(status) > 500:
        return 422, {}, b'{"error":"Validation failed: Text character limit of 500 exceeded"}'
    key = call.headers["idempotency-key"]
    if key not in server.known:
        server.known.add(key)
        server.posts.append(status)
    return 200, {}, b'{"id":"1"}'


def signal(server: HookServer, call: HookCall) -> Reply:
    """signal-cli-rest-api: POST /v2/send."""
    if call.path != "/v2/send" or call.json["number"] != "+13125550100":
        return 400, {}, b'{"error":"Invalid account"}'
    assert call.json["recipients"] == ["group.abc="]
    server.posts.append(call.json["message"])
    return 201, {}, b'{"timestamp":"1"}'
