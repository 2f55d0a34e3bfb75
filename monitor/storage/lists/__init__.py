"""What was seen: fetches, bodies, snapshots, listings, changes and coverage, as tables and queries.

It knows nothing of people.
"""
