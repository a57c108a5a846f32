"""Authenticator apps, recovery codes and step-up, as a client sees them."""

import pytest
from conftest import EMAIL, PASSWORD, outcome, settings_for

from falcon_auth.factors import recovery_codes, totp
from falcon_auth.store.directory import UserChange
from falcon_auth.testing.service import Clock, TestService

LOGIN, FACTOR, CONFIRM = "/api/v1/auth/login", "/api/v1/auth/login/factor", "/api/v1/auth/confirm"
FACTORS = "/api/v1/auth/factors"


@pytest.fixture
def service(clock):
    with TestService({}, clock) as service:
        yield service


@pytest.fixture
def ada(service):
    return service.new_user(EMAIL)


@pytest.fixture
def app(service, ada, clock):
    """Ada's app, thirty seconds after it was confirmed: its codes of now are unused."""
    app = service.add_app(ada)
    clock.advance(seconds=30)
    return app


def send(service, path, body=None, user=None, method="POST"):
    headers = user if isinstance(user, dict) else user.headers if user else {}
    return service.client.simulate_request(method, path, json=body, headers=headers)


def log_in(service, password=PASSWORD):
    return send(service, LOGIN, {"email": EMAIL, "password": password})


def challenge_of(service):
    return log_in(service).json["challenge"]


def finish(service, code, challenge=None):
    return send(service, FACTOR, {"challenge": challenge or challenge_of(service), "code": code})


def bearer(answer):
    return {"Authorization": f"Bearer {answer.json['access_token']}"}


def test_an_app_counts_once_a_code_has_confirmed_it(service, ada, clock):
    made = send(service, f"{FACTORS}/totp", {"name": "Phone"}, ada)

    assert made.status_code == 201
    assert made.json["secret"] in made.json["uri"]
    assert made.json["qr"].startswith("data:image/svg+xml")
    assert log_in(service).status_code == 200

    code = totp_code(made.json["secret"], clock)
    confirmed = send(service, f"{FACTORS}/totp/{made.json['id']}/confirm", {"code": code}, ada)

    assert len(set(confirmed.json["recovery_codes"])) == 10
    assert outcome(log_in(service)) == (401, "SECOND_FACTOR_REQUIRED")
    listed = send(service, FACTORS, user=ada, method="GET").json
    assert [(each["name"], each["kind"]) for each in listed["factors"]] == [("Phone", "totp")]
    assert listed["recovery_codes_left"] == 10


def test_a_wrong_code_confirms_no_app(service, ada, clock):
    """It proves that the app has the secret: without that its owner would be locked out."""
    made = send(service, f"{FACTORS}/totp", {"name": "Phone"}, ada).json
    wrong = f"{(int(totp_code(made['secret'], clock)) + 500_000) % 1_000_000:06}"
    confirm = f"{FACTORS}/totp/{made['id']}/confirm"

    refused = send(service, confirm, {"code": wrong}, ada)

    assert refused.json["code"] == "FACTOR_INVALID"
    assert log_in(service).status_code == 200
    right = {"code": totp_code(made["secret"], clock)}
    assert send(service, confirm, right, ada).status_code == 200


def totp_code(secret, clock):
    import pyotp

    return pyotp.TOTP(secret).at(int(clock()))


def test_a_right_password_gives_a_challenge_and_no_token(service, app):
    answer = log_in(service)

    assert outcome(answer) == (401, "SECOND_FACTOR_REQUIRED")
    assert answer.json["factors"] == ["totp", "recovery_code"]
    assert "access_token" not in answer.text
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="falcon-auth"'


def test_a_code_finishes_the_log_in_and_the_session_says_how(service, app):
    tokens = finish(service, app.code())

    assert tokens.status_code == 200
    sessions = send(service, "/api/v1/auth/sessions", user=bearer(tokens), method="GET").json
    assert sessions["sessions"][0]["amr"] == ["pwd", "otp", "mfa"]


