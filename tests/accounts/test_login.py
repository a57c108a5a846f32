"""Log-in and registration over HTTP: who gets in, and what a refusal costs and tells."""

import bcrypt
import pytest
from conftest import EMAIL, PASSWORD, Client, outcome, settings_for
from hypothesis import given
from hypothesis import strategies as st

from falcon_auth.audit.trail import COMMAND
from falcon_auth.errors import InvalidCredentialsError
from falcon_auth.models import Client as Device
from falcon_auth.models import Login
from falcon_auth.passwords import HashingPool, Passwords
from falcon_auth.passwords.argon2_hasher import Argon2Hasher
from falcon_auth.passwords.bcrypt_hasher import BcryptHasher
from falcon_auth.service import create_app
from falcon_auth.stores.memory.store import MemoryStore


def test_the_answer_holds_the_user_and_no_hash(client):
    answer = client.register(username="Ada_1")

    assert set(answer.json["user"]) == {
        "id",
        "email",
        "email_verified",
        "username",
        "is_active",
        "created_at",
        "updated_at",
        "last_login_at",
    }
    assert answer.json["user"]["username"] == "Ada_1"
    assert "$2b$" not in answer.text


def test_last_login_at_is_returned(client, user, clock):
    assert user.json["user"]["last_login_at"] is None
    clock.advance(seconds=1.5)

    answer = client.login()

    assert answer.json["user"]["last_login_at"] == "2027-01-15T08:00:01.500Z"
    assert client.profile(user).json["last_login_at"] == "2027-01-15T08:00:01.500Z"


@pytest.mark.parametrize(
    "variant",
    ["ADA@EXAMPLE.COM", "Ada@example.com", "ａｄａ@example.com"],  # noqa: RUF001 - full width
)
def test_an_address_is_one_whatever_its_case_and_form(client, user, variant):
    assert outcome(client.register(variant)) == (409, "DUPLICATE_EMAIL")
    assert client.login(variant).json["user"]["email"] == EMAIL


def test_the_address_is_kept_as_it_was_written_but_for_the_domain(client):
    assert client.register("Ada.L@EXAMPLE.com").json["email"] == "Ada.L@example.com"


def test_an_internationalised_address_works(client):
    client.register("jürgen@exämple.de")

    assert client.login("JÜRGEN@xn--exmple-cua.de").json["user"]["email"] == "jürgen@exämple.de"


def test_user_names_are_unique_without_regard_to_case(client):
    client.register(username="Ada")

    answer = client.register("b@example.com", username="aDA")

    assert outcome(answer) == (409, "DUPLICATE_USERNAME")
    assert client.register("b@example.com", username=None).status_code == 201
    assert client.register("c@example.com").status_code == 201


def test_unknown_address_and_wrong_password_are_refused_alike(client, user):
    unknown = client.login("nobody@example.com")
    wrong = client.login(password="wrong password")

    assert outcome(unknown) == (401, "INVALID_CREDENTIALS")
    own = ("request_id", "x-request-id")
    told = [
        {
            name: value
            for name, value in (answer.json | dict(answer.headers)).items()
            if name not in own
        }
        for answer in (unknown, wrong)
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "password",
    ["0123456789" * 13, "x" * 5000, "e\u0301" * 2000, "short", "\ud800"],
    ids=["129 characters", "5,000 characters", "combining marks", "short", "lone surrogate"],
)
def test_a_password_that_nobody_can_have_is_wrong_or_malformed(client, user, password):
    answer = client.login(password=password)

    malformed = password == "\ud800"
    expected = (422, "VALIDATION_FAILED") if malformed else (401, "INVALID_CREDENTIALS")
    assert outcome(answer) == expected


def test_all_characters_of_a_long_password_count(client):
    long = "0123456789" * 12
    client.register(password=long)

    assert client.login(password=long).status_code == 200
    assert client.login(password=long[:-1] + "x").status_code == 401
    assert client.login(password=long[:72]).status_code == 401


@given(st.text(min_size=8, max_size=128, alphabet=st.characters(codec="utf-8")))
def test_any_unicode_password_works(password):
    app = create_app(settings_for(), store=MemoryStore())
    client = Client(app)
    registration = client.register(password=password)
    if registration.status_code == 422:
        assert registration.json["code"] == "WEAK_PASSWORD"
    else:
        assert client.login(password=password).status_code == 200
    app.service.close()


def test_account_disabled_is_disclosed_only_with_the_right_password(client, user, clock):
    client.app.service.store.users.set_active(user.json["user"]["id"], active=False, now=clock())

    assert outcome(client.login()) == (403, "ACCOUNT_DISABLED")
    assert outcome(client.login(password="wrong password")) == (401, "INVALID_CREDENTIALS")


# --- Equal work: what every branch costs, counted


class Work:
    """Counts trips through the pool, and what the hashes in them cost."""

    def __init__(self):
        self.trips = 0
        self.cost = 0

    def hashpw(self, password, salt):
        self.cost += 2 ** int(salt.split(b"$")[2])
        return bcrypt.hashpw(password, salt)

    def observe(self, _kind, _seconds):
        self.trips += 1


