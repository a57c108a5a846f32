"""Metrics: what they count, who may read them, and what never gets into them."""

import os
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import EMAIL, PASSWORD, outcome
from falcon import testing
from live import send_head, serving
from prometheus_client.parser import text_string_to_metric_families
from store_records import store_with

from falcon_auth.errors import CATALOGUE
from falcon_auth.keys.compact import MAX_TOKEN_LENGTH
from falcon_auth.observability.event_table import EVENTS
from falcon_auth.observability.events import Events
from falcon_auth.observability.metrics import METHODS, Metrics
from falcon_auth.stores.memory.sessions import MemorySessions
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.stores.memory.users import MemoryUsers

PRODUCTION = {"environment": "production", "bcrypt_rounds": 12, "database_url": "memory:"}
TOKEN = "a-token-for-the-scraper"


def scrape(client):
    answer = client.simulate_get("/metrics")
    assert answer.status_code == 200
    return read(answer.text)


def read(text):
    """Parse an exposition into {(name, labels): value}."""
    return {
        (sample.name.removeprefix("falcon_auth_"), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples, name, **labels):
    return samples.get((name, frozenset(labels.items())))


def requests(samples, **labels):
    return value(samples, "http_request_duration_seconds_count", **labels)


# --- Who may read


def test_metrics_are_public_where_no_token_is_set(client):
    answer = client.simulate_get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.simulate_head("/metrics").status_code == 200


def test_production_without_a_token_knows_no_metrics(make_client):
    """As unknown as any other path, whatever the method."""
    client = make_client(**PRODUCTION)

    for method in ("GET", "POST", "OPTIONS"):
        answer = client.simulate_request(method, "/metrics")
        assert outcome(answer) == (404, "NOT_FOUND")


@pytest.mark.parametrize("environment", [{}, PRODUCTION])
def test_a_token_that_is_set_is_asked_for(make_client, environment):
    client = make_client(**environment, metrics_token=TOKEN)

    missing = client.simulate_get("/metrics")
    wrong = client.as_user("GET", "/metrics", "another-token-for-scraping")
    right = client.as_user("GET", "/metrics", TOKEN)

    assert outcome(missing) == (401, "MISSING_TOKEN")
    assert missing.headers["WWW-Authenticate"] == 'Bearer realm="falcon-auth"'
    assert outcome(wrong) == (401, "TOKEN_INVALID")
    assert 'error="invalid_token"' in wrong.headers["WWW-Authenticate"]
    assert right.status_code == 200


@pytest.mark.parametrize(
    "given", [TOKEN[:-1], TOKEN + "x", TOKEN.upper(), f"{TOKEN}\u00e9", "\u00e9", f"x {TOKEN}"]
)
def test_nearly_the_token_is_not_the_token(make_client, given):
    """Bytes are compared: text beyond ASCII would raise in a comparison in constant time."""
    client = make_client(metrics_token=TOKEN)

    assert outcome(client.as_user("GET", "/metrics", given)) == (401, "TOKEN_INVALID")


def test_a_users_access_token_is_refused_as_metrics_token(make_client):
    client = make_client(metrics_token=TOKEN)

    answer = client.as_user("GET", "/metrics", client.register())

    assert outcome(answer) == (401, "TOKEN_INVALID")


def test_a_token_beyond_ascii_works_over_the_wire(make_client):
    """Header values arrive decoded as Latin-1, whatever they were."""
    client = make_client(metrics_token="schl\u00fcssel-\u4e2d")
    sent = "schl\u00fcssel-\u4e2d".encode().decode("latin-1")

    with serving(client.app) as port:
        answer = send_head(port, f"Authorization: Bearer {sent}", path="/metrics")

    assert answer.startswith("HTTP/1.1 200")


def test_a_refused_metrics_token_is_neither_logged_nor_shown(make_client, logged):
    client = make_client(metrics_token=TOKEN)

    answer = client.as_user("GET", "/metrics", "almost-the-token")

    assert "almost-the-token" not in answer.text + logged.text
    assert TOKEN not in answer.text + logged.text + repr(client.app.service.settings)


class Unreachable(MemorySessions):
    """Sessions that must not be asked."""

    def find(self, session_id):
        raise AssertionError


def test_a_scrape_asks_no_store(make_client):
    client = make_client(store=store_with(sessions=Unreachable))

    scrape(client)


# --- What is counted


def test_requests_are_counted_by_method_route_template_and_status(client, user):
    for _ in range(2):
        client.profile(user)
    client.as_user("DELETE", "/api/v1/auth/sessions/one-that-is-not-there", user)
    client.simulate_head("/health")

    samples = scrape(client)

    profile = "/api/v1/protected/profile"
    item = "/api/v1/auth/sessions/{session_id}"
    assert requests(samples, method="GET", route=profile, status="200") == 2
    assert requests(samples, method="DELETE", route=item, status="404") == 1
    assert requests(samples, method="HEAD", route="/health", status="200") == 1
    assert requests(samples, method="POST", route="/api/v1/auth/register", status="201") == 1


def test_a_request_s_duration_lands_in_its_bucket():
    metrics = Metrics()

    for seconds in (0.0004, 0.03, 7.0, 60.0):
        metrics.request("GET", "/x", 200, seconds)

    samples = read(metrics.expose().decode())
    labels = {"method": "GET", "route": "/x", "status": "200"}
    buckets = {
        le: value(samples, "http_request_duration_seconds_bucket", le=le, **labels)
        for le in ("0.001", "0.025", "0.05", "5.0", "10.0", "+Inf")
    }
    assert list(buckets.values()) == [1, 1, 2, 2, 3, 4]
    assert value(samples, "http_request_duration_seconds_sum", **labels) == pytest.approx(67.0304)


def test_clients_cannot_create_new_metric_series(client):
    """Paths, methods, codes and reasons from outside all end in a fixed word."""
    before = None
    for number in range(50):
        client.simulate_get(f"/nowhere/{number}?x={number}")
        client.simulate_get(f"/api/v1/auth/sessions/{number}/more")
        client.simulate_delete(f"/api/v1/auth/sessions/{number}")
        client.profile(f"header{number}.body{number}.signature{number}")
        client.login(email=f"someone{number}@example.com")
        client.app(testing.create_environ(path="/login", method=f"METHOD{number}"), lambda *_: None)
        names = set(scrape(client))
        before = before or names

    # The second scrape also counts the first one.
    new = {name for name in names - before if ("route", "/metrics") not in name[1]}
    assert new == set()
    assert requests(scrape(client), method="GET", route="unmatched", status="404") == 100
    assert requests(scrape(client), method="other", route="/login", status="405") == 50


def test_a_flood_of_made_up_methods_fills_no_memory():
    metrics = Metrics()
    metrics.request("GET", None, 405, 0.1)
    tracemalloc.start()
    try:
        for number in range(10_000):
            metrics.request(f"METHOD{number}", None, 405, 0.1)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert grown < 100_000


def test_log_ins_are_counted_by_result_and_reason(make_client, clock):
    client = make_client(rate_limit_requests=100)
    user_id = client.register().json["user"]["id"]
    client.login()
    client.login(password="a wrong password")
    client.login(email="nobody@example.com")
    client.login(email="no address at all")
    client.app.service.store.users.set_active(user_id, active=False, now=clock())
    client.login()

    samples = scrape(client)

    assert value(samples, "registrations_total") == 1
    assert value(samples, "logins_total", result="succeeded", reason="") == 1
    for reason, count in {"password": 1, "unknown": 1, "disabled": 1, "changed": 0}.items():
        assert value(samples, "logins_total", result="failed", reason=reason) == count


class RefusingSessions(MemorySessions):
    """The password is changed by someone else between the check and the new session."""

    def open(self, session, **more):
        return None


class RefusingUsers(MemoryUsers):
    """The password is changed by someone else between the check and the change."""

    def change_password(self, user, password_hash, **more):
        return None


def test_a_password_that_changed_meanwhile_is_counted_as_such(make_client):
    client = make_client(store=store_with(RefusingUsers, RefusingSessions))
    user = client.register()

    assert client.login().status_code == 401
    assert client.change_password(user, PASSWORD, "another horse battery").status_code == 401

    assert value(scrape(client), "logins_total", result="failed", reason="changed") == 2


def test_a_wrong_current_password_counts_as_a_failed_log_in(client, user):
    client.change_password(user, "a wrong password", "another horse battery")

    assert value(scrape(client), "logins_total", result="failed", reason="password") == 1


def test_refreshes_reuse_and_endings_are_counted(client, user, clock):
    client.refresh(user)
    client.refresh(user)  # Within the grace: the same successor again.
    clock.advance(seconds=31)
    client.refresh(user)  # Theft.
    client.logout(client.login())
    first, second = client.login(), client.login()
    session_id = client.sessions(first)[1]["id"]
    client.as_user("DELETE", f"/api/v1/auth/sessions/{session_id}", second)
    client.login()
    client.as_user("DELETE", "/api/v1/auth/sessions", client.login())

    samples = scrape(client)

    assert value(samples, "refreshes_total", result="rotated") == 1
    assert value(samples, "refreshes_total", result="repeated") == 1
    assert value(samples, "token_rejections_total", reason="reused") == 1
    assert value(samples, "sessions_ended_total", reason="reuse") == 1
    assert value(samples, "sessions_ended_total", reason="logout") == 1
    assert value(samples, "sessions_ended_total", reason="revoked") == 4
    assert value(samples, "sessions") == 6


def test_sessions_that_something_else_ends_are_counted_and_logged(make_client, logged):
    """A password change ends all others, disabling all, and one too many the oldest."""
    client = make_client(sessions_per_user=3)
    user = client.register()
    client.login()
    client.login()
    client.login()  # Evicts the one of the registration.
    latest = client.login()  # And the next.
    client.change_password(latest, PASSWORD, "another horse battery")
    client.login(password="another horse battery")
    client.app.service.administration.set_active(EMAIL, active=False)
    client.app.service.administration.set_active(EMAIL, active=False)  # None is left.

    samples = scrape(client)

    ended = {"evicted": 2, "password": 2, "disabled": 2, "revoked": 0}
    for reason, count in ended.items():
        assert value(samples, "sessions_ended_total", reason=reason) == count, reason
    lines = logged.events("sessions_ended")
    assert [(line["reason"], line["count"]) for line in lines] == [
        ("evicted", 1),
        ("evicted", 1),
        ("password", 2),
        ("disabled", 2),
    ]
    assert {line["user_id"] for line in lines} == {user.json["user"]["id"]}


def test_a_session_behind_its_token_is_counted(make_client):
    """A store that was put back in time ends the chain."""
    for kind, count in ((MemorySessions, 1), (EndedMeanwhile, 0)):
        store, older = MemoryStore(), store_with(sessions=kind)
        client = make_client(store=store)
        user = client.register()
        older.load(*store.dump())
        successor = client.refresh(user)
        client = make_client(store=older)

        client.refresh(successor)
        client.refresh(successor)

        assert value(scrape(client), "sessions_ended_total", reason="behind") == count


class EndedMeanwhile(MemorySessions):
    """Another request ends the session just before."""

    def end(self, session_id, *, now, **more):
        super().end(session_id, now=now)
        return super().end(session_id, now=now, **more)


def test_a_session_s_end_is_counted_once_however_many_see_it(make_client, clock):
    store = store_with(sessions=EndedMeanwhile)
    client = make_client(store=store)
    stolen, other = client.register(), client.login()
    client.refresh(stolen)
    clock.advance(seconds=31)
    client.refresh(stolen)
    client.logout(other)

    samples = scrape(client)

    assert value(samples, "token_rejections_total", reason="reused") == 1
    for reason in (*EVENTS["session_ended"].words, *EVENTS["sessions_ended"].words):
        assert value(samples, "sessions_ended_total", reason=reason) == 0


def test_refused_tokens_are_counted_by_reason(client, user, clock):
    access = user.json["access_token"]
    head, payload, signature = access.split(".")
    changed = "A" if signature[0] != "A" else "B"
    client.profile(f"{head}.{payload}.{changed}{signature[1:]}")
    client.profile("no token")
    client.profile("a" * (MAX_TOKEN_LENGTH + 1))
    client.profile(user.json["refresh_token"])
    client.simulate_get("/protected")  # Missing is not refused.
    client.logout(user)
    client.profile(access)
    clock.advance(hours=1)
    client.profile(access)

    samples = scrape(client)

    reasons = ("signature", "form", "too_long", "type", "revoked", "expired")
    for reason in reasons:
        assert value(samples, "token_rejections_total", reason=reason) == 1, reason
    assert value(samples, "problems_total", code="MISSING_TOKEN") == 1
    assert value(samples, "problems_total", code="TOKEN_INVALID") == 4


def test_attempts_beyond_a_limit_are_counted_by_limit(make_client):
    client = make_client(rate_limit_requests=1, rate_limit_registrations=1)
    client.register()
    client.register("bob@example.com")
    for _ in range(3):
        client.login(password="a wrong password")

    samples = scrape(client)

    assert value(samples, "rate_limited_total", limit="registration") == 1
    assert value(samples, "rate_limited_total", limit="login-pair") == 2
    assert value(samples, "problems_total", code="RATE_LIMITED") == 3


def test_every_error_is_counted_and_logged_by_its_code(client, logged):
    client.simulate_get("/nowhere")
    client.post("/login", {"email": EMAIL, "password": PASSWORD, "more": 1})
    client.simulate_get("/health")

    samples = scrape(client)

    assert value(samples, "problems_total", code="NOT_FOUND") == 1
    assert value(samples, "problems_total", code="VALIDATION_FAILED") == 1
    codes = [line["code"] for line in logged.events("request")]
    assert codes == ["NOT_FOUND", "VALIDATION_FAILED", None, None]


def test_refusals_for_want_of_a_scope_are_counted_by_scope(make_client):
    """A proxy passes on what its client asks for: an undeclared scope is `other`."""
    client = make_client(scopes=("notes:read",))
    bearer = {"Authorization": f"Bearer {client.register().json['access_token']}"}
    client.simulate_get("/api/v1/admin/roles", headers=bearer)
    for scope in ("notes:read notes:read", "made:up", "made:up:too", ""):
        client.simulate_get("/api/v1/auth/check", headers=bearer, params={"scope": scope})

    samples = scrape(client)

    counted = {
        dict(labels)["scope"]: count
        for (name, labels), count in samples.items()
        if name == "scope_refusals_total" and count
    }
    assert counted == {"roles:write": 1, "notes:read": 1, "other": 2}
    assert value(samples, "problems_total", code="INSUFFICIENT_SCOPE") == 4


def test_changes_of_accounts_are_counted_by_event(client, user):
    client.change_password(user, PASSWORD, "another horse battery")
    client.app.service.administration.set_active(EMAIL, active=False)

    samples = scrape(client)

    changes = {"password_changed": 1, "user_disabled": 1, "user_enabled": 0}
    for change, count in changes.items():
        assert value(samples, "account_changes_total", change=change) == count, change
    assert value(samples, "alarms_total", alarm="factor_challenge_void") == 0


def test_hashes_are_timed_and_the_queue_is_shown(client, user):
    client.login()

    samples = scrape(client)

    assert value(samples, "hash_duration_seconds_count", kind="bcrypt") == 2
    assert value(samples, "hash_queue_depth") == 0


def test_events_are_counted_however_little_is_logged(client, logged):
    """Counting log lines would stop where LOG_LEVEL hides them."""
    from falcon_auth.observability.logs import configure_logging

    configure_logging(level="ERROR", form="json", stream=logged.stream)
    client.register()

    samples = scrape(client)

    assert logged.text.count("user_registered") == 0
    assert value(samples, "registrations_total") == 1


def test_what_can_be_foreseen_is_there_from_the_start_as_zero(client):
    """The first theft would else be a new series, whose first step no alert sees."""
    samples = scrape(client)

    assert value(samples, "token_rejections_total", reason="reused") == 0
    for code in CATALOGUE:
        assert value(samples, "problems_total", code=code) == 0


def test_two_services_count_apart(make_client):
    one, other = make_client(), make_client()
    one.register()

    assert value(scrape(one), "registrations_total") == 1
    assert value(scrape(other), "registrations_total") == 0


def test_no_value_of_a_user_gets_into_the_metrics(client, user):
    client.login(email="mallory@example.com", password="hunter2 hunter2")
    session_id = client.sessions(user)[0]["id"]
    client.as_user("DELETE", f"/api/v1/auth/sessions/{session_id}", user)

    text = client.simulate_get("/metrics").text

    for secret in (EMAIL, "mallory", PASSWORD, "hunter2", session_id, user.json["access_token"]):
        assert secret not in text
    assert user.json["user"]["id"] not in text


# --- Gauges


def test_a_gauge_is_read_at_each_scrape():
    metrics, depths = Metrics(), iter([3, 5])
    metrics.gauge("depth", "How deep", lambda: next(depths))

    assert value(read(metrics.expose().decode()), "depth") == 3
    assert value(read(metrics.expose().decode()), "depth") == 5


def test_a_gauge_may_have_labels():
    metrics = Metrics()
    for number, kid in enumerate(("a", "b")):
        metrics.gauge("key_age", "Seconds", lambda number=number: number, kid=kid)

    samples = read(metrics.expose().decode())

    assert value(samples, "key_age", kid="a") == 0
    assert value(samples, "key_age", kid="b") == 1


@pytest.mark.parametrize(("state", "number"), [("closed", 0), ("half_open", 1), ("open", 2)])
def test_a_breaker_s_state_is_shown(state, number):
    metrics = Metrics()
    metrics.watch_breaker("database", lambda: state)

    samples = read(metrics.expose().decode())

    assert value(samples, "breaker_state", breaker="database") == number


def test_counting_is_exact_under_threads():
    metrics = Metrics()

    def count(_):
        metrics.request("GET", "/x", 200, 0.001)
        Events(metrics.count).record("user_registered", user_id="u")
        metrics.problem("NOT_FOUND")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(2000)))

    samples = read(metrics.expose().decode())
    assert requests(samples, method="GET", route="/x", status="200") == 2000
    assert value(samples, "registrations_total") == 2000
    assert value(samples, "problems_total", code="NOT_FOUND") == 2000


