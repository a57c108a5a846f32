"""Every use case writes its events: the contract's words, actor and subject, with the change."""

import pytest
from conftest import EMAIL, PASSWORD, outcome
from life_words import (
    NEW_PASSWORD,
    change_email,
    confirm_email,
    delete_account,
    forgot,
    rename,
    reset,
    verify,
)

from falcon_auth.audit.trail import COMMAND
from falcon_auth.errors import StoreUnavailableError
from falcon_auth.store import FAILURES_PER_HOUR
from falcon_auth.store.directory import UserChange
from falcon_auth.stores.memory.audit_table import AuditTable
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.testing.service import TestService

AUTH = "/api/v1/auth"
WRONG = "wrong horse battery"


def id_of(answer):
    return answer.json["user"]["id"]


def trail_of(client):
    """All events, oldest first."""
    return client.app.service.store.audit.list_oldest(limit=1000)


def told(client):
    """All events but the registration: event, outcome, actor, subject."""
    return [
        (each.event, each.outcome, each.actor, each.subject)
        for each in trail_of(client)
        if each.event != "user.registered"
    ]


def test_registration_and_log_in_know_address_browser_and_request(client):
    seen = {"User-Agent": "her-browser", "X-Request-ID": "r-1"}
    answer = client.post(
        f"{AUTH}/register", {"email": EMAIL, "password": PASSWORD}, seen, remote_addr="192.0.2.7"
    )
    client.login()

    registered, logged_in = trail_of(client)

    ada = id_of(answer)
    assert (registered.event, registered.actor, registered.subject) == ("user.registered", ada, ada)
    assert (registered.ip, registered.user_agent) == ("192.0.2.7", "her-browser")
    assert registered.request_id == "r-1"
    assert (logged_in.event, logged_in.outcome) == ("login.succeeded", "success")
    assert logged_in.details["methods"] == "pwd"
    newest = client.sessions(client.login())[1]
    assert logged_in.details["session_id"] == newest["id"]


@pytest.mark.parametrize(
    ("email", "password", "disabled", "reason"),
    [
        (EMAIL, WRONG, False, "password"),
        ("nobody@example.com", WRONG, False, "unknown"),
        (EMAIL, PASSWORD, True, "disabled"),
    ],
)
def test_a_failed_log_in_is_told_without_the_address(
    client, user, email, password, disabled, reason
):
    if disabled:
        client.app.service.store.users.set_active(id_of(user), active=False, now=0)

    client.login(email, password)

    failed = trail_of(client)[-1]
    subject = None if reason == "unknown" else id_of(user)
    assert (failed.event, failed.outcome, failed.actor) == ("login.failed", "failure", None)
    assert (failed.subject, failed.details) == (subject, {"reason": reason})


def test_a_wrong_current_password_is_a_failed_log_in_by_the_user(client, user):
    client.change_password(user, WRONG, NEW_PASSWORD)
    client.as_user("POST", f"{AUTH}/confirm", user, json={"password": WRONG})

    ada = id_of(user)
    assert told(client) == [("login.failed", "failure", ada, ada)] * 2


def test_a_changed_password_is_told_once(client, user):
    client.change_password(user, PASSWORD, NEW_PASSWORD)
    client.change_password(user, PASSWORD, NEW_PASSWORD)

    ada = id_of(user)
    assert told(client) == [
        ("password.changed", "success", ada, ada),
        ("login.failed", "failure", ada, ada),
    ]


def test_ended_sessions_are_told_once_each(client, user):
    ada = id_of(user)
    first, second, _third = client.login(), client.login(), client.login()
    client.logout(first)
    client.logout(first)
    (current,) = [each for each in client.sessions(second) if each["current"]]
    client.as_user("DELETE", f"{AUTH}/sessions/{current['id']}", second)
    client.as_user("DELETE", f"{AUTH}/sessions", user)

    ended = [each for each in trail_of(client) if each.event == "session.ended"]
    assert {(each.actor, each.subject, each.outcome) for each in ended} == {(ada, ada, "success")}
    assert [each.details.get("reason") for each in ended] == ["logout", "revoked", None]
    assert ended[1].details["session_id"] == current["id"]
    assert ended[2].details == {"all": True}


