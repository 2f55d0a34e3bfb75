"""Every query, in rooms by subject: lists (what was seen), people (who is told), deliveries (what is owed to
whom).

Each function takes an open connection first and never commits: the verbs decide where a transaction begins
and ends.
"""
