"""The audit trail: what use cases write in it."""
