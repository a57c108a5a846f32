"""Forgotten passwords: nobody learns who exists, and a link works once."""

import pytest
from conftest import EMAIL, PASSWORD, outcome
from delivery_words import new_message
from life_words import (
    AUTH,
    NEW_PASSWORD,
    account,
    change_email,
    confirm_email,
    delete_account,
    forgot,
    reset,
    verify,
)
from store_records import store_with

from falcon_auth.accounts.enquiries import EnquiryChannel
from falcon_auth.delivery.channel import PermanentDeliveryError, TemporaryDeliveryError
from falcon_auth.errors import StoreUnavailableError
from falcon_auth.stores.memory.users import MemoryUsers


@pytest.fixture
def client(mailing):
    return mailing()


def ask(client, email=EMAIL):
    assert outcome(forgot(client, email)) == (202, None)
    return client.mailbox.only()


def test_a_forgotten_password_is_replaced_by_the_link_of_a_mail(client, user):
    mail = ask(client)
    assert (mail.to, mail.page) == (EMAIL, "/account/reset")

    assert outcome(reset(client, mail.token)) == (204, None)

    assert outcome(client.login(password=PASSWORD)) == (401, "INVALID_CREDENTIALS")
    assert outcome(client.login(password=NEW_PASSWORD)) == (200, None)


def test_a_reset_ends_every_session_and_tells_the_owner(client, user):
    token = ask(client).token

    reset(client, token)

    assert outcome(client.profile(user)) == (401, "TOKEN_REVOKED")
    notice = client.mailbox.only()
    assert (notice.to, "changed" in notice.subject) == (EMAIL, True)


def test_a_reset_verifies_the_address_and_logs_nobody_in(client, user):
    answer = reset(client, ask(client).token)

    assert answer.content == b""
    assert client.login(password=NEW_PASSWORD).json["user"]["email_verified"]


def test_a_link_works_once_and_ends_all_others(client, user):
    first, second = ask(client).token, ask(client).token
    assert outcome(reset(client, second)) == (204, None)

    assert outcome(reset(client, second, "yet another phrase")) == (401, "TOKEN_REVOKED")
    assert outcome(reset(client, first, "yet another phrase")) == (401, "TOKEN_REVOKED")
    assert outcome(client.login(password=NEW_PASSWORD)) == (200, None)


def test_a_changed_password_ends_a_link_that_is_on_its_way(client, user):
    token = ask(client).token
    client.change_password(user, PASSWORD, NEW_PASSWORD)

    assert outcome(reset(client, token, "yet another phrase")) == (401, "TOKEN_REVOKED")


def test_a_changed_address_ends_a_link_that_is_on_its_way(client, user):
    token = ask(client).token
    change_email(client, user, "lovelace@example.com")
    change = next(mail for mail in client.mailbox.read() if mail.to == "lovelace@example.com")
    confirm_email(client, change.token)

    assert outcome(reset(client, token)) == (401, "TOKEN_REVOKED")


def test_a_deleted_users_link_is_void(client, user):
    token = ask(client).token
    delete_account(client, user)

    assert outcome(reset(client, token)) == (401, "TOKEN_REVOKED")


def test_a_link_is_good_for_an_hour(client, clock, user):
    token = ask(client).token
    clock.advance(hours=1, seconds=31)

    assert outcome(reset(client, token)) == (401, "TOKEN_EXPIRED")


def test_a_password_against_the_policy_leaves_the_link_good(client, user):
    token = ask(client).token

    weak = reset(client, token, EMAIL)

    assert (outcome(weak), weak.json["errors"][0]["pointer"]) == (
        (422, "WEAK_PASSWORD"),
        "/new_password",
    )
    assert outcome(reset(client, token)) == (204, None)


def test_every_violation_of_a_reset_is_reported(client):
    answer = client.post(f"{AUTH}/password/reset", {"new_password": "short", "more": 1})

    pointers = {each["pointer"] for each in answer.json["errors"]}
    assert pointers == {"/token", "/new_password", "/more"}


def test_an_invalid_address_is_422(client):
    assert outcome(forgot(client, "nonsense")) == (422, "INVALID_EMAIL")
    answer = client.post(f"{AUTH}/password/forgot", {"email": "nonsense", "more": 1})
    assert {each["pointer"] for each in answer.json["errors"]} == {"/email", "/more"}


