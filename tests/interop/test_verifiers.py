"""Verifiers that others wrote, with a cache of the key set: through a rotation, and after one.

Each runs in a process of its own, as its documentation sets it up, and its cache goes by the
test's clock. What each does with a key that was removed is said in docs/keys.md, as measured here.
"""

import json
import subprocess
import time

import pytest
from conftest import Clock
from key_operator import CACHE, Operator
from processes import PATIENCE, ROOT, free_port
from third_parties import FOLDER, node_tools, verifier_python

from falcon_auth.testing.service import TestService

__all__ = ["node_tools", "verifier_python"]  # Fixtures.

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

AUDIENCE = "orders"
STEP = 30  # Seconds of the clock between two questions.
# For how many seconds each takes a key that is gone, counted from the fetch of its key set.
KEPT = {"jose": 600, "express-oauth2-jwt-bearer": 600, "PyJWKClient": 300, "fastapi-jwks": 600}


class Verifier:
    """A process with one library, which answers a question a line."""

    def __init__(self, process, clock):
        self._process, self._clock = process, clock

    def says(self, token):
        asked = json.dumps({"now": self._clock(), "token": token})
        self._process.stdin.write(f"{asked}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@pytest.fixture
def clock():
    """Three hours ago: PyJWT looks at no other clock than the machine's for what a token says."""
    return Clock(int(time.time()) - 3 * 3600)


@pytest.fixture
def operator(tmp_path, clock):
    operator = Operator(tmp_path / "keys", clock)
    operator.add()
    return operator


@pytest.fixture
def service(operator, clock):
    """A service whose issuer is its own address, as it is behind a proxy."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    settings = {
        "jwt_algorithm": "ES256",
        "jwt_key_directory": operator.path,
        "jwt_issuer": address,
        "public_url": address,
        "jwt_audience": "billing,orders",
        "access_token_expire_minutes": 24 * 60,
        "port": port,
    }
    with TestService(settings, clock) as service:
        assert service.url == address
        yield service


@pytest.fixture(params=KEPT)
def library(request):
    return request.param


@pytest.fixture
def verifier(library, service, clock, request):
    if library in {"PyJWKClient", "fastapi-jwks"}:
        command = [request.getfixturevalue("verifier_python") / "python", "verify.py"]
    else:
        request.getfixturevalue("node_tools")
        command = ["node", "verify.mjs"]
    arguments = [library, service.url, service.url, AUDIENCE]
    with subprocess.Popen(
        [str(each) for each in (*command, *arguments)],
        cwd=FOLDER / "verifiers",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Verifier(process, clock)
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


def log_in(service, user):
    """Return a fresh access token, by whichever key signs now."""
    service.app.service.reload_keys()
    body = {"email": user.email, "password": user.password}
    return service.client.simulate_post("/api/v1/auth/login", json=body).json["access_token"]


def test_an_access_token_is_accepted_and_a_refresh_token_refused(verifier, service):
    user = service.new_user("ada@example.com")

    assert verifier.says(user.access_token) == "accepted"
    assert verifier.says(user.refresh_token) not in {"accepted", "type"}


def test_a_key_rotation_never_causes_a_401_whenever_the_key_set_was_fetched(
    verifier, service, operator, clock
):
    """The copy is as old as can be when the new key signs: fetched just before it was published."""
    user = service.new_user("ada@example.com")
    assert verifier.says(user.access_token) == "accepted"
    operator.add()

    for second in range(0, 2 * CACHE, STEP):
        if second == CACHE - CACHE % STEP:
            operator.promote()
        for token in (user.access_token, log_in(service, user)):
            assert verifier.says(token) == "accepted", second
        clock.advance(seconds=STEP)


def test_a_removed_key_is_taken_for_as_long_as_the_page_says(
    library, verifier, service, operator, clock
):
    user = service.new_user("ada@example.com")
    active = operator.folder.read_plan().only("active").kid
    operator.add()
    operator.promote(force=True)
    log_in(service, user)
    assert verifier.says(user.access_token) == "accepted"  # And the key set is fetched.

    operator.remove(active, force=True)
    log_in(service, user)
    fetched_at = clock()
    while verifier.says(user.access_token) == "accepted":
        clock.advance(seconds=STEP)
        assert clock() - fetched_at < 3600

    assert KEPT[library] <= clock() - fetched_at <= KEPT[library] + STEP
    page = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
    assert f"| {library} | {KEPT[library]} s |" in page
