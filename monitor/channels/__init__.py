"""Delivery channels: `kinds` is the registry, and each kind has a file or folder here.

A `ChannelKind` holds everything that is particular to one kind of channel; the rest of the program asks the
registry and never branches on a name. A `Channel` is an open transport: it is opened once (``async with``),
keeps its connections, and takes one message for one recipient at a time; up to ``concurrency`` calls of
`Channel.send` may run at once. Failures are raised as `errors.Transient` or `errors.Permanent` and nothing
else. A channel never reads the database and never logs an address, a chat id or a token.

Keys of ``Envelope.placeholders``: every placeholder of the message, and for mail two more that only headers
use: ``one-click`` (the https address of RFC 8058) and ``stop-by-mail`` (a mailto: link for List-Unsubscribe
when ``stop`` is none).
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
"""The lane of a failure that concerns the whole channel: the server is away, refuses the password, or lost
its certificate.
"""

S = TypeVar("S", bound=ChannelSection)


class Channel(Protocol):
    """An open transport. Opening connects to nothing: a server that is away fails the first send, not the
    program's start.

    ``name`` is that of its kind, ``concurrency`` how many sends may run at once.
    """

    @property
    def name(self) -> str: ...

    @property
    def concurrency(self) -> int: ...

    def lane(self, address: str) -> str:
        """What pauses together with this address, see `ChannelKind.lane`."""
        ...

    async def send(self, message: Any, envelope: Envelope) -> str | None:
        """Send what the kind rendered, with ``envelope.placeholders`` filled in. Raises Transient or
        Permanent.

        Returning means that the server accepted it. Returns what the server calls the message, where an
        answer to it must name that (`Envelope.answered`).
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class OperatorAddress:
    """An address in the configuration that follows a place, and the language of what it gets.

    ``target``: what the address leads to, where it is a name; it may be a secret.
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
    a quarter without a message. ``doubts_refusals``: a refusal is believed of the recipient only once the
    server has taken a message for another lane, because it may refuse us. ``has_bot``: people can talk to a
    bot on this channel. ``ends_configured``: an address of the configuration that says that it is gone ends,
    until the configuration changes or the operator revives it; if False, that is taken for the operator's
    mistake. ``own_page``: the page of the site on which its people change and end what they get; None: the
    links in their messages lead there. ``lane_problem``: what paused lanes mean, if an operator must know.
    ``loggers``: loggers of its libraries that write addresses or secrets below WARNING.
    """

    name: ClassVar[str]
    section: type[S]
    resends_ambiguous: ClassVar[bool] = True
    sends_receipts: ClassVar[bool] = False
    doubts_refusals: ClassVar[bool] = False
    has_bot: ClassVar[bool] = False
    ends_configured: ClassVar[bool] = False
    own_page: ClassVar[str | None] = None
    lane_problem: ClassVar[str | None] = None
    loggers: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def normalise(self, address: str) -> str:
        """Return the address as it is stored and written to. Raises UsageError with the reason if it is not
        one.
        """

    @abstractmethod
    def is_configured(self, section: S) -> bool:
        """Whether the section names a transport."""

    @abstractmethod
    def open(self, section: S, clock: Callable[[], datetime], keys: Callable[[], KeyFile]) -> Channel:
        """Create the transport, not connected yet. ``clock`` dates messages, ``keys`` opens the key file for
        one that signs with it. Raises ConfigError.
        """

    def recognises(self, address: str) -> bool:
        """Whether text has the form of this channel's addresses, where nobody names the channel."""
        return False

    def comparable(self, address: str) -> str:
        """Return the one spelling under which an address is found. Default: spellings that differ are other
        addresses.
        """
        return address.strip()

    def mailbox(self, address: str) -> str:
        """Return what is limited together: the owner of several spellings of an address, as far as they
        tell.
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
        """Whether a subscriber may get the new address in place of the old one without proving it. Default:
        within the same lane.
        """
        return self.lane(old) == self.lane(new)

    def limit(self, address: str) -> LaneLimit | None:
        """Return how fast messages to the lane of this address may go, for all senders together; None: as
        fast as they are taken.
        """
        return None

    def renderer(self) -> Callable[[Message, Sender], object]:
        """Return what renders a message for `Channel.send`. Default: `messages.render`, a
        `domain.Rendered`.
        """
        from monitor import messages

        return messages.render

    def format_sample(self, rendered: Any) -> str:
        """Format what `renderer` made for a person to read, with placeholders. Default: its plain text."""
        return str(getattr(rendered, "text", rendered))

    def operator_addresses(self, section: S) -> tuple[OperatorAddress, ...] | None:
        """Return the operator's own addresses; None if this kind has none."""
        return None

    def takes_answers(self, address: str) -> bool:
        """Whether the bot may take a decision of the operator from this address: it is not a public one."""
        return False

    def public_url(self, address: str) -> str | None:
        """Return where everybody can read what this address gets; None: it is nobody else's business."""
        return None

    def absence(self, section: S) -> tuple[bool, str] | None:
        """Return what `monitor check` says without a transport, and whether that is in order; None:
        nothing.
        """
        return True, f"not configured; {self.name} deliveries wait"

    async def check(self, section: S, channel: Any) -> str:
        """Reach the server without sending and say what was reached. Raises Transient or Permanent with the
        reason.
        """
        return "configured; nothing is checked without sending"

    def mail_writer(
        self, sender: str, clock: Callable[[], datetime]
    ) -> Callable[[Any, Envelope], bytes] | None:
        """Return what makes the .eml file of a rendered message, for `mailbox`; None: its text is enough."""
        return None


def mask_middle(text: str, shown: int) -> str:
    """Keep the first ``shown`` and the last two characters, if that hides at least one."""
    return f"{text[:shown]}…{text[-2:]}" if len(text) > shown + 2 else "…"
