"""``[telegram]``: the bot and the operator's own channels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import Field, SecretStr, field_validator

from monitor.errors import UsageError
from monitor.places.followed_areas import read_followed
from monitor.settings_types import ChannelSection, WebAddress, host_of, is_loopback


class TelegramSection(ChannelSection):
    """``[telegram]``"""

    secrets: ClassVar[tuple[str, ...]] = ("token", "webhook_secret")

    token: SecretStr | None = None
    base_url: WebAddress = "https://api.telegram.org/bot"
    webhook_url: WebAddress | None = None
    webhook_secret: SecretStr | None = None
    picture: WebAddress | None = None
    channels: dict[str, str] = Field(default_factory=dict)

    @field_validator("webhook_secret")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        # characters that the Bot API allows in a secret_token, and too many to try them all
        if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]{16,256}", value.get_secret_value()):
            raise ValueError("write 16 to 256 letters, digits, underscores and dashes")
        return value

    @field_validator("picture")
    @classmethod
    def _of_each_state(cls, value: str | None) -> str | None:
        if value is not None and value.replace("{state}", "").count("{") + value.count("{state}") != 1:
            raise ValueError("write {state} once where the state's two letters belong")
        return value

    @field_validator("channels")
    @classmethod
    def _places(cls, value: dict[str, str]) -> dict[str, str]:
        read: dict[str, str] = {}
        wrong: list[str] = []
        for place, chat in value.items():
            try:
                read |= dict.fromkeys(read_followed(place), chat)
            except UsageError as error:
                wrong.append(f"{place}: {error}")
            if not re.fullmatch(r"@[A-Za-z]\w{3,31}|-?\d{1,20}", chat):
                wrong.append(
                    f'{place}: write a channel such as "@example_il" or a chat id such as "-1001234567890"'
                )
        if wrong:
            raise ValueError("; ".join(wrong))
        return read

    @classmethod
    def contradictions(cls, table: Mapping[str, Any], site: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the webhook's address."""
        if bool(table.get("webhook_url")) != bool(table.get("webhook_secret")):
            yield "webhook_url", "a webhook's address and its secret go together"
        hook, public = host_of(table.get("webhook_url")), host_of(site.get("public_url"))
        if hook and hook != public and not is_loopback(hook):
            # the site refuses any other host
            yield "webhook_url", "its host is not the one of [site] public_url, so no update would be let in"
