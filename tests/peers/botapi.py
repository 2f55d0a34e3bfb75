"""A Bot API server over plain HTTP: what the Telegram channel and the bot talk to in the tests.

Updates are kept until a `getUpdates` with a higher offset confirms them, two that poll at once get a
Conflict, and a webhook excludes polling, as with the real server (https://core.telegram.org/bots/api).
`says`, `presses`, `removes` and `adds` are people.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

DROP = "drop"
"""Instead of an answer, after the request was read: close the connection."""

DROP_STORED = "drop, stored"
"""Instead of an answer: make the post and close the connection."""

STALL = "stall"
"""Instead of an answer: say nothing until the server is closed."""


@dataclass(frozen=True)
class Answer:
    """What a request gets instead of success."""

    status: int
    description: str
    parameters: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Portal:
    """What a proxy or a firewall in between says instead of Telegram."""

    status: int


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
    """One sendMessage (or editMessageText: ``edits`` is the message) that was read, whatever it was answered.
    ``answers`` is the message to which it replies.

    ``buttons`` are (text, callback data or URL), all rows in one.
    """

    chat: str
    text: str
    parse_mode: str
    preview_off: bool
    accepted: bool
    buttons: tuple[tuple[str, str], ...] = ()
    edits: int | None = None
    thread: str | None = None
    picture: str = ""
    answers: int | None = None


@dataclass(frozen=True)
class Notice:
    """One answerCallbackQuery."""

    query: str
    text: str
    alert: bool


class BotApi:
    """A context manager; ``base_url`` is what a token is appended to. ``answers`` are used up by the first
    posts; then posts succeed.

    ``posts`` are all posts that were read, ``made`` the texts of those that are now in the chats. ``status``
    is the bot's in every chat, ``refusals`` what no Bot API would have taken, ``members`` says how others
    stand by (chat, user), ``chats`` what chats there are by number or @name. ``failures`` are answers to
    methods by name, used up one by one. ``inline_answers`` are the (id, title, text) of each inline answer.
    ``judge`` gives the answers to posts after ``answers``.
    """

    def __init__(
        self,
        answers: Iterable[Answer | Portal | str] = (),
        *,
        token: str = "12345:canary-token",
        status: str = "administrator",
        judge: Callable[[], Answer | Portal | str | None] | None = None,
    ) -> None:
        self.judge = judge
        self.token, self.status = token, status
        self.answers = list(answers)
        self.failures: dict[str, list[Answer | Portal]] = {}
        self.posts: list[Post] = []
        self.refusals: list[str] = []
        self.notices: list[Notice] = []
        self.inline_answers: list[list[tuple[str, str, str]]] = []
        self.calls: list[str] = []
        self.menus: dict[str, list[str]] = {}
        self.members: dict[tuple[int, int], str] = {}
        self.chats: dict[str, dict[str, Any]] = {}
        self.webhook: dict[str, str] = {}
        self.rights: dict[str, bool] = {}  # of the bot, where they differ from all that an administrator has
        self.undelivered: dict[str, Any] = {}  # what getWebhookInfo says of failures
        self.pending: list[dict[str, Any]] = []
        self.rivals = 0  # how many long polls another process ends; short ones come between its own
        self._number = 100  # of the last update
        self._polls = 0  # how often somebody began to poll
        self._lock = threading.Condition()
        self._over = threading.Event()

    @property
    def made(self) -> list[str]:
        return [post.text for post in self.posts if post.accepted]

    def __enter__(self) -> Self:
        api = self

        class Conversation(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = (
                True  # or every answer, written in two pieces, waits 40 ms for the client
            )

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                fields = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
                answer = api._answer(self.path, fields)
                if answer == STALL:
                    api._over.wait()
                if isinstance(answer, str):
                    self.close_connection = True
                    return
                status, content = answer
                encoded = (
                    json.dumps(content) if content is not None else "<html>7654321 Access denied</html>"
                ).encode()
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
        with self._lock:
            self._lock.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, path: str, fields: dict[str, str]) -> tuple[int, dict[str, Any] | None] | str:
        token, _, method = path.removeprefix("/bot").partition("/")
        with self._lock:
            self.calls.append(method)
            self._lock.notify_all()
            if token != self.token:
                return _refused(Answer(401, "Unauthorized"))
            if self.failures.get(method):
                return _refused(self.failures[method].pop(0))
            refusal = _refusal(method, fields)
            if refusal:
                self.refusals.append(refusal)
                return _refused(Answer(400, f"Bad Request: {refusal}"))
            if method == "getUpdates":
                return self._updates(
                    int(fields.get("offset", 0)),
                    int(fields.get("limit", 100)),
                    float(fields.get("timeout", 0)),
                )
            if method not in {"sendMessage", "editMessageText"}:
                answer = self._fact(method, fields)
                self._lock.notify_all()
                return _refused(answer) if isinstance(answer, Answer) else _result(answer)
            answer = self.answers.pop(0) if self.answers else self.judge() if self.judge else None
            self.posts.append(_post(fields, method, accepted=answer is None or answer == DROP_STORED))
            self._lock.notify_all()
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

    def _updates(self, offset: int, limit: int, wait: float) -> tuple[int, dict[str, Any] | None]:
        if self.webhook.get("url"):
            return _refused(Answer(409, "Conflict: can't use getUpdates method while webhook is active"))
        if wait and self.rivals:
            self.rivals -= 1
            return _refused(Answer(409, "Conflict: terminated by other getUpdates request"))
        self._polls += 1
        mine = self._polls
        self.pending = [update for update in self.pending if update["update_id"] >= offset]
        self._lock.notify_all()
        self._lock.wait_for(lambda: self.pending or self._over.is_set() or self._polls != mine, wait)
        if self._polls != mine:
            return _refused(Answer(409, "Conflict: terminated by other getUpdates request"))
        return _result(self.pending[:limit])

    def _fact(self, method: str, fields: dict[str, str]) -> Any:
        match method:
            case "getMe":
                return ME
            case "getChat":
                chat = self.chats.get(
                    fields["chat_id"].lower(), None if self.chats else _chat(fields["chat_id"])
                )
                if chat is None:
                    return NOT_FOUND
                return {**chat, "accent_color_id": 0, "max_reaction_count": 0, "accepted_gift_types": _GIFTS}
            case "getChatMember":
                user = int(fields["user_id"])
                if user == ME["id"]:
                    mine = {**_member(ME, self.status), **self.rights}
                    if self._is_group(fields["chat_id"]):
                        mine.pop("can_post_messages", None)  # a right of channels alone
                    return mine
                status = self.members.get((int(fields["chat_id"]), user))
                return (
                    _member(_user(user), status) if status else Answer(400, "Bad Request: member not found")
                )
            case "getChatAdministrators":
                people = [
                    (user, how)
                    for (chat, user), how in self.members.items()
                    if str(chat) == fields["chat_id"]
                ]
                return [
                    _member(_user(user), how) for user, how in people if how in {"creator", "administrator"}
                ]
            case "sendChatAction":
                pass
            case "answerCallbackQuery":
                query, text = fields["callback_query_id"], fields.get("text", "")
                self.notices.append(Notice(query, text, fields.get("show_alert") == "true"))
            case "answerInlineQuery":
                self.inline_answers.append(
                    [
                        (each["id"], each["title"], each["input_message_content"]["message_text"])
                        for each in json.loads(fields["results"])
                    ]
                )
            case "setMyCommands":
                self.menus[fields.get("language_code", "")] = [
                    each["command"] for each in json.loads(fields["commands"])
                ]
            case "setWebhook":
                self.webhook = fields
            case "deleteWebhook":
                self.webhook = {}
            case "getWebhookInfo":
                return {
                    "url": self.webhook.get("url", ""),
                    "has_custom_certificate": False,
                    "pending_update_count": len(self.pending),
                    **self.undelivered,
                }
            case _:
                raise AssertionError(method)
        return True

    def _is_group(self, chat: str) -> bool:
        return any(
            str(each["id"]) == chat and each["type"] in {"group", "supergroup"}
            for each in self.chats.values()
        )

    # --- people

    def says(
        self,
        text: str,
        *,
        chat: int = 7,
        user: int = 7,
        kind: str = "private",
        language: str = "en",
        **more: Any,
    ) -> None:
        """Somebody writes a message, as one update."""
        self._update({"message": message(text, chat=chat, user=user, kind=kind, language=language, **more)})

    def presses(
        self,
        data: str,
        *,
        chat: int = 7,
        user: int = 7,
        kind: str = "private",
        language: str = "en",
        bears: int = 1,
    ) -> None:
        """Somebody presses a button under the message ``bears``."""
        under = {**message("a post", chat=chat, user=ME["id"], kind=kind), "message_id": bears}
        self._update(
            {
                "callback_query": {
                    "id": f"q{self._number}",
                    "from": _user(user, language),
                    "message": under,
                    "chat_instance": "1",
                    "data": data,
                }
            }
        )

    def asks_inline(self, text: str, *, user: int = 7, language: str = "en") -> None:
        """Somebody writes the bot's name and a text in a chat that the bot does not see."""
        self._update(
            {
                "inline_query": {
                    "id": f"i{self._number}",
                    "from": _user(user, language),
                    "query": text,
                    "offset": "",
                }
            }
        )

    def membership(
        self,
        old: str,
        new: str,
        *,
        chat: int = 7,
        user: int = 7,
        kind: str = "private",
        name: str | None = None,
    ) -> None:
        """The bot's own standing in a chat changes: it is blocked, removed, or added."""
        self._update(
            {
                "my_chat_member": {
                    "chat": _where(chat, kind, name),
                    "from": _user(user),
                    "date": 1,
                    "old_chat_member": _member(ME, old),
                    "new_chat_member": _member(ME, new),
                }
            }
        )

    def sends(self, update: dict[str, Any]) -> None:
        """Any update, its number added."""
        self._update(update)

    def wait(self, condition: Callable[[], object], patience: float = 600.0) -> None:
        """Wait until something has happened here."""
        deadline = time.monotonic() + patience
        with self._lock:
            while not condition():  # looked at again and again: a database tells nobody that it has changed
                assert time.monotonic() < deadline, f"waited in vain; calls: {self.calls[-20:]}"
                self._lock.wait(0.02)

    def _update(self, content: dict[str, Any]) -> None:
        with self._lock:
            self._number += 1
            self.pending.append({"update_id": self._number, **content})
            self._lock.notify_all()


