"""Log in by a provider: begin, come back, and exchange the one-time code for tokens.

Three requests take part. The browser begins at this service, which sends it to the provider with a
cookie of its own; it comes back to the callback, and from there to the front end with a code in the
fragment, which no log and no Referer sees; and the front end exchanges the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from falcon_auth.accounts.email_addresses import EmailAddress, EmailSyntaxError, parse_email
from falcon_auth.accounts.registration import new_user
from falcon_auth.errors import (
    AccountDisabledError,
    AuthError,
    DuplicateEmailError,
    EmailNotVerifiedError,
    IdentityNotLinkedError,
    IdentityTakenError,
    InvalidTokenError,
    ProviderEmailUnverifiedError,
    ProviderRefusedError,
    ProviderUnavailableError,
    RegistrationClosedError,
    RevokedTokenError,
    SecondFactorRequiredError,
)
from falcon_auth.models import NO_PASSWORD, PROVIDER_METHOD, Client, IdentityUse, Login, User
from falcon_auth.providers.foundations import Foundations
from falcon_auth.providers.identities import new_identity
from falcon_auth.providers.provider import Attempt, Provider, Vouched
from falcon_auth.sessions.tokens import TokenPair

# Errors by which a provider says that it cannot answer now (RFC 6749, 4.1.2.1).
AWAY = frozenset({"server_error", "temporarily_unavailable"})
MAX_CODE_LENGTH = 4096


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and the cookie that it takes along."""

    url: str
    state: str
    cookie: str = field(repr=False)


