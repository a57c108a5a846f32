"""A provider on 127.0.0.1 that tells the truth until a test has it lie; OpenID Connect, and GitHub.

The browser's part is played in process: `visit` is a person who has an account there and agrees.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

CLIENT_ID, CLIENT_SECRET = "falcon", "a secret of the tests"
METADATA = "/.well-known/openid-configuration"
ALGORITHMS = {
    "RS256": jwt.algorithms.RSAAlgorithm,
    "PS256": jwt.algorithms.RSAAlgorithm,
    "ES256": jwt.algorithms.ECAlgorithm,
    "EdDSA": jwt.algorithms.OKPAlgorithm,
}
_RSA = rsa.generate_private_key(65537, 2048)
KEYS = {
    "RS256": _RSA,
    "PS256": _RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def public_jwk(algorithm, key=None, **more):
    public = (key or KEYS[algorithm]).public_key()
    return json.loads(ALGORITHMS[algorithm].to_jwk(public)) | {"kid": f"key-{algorithm}"} | more


@dataclass
class Said:
    """What the provider answers at one path: a status, headers, and a body or what makes it."""

    status: int = 200
    body: object = b""
    headers: dict = field(default_factory=dict)
    drips: bool = False  # One byte at a time, without end.


class LyingProvider:
    """Set `claims`, `header`, `sign` or `says` to have it lie."""

    def __init__(self, port, clock):
        self.url = f"http://127.0.0.1:{port}"
        self.clock = clock
        self.algorithm = "RS256"
        self.claims = {}  # Over the true ones; None takes one away.
        self.header = {}
        self.sign = None  # Instead of the true signature: makes the token of header and claims.
        self.keys = [public_jwk(name) for name in ("RS256", "ES256", "EdDSA")]
        self.says = {}  # By path.
        self.metadata = {}
        self.user = {"sub": "248289761001", "email": "ada@example.com", "email_verified": True}
        self.asked = []  # The paths of requests, with the fields of forms.
        self.codes = {}
        self.stopped = threading.Event()  # Ends what drips.

    # --- The browser

    def visit(self, url, **changes):
        """Agree to a request; return the parameters that the browser comes back with."""
        query = dict(parse_qsl(urlsplit(url).query))
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return {"code": code, "state": query["state"], "iss": self.url} | changes

    # --- The server

    def answer(self, method, path, form, bearer):
        self.asked.append((path, form))
        if path in self.says:
            return self.says[path]
        pages = {
            METADATA: lambda: Said(body=self.true_metadata() | self.metadata),
            "/jwks": lambda: Said(body={"keys": self.keys}),
            "/token": lambda: self.token(form),
            "/login/oauth/access_token": lambda: self.github_token(form),
        }
        if bearer == "an access token":
            pages["/userinfo"] = lambda: Said(body=self.user)
            pages["/api/v3/user"] = lambda: Said(body={"id": 4711, "login": "ada"})
        return pages.get(path, lambda: Said(404))()

    def true_metadata(self):
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "authorization_response_iss_parameter_supported": True,
            "id_token_signing_alg_values_supported": ["RS256", "none", "HS256"],
        }

    def token(self, form):
        asked = self.redeem(form)
        if asked is None:
            return Said(400, {"error": "invalid_grant"})
        return Said(
            body={
                "access_token": "an access token",
                "token_type": "Bearer",
                "expires_in": 1,
                "id_token": self.id_token(asked),
            }
        )

    def github_token(self, form):
        if self.redeem(form) is None:
            return Said(body={"error": "bad_verification_code"})  # With status 200, as GitHub does.
        return Said(body={"access_token": "an access token", "token_type": "bearer"})

    def redeem(self, form):
        """Return the request of a code that is good, once."""
        asked = self.codes.pop(form.get("code"), None)
        if asked is None or form.get("client_secret") != CLIENT_SECRET:
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return asked if asked["code_challenge"] == challenge else None

    def id_token(self, asked):
        now = int(self.clock())
        true = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 300, **self.user}
        true["nonce"] = asked.get("nonce")
        claims = {name: value for name, value in (true | self.claims).items() if value is not None}
        header = {"kid": f"key-{self.algorithm}"} | self.header
        header = {name: value for name, value in header.items() if value is not None}
        if self.sign is not None:
            return self.sign(header, claims)
        return jwt.encode(claims, KEYS[self.algorithm], self.algorithm, headers=header)


def encoded(part):
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider = None

    def do_GET(self):
        self._answer({})

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        self._answer({name: values[0] for name, values in parse_qs(body).items()})

    def _answer(self, form):
        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        path = urlsplit(self.path).path
        said = self.provider.answer(self.command, path, form, bearer)
        body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        self.send_response(said.status)
        self.send_header("Content-Type", "application/json")
        for name, value in said.headers.items():
            self.send_header(name, value)
        if not said.drips:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
            while said.drips and not self.provider.stopped.wait(0.05):
                self.wfile.write(b" ")
        except OSError:
            pass  # The client has had enough.
        if said.drips:
            self.close_connection = True

    def log_message(self, *_):
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Say nothing of a client that has hung up."""


@contextmanager
def running_provider(clock):
    """Run a provider; it ends with the block."""
    handler = type("Handler", (_Handler,), {})
    with _Server(("127.0.0.1", 0), handler) as server:
        handler.provider = provider = LyingProvider(server.server_port, clock)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield provider
        finally:
            provider.stopped.set()
            server.shutdown()
            thread.join(10)


def entry(provider, name="idp", **more):
    """An entry of PROVIDERS_FILE."""
    return {
        "name": name,
        "title": "The Provider",
        "issuer": provider.url,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    } | more


def write_entries(folder, *entries):
    file = folder / "providers.json"
    file.write_text(json.dumps(entries))
    return file


class Browser:
    """A browser: it keeps the cookies of attempts, and goes where it is sent."""

    def __init__(self, client):
        self.client = client
        self.cookies = {}

    def get(self, url):
        """Open a URL of the service; return the answer."""
        parts = urlsplit(url)
        header = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        answer = self.client.simulate_get(
            parts.path, query_string=parts.query, headers=header if self.cookies else {}
        )
        for name, cookie in answer.cookies.items():
            if cookie.max_age == 0:
                assert (cookie.secure, cookie.value) == (True, "")
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = cookie.value
        return answer

    def begin(self, name="idp", **query):
        """Begin a log-in; return the provider's URL."""
        answer = self.get(f"/api/v1/auth/providers/{name}/login?{urlencode(query)}")
        assert answer.status_code == 303, answer.json
        return answer.headers["Location"]

    def come_back(self, name="idp", **parameters):
        """Open the callback; return the answer."""
        return self.get(f"/api/v1/auth/providers/{name}/callback?{urlencode(parameters)}")

    def log_in(self, provider, name="idp", **query):
        """Go all the way; return the outcome that the front end finds in the fragment."""
        return outcome_of(self.come_back(name, **provider.visit(self.begin(name, **query))))


def outcome_of(answer):
    """Return what the fragment of a callback's `Location` says."""
    assert answer.status_code == 303, answer.json
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).fragment))
