"""Moved to `monitor.wiring`."""

from monitor.wiring import *  # noqa: F403
