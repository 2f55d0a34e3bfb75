"""A Bot API server over plain HTTP: what the Telegram channel talks to in the tests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

DROP = "drop"
"""Instead of an answer, after the request was read: close the connection."""

STALL = "stall"
"""Instead of an answer: say nothing until the server is closed."""


@dataclass(frozen=True)
class Answer:
    """What a request gets instead of success."""

    status: int
    description: str
    parameters: dict[str, int] = field(default_factory=dict)


FORBIDDEN = Answer(403, "Forbidden: bot was blocked by the user")
NOT_FOUND = Answer(400, "Bad Request: chat not found")


def flood(seconds: int) -> Answer:
    """429: wait."""
    return Answer(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})


def migrated(chat: int) -> Answer:
    """400: the group is a supergroup now."""
    return Answer(
        400, "Bad Request: group chat was upgraded to a supergroup chat", {"migrate_to_chat_id": chat}
    )


@dataclass(frozen=True)
class Post:
    """One sendMessage that was read, whatever it was answered."""

    chat: str
    text: str
    parse_mode: str
    preview_off: bool
    accepted: bool


class BotApi:
    """A context manager; ``base_url`` is what a token is appended to. ``answers`` are used up by the first posts; then posts succeed.

    ``posts`` are all posts that were read, ``made`` the texts of those that are now in the chats.
    """

    def __init__(
        self,
        answers: Iterable[Answer | str] = (),
        *,
        token: str = "12345:canary-token",
        status: str = "administrator",
    ) -> None:
        self.token, self.status = token, status
        self.answers = list(answers)
        self.posts: list[Post] = []
        self.calls: list[str] = []
        self._lock = threading.Lock()
        self._over = threading.Event()

    @property
    def made(self) -> list[str]:
        return [post.text for post in self.posts if post.accepted]

    def __enter__(self) -> Self:
        api = self

        class Conversation(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                fields = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
                answer = api._answer(self.path, fields)
                if answer == STALL:
                    api._over.wait(30)
                if isinstance(answer, str):
                    self.close_connection = True
                    return
                status, content = answer
                encoded = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: object) -> None:
                """A client that goes away is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Conversation)
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/bot"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, path: str, fields: dict[str, str]) -> tuple[int, dict[str, Any]] | str:
        token, _, method = path.removeprefix("/bot").partition("/")
        with self._lock:
            self.calls.append(method)
            if token != self.token:
                return _refused(Answer(401, "Unauthorized"))
            if method != "sendMessage":
                return _result(self._facts(method, fields))
            answer = self.answers.pop(0) if self.answers else None
            preview = json.loads(fields.get("link_preview_options", "{}"))
            self.posts.append(
                Post(
                    fields["chat_id"],
                    fields["text"],
                    fields.get("parse_mode", ""),
                    bool(preview.get("is_disabled")),
                    answer is None,
                )
            )
            if isinstance(answer, str):
                return answer
            if answer is not None:
                return _refused(answer)
            return _result(
                {
                    "message_id": len(self.posts),
                    "date": 1,
                    "chat": _chat(fields["chat_id"]),
                    "text": fields["text"],
                }
            )

    def _facts(self, method: str, fields: dict[str, str]) -> dict[str, Any]:
        me = {"id": 12345, "is_bot": True, "first_name": "Monitor", "username": "monitor_bot"}
        if method == "getMe":
            return me
        if method == "getChat":
            return {
                **_chat(fields["chat_id"]),
                "accent_color_id": 0,
                "max_reaction_count": 0,
                "accepted_gift_types": _GIFTS,
            }
        assert method == "getChatMember", method
        if self.status == "administrator":
            return {"user": me, "status": self.status, **dict.fromkeys(_RIGHTS, True)}
        return {"user": me, "status": self.status}


_GIFTS = dict.fromkeys(
    ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels"), False
)
_RIGHTS = (
    "can_be_edited",
    "is_anonymous",
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_post_messages",
)


def _chat(chat: str) -> dict[str, Any]:
    return {"id": int(chat) if chat.lstrip("-").isdigit() else -1001, "type": "channel", "title": "A channel"}


def _result(result: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 200, {"ok": True, "result": result}


def _refused(answer: Answer) -> tuple[int, dict[str, Any]]:
    content: dict[str, Any] = {"ok": False, "error_code": answer.status, "description": answer.description}
    return answer.status, content | ({"parameters": answer.parameters} if answer.parameters else {})