def test_asking_for_a_reset_gets_the_same_answer_for_any_address(client, user):
    """It exists, does not, is disabled, or has had its share: the same but for the id."""
    client.register("off@example.com")
    client.app.service.administration.set_active("off@example.com", active=False)
    for _ in range(4):
        forgot(client, "spent@example.com")

    answers = [
        forgot(client, email, headers={"X-Request-ID": "same"})
        for email in (EMAIL, "nobody@example.com", "off@example.com", "spent@example.com")
    ]

    assert {each.status_code for each in answers} == {202}
    assert len({each.content for each in answers}) == 1
    assert len({tuple(sorted(each.headers.items())) for each in answers}) == 1
    assert client.mailbox.recipients() == [EMAIL]


def test_a_request_looks_nobody_up_before_it_is_answered(client, user):
    """What the request leaves behind is the same for all: one enquiry, without a user."""
    store = client.app.service.store
    client.app.service.delivery.dispatcher.stop()
    for email in (EMAIL, "nobody@example.com"):
        forgot(client, email)

    waiting = store.outbox.list_waiting(limit=9)
    assert [(each.channel, each.topic, each.user_id) for each in waiting] == [
        ("enquiry", "reset", None)
    ] * 2


def test_an_enquiry_waits_for_the_store(client, user):
    """A request that was answered is not lost by a crash: it is in the outbox until it is done."""
    client.app.service.delivery.dispatcher.stop()
    forgot(client, EMAIL)
    (enquiry,) = client.app.service.store.outbox.list_waiting(limit=9)
    channel = client.app.service.life.by_mail.channel

    channel.deliver(enquiry)
    channel.rest()

    mails = client.app.service.store.outbox.list_waiting(limit=9)
    assert [each.channel for each in mails] == ["enquiry", "mail"]


def test_a_reset_that_first_proves_the_address_throws_out_who_registered_it(mailing):
    """Pre-hijacked accounts: whoever registered another person's address does not wait in it."""
    client = mailing(email_verification="optional")
    hijacker = client.register(EMAIL, "the hijacker's phrase")
    link = client.mailbox.only().token

    reset(client, ask(client).token)

    assert outcome(account(client, hijacker)) == (401, "TOKEN_REVOKED")
    assert outcome(verify(client, link, "the hijacker's phrase")) == (401, "TOKEN_REVOKED")
    assert outcome(client.login(password="the hijacker's phrase")) == (401, "INVALID_CREDENTIALS")


# --- Races that another request wins between the look and the step


class Overtaken(MemoryUsers):
    """Somebody else changes the user just before each step."""

    def reset_password(self, user, password_hash, **more):
        super().reset_password(user, "theirs", now=0)
        return super().reset_password(user, password_hash, **more)

    def verify_email(self, user, **more):
        super().reset_password(user, "theirs", now=0)
        return super().verify_email(user, **more)


class VerifiedTwice(MemoryUsers):
    """The same link is used twice at once."""

    def verify_email(self, user, **more):
        super().verify_email(user, **more)
        return super().verify_email(user, **more)


def test_of_two_concurrent_resets_the_later_gets_token_revoked(mailing):
    client = mailing(store=store_with(Overtaken))
    client.register()

    assert outcome(reset(client, ask(client).token)) == (401, "TOKEN_REVOKED")


def test_a_verification_does_not_win_over_a_reset(mailing):
    client = mailing(store=store_with(Overtaken), email_verification="optional")
    client.register()

    assert outcome(verify(client, client.mailbox.only().token, PASSWORD)) == (401, "TOKEN_REVOKED")


def test_of_two_verifications_at_once_both_are_a_204(mailing):
    client = mailing(store=store_with(VerifiedTwice), email_verification="optional")
    client.register()

    assert outcome(verify(client, client.mailbox.only().token, PASSWORD)) == (204, None)


# --- Enquiries that cannot be answered


def test_an_enquiry_of_another_version_is_given_up(client):
    with pytest.raises(PermanentDeliveryError):
        client.app.service.life.by_mail.channel.deliver(new_message(channel="enquiry", topic="?"))


def test_an_enquiry_is_tried_again_once_the_store_is_back():
    def away(_enquiry):
        raise StoreUnavailableError

    with pytest.raises(TemporaryDeliveryError):
        EnquiryChannel({"reset": away}).deliver(new_message(channel="enquiry", topic="reset"))
