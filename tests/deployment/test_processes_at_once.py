"""Several processes on one PostgreSQL: gunicorn with four workers, as docs/deployment.md says."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import signal
import time
from pathlib import Path

import pytest
from databases import database_for, race
from processes import ROOT, UNMEASURED, eventually, service_starter

from falcon_auth.factors.encryption import make_key
from falcon_auth.stores.sql.database import open_engine
from falcon_auth.stores.sql.sweeping import may_sweep
from falcon_auth.testing.factors import App

WORKERS = 4
GUNICORN = (
    *("-m", "gunicorn", "--config", str(ROOT / "deploy" / "gunicorn.conf.py")),
    *("--no-control-socket", "app:application"),
)


@pytest.fixture(scope="module")
def gunicorn(tmp_path_factory, migrated_postgres_url):
    """One service for all tests here, each of which has a user of its own.

    At the end SIGTERM stops all of its processes, cleanly: that is checked here.
    """
    with service_starter(tmp_path_factory.mktemp("gunicorn")) as start:
        service = start(
            command=GUNICORN,
            DATABASE_URL=migrated_postgres_url,
            DATABASE_MAX_POOL_SIZE="4",
            WEB_CONCURRENCY=str(WORKERS),
            REQUEST_THREADS="24",
            HASH_QUEUE_SIZE="7",
            HASH_WORKERS="1",
            ENCRYPTION_KEYS=make_key(),
            **UNMEASURED,
        )
        assert eventually(lambda: started_workers(service) == WORKERS)
        yield service
        workers = workers_of(service)
        assert service.stop() == 0
        assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
        assert "Traceback" not in service.log


@pytest.fixture
def email():
    return f"{secrets.token_hex(6)}@example.com"


def started_workers(service):
    return service.log.count('"service_built"')


def workers_of(service):
    number = service.process.pid
    children = Path(f"/proc/{number}/task/{number}/children").read_text(encoding="ascii")
    return [int(each) for each in children.split()]


@contextlib.contextmanager
def only(worker, service):
    """Stop all workers but one meanwhile, so that it is the one that answers."""
    others = [each for each in workers_of(service) if each != worker]
    for each in others:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in others:
            os.kill(each, signal.SIGCONT)


def bearer(tokens):
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def refresh(service, tokens):
    body = {"refresh_token": tokens["refresh_token"]}
    return service.request("POST", "/api/v1/auth/refresh", body)


def jti(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["jti"]


def test_a_session_is_every_process_s_and_so_is_its_end(gunicorn, email):
    workers = workers_of(gunicorn)
    assert len(workers) == WORKERS
    with only(workers[0], gunicorn):
        tokens = gunicorn.register(email).json
    for worker in workers[1:]:
        with only(worker, gunicorn):
            shown = gunicorn.request("GET", "/api/v1/protected/profile", headers=bearer(tokens))
            assert shown.json["email"] == email

    with only(workers[1], gunicorn):
        body = {"refresh_token": tokens["refresh_token"]}
        assert gunicorn.request("POST", "/api/v1/auth/logout", body).status == 204

    for worker in workers:
        with only(worker, gunicorn):
            refused = gunicorn.request("GET", "/protected", headers=bearer(tokens))
            assert refused.json["code"] == "TOKEN_REVOKED"
            assert refresh(gunicorn, tokens).json["code"] == "TOKEN_REVOKED"


def test_twenty_refreshes_at_once_end_with_one_successor(gunicorn, email):
    """Twice, so that the successor's own race shows that the chain did not fork."""
    tokens = gunicorn.register(email).json
    for _ in range(2):
        spent = tokens

        answers = race(*[lambda spent=spent: refresh(gunicorn, spent)] * 20)

        assert [answer.status for answer in answers] == [200] * 20
        assert len({jti(answer.json["refresh_token"]) for answer in answers}) == 1
        tokens = answers[0].json
    listed = gunicorn.request("GET", "/api/v1/auth/sessions", headers=bearer(tokens))
    assert len(listed.json["sessions"]) == 1


def test_forty_concurrent_guesses_do_not_exceed_the_limit(gunicorn, email):
    gunicorn.register(email)

    answers = race(*[lambda: gunicorn.login(email, password="wrong horse")] * 40)

    codes = [answer.json["code"] for answer in answers]
    # 503 is the full hashing queue's answer: it guessed nothing.
    assert set(codes) <= {"INVALID_CREDENTIALS", "RATE_LIMITED", "OVERLOADED"}
    assert codes.count("INVALID_CREDENTIALS") <= 5
    for worker in workers_of(gunicorn):
        with only(worker, gunicorn):
            assert gunicorn.login(email, password="wrong horse").json["code"] == "RATE_LIMITED"


def test_a_code_a_recovery_code_and_a_challenge_work_once_in_all_processes(gunicorn, email):
    app = add_app(gunicorn, bearer(gunicorn.register(email).json))
    next_code = app.code(steps=1)

    same_code = finish_at_once(gunicorn, [(challenge_for(gunicorn, email), next_code)] * 4)
    other_log_ins = [(challenge_for(gunicorn, email), app.recovery_codes[0]) for _ in range(4)]
    same_recovery_code = finish_at_once(gunicorn, other_log_ins)
    challenge = challenge_for(gunicorn, email)
    same_challenge = finish_at_once(
        gunicorn, [(challenge, code) for code in app.recovery_codes[1:5]]
    )

    expected = ["FACTOR_INVALID"] * 3 + ["OK"]
    assert (same_code, same_recovery_code, same_challenge) == (expected,) * 3


def add_app(service, headers):
    """Add an authenticator app to a user, through the API."""
    factors = "/api/v1/auth/factors"
    made = service.request("POST", f"{factors}/totp", {"name": "Phone"}, headers).json
    app = App(made["id"], made["secret"], time.time)
    path = f"{factors}/totp/{made['id']}/confirm"
    confirmed = service.request("POST", path, {"code": app.code()}, headers)
    app.recovery_codes = confirmed.json["recovery_codes"]
    return app


def challenge_for(service, email):
    return service.login(email).json["challenge"]


def finish_at_once(service, attempts):
    """Finish log-ins at the same moment; return what each came to, in alphabetical order."""

    def finish(challenge, code):
        body = {"challenge": challenge, "code": code}
        answer = service.request("POST", "/api/v1/auth/login/factor", body)
        return "OK" if answer.status == 200 else answer.json["code"]

    return sorted(race(*[lambda each=each: finish(*each) for each in attempts]))


def test_a_process_that_dies_is_replaced_and_takes_nothing_with_it(gunicorn, email):
    tokens = gunicorn.register(email).json
    first, started = workers_of(gunicorn), started_workers(gunicorn)

    os.kill(first[0], signal.SIGKILL)

    assert eventually(lambda: len(set(workers_of(gunicorn)) - set(first)) == 1)
    assert eventually(lambda: started_workers(gunicorn) == started + 1)
    for worker in workers_of(gunicorn):
        with only(worker, gunicorn):
            assert gunicorn.request("GET", "/protected", headers=bearer(tokens)).status == 200


def test_one_process_sweeps_at_a_time(migrated_postgres_url):
    """Whoever comes while another sweeps goes away again, and does not wait."""
    first, second = (
        database_for(open_engine(migrated_postgres_url, pool_size=1)) for _ in range(2)
    )
    with first.transaction() as sweeping:
        assert may_sweep(sweeping)
        with second.transaction() as another:
            assert not may_sweep(another)
    with second.transaction() as another:
        assert may_sweep(another)
    first.close()
    second.close()
