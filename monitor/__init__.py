"""Map Monitor tells people when an agency near them is added to an official list or is no longer on it.

A *source* is an official list of law-enforcement agencies that somebody publishes (Ring's Active Agency Map
first). Every so often the program *polls* it: fetches, parses, and records a timestamped *snapshot*. It
*diffs* the snapshot against the *baseline* (what we believe today) and *judges* each change: publish, wait,
or hold. Published changes are *located* (which ZIP codes and state does this agency serve?) and *fanned out*:
one *delivery* per person, kept in the database. Deliveries are *drained* through *channels* (email, Telegram,
...) until every one is sent or has visibly failed.
"""

__version__ = "0.1.0"