def test_the_code_that_confirmed_an_app_does_not_log_in(service, ada):
    app = service.add_app(ada)

    assert outcome(finish(service, app.code())) == (401, "FACTOR_INVALID")


def test_a_code_works_once_and_takes_every_earlier_step_with_it(service, app):
    assert finish(service, app.code(steps=1)).status_code == 200

    for steps in (1, 0, -1):
        assert outcome(finish(service, app.code(steps=steps))) == (401, "FACTOR_INVALID"), steps


@pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 200), (0, 200), (1, 200), (2, 401)])
def test_a_code_may_be_one_step_off_either_way(service, app, clock, steps, status):
    clock.advance(minutes=5)

    assert finish(service, app.code(steps=steps)).status_code == status


def test_spaces_in_a_code_do_no_harm_and_other_digits_are_refused(service, app):
    code = app.code()

    assert outcome(finish(service, code.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")))) == (
        401,
        "FACTOR_INVALID",
    )
    assert finish(service, f" {code[:3]} {code[3:]} ").status_code == 200


def test_a_recovery_code_works_once(service, app):
    code = app.recovery_codes[3]

    tokens = finish(service, code.upper().replace("-", " "))

    assert tokens.status_code == 200
    assert outcome(finish(service, code)) == (401, "FACTOR_INVALID")
    listed = send(service, FACTORS, user=bearer(tokens), method="GET").json
    assert listed["recovery_codes_left"] == 9


def test_new_recovery_codes_make_the_former_ones_void(service, app, ada):
    new = send(service, f"{FACTORS}/recovery-codes", user=ada).json["recovery_codes"]

    assert outcome(finish(service, app.recovery_codes[0])) == (401, "FACTOR_INVALID")
    assert finish(service, new[0]).status_code == 200


def test_recovery_codes_without_a_factor_are_404(service, ada):
    answer = send(service, f"{FACTORS}/recovery-codes", user=ada)

    assert outcome(answer) == (404, "NOT_FOUND")


def test_a_challenge_works_once(service, app):
    challenge = challenge_of(service)
    assert finish(service, app.code(), challenge).status_code == 200

    again = finish(service, app.recovery_codes[0], challenge)

    assert outcome(again) == (401, "FACTOR_INVALID")


def test_a_challenge_lives_five_minutes(service, app, clock):
    challenge = challenge_of(service)

    clock.advance(minutes=5, seconds=31)

    assert outcome(finish(service, app.code(), challenge)) == (401, "TOKEN_EXPIRED")


@pytest.mark.parametrize("change", ["password", "factors"])
def test_a_challenge_is_void_after_a_change_of_password_or_factors(service, app, ada, change):
    challenge = challenge_of(service)
    if change == "password":
        body = {"current_password": PASSWORD, "new_password": "another long password"}
        assert send(service, "/api/v1/auth/password", body, ada, "PUT").status_code == 204
    else:
        service.add_passkey(ada)

    assert outcome(finish(service, app.code(), challenge)) == (401, "TOKEN_REVOKED")


def test_a_disabled_user_with_a_challenge_gets_403_account_disabled(service, app):
    challenge = challenge_of(service)
    service.app.service.administration.set_active(EMAIL, active=False)

    assert outcome(finish(service, app.code(), challenge)) == (403, "ACCOUNT_DISABLED")


@pytest.mark.parametrize("enabled", [True, False])
def test_ten_wrong_codes_void_a_challenge_whatever_the_rate_limit_says(clock, logged, enabled):
    with TestService(
        {"rate_limit_enabled": enabled, "rate_limit_requests": 1000}, clock
    ) as service:
        app = service.add_app(service.new_user(EMAIL))
        clock.advance(seconds=30)
        challenge = challenge_of(service)

        wrong = {outcome(finish(service, "000000", challenge)) for _ in range(10)}

        assert wrong == {(401, "FACTOR_INVALID")}
        assert outcome(finish(service, app.code(), challenge)) == (401, "TOKEN_REVOKED")
        assert logged.events("factor_challenge_void")
        assert finish(service, app.code()).status_code == 200


MAIL = {"mail_from": "auth@example.com", "rate_limit_enabled": False}


def test_the_tenth_wrong_code_of_an_hour_sends_the_owner_one_mail(clock):
    """Across log-ins: a guesser need not use a challenge up."""
    with TestService(MAIL, clock) as service:
        service.add_app(service.new_user(EMAIL))
        service.mailbox.read()

        for _ in range(9):
            finish(service, "000000")
        before = service.mailbox.read()
        for _ in range(11):
            finish(service, "000000")

        assert before == []
        mail = service.mailbox.only()
        assert mail.to == EMAIL
        assert "wrong codes" in mail.text
        clock.advance(seconds=3601)
        for _ in range(10):
            finish(service, "000000")
        assert "wrong codes" in service.mailbox.only().text


def test_the_user_is_notified_by_mail_of_factors_added_and_removed(clock):
    with TestService(MAIL, clock) as service:
        ada = service.new_user(EMAIL)
        app = service.add_app(ada)
        added = service.mailbox.only()
        removed_answer = send(service, f"{FACTORS}/{app.id}", user=ada, method="DELETE")
        removed = service.mailbox.only()

        assert removed_answer.status_code == 204
        assert [mail.to for mail in (added, removed)] == [EMAIL] * 2
        name = "App."
        assert f"was added to your account: {name}" in added.text
        assert f"was removed from your account: {name}" in removed.text


def test_the_user_is_notified_by_mail_that_an_operator_removed_all_factors(clock):
    with TestService(MAIL, clock) as service:
        service.add_app(service.new_user(EMAIL))
        service.mailbox.read()

        auth = service.app.service
        user = auth.store.users.find_by_email(EMAIL)
        auth.user_changes.change(user.id, UserChange(remove_factors=True))

        assert "removed" in service.mailbox.only().subject


def test_wrong_codes_share_the_limit_of_wrong_passwords(service, app):
    challenge = challenge_of(service)
    for _ in range(3):
        finish(service, "000000", challenge)
    for _ in range(2):
        assert outcome(log_in(service, "wrong password")) == (401, "INVALID_CREDENTIALS")

    assert outcome(log_in(service)) == (429, "RATE_LIMITED")
    assert outcome(finish(service, app.code(), challenge)) == (429, "RATE_LIMITED")


def test_a_right_password_alone_does_not_clear_wrong_codes(service, app):
    for _ in range(5):
        assert outcome(finish(service, "000000")) == (401, "FACTOR_INVALID")

    assert outcome(log_in(service)) == (429, "RATE_LIMITED")


def test_a_whole_log_in_clears_wrong_codes(service, app, clock):
    for _ in range(4):
        finish(service, "000000")
    assert finish(service, app.code()).status_code == 200
    clock.advance(seconds=30)
    for _ in range(4):
        finish(service, "000000")

    assert finish(service, app.code()).status_code == 200


def test_the_first_factor_ends_every_other_session(service, ada):
    other = log_in(service)

    service.add_app(ada)

    assert send(service, FACTORS, user=bearer(other), method="GET").json["code"] == "TOKEN_REVOKED"
    sessions = send(service, "/api/v1/auth/sessions", user=ada, method="GET").json["sessions"]
    assert [each["amr"] for each in sessions] == [["pwd", "otp", "mfa"]]


def test_a_second_factor_more_ends_no_session(service, ada, app):
    other = finish(service, app.code())

    service.add_passkey(ada)

    assert send(service, FACTORS, user=bearer(other), method="GET").status_code == 200


def test_with_the_last_factor_go_the_recovery_codes(service, ada, app):
    removed = send(service, f"{FACTORS}/{app.id}", user=ada, method="DELETE")

    assert removed.status_code == 204
    assert log_in(service).status_code == 200
    assert send(service, FACTORS, user=ada, method="GET").json == {
        "factors": [],
        "recovery_codes_left": 0,
    }


def test_what_is_not_the_callers_cannot_be_removed_or_confirmed(service, ada, app):
    eve = service.new_user("eve@example.com")

    gone = send(service, f"{FACTORS}/{app.id}", user=eve, method="DELETE")
    confirm = send(service, f"{FACTORS}/totp/{app.id}/confirm", {"code": app.code()}, eve)
    again = send(service, f"{FACTORS}/totp/{app.id}/confirm", {"code": app.code()}, ada)

    assert [outcome(each) for each in (gone, confirm, again)] == [(404, "NOT_FOUND")] * 3


def test_one_app_at_a_time_waits_to_be_confirmed(service, ada, clock):
    first = send(service, f"{FACTORS}/totp", {"name": "First"}, ada).json
    second = send(service, f"{FACTORS}/totp", {"name": "Second"}, ada).json

    code = totp_code(first["secret"], clock)
    answer = send(service, f"{FACTORS}/totp/{first['id']}/confirm", {"code": code}, ada)

    assert outcome(answer) == (404, "NOT_FOUND")
    assert send(service, f"{FACTORS}/{second['id']}", user=ada, method="DELETE").status_code == 204


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\u0000", "x" * 65, 5])
def test_a_name_is_one_that_can_be_seen(service, ada, name):
    answer = send(service, f"{FACTORS}/totp", {"name": name}, ada)

    assert outcome(answer) == (422, "VALIDATION_FAILED")


def test_a_user_has_twenty_factors_at_most(service, ada):
    for _ in range(20):
        service.add_passkey(ada)

    assert outcome(send(service, f"{FACTORS}/totp", {"name": "App"}, ada)) == (
        422,
        "VALIDATION_FAILED",
    )
    options = send(service, f"{FACTORS}/passkeys/options", user=ada).json
    from falcon_auth.testing.authenticator import Authenticator

    body = {"name": "One more", "credential": Authenticator().create(options)}
    assert outcome(send(service, f"{FACTORS}/passkeys", body, ada)) == (422, "VALIDATION_FAILED")


# --- Step-up


def test_changing_factors_asks_for_a_recent_proof(service, ada, clock):
    clock.advance(minutes=10, seconds=1)

    answer = send(service, f"{FACTORS}/totp", {"name": "App"}, ada)

    assert outcome(answer) == (401, "STEP_UP_REQUIRED")
    challenge = answer.headers["WWW-Authenticate"]
    assert 'error="insufficient_user_authentication"' in challenge
    assert 'max_age="600"' in challenge


def test_the_password_confirms_a_session_of_a_user_without_factors(service, ada, clock):
    clock.advance(minutes=11)

    confirmed = send(service, CONFIRM, {"password": PASSWORD}, ada)

    assert confirmed.status_code == 200
    assert confirmed.json["expires_in"] == 900
    assert send(service, f"{FACTORS}/totp", {"name": "App"}, bearer(confirmed)).status_code == 201
    claims = service.app.service.codec.verify_access(confirmed.json["access_token"])
    assert (claims.auth_time, claims.amr) == (int(clock()), ("pwd",))


def test_a_wrong_password_confirms_nothing(service, ada):
    answer = send(service, CONFIRM, {"password": "wrong password"}, ada)

    assert outcome(answer) == (401, "INVALID_CREDENTIALS")


def test_with_a_factor_a_code_confirms_and_neither_password_nor_recovery_code(
    service, ada, app, clock
):
    clock.advance(minutes=11)
    assert outcome(send(service, CONFIRM, {"password": PASSWORD}, ada)) == (
        401,
        "SECOND_FACTOR_REQUIRED",
    )
    assert outcome(send(service, CONFIRM, {"code": app.recovery_codes[0]}, ada)) == (
        401,
        "FACTOR_INVALID",
    )
    assert outcome(send(service, f"{CONFIRM}/options", user=ada)) == (404, "NOT_FOUND")

    confirmed = send(service, CONFIRM, {"code": app.code()}, ada)

    assert confirmed.status_code == 200
    assert outcome(send(service, CONFIRM, {"code": app.code()}, ada)) == (401, "FACTOR_INVALID")
    assert send(service, f"{FACTORS}/recovery-codes", user=ada).status_code == 200


def test_a_session_cannot_guess_without_end(clock):
    with TestService({"rate_limit_enabled": False}, clock) as service:
        ada = service.new_user(EMAIL)
        service.add_app(ada)

        answers = [outcome(send(service, CONFIRM, {"code": "000000"}, ada)) for _ in range(11)]

        # The one that confirmed the app was the first of the ten.
        assert answers == [(401, "FACTOR_INVALID")] * 9 + [(429, "RATE_LIMITED")] * 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CONFIRM, {}),
        (CONFIRM, {"code": "123456", "password": "x"}),
        (FACTOR, {"challenge": "x"}),
        (FACTOR, {"challenge": "x", "code": "1", "credential": {"rawId": "a", "response": {}}}),
    ],
)
def test_a_body_has_one_proof(service, ada, path, body):
    assert outcome(send(service, path, body, ada))[0] == 422


