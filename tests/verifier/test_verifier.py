"""The guard for other services: what it lets through, and what it does when keys are away."""

import http.server
import json
import re
import select
import socket
import ssl
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress

import falcon
import pytest
from conftest import Clock, outcome
from falcon import testing
from key_material import ALGORITHMS, private_key
from processes import ROOT, free_port, in_child, run_python
from token_samples import SESSION, USER

from falcon_auth.errors import InvalidTokenError, StoreUnavailableError
from falcon_auth.keys import Key, KeyRing, after_fork
from falcon_auth.sessions.tokens import TokenCodec
from falcon_auth.verifier import GuardedApp, Verifier, public
from falcon_auth.verifier.fetch import MAX_BYTES, Fetched, FetchError, HttpFetch, _Attempt
from falcon_auth.verifier.jwks import (
    MAX_AGE_SECONDS,
    MAX_KEYS,
    MAX_STALE_SECONDS,
    MAX_WAITERS,
    RETRY_SECONDS,
    JwksKeys,
    read_key_set,
)

KEYS = {kind: Key.asymmetric(private_key(kind), kind) for kind in ALGORITHMS}
FIRST, SECOND = KEYS["ES256"], KEYS["EdDSA"]
PATIENCE_SECONDS = 0.2  # Of a fetch that is to be given up.
SECRETS = ["a-key-of-the-tests-that-is-long-enough", "another-key-that-is-long-enough-too"]


def key_set(*keys):
    return json.dumps(KeyRing(keys).jwks()).encode()


class Publisher:
    """A `Fetch` that answers what it is told to, and counts."""

    def __init__(self, *keys):
        self.answer = Fetched(key_set(*keys), '"e"', 300)
        self.fetched = 0
        self.etags = []

    def publish(self, *keys):
        self.answer = Fetched(key_set(*keys), '"e2"', 300)

    def go_away(self):
        self.answer = None

    def __call__(self, etag):
        self.fetched += 1
        self.etags.append(etag)
        if self.answer is None:
            raise FetchError("ConnectionRefusedError")
        return self.answer


@pytest.fixture
def publisher():
    return Publisher(FIRST)


@pytest.fixture
def jwks(publisher, clock):
    return JwksKeys(publisher, monotonic=clock)


@pytest.fixture
def verifier(jwks, clock):
    return Verifier(jwks, issuer="us", audience="orders", clock=clock)


def token_of(key, clock, **options):
    options = {"issuer": "us", "audience": "orders"} | options
    codec = TokenCodec(KeyRing([key]), clock=clock, access_seconds=900, **options)
    return codec.issue_access(USER, SESSION).text


# --- The guard


class Orders:
    def on_get(self, req, resp):
        resp.media = {"orders_of": req.context.caller.email}


@public
class Health:
    def on_get(self, req, resp):
        resp.media = {"status": "ok"}


@pytest.fixture
def orders(verifier):
    app = GuardedApp(verifier)
    app.add_route("/orders", Orders())
    app.add_route("/health", Health())
    return testing.TestClient(app)


def ask(client, token):
    return client.simulate_get("/orders", headers={"Authorization": f"Bearer {token}"})


def test_every_resource_is_guarded_unless_it_says_public(orders, clock):
    assert outcome(orders.simulate_get("/orders")) == (401, "MISSING_TOKEN")
    assert orders.simulate_get("/health").json == {"status": "ok"}
    assert ask(orders, token_of(FIRST, clock)).json == {"orders_of": USER.email}
    assert outcome(orders.simulate_get("/nothing")) == (404, "NOT_FOUND")


def test_the_documented_example_is_guarded():
    text = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {"Orders": Orders}

    exec(example, names)  # noqa: S102 - the documentation's own text

    client = testing.TestClient(names["app"])
    assert outcome(client.simulate_get("/orders")) == (401, "MISSING_TOKEN")


class Unwritable:
    def on_get(self, req, resp):
        resp.media = {"orders": object()}


