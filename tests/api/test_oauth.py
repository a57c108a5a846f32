"""What other services ask of this one: its keys, whether a token lives, and its revocation."""

import hashlib
import json
from urllib.parse import urlencode

import pytest
from conftest import EMAIL, START, outcome, settings_for
from falcon import testing
from hypothesis import given
from hypothesis import strategies as st
from key_material import ALGORITHMS, private_pem

from falcon_auth.api.validators import validator_of
from falcon_auth.errors import InvalidClientError
from falcon_auth.keys.rotation import JWKS_MAX_AGE_SECONDS
from falcon_auth.keys.service_credentials import ServiceCredentials, make_credential
from falcon_auth.service import create_app
from falcon_auth.stores.memory.store import MemoryStore

JWKS = "/.well-known/jwks.json"
INTROSPECT = "/api/v1/auth/introspect"
REVOKE = "/api/v1/auth/revoke"
FORM = "application/x-www-form-urlencoded"
TOKEN, CREDENTIAL = make_credential("orders")
OTHER_TOKEN, OTHER_CREDENTIAL = make_credential("notes")


@pytest.fixture
def service(make_client):
    return make_client(introspection_tokens=(CREDENTIAL, OTHER_CREDENTIAL))


def send(client, path, token, *, body=None, bearer=None, content_type=FORM, **fields):
    if body is None:
        body = urlencode({"token": token, **fields})
    headers = {"Content-Type": content_type}
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer}"
    return client.simulate_post(path, body=body, headers=headers)


def introspect(client, token, bearer=TOKEN, **options):
    answer = send(client, INTROSPECT, token, bearer=bearer, **options)
    if answer.status_code == 200:
        validator_of("introspection").validate(answer.json)
    return answer


# --- The key set


@pytest.fixture
def published(make_client, tmp_path):
    """A service with a key of each kind."""
    paths = []
    for kind in ALGORITHMS:
        paths.append(tmp_path / kind)
        paths[-1].write_bytes(private_pem(kind))
        paths[-1].chmod(0o600)
    previous = ",".join(f"{path.name}:{path}" for path in paths[1:])
    return make_client(
        jwt_algorithm=ALGORITHMS[0], jwt_private_key_file=paths[0], jwt_previous_key_files=previous
    )


def test_the_key_set_is_public_and_holds_nothing_private(published):
    answer = published.simulate_get(JWKS)

    validator_of("jwks").validate(answer.json)
    assert [each["alg"] for each in answer.json["keys"]] == ALGORITHMS
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == f"public, max-age={JWKS_MAX_AGE_SECONDS}"


def test_the_key_set_of_a_symmetric_service_is_empty(client):
    answer = client.simulate_get(JWKS)

    assert answer.json == {"keys": []}
    validator_of("jwks").validate(answer.json)