class ProviderLogin:
    """The use cases. Safe to call from any thread; none waits for a provider without end."""

    def __init__(self, on: Foundations) -> None:
        self._on = on

    def providers(self) -> list[Provider]:
        """Return the providers, in the order in which they are offered."""
        return list(self._on.providers.values())

    def begin(self, name: str, *, return_to: str | None, link: str | None) -> Begun:
        """Begin a log-in, or by a *link* start, linking.

        Raises `NotFoundError`, `InvalidBodyError` for a *return_to* elsewhere, `InvalidTokenError`
        or `ExpiredTokenError` for a wrong *link*, `ProviderUnavailableError`,
        `ProviderRefusedError`.
        """
        on = self._on
        provider = on.provider(name)
        link_for = None
        if link is not None:
            start = on.tokens.read_start(link)
            if start.provider != name:
                raise InvalidTokenError("provider")
            return_to, link_for = start.return_to, start.user_id
        cookie = on.tokens.sign_attempt(name, on.return_urls.check(return_to), link_for)
        attempt = on.tokens.read_attempt(cookie)
        try:
            url = provider.authorization_url(attempt)
        except (ProviderRefusedError, ProviderUnavailableError) as error:
            self._record(name, error)
            raise
        return Begun(url, attempt.state, cookie)

    def finish(
        self, name: str, answer: Mapping[str, str], *, cookie: str | None, client: Client
    ) -> str:
        """Return where the browser goes from the callback, with the outcome in the fragment.

        Raises `ProviderRefusedError` where nobody knows where that is: without the cookie of this
        very attempt, or where its callback was called before. Raises `NotFoundError`,
        `StoreUnavailableError`.
        """
        on = self._on
        provider = on.provider(name)
        try:
            attempt = on.tokens.find_attempt(cookie, provider=name, state=answer.get("state"))
            if not on.identities.spend(attempt.spent):
                raise ProviderRefusedError("replayed")  # noqa: TRY301 - recorded like the others
        except ProviderRefusedError as error:
            self._record(name, error)
            raise
        try:
            outcome = self._conclude(provider, attempt, answer, client)
        except AuthError as error:
            self._record(name, error)
            outcome = {"error": error.code}
        return f"{attempt.return_to}#{urlencode(outcome)}"

    def exchange(self, code: str, client: Client) -> TokenPair:
        """Return the tokens of a new session for a one-time code.

        Raises `SecondFactorRequiredError`, which spends the code as well, `InvalidTokenError`,
        `ExpiredTokenError`, `RevokedTokenError` if the code was used before or the identity is
        unlinked, `AccountDisabledError`, `EmailNotVerifiedError`.
        """
        on = self._on
        read = on.tokens.read_code(code)
        found = on.identities.find_by_id(read.identity_id)
        if found is None:
            raise RevokedTokenError
        user = found[1]
        if not user.is_active:
            self._record_failure(user, "disabled")
            raise AccountDisabledError
        if on.only_verified and not user.email_verified:
            self._record_failure(user, "unverified")
            raise EmailNotVerifiedError
        use = IdentityUse(read.identity_id, on.clock(), read.spent)
        try:
            pair = on.sessions.open(Login(user, methods=(PROVIDER_METHOD,), identity=use), client)
        except SecondFactorRequiredError:
            on.identities.use(use)
            raise
        on.events.record("login_succeeded", user_id=user.id)
        return pair

    def _conclude(
        self, provider: Provider, attempt: Attempt, answer: Mapping[str, str], client: Client
    ) -> dict[str, str]:
        """Return what the fragment says. Raises the error that it says otherwise."""
        if "error" in answer:
            if answer["error"] in AWAY:
                raise ProviderUnavailableError
            raise ProviderRefusedError("refused")
        if len(answer.get("code", "")) > MAX_CODE_LENGTH:
            raise ProviderRefusedError("code")
        vouched = provider.redeem(answer, attempt)
        tokens = self._on.tokens
        if attempt.link_for is not None:
            return {"link": tokens.sign_link(provider.name, attempt.link_for, vouched)}
        return {"code": tokens.sign_code(self._identity_of(provider.name, vouched, client))}

    def _identity_of(self, provider: str, vouched: Vouched, client: Client) -> str:
        """Return the id of the identity, which a new user has where nobody had it."""
        found = self._on.identities.find(vouched.issuer, vouched.subject)
        if found is not None:
            return found[0].id
        try:
            return self._register(provider, vouched, client)
        except (IdentityTakenError, DuplicateEmailError):
            # Two log-ins of a new user at once: the other one has made the account.
            found = self._on.identities.find(vouched.issuer, vouched.subject)
            if found is None:
                raise IdentityNotLinkedError from None
            return found[0].id

    def _register(self, provider: str, vouched: Vouched, client: Client) -> str:
        """Make a user of a new identity; the address alone never leads to an account that exists.

        Else a provider, or whoever registered the address first, could take it over. Raises
        `DuplicateEmailError`, `IdentityTakenError`, `ProviderEmailUnverifiedError`,
        `RegistrationClosedError`, `RateLimitedError`.
        """
        on = self._on
        address = _verified_address(vouched)
        if on.users.find_by_email(address.key) is not None:
            raise DuplicateEmailError
        if not on.open_to_new:
            raise RegistrationClosedError
        on.throttle.count_registration(client.ip)
        user = new_user(address, None, NO_PASSWORD, now=on.clock())
        user = replace(user, email_verified=True)
        identity = new_identity(provider, user.id, vouched, now=on.clock())
        effects = on.trail.effects(
            "user.registered", actor=user.id, subject=user.id, provider=provider
        )
        on.identities.register(user, identity, effects=effects)
        on.events.record("user_registered", user_id=user.id)
        return identity.id

    def _record_failure(self, user: User, reason: str) -> None:
        on = self._on
        on.events.record("login_failed", user_id=user.id, reason=reason)
        on.trail.record_failed_login(account=user.email_key, subject=user.id, reason=reason)

    def _record(self, provider: str, error: AuthError) -> None:
        reason = error.reason if isinstance(error, ProviderRefusedError) else error.code.lower()
        self._on.events.record("provider_login_failed", provider=provider, reason=reason)


def _verified_address(vouched: Vouched) -> EmailAddress:
    if vouched.email is None or not vouched.email_verified:
        raise ProviderEmailUnverifiedError
    try:
        return parse_email(vouched.email)
    except EmailSyntaxError:
        raise ProviderEmailUnverifiedError from None
