"""Which resource answers which path: one function per capability, one route per line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from pydantic import SecretStr

from falcon_auth.access.roles import Roles
from falcon_auth.accounts.directory import Directory
from falcon_auth.accounts.invitation import Inviting
from falcon_auth.accounts.life import Life, LifeByMail
from falcon_auth.accounts.login import PasswordLogin
from falcon_auth.accounts.password_change import PasswordChange
from falcon_auth.accounts.registration import Registration
from falcon_auth.accounts.user_changes import UserChanges
from falcon_auth.api.app import AuthApp
from falcon_auth.api.openapi import FRAGMENTS
from falcon_auth.api.refresh_cookie import RefreshCookie
from falcon_auth.api.resources import (
    accounts,
    administration,
    audit,
    forward_auth,
    health,
    home,
    mail,
    oauth,
    own_account,
    profile,
    roles,
    sessions,
)
from falcon_auth.api.resources import metrics as metrics_resource
from falcon_auth.api.resources.documents import documents
from falcon_auth.api.resources.metadata import metadata_resources
from falcon_auth.audit.reading import AuditReading
from falcon_auth.keys import KeySource
from falcon_auth.keys.service_credentials import ServiceCredentials
from falcon_auth.models import Caller
from falcon_auth.observability.metrics import Metrics
from falcon_auth.sessions.sessions import Sessions

Routes = dict[str, object]  # Resources by their paths.

# The design documents name these paths too; documentation leaves them out.
ALIASES = {
    "/register": "/api/v1/auth/register",
    "/login": "/api/v1/auth/login",
    "/refresh": "/api/v1/auth/refresh",
    "/api/auth/register": "/api/v1/auth/register",
    "/api/auth/login": "/api/v1/auth/login",
    "/api/auth/refresh": "/api/v1/auth/refresh",
    "/api/user/profile": "/api/v1/protected/profile",
}


def account_routes(
    registration: Registration,
    login: PasswordLogin,
    password_change: PasswordChange,
    cookie: RefreshCookie,
) -> Routes:
    """Register, log in, change the password."""
    return {
        "/api/v1/auth/register": accounts.Register(registration, cookie),
        "/api/v1/auth/login": accounts.Login(login, cookie),
        "/api/v1/auth/password": accounts.Password(password_change),
    }


def life_routes(life: Life) -> Routes:
    """Show, rename and delete one's own account; set a password by a link."""
    return {
        "/api/v1/auth/account": own_account.Account(life.own_account),
        "/api/v1/auth/password/reset": own_account.ResetPassword(life.password_reset),
    }


def mail_routes(by_mail: LifeByMail, authenticate: Callable[[str], Caller]) -> Routes:
    """Verify an address, ask for a reset, change the address: what takes mails."""
    verification, change = by_mail.verification, by_mail.address_change
    return {
        "/api/v1/auth/email/verification": mail.SendVerification(verification),
        "/api/v1/auth/email/verify": mail.VerifyEmail(verification, authenticate),
        "/api/v1/auth/password/forgot": mail.ForgotPassword(by_mail.reset_requests),
        "/api/v1/auth/email/change": mail.ChangeEmail(change),
        "/api/v1/auth/email/change/confirm": mail.ConfirmEmail(change),
    }


def role_routes(use_cases: Roles) -> Routes:
    """List, define and delete roles."""
    return {
        "/api/v1/admin/roles": roles.RoleList(use_cases),
        "/api/v1/admin/roles/{name}": roles.RoleItem(use_cases),
    }


def administration_routes(directory: Directory, inviting: Inviting, changes: UserChanges) -> Routes:
    """Look through the users, invite, change and delete them."""
    users = "/api/v1/admin/users"
    one = f"{users}/{{user_id}}"
    return {
        users: administration.UserList(directory, inviting),
        one: administration.UserItem(directory, changes),
        f"{one}/password-reset": administration.UserPasswordReset(changes),
        f"{one}/sessions": administration.UserSessions(directory, changes),
        f"{one}/factors": administration.UserFactors(changes),
    }


def session_routes(use_cases: Sessions, cookie: RefreshCookie) -> Routes:
    """Refresh, log out, list and end sessions."""
    return {
        "/api/v1/auth/refresh": sessions.Refresh(use_cases, cookie),
        "/api/v1/auth/logout": sessions.Logout(use_cases, cookie),
        "/api/v1/auth/sessions": sessions.SessionList(use_cases),
        "/api/v1/auth/sessions/{session_id}": sessions.SessionItem(use_cases),
    }


def audit_routes(reading: AuditReading) -> Routes:
    """Read the audit trail."""
    return {
        "/api/v1/admin/audit": audit.AuditTrail(reading),
        "/api/v1/auth/activity": audit.Activity(reading),
    }


def example_routes() -> Routes:
    """Show the caller: their profile, and the smallest example to copy."""
    return {
        "/api/v1/protected/profile": profile.Profile(),
        "/protected": profile.Protected(),
    }


def verifier_routes(
    use_cases: Sessions,
    credentials: ServiceCredentials,
    keys: KeySource,
    issuer: str | None,
) -> Routes:
    """Let other services fetch the keys, and introspect and revoke tokens."""
    return {
        "/api/v1/auth/introspect": oauth.Introspect(use_cases, credentials, issuer),
        "/api/v1/auth/revoke": oauth.Revoke(use_cases),
        "/.well-known/jwks.json": oauth.Jwks(keys),
    }


def metadata_routes(
    issuer: str, issuer_path: str, public_base: str, scopes: Collection[str]
) -> Routes:
    """Tell other services where keys and endpoints are; see `metadata_resources`."""
    return metadata_resources(issuer, issuer_path, public_base, scopes)


def proxy_routes() -> Routes:
    """Tell a reverse proxy who sends a request."""
    check = forward_auth.Check()
    return {"/api/v1/auth/check": check, "/api/v1/auth/check/{path:path}": check}


def operation_routes(
    clock: Callable[[], float], checks: Mapping[str, Callable[[], Mapping[str, Any]]]
) -> Routes:
    """Report liveness and readiness."""
    return {
        "/health": health.Health(clock),
        "/health/ready": health.Ready(checks),
    }


def metrics_routes(metrics: Metrics, token: SecretStr | None) -> Routes:
    """Show the metrics to Prometheus."""
    return {"/metrics": metrics_resource.Scrape(metrics, token)}


def document_routes(*, root_leads_to: str, without: Collection[str] = ()) -> Routes:
    """Show the schemas, the OpenAPI document and its page; lead from the root to a page.

    *without* are the fragments of the document whose routes are not there.
    """
    fragments = tuple(name for name in FRAGMENTS if name not in without)
    return {"/": home.Home(root_leads_to), **documents(fragments)}


def add_routes(app: AuthApp, resources: Routes) -> None:
    """Add every resource at its path, and at its other paths."""
    for path, resource in resources.items():
        app.add_route(path, resource)
    for alias, path in ALIASES.items():
        app.add_route(alias, resources[path])
