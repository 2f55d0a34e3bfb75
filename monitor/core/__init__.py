"""The pure core: identity, diff, guard, retry, due times and tokens. No clock, no I/O, no database."""
