"""``[webpush]``: notifications in people's browsers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import field_validator

from monitor.settings_types import ChannelSection, host_of, is_loopback


class WebPushSection(ChannelSection):
    """``[webpush]``

    ``contact`` enables web push: the address that relay operators may write to. ``allow_private`` and ``ca``
    are for a relay in the operator's own network.
    """

    files: ClassVar[tuple[str, ...]] = ("ca",)

    contact: str | None = None
    allow_private: bool = False
    ca: Path | None = None

    @field_validator("contact")
    @classmethod
    def _reachable(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(
            r"mailto:[!-~]+@[!-~]+\.[!-~]+|https://[!-~]+\.[!-~]+", value
        ):
            raise ValueError('write "mailto:you@example.org", or the https address of a page about you')
        return value

    @classmethod
    def contradictions(cls, table: Mapping[str, Any], site: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what keeps browsers from subscribing."""
        if not table.get("contact"):
            return
        url = str(site.get("public_url") or "")
        if not url.startswith("https:") and not is_loopback(host_of(url) or ""):
            yield "contact", "browsers take notifications from https only: set [site] public_url to https://"