ME: dict[str, Any] = {"id": 12345, "is_bot": True, "first_name": "Monitor", "username": "monitor_bot"}


def message(
    text: str,
    *,
    chat: int = 7,
    user: int = 7,
    kind: str = "private",
    language: str = "en",
    name: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A message as the API tells it."""
    return {
        "message_id": 1,
        "date": 1,
        "chat": _where(chat, kind, name),
        "from": ME if user == ME["id"] else _user(user, language),
        "text": text,
        **more,
    }


def channel(chat: int, name: str) -> dict[str, Any]:
    """A broadcast channel, for `BotApi.chats`."""
    return _where(chat, "channel", name)


def _where(chat: int, kind: str, name: str | None) -> dict[str, Any]:
    title = {"first_name": "Ann"} if kind == "private" else {"title": "A channel"}
    return {"id": chat, "type": kind, **title, **({"username": name} if name else {})}


def _user(user: int, language: str = "en") -> dict[str, Any]:
    return {"id": user, "is_bot": False, "first_name": "Ann", "language_code": language}


def _member(user: dict[str, Any], status: str) -> dict[str, Any]:
    rights: dict[str, Any] = {}
    if status == "administrator":
        rights = dict.fromkeys(_RIGHTS, True)
    elif status == "creator":
        rights = {"is_anonymous": False}
    elif status == "kicked":
        rights = {"until_date": 0}
    return {"user": user, "status": status, **rights}


def _post(fields: dict[str, str], method: str, *, accepted: bool) -> Post:
    keyboard = json.loads(fields.get("reply_markup", "{}")).get("inline_keyboard", [])
    return Post(
        fields["chat_id"],
        fields["text"],
        fields.get("parse_mode", ""),
        bool(json.loads(fields.get("link_preview_options", "{}")).get("is_disabled")),
        accepted,
        tuple(
            (each["text"], each.get("callback_data") or each.get("url", ""))
            for row in keyboard
            for each in row
        ),
        int(fields["message_id"]) if method == "editMessageText" else None,
        fields.get("message_thread_id"),
        json.loads(fields.get("link_preview_options", "{}")).get("url", ""),
        json.loads(fields.get("reply_parameters", "{}")).get("message_id"),
    )


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


PERMISSIONS = (
    "can_send_messages",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
)


def _chat(chat: str) -> dict[str, Any]:
    return {"id": int(chat) if chat.lstrip("-").isdigit() else -1001, "type": "channel", "title": "A channel"}


def _result(result: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"ok": True, "result": result}


def _refusal(method: str, fields: dict[str, str]) -> str | None:
    """Why the real server would not take a request, whatever chat it is for: sizes and markup as the Bot API
    describes them.
    """
    if method == "answerCallbackQuery" and _units(fields.get("text", "")) > 200:
        return "MESSAGE_TOO_LONG"
    if method == "answerInlineQuery":
        results = json.loads(fields["results"])
        if len(results) > 50 or len({each["id"] for each in results}) < len(results):
            return "RESULT_ID_DUPLICATE"
        sent = (each["input_message_content"] for each in results)
        as_posts = ({"text": each["message_text"], "parse_mode": each["parse_mode"]} for each in sent)
        return next(filter(None, (_refusal("sendMessage", each) for each in as_posts)), None)
    if method not in {"sendMessage", "editMessageText"}:
        return None
    text = _Markup()
    if fields.get("parse_mode") == "HTML":
        text.feed(fields["text"])
        text.close()
    else:
        text.text = fields["text"]
    if text.wrong or text.open:
        return f"can't parse entities: {text.wrong or text.open}"
    if not text.text.strip():
        return "message text is empty"
    if _units(text.text) > 4096:
        return "message is too long"
    rows = json.loads(fields.get("reply_markup", "{}")).get("inline_keyboard", [])
    for button in (button for row in rows for button in row):
        if not button["text"].strip() or len(button) != 2:
            return "inline keyboard button is invalid"
        if not 1 <= len(button.get("callback_data", "x").encode()) <= 64:
            return "BUTTON_DATA_INVALID"
    if len([button for row in rows for button in row]) > 100:
        return "REPLY_MARKUP_TOO_LONG"
    return None


class _Markup(HTMLParser):
    """Telegram's HTML: its own few tags, closed in order, and four named entities."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.text, self.wrong = "", ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"b", "i", "u", "s", "a", "code", "pre", "blockquote"}:
            self.wrong = tag
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong = tag

    def handle_data(self, data: str) -> None:
        if "<" in data:
            self.wrong = data
        self.text += data

    def handle_entityref(self, name: str) -> None:
        if name not in {"lt", "gt", "amp", "quot"}:
            self.wrong = name
        self.text += "&"

    def handle_charref(self, name: str) -> None:
        self.text += "&"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _refused(answer: Answer | Portal) -> tuple[int, dict[str, Any] | None]:
    if isinstance(answer, Portal):
        return answer.status, None
    content: dict[str, Any] = {"ok": False, "error_code": answer.status, "description": answer.description}
    return answer.status, content | ({"parameters": answer.parameters} if answer.parameters else {})
