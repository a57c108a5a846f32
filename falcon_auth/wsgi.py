"""The application for a WSGI server that imports it: `gunicorn falcon_auth.wsgi:application`.

Importing builds it from the environment and `.env`; where they make no service, the process says
why and ends (see `build_for_server`).
"""

from falcon_auth.commands.serve import build_for_server

application = build_for_server()
