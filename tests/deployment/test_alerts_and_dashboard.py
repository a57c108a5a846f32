"""What `deploy/` asks of the metrics is what the service exports; Prometheus's own tool agrees."""

import json
import re
import shutil
import subprocess

import pytest
from processes import ROOT
from prometheus_client.parser import text_string_to_metric_families

ALERTS = ROOT / "deploy" / "prometheus-alerts.yml"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
NAME = re.compile(r"\b((?:falcon_auth|process)_[a-z_]+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'([a-z_]+)(=~|=)"([^"]*)"')
SCRAPE_LABELS = {"job", "instance"}  # Prometheus adds these.

promtool = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    promtool is None, reason="promtool is not installed (Debian's package is `prometheus`)"
)


def dashboard_expressions():
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def asked_for():
    texts = [ALERTS.read_text(), *dashboard_expressions()]
    return [found.groups(default="") for text in texts for found in NAME.finditer(text)]


@pytest.fixture
def exported(make_client, tmp_path):
    """What a service that has worked a little exports: {name: {label: values}}."""
    client = make_client(
        mail_url=f"file://{tmp_path}",
        mail_from="auth@example.org",
        webhook_url="http://127.0.0.1:9/",  # Nobody listens there.
        webhook_secret="whsec_" + "QUFB" * 8,
    )
    client.app.service.metrics.delivery("mail", "reset", "failed")
    client.profile(client.register())
    client.simulate_get("/protected")
    for breaker in ("database", "redis", "provider-google"):
        client.app.service.metrics.watch_breaker(breaker, lambda: "closed")
    names = {}
    for family in text_string_to_metric_families(client.simulate_get("/metrics").text):
        for sample in family.samples:
            labels = names.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return names


def test_every_metric_asked_for_is_exported(exported):
    names = {name for name, _ in asked_for()}

    assert len(names) > 10
    assert names - set(exported) == set()


def test_every_label_asked_for_exists_with_that_value(exported):
    """A misspelt value matches nothing, and its alert never fires."""
    checked = 0
    for name, selector in asked_for():
        for label, operator, wanted in MATCHER.findall(selector):
            if label in SCRAPE_LABELS:
                continue
            values = exported[name][label]
            if label in {"status", "route"}:
                continue  # These come with requests.
            for value in [wanted] if operator == "=" else wanted.split("|"):
                known = values | {"kid", "header"}  # Reasons that tokens show when they happen.
                assert any(re.fullmatch(value, each) for each in known), (name, label, value)
                checked += 1
    assert checked > 10


def test_every_route_asked_for_is_served(client):
    routes = set(client.app.methods)
    for _, selector in asked_for():
        for label, _, wanted in MATCHER.findall(selector):
            if label == "route":
                for pattern in wanted.split("|"):
                    assert any(re.fullmatch(pattern, route) for route in routes), pattern


def test_every_alert_is_tried_on_a_bad_day_and_on_an_ordinary_one():
    """An alert without series on the ordinary day would be quiet however wrong it is."""
    text = (ROOT / "tests" / "alerts.yml").read_text()
    ordinary, bad = text.split("- name: a bad day")
    rules = ALERTS.read_text().split("- alert: ")[1:]

    fired = set(re.findall(r'alertname="(\w+)"', bad))
    assert fired == {rule.split("\n")[0] for rule in rules}
    for rule in rules:
        for name, _ in NAME.findall(rule):
            assert f"'{name}" in ordinary, name


def test_the_dashboard_s_panels_do_not_overlap():
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def run_promtool(*arguments, **more):
    ran = subprocess.run(
        [promtool, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **more,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@needs_promtool
def test_prometheus_accepts_the_alert_rules():
    run_promtool("check", "rules", ALERTS)


@needs_promtool
def test_the_alerts_fire_when_they_should_and_only_then():
    run_promtool("test", "rules", ROOT / "tests" / "alerts.yml")


@needs_promtool
def test_prometheus_accepts_the_dashboard_s_queries(tmp_path):
    rules = [
        {"record": f"panel:{number}", "expr": expression}
        for number, expression in enumerate(dashboard_expressions())
    ]
    text = json.dumps({"groups": [{"name": "dashboard", "rules": rules}]})
    file = tmp_path / "dashboard.yml"  # JSON is YAML as well.
    file.write_text(text.replace("$__rate_interval", "1m").replace("$instance", ".*"))

    run_promtool("check", "rules", file)


@needs_promtool
def test_prometheus_has_nothing_against_the_names(client, user):
    run_promtool("check", "metrics", input=client.simulate_get("/metrics").text)
