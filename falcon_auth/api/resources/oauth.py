"""OAuth endpoints for other services: key set, introspection and revocation."""

from __future__ import annotations

import hashlib

import falcon
import structlog
from falcon import ETag, Request, Response

from falcon_auth.api.bodies import media_type
from falcon_auth.api.client_authentication import authorization_credential, form_credential
from falcon_auth.api.forms import MEDIA_FORM, FormReader
from falcon_auth.api.guard import public
from falcon_auth.errors import InvalidClientError, UnauthorizedError
from falcon_auth.keys import KeyRing, KeySource
from falcon_auth.keys.rotation import JWKS_MAX_AGE_SECONDS
from falcon_auth.keys.service_credentials import ServiceCredentials
from falcon_auth.sessions.sessions import Sessions
from falcon_auth.strict_json import dump_json

log = structlog.get_logger("falcon_auth.oauth")


@public
class Jwks:
    """The public keys (RFC 7517), with which other services verify access tokens."""

    def __init__(self, keys: KeySource) -> None:
        self._keys = keys
        self._written: tuple[KeyRing | None, bytes, ETag] = (None, b"", ETag())

    def on_get(self, req: Request, resp: Response) -> None:
        """Answer 200 with the key set, or 304 if the client already has it."""
        ring = self._keys.current()
        written_for, body, etag = self._written
        if written_for is not ring:
            body = dump_json(ring.jwks())
            etag = ETag(hashlib.sha256(body).hexdigest()[:32])
            self._written = (ring, body, etag)  # One assignment, so no thread sees a partial state.
        resp.set_header("Cache-Control", f"public, max-age={JWKS_MAX_AGE_SECONDS}")
        resp.etag = etag
        known = req.if_none_match or []
        if "*" in known or etag in known:
            resp.status = falcon.HTTP_304
            return
        resp.content_type = falcon.MEDIA_JSON
        resp.data = body


@public  # Services call this, not users; they have their own credentials.
class Introspect:
    """Whether an access token is valid and its session has not ended (RFC 7662)."""

    def __init__(
        self, sessions: Sessions, credentials: ServiceCredentials, issuer: str | None
    ) -> None:
        self._sessions = sessions
        self._credentials = credentials
        self._fixed = {} if issuer is None else {"iss": issuer}
        self._form = FormReader("introspect")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 200 with the token's claims, or only that it is not active, without a reason.

        The service is authenticated first, so others learn nothing about faults in the form.
        """
        credential = authorization_credential(req)
        if credential is None and media_type(req) != MEDIA_FORM:
            raise InvalidClientError
        sent = self._form.read_parameters(req)
        service = self._credentials.service_of(*form_credential(sent, credential))
        token = self._form.check_parameters(req, sent)["token"]
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
            "sub": claims.subject,
            "uid": claims.user_id,
            "sid": claims.session_id,
            "jti": claims.token_id,
            "iat": claims.issued_at,
            "exp": claims.expires_at,
            "auth_time": claims.auth_time,
            "amr": list(claims.amr),
            **({"scope": " ".join(sorted(caller.scopes))} if caller.scopes else {}),
            **self._fixed,
            **_audience(claims.audience),
        }


@public  # The token itself is the credential, as at log-out.
class Revoke:
    """End the session of a token (RFC 7009)."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._form = FormReader("revoke")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 200, also for an unknown token (RFC 7009, 2.2)."""
        self._sessions.revoke(self._form.read_form(req)["token"])
        resp.media = {}


def _audience(names: tuple[str, ...]) -> dict[str, str | list[str]]:
    """Return the claim `aud` as in the token: a single name is a string (RFC 7519, 4.1.3)."""
    if not names:
        return {}
    return {"aud": names[0] if len(names) == 1 else list(names)}
