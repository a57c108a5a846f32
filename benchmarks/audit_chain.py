"""Log-ins a second with and without the hash chain of the audit trail: eight threads, in process.

`python -m benchmarks.audit_chain URL` takes 20 s. It migrates the database, and adds eight users.
The two services take turns of half a second, so that a busy machine disturbs both alike.
"""

from __future__ import annotations

import secrets
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from falcon.testing import TestClient

from falcon_auth.observability.logs import configure_logging
from falcon_auth.service import create_app
from falcon_auth.settings import Settings
from falcon_auth.stores.sql.migrate import migrate

THREADS, TURNS, SECONDS = 8, 20, 0.5
Body = dict[str, str]


def main(url: str) -> None:
    """Measure, and print the medians."""
    configure_logging(level="ERROR", form="json", stream=sys.stderr)
    migrate(url, "up")
    clients = {chained: _open(url, chained=chained) for chained in (False, True)}
    bodies = [_register(clients[False]) for _ in range(THREADS)]
    rates: dict[bool, list[float]] = {False: [], True: []}
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(TURNS):
            for chained, client in clients.items():
                began = time.perf_counter()
                turns = [(client, body, began + SECONDS) for body in bodies]
                count = sum(pool.map(_log_in_until, *zip(*turns, strict=True)))
                rates[chained].append(count / (time.perf_counter() - began))
    for chained, client in clients.items():
        words = "with the chain" if chained else "without"
        print(f"{words}: {statistics.median(rates[chained]):.0f} log-ins a second")
        client.app.service.close()


def _open(url: str, *, chained: bool) -> TestClient:
    settings = Settings(
        _env_file=None,
        environment="testing",
        database_url=url,
        audit_chain=chained,
        jwt_secret_key=secrets.token_hex(32),
        bcrypt_rounds=4,
        hash_workers=2,
        rate_limit_enabled=False,
    )
    return TestClient(create_app(settings))


def _register(client: TestClient) -> Body:
    body = {"email": f"{secrets.token_hex(8)}@example.com", "password": secrets.token_hex(16)}
    assert client.simulate_post("/api/v1/auth/register", json=body).status_code == 201
    return body


def _log_in_until(client: TestClient, body: Body, end: float) -> int:
    count = 0
    while time.perf_counter() < end:
        assert client.simulate_post("/api/v1/auth/login", json=body).status_code == 200
        count += 1
    return count


if __name__ == "__main__":
    main(sys.argv[1])
