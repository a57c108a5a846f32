"""A whole service on every store, driven at random against a plain model of what it promises.

Time passes, tokens are replayed, log-ins lie open while passwords change: whatever the order,
the answers are the model's.
"""

import itertools
from dataclasses import dataclass, field

import pytest
from conftest import Client as HttpClient
from conftest import Clock, outcome
from databases import STORES
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from falcon_auth.errors import InvalidCredentialsError
from falcon_auth.models import Client, Login

GRACE, ACCESS, REFRESH, LEEWAY, LIMIT = 30, 15 * 60, 7 * 86400, 30, 3
PASSWORDS = ["correct horse battery", "another horse battery", "a third horse battery"]
STEPS = st.sampled_from(
    [0, 1, GRACE - 1, GRACE + 1, ACCESS + LEEWAY, REFRESH // 2, REFRESH + LEEWAY]
)
LONGEST = 90 * 86400
PICKS = st.integers(0, 4)  # Among the newest sessions.
numbers = itertools.count(1)


@dataclass
class User:
    email: str
    password: str
    active: bool = True
    changes: int = 0


@dataclass
class Session:
    user: User
    opened_at: float
    used_at: float
    tokens: list = field(default_factory=list)  # One refresh token a generation.
    issued: list = field(default_factory=list)  # And when each was issued.
    access: tuple = ()  # The newest access token, and when it was issued.
    live: bool = True

    def take(self, answer, now):
        self.tokens.append(answer["refresh_token"])
        self.issued.append(now)
        self.access = (answer["access_token"], now)
        self.used_at = now


@dataclass
class OpenLogin:
    """A password that was found right; its session is not open yet."""

    user: User
    login: Login
    changes: int


class Service(RuleBasedStateMachine):
    """The rules. `client` and `clock` are set by the test, one service for all examples."""

    client: HttpClient
    clock: Clock

    users = Bundle("users")
    logins = Bundle("logins")

    def __init__(self):
        super().__init__()
        self.all_sessions = []

    @rule(target=users)
    def register(self):
        user = User(f"user{next(numbers)}@example.com", PASSWORDS[0])
        answer = self.client.register(user.email, user.password)
        assert answer.status_code == 201
        self._open(user, answer.json)
        return user

    @rule(user=users)
    def register_again(self, user):
        assert outcome(self.client.register(user.email.upper())) == (409, "DUPLICATE_EMAIL")

    @rule(user=users, password=st.sampled_from(PASSWORDS))
    def log_in(self, user, password):
        answer = self.client.login(user.email, password)
        if password != user.password:
            assert outcome(answer) == (401, "INVALID_CREDENTIALS")
        elif not user.active:
            assert outcome(answer) == (403, "ACCOUNT_DISABLED")
        else:
            assert answer.status_code == 200
            assert answer.json["user"]["email"] == user.email
            self._open(user, answer.json)

    @rule(target=logins, user=users)
    def check_password(self, user):
        stored = self.client.app.service.store.users.find_by_email(user.email)
        return OpenLogin(user, Login(stored), user.changes)

    @rule(opened=consumes(logins))
    def open_session(self, opened):
        """The second half of a log-in: meanwhile anything may have happened to the user."""
        service = self.client.app.service
        if opened.user.active and opened.user.changes == opened.changes:
            pair = service.sessions.open(opened.login, Client())
            tokens = {"access_token": pair.access.text, "refresh_token": pair.refresh.text}
            self._open(opened.user, tokens)
        else:
            with pytest.raises(InvalidCredentialsError):
                service.sessions.open(opened.login, Client())

    @rule(pick=PICKS)
    def refresh(self, pick):
        self._refresh(pick, 0)

    @rule(pick=PICKS, back=st.integers(1, 3), seconds=st.sampled_from([0, GRACE - 1, GRACE + 1]))
    def replay(self, pick, back, seconds):
        """Spend a token, and come back after a while with one that was spent before."""
        self._refresh(pick, 0)
        self.clock.advance(seconds=seconds)
        self._refresh(pick, back)

    def _refresh(self, pick, back):
        session = self._session(pick)
        if session is None:
            return
        back = min(back, len(session.tokens) - 1)
        now = self.clock.now
        answer = self.client.refresh(session.tokens[-1 - back])
        ends_at = min(session.issued[-1 - back] + REFRESH, session.opened_at + LONGEST)
        if outcome(answer) == (401, "TOKEN_EXPIRED"):
            assert now >= ends_at - 1
            return
        assert now <= ends_at + LEEWAY + 1
        if not session.live:
            assert outcome(answer) == (401, "TOKEN_REVOKED")
        elif back == 0:
            assert answer.status_code == 200
            session.take(answer.json, now)
        elif back == 1 and now - session.used_at <= GRACE:
            assert answer.status_code == 200
            assert answer.json["refresh_token"] == session.tokens[-1]
        else:
            assert outcome(answer) == (401, "TOKEN_REUSED")
            session.live = False

    @rule(pick=PICKS, back=st.integers(0, 3))
    def log_out(self, pick, back):
        if session := self._session(pick):
            token = session.tokens[-1 - min(back, len(session.tokens) - 1)]
            assert self.client.logout(token).status_code == 204
            session.live = False

    @rule(pick=PICKS)
    def end_every_session(self, pick):
        if (session := self._session(pick)) and self._opens(session):
            answer = self.client.as_user("DELETE", "/api/v1/auth/sessions", session.access[0])
            assert answer.status_code == 204
            self._end_all(session.user)

    @rule(pick=PICKS, index=st.integers(0, 5))
    def end_one_of_the_listed(self, pick, index):
        session = self._session(pick)
        if session is None or not self._opens(session):
            return
        listed = self.client.sessions(session.access[0])
        chosen = listed[index % len(listed)]
        path = f"/api/v1/auth/sessions/{chosen['id']}"
        assert self.client.as_user("DELETE", path, session.access[0]).status_code == 204
        left = self.client.app.service.store.sessions.find(chosen["id"])
        assert left[0].ended_at is not None
        for each in self._live_of(session.user):
            if self._id_of(each) == chosen["id"]:
                each.live = False

    @rule(pick=PICKS, current=st.sampled_from(PASSWORDS), new=st.sampled_from(PASSWORDS))
    def change_password(self, pick, current, new):
        session = self._session(pick)
        if session is None or not self._opens(session):
            return
        user = session.user
        answer = self.client.change_password(session.access[0], current, new)
        if current != user.password:
            assert outcome(answer) == (401, "INVALID_CREDENTIALS")
            return
        assert answer.status_code == 204
        user.password, user.changes = new, user.changes + 1
        self._end_all(user, but=session)

    @rule(user=users, active=st.booleans())
    def enable_or_disable(self, user, active):
        store = self.client.app.service.store
        assert store.users.set_active(
            store.users.find_by_email(user.email).id, active=active, now=self.clock.now
        )
        user.active = active
        if not active:
            self._end_all(user)

    @rule(seconds=STEPS)
    def wait(self, seconds):
        self.clock.advance(seconds=seconds)

    @rule()
    def sweep(self):
        while self.client.app.service.sessions.sweep():
            pass
        for each in self.all_sessions:  # What expired is unknown from here on.
            if each.used_at + REFRESH < self.clock.now - LEEWAY:
                each.live = False

    @invariant()
    def what_opens_is_what_the_model_says(self):
        for each in self.all_sessions[-4:]:
            answer = self.client.profile(each.access[0])
            if self._opens(each):
                assert answer.status_code == 200
                assert answer.json["email"] == each.user.email
            else:
                assert answer.status_code == 401

    @invariant()
    def a_user_has_no_more_live_sessions_than_the_limit(self):
        for session in self.all_sessions[-1:]:
            assert len(self._live_of(session.user)) <= LIMIT

    def _open(self, user, answer):
        self.clock.advance(seconds=0.001)  # No two sessions were last used at one moment.
        live = sorted(self._live_of(user), key=lambda each: each.used_at)
        for each in live[: max(0, len(live) - (LIMIT - 1))]:
            each.live = False
        session = Session(user, self.clock.now, self.clock.now)
        session.take(answer, self.clock.now)
        self.all_sessions.append(session)
        return session

    def _opens(self, session):
        """Whether the newest access token of the session is good."""
        fresh = self.clock.now < session.access[1] + ACCESS + LEEWAY - 1
        return session.live and fresh

    def _session(self, pick):
        return self.all_sessions[-1 - pick % len(self.all_sessions)] if self.all_sessions else None

    def _live_of(self, user):
        return [each for each in self.all_sessions if each.user is user and each.live]

    def _end_all(self, user, but=None):
        for each in self._live_of(user):
            each.live = each is but

    def _id_of(self, session):
        return self.client.app.service.codec.verify_refresh(
            session.tokens[-1], even_expired=True
        ).session_id


@pytest.fixture(params=STORES)
def service(request, make_client, clock):
    values = {
        "refresh_reuse_grace_seconds": GRACE,
        "sessions_per_user": LIMIT,
        "rate_limit_enabled": False,
    }
    if request.param != "memory":
        values["database_url"] = request.getfixturevalue(
            "sqlite_url" if request.param == "sqlite" else "postgres_url"
        )
    return make_client(**values)


def test_any_history_gives_the_answers_of_the_model(service, clock):
    machine = type("BoundService", (Service,), {"client": service, "clock": clock})
    in_memory = service.app.service.settings.database is None

    run_state_machine_as_test(
        machine, settings=settings(max_examples=60 if in_memory else 25, stateful_step_count=30)
    )