def test_an_answer_that_cannot_be_written_is_a_500_in_the_log_too(orders, clock, logged):
    """Not an empty 500 that the log takes for a success."""
    orders.app.add_route("/unwritable", Unwritable())
    bearer = {"Authorization": f"Bearer {token_of(FIRST, clock)}"}

    answer = orders.simulate_get("/unwritable", headers=bearer)

    assert outcome(answer) == (500, "INTERNAL_ERROR")
    assert logged.events("request")[-1]["status"] == 500
    assert len(logged.events("internal_error")) == 1


def test_nothing_can_be_added_past_the_guard(orders):
    with pytest.raises(TypeError):
        orders.app.add_sink(lambda _req, _resp: None)
    with pytest.raises(TypeError):
        orders.app.add_static_route("/files", "files")
    assert isinstance(orders.app, falcon.App)


def moved(clock, **parts):
    other = Clock(clock.now)
    other.advance(**parts)
    return other


BAD = {
    "aud": lambda clock: token_of(FIRST, clock, audience="notes"),
    "iss": lambda clock: token_of(FIRST, clock, issuer="them"),
    "kid": lambda clock: token_of(SECOND, clock),
    "not_yet_valid": lambda clock: token_of(FIRST, moved(clock, seconds=40)),
    "form": lambda _: "garbage",
    "signature": lambda clock: token_of(FIRST, clock)[:-4] + "AAAA",
}


@pytest.mark.parametrize("reason", BAD)
def test_the_reason_of_a_refused_token_is_logged_and_not_disclosed(reason, orders, clock, logged):
    token = BAD[reason](clock)

    answer = ask(orders, token)

    assert outcome(answer) == (401, "TOKEN_INVALID")
    assert reason not in json.dumps(answer.json)
    (event,) = logged.events("token_rejected")
    assert event["reason"] == reason
    assert event["seconds"] == (40 if reason == "not_yet_valid" else None)
    assert token not in logged.text


def test_how_long_ago_a_token_expired_is_logged(orders, clock, logged):
    """Seconds tell a wrong clock from an old token."""
    token = token_of(FIRST, clock)
    clock.advance(seconds=940)

    assert outcome(ask(orders, token)) == (401, "TOKEN_EXPIRED")
    (event,) = logged.events("token_rejected")
    assert (event["reason"], event["seconds"]) == ("expired", 40)


def test_a_refresh_token_opens_nothing(orders, clock):
    codec = TokenCodec(
        KeyRing([FIRST]), clock=clock, access_seconds=900, issuer="us", audience="orders"
    )

    assert outcome(ask(orders, codec.issue_refresh(USER, SESSION).text))[0] == 401


def test_secrets_verify_through_their_rotation(clock):
    verifier = Verifier.from_secrets(SECRETS, issuer=None, audience=None, leeway_seconds=2**40)

    for secret in SECRETS:
        token = token_of(Key.symmetric(secret, "HS256"), clock, issuer=None, audience=None)
        assert verifier.authenticate(token).email == USER.email
    with pytest.raises(InvalidTokenError):
        verifier.authenticate(token_of(FIRST, clock))


def test_it_needs_neither_database_nor_password_hashing(tmp_path):
    program = """
import sys
for name in ("bcrypt", "argon2", "sqlalchemy", "alembic", "redis", "pydantic",
             "pydantic_settings", "jsonschema", "email_validator", "zxcvbn", "waitress", "click",
             "prometheus_client"):
    sys.modules[name] = None  # An import of it fails.
from falcon_auth.verifier import GuardedApp, Verifier
from falcon import testing
verifier = Verifier.from_jwks("https://auth.example/jwks.json", issuer="us", audience="me")
answer = testing.TestClient(GuardedApp(verifier)).simulate_get("/nothing")
assert answer.json["code"] == "NOT_FOUND", answer.json
assert not [name for name in sys.modules if name.startswith("falcon_auth.stores")]
"""

    ran = run_python("-c", program, cwd=tmp_path)

    assert (ran.returncode, ran.stderr) == (0, "")


