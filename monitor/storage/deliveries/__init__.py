"""The outbox: tables and queries of deliveries."""
