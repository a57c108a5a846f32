"""The cookies of log-ins at providers: what binds an attempt to the browser that began it.

Each has the state of its attempt in its name, so that two tabs do not disturb each other.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from falcon import Request, Response

from falcon_auth.providers.tokens import ATTEMPT_SECONDS

PROVIDERS = "/api/v1/auth/providers"
COOKIE = "__Secure-login-"  # Browsers take a cookie with this prefix only with `Secure`.
MAX_ATTEMPTS = 5  # Of one browser; each cookie is about a kilobyte of the headers.
_STATE = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)


class AttemptCookies:
    """Sets, reads and clears the cookies. Safe to share between threads."""

    def __init__(self, base_url: str) -> None:
        self._base_path = urlsplit(base_url).path

    def add(self, req: Request, resp: Response, provider: str, state: str, attempt: str) -> None:
        """Set the cookie of a new attempt; the oldest ones make room for it."""
        known = [name for name in req.cookies if name.startswith(COOKIE)]
        too_many = max(0, len(known) + 1 - MAX_ATTEMPTS)
        for name in known[:too_many]:  # Browsers send the oldest first.
            self._set(resp, provider, name, "", 0)
        self._set(resp, provider, COOKIE + state, attempt, ATTEMPT_SECONDS)

    def take(self, req: Request, resp: Response, provider: str, state: str) -> str | None:
        """Return what the cookie of an attempt holds, and clear it; None without one."""
        name = COOKIE + state
        values = req.get_cookie_values(name) if _STATE.fullmatch(state) else None
        if not values:
            return None
        self._set(resp, provider, name, "", 0)
        # Another host of the site has set one as well; which of them is ours cannot be told.
        return values[0] if len(values) == 1 else None

    def _set(self, resp: Response, provider: str, name: str, value: str, max_age: int) -> None:
        # Lax: the way back from the provider is a navigation from another site. Not by Falcon's
        # methods: none clears a cookie with `Secure`, without which browsers ignore this name.
        path = f"{self._base_path}{PROVIDERS}/{provider}"
        attributes = f"Max-Age={max_age}; Path={path}; HttpOnly; Secure; SameSite=Lax"
        resp.append_header("Set-Cookie", f"{name}={value}; {attributes}")
