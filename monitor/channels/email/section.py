"""``[email]``: the mail server and the sender."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SecretStr

from monitor.settings_types import ChannelSection, is_loopback


class EmailSection(ChannelSection):
    """``[email]``"""

    secrets: ClassVar[tuple[str, ...]] = ("password",)
    files: ClassVar[tuple[str, ...]] = ("ca",)

    host: str | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    allow_cleartext: bool = False
    username: str | None = None
    password: SecretStr | None = None
    sender: str | None = Field(default=None, alias="from")
    ca: Path | None = None
    connections: Annotated[int, Field(ge=1, le=50)] = 4
    verp: bool = True

    @property
    def service_port(self) -> int:
        """The configured port, or the usual one of the security."""
        return self.port or {"starttls": 587, "tls": 465, "none": 25}[self.security]

    @classmethod
    def contradictions(cls, table: Mapping[str, Any], site: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what is missing or unsafe once a host is given."""
        if not table.get("host"):
            return
        sender = table.get("from") or table.get("sender")
        if not sender:
            yield "from", 'mail needs a sender, such as "Map Monitor <alerts@watch.example>"'
        elif not re.search(r"[^\s<>@]+@[^\s<>@]+\.?[^\s<>@]*>?$", str(sender)):
            yield "from", f"{sender!r} holds no address"
        clear = str(table.get("allow_cleartext", False)).lower() in {"true", "1", "yes", "on"}
        if table.get("security") == "none" and not clear and not is_loopback(str(table["host"])):
            yield (
                "security",
                'mail in clear text to another machine needs allow_cleartext = true; better is "starttls"',
            )
        if bool(table.get("username")) != bool(table.get("password")):
            yield "username", "a user name and a password go together"
