"""Verifies the tokens of links in mails.

Nothing is stored for a link: its token names the versions of password and address that it was
issued for, and using it changes one of them. So a link works once, and a change of password or
address invalidates all outstanding links.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from falcon_auth.access.rules import check_authority
from falcon_auth.access.scopes import USERS_WRITE
from falcon_auth.delivery.topics import Link
from falcon_auth.errors import InsufficientScopeError, InvalidTokenError, RevokedTokenError
from falcon_auth.models import User
from falcon_auth.sessions.signed_tokens import Issuer, SignedTokens, TokenClaims
from falcon_auth.store import Authority, UserStore

SPENT = "This link was used before, or is no longer valid; ask for a new one."


@dataclass(frozen=True, slots=True)
class LinkClaims:
    """The claims of a link's token."""

    user_id: str
    password_version: int
    email_version: int
    to: str = field(repr=False)  # The address that the mail went to.
    session_id: str | None  # The session that asked, if the use case needs it.
    handed_to: str | None = None  # The user who was given the token, if no mail delivered it.

    def are_of(self, user: User) -> bool:
        """Return whether neither password nor address has changed since the link was asked for."""
        read = (user.password_version, user.email_version)
        return (self.password_version, self.email_version) == read


class Links:
    """Verifies tokens of links and finds their users. Safe to call from any thread."""

    def __init__(self, users: UserStore, issuer: Issuer) -> None:
        self._users = users
        self._issuer = issuer

    def read(self, token: str, *links: Link) -> LinkClaims:
        """Return the claims of a token that belongs to one of *links*.

        Raises `InvalidTokenError`, `ExpiredTokenError`, `StoreUnavailableError`.
        """
        claims = self._verify(token, links)
        return LinkClaims(
            user_id=claims.text("uid"),
            password_version=claims.integer("pwv"),
            email_version=claims.integer("emv"),
            to=claims.text("to"),
            session_id=claims.text("sid") if claims.has("sid") else None,
            handed_to=claims.text("handed_to") if claims.has("handed_to") else None,
        )

    def owner_of(self, claims: LinkClaims) -> User:
        """Return the current state of the user that a link is for.

        Raises `RevokedTokenError` if the user was deleted or is disabled.
        """
        user = self._users.find(claims.user_id)
        if user is None or not user.is_active:
            raise RevokedTokenError(SPENT)
        return user

    def unspent_owner_of(self, claims: LinkClaims) -> User:
        """Return the user if the link has not been used. Raises `RevokedTokenError`."""
        user = self.owner_of(claims)
        if not claims.are_of(user):
            raise RevokedTokenError(SPENT)
        return user

    def check_holder(self, claims: LinkClaims) -> None:
        """Refuse a token that was handed over to a user who may not change its owner any more.

        Else somebody could keep it until the owner has more scopes than they have. Raises
        `RevokedTokenError`.
        """
        if claims.handed_to is None:
            return
        holder = self._users.find(claims.handed_to)
        try:
            check_authority(
                Authority(claims.handed_to, USERS_WRITE), holder, self.owner_of(claims).scopes
            )
        except (InsufficientScopeError, RevokedTokenError):
            raise RevokedTokenError(SPENT) from None

    def _verify(self, token: str, links: tuple[Link, ...]) -> TokenClaims:
        refusal: InvalidTokenError | None = None
        for link in links:
            try:
                return SignedTokens(self._issuer, link.token_type).verify(token)
            except InvalidTokenError as error:
                refusal = error
        assert refusal is not None  # noqa: S101 - there is at least one link
        raise refusal
