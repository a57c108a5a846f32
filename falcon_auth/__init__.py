"""Falcon Auth: register, log in, refresh, log out, and guard Falcon resources."""

__version__ = "1.0.0"
