"""Implementations of the store and of the counters."""