def test_a_refresh_is_no_event_and_a_reused_token_one_failure(client, user, clock):
    client.refresh(user)
    assert told(client) == []

    clock.advance(seconds=60)
    replays = [outcome(client.refresh(user)) for _ in range(2)]

    assert replays == [(401, "TOKEN_REUSED"), (401, "TOKEN_REVOKED")]
    assert told(client) == [("refresh.reused", "failure", None, id_of(user))]


def test_a_name_and_its_removal_are_told_without_it(client, user):
    rename(client, user, "countess")
    rename(client, user, None)

    ada = id_of(user)
    assert told(client) == [("user.renamed", "success", ada, ada)] * 2
    assert "countess" not in repr(trail_of(client))


def test_whoever_deletes_their_account_leaves_ids_only(client, user):
    client.login(password=WRONG)

    delete_account(client, user)

    assert told(client)[-1] == ("user.deleted", "success", id_of(user), id_of(user))
    assert {(each.ip, each.user_agent) for each in trail_of(client)} == {(None, None)}


def test_what_goes_by_mail_is_told(mailing):
    client = mailing(email_verification="optional")
    user = client.register()
    ada = id_of(user)
    token = client.mailbox.only().token
    for _ in range(2):  # The second time changes nothing.
        verify(client, token, PASSWORD)
    client.mailbox.read()
    forgot(client, EMAIL, headers={"User-Agent": "her-browser", "X-Request-ID": "asking"})
    forgot(client, "nobody@example.com")
    reset(client, client.mailbox.only().token)
    user = client.login(password=NEW_PASSWORD)
    change_email(client, user, "countess@example.com")
    (link,) = [each.token for each in client.mailbox.read() if each.to == "countess@example.com"]
    confirm_email(client, link)

    assert told(client) == [
        ("user.verified", "success", ada, ada),
        ("password.reset_requested", "success", None, ada),
        ("password.reset", "success", ada, ada),
        ("login.succeeded", "success", ada, ada),
        ("email.changed", "success", ada, ada),
    ]
    asked = trail_of(client)[2]
    assert (asked.user_agent, asked.request_id) == ("her-browser", "asking")
    assert "example.com" not in repr(trail_of(client))


def test_a_registration_that_has_to_be_confirmed_is_told_and_one_of_a_taken_address_too(mailing):
    """Both write one event, so that time does not tell them apart; no mail, no second event."""
    client = mailing(email_verification="required")
    for _ in range(5):
        client.register()

    registered, *refused = trail_of(client)

    assert (registered.outcome, registered.actor) == ("success", registered.subject)
    assert [(each.event, each.outcome) for each in refused] == [("user.registered", "failure")] * 2
    assert {(each.actor, each.subject) for each in refused} == {(None, registered.subject)}


def test_an_unverified_user_with_the_right_password_is_a_failed_log_in(mailing):
    client = mailing(email_verification="required")
    client.register()

    assert outcome(client.login()) == (403, "EMAIL_NOT_VERIFIED")

    assert trail_of(client)[-1].details == {"reason": "unverified"}


def test_what_is_done_by_command_has_the_command_as_actor(client, user):
    service, ada = client.app.service, id_of(user)
    administration = service.administration
    administration.set_active(EMAIL, active=False)
    administration.set_active(EMAIL, active=True)
    administration.set_password(EMAIL, NEW_PASSWORD, actor=COMMAND)
    client.login(password=NEW_PASSWORD)
    service.sessions.end_all_of(ada, actor=COMMAND)
    service.sessions.end_all_of(ada, actor=COMMAND)  # None is left.
    bob = service.life.inviting.invite(email="bob@example.com").user
    service.life.inviting.invite(email="bob@example.com")
    administration.delete(bob)
    administration.delete(bob)

    by_command = [each for each in told(client) if each[2] == COMMAND]
    assert by_command == [
        ("user.disabled", "success", COMMAND, ada),
        ("user.enabled", "success", COMMAND, ada),
        ("password.changed", "success", COMMAND, ada),
        ("session.ended", "success", COMMAND, ada),
        ("user.invited", "success", COMMAND, bob.id),
        ("user.invited", "success", COMMAND, bob.id),
        ("user.deleted", "success", COMMAND, bob.id),
    ]


