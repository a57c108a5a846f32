"""A user's identities: list, link and unlink them."""

from __future__ import annotations

import uuid
from contextlib import suppress
from urllib.parse import urlencode

from falcon_auth.accounts.email_addresses import EmailSyntaxError, parse_email
from falcon_auth.errors import InvalidTokenError, NotFoundError, RevokedTokenError
from falcon_auth.models import Caller, Identity
from falcon_auth.providers.foundations import Foundations
from falcon_auth.providers.provider import Vouched
from falcon_auth.providers.tokens import Start

MAX_IDENTITIES = 20  # Of one user: more than there are providers of one person.


class Identities:
    """The use cases. Safe to call from any thread."""

    def __init__(self, on: Foundations) -> None:
        self._on = on

    def list_of(self, user_id: str) -> list[Identity]:
        """Return a user's identities, oldest first."""
        return self._on.identities.list_of(user_id)

    def start(self, caller: Caller, provider: str, return_to: str | None) -> str:
        """Return a URL of this service that has the caller's browser go to the provider.

        Raises `NotFoundError`, `InvalidBodyError`.
        """
        on = self._on
        name = on.provider(provider).name
        start = Start(name, caller.user_id, on.return_urls.check(return_to))
        query = urlencode({"link": on.tokens.sign_start(start)})
        return f"{on.base_url}/api/v1/auth/providers/{name}/login?{query}"

    def link(self, caller: Caller, token: str) -> Identity:
        """Make the identity of a link the caller's, who must be the one that asked for it.

        Raises `InvalidTokenError`, `ExpiredTokenError`, `IdentityTakenError`; `RevokedTokenError`
        if the link was used before, or the caller may have no further identity.
        """
        on = self._on
        link = on.tokens.read_link(token)
        if link.user_id != caller.user_id:
            raise InvalidTokenError("uid")
        identity = new_identity(link.provider, caller.user_id, link.vouched, now=on.clock())
        linked = on.identities.link(
            identity,
            session=caller.session,
            spends=link.spent,
            limit=MAX_IDENTITIES,
            effects=on.trail.effects(
                "identity.linked",
                actor=caller.user_id,
                subject=caller.user_id,
                provider=link.provider,
            ),
        )
        if not linked:
            raise RevokedTokenError
        on.events.record("identity_linked", user_id=caller.user_id, provider=link.provider)
        return identity

    def unlink(self, caller: Caller, identity_id: str) -> None:
        """Forget an identity of the caller. Raises `NotFoundError`, `LastWayInError`."""
        on = self._on
        owned = {each.id: each for each in on.identities.list_of(caller.user_id)}
        if identity_id not in owned:
            raise NotFoundError
        provider = owned[identity_id].provider
        effects = on.trail.effects(
            "identity.unlinked", actor=caller.user_id, subject=caller.user_id, provider=provider
        )
        if on.identities.unlink(caller.user_id, identity_id, effects=effects) is None:
            raise NotFoundError
        on.events.record("identity_unlinked", user_id=caller.user_id, provider=provider)


def new_identity(provider: str, user_id: str, vouched: Vouched, *, now: float) -> Identity:
    """Return the record of a new identity; the caller stores it."""
    email = None
    if vouched.email is not None:
        with suppress(EmailSyntaxError):
            email = parse_email(vouched.email).text
    return Identity(
        id=str(uuid.uuid4()),
        user_id=user_id,
        provider=provider,
        issuer=vouched.issuer,
        subject=vouched.subject,
        email=email,
        created_at=now,
    )
