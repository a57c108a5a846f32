"""One's own account: seen, renamed, deleted; and the notices that its owner gets."""

import pytest
from conftest import EMAIL, PASSWORD, outcome
from life_words import AUTH, account, delete_account, forgot, rename

from falcon_auth.errors import InvalidBodyError
from falcon_auth.testing.service import TestService


def test_the_account_shows_all_that_is_kept(client, user):
    second = client.login()

    shown = account(client, second).json

    assert shown["user"]["email"] == EMAIL
    assert [each["current"] for each in shown["sessions"]] == [True, False]
    assert [shown[name] for name in ("factors", "identities", "roles")] == [[]] * 3
    told = [each["event"] for each in shown["activity"]]
    assert told == ["login.succeeded", "user.registered"]


def test_a_user_takes_another_name_and_gives_it_away(client, user):
    assert rename(client, user, "Ada_L").json["username"] == "Ada_L"
    assert client.profile(user).json["username"] == "Ada_L"

    assert rename(client, user, None).json["username"] is None

    assert outcome(client.register("eve@example.com", username="ada_l")) == (201, None)


def test_a_name_that_somebody_has_is_refused(client, user):
    client.register("eve@example.com", username="Eve")

    assert outcome(rename(client, user, "eVE")) == (409, "DUPLICATE_USERNAME")


def test_ones_own_user_name_can_be_respelt(client):
    user = client.register(username="ada")

    assert rename(client, user, "ADA").json["username"] == "ADA"


@pytest.mark.parametrize("body", [{}, {"username": "no"}, {"username": 1}, {"username": "a b"}])
def test_an_invalid_user_name_is_reported_with_all_other_violations(client, user, body):
    answer = client.as_user("PATCH", f"{AUTH}/account", user, json=body | {"more": 1})

    assert outcome(answer) == (422, "VALIDATION_FAILED")
    assert {each["pointer"] for each in answer.json["errors"]} == {"/username", "/more"}


def test_a_deleted_user_is_gone_at_once_and_the_address_is_free(client, user):
    other = client.login()

    assert outcome(delete_account(client, user)) == (204, None)

    assert outcome(client.profile(user)) == (401, "TOKEN_REVOKED")
    assert outcome(client.refresh(other)) == (401, "TOKEN_REVOKED")
    assert outcome(client.login()) == (401, "INVALID_CREDENTIALS")
    again = client.register()
    assert again.json["user"]["id"] != user.json["user"]["id"]
    assert len(client.sessions(again)) == 1


def test_the_account_shows_the_factors(clock):
    with TestService({}, clock) as service:
        ada = service.new_user(EMAIL)
        app = service.add_app(ada)

        shown = account_of(service, ada).json

        assert [(each["id"], each["kind"]) for each in shown["factors"]] == [(app.id, "totp")]
        assert shown["factors"] == factors_of(service, ada).json["factors"]
        assert app.secret not in str(shown)


def account_of(service, user):
    return service.client.simulate_get(f"{AUTH}/account", headers=user.headers)


def factors_of(service, user):
    return service.client.simulate_get(f"{AUTH}/factors", headers=user.headers)


def test_how_recent_is_recent_can_be_set(make_client, clock):
    client = make_client(recent_login_minutes=2)
    user = client.register()
    clock.advance(minutes=2, seconds=1)

    refused = delete_account(client, user)

    assert outcome(refused) == (401, "STEP_UP_REQUIRED")
    assert 'max_age="120"' in refused.headers["WWW-Authenticate"]


def test_a_user_with_a_factor_must_have_used_it_to_delete_the_account(clock):
    with TestService({}, clock) as service:
        ada = service.new_user(EMAIL)
        app = service.add_app(ada)
        clock.advance(minutes=10, seconds=1)

        def delete(headers):
            return service.client.simulate_delete(f"{AUTH}/account", headers=headers)

        def confirm(body):
            return service.client.simulate_post(f"{AUTH}/confirm", json=body, headers=ada.headers)

        assert outcome(delete(ada.headers)) == (401, "STEP_UP_REQUIRED")
        assert outcome(confirm({"password": PASSWORD})) == (401, "SECOND_FACTOR_REQUIRED")
        confirmed = confirm({"code": app.code()}).json
        headers = {"Authorization": f"Bearer {confirmed['access_token']}"}
        assert outcome(delete(headers)) == (204, None)
        assert outcome(service.client.simulate_get("/protected", headers=headers))[0] == 401


def test_where_factors_are_off_a_new_log_in_is_the_proof(make_client, clock):
    production = {"environment": "production", "database_url": "memory:", "bcrypt_rounds": 12}
    client = make_client(**production)
    user = client.register()
    clock.advance(minutes=10, seconds=1)

    assert outcome(delete_account(client, user)) == (401, "STEP_UP_REQUIRED")
    assert account(client, user).json["factors"] == []

    assert outcome(delete_account(client, client.login())) == (204, None)


def test_deleting_needs_a_recent_log_in(client, clock, user):
    clock.advance(minutes=10, seconds=1)

    refused = delete_account(client, user)

    assert outcome(refused) == (401, "STEP_UP_REQUIRED")
    assert 'max_age="600"' in refused.headers["WWW-Authenticate"]
    assert outcome(client.login()) == (200, None)


def test_a_request_that_was_let_in_before_a_deletion_is_refused_and_changes_nothing(client, user):
    service = client.app.service
    caller = service.sessions.authenticate(user.json["access_token"])
    delete_account(client, user)

    service.life.own_account.delete(caller)
    with pytest.raises(Exception, match="session of this token has ended"):
        service.life.own_account.rename(caller, "ada")


def test_the_rules_of_names_hold_whoever_calls(client, user):
    service = client.app.service
    caller = service.sessions.authenticate(user.json["access_token"])

    with pytest.raises(InvalidBodyError):
        service.life.own_account.rename(caller, "a b")


def test_an_operator_deletes_a_user_once(client, user):
    administration = client.app.service.administration
    found = administration.find(EMAIL)

    assert administration.delete(found)
    assert not administration.delete(found)


# --- What the owner is told


def test_the_user_is_notified_of_a_changed_password(mailing):
    client = mailing()
    user = client.register()

    client.change_password(user, PASSWORD, "a quite different phrase")

    mail = client.mailbox.only()
    assert (mail.to, "has changed" in mail.subject) == (EMAIL, True)


def test_the_user_is_notified_of_a_reused_refresh_token_once(mailing, clock):
    client = mailing()
    user = client.register()
    client.refresh(user)
    clock.advance(seconds=31)

    for _ in range(2):
        client.refresh(user)

    mail = client.mailbox.only()
    assert (mail.to, mail.subject) == (EMAIL, "A session of yours was ended at localhost")


def test_notices_are_not_counted_with_the_mails_that_anybody_can_ask_for(mailing):
    client = mailing()
    user = client.register()
    for number in range(4):
        client.change_password(
            user, f"{PASSWORD}{number - 1}" if number else PASSWORD, f"{PASSWORD}{number}"
        )
    assert len(client.mailbox.read()) == 4

    forgot(client, EMAIL)

    assert client.mailbox.recipients() == [EMAIL]
