"""The application for a WSGI server that imports it: `gunicorn falcon_auth.wsgi:application`.

Importing this module builds it from the environment and `.env`; if they are invalid, the process
prints why and exits (see `build_for_server`).
"""

from falcon_auth.commands.serve import build_for_server

application = build_for_server()