# --- The cache


def test_keys_are_fetched_once_and_kept(verifier, publisher, clock):
    for _ in range(5):
        verifier.authenticate(token_of(FIRST, clock))

    assert publisher.fetched == 1


def test_keys_are_renewed_when_they_are_too_old(verifier, publisher, clock):
    verifier.authenticate(token_of(FIRST, clock))
    publisher.answer = Fetched(None, '"e"', 300)
    clock.advance(seconds=300)

    verifier.authenticate(token_of(FIRST, clock))

    assert publisher.etags == [None, '"e"']
    clock.advance(seconds=299)
    verifier.authenticate(token_of(FIRST, clock))
    assert publisher.fetched == 2


def test_a_key_that_is_no_longer_published_is_dropped(verifier, publisher, clock):
    verifier.authenticate(token_of(FIRST, clock))
    publisher.publish(SECOND)
    clock.advance(seconds=300)

    with pytest.raises(InvalidTokenError):
        verifier.authenticate(token_of(FIRST, clock))


@pytest.mark.parametrize(
    ("stated", "kept"), [(0, 30), (1, 30), (600, 600), (10**9, MAX_AGE_SECONDS), (None, 300)]
)
def test_the_published_age_is_bounded(stated, kept, verifier, publisher, clock):
    publisher.answer = Fetched(key_set(FIRST), None, stated)
    verifier.authenticate(token_of(FIRST, clock))

    clock.advance(seconds=kept - 1)
    verifier.authenticate(token_of(FIRST, clock))
    assert publisher.fetched == 1
    clock.advance(seconds=1)
    verifier.authenticate(token_of(FIRST, clock))
    assert publisher.fetched == 2


def test_an_unknown_kid_is_looked_for_once(verifier, publisher, clock):
    verifier.authenticate(token_of(FIRST, clock))
    publisher.publish(FIRST, SECOND)

    assert verifier.authenticate(token_of(SECOND, clock)).email == USER.email
    assert publisher.fetched == 2


def test_made_up_kids_cause_no_storm(verifier, publisher, clock):
    verifier.authenticate(token_of(FIRST, clock))

    for _ in range(50):
        with pytest.raises(InvalidTokenError):
            verifier.authenticate(token_of(SECOND, clock))
    assert publisher.fetched == 2
    clock.advance(seconds=RETRY_SECONDS)
    with pytest.raises(InvalidTokenError):
        verifier.authenticate(token_of(SECOND, clock))
    assert publisher.fetched == 3


def test_cached_keys_go_on_while_the_address_is_away(verifier, publisher, clock, logged):
    verifier.authenticate(token_of(FIRST, clock))
    publisher.go_away()

    for _ in range(5):
        clock.advance(hours=1)
        assert verifier.authenticate(token_of(FIRST, clock)).email == USER.email

    assert len(logged.events("keys_not_fetched")) == 5
    clock.advance(seconds=MAX_STALE_SECONDS)
    with pytest.raises(StoreUnavailableError):  # Not for ever: a stolen key would live on.
        verifier.authenticate(token_of(FIRST, clock))
    publisher.publish(FIRST)
    clock.advance(seconds=RETRY_SECONDS)
    assert verifier.authenticate(token_of(FIRST, clock)).email == USER.email


def test_an_unknown_kid_cannot_be_judged_while_the_address_is_away(verifier, publisher, clock):
    """The key may be new: 503 has the client try again, 401 would log it out."""
    verifier.authenticate(token_of(FIRST, clock))
    publisher.go_away()

    with pytest.raises(StoreUnavailableError):
        verifier.authenticate(token_of(SECOND, clock))


def test_an_address_that_was_away_just_now_is_left_alone(verifier, publisher, clock):
    verifier.authenticate(token_of(FIRST, clock))
    publisher.go_away()
    clock.advance(seconds=300)
    verifier.authenticate(token_of(FIRST, clock))

    with pytest.raises(StoreUnavailableError):
        verifier.authenticate(token_of(SECOND, clock))

    assert publisher.fetched == 2


