"""Another address: confirmed at the new one, told to the old one, and no way to an account."""

import pytest
from conftest import EMAIL, PASSWORD, outcome
from life_words import AUTH, change_email, confirm_email, delete_account, verify

from falcon_auth.delivery.topics import CHANGE
from falcon_auth.sessions.signed_tokens import SignedTokens

NEW = "Lovelace@example.com"


@pytest.fixture
def client(mailing):
    return mailing()


def by_recipient(client):
    return {mail.to: mail for mail in client.mailbox.read()}


@pytest.fixture
def token(client, user):
    assert outcome(change_email(client, user, NEW)) == (202, None)
    mails = by_recipient(client)
    assert set(mails) == {EMAIL, NEW}
    assert "token" not in mails[EMAIL].text
    assert mails[NEW].page == "/account/email"
    return mails[NEW].token


def test_the_link_to_the_new_address_changes_it(client, user, token):
    assert outcome(confirm_email(client, token)) == (204, None)

    profile = client.profile(user).json
    assert (profile["email"], profile["email_verified"]) == (NEW, True)
    assert outcome(client.login(NEW)) == (200, None)
    assert outcome(client.login(EMAIL)) == (401, "INVALID_CREDENTIALS")
    assert [mail.to for mail in client.mailbox.read()] == [EMAIL]


def test_nothing_changes_before_the_link_is_used(client, user, token):
    assert client.profile(user).json["email"] == EMAIL


def test_every_session_ends_but_the_one_that_asked(client, user, token):
    other = client.login()

    confirm_email(client, token)

    assert outcome(client.profile(other)) == (401, "TOKEN_REVOKED")
    assert outcome(client.profile(user)) == (200, None)
    refreshed = client.refresh(user)
    assert refreshed.json["user"]["email"] == NEW
    assert outcome(client.profile(refreshed)) == (200, None)


def test_a_link_works_once(client, user, token):
    confirm_email(client, token)

    assert outcome(confirm_email(client, token)) == (401, "TOKEN_REVOKED")


def test_a_log_out_of_the_session_that_asked_ends_the_change(client, user, token):
    """A thief who asked must not win over the owner who has ended all sessions since."""
    client.as_user("DELETE", f"{AUTH}/sessions", user)

    assert outcome(confirm_email(client, token)) == (401, "TOKEN_REVOKED")
    assert outcome(client.login(EMAIL)) == (200, None)


def test_a_changed_password_ends_the_change(client, user, token):
    client.change_password(user, PASSWORD, "a quite different phrase")

    assert outcome(confirm_email(client, token)) == (401, "TOKEN_REVOKED")


def test_an_address_that_was_taken_meanwhile_is_409(client, user, token):
    client.register(NEW.lower())

    assert outcome(confirm_email(client, token)) == (409, "DUPLICATE_EMAIL")
    assert client.profile(user).json["email"] == EMAIL


def test_a_taken_address_gets_the_same_answer_and_its_owner_is_notified(client, user):
    client.register(NEW)
    headers = {"X-Request-ID": "same"}

    answers = [
        client.as_user("POST", f"{AUTH}/email/change", user, headers, json={"new_email": each})
        for each in (NEW, "free@example.com")
    ]

    assert [each.status_code for each in answers] == [202, 202]
    assert answers[0].content == answers[1].content
    assert answers[0].headers == answers[1].headers
    told = by_recipient(client)[NEW]
    assert (told.subject, "token" in told.text) == ("Somebody tried to use your address", False)


def test_a_users_own_address_can_be_respelt(client, user):
    change_email(client, user, "Ada@example.com")
    link = next(mail for mail in client.mailbox.read() if mail.to == "Ada@example.com")

    assert outcome(confirm_email(client, link.token)) == (204, None)
    assert client.profile(user).json["email"] == "Ada@example.com"


def test_asking_needs_a_recent_log_in(client, clock, user):
    clock.advance(minutes=10, seconds=1)

    refused = change_email(client, user, NEW)

    assert outcome(refused) == (401, "STEP_UP_REQUIRED")
    assert "max_age=" in refused.headers["WWW-Authenticate"]
    assert client.mailbox.read() == []


def test_an_invalid_address_is_422(client, user):
    answer = change_email(client, user, "nonsense")
    assert (outcome(answer), answer.json["errors"][0]["pointer"]) == (
        (422, "INVALID_EMAIL"),
        "/new_email",
    )
    more = client.as_user("POST", f"{AUTH}/email/change", user, json={"new_email": "x", "y": 1})
    assert {each["pointer"] for each in more.json["errors"]} == {"/new_email", "/y"}


def test_a_new_address_gets_three_mails_an_hour_and_the_old_one_all_notices(client, user):
    for _ in range(5):
        change_email(client, user, NEW)

    recipients = client.mailbox.recipients()
    assert (recipients.count(NEW), recipients.count(EMAIL)) == (3, 5)


def test_what_was_asked_before_a_deletion_or_a_new_password_sends_nothing(client, user):
    """The enquiry waits; what it asks for is decided by how things are then."""
    client.app.service.delivery.dispatcher.stop()
    eve = client.register("eve@example.com")
    change_email(client, user, NEW)
    change_email(client, eve, "other@example.com")
    enquiries = client.app.service.store.outbox.list_waiting(limit=9)
    delete_account(client, user)
    client.change_password(eve, PASSWORD, "a quite different phrase")

    for enquiry in enquiries:
        client.app.service.life.by_mail.channel.deliver(enquiry)

    mails = client.app.service.store.outbox.list_waiting(limit=9)
    assert {each.payload.get("to") for each in mails} <= {None, "eve@example.com"}


def test_links_of_other_kinds_change_no_address(mailing):
    client = mailing(email_verification="optional")
    client.register()
    token = client.mailbox.only().token

    assert outcome(confirm_email(client, token)) == (401, "TOKEN_INVALID")
    assert outcome(verify(client, token, PASSWORD)) == (204, None)


def test_a_token_that_names_no_session_changes_no_address(client, user):
    """Signed by the right key, for the right purpose: no version of this service made it."""
    claims = {"uid": user.json["user"]["id"], "pwv": 0, "emv": 0, "to": NEW}
    tokens = SignedTokens(client.app.service.codec.issuer, CHANGE.token_type)

    forged = tokens.sign(claims, lifetime_seconds=3600).text

    assert outcome(confirm_email(client, forged)) == (401, "TOKEN_INVALID")
