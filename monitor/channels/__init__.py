"""Delivery channels: `kinds` is the registry, and each kind has a file or folder here.

A `ChannelKind` holds everything that is particular to one kind of channel; the rest of the program asks the
registry and never branches on a name. A `Channel` is an open transport: it is opened once (``async with``),
keeps its connections, and takes one message for one recipient at a time; up to ``concurrency`` calls of
`Channel.send` may run at once. Failures are raised as `errors.Transient` or `errors.Permanent` and nothing
else. A channel never reads the database and never logs an address, a chat id or a token.

Keys of ``Envelope.placeholders``: every placeholder of the message, and for mail two more that only headers
use: ``one-click`` (the https address of RFC 8058) and ``stop-by-mail`` (a mailto: link for List-Unsubscribe
when ``stop`` is not one).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeVar

from monitor.domain import Envelope, LaneLimit
from monitor.settings_types import ChannelSection

if TYPE_CHECKING:
    from monitor.keys import KeyFile
    from monitor.messages import Message, Sender

EVERYTHING = "*"
"""The lane of a failure that concerns the whole channel: the server is unreachable, refuses the password, or
has no valid certificate.
"""

S = TypeVar("S", bound=ChannelSection)


class Channel(Protocol):
    """An open transport. Opening it does not connect: an unreachable server fails the first send, not the
    program's start.

    ``name`` is the name of its kind, ``concurrency`` how many sends may run at once.
    """

    @property
    def name(self) -> str: ...

    @property
    def concurrency(self) -> int: ...

    def lane(self, address: str) -> str:
        """Return the lane of this address, see `ChannelKind.lane`."""
        ...

    async def send(self, message: Any, envelope: Envelope) -> str | None:
        """Send what the kind rendered, with ``envelope.placeholders`` filled in. Raises Transient or
        Permanent.

        Returning means that the server accepted it. Returns the server's id of the message if a reply to it
        needs one (`Envelope.answered`).
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class OperatorAddress:
    """An address in the configuration that follows a place, and the language of its messages.

    ``target``: the destination of the address if it is a name; it may be a secret.
    """

    place: str
    address: str
    language: str = "en"
    target: str = ""


class ChannelKind(ABC, Generic[S]):
    """Everything particular to one kind of channel. Subclasses import their transport in `open` only.

    ``name`` is stored in ``subscriber.channel`` and names the section of the configuration, whose class is
    ``section``. ``resends_ambiguous``: a message that may have arrived is sent again on the whole retry
    schedule; if False, once at most. ``sends_receipts``: people who signed up on the site get a receipt after
    a quarter without a message. ``doubts_refusals``: a refusal counts against the recipient only once the
    server has accepted a message for another lane, because it may be refusing us. ``has_bot``: people can
    talk to a bot on this channel. ``revive_command``: a configured address that reports that it is gone is
    ended, until the configuration changes or the operator runs this command with its name; if None, such a
    report is treated as the operator's mistake. ``own_page``: the page of the site on which its subscribers
    change and end their subscriptions; None: links in their messages lead there. ``lane_problem``: the text
    that tells the operator what one paused lane means, or several, if it matters. ``loggers``:
    loggers of its libraries that write addresses or secrets below WARNING.
    """

    name: ClassVar[str]
    section: type[S]
    resends_ambiguous: ClassVar[bool] = True
    sends_receipts: ClassVar[bool] = False
    doubts_refusals: ClassVar[bool] = False
    has_bot: ClassVar[bool] = False
    revive_command: ClassVar[str | None] = None
    own_page: ClassVar[str | None] = None
    lane_problem: ClassVar[tuple[str, str] | None] = None
    loggers: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def normalize(self, address: str) -> str:
        """Return the address in the form that is stored and sent to. Raises UsageError with the reason if it
        is not valid.
        """

    @abstractmethod
    def is_configured(self, section: S) -> bool:
        """Whether the section names a transport."""

    @abstractmethod
    def open(self, section: S, clock: Callable[[], datetime], keys: Callable[[], KeyFile]) -> Channel:
        """Create the transport, not connected yet. ``clock`` dates messages, ``keys`` opens the key file for
        a transport that signs with it. Raises ConfigError.
        """

    def recognizes(self, address: str) -> bool:
        """Whether text looks like an address of this channel, for input that does not name the channel."""
        return False

    def comparable(self, address: str) -> str:
        """Return the canonical spelling under which an address is found. Default: the spelling as it is."""
        return address.strip()

    def mailbox(self, address: str) -> str:
        """Return the key for limits per mailbox: one for all spellings of an address that visibly have one
        owner.
        """
        return self.comparable(address)

    def shared_domain(self, address: str) -> str | None:
        """Return the domain whose addresses are limited together, because one person may own them all; None:
        they are not.
        """
        return None

    def mask(self, address: str) -> str:
        """Shorten an address for logs and lists. Default: its first and its last two characters."""
        return mask_middle(address, 1)

    def lane(self, address: str) -> str:
        """Return what pauses together with this address. Default: the address alone. Pure; never raises."""
        return address

    def may_move(self, old: str, new: str) -> bool:
        """Whether a subscriber may replace the old address by the new one without a confirmation. Default:
        within the same lane.
        """
        return self.lane(old) == self.lane(new)

    def limit(self, address: str) -> LaneLimit | None:
        """Return the rate limit for the lane of this address, for all senders together; None: no limit."""
        return None

    def renderer(self) -> Callable[[Message, Sender], object]:
        """Return the function that renders a message for `Channel.send`. Default: `messages.render`, which
        returns a `domain.Rendered`.
        """
        from monitor import messages

        return messages.render

    def format_sample(self, rendered: Any) -> str:
        """Format the result of `renderer` for a person to read, with placeholders. Default: its plain
        text.
        """
        return str(getattr(rendered, "text", rendered))

    def operator_addresses(self, section: S) -> tuple[OperatorAddress, ...] | None:
        """Return the operator's own addresses; None if this kind has none."""
        return None

    def takes_answers(self, address: str) -> bool:
        """Whether the bot may take a decision of the operator from this address: it is not a public one."""
        return False

    def public_url(self, address: str) -> str | None:
        """Return the public page with the messages to this address; None: they are private."""
        return None

    def absence(self, section: S) -> tuple[bool, str] | None:
        """Return what `monitor check` reports if no transport is configured, and whether that is fine; None:
        it reports nothing.
        """
        return True, f"not configured; {self.name} deliveries wait"

    async def check(self, section: S, channel: Any) -> str:
        """Connect to the server without sending and describe what was reached. Raises Transient or Permanent
        with the reason.
        """
        return "configured; nothing is checked without sending"

    def mail_writer(
        self, sender: str, clock: Callable[[], datetime]
    ) -> Callable[[Any, Envelope], bytes] | None:
        """Return the function that writes the .eml file of a rendered message, for `mailbox`; None: its text
        is enough.
        """
        return None


def mask_middle(text: str, shown: int) -> str:
    """Keep the first ``shown`` and the last two characters, if that hides at least one."""
    return f"{text[:shown]}…{text[-2:]}" if len(text) > shown + 2 else "…"