def test_without_any_keys_the_answer_is_503_and_soon_tried_again(orders, publisher, clock):
    publisher.go_away()

    answer = ask(orders, token_of(FIRST, clock))
    assert outcome(answer) == (503, "STORE_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) >= 1
    ask(orders, token_of(FIRST, clock))
    assert publisher.fetched == 1
    publisher.publish(FIRST)
    clock.advance(seconds=1)

    assert ask(orders, token_of(FIRST, clock)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"keys": {}}', b"<html>", json.dumps({"keys": [{}] * 101}).encode()],
)
def test_an_invalid_key_set_is_treated_like_no_answer(body, verifier, publisher, clock):
    verifier.authenticate(token_of(FIRST, clock))
    publisher.answer = Fetched(body, None, 300)
    clock.advance(seconds=300)

    assert verifier.authenticate(token_of(FIRST, clock)).email == USER.email
    assert MAX_KEYS == 100


@pytest.mark.parametrize("keys", [[], [{"kty": "oct", "k": "AAAA", "kid": "x"}]])
def test_a_key_set_without_a_usable_key_does_not_replace_good_keys(
    keys, verifier, publisher, clock, logged
):
    """The service was started without its key, say: nobody could sign a token by that set."""
    verifier.authenticate(token_of(FIRST, clock))
    publisher.answer = Fetched(json.dumps({"keys": keys}).encode(), None, 300)
    clock.advance(seconds=300)

    assert verifier.authenticate(token_of(FIRST, clock)).email == USER.email
    (event,) = logged.events("keys_not_fetched")
    assert (event["reason"], event["cached"]) == ("holds no key that can be used here", True)
    publisher.publish(SECOND)
    clock.advance(seconds=RETRY_SECONDS)
    assert verifier.authenticate(token_of(SECOND, clock)).email == USER.email


def test_an_empty_key_set_at_the_start_is_503(orders, publisher, clock):
    """The tokens may be good: a 401 would log everybody out."""
    publisher.publish()

    assert outcome(ask(orders, token_of(FIRST, clock))) == (503, "STORE_UNAVAILABLE")


def test_not_modified_without_a_copy_is_like_no_answer(verifier, publisher, clock):
    publisher.answer = Fetched(None, None, 300)

    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            verifier.authenticate(token_of(FIRST, clock))
    assert publisher.fetched == 1


def jwk_of(key, **changes):
    members = dict(key.jwk) | changes
    return {name: value for name, value in members.items() if value is not None}


IGNORED = {
    "a secret": {"kty": "oct", "k": "AAAA", "kid": "x", "alg": "HS256"},
    "a secret in disguise": jwk_of(FIRST, kty="oct", k="AAAA"),
    "an HMAC algorithm": jwk_of(FIRST, alg="HS256"),
    "no algorithm": jwk_of(FIRST, alg="none"),
    "for encryption": jwk_of(FIRST, use="enc"),
    "another kid": jwk_of(FIRST, kid="../../etc/passwd"),
    "no kid": jwk_of(FIRST, kid=None),
    "another kind": jwk_of(FIRST, alg="RS256"),
    "an RSA key for nothing": jwk_of(KEYS["RS256"], alg=None),
    "off the curve": jwk_of(FIRST, x=FIRST.jwk["y"]),
    "half": jwk_of(FIRST, y=None),
    "another curve": jwk_of(FIRST, crv="P-384"),
    "Ed448": jwk_of(SECOND, crv="Ed448"),
    "a short point": jwk_of(SECOND, x="AAAA"),
    "a small RSA key": jwk_of(KEYS["RS256"], n="AQAB"),
    "an empty one": jwk_of(KEYS["RS256"], n=""),
    "an even exponent": jwk_of(KEYS["RS256"], e="AA"),
    "numbers": jwk_of(KEYS["RS256"], n=5),
    "lists": jwk_of(FIRST, crv=["P-256"], alg=None),
    "a list for an algorithm": jwk_of(FIRST, alg=["ES256"]),
    "no object": "key",
    "nothing": None,
}


