"""Serve a WSGI application over HTTP, with bounds on what a client may hold and a graceful end.

waitress does the work. Added here are deadlines for slow clients, room for new ones when the
house is full, and a shutdown that finishes what it began. Nothing in this package knows which
application it serves.
"""

from falcon_auth.serving.limits import Limits
from falcon_auth.serving.server import Server, serve

__all__ = ["Limits", "Server", "serve"]
