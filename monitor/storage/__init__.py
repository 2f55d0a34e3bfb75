"""All queries, in packages by subject: lists (what was seen), people (subscribers), deliveries (the outbox).

Each function takes an open connection first and never commits: the calling packages decide where a
transaction begins and ends.
"""
