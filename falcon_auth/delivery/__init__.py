"""Delivery of the outbox's messages: mail, and any other channel."""
