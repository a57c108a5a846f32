"""How a service proves who it is at introspection (RFC 7662, 2.1; RFC 6749, 2.3.1)."""

import base64
from urllib.parse import urlencode

import pytest
from conftest import outcome
from live import serving

from falcon_auth.keys.service_credentials import make_credential

INTROSPECT = "/api/v1/auth/introspect"
FORM = "application/x-www-form-urlencoded"
NAME = "orders.v1"
TOKEN, CREDENTIAL = make_credential(NAME)
OTHER_TOKEN, OTHER_CREDENTIAL = make_credential("notes")


@pytest.fixture
def service(make_client):
    return make_client(introspection_tokens=(CREDENTIAL, OTHER_CREDENTIAL))


def basic(name, secret):
    return f"Basic {base64.b64encode(f'{name}:{secret}'.encode()).decode()}"


def ask(client, *, authorization=None, content_type=FORM, **fields):
    headers = {"Content-Type": content_type}
    if authorization is not None:
        headers["Authorization"] = authorization
    return client.simulate_post(INTROSPECT, body=urlencode(fields), headers=headers)


@pytest.mark.parametrize(
    ("authorization", "fields"),
    [
        (f"Bearer {TOKEN}", {}),
        (f"bearer  {TOKEN}", {}),
        (basic(NAME, TOKEN), {}),
        (basic("orders%2Ev1", TOKEN), {}),
        (basic(NAME, TOKEN), {"client_id": NAME}),
        (None, {"client_id": NAME, "client_secret": TOKEN}),
    ],
    ids=["bearer", "spaces", "basic", "form-encoded in basic", "client_id twice", "form"],
)
def test_a_service_is_known_by_its_credential_however_it_sends_it(service, authorization, fields):
    user = service.register()

    answer = ask(service, authorization=authorization, token=user.json["access_token"], **fields)

    assert (answer.status_code, answer.json["active"]) == (200, True)


@pytest.mark.parametrize(
    ("authorization", "fields"),
    [
        (None, {}),
        (None, {"client_id": NAME}),
        (None, {"client_secret": TOKEN}),
        (None, {"client_id": "notes", "client_secret": TOKEN}),
        (None, {"client_id": NAME, "client_secret": TOKEN + "x"}),
        (basic(NAME, OTHER_TOKEN), {}),
        (basic("nobody", TOKEN), {}),
        (basic(NAME, TOKEN), {"client_id": NAME, "client_secret": TOKEN}),
        (f"Bearer {TOKEN}", {"client_id": NAME, "client_secret": TOKEN}),
        (f"Basic {TOKEN}", {}),
        ("Basic ***", {}),
        ("Basic " + base64.b64encode(b"\xff:x").decode(), {}),
        ("Basic " + base64.b64encode(b"%ff:x").decode(), {}),
        ("Basic " + base64.b64encode(b"no colon").decode(), {}),
        ("Bearer", {}),
        (f"Digest {TOKEN}", {}),
        ("", {}),
    ],
    ids=range(17),  # The credentials differ from process to process.
)
def test_anything_else_is_401_invalid_client(service, authorization, fields, logged):
    answer = ask(service, authorization=authorization, token="x", **fields)

    assert outcome(answer) == (401, "INVALID_CLIENT")
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="falcon-auth", Basic realm="falcon-auth"')
    assert "service's own credential" in answer.json["detail"]
    (line,) = logged.events("token_rejected")
    assert line["reason"] == "service_credential"
    assert TOKEN not in answer.text


def test_a_stranger_learns_nothing_of_what_is_wrong_with_the_form(service):
    for content_type in ("application/json", ""):
        answer = ask(service, content_type=content_type)
        assert outcome(answer) == (401, "INVALID_CLIENT")
    assert outcome(ask(service)) == (401, "INVALID_CLIENT")
    bearer = f"Bearer {TOKEN}"
    assert outcome(ask(service, authorization=bearer))[0] == 422
    json_sent = ask(service, authorization=bearer, content_type="application/json")
    assert outcome(json_sent) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlibs_client_introspects(make_client, method):
    from authlib.integrations.requests_client import OAuth2Session

    client = make_client(introspection_tokens=(CREDENTIAL,))
    user = client.register()
    credential = OAuth2Session(NAME, TOKEN, token_endpoint_auth_method=method)
    with serving(client.app) as port, credential as session:
        url = f"http://127.0.0.1:{port}{INTROSPECT}"
        answer = session.introspect_token(url, token=user.json["access_token"])

    assert answer.json()["uid"] == user.json["user"]["id"]