def test_an_unchanged_key_set_is_answered_304(published):
    etag = published.simulate_get(JWKS).headers["ETag"]

    for known in (etag, f'"x", {etag}', f"W/{etag}", "*"):
        again = published.simulate_get(JWKS, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == etag
        assert again.headers["Cache-Control"] == f"public, max-age={JWKS_MAX_AGE_SECONDS}"
    assert published.simulate_get(JWKS, headers={"If-None-Match": '"x"'}).status_code == 200
    assert published.simulate_head(JWKS).headers["ETag"] == etag


def test_readiness_tells_the_keys(published):
    check = published.simulate_get("/health/ready").json["checks"]["keys"]

    assert check["status"] == "ok"
    assert [key["state"] for key in check["keys"]] == ["active"] + ["verifies"] * 4


def test_a_service_follows_its_folder_of_keys(make_client, tmp_path, clock):
    from key_operator import Operator

    operator = Operator(tmp_path / "keys", clock)
    first = operator.add()
    client = make_client(jwt_algorithm="ES256", jwt_key_directory=operator.path)
    old = client.register()
    etag = client.simulate_get(JWKS).headers["ETag"]

    second = operator.add("EdDSA")
    client.app.service.reload_keys()  # What SIGHUP does.

    changed = client.simulate_get(JWKS, headers={"If-None-Match": etag})
    assert [each["kid"] for each in changed.json["keys"]] == [first, second]
    clock.advance(seconds=660)
    operator.promote()
    client.app.service.reload_keys()
    assert client.profile(old).status_code == 200
    assert client.profile(client.login()).status_code == 200
    states = client.simulate_get("/health/ready").json["checks"]["keys"]["keys"]
    assert [each["state"] for each in states] == ["active", "retiring", "verifies"]


def test_metrics_tell_the_keys_of_a_folder(make_client, tmp_path, clock):
    from key_operator import Operator

    from falcon_auth.keys.folder import MANIFEST

    operator = Operator(tmp_path / "keys", clock)
    operator.add()
    clock.advance(seconds=100)
    operator.add("EdDSA")
    clock.advance(seconds=7)
    client = make_client(jwt_algorithm="ES256", jwt_key_directory=operator.path)

    shown = client.simulate_get("/metrics").text

    for line in [
        'falcon_auth_keys{state="active"} 1.0',
        'falcon_auth_keys{state="retiring"} 0.0',
        'falcon_auth_key_age_seconds{state="active"} 107.0',
        'falcon_auth_key_age_seconds{state="next"} 7.0',
        'falcon_auth_key_age_seconds{state="retiring"} 0.0',
        "falcon_auth_keys_not_loaded 0.0",
    ]:
        assert f"{line}\n" in shown
    (operator.path / MANIFEST).write_text("damaged")
    client.app.service.reload_keys()
    assert "falcon_auth_keys_not_loaded 1.0\n" in client.simulate_get("/metrics").text


def test_reloading_keys_that_do_not_change_is_harmless(client):
    client.app.service.reload_keys()

    assert client.profile(client.register()).status_code == 200


# --- Introspection (RFC 7662)


def test_a_live_token_is_active_and_says_what_it_says(make_client):
    client = make_client(
        introspection_tokens=(CREDENTIAL,), jwt_issuer="https://us.example", jwt_audience="all"
    )
    user = client.register()

    answer = introspect(client, user.json["access_token"], token_type_hint="access_token")

    assert answer.status_code == 200
    said = answer.json
    assert (said["active"], said["sub"], said["uid"]) == (True, EMAIL, user.json["user"]["id"])
    assert (said["iss"], said["aud"]) == ("https://us.example", "all")
    assert (said["iat"], said["exp"]) == (int(START), user.json["expires_at"])
    assert answer.headers["Cache-Control"] == "no-store"


def test_whatever_is_wrong_the_answer_is_the_same(service, make_client, clock, logged):
    user = service.register()
    ended = service.login()
    service.logout(ended)
    stranger = make_client(jwt_secret_key="another-key-that-is-long-enough-too").register()
    tokens = {
        "revoked": ended.json["access_token"],
        "of another service": stranger.json["access_token"],
        "a refresh token": user.json["refresh_token"],
        "garbage": "garbage",
        "too long": "x" * 8000,
        "not ASCII": "é",
    }

    answers = {name: introspect(service, token) for name, token in tokens.items()}
    clock.advance(minutes=20)
    answers["expired"] = introspect(service, user.json["access_token"])

    for name, answer in answers.items():
        assert (answer.status_code, answer.json) == (200, {"active": False}), name
    assert len({answer.content for answer in answers.values()}) == 1
    reasons = [event["reason"] for event in logged.events("token_introspected")]
    assert reasons == [
        "TOKEN_REVOKED", "kid", "type", "form", "too_long", "form", "TOKEN_EXPIRED"
    ]  # fmt: skip
    assert all(token not in logged.text for token in tokens.values() if len(token) > 8)


def test_a_refresh_token_is_not_active_whatever_the_hint(service):
    """A resource that asks about what it was handed must not take it for an access token."""
    user = service.register()

    answer = introspect(service, user.json["refresh_token"], token_type_hint="refresh_token")

    assert answer.json == {"active": False}


def test_a_disabled_users_token_is_not_active(make_client, clock):
    store = MemoryStore()
    client = make_client(store=store, introspection_tokens=(CREDENTIAL,))
    user = client.register()
    store.users.set_active(user.json["user"]["id"], active=False, now=clock())

    assert introspect(client, user.json["access_token"]).json == {"active": False}


@pytest.mark.parametrize("bearer", [OTHER_TOKEN, TOKEN], ids=["other", "own"])
def test_each_service_has_its_own_credential(service, bearer, logged):
    introspect(service, "x", bearer=bearer)

    name = "orders" if bearer == TOKEN else "notes"
    assert logged.events("token_introspected")[0]["service"] == name


def test_no_other_credential_may_ask(service, client):
    user = service.register()
    access = user.json["access_token"]
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()

    for bearer in (access, "x", digest, CREDENTIAL, TOKEN + "x", TOKEN[:-1], "é"):
        answer = introspect(service, access, bearer=bearer)
        assert outcome(answer) == (401, "INVALID_CLIENT"), bearer
        assert "service's own credential" in answer.json["detail"]
    assert outcome(send(service, INTROSPECT, access)) == (401, "INVALID_CLIENT")
    assert outcome(introspect(client, "x")) == (401, "INVALID_CLIENT")  # None is set up there.


def test_only_hashes_are_kept(service):
    assert TOKEN not in repr(service.app.service.settings)
    assert TOKEN not in CREDENTIAL


@given(st.text())
def test_any_text_but_the_token_is_refused(text):
    with pytest.raises(InvalidClientError):
        ServiceCredentials([CREDENTIAL]).service_of(text)


@pytest.mark.parametrize(
    "value",
    [TOKEN, "orders", "orders:", f"{CREDENTIAL}0", CREDENTIAL[7:], CREDENTIAL.upper()],
    ids=["token", "name", "no hash", "long hash", "no name", "upper case"],
)
def test_an_invalid_introspection_hash_refuses_the_start(make_client, value):
    """The token itself by mistake: it is not repeated."""
    with pytest.raises(ValueError, match="INTROSPECTION_TOKENS: number 2") as caught:
        make_client(introspection_tokens=f"{CREDENTIAL}, {value}")

    assert value not in str(caught.value)


# --- Revocation (RFC 7009)


@pytest.mark.parametrize("kind", ["access", "refresh"])
@pytest.mark.parametrize(
    "hint", [{}, {"token_type_hint": "refresh_token"}, {"token_type_hint": "?"}]
)
def test_either_token_ends_its_session(service, kind, hint):
    user, other = service.register(), service.login()

    answer = send(service, REVOKE, user.json[f"{kind}_token"], **hint)

    assert (answer.status_code, answer.content) == (200, b"{}")
    assert outcome(service.profile(user)) == (401, "TOKEN_REVOKED")
    assert outcome(service.refresh(user)) == (401, "TOKEN_REVOKED")
    assert service.profile(other).status_code == 200
    assert send(service, REVOKE, user.json[f"{kind}_token"]).status_code == 200


def test_an_unknown_token_is_revoked_already(service, make_client, clock, logged):
    """RFC 7009, 2.2: the client's end is reached, so 200; and nothing is done."""
    user = service.register()
    stranger = make_client(jwt_secret_key="another-key-that-is-long-enough-too").register()
    twin = make_client().register()  # The same key, another store.
    tokens = ["garbage", stranger.json["refresh_token"], stranger.json["access_token"]]

    for token in [*tokens, twin.json["refresh_token"]]:
        assert send(service, REVOKE, token).status_code == 200
    clock.advance(minutes=20)
    assert send(service, REVOKE, user.json["access_token"]).status_code == 200

    assert service.refresh(user).status_code == 200
    reasons = [event["reason"] for event in logged.events("revocation_ignored")]
    assert reasons == ["form", "kid", "kid", "expired"]


def test_a_spent_and_an_expired_refresh_token_end_the_session_as_at_log_out(service, clock):
    user = service.register()
    successor = service.refresh(user)

    send(service, REVOKE, user.json["refresh_token"])

    assert outcome(service.refresh(successor)) == (401, "TOKEN_REVOKED")


# --- Forms


@pytest.mark.parametrize("path", [INTROSPECT, REVOKE])
def test_introspection_and_revocation_answer_415_to_other_bodies_than_forms(service, path):
    for content_type in ("application/json", "multipart/form-data; boundary=x", "text/plain", ""):
        answer = send(
            service, path, None, body=json.dumps({"token": "x"}), bearer=TOKEN,
            content_type=content_type,
        )  # fmt: skip
        assert outcome(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert "x-www-form-urlencoded" in answer.json["detail"]
    parametrized = send(service, path, "x", bearer=TOKEN, content_type=FORM.upper() + "; charset=a")
    assert parametrized.status_code == 200


WRONG_FORMS = {
    "empty": ("", "/token"),
    "no token": ("token_type_hint=x", "/token"),
    "an empty token": ("token=", "/token"),
    "twice": ("token=x&token=y", "/token"),
    "the hint twice": ("token=x&token_type_hint=a&token_type_hint=a", "/token_type_hint"),
    "percent": ("token=%zz", ""),
    "percent cut short": ("token=%4", ""),
    "no UTF-8": ("token=%ff", ""),
    "raw bytes": (b"token=\xc3\xa9", ""),
    "JSON": ('{"token":"x"}', ""),
    "a NUL": ("token=\0", ""),
    "many": ("&".join(f"n{number}=x" for number in range(17)), ""),
}


@pytest.mark.parametrize("name", WRONG_FORMS)
@pytest.mark.parametrize("path", [INTROSPECT, REVOKE])
def test_a_wrong_form_is_refused(service, path, name):
    body, pointer = WRONG_FORMS[name]

    answer = send(service, path, None, body=body, bearer=TOKEN)

    assert outcome(answer) == (422, "VALIDATION_FAILED")
    assert [each["pointer"] for each in answer.json["errors"]] == [pointer]


def test_other_parameters_are_ignored(service):
    """RFC 6749, 3.1; clients of OAuth send their id."""
    user = service.register()

    answer = introspect(service, user.json["access_token"], client_id="x", resource="y")

    assert answer.json["active"] is True


def test_a_form_is_bounded(service):
    answer = send(service, INTROSPECT, "x" * 17_000, bearer=TOKEN)

    assert outcome(answer) == (413, "PAYLOAD_TOO_LARGE")


@pytest.fixture(scope="module")
def shared():
    """One service for all examples of hypothesis."""
    app = create_app(settings_for(), store=MemoryStore())
    yield testing.TestClient(app)
    app.service.close()


@given(data=st.binary(max_size=200))
def test_no_bytes_make_a_fault(data, shared):
    answer = send(shared, REVOKE, None, body=data)

    assert answer.status_code in {200, 422}