def test_factors_are_told_by_their_kind_and_not_their_name(clock):
    with TestService({}, clock) as service:
        ada = service.new_user(EMAIL)
        app = service.add_app(ada)
        service.client.simulate_post(
            f"{AUTH}/confirm", json={"code": "000000"}, headers=ada.headers
        )
        clock.advance(seconds=60)
        challenge = service.client.simulate_post(
            f"{AUTH}/login", json={"email": EMAIL, "password": ada.password}
        ).json["challenge"]
        for code in ("000000", app.code()):
            service.client.simulate_post(
                f"{AUTH}/login/factor", json={"challenge": challenge, "code": code}
            )
        service.client.simulate_delete(f"{AUTH}/factors/{app.id}", headers=ada.headers)
        user = service.app.service.administration.find(EMAIL)
        service.add_passkey(ada)
        service.app.service.user_changes.change(user.id, UserChange(remove_factors=True))
        trail = trail_of(service)

    kinds = [
        (each.event, each.actor == each.subject, each.details.get("kind"))
        for each in trail
        if each.event != "user.registered"
    ]
    assert kinds == [
        ("factor.added", True, "totp"),
        ("login.failed", True, None),
        ("login.failed", False, None),
        ("login.succeeded", True, None),
        ("factor.removed", True, "totp"),
        ("factor.added", True, "passkey"),
        ("factor.removed", False, "all"),
    ]
    assert trail[4].details["methods"] == "pwd otp mfa"


# --- With the change, or not at all


class Failing(AuditTable):
    """A trail that cannot be written: in memory, where nothing else can fail."""

    def extend(self, events):
        if tuple(events):
            raise StoreUnavailableError


def test_where_the_trail_cannot_be_written_a_wrong_password_is_not_told_apart(make_client):
    store = MemoryStore()
    client = make_client(store=store)
    client.register()
    store._state.audit = Failing()  # noqa: SLF001 - a fault

    answers = [outcome(client.login(EMAIL, password)) for password in (PASSWORD, WRONG)] + [
        outcome(client.login("nobody@example.com", WRONG))
    ]

    assert answers == [(503, "STORE_UNAVAILABLE")] * 3


def test_a_flood_of_guesses_leaves_sixty_events_and_one_sum(make_client, clock):
    client = make_client(rate_limit_enabled=False)
    client.register()
    for _ in range(FAILURES_PER_HOUR + 10):
        client.login(password=WRONG)
    housekeeper = client.app.service.housekeeper
    housekeeper.round()
    failed = [each for each in trail_of(client) if each.event == "login.failed"]
    assert len(failed) == FAILURES_PER_HOUR

    clock.advance(hours=1, minutes=2)
    housekeeper.round()
    housekeeper.round()

    (summed,) = trail_of(client)[FAILURES_PER_HOUR + 1 :]
    assert (summed.event, summed.outcome) == ("login.failed", "failure")
    assert summed.details["count"] == 10
    counted = client.simulate_get("/metrics").text
    assert 'falcon_auth_audit_failures_total{result="kept"} 60.0' in counted
    assert 'falcon_auth_audit_failures_total{result="summed"} 10.0' in counted


def test_events_are_forgotten_after_their_time(make_client, clock):
    client = make_client(audit_retention_days=2)
    client.register()
    clock.advance(days=1)
    client.login()
    clock.advance(days=1, seconds=1)

    client.app.service.housekeeper.round()

    assert [each.event for each in trail_of(client)] == ["login.succeeded"]
