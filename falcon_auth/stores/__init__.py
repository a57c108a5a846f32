"""Where users, sessions and counters are kept."""
