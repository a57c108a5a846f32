"""Verifying an address: by mailbox and password together, once, and no mailbox is flooded."""

import pytest
from conftest import EMAIL, PASSWORD, outcome, token_of
from life_words import AUTH, forgot, reset, send_verification, verify


@pytest.fixture
def client(mailing):
    return mailing(email_verification="optional")


@pytest.fixture
def user(client):
    return client.register()


def is_verified(client, user):
    return client.profile(user).json["email_verified"]


@pytest.fixture
def token(client, user):
    """The token of the mail that registering sends."""
    mail = client.mailbox.only()
    assert (mail.to, mail.page) == (EMAIL, "/account/verify")
    return mail.token


def test_link_and_password_verify_the_address(client, user, token):
    assert not is_verified(client, user)

    assert outcome(verify(client, token, PASSWORD)) == (204, None)

    assert is_verified(client, user)


def test_link_and_the_users_own_session_verify_the_address(client, user, token):
    assert outcome(verify(client, token, bearer=token_of(user, "access"))) == (204, None)

    assert is_verified(client, user)


def test_verifying_again_is_a_204_too(client, user, token):
    verify(client, token, PASSWORD)

    assert outcome(verify(client, token, PASSWORD)) == (204, None)
    assert outcome(verify(client, token)) == (401, "STEP_UP_REQUIRED")


def test_the_mailbox_alone_verifies_nothing(client, user, token):
    """Its owner must not confirm an account that a stranger registered, by opening a link."""
    refused = verify(client, token)

    assert outcome(refused) == (401, "STEP_UP_REQUIRED")
    assert 'error="insufficient_user_authentication"' in refused.headers["WWW-Authenticate"]
    assert not is_verified(client, user)


def test_the_mailbox_with_another_users_session_verifies_nothing(client, user, token):
    eve = client.register("eve@example.com")

    refused = verify(client, token, bearer=token_of(eve, "access"))

    assert outcome(refused) == (401, "STEP_UP_REQUIRED")
    assert not is_verified(client, user)


def test_a_wrong_password_with_the_link_counts_as_a_failed_attempt(client, user, token):
    answers = [outcome(verify(client, token, "wrong")) for _ in range(6)]

    assert answers == [(401, "INVALID_CREDENTIALS")] * 5 + [(429, "RATE_LIMITED")]
    assert not is_verified(client, user)


def test_a_bad_bearer_token_is_refused_even_with_a_valid_link(client, token):
    assert outcome(verify(client, token, bearer="nonsense")) == (401, "TOKEN_INVALID")


def test_a_link_is_good_for_24_hours(client, clock, user, token):
    clock.advance(hours=24, seconds=31)

    assert outcome(verify(client, token, PASSWORD)) == (401, "TOKEN_EXPIRED")


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_tokens_of_other_kinds_verify_nothing(client, user, kind):
    assert outcome(verify(client, token_of(user, kind), PASSWORD)) == (401, "TOKEN_INVALID")


def test_the_link_of_a_reset_verifies_nothing_by_itself(client, user, token):
    forgot(client, EMAIL)

    other = client.mailbox.only().token

    assert outcome(verify(client, other, PASSWORD)) == (401, "TOKEN_INVALID")


def test_a_changed_password_ends_links_that_are_on_their_way(client, user, token):
    client.change_password(user, PASSWORD, "a quite different phrase")

    refused = verify(client, token, "a quite different phrase")

    assert outcome(refused) == (401, "TOKEN_REVOKED")


def test_using_one_link_ends_all_of_its_kind(client, user, token):
    send_verification(client, user)
    second = client.mailbox.only().token
    forgot(client, EMAIL)
    reset(client, client.mailbox.only().token)

    for spent in (token, second):
        answer = verify(client, spent, "a quite different phrase")
        assert outcome(answer) == (401, "TOKEN_REVOKED")


def test_a_disabled_users_link_is_void(client, user, token):
    client.app.service.administration.set_active(EMAIL, active=False)

    assert outcome(verify(client, token, PASSWORD)) == (401, "TOKEN_REVOKED")


def test_the_mail_goes_again_on_request(client, user, token):
    assert outcome(send_verification(client, user)) == (202, None)

    assert outcome(verify(client, client.mailbox.only().token, PASSWORD)) == (204, None)


def test_no_mail_goes_where_the_address_is_verified(client, user, token):
    verify(client, token, PASSWORD)

    assert outcome(send_verification(client, user)) == (202, None)

    assert client.mailbox.read() == []


def test_an_address_gets_three_mails_an_hour(client, clock, user):
    """The registration's included; the answer never tells."""
    for _ in range(5):
        assert outcome(send_verification(client, user)) == (202, None)

    assert client.mailbox.recipients() == [EMAIL] * 3
    clock.advance(hours=1, seconds=1)
    send_verification(client, client.login())
    assert client.mailbox.recipients() == [EMAIL]


def test_the_share_holds_without_rate_limits_too(mailing):
    client = mailing(email_verification="optional", rate_limit_enabled=False)
    user = client.register()
    for _ in range(5):
        forgot(client, EMAIL)
        send_verification(client, user)

    assert len(client.mailbox.read()) == 3


def test_a_client_asks_twenty_times_an_hour(client, user):
    answers = [outcome(send_verification(client, user)) for _ in range(21)]

    assert answers == [(202, None)] * 20 + [(429, "RATE_LIMITED")]
    assert int(send_verification(client, user).headers["Retry-After"]) <= 3600


def test_without_verification_registering_sends_no_mail(mailing):
    client = mailing()

    client.register()

    assert client.mailbox.read() == []


@pytest.mark.parametrize(
    "path", ["email/verification", "email/verify", "password/forgot", "email/change"]
)
def test_without_mail_the_paths_are_not_there(make_client, path):
    client = make_client()

    assert outcome(client.post(f"{AUTH}/{path}", {})) == (404, "NOT_FOUND")
    assert f"{AUTH}/{path}" not in client.simulate_get("/openapi.json").json["paths"]


def test_with_mail_the_document_has_the_paths(client):
    assert f"{AUTH}/password/forgot" in client.simulate_get("/openapi.json").json["paths"]


def test_a_mail_is_in_the_language_that_the_browser_prefers(mailing, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "reset.de.txt").write_text("Neues Passwort\n\n{{ link }}\n")
    client = mailing(mail_templates=own)
    client.register()

    forgot(client, EMAIL, headers={"Accept-Language": "de-AT,en;q=0.5"})

    assert client.mailbox.only().subject == "Neues Passwort"
