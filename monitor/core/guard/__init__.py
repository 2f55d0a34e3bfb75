"""Decides what is believed: whether a whole publication is (`reject`), and what is done with each change in a
believed one (`judge`).

Publishers misspell a state, upload an old file again or lose a column, and undo most of it within days. So a
snapshot that cannot be true is refused as a whole, and in a plausible one each change has a state and a clock
of its own. Every threshold is a field of `Policy`, tuned on 15 months of the 287(g) list (314 releases,
polled hourly); the reason for it is given where it is used. All functions are pure: the same arguments give
the same answer, and time is one of them.
"""

from __future__ import annotations

from monitor.core.guard.confirmation import due, find_withdrawn, judge, next_due
from monitor.core.guard.reject import RejectedRun, Rejection, reject

__all__ = ["RejectedRun", "Rejection", "due", "find_withdrawn", "judge", "next_due", "reject"]
