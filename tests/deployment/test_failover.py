"""The primary is killed under load, and the synchronous standby promoted: nothing is lost."""

import http.client
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
from postgres import PostgresServer
from processes import PATIENCE, ServiceProcess, eventually

from falcon_auth.stores.sql.migrate import migrate

CLIENTS = 6
BUSY = 5  # Answers of each client before the primary is killed, and after the promotion.
SETTINGS = {
    "RATE_LIMIT_ENABLED": "false",
    # Only the probe may end the outage, and a slow machine must not outlast the grace.
    "CIRCUIT_BREAKER_TIMEOUT": "3600",
    "REFRESH_REUSE_GRACE_SECONDS": "300",
}


@pytest.fixture
def servers():
    """A primary that acknowledges nothing before the standby has it."""
    with ExitStack() as stack:
        primary = PostgresServer()
        primary.start()
        stack.callback(primary.remove)
        migrate(primary.url, "up")
        standby = PostgresServer(standby_of=primary)
        standby.start()
        stack.callback(standby.remove)
        primary.run_sql(
            "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"
        )
        in_step = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        assert eventually(lambda: primary.run_sql(in_step) == "1")
        yield primary, standby


@dataclass
class Client:
    """A user's device that refreshes and registers friends, and repeats what was not answered."""

    service: ServiceProcess
    name: str
    token: str = ""
    access: str = ""
    friends: list = field(default_factory=list)
    answered: list = field(default_factory=list)  # When each answer came that was no 503.
    wrong: list = field(default_factory=list)

    def run(self, over):
        self.keep(self.service.register(f"{self.name}@example.com"))
        while not over.is_set():
            friend = f"{self.name}-{len(self.friends)}-{time.monotonic_ns()}@example.com"
            refresh = {"refresh_token": self.token}
            self.ask(lambda body=refresh: self.post("refresh", body), self.keep)
            self.ask(
                lambda email=friend: self.service.register(email),
                lambda _, email=friend: self.friends.append(email),
            )
            headers = {"Authorization": f"Bearer {self.access}"}
            self.ask(
                lambda sent=headers: self.service.request(
                    "GET", "/api/v1/protected/profile", headers=sent
                ),
                lambda _: None,
            )

    def post(self, path, body):
        return self.service.request("POST", f"/api/v1/auth/{path}", body)

    def keep(self, answer):
        self.token, self.access = answer.json["refresh_token"], answer.json["access_token"]

    def ask(self, send, done):
        try:
            answer = send()
        except (OSError, http.client.HTTPException):
            return
        if answer.status < 300:
            self.answered.append(time.monotonic())
            done(answer)
        elif answer.status != 503:
            self.wrong.append((answer.status, answer.json))

    def answered_since(self, moment):
        return sum(1 for each in self.answered if each > moment)


@pytest.mark.timeout(4 * PATIENCE)
def test_a_failover_loses_nothing_and_is_over_by_itself(servers, start_service, capsys):
    primary, standby = servers
    hosts = f"host=127.0.0.1:{primary.port}&host=127.0.0.1:{standby.port}"
    url = f"postgresql+psycopg://postgres@/postgres?{hosts}"
    services = [start_service(DATABASE_URL=url, **SETTINGS) for _ in range(2)]
    clients = [Client(services[n % 2], f"user{n}") for n in range(CLIENTS)]
    over = threading.Event()

    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(client.run, over) for client in clients]
        try:
            assert eventually(lambda: all(each.answered_since(0) >= BUSY for each in clients))
            primary.kill()
            # Until the circuit is open in both processes: then no request tries the database.
            assert eventually(lambda: all(map(is_open, services)))
            standby.promote()
            promoted_at = time.monotonic()
            assert eventually(
                lambda: all(each.answered_since(promoted_at) >= BUSY for each in clients)
            )
        finally:
            over.set()
        for each in running:
            each.result(PATIENCE)

    assert [each.wrong for each in clients] == [[]] * CLIENTS
    for client in clients:
        refreshed = client.post("refresh", {"refresh_token": client.token})
        assert refreshed.status == 200
        for email in [f"{client.name}@example.com", *client.friends]:
            assert client.service.login(email).status == 200
    back_at = min(moment for each in clients for moment in each.answered if moment > promoted_at)
    with capsys.disabled():
        print(f"\n{back_at - promoted_at:.1f} s from the promotion to the first answer")  # noqa: T201
    assert [service.stop() for service in services] == [0, 0]


def is_open(service):
    return "open" in {line["breaker"] for line in service.events("outage")}
