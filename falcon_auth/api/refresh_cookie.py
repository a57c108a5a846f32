"""Cookie mode: the refresh token in a cookie that no script can read, instead of in a body.

Browsers attach cookies on their own, even to requests that another site's page makes (CSRF).
`SameSite=Strict` prevents that for other sites, but not for other hosts of the same site. So the
cookie counts only if the browser names a trusted page as the sender, in `Origin` (RFC 6454) and
`Sec-Fetch-Site` (W3C Fetch Metadata). Scripts cannot set these headers.

No other module knows the cookie's name, its attributes or these rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from falcon import Request, Response

from falcon_auth.api.views import show_tokens
from falcon_auth.errors import (
    CrossSiteError,
    InvalidTokenError,
    MissingTokenError,
    UnauthorizedError,
)
from falcon_auth.sessions.tokens import TokenPair

NAME = "__Secure-refresh"  # Browsers take a cookie with this prefix only with `Secure`.
SCOPE = "/api/v1/auth"  # The paths that it is sent to, below the path of PUBLIC_URL.
_HOW = "Send a refresh_token, or log in with session set to cookie and send the cookie."
# What `Sec-Fetch-Site` says of a request from the service's own page, and of one from a listed
# origin. For a listed origin of another site there is no cookie mode: browsers send no cookie.
_FROM_OWN_PAGE = {"same-origin"}
_FROM_LISTED_PAGE = {"same-origin", "same-site"}


def wants_cookie(body: Mapping[str, Any]) -> bool:
    """Return whether the body of a log-in asks for cookie mode."""
    return body.get("session") == "cookie"


class RefreshCookie:
    """Sets, reads and clears the cookie. Safe to share between threads.

    *own_origins* are the origins of this service, *listed_origins* those of CORS_ORIGINS, of
    which `*` counts for nothing here. *base_path* is the path of PUBLIC_URL.
    """

    def __init__(
        self,
        *,
        own_origins: Collection[str],
        listed_origins: Collection[str] = (),
        base_path: str = "",
    ) -> None:
        self._sites_by_origin = {
            **dict.fromkeys(own_origins, _FROM_OWN_PAGE),
            **dict.fromkeys(set(listed_origins) - {"*"}, _FROM_LISTED_PAGE),
        }
        self._path = base_path + SCOPE

    def hand_out(self, resp: Response, pair: TokenPair, *, in_cookie: bool) -> dict[str, Any]:
        """Return tokens as in `schemas/tokens.json`.

        If *in_cookie*, the refresh token is set as cookie, and left out of them.
        """
        tokens = show_tokens(pair)
        if in_cookie:
            self._set(resp, tokens.pop("refresh_token"), tokens["refresh_expires_in"])
        return tokens

    @contextmanager
    def token_of(self, req: Request, resp: Response) -> Iterator[str]:
        """Provide the token in the cookie; clear the cookie if the token is refused.

        Raises `CrossSiteError` if the request is not one of a trusted page, `MissingTokenError`
        without a cookie, `InvalidTokenError` with more than one.
        """
        token = self._read(req)
        try:
            yield token
        except UnauthorizedError:
            self.clear(resp)
            raise

    def clear(self, resp: Response) -> None:
        """Have the browser forget the cookie."""
        self._set(resp, "", 0)

    def _set(self, resp: Response, value: str, max_age: int) -> None:
        # Falcon's `unset_cookie` lacks `Secure`, without which browsers ignore this name.
        attributes = f"Max-Age={max_age}; Path={self._path}; HttpOnly; Secure; SameSite=Strict"
        resp.append_header("Set-Cookie", f"{NAME}={value}; {attributes}")

    def _read(self, req: Request) -> str:
        tokens = req.get_cookie_values(NAME) or []
        origin = req.get_header("Origin")
        if tokens or origin is not None:
            self._check_sender(origin, req.get_header("Sec-Fetch-Site"))
        if not tokens:
            raise MissingTokenError(_HOW)
        if len(tokens) > 1:
            # Another host of the site has set one too, perhaps with a token of its own account.
            # Which one is ours is unknown, and clearing ours would leave only the other.
            raise InvalidTokenError("cookies")
        return tokens[0]

    def _check_sender(self, origin: str | None, site: str | None) -> None:
        if origin is None:
            raise CrossSiteError("no_origin")
        sites = self._sites_by_origin.get(origin)
        if sites is None:
            raise CrossSiteError("origin")
        # Browsers omit it over plain http, except on localhost.
        if site is not None and site not in sites:
            raise CrossSiteError("sec_fetch_site")
