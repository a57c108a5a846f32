"""The words that the tests are written in."""

from __future__ import annotations

import gc
import io
import json
import os
import signal
from dataclasses import dataclass, field

import pytest
from chromium import browser
from counter_pairs import counters
from databases import (
    create_database,
    database,
    database_url,
    empty_postgres_url,
    migrated_postgres_url,
    migrated_sqlite_file,
    postgres_url,
    redis_prefix,
    redis_url,
    scratch_postgres_url,
    sqlite_url,
    store,
    stores,
)
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from mail_folder import mail_settings, mailing
from processes import start_service
from provider_words import idp, knowing, service, some_providers, surfer
from smtp_server import certificate, server_tls, smtp, start_smtp
from webhook_receiver import receiver, receiver_with
from wire import remote, wire, wire_to

from falcon_auth.observability.logs import configure_logging
from falcon_auth.service import create_app
from falcon_auth.settings import Settings
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.testing.service import START, AuthClient, Clock, settings_of

# What tests take from here; fixtures too, which pytest finds here.
__all__ = [
    "START",
    "browser",
    "certificate",
    "counters",
    "create_database",
    "database",
    "database_url",
    "empty_postgres_url",
    "idp",
    "knowing",
    "mail_settings",
    "mailing",
    "migrated_postgres_url",
    "migrated_sqlite_file",
    "postgres_url",
    "receiver",
    "receiver_with",
    "redis_prefix",
    "redis_url",
    "remote",
    "scratch_postgres_url",
    "server_tls",
    "service",
    "smtp",
    "some_providers",
    "sqlite_url",
    "start_service",
    "start_smtp",
    "store",
    "stores",
    "surfer",
    "wire",
    "wire_to",
]

collect_ignore = ["testing/consumer"]  # A project of its own, which testing/test_kit.py runs.

# Started in a shell's background, the tests and all they start would be deaf to it.
signal.signal(signal.SIGINT, signal.default_int_handler)

SECRET_KEY = "a-key-of-the-tests-that-is-long-enough"
PASSWORD = "correct horse battery"
EMAIL = "ada@example.com"

# In CI the same examples each time: a new one that fails is found by whoever runs the tests here.
hypothesis_settings.register_profile(
    "suite",
    deadline=None,
    max_examples=50,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
hypothesis_settings.load_profile("suite")


def pytest_collection_finish():
    """Leave what all tests share out of every later search for garbage: it is a million objects."""
    gc.collect()
    gc.freeze()


class Client(AuthClient):
    """A JSON client of one service, in the words of the contract; every answer is checked."""

    def post(self, path, body, headers=None, **kwargs):
        declared = {"Content-Type": "application/json"} | (headers or {})
        # Escaped to ASCII, so that lone surrogates can be sent as well.
        return self.simulate_post(path, body=json.dumps(body), headers=declared, **kwargs)

    def register(self, email=EMAIL, password=PASSWORD, *, remote_addr=None, **more):
        body = {"email": email, "password": password, **more}
        return self.post("/api/v1/auth/register", body, remote_addr=remote_addr)

    def login(self, email=EMAIL, password=PASSWORD, **kwargs):
        return self.post("/api/v1/auth/login", {"email": email, "password": password}, **kwargs)

    def refresh(self, token):
        return self.post("/api/v1/auth/refresh", {"refresh_token": token_of(token, "refresh")})

    def logout(self, token):
        return self.post("/api/v1/auth/logout", {"refresh_token": token_of(token, "refresh")})

    def profile(self, token):
        return self.as_user("GET", "/api/v1/protected/profile", token)

    def sessions(self, token):
        return self.as_user("GET", "/api/v1/auth/sessions", token).json["sessions"]

    def change_password(self, token, current, new):
        body = {"current_password": current, "new_password": new}
        return self.as_user("PUT", "/api/v1/auth/password", token, json=body)

    def as_user(self, method, path, token, headers=None, **kwargs):
        bearer = {"Authorization": f"Bearer {token_of(token, 'access')}"}
        return self.simulate_request(method, path, headers=bearer | (headers or {}), **kwargs)


def token_of(answer, kind):
    """Take a token as it is, or out of an answer that holds a pair."""
    return answer if isinstance(answer, str) else answer.json[f"{kind}_token"]


def outcome(answer):
    """What a test usually compares: the status, and the code of an error."""
    is_problem = answer.headers.get("Content-Type") == "application/problem+json"
    return answer.status_code, answer.json["code"] if is_problem else None


def settings_for(**values) -> Settings:
    """Settings of a test service: the cheapest hash, nothing from the environment."""
    return settings_of({"jwt_secret_key": SECRET_KEY, **values})


@dataclass
class Services:
    """Builds services and closes them at the end of the test."""

    clock: Clock
    built: list = field(default_factory=list)

    def __call__(self, *, store=None, **values) -> Client:
        app = create_app(
            settings_for(**values),
            clock=self.clock,
            store=MemoryStore() if store is None else store,
        )
        self.built.append(app)
        return Client(app)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make_client(clock):
    """Make a client of a service with the given settings."""
    services = Services(clock)
    yield services
    for app in services.built:
        app.service.close()


@pytest.fixture
def client(make_client):
    return make_client()


@pytest.fixture
def user(client):
    """A registered user: the answer to its registration."""
    return client.register()


@pytest.fixture(autouse=True)
def logged():
    """Everything that is logged during the test, as a list of parsed lines."""
    stream = io.StringIO()
    configure_logging(level="DEBUG", form="json", stream=stream)
    return Log(stream)


@dataclass
class Log:
    """What was logged so far."""

    stream: io.StringIO

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.text.splitlines()]

    def events(self, name) -> list[dict]:
        return [line for line in self.lines if line["event"] == name]
