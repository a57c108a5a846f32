"""The whole life of a session by the client that openapi-python-client generates."""

import json
import sys

from falcon_auth_client import AuthenticatedClient, Client
from falcon_auth_client.api.accounts import login, register
from falcon_auth_client.api.guarded import get_profile
from falcon_auth_client.api.sessions import logout, refresh
from falcon_auth_client.models import (
    LoginRequest,
    LogoutRequest,
    RefreshRequest,
    RegistrationRequest,
)

client = Client(base_url=sys.argv[1])
account = {"email": "ada@example.com", "password": "correct horse battery"}

registered = register.sync(client=client, body=RegistrationRequest(**account))
again = register.sync(client=client, body=RegistrationRequest(**account))
tokens = login.sync(client=client, body=LoginRequest(**account))
fresh = refresh.sync(client=client, body=RefreshRequest(tokens.refresh_token))

as_user = AuthenticatedClient(base_url=sys.argv[1], token=fresh.access_token)
profile = get_profile.sync(client=as_user)
logout.sync_detailed(client=client, body=LogoutRequest(fresh.refresh_token))
logged_out = get_profile.sync(client=as_user)

outcome = {
    "registered": registered.user.email,
    "registered_again": again.code,
    "profile": profile.email,
    "logged_out": logged_out.code,
}
sys.stdout.write(json.dumps(outcome))
