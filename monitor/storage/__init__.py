"""Every query, one module per noun: the only translator between rows and domain values.

Each function takes an open connection first and never commits; verbs decide where a transaction begins and ends.
"""
