"""A user, a session and the claims of its access token, for tests of tokens."""

import base64
import hashlib
import hmac
import json

from conftest import SECRET_KEY, START

from falcon_auth.keys import Key
from falcon_auth.models import Session, User

NOW = int(START)
USER = User(
    id="u1",
    email="ada@example.com",
    email_key="ada@example.com",
    username=None,
    password_hash="hash",
    created_at=START,
    updated_at=START,
)
SESSION = Session(
    id="s1",
    user_id="u1",
    created_at=START,
    last_used_at=START,
    expires_at=START + 7 * 86400,
    auth_time=START,
    amr=("pwd",),
)
SECRET_BYTES = SECRET_KEY.encode()
KEY = Key.symmetric(SECRET_KEY, "HS256")
OTHER_KEY = Key.symmetric("another-key-that-is-long-enough-too", "HS256")
HEADER = {"alg": "HS256", "kid": KEY.kid, "typ": "JWT"}
CLAIMS = {
    "sub": "ada@example.com",
    "uid": "u1",
    "sid": "s1",
    "jti": "j1",
    "iat": NOW,
    "exp": NOW + 900,
    "type": "access",
    "auth_time": NOW,
    "amr": ["pwd"],
}
REFRESH_HEADER = {"alg": "HS256", "kid": KEY.kid, "typ": "refresh+jwt"}
REFRESH_CLAIMS = CLAIMS | {"type": "refresh", "gen": 0}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def derived_secret(token_type, secret=SECRET_BYTES):
    """HKDF-SHA-256 as RFC 5869 writes it, one block long: without a salt, that is 32 zeros."""
    extracted = hmac.digest(bytes(32), secret, hashlib.sha256)
    return hmac.digest(extracted, f"falcon-auth/{token_type}".encode() + b"\1", hashlib.sha256)


def forge(claims=CLAIMS, header=HEADER, secret=SECRET_BYTES):
    """Sign anything with the right key: what is refused is refused for its content."""
    parts = [
        part if isinstance(part, str) else json.dumps(part, separators=(",", ":"))
        for part in (header, claims)
    ]
    signed = ".".join(b64(part.encode()) for part in parts)
    digest = hmac.digest(secret, signed.encode(), hashlib.sha256)
    return f"{signed}.{b64(digest)}"


def forge_refresh(claims=REFRESH_CLAIMS, header=REFRESH_HEADER, secret=None):
    return forge(claims, header, secret or derived_secret("refresh"))
