"""The endpoint that Prometheus scrapes."""

from __future__ import annotations

import hmac

from falcon import Request, Response
from pydantic import SecretStr

from falcon_auth.api.guard import bearer_token, public
from falcon_auth.errors import InvalidTokenError
from falcon_auth.observability.metrics import MEDIA_METRICS, Metrics


@public
class Scrape:
    """The metrics in Prometheus's text format, behind a token if one is set. Reads no store."""

    def __init__(self, metrics: Metrics, token: SecretStr | None) -> None:
        self._metrics = metrics
        self._token = None if token is None else token.get_secret_value().encode()

    def on_get(self, req: Request, resp: Response) -> None:
        """Answer 200 with text.

        Raises `MissingTokenError` and `InvalidTokenError`.
        """
        if self._token is not None:
            # Header values are bytes that WSGI has decoded as Latin-1 (PEP 3333).
            given = bearer_token(req).encode("latin-1", "replace")
            if not hmac.compare_digest(given, self._token):
                raise InvalidTokenError("metrics")
        resp.content_type = MEDIA_METRICS
        resp.data = self._metrics.expose()
