"""What may be believed: whether a whole publication is (`reject`), and what is done with each change in one
that is (`judge`).

Publishers misspell a state, put an old file up again or lose a column, and undo most of it within days. So a
snapshot that cannot be true is refused as a whole, and in one that can be each change has a state and a clock
of its own. Every threshold is a field of `Policy`, tuned on 15 months of the 287(g) list (314 releases,
polled hourly); its reason stands where it is used. All functions are pure: the same arguments give the same
answer, and time is one of them.
"""

from __future__ import annotations

from monitor.core.guard.judge import due, find_withdrawn, judge, next_due
from monitor.core.guard.reject import RejectedRun, Rejection, reject

__all__ = ["RejectedRun", "Rejection", "due", "find_withdrawn", "judge", "next_due", "reject"]
