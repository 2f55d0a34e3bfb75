"""Evidence bundles for visitors of the site: built one at a time, cached on disk up to a limit."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from sqlalchemy.engine import Connection, Engine

from monitor.domain import SourceInfo
from monitor.errors import BundleBusyError, UsageError
from monitor.record.agreement_proof import collect_agreement
from monitor.record.bundle import BundleContents, build_checked_bundle, pack_bundle
from monitor.record.collect import collect_change, collect_day
from monitor.record.log_key import LogKey
from monitor.storage.engine import reading
from monitor.storage.lists.agreements import load_copy
from monitor.storage.lists.changes import load_by_ids

MOST_BYTES = 200 * 1024 * 1024
"""The most bytes of cached bundles; the oldest one is deleted first."""


@dataclass(slots=True, kw_only=True)
class BundleFiles:
    """The bundles of a site. ``operator`` is the site's name, ``open_key`` opens the key that signs them."""

    engine: Engine
    sources: Mapping[str, SourceInfo]
    operator: str
    open_key: Callable[[], LogKey]
    folder: Path
    most_bytes: int = MOST_BYTES
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False)

    def prepare_change(self, change: int) -> Path:
        """The bundle of a published change.

        Raises UsageError if there is no proof of it, BundleBusyError while another one is built, and
        RecordError.
        """

        with reading(self.engine) as conn:
            retracted = any(row.retraction for row in load_by_ids(conn, [change]))

        def collect(conn: Connection) -> BundleContents:
            rows = load_by_ids(conn, [change])
            source = self.sources.get(rows[0].source) if rows else None
            if source is None:
                raise UsageError(f"there is no published change {change}")
            return collect_change(conn, change, source, self.operator)

        # a bundle that was built before the retraction does not mention it
        return self._prepare(f"evidence-{change}{'-retracted' if retracted else ''}", collect)

    def prepare_day(self, source: str, day: date) -> Path:
        """The bundle of a day (UTC) of a list. Raises as `prepare_change` does."""
        info = self.sources[source]
        return self._prepare(
            f"evidence-{source}-{day}", lambda conn: collect_day(conn, info, day, self.operator)
        )

    def prepare_agreement(self, number: int) -> Path:
        """The bundle of a copy of an agreement. Raises as `prepare_change` does."""

        def collect(conn: Connection) -> BundleContents:
            copy = load_copy(conn, number)
            source = self.sources.get(copy.source) if copy else None
            if source is None:
                raise UsageError(f"there is no copy {number} of an agreement")
            return collect_agreement(conn, number, source, self.operator)

        return self._prepare(f"evidence-agreement-{number}", collect)

    def _prepare(self, name: str, collect: Callable[[Connection], BundleContents]) -> Path:
        path = self.folder / f"{name}.zip"
        if path.exists():
            return path
        if not self._turn.acquire(blocking=False):
            raise BundleBusyError
        try:
            with reading(self.engine) as conn:
                found = collect(conn)
            packed = pack_bundle(build_checked_bundle(found, self.open_key().signer), name)
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor, written = tempfile.mkstemp(prefix=".", dir=self.folder)
            with os.fdopen(descriptor, "wb") as file:
                file.write(packed)
            Path(written).replace(path)
            self._forget(path)
            return path
        finally:
            self._turn.release()

    def _forget(self, newest: Path) -> None:
        """Remove the oldest bundles above the limit, never the newest."""
        paths = sorted(self.folder.glob("*.zip"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        total = 0
        for path in paths:
            total += path.stat().st_size
            if total > self.most_bytes and path != newest:
                with suppress(FileNotFoundError):
                    path.unlink()


def remove_kept_copies(public: Path) -> None:
    """Remove the bundles and dumps on disk: a publication in them was redacted."""
    for name in ("evidence", "dump"):
        shutil.rmtree(public / name, ignore_errors=True)