@pytest.mark.parametrize("name", IGNORED)
def test_a_key_that_is_not_understood_is_left_out(name):
    read = read_key_set(json.dumps({"keys": [IGNORED[name], dict(SECOND.jwk)]}).encode())

    assert [key.kid for key in read] == [SECOND.kid]


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_every_published_key_is_understood(kind):
    """Its private half, published by mistake, is not taken along."""
    published = KEYS[kind].implementation.to_jwk(private_key(kind), as_dict=True)
    body = json.dumps({"keys": [published | dict(KEYS[kind].jwk)]}).encode()

    (read,) = read_key_set(body)

    assert (read.kid, read.algorithm, read.signing) == (KEYS[kind].kid, kind, None)


@pytest.mark.parametrize("kind", ["ES256", "EdDSA"])
def test_the_curve_tells_the_algorithm_where_it_is_not_stated(kind):
    (read,) = read_key_set(json.dumps({"keys": [jwk_of(KEYS[kind], alg=None)]}).encode())

    assert read.algorithm == kind


# --- Many threads


class Slow(Publisher):
    """Answers when released."""

    def __init__(self, *keys):
        super().__init__(*keys)
        self.slow = True
        self.entered, self.released = threading.Event(), threading.Event()

    def __call__(self, etag):
        if self.slow:
            self.entered.set()
            assert self.released.wait(30)
        return super().__call__(etag)


def test_many_first_requests_make_one_fetch(clock):
    publisher = Slow(FIRST)
    keys = JwksKeys(publisher, monotonic=clock)

    with ThreadPoolExecutor(MAX_WAITERS) as pool:
        asked = [pool.submit(keys.current) for _ in range(MAX_WAITERS)]
        assert publisher.entered.wait(30)
        publisher.released.set()

    assert {id(each.result()) for each in asked} == {id(keys.current())}
    assert publisher.fetched == 1


def test_no_more_than_a_few_threads_wait(clock):
    """The others are told to try again: an address that hangs must not hold the service up."""
    publisher = Slow(FIRST)
    keys = JwksKeys(publisher, monotonic=clock)

    with ThreadPoolExecutor(MAX_WAITERS + 1) as pool:
        asked = [pool.submit(keys.current) for _ in range(MAX_WAITERS + 1)]
        assert publisher.entered.wait(30)
        refused = next(as_completed(asked, timeout=30))
        publisher.released.set()

    assert isinstance(refused.exception(), StoreUnavailableError)
    assert sum(each.exception() is None for each in asked) == MAX_WAITERS


@pytest.mark.parametrize(("idle", "waits"), [(301, False), (3_600, True)])
def test_a_busy_process_goes_on_while_keys_are_renewed_and_an_idle_one_waits(idle, waits, clock):
    publisher = Slow(FIRST)
    publisher.slow = False
    keys = JwksKeys(publisher, monotonic=clock)
    old = keys.current()
    publisher.publish(SECOND)
    publisher.slow = True
    clock.advance(seconds=idle)

    with ThreadPoolExecutor(2) as pool:
        renewing = pool.submit(keys.current)
        assert publisher.entered.wait(30)
        other = pool.submit(keys.current)
        if not waits:
            assert other.result(timeout=30) is old
        publisher.released.set()

    assert renewing.result() is keys.current()
    if waits:
        assert other.result() is renewing.result()


def test_a_kid_that_another_thread_fetches_is_waited_for(clock):
    publisher = Slow(FIRST)
    publisher.slow = False
    verifier = Verifier(
        JwksKeys(publisher, monotonic=clock), issuer="us", audience="orders", clock=clock
    )
    verifier.authenticate(token_of(FIRST, clock))
    publisher.publish(FIRST, SECOND)
    publisher.slow = True

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(verifier.authenticate, token_of(SECOND, clock)) for _ in range(4)]
        assert publisher.entered.wait(30)
        publisher.released.set()

    assert [each.result().email for each in asked] == [USER.email] * 4
    assert publisher.fetched == 2


