"""What other services ask: the key set, whether a token lives, and its revocation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import falcon
import structlog
from falcon import ETag, Request, Response

from falcon_auth.api.forms import FormReader
from falcon_auth.api.guard import bearer_token, public
from falcon_auth.credentials import ServiceCredentials
from falcon_auth.errors import UnauthorizedError
from falcon_auth.keys import KeyRing, KeySource
from falcon_auth.keys.rotation import JWKS_MAX_AGE_SECONDS
from falcon_auth.sessions import Sessions
from falcon_auth.strict_json import dump_json

log = structlog.get_logger("falcon_auth.oauth")


@public
class Jwks:
    """The public keys (RFC 7517), so that other services verify on their own."""

    def __init__(self, keys: KeySource) -> None:
        self._keys = keys
        self._written: tuple[KeyRing | None, bytes, ETag] = (None, b"", ETag())

    def on_get(self, req: Request, resp: Response) -> None:
        """Answer 200 with the key set, or 304 where the client has it already."""
        ring = self._keys.current()
        written_for, body, etag = self._written
        if written_for is not ring:
            body = dump_json(ring.jwks())
            etag = ETag(hashlib.sha256(body).hexdigest()[:32])
            self._written = (ring, body, etag)  # One assignment: no thread sees half of it.
        resp.set_header("Cache-Control", f"public, max-age={JWKS_MAX_AGE_SECONDS}")
        resp.etag = etag
        known = req.if_none_match or []
        if "*" in known or etag in known:
            resp.status = falcon.HTTP_304
            return
        resp.content_type = falcon.MEDIA_JSON
        resp.data = body


@public  # No user asks, but a service: it has a credential of its own.
class Introspect:
    """Whether an access token is good, and its session alive (RFC 7662)."""

    def __init__(
        self, sessions: Sessions, credentials: ServiceCredentials, fixed: Mapping[str, str]
    ) -> None:
        self._sessions = sessions
        self._credentials = credentials
        self._fixed = fixed
        self._form = FormReader("introspect")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 200: what the token says, or only that it is not active, never why."""
        service = self._credentials.service_of(bearer_token(req))
        token = self._form.read_form(req)["token"]
        try:
            claims, caller = self._sessions.introspect(token)
        except UnauthorizedError as refusal:
            reason = getattr(refusal, "reason", refusal.code)
            log.info("token_introspected", service=service, active=False, reason=reason)
            resp.media = {"active": False}
            return
        log.info("token_introspected", service=service, active=True, user_id=caller.user_id)
        resp.media = {
            "active": True,
            "token_type": "Bearer",
            "sub": claims.email,
            "uid": claims.user_id,
            "sid": claims.session_id,
            "jti": claims.token_id,
            "iat": claims.issued_at,
            "exp": claims.expires_at,
            **self._fixed,
        }


@public  # Whoever holds the token may end it, as at log-out.
class Revoke:
    """End the session of a token (RFC 7009)."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._form = FormReader("revoke")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 200, for a token that nobody knows too."""
        self._sessions.revoke(self._form.read_form(req)["token"])
        resp.media = {}