ROUNDS = 6


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def counted(make_client, work):
    """A client of a service whose hashing is counted, with a user of each kind of hash."""
    client = make_client(rate_limit_enabled=False)
    service = client.app.service
    pool = HashingPool(1, 10)
    passwords = Passwords(
        BcryptHasher(ROUNDS, hashpw=work.hashpw), (Argon2Hasher(),), pool, work.observe
    )
    service.login._check._passwords = passwords  # noqa: SLF001 - the one collaborator to count
    for name, stored in {
        "today": BcryptHasher(ROUNDS).hash(PASSWORD),
        "older": BcryptHasher(4).hash(PASSWORD),
        "dearer": BcryptHasher(ROUNDS + 1).hash(PASSWORD),
        "argon": Argon2Hasher().hash(PASSWORD),
        "broken": "$2b$06$broken",
    }.items():
        service.administration.create_with_hash(
            email=f"{name}@example.com", username=None, password_hash=stored, actor=COMMAND
        )
    disabled = service.administration.create_with_hash(
        email="disabled@example.com",
        username=None,
        password_hash=BcryptHasher(ROUNDS).hash(PASSWORD),
        actor=COMMAND,
    )
    service.store.users.set_active(disabled.id, active=False, now=0)
    yield client
    pool.close(10)


@pytest.mark.parametrize(
    ("name", "password", "status", "cost"),
    [
        ("today", PASSWORD, 200, 2**ROUNDS),
        ("today", "wrong password", 401, 2**ROUNDS),
        ("today", "x" * 5000, 401, 2**ROUNDS),
        ("unknown", PASSWORD, 401, 2**ROUNDS),
        ("unknown", "x" * 5000, 401, 2**ROUNDS),
        ("disabled", "wrong password", 401, 2**ROUNDS),
        ("disabled", PASSWORD, 403, 2**ROUNDS),
        ("broken", PASSWORD, 401, 2**ROUNDS),
        ("older", "wrong password", 401, 2**ROUNDS),  # The difference is spent too.
        ("older", "x" * 5000, 401, 2**ROUNDS),
        ("older", PASSWORD, 200, 2**4 + 2**ROUNDS),  # And hashed anew, in the same trip.
        ("dearer", PASSWORD, 200, 2 ** (ROUNDS + 1)),  # Kept as it is.
        ("argon", "wrong password", 401, 2**ROUNDS),
        ("argon", PASSWORD, 200, 2**ROUNDS),
    ],
)
def test_every_log_in_is_one_trip_at_todays_cost(counted, work, name, password, status, cost):
    answer = counted.login(f"{name}@example.com", password=password)

    assert answer.status_code == status
    assert (work.trips, work.cost) == (1, cost)


@pytest.mark.parametrize("name", ["older", "argon"])
def test_a_log_in_with_an_older_hash_makes_it_todays(counted, work, name):
    counted.login(f"{name}@example.com")
    work.cost = 0

    assert counted.login(f"{name}@example.com").status_code == 200
    assert work.cost == 2**ROUNDS


def test_a_broken_hash_is_logged_without_it(counted, logged):
    counted.login("broken@example.com")

    assert logged.events("password_hash_damaged")
    assert "$2b$06$broken" not in logged.text


def test_a_full_queue_refuses_known_and_unknown_alike(make_client):
    """Being shed must not tell accounts apart, and changes nothing."""
    client = make_client(hash_workers=1, hash_queue_size=1)
    client.register()
    with fill_queue(client.app.service.pool):
        answers = [client.login(), client.login("unknown@example.com")]
        registration = client.register("new@example.com")

    for answer in (*answers, registration):
        assert outcome(answer) == (503, "OVERLOADED")
        assert int(answer.headers["Retry-After"]) >= 1
    assert client.login().status_code == 200
    assert client.register("new@example.com").status_code == 201


class fill_queue:  # noqa: N801 - reads as a word
    """Keep every worker and place of a pool busy for the length of a block."""

    def __init__(self, pool):
        import threading

        self.pool = pool
        self.release = threading.Event()
        self.threads = [
            threading.Thread(target=pool.run, args=(self.release.wait,))
            for _ in range(pool._capacity)  # noqa: SLF001 - as many as fit
        ]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        while self.pool.depth < len(self.threads):
            pass

    def __exit__(self, *_exc):
        self.release.set()
        for thread in self.threads:
            thread.join()


def test_a_client_that_hung_up_is_not_hashed_for(make_client, logged):
    client = make_client()
    client.register()

    answer = client.login(extras={"waitress.client_disconnected": lambda: True})

    assert outcome(answer) == (503, "OVERLOADED")
    assert not logged.events("login_failed")


# --- The password change


def test_a_wrong_current_password_is_refused_and_counts(client, user):
    for _ in range(5):
        answer = client.change_password(user, "wrong password", "staple battery horse")
        assert outcome(answer) == (401, "INVALID_CREDENTIALS")

    answer = client.change_password(user, PASSWORD, "staple battery horse")

    assert outcome(answer) == (429, "RATE_LIMITED")
    assert outcome(client.login()) == (429, "RATE_LIMITED")


def test_a_weak_new_password_is_refused(client, user):
    for weak in ("short", "password1", EMAIL, "x" * 129):
        answer = client.change_password(user, PASSWORD, weak)

        assert outcome(answer) == (422, "WEAK_PASSWORD")
        assert answer.json["errors"][0]["pointer"] == "/new_password"
    assert client.login().status_code == 200


def test_of_two_changes_at_once_one_wins(client, user):
    """The second hashed against a password that was no longer the current one."""
    service = client.app.service
    caller = service.sessions.authenticate(user.json["access_token"])
    client.change_password(user, PASSWORD, "staple battery horse")

    changed = service.store.users.change_password(
        caller.user, "$2b$04$" + "x" * 53, keep_session=caller.session.id, now=0
    )

    assert changed is None
    assert client.login(password="staple battery horse").status_code == 200


def test_a_log_in_that_a_password_change_overtook_opens_no_session(client, user):
    """Checked against the old password, stored after it was changed: refused."""
    service = client.app.service
    caller = service.sessions.authenticate(user.json["access_token"])
    client.change_password(user, PASSWORD, "staple battery horse")
    with pytest.raises(InvalidCredentialsError):
        service.sessions.open(Login(caller.user), Device())