def test_unknown_kids_hold_up_no_more_than_a_few_threads(clock):
    """While the address hangs; the others are not refused, but told to try again."""
    publisher = Slow(FIRST)
    publisher.slow = False
    keys = JwksKeys(publisher, monotonic=clock)
    keys.current()
    publisher.slow = True

    with ThreadPoolExecutor(MAX_WAITERS + 1) as pool:
        asked = [pool.submit(keys.key_for, SECOND.kid) for _ in range(MAX_WAITERS + 1)]
        assert publisher.entered.wait(30)
        refused = next(as_completed(asked, timeout=30))
        publisher.released.set()

    assert isinstance(refused.exception(), StoreUnavailableError)
    assert publisher.fetched == 2


@pytest.mark.parametrize("why", ["no keys yet", "an unknown kid"])
def test_a_fork_during_a_fetch_fetches_in_the_child(why, clock):
    """The thread that held the turn is not in the child, and cannot give it back."""
    publisher = Slow(FIRST)
    publisher.slow = False
    keys = JwksKeys(publisher, monotonic=clock)
    if why == "an unknown kid":
        keys.current()
    publisher.publish(FIRST, SECOND)
    publisher.slow = True

    def check():
        publisher.slow = False
        assert keys.key_for(SECOND.kid).kid == SECOND.kid

    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(keys.key_for, SECOND.kid)
        assert publisher.entered.wait(30)
        said = in_child(check)
        publisher.released.set()

    assert said == ""
    assert fetching.result().kid == SECOND.kid


def test_a_reset_after_a_fork_gives_the_turn_back(clock):
    """The same in this process, where it can be seen from within."""
    publisher = Slow(FIRST)
    keys = JwksKeys(publisher, monotonic=clock)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(keys.current)
        assert publisher.entered.wait(30)
        publisher.slow = False
        after_fork.reset_all()
        assert [key.kid for key in keys.current().keys] == [FIRST.kid]
        publisher.released.set()


