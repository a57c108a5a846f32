"""An HTTP server for WSGI applications, with limits for clients and a graceful shutdown.

waitress does the work. Added here are deadlines for slow clients, room for new ones when the
house is full, and a shutdown that finishes what it began. Nothing in this package knows which
application it serves.
"""

from falcon_auth.server.limits import Limits
from falcon_auth.server.server import Server, serve

__all__ = ["Limits", "Server", "serve"]
