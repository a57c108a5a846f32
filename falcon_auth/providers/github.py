"""GitHub, which speaks OAuth 2.0 without OpenID Connect: its API says who the user is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from falcon_auth.errors import ProviderRefusedError
from falcon_auth.providers.conversation import Line, read_json
from falcon_auth.providers.openid import Registered
from falcon_auth.providers.provider import MAX_EMAIL_LENGTH, Attempt, Vouched

GITHUB = "https://github.com"
MAX_ADDRESSES = 100


class GitHubProvider:
    """A `Provider` by the API of github.com, or of a GitHub Enterprise Server at another address.

    The numeric id is the subject, since a user can take another login name. An answer has no `iss`;
    what tells providers apart is that each has a redirect URI of its own (RFC 9700, 4.4.2.2).
    """

    def __init__(self, registered: Registered, line: Line) -> None:
        self.name, self.title, self.issuer = registered.name, registered.title, registered.issuer
        base = registered.issuer.rstrip("/")
        self._api = "https://api.github.com" if base == GITHUB else f"{base}/api/v3"
        self._oauth = f"{base}/login/oauth"
        self._registered = registered
        self._line = line

    def authorization_url(self, attempt: Attempt) -> str:
        """Build it, which asks nobody."""
        url: str = prepare_grant_uri(
            f"{self._oauth}/authorize",
            client_id=self._registered.client_id,
            response_type="code",
            redirect_uri=self._registered.redirect_uri,
            scope=" ".join(self._registered.scopes),
            state=attempt.state,
            code_challenge=create_s256_code_challenge(attempt.verifier),
            code_challenge_method="S256",
        )
        return url

    def redeem(self, answer: Mapping[str, str], attempt: Attempt) -> Vouched:
        """Redeem the code, and ask for the user and the addresses."""
        if "code" not in answer:
            raise ProviderRefusedError("no_code")

        async def talk(client: AsyncOAuth2Client) -> Vouched:
            token = await client.fetch_token(
                f"{self._oauth}/access_token",
                grant_type="authorization_code",
                code=answer["code"],
                redirect_uri=self._registered.redirect_uri,
                code_verifier=attempt.verifier,
            )
            access_token = token["access_token"]
            user = await read_json(client, f"{self._api}/user", access_token)
            emails = await read_json(client, f"{self._api}/user/emails", access_token)
            return self._vouch(user, emails)

        return self._line.hold(talk)

    def _vouch(self, user: Any, emails: Any) -> Vouched:
        user_id = user["id"]
        if type(user_id) is not int or not isinstance(emails, list):
            raise ProviderRefusedError("user")
        email = next((each["email"] for each in emails[:MAX_ADDRESSES] if each["primary"]), None)
        is_text = isinstance(email, str) and 0 < len(email) <= MAX_EMAIL_LENGTH
        return Vouched(
            issuer=self.issuer,
            subject=str(user_id),
            email=email if is_text else None,
            email_verified=is_text
            and any(
                each["email"] == email and each["verified"] is True
                for each in emails[:MAX_ADDRESSES]
            ),
        )
