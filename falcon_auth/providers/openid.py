"""A provider of OpenID Connect: the code flow with PKCE, state and nonce."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from falcon_auth.errors import ProviderRefusedError
from falcon_auth.providers.conversation import Line, read_json
from falcon_auth.providers.documents import Documents, Metadata
from falcon_auth.providers.id_token import read_header, verify
from falcon_auth.providers.provider import MAX_EMAIL_LENGTH, Attempt, Vouched


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What this service and a provider know each other by."""

    name: str
    title: str
    issuer: str
    client_id: str
    scopes: Sequence[str]
    redirect_uri: str
    response_mode: str | None = None  # `form_post` where the provider insists on it.
    verified_claim: str = "email_verified"  # The claim that says so of the address.


class OpenIdProvider:
    """A `Provider` that is found by discovery. *clock* gives epoch seconds."""

    def __init__(
        self, registered: Registered, line: Line, documents: Documents, clock: Callable[[], float]
    ) -> None:
        self.name, self.title, self.issuer = registered.name, registered.title, registered.issuer
        self._registered = registered
        self._line = line
        self._documents = documents
        self._clock = clock

    def authorization_url(self, attempt: Attempt) -> str:
        """Build it; only the first log-in of an hour asks the provider where that is."""
        metadata = self._documents.fresh_metadata or self._line.hold(self._documents.metadata)
        registered = self._registered
        more = (
            {} if registered.response_mode is None else {"response_mode": registered.response_mode}
        )
        url: str = prepare_grant_uri(
            metadata.authorization_endpoint,
            client_id=registered.client_id,
            response_type="code",
            redirect_uri=registered.redirect_uri,
            scope=" ".join(registered.scopes),
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.verifier),
            code_challenge_method="S256",
            **more,
        )
        return url

    def redeem(self, answer: Mapping[str, str], attempt: Attempt) -> Vouched:
        """Redeem the code, verify the ID token, and ask for the address where it is not in there.

        The answer's `iss` is compared before the code is sent anywhere (RFC 9207, 2.4).
        """

        async def talk(client: AsyncOAuth2Client) -> Vouched:
            metadata = await self._documents.metadata(client)
            self._check_issuer(answer.get("iss"), metadata)
            if "code" not in answer:
                raise ProviderRefusedError("no_code")
            token = await client.fetch_token(
                metadata.token_endpoint,
                grant_type="authorization_code",
                code=answer["code"],
                redirect_uri=self._registered.redirect_uri,
                code_verifier=attempt.verifier,
            )
            claims = await self._claims(client, metadata, token, attempt)
            return self._vouch(claims)

        return self._line.hold(talk)

    def _check_issuer(self, stated: str | None, metadata: Metadata) -> None:
        if stated is None and not metadata.states_issuer:
            return
        if stated != self.issuer:
            raise ProviderRefusedError("mix_up")

    async def _claims(
        self,
        client: AsyncOAuth2Client,
        metadata: Metadata,
        token: Mapping[str, Any],
        attempt: Attempt,
    ) -> dict[str, Any]:
        id_token, access_token = token.get("id_token"), token.get("access_token")
        algorithm, kid = read_header(id_token)
        key = await self._documents.key_for(client, metadata.jwks_uri, algorithm, kid)
        claims = verify(
            str(id_token),
            key,
            issuer=self.issuer,
            client_id=self._registered.client_id,
            nonce=attempt.nonce,
            access_token=access_token if isinstance(access_token, str) else None,
            now=self._clock(),
        )
        if "email" in claims or metadata.userinfo_endpoint is None or not access_token:
            return claims
        further = await read_json(client, metadata.userinfo_endpoint, str(access_token))
        if further.get("sub") != claims["sub"]:  # OpenID Connect Core, 5.3.2.
            raise ProviderRefusedError("userinfo_sub")
        return {**further, **claims}

    def _vouch(self, claims: Mapping[str, Any]) -> Vouched:
        email = claims.get("email")
        is_text = isinstance(email, str) and 0 < len(email) <= MAX_EMAIL_LENGTH
        verified = claims.get(self._registered.verified_claim)
        return Vouched(
            issuer=claims["iss"],
            subject=claims["sub"],
            email=email if is_text else None,
            # Apple writes it as text, and Microsoft's is 1 or "1" for some accounts.
            email_verified=is_text and verified in (True, "true", "1"),
        )