# --- Where they are off


def test_production_without_encryption_keys_has_no_factor_paths_and_does_not_bypass_factors(
    clock,
):
    """Whoever takes the keys away must not open the accounts of those who have a factor."""
    with TestService({}, clock) as service:
        service.add_app(service.new_user(EMAIL))
        store = service.app.service.store
        from conftest import Client

        from falcon_auth.service import create_app

        production = create_app(
            settings_for(environment="production", database_url="memory:", bcrypt_rounds=12),
            clock=clock,
            store=store,
        )
        client = Client(production)

        assert outcome(client.simulate_post(FACTOR)) == (404, "NOT_FOUND")
        assert "/api/v1/auth/factors" not in client.simulate_get("/openapi.json").json["paths"]
        assert outcome(client.login()) == (401, "SECOND_FACTOR_REQUIRED")
        production.service.close()


def test_a_secret_that_no_key_decrypts_is_logged_and_refused(clock, logged):
    with TestService({}, clock) as service:
        app = service.add_app(service.new_user(EMAIL))
        clock.advance(seconds=30)
        from conftest import Client

        from falcon_auth.service import create_app

        other = create_app(settings_for(), clock=clock, store=service.app.service.store)
        client = Client(other)
        challenge = client.login().json["challenge"]
        answer = client.post(FACTOR, {"challenge": challenge, "code": app.code()})
        spare = client.post(FACTOR, {"challenge": challenge, "code": app.recovery_codes[0]})

        assert outcome(answer) == outcome(spare) == (401, "FACTOR_INVALID")
        assert logged.events("factor_undecryptable")
        other.service.close()


def test_nothing_secret_is_logged(service, app, logged):
    challenge = challenge_of(service)
    code = app.recovery_codes[0]
    finish(service, code, challenge)

    for secret in (app.secret, challenge, code, code.replace("-", "")):
        assert secret not in logged.text


# --- The parts


def test_a_qr_code_has_a_light_background_and_stays_small():
    drawn = totp.draw_qr(totp.make_uri(totp.make_secret(), account=EMAIL, issuer="Falcon Auth"))

    assert "%23fff" in drawn
    assert len(drawn) < 8 * 1024


def test_recovery_codes_are_read_as_people_write_them():
    assert recovery_codes.parse_code("7K2M q9xw-4bnd") == "7k2mq9xw4bnd"
    assert recovery_codes.parse_code("7k2m-q9xw-4bn") is None


def test_the_clock_of_these_tests_does_not_move():
    clock = Clock()

    assert clock() == clock()
