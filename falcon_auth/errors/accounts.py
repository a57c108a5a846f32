"""Refusals that concern an account: its permissions, its state, and conflicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from falcon_auth.errors.base import AuthError


class InsufficientScopeError(AuthError):
    """The token is valid, but its user lacks one of *scopes* (RFC 6750, 3.1)."""

    status = 403
    code = "INSUFFICIENT_SCOPE"
    title = "A scope is missing"
    default_detail = "You are logged in, and not allowed to do this."

    def __init__(self, scopes: Sequence[str] = ()) -> None:
        super().__init__()
        self.scopes = tuple(scopes)

    @property
    def challenge_parameters(self) -> Mapping[str, str]:
        """The parameters of WWW-Authenticate in addition to the realm (RFC 6750, 3)."""
        return {"error": "insufficient_scope", "scope": " ".join(self.scopes)}


class AccountDisabledError(AuthError):
    """The password was correct, but the account is disabled."""

    status = 403
    code = "ACCOUNT_DISABLED"
    title = "The account is disabled"
    default_detail = "This account is disabled; contact the operator of the service."


class EmailNotVerifiedError(AuthError):
    """The password was correct, but the address has to be verified first."""

    status = 403
    code = "EMAIL_NOT_VERIFIED"
    title = "The e-mail address is not verified"
    default_detail = "Open the link that was sent to your address, or ask for a password reset."


class RegistrationClosedError(AuthError):
    """REGISTRATION is `closed`: users are invited."""

    status = 403
    code = "REGISTRATION_CLOSED"
    title = "Registration is closed"
    default_detail = "New users are invited; contact the operator of the service."


class DuplicateEmailError(AuthError):
    """Another user has this address, perhaps in another case or Unicode form."""

    status = 409
    code = "DUPLICATE_EMAIL"
    title = "The e-mail address is taken"
    default_detail = "A user with this e-mail address exists already."


class DuplicateUsernameError(AuthError):
    """Another user has this name, perhaps in another case."""

    status = 409
    code = "DUPLICATE_USERNAME"
    title = "The user name is taken"
    default_detail = "A user with this user name exists already."


class ProviderEmailUnverifiedError(AuthError):
    """A new identity comes without an address that its provider has verified."""

    status = 403
    code = "PROVIDER_EMAIL_UNVERIFIED"
    title = "The provider has not verified an e-mail address"
    default_detail = "Verify your e-mail address at the provider, or register here with a password."


class IdentityNotLinkedError(AuthError):
    """The address of a new identity is that of a user: an address alone links nothing."""

    status = 409
    code = "IDENTITY_NOT_LINKED"
    title = "The account at the provider is not linked"
    default_detail = (
        "An account with this e-mail address exists already. Log in to it, or reset its password, "
        "and link the provider there."
    )


class IdentityTakenError(AuthError):
    """The identity is linked already, to this user or to another."""

    status = 409
    code = "IDENTITY_TAKEN"
    title = "The account at the provider is linked already"
    default_detail = "This account at the provider is linked to a user already."


class LastWayInError(AuthError):
    """Without it the user could not log in any more."""

    status = 409
    code = "LAST_WAY_IN"
    title = "The last way to log in cannot be removed"
    default_detail = "Set a password, add a passkey or link another provider first."


class FactorRequiredError(AuthError):
    """The user has to keep a second factor, so the last one cannot be removed."""

    status = 409
    code = "FACTOR_REQUIRED"
    title = "The last factor cannot be removed"
    default_detail = "One of your roles requires a second factor; add another one first."


class LastAdministratorError(AuthError):
    """The change would leave nobody who has the scope `admin` and is active."""

    status = 409
    code = "LAST_ADMINISTRATOR"
    title = "The last administrator cannot be taken away"
    default_detail = "Nobody else is an administrator; make somebody one first."
