"""Compiled templates of the site, kept for all applications of this process.

Tests make hundreds of applications; compiling its templates takes each longer than rendering its pages.
"""

from __future__ import annotations

from functools import partial
from types import CodeType

from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket

from monitor.web import pages


class CompiledTemplates(BytecodeCache):
    """Keeps compiled templates in memory, each under its language: what is constant is computed then."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}

    def get_bucket(self, environment: Environment, name: str, filename: str | None, source: str) -> Bucket:
        return super().get_bucket(environment, f"{environment.globals['language']} {name}", filename, source)

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._codes[bucket.key, bucket.checksum] = bucket.code


def keep_compiled() -> None:
    """Let the applications of this process share their compiled templates."""
    if pages.Environment is Environment:
        pages.Environment = partial(Environment, bytecode_cache=CompiledTemplates())  # type: ignore[misc,assignment]