@pytest.mark.parametrize("method", sorted(METHODS))
def test_known_methods_keep_their_names(method):
    metrics = Metrics()

    metrics.request(method, "/x", 200, 0.001)

    samples = read(metrics.expose().decode())
    assert requests(samples, method=method, route="/x", status="200") == 1


# --- Several processes

SHARER = """
import sys
from falcon_auth.observability.metrics import Metrics
from falcon_auth.observability.metrics_folder import shared_folder

metrics = Metrics(shared_folder())
metrics.gauge("depth", "How deep", lambda: 2)
metrics.gauge("worst", "How bad", lambda: int(sys.argv[1]), combine="max")
for _ in range(int(sys.argv[1])):
    metrics.request("GET", "/x", 200, 0.03)
    metrics.count("registrations", (), 1)
metrics.sample()
sys.stdout.buffer.write(metrics.expose())
"""


def share(folder, count):
    ran = subprocess.run(
        [sys.executable, "-c", SHARER, str(count)],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    return read(ran.stdout.decode())


def test_processes_that_share_a_folder_add_up(tmp_path):
    share(tmp_path, 3)
    samples = share(tmp_path, 4)

    assert requests(samples, method="GET", route="/x", status="200") == 7
    assert value(samples, "registrations_total") == 7
    assert value(samples, "depth") == 4
    assert value(samples, "worst") == 4
    labels = {"method": "GET", "route": "/x", "status": "200"}
    buckets = [
        value(samples, "http_request_duration_seconds_bucket", le=le, **labels)
        for le in ("0.025", "0.05", "+Inf")
    ]
    assert buckets == [0, 7, 7]


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_a_folder_that_is_none_refuses_the_start(tmp_path, folder):
    ran = subprocess.run(
        [sys.executable, "-c", "from falcon_auth.commands.serve import build; build()"],
        env={
            **os.environ,
            "ENVIRONMENT": "testing",
            "PROMETHEUS_MULTIPROC_DIR": folder and str(tmp_path / folder),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 2
    assert "PROMETHEUS_MULTIPROC_DIR: is not a folder" in ran.stderr
    assert "Traceback" not in ran.stderr
