"""No path gives tokens to a user with a second factor for one proof alone.

The paths are found in the contract, so that a new one fails here until somebody has thought of it.
"""

import pytest
from conftest import EMAIL, PASSWORD, outcome
from identity_records import new_identity
from life_words import AUTH, NEW_PASSWORD
from provider_words import EXCHANGE, RETURN_TO

from falcon_auth.api.openapi import build_document
from falcon_auth.errors import SecondFactorRequiredError
from falcon_auth.models import Client, Login, SpentChallenge
from falcon_auth.providers.tokens import ProviderTokens
from falcon_auth.testing.service import LoggedIn, TestService

LOGIN, FACTOR = "/api/v1/auth/login", "/api/v1/auth/login/factor"


def paths_that_give_tokens():
    """Every operation with an answer in which there is an access token."""
    document = build_document()
    schemas = document["components"]["schemas"]
    giving = {
        f"#/components/schemas/{name}"
        for name, schema in schemas.items()
        if "access_token" in schema.get("properties", {})
    }
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for answer in operation["responses"].values():
                for content in answer.get("content", {}).values():
                    if content.get("schema", {}).get("$ref") in giving:
                        yield path


def open_paths():
    """Every operation that asks for no token and takes a body."""
    for path, methods in build_document()["paths"].items():
        for method, operation in methods.items():
            security = operation.get("security")
            if method != "get" and (security == [] or {} in (security or [])):
                yield path


@pytest.fixture
def service(clock, some_providers):
    settings = {
        "mail_from": "auth@example.com",
        "providers_file": some_providers,
        "return_urls": (RETURN_TO,),
    }
    with TestService(settings, clock) as service:
        yield service


@pytest.fixture
def old(service):
    """A session of the time before the factor."""
    body = {"email": EMAIL, "password": PASSWORD}
    service.new_user(EMAIL)
    return service.client.simulate_post(LOGIN, json=body).json


@pytest.fixture
def session(service, old):
    """A later session."""
    body = {"email": EMAIL, "password": PASSWORD}
    answer = service.client.simulate_post(LOGIN, json=body).json
    return LoggedIn(
        answer["user"]["id"], EMAIL, PASSWORD, answer["access_token"], answer["refresh_token"]
    )


@pytest.fixture
def app(service, session):
    return service.add_app(session)


@pytest.fixture
def ada(session, app):
    """The session that added the factor."""
    return session


def post(service, path, body, **kwargs):
    return service.client.simulate_post(path, json=body, **kwargs)


def by_registration(service, _ada, _old):
    return post(service, "/api/v1/auth/register", {"email": EMAIL, "password": PASSWORD})


def by_password(service, _ada, _old):
    return post(service, LOGIN, {"email": EMAIL, "password": PASSWORD})


def by_refresh_of_an_old_session(service, _ada, old):
    return post(service, "/api/v1/auth/refresh", {"refresh_token": old["refresh_token"]})


def by_challenge_alone(service, _ada, _old):
    challenge = by_password(service, _ada, _old).json["challenge"]
    return post(service, FACTOR, {"challenge": challenge, "code": "000000"})


def by_passkey_of_nobody(service, _ada, _old):
    body = {"credential": {"rawId": "AAAA", "response": {"clientDataJSON": "e30"}}}
    return post(service, "/api/v1/auth/passkey/login", body)


def by_confirming_with_the_password(service, ada, _old):
    return post(service, "/api/v1/auth/confirm", {"password": PASSWORD}, headers=ada.headers)


def by_provider(service, ada, _old):
    """With an identity that is linked, and the code of a callback."""
    store, issuer = service.app.service.store, service.app.service.codec.issuer
    session = store.sessions.list_live(ada.id, now=service.clock())[0]
    identity = new_identity(store.users.find(ada.id))
    spends = SpentChallenge("a link", service.clock() + 60)
    assert store.identities.link(identity, session=session, spends=spends, limit=1)
    return post(service, EXCHANGE, {"code": ProviderTokens(issuer).sign_code(identity.id)})


ATTEMPTS = {
    EXCHANGE: (by_provider, (401, "SECOND_FACTOR_REQUIRED")),
    "/api/v1/auth/register": (by_registration, (409, "DUPLICATE_EMAIL")),
    LOGIN: (by_password, (401, "SECOND_FACTOR_REQUIRED")),
    "/api/v1/auth/refresh": (by_refresh_of_an_old_session, (401, "TOKEN_REVOKED")),
    FACTOR: (by_challenge_alone, (401, "FACTOR_INVALID")),
    "/api/v1/auth/passkey/login": (by_passkey_of_nobody, (401, "FACTOR_INVALID")),
    "/api/v1/auth/confirm": (by_confirming_with_the_password, (401, "SECOND_FACTOR_REQUIRED")),
}


def test_every_path_that_gives_a_token_is_tried():
    assert set(paths_that_give_tokens()) == set(ATTEMPTS)


@pytest.mark.parametrize("path", sorted(ATTEMPTS))
def test_one_proof_alone_gives_no_token(service, ada, old, path):
    attempt, expected = ATTEMPTS[path]

    answer = attempt(service, ada, old)

    assert outcome(answer) == expected
    assert "access_token" not in answer.json


# --- The life of the account: links in mails are one proof each


def by_verification(service, ada):
    """Also what makes the address a verified one: a first reset removes what was there before."""
    post(service, f"{AUTH}/email/verification", None, headers=ada.headers)
    body = {"token": service.mailbox.only().token, "password": PASSWORD}
    return post(service, f"{AUTH}/email/verify", body)


def by_reset(service, ada):
    by_verification(service, ada)
    post(service, f"{AUTH}/password/forgot", {"email": EMAIL})
    body = {"token": service.mailbox.only().token, "new_password": NEW_PASSWORD}
    return post(service, f"{AUTH}/password/reset", body)


