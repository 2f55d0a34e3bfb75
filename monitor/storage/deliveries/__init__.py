"""What is owed to whom: the outbox's tables and queries."""
