"""Log-in by a provider that tells the truth, from the button to the tokens."""

import pytest
from lying_provider import Browser
from provider_words import exchange

from falcon_auth.store.directory import UserChange


def test_the_front_end_learns_which_providers_there_are(service):
    answer = service.simulate_get("/api/v1/auth/providers")

    assert answer.json == {"providers": [{"name": "idp", "title": "The Provider"}]}


def test_a_new_user_logs_in_by_a_provider(service, surfer, idp):
    found = surfer.log_in(idp)

    tokens = exchange(service, found)

    assert tokens.status_code == 200
    assert tokens.json["user"]["email"] == "ada@example.com"
    assert tokens.json["user"]["email_verified"]
    assert service.sessions(tokens)[0]["amr"] == ["fed"]
    assert surfer.cookies == {}


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        (UserChange(is_active=False), "ACCOUNT_DISABLED", "disabled"),
        (UserChange(email_verified=False), "EMAIL_NOT_VERIFIED", "unverified"),
    ],
)
def test_a_user_who_may_not_log_in_is_refused_and_the_trail_tells(
    knowing, idp, tmp_path, change, code, reason
):
    service = knowing(
        email_verification="required", mail_url=f"file://{tmp_path}", mail_from="auth@example.com"
    )
    surfer = Browser(service)
    user = exchange(service, surfer.log_in(idp)).json["user"]
    service.app.service.user_changes.change(user["id"], change)

    refused = exchange(service, surfer.log_in(idp))

    (newest,) = service.app.service.store.audit.list_newest(limit=1)
    assert refused.json["code"] == code
    assert (newest.event, newest.outcome) == ("login.failed", "failure")
    assert (newest.subject, newest.details) == (user["id"], {"reason": reason})
