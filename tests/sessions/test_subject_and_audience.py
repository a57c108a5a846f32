"""JWT_SUBJECT and JWT_AUDIENCE: who a token is about, and whom it is for."""

import jwt
import pytest
from conftest import EMAIL, START, outcome

from falcon_auth.errors import InvalidTokenError
from falcon_auth.keys import Key, KeyRing
from falcon_auth.keys.service_credentials import make_credential
from falcon_auth.sessions.signed_tokens import Issuer, SignedTokens

KEY = Key.symmetric("a-secret-of-the-tests-of-thirty-two-bytes", "HS256")
TOKEN, CREDENTIAL = make_credential("orders")


def said(answer):
    return jwt.decode(answer.json["access_token"], options={"verify_signature": False})


def introspected(client, answer):
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    body = f"token={answer.json['access_token']}"
    return client.simulate_post("/api/v1/auth/introspect", body=body, headers=headers).json


def test_the_subject_is_the_address_or_where_it_is_set_the_id(make_client):
    by_email = make_client().register()
    client = make_client(jwt_subject="id", introspection_tokens=(CREDENTIAL,))
    by_id = client.register()

    assert said(by_email)["sub"] == EMAIL
    assert said(by_id)["sub"] == said(by_id)["uid"] == by_id.json["user"]["id"]
    assert introspected(client, by_id)["sub"] == by_id.json["user"]["id"]
    assert client.profile(by_id).json["email"] == EMAIL
    assert client.refresh(by_id).status_code == 200


def test_a_change_of_the_setting_ends_no_session(make_client):
    before = make_client()
    user = before.register()
    after = make_client(jwt_subject="id", store=before.app.service.backend.store)

    assert after.profile(user).status_code == 200
    refreshed = after.refresh(user)
    assert said(refreshed)["sub"] == user.json["user"]["id"]
    assert before.profile(refreshed).status_code == 200


def test_several_audiences_are_a_list_and_one_is_a_string(make_client):
    one = make_client(jwt_audience="orders")
    several = make_client(jwt_audience="orders, billing", introspection_tokens=(CREDENTIAL,))
    user = several.register()

    assert said(one.register())["aud"] == "orders"
    assert said(user)["aud"] == ["orders", "billing"]
    assert introspected(several, user)["aud"] == ["orders", "billing"]
    assert several.profile(user).status_code == 200
    assert several.refresh(user).status_code == 200


def test_an_audience_that_is_added_ends_no_session_and_another_one_does(make_client):
    before = make_client(jwt_audience="orders")
    user = before.register()
    store = before.app.service.backend.store
    more = make_client(jwt_audience="orders,billing", store=store)
    another = make_client(jwt_audience="billing", store=store)

    assert more.profile(user).status_code == 200
    assert outcome(another.profile(user)) == (401, "TOKEN_INVALID")


@pytest.mark.parametrize(
    ("audience", "mine", "accepted"),
    [
        (["orders", "billing"], "billing", True),
        (["orders", "billing"], ["billing", "notes"], True),
        ("orders", ["orders"], True),
        (["orders"], "billing", False),
        ("orders", "order", False),
        (["orders", 1], "orders", False),
        ([], "orders", False),
        ({"orders": 1}, "orders", False),
        (None, "orders", False),
        ("orders", None, False),
        ([], None, False),
    ],
)
def test_a_token_is_accepted_if_its_audience_includes_one_of_our_names(audience, mine, accepted):
    """RFC 7519, 4.1.3: one name in common is enough; without a name, no named token is good."""

    def issuer(names):
        return Issuer(keys=KeyRing([KEY]), clock=lambda: START, audience=names)

    token = SignedTokens(issuer(None), "access").sign({"aud": audience}, lifetime_seconds=60)

    if accepted:
        assert SignedTokens(issuer(mine), "access").verify(token.text)
    else:
        with pytest.raises(InvalidTokenError) as refusal:
            SignedTokens(issuer(mine), "access").verify(token.text)
        assert refusal.value.reason == "aud"


def test_a_verifier_elsewhere_has_an_address_only_where_the_subject_is_one(make_client):
    from falcon_auth.verifier import Verifier

    secret = "a-secret-of-the-tests-of-thirty-two-bytes"
    options = {"issuer": None, "audience": "billing"}
    for subject, email in (("email", EMAIL), ("id", None)):
        client = make_client(
            jwt_secret_key=secret, jwt_subject=subject, jwt_audience="orders,billing"
        )
        user = client.register()
        verifier = Verifier.from_secrets([secret], leeway_seconds=2**40, **options)
        claims = verifier.authenticate(user.json["access_token"])
        assert (claims.email, claims.user_id) == (email, user.json["user"]["id"])
        assert claims.audience == ("orders", "billing")
