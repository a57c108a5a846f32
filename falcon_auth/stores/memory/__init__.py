"""The store in memory: dicts behind one lock, optionally with a snapshot file."""
