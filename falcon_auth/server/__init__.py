"""An HTTP server for WSGI applications, with limits for clients and a graceful shutdown.

It is based on waitress, and adds deadlines for slow clients, eviction of idle connections when
there is no room for new ones, and a shutdown that finishes running requests. Nothing in this
package depends on the application that it serves.
"""

from falcon_auth.server.limits import Limits
from falcon_auth.server.server import Server, serve

__all__ = ["Limits", "Server", "serve"]
