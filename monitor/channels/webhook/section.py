"""``[webhook]``: URLs that receive each change as a signed JSON object, or as a post in a chat service."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from monitor.errors import UsageError
from monitor.places.followed_areas import read_followed
from monitor.settings_types import ChannelSection, Section, host_of, is_loopback

Shape = Literal["standard", "discord", "slack", "teams", "ntfy", "matrix", "mastodon", "signal"]
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_NEEDS_TOKEN = ("matrix", "mastodon")


class WebhookEntry(Section):
    """``[webhook.to.NAME]``

    ``shape`` names the format of the request. ``secret`` and ``next_secret`` sign by Standard Webhooks:
    "whsec_" and base64. ``token`` logs in at ntfy, Matrix and Mastodon; ``room`` is Matrix's, ``sender`` and
    ``recipient`` are Signal's.
    """

    url: SecretStr
    places: tuple[str, ...] = Field(min_length=1)
    shape: Shape = "standard"
    language: Literal["en", "es"] = "en"
    secret: SecretStr | None = None
    next_secret: SecretStr | None = None
    token: SecretStr | None = None
    room: str | None = None
    sender: str | None = None
    recipient: str | None = None

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if not re.fullmatch(r"https?://[!-~]+", text) or not host_of(text):
            raise ValueError("must be a web address that starts with https://")
        return value

    @field_validator("places")
    @classmethod
    def _known_places(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(dict.fromkeys(place for text in value for place in read_followed(text)))
        except UsageError as error:
            raise ValueError(str(error)) from None

    @field_validator("secret", "next_secret")
    @classmethod
    def _standard_secret(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None:
            decode_secret(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.shape == "standard" and self.secret is None:
            raise ValueError('a signed webhook needs secret = "whsec_..." (or secret_file)')
        if self.shape in _NEEDS_TOKEN and self.token is None:
            raise ValueError(f"{self.shape} needs token (or token_file)")
        if self.shape == "matrix" and not self.room:
            raise ValueError('matrix needs room = "!id:server"')
        if self.shape == "signal" and not (self.sender and self.recipient):
            raise ValueError("signal needs sender and recipient")
        return self

    @property
    def target(self) -> str:
        """The destination of the entry: if it changes, the same name means another receiver."""
        return "\0".join(
            (self.url.get_secret_value(), self.room or "", self.sender or "", self.recipient or "")
        )


class WebhookSection(ChannelSection):
    """``[webhook]``"""

    secrets: ClassVar[tuple[str, ...]] = ("to.*.url", "to.*.secret", "to.*.next_secret", "to.*.token")

    allow_private: bool = False
    to: dict[str, WebhookEntry] = Field(default_factory=dict)

    @field_validator("to")
    @classmethod
    def _names(cls, value: dict[str, WebhookEntry]) -> dict[str, WebhookEntry]:
        for name in value:
            if not NAME.fullmatch(name):
                raise ValueError(f"{name}: write a name of small letters, digits and dashes")
        return value

    @classmethod
    def contradictions(cls, table: Mapping[str, Any], site: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield URLs without encryption that lead away from this machine."""
        to = table.get("to")
        for name, entry in to.items() if isinstance(to, Mapping) else ():
            url = entry.get("url") if isinstance(entry, Mapping) else None
            host = host_of(url)
            if (
                host
                and str(url).startswith("http:")
                and not (is_loopback(host) or table.get("allow_private"))
            ):
                yield f"to.{name}.url", "must start with https://, unless allow_private is set"


def decode_secret(text: str) -> bytes:
    """Decode the key of a Standard Webhooks secret: "whsec_" and base64 of 24 to 64 bytes. Raises
    ValueError.
    """
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise ValueError('write "whsec_" and the base64 of 24 to 64 random bytes')
    return key
