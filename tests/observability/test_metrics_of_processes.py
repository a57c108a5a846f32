"""Metrics of several processes, under gunicorn as `deploy/gunicorn.conf.py` sets it up."""

import contextlib
import os
import signal

import pytest
from processes import ROOT, eventually
from prometheus_client.parser import text_string_to_metric_families

GUNICORN = (
    "-m",
    "gunicorn",
    "--config",
    str(ROOT / "deploy" / "gunicorn.conf.py"),
    "--no-control-socket",
    "app:application",
)
WORKERS = 3


@pytest.fixture
def gunicorn(start_service, tmp_path, sqlite_url):
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "counter_1.db").write_bytes(b"left by an earlier run")
    return start_service(
        command=GUNICORN,
        DATABASE_URL=sqlite_url,
        WEB_CONCURRENCY=str(WORKERS),
        REQUEST_THREADS="20",
        HASH_QUEUE_SIZE="2",
        PROMETHEUS_MULTIPROC_DIR=str(folder),
    )


def scrape(service):
    with contextlib.closing(service.connect()) as connection:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def count_of(samples, route, status):
    name = "falcon_auth_http_request_duration_seconds_count"
    labels = {"method": "GET", "route": route, "status": str(status)}
    return samples.get((name, frozenset(labels.items())), 0)


def workers_of(service):
    """The processes that have written metrics, by the names of their files."""
    return {int(path.stem.rpartition("_")[2]) for path in metrics_folder(service).glob("*.db")}


def metrics_folder(service):
    return service.log_file.parent.parent / "metrics"


def test_a_scrape_adds_up_all_processes_also_those_that_have_ended(gunicorn):
    def ask(times):
        for _ in range(times):
            assert gunicorn.request("GET", "/protected").status == 401

    ask(60)
    assert eventually(lambda: len(workers_of(gunicorn)) == WORKERS)
    first = workers_of(gunicorn)
    samples = scrape(gunicorn)
    assert count_of(samples, "/protected", 401) == 60
    assert samples["falcon_auth_problems_total", frozenset({("code", "MISSING_TOKEN")})] == 60
    assert samples["falcon_auth_hash_queue_depth", frozenset()] == 0

    victim = min(first)
    os.kill(victim, signal.SIGKILL)

    assert eventually(lambda: len(workers_of(gunicorn)) == WORKERS + 1)
    assert eventually(lambda: not list(metrics_folder(gunicorn).glob(f"gauge_live*_{victim}.db")))
    ask(30)
    assert count_of(scrape(gunicorn), "/protected", 401) == 90
    assert gunicorn.stop() == 0


def test_gunicorn_serves_the_main_job_and_cleans_up(start_service, tmp_path):
    """One process with the default folder: registration, profile, and the folder goes again."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    service = start_service(
        command=GUNICORN,
        WEB_CONCURRENCY="1",
        REQUEST_THREADS="20",
        HASH_QUEUE_SIZE="2",
        TMPDIR=str(scratch),
    )

    tokens = service.register().json
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert service.request("GET", "/api/v1/protected/profile", headers=bearer).status == 200
    assert list(scratch.glob("falcon-auth-metrics-*/*.db")) != []
    registered = ("falcon_auth_registrations_total", frozenset())
    assert scrape(service)[registered] == 1

    (folder,) = scratch.glob("falcon-auth-metrics-*")
    service.process.send_signal(signal.SIGHUP)  # New workers, in the same folder.
    assert eventually(lambda: len(list(folder.glob("counter_*.db"))) == 2)
    assert eventually(lambda: service.is_ready() and scrape(service)[registered] == 1)

    assert service.stop() == 0
    assert list(scratch.glob("falcon-auth-metrics-*")) == []
