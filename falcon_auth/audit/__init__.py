"""The audit trail: the events that use cases record."""
