"""Registration with confirmation: nobody learns who has an account, by no word and no time."""

import random
import statistics
import time

import pytest
from conftest import EMAIL, PASSWORD, outcome
from life_words import NEW_PASSWORD, forgot, reset, verify


@pytest.fixture
def client(mailing):
    return mailing(email_verification="required")


def answer_to(client, **more):
    """All that a client can see, under one request id."""
    answer = client.post(
        "/api/v1/auth/register",
        {"email": EMAIL, "password": PASSWORD, **more},
        {"X-Request-ID": "same"},
    )
    return answer.status_code, answer.content, sorted(answer.headers.items())


def test_registering_asks_to_confirm_and_logs_nobody_in(client):
    answer = client.register()

    assert (answer.status_code, set(answer.json)) == (202, {"message"})
    assert client.mailbox.only().page == "/account/verify"


def test_an_unverified_user_is_kept_out_by_the_right_password_only(client):
    client.register()

    assert outcome(client.login()) == (403, "EMAIL_NOT_VERIFIED")
    assert outcome(client.login(password="wrong phrase")) == (401, "INVALID_CREDENTIALS")


def test_the_link_with_the_password_lets_the_user_in(client):
    client.register()
    verify(client, client.mailbox.only().token, PASSWORD)

    assert client.login().json["user"]["email_verified"]


def test_a_reset_lets_the_user_in_too(client):
    """Who has lost the first mail need not wait for anybody."""
    client.register()
    client.mailbox.read()
    forgot(client, EMAIL)
    reset(client, client.mailbox.only().token)

    assert outcome(client.login(password=NEW_PASSWORD)) == (200, None)


def test_a_taken_address_gets_the_same_answer_and_its_owner_is_notified(client):
    free = answer_to(client)
    client.mailbox.read()

    taken = answer_to(client, password="the stranger's phrase")

    assert taken == free
    mail = client.mailbox.only()
    assert (mail.to, mail.subject) == (EMAIL, "Somebody tried to register with your address")
    assert "token" not in mail.text
    assert outcome(client.login(password="the stranger's phrase")) == (401, "INVALID_CREDENTIALS")


def test_a_taken_name_is_answered_as_a_free_one_and_the_mail_says_so(client):
    free = answer_to(client, email="eve@example.com", username="ada")
    client.mailbox.read()

    taken = answer_to(client, username="ADA")

    assert taken == free
    mail = client.mailbox.only()
    assert "ADA belongs to somebody else" in mail.text
    verify(client, mail.token, PASSWORD)
    assert client.login().json["user"]["username"] is None


def test_if_address_and_name_are_taken_the_owner_is_notified(client):
    free = answer_to(client, username="ada")
    client.mailbox.read()

    assert answer_to(client, username="ada") == free

    assert "tried to register" in client.mailbox.only().subject


def test_registering_mails_an_address_three_times_an_hour(client):
    answers = {answer_to(client)[0] for _ in range(5)}

    assert (answers, client.mailbox.recipients()) == ({202}, [EMAIL] * 3)


def test_every_registration_is_one_hash(client):
    hashed = []
    passwords = client.app.service.passwords
    passwords._observe = lambda kind, seconds: hashed.append(kind)  # noqa: SLF001 - a count

    for _ in range(3):
        answer_to(client, username="ada")

    assert len(hashed) == 3


def test_an_optional_confirmation_logs_in_and_tells_of_a_taken_address(mailing):
    client = mailing(email_verification="optional")

    assert outcome(client.register()) == (201, None)

    assert outcome(client.register()) == (409, "DUPLICATE_EMAIL")
    assert outcome(client.login()) == (200, None)
    assert client.mailbox.recipients() == [EMAIL]


def test_closed_registration_is_403_whatever_is_sent(make_client):
    client = make_client(registration="closed")

    assert outcome(client.register()) == (403, "REGISTRATION_CLOSED")
    assert outcome(client.register("nonsense")) == (403, "REGISTRATION_CLOSED")
    assert outcome(client.post("/api/v1/auth/register", {})) == (403, "REGISTRATION_CLOSED")


# --- Time

PAIRS = 300
Z_OF_A_DIFFERENCE = 6.0  # A fair comparison exceeds it once in a thousand million runs.


def rank_difference(first, second):
    """How far apart two samples lie: the z-score of the Mann-Whitney test."""
    ranked = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    ranks = sum(rank for rank, (_, sample) in enumerate(ranked, start=1) if sample == 0)
    n, m = len(first), len(second)
    mean, deviation = n * (n + m + 1) / 2, (n * m * (n + m + 1) / 12) ** 0.5
    return abs(ranks - mean) / deviation


def time_pairs(register_free, register_taken):
    """Time both, one after the other in an order of chance, so that load meets both alike."""
    times = {register_free: [], register_taken: []}
    for number in range(PAIRS):
        for register in random.sample([register_free, register_taken], 2):
            started = time.perf_counter()
            register(number)
            times[register].append(time.perf_counter() - started)
    return times[register_free], times[register_taken]


def register_all(client, kind):
    """Return a function that registers the user of a number, and looks at nothing."""
    return lambda number: client.send(
        "POST",
        "/api/v1/auth/register",
        json={"email": f"{kind}{number}@example.com", "password": PASSWORD},
    )


@pytest.fixture
def timed(mailing):
    """Make a service without a limit on registrations, where nothing runs beside them."""

    def make(verification):
        client = mailing(email_verification=verification, rate_limit_enabled=False)
        client.app.service.delivery.dispatcher.stop()
        for number in range(PAIRS):
            register_all(client, "taken")(number)
        return client

    return make


def test_a_taken_address_takes_as_long_as_a_free_one(timed):
    client = timed("required")

    free, taken = time_pairs(register_all(client, "free"), register_all(client, "taken"))

    medians = statistics.median(free), statistics.median(taken)
    assert rank_difference(free, taken) < Z_OF_A_DIFFERENCE, medians


def test_that_comparison_finds_a_twin_that_spares_the_hash(timed):
    """What `optional` does, and rightly so: it tells of a taken address anyway."""
    client = timed("optional")

    free, taken = time_pairs(register_all(client, "free"), register_all(client, "taken"))

    assert rank_difference(free, taken) > Z_OF_A_DIFFERENCE