# --- Over HTTP


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers each path in a way of its own."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        getattr(self, self.path.strip("/"))()

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def keys(self):
        if self.headers["If-None-Match"] == '"one"':
            self.reply(304, ETag='"one"', Cache_Control="max-age=60")
        else:
            age = {"Cache_Control": 'public, max-age="300"', "Age": "100"}
            self.reply(200, key_set(FIRST), ETag='"one"', **age)

    def bare(self):
        self.reply(200, key_set(FIRST), Cache_Control="s-max-age=5, no-cache", Age="x")

    def redirect(self):
        self.reply(302, Location=self.server.url + "/keys")

    def to_file(self):
        self.reply(302, Location="file:///etc/passwd")

    def fail(self):
        self.reply(500, b"no")

    def large(self):
        self.reply(200, b" " * (MAX_BYTES + 1))

    def garbage(self):
        self.wfile.write(b"\x00\x01 garbage\r\n\r\n")
        self.close_connection = True

    def cut(self):
        self.reply(200, b"", Content_Length="100")
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def tls_web(web, tmp_path_factory):
    """The same by https, under a certificate that nobody trusts."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *(
                "-nodes",
                "-days",
                "1",
                "-subj",
                "/CN=localhost",
                "-keyout",
                "k.pem",
                "-out",
                "c.pem",
            ),
        ],
        cwd=folder,
        capture_output=True,
        check=True,
        timeout=30,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "c.pem", folder / "k.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # The client hangs up during the handshake.
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}/keys"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = []
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_key_set_is_fetched_with_its_age(web):
    fetch = HttpFetch(f"{web.url}/keys")

    assert fetch(None) == Fetched(key_set(FIRST), '"one"', 200)
    assert fetch('"one"') == Fetched(None, '"one"', 60)
    assert fetch('"old"').body == key_set(FIRST)
    assert HttpFetch(f"{web.url}/bare")(None) == Fetched(key_set(FIRST), None, None)


FAULTS = {
    "redirect": "status 302",
    "to_file": "status 302",
    "fail": "status 500",
    "large": "too large",
    "garbage": "BadStatusLine",
}


@pytest.mark.parametrize("path", FAULTS)
def test_a_wrong_answer_is_one_error_with_a_few_words(path, web):
    before = len(web.seen)

    with pytest.raises(FetchError) as caught:
        HttpFetch(f"{web.url}/{path}")(None)

    assert str(caught.value) == FAULTS[path]
    assert [seen for seen, _ in web.seen[before:]] == [f"/{path}"]  # No redirect was followed.


def test_a_truncated_key_set_is_refused(web, clock):
    """Whether the library notices or not."""
    keys = JwksKeys(HttpFetch(f"{web.url}/cut"), monotonic=clock)

    with pytest.raises(StoreUnavailableError):
        keys.current()


@pytest.mark.parametrize("part", ["status line", "headers", "body"])
def test_an_answer_that_drips_is_given_up_and_its_connection_ended(part):
    """Each drop renews the socket's time-out; what counts is the time of the whole fetch."""
    begin = {
        "status line": b"HTTP/1.1 200 OK",
        "headers": b"HTTP/1.1 200 OK\r\nX-Long: ",
        "body": b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n",
    }[part]
    hung_up = threading.Event()

    def drip(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(begin)
            with suppress(OSError):
                while select.select([connection], [], [], 0.01)[0] == []:
                    connection.sendall(b" ")
        hung_up.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        fetch = HttpFetch(
            f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout_seconds=PATIENCE_SECONDS
        )
        with pytest.raises(FetchError, match="too slow"):
            fetch(None)
        assert hung_up.wait(30)
        thread.join(30)


def test_a_connection_that_is_made_too_late_is_ended(web):
    """The name server, say, answered only after the fetch was given up."""
    attempt = _Attempt(f"{web.url}/keys", None, 30, {})
    before = len(web.seen)
    attempt.give_up()

    attempt.run()

    with pytest.raises(FetchError, match="too slow"):
        attempt.outcome.result(0)
    assert len(web.seen) == before


def test_giving_up_what_has_just_ended_is_harmless(web):
    attempt = _Attempt(f"{web.url}/keys", None, 30, {})
    attempt.run()

    attempt.give_up()

    assert attempt.outcome.result(0).body == key_set(FIRST)


def test_keys_are_fetched_over_tls_from_a_trusted_server_alone(tls_web):
    with pytest.raises(FetchError, match="SSLCertVerificationError"):
        HttpFetch(tls_web)(None)


def test_nobody_there_is_one_error(web):
    with pytest.raises(FetchError, match="ConnectionRefusedError"):
        HttpFetch(f"http://127.0.0.1:{free_port()}/keys")(None)


@pytest.mark.parametrize(
    "url",
    [
        "http://auth.example.com/jwks.json",
        "http://127.0.0.1.example.com/jwks.json",
        "http://10.0.0.1/jwks.json",
        "http://localhost@auth.example.com/jwks.json",
        "file:///etc/passwd",
        "ftp://127.0.0.1/jwks.json",
        "//auth.example.com/jwks.json",
        "http://[::1/jwks.json",
        "",
    ],
)
def test_keys_come_by_https_unless_from_this_machine(url):
    """Who changes them on their way can sign for everyone."""
    with pytest.raises(ValueError, match=r"https|Invalid IPv6"):
        Verifier.from_jwks(url, issuer=None, audience=None)


@pytest.mark.parametrize(
    "url",
    ["https://auth.example.com/jwks.json", "http://localhost:1/x", "http://[::1]:1/x"],
)
def test_key_sets_are_fetched_by_https_or_from_loopback(url):
    assert Verifier.from_jwks(url, issuer=None, audience=None)
