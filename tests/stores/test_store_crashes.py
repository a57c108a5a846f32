"""Processes that die: the service by `kill -9` amid its work, and PostgreSQL under it."""

import http.client
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from postgres import PostgresServer
from processes import eventually

ROUNDS = 10
AT_ONCE = 50
UNLIMITED = {"RATE_LIMIT_ENABLED": "false"}


@pytest.fixture(scope="session")
def postgres_server():
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


def register_until_killed(service, emails, enough):
    """Register all at once and kill the service after *enough* answers; return the answered."""
    acknowledged = {}
    killing = threading.Lock()

    def register(email):
        try:
            answer = service.register(email)
        except (OSError, http.client.HTTPException, ValueError):
            return  # Killed before it could answer.
        assert answer.status == 201
        acknowledged[email] = answer.json["refresh_token"]
        if len(acknowledged) >= enough and killing.acquire(blocking=False):
            service.stop(signal.SIGKILL)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(register, emails))
    return acknowledged


def refresh(service, token):
    return service.request("POST", "/api/v1/auth/refresh", {"refresh_token": token})


def test_every_acknowledged_registration_outlives_kill_9(start_service, database_url):
    """Ten rounds: the next process lets in everyone whom the killed one had answered."""
    acknowledged, killed_early = {}, 0
    for number in range(ROUNDS):
        service = start_service(DATABASE_URL=database_url, **UNLIMITED)
        emails = [f"user{number}-{n}@example.com" for n in range(AT_ONCE)]

        acknowledged_now = register_until_killed(service, emails, enough=3 * number + 1)

        killed_early += len(acknowledged_now) < AT_ONCE
        acknowledged |= acknowledged_now
    assert killed_early >= ROUNDS // 2  # Otherwise nothing was interrupted.

    service = start_service(DATABASE_URL=database_url, **UNLIMITED)
    with ThreadPoolExecutor(8) as pool:
        assert {answer.status for answer in pool.map(service.login, acknowledged)} == {200}
        tokens = acknowledged.values()  # The sessions that registering opened are there as well.
        assert {each.status for each in pool.map(lambda t: refresh(service, t), tokens)} == {200}
    assert service.stop() == 0


def test_what_was_not_acknowledged_is_there_whole_or_not_at_all(start_service, database_url):
    """An address whose registration was cut off can log in, or register again: never neither."""
    emails = [f"user{n}@example.com" for n in range(AT_ONCE)]
    service = start_service(DATABASE_URL=database_url, **UNLIMITED)
    acknowledged = register_until_killed(service, emails, enough=5)
    service = start_service(DATABASE_URL=database_url, **UNLIMITED)

    for email in set(emails) - set(acknowledged):
        outcome = service.login(email).status, service.register(email).status
        assert outcome in {(200, 409), (401, 201)}


def test_postgresql_stopped_and_started_again(start_service, postgres_server):
    """A real server goes away amid requests and comes back; the service is not restarted."""
    from falcon_auth.stores.migrate import migrate

    migrate(postgres_server.url, "up")
    service = start_service(
        DATABASE_URL=postgres_server.url, CIRCUIT_BREAKER_TIMEOUT="1", **UNLIMITED
    )
    token = service.register().json["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}

    def guarded():
        return service.request("GET", "/protected", headers=bearer)

    assert guarded().status == 200

    postgres_server.stop("immediate")
    for _ in range(8):
        started = time.perf_counter()
        answer = guarded()
        assert (answer.status, answer.json["code"]) == (503, "STORE_UNAVAILABLE")
        assert time.perf_counter() - started < 2
    assert service.request("GET", "/health").status == 200
    assert service.request("GET", "/health/ready").status == 503
    postgres_server.start()

    assert eventually(lambda: guarded().status == 200)  # The breaker's time-out is real time.
    assert service.request("GET", "/health/ready").status == 200

    postgres_server.stop("fast")  # An orderly restart, between two requests.
    postgres_server.start()

    assert guarded().status == 200
    assert service.stop() == 0
