"""Processes that die: the service by `kill -9` amid its work, and PostgreSQL under it."""

import http.client
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from postgres import PostgresServer
from processes import PATIENCE, UNMEASURED, eventually
from sqlalchemy import make_url
from stopwatch import timed

ROUNDS = 4
AT_ONCE = 50
SOON = 1.0  # Seconds: less than any wait for a database.
UNLIMITED = {"RATE_LIMIT_ENABLED": "false"} | UNMEASURED


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
        if answer.status == 503:  # The disk was too slow for the queue: nothing was acknowledged.
            return
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
    """In rounds: the next process lets in everyone whom the killed one had answered."""
    acknowledged, killed_early = {}, 0
    for number in range(ROUNDS):
        service = start_service(DATABASE_URL=database_url, **UNLIMITED)
        emails = [f"user{number}-{n}@example.com" for n in range(AT_ONCE)]

        acknowledged_now = register_until_killed(service, emails, enough=8 * number + 1)

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
    from falcon_auth.stores.sql.migrate import migrate

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
        answer, took = timed(guarded)
        assert (answer.status, answer.json["code"]) == (503, "STORE_UNAVAILABLE")
        assert took.had < 2
    assert service.request("GET", "/health").status == 200
    assert service.request("GET", "/health/ready").status == 503
    postgres_server.start()

    assert eventually(lambda: guarded().status == 200)  # The breaker's time-out is real time.
    assert service.request("GET", "/health/ready").status == 200

    postgres_server.stop("fast")  # An orderly restart, between two requests.
    postgres_server.start()

    assert guarded().status == 200
    assert service.stop() == 0


@pytest.mark.parametrize("clients", [60, 140])
@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_without_postgresql_the_circuit_opens_once_and_stays_open(
    start_service, postgres_server, wire_to, how, clients
):
    """Most callers wait in vain for one of the pool's connections: that says nothing of the server.

    One that is frozen takes connections and never answers, so that they wait long.
    """
    from falcon_auth.stores.sql.migrate import migrate

    migrate(postgres_server.url, "up")
    wire = wire_to("127.0.0.1", postgres_server.port)
    url = make_url(postgres_server.url).set(port=wire.port).render_as_string()
    service = start_service(DATABASE_URL=url, **UNLIMITED)
    token = service.register(f"{how}{clients}@example.com").json["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    together = threading.Barrier(clients)
    over = threading.Event()

    def ask(_):
        together.wait(PATIENCE)
        return {service.request("GET", "/protected", headers=bearer).status for _ in range(4)}

    def probe():
        """Ask for the process's health all the while; return the longest wait, in seconds."""
        waits = [0.0]
        while not over.is_set():
            answer, took = timed(lambda: service.request("GET", "/health"))
            assert answer.status == 200
            waits.append(took.had)
        return max(waits)

    if how == "stopped":
        postgres_server.stop("immediate")
    else:
        wire.freeze()
    with ThreadPoolExecutor(clients + 1) as pool:
        probing = pool.submit(probe)
        answers = set().union(*pool.map(ask, range(clients)))
        over.set()
        longest = probing.result()
    ready = service.request("GET", "/health/ready")
    if how == "stopped":
        postgres_server.start()

    assert answers == {503}
    assert ready.json["checks"]["store"]["breaker"] == "open"
    assert eventually(lambda: "open" in {line["breaker"] for line in service.events("outage")})
    assert not service.events("outage_over")  # It never closed, so it opened once.
    assert not service.events("internal_error")
    assert longest < SOON
    assert service.stop() == 0
