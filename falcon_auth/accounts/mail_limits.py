"""Limits on the mails that anybody can ask for: by recipient, and by client."""

from __future__ import annotations

from falcon_auth.models import Client
from falcon_auth.throttle.client_buckets import client_bucket
from falcon_auth.throttle.limits import Limit, Limiter, digest

HOUR = 3600
MAILS = Limit("mail-address", 3, HOUR)
REQUESTS = Limit("mail-client", 20, HOUR)


class MailLimits:
    """Counts mails that somebody other than their reader may have asked for.

    The limits apply regardless of RATE_LIMIT_ENABLED, because the mails reach third parties. Safe
    to call from any thread. Raises `StoreUnavailableError` if the counters cannot answer.
    """

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter

    def admit(self, client: Client) -> None:
        """Count a request for a mail; raises `RateLimitedError` beyond the client's limit."""
        self._limiter.count(REQUESTS, client_bucket(client.ip))

    def take_share(self, email_key: str) -> bool:
        """Count a mail to an address; return whether it is within the address's limit."""
        return self._limiter.allows(MAILS, digest(email_key))