def by_asking_for_a_reset(service, _ada):
    return post(service, f"{AUTH}/password/forgot", {"email": EMAIL})


def by_another_address(service, ada):
    new = "lovelace@example.com"
    post(service, f"{AUTH}/email/change", {"new_email": new}, headers=ada.headers)
    mails = {mail.to: mail for mail in service.mailbox.read()}
    answer = post(service, f"{AUTH}/email/change/confirm", {"token": mails[new].token})
    post(service, f"{AUTH}/logout", {"refresh_token": ada.refresh_token})
    return answer


BY_MAIL = {
    f"{AUTH}/email/verify": (by_verification, 204),
    f"{AUTH}/password/reset": (by_reset, 204),
    f"{AUTH}/password/forgot": (by_asking_for_a_reset, 202),
    f"{AUTH}/email/change/confirm": (by_another_address, 204),
}
# What ends sessions, tells a service about a token, or gives a browser its options.
NO_LOG_IN = {
    f"{AUTH}/logout",
    f"{AUTH}/revoke",
    f"{AUTH}/introspect",
    f"{AUTH}/login/factor/options",
    f"{AUTH}/passkey/options",
    f"{AUTH}/providers/{{name}}/callback",
}


def test_every_path_that_is_open_to_everybody_is_thought_of():
    assert set(open_paths()) | {f"{AUTH}/confirm"} == {*ATTEMPTS, *BY_MAIL, *NO_LOG_IN}


@pytest.mark.parametrize("path", sorted(BY_MAIL))
def test_a_link_gives_no_token_and_the_factor_is_still_asked_for(service, ada, path):
    service.mailbox.read()  # What the owner was told of the factor.
    attempt, status = BY_MAIL[path]

    answer = attempt(service, ada)

    assert answer.status_code == status
    assert "token" not in answer.text
    for email, password in (
        (EMAIL, PASSWORD),
        (EMAIL, NEW_PASSWORD),
        ("lovelace@example.com", PASSWORD),
    ):
        login = post(service, LOGIN, {"email": email, "password": password})
        assert outcome(login) in {(401, "SECOND_FACTOR_REQUIRED"), (401, "INVALID_CREDENTIALS")}


def test_a_reset_of_a_verified_user_keeps_the_factor_and_voids_challenges(service, ada, app, clock):
    service.mailbox.read()
    challenge = by_password(service, ada, None).json["challenge"]

    by_reset(service, ada)

    again = post(service, LOGIN, {"email": EMAIL, "password": NEW_PASSWORD})
    assert outcome(again) == (401, "SECOND_FACTOR_REQUIRED")
    clock.advance(seconds=30)
    void = post(service, FACTOR, {"challenge": challenge, "code": app.code()})
    assert outcome(void) == (401, "TOKEN_REVOKED")
    good = post(service, FACTOR, {"challenge": again.json["challenge"], "code": app.code()})
    assert outcome(good) == (200, None)


def test_a_changed_password_voids_challenges(service, ada, app, clock):
    challenge = by_password(service, ada, None).json["challenge"]
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    service.client.simulate_put(f"{AUTH}/password", json=body, headers=ada.headers)
    clock.advance(seconds=30)

    void = post(service, FACTOR, {"challenge": challenge, "code": app.code()})

    assert outcome(void) == (401, "TOKEN_REVOKED")


def test_a_reset_as_first_proof_of_the_address_removes_the_factors_of_who_registered_it(
    service, ada
):
    service.mailbox.read()
    post(service, f"{AUTH}/password/forgot", {"email": EMAIL})
    body = {"token": service.mailbox.only().token, "new_password": NEW_PASSWORD}
    post(service, f"{AUTH}/password/reset", body)

    login = post(service, LOGIN, {"email": EMAIL, "password": NEW_PASSWORD})

    assert outcome(login) == (200, None)
    headers = {"Authorization": f"Bearer {login.json['access_token']}"}
    shown = service.client.simulate_get(f"{AUTH}/account", headers=headers).json
    assert (shown["user"]["email_verified"], shown["factors"]) == (True, [])


def test_an_invitation_gives_no_token(service, ada):
    service.mailbox.read()
    service.app.service.life.inviting.invite(email="bob@example.com")
    body = {"token": service.mailbox.only().token, "new_password": NEW_PASSWORD}

    answer = post(service, f"{AUTH}/password/reset", body)

    assert (answer.status_code, answer.content) == (204, b"")


# --- Sessions that are there


def test_an_old_access_token_ends_when_the_factor_is_added(service, ada, old):
    headers = {"Authorization": f"Bearer {old['access_token']}"}

    answer = service.client.simulate_get("/api/v1/protected/profile", headers=headers)

    assert outcome(answer) == (401, "TOKEN_REVOKED")


@pytest.mark.parametrize("methods", [("pwd",), ("fed",), ("hwk",), ()])
def test_no_use_case_can_open_a_session_with_one_factor(service, ada, methods):
    """The one door: log-ins by others, resets and invitations go through it as well."""
    user = service.app.service.store.users.find_by_email(EMAIL)

    with pytest.raises(SecondFactorRequiredError):
        service.app.service.sessions.open(Login(user, methods=methods), Client())


def test_a_right_and_a_wrong_password_cost_and_answer_the_same_with_and_without_a_factor(
    service, ada
):
    service.new_user("bob@example.com")
    wrong = [
        post(service, LOGIN, {"email": email, "password": "wrong password"})
        for email in (EMAIL, "bob@example.com", "nobody@example.com")
    ]

    bodies = [{k: v for k, v in each.json.items() if k != "request_id"} for each in wrong]

    assert bodies[0] == bodies[1] == bodies[2]
