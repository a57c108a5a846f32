"""Second factors: managing them, logging in with them, and confirming who is asking."""

from __future__ import annotations

from typing import Any

import falcon
from falcon import Request, Response

from falcon_auth.api.bodies import BodyReader
from falcon_auth.api.guard import public, requires
from falcon_auth.api.refresh_cookie import RefreshCookie, wants_cookie
from falcon_auth.api.resources.disconnect import hung_up
from falcon_auth.api.views import show_access, show_factor
from falcon_auth.factors.assembly import Factors
from falcon_auth.factors.confirmation import Confirmation
from falcon_auth.factors.enrolment import Enrolment
from falcon_auth.factors.login import FactorLogin


def factor_routes(factors: Factors, cookie: RefreshCookie) -> dict[str, object]:
    """Return the resources, by URI template."""
    enrolment, login, confirmation = factors.enrolment, factors.login, factors.confirmation
    return {
        "/api/v1/auth/factors": FactorList(enrolment),
        "/api/v1/auth/factors/{factor_id}": FactorItem(enrolment),
        "/api/v1/auth/factors/totp": NewAuthenticator(enrolment),
        "/api/v1/auth/factors/totp/{factor_id}/confirm": AuthenticatorConfirmation(enrolment),
        "/api/v1/auth/factors/passkeys/options": NewPasskeyOptions(enrolment),
        "/api/v1/auth/factors/passkeys": NewPasskey(enrolment),
        "/api/v1/auth/factors/recovery-codes": NewRecoveryCodes(enrolment),
        "/api/v1/auth/login/factor": LoginFactor(login, cookie),
        "/api/v1/auth/login/factor/options": LoginFactorOptions(login),
        "/api/v1/auth/passkey/options": PasskeyOptions(login),
        "/api/v1/auth/passkey/login": PasskeyLogin(login, cookie),
        "/api/v1/auth/confirm/options": ConfirmOptions(confirmation),
        "/api/v1/auth/confirm": Confirm(confirmation),
    }


class FactorList:
    """The caller's factors."""

    def __init__(self, enrolment: Enrolment) -> None:
        self._enrolment = enrolment

    def on_get(self, req: Request, resp: Response) -> None:
        """List those that count."""
        holder = self._enrolment.overview(req.context.caller)
        resp.media = {
            "factors": [show_factor(each) for each in holder.counted],
            "recovery_codes_left": len(holder.code_hashes),
        }


@requires(recent=True)
class FactorItem:
    """One factor of the caller."""

    def __init__(self, enrolment: Enrolment) -> None:
        self._enrolment = enrolment

    def on_delete(self, req: Request, resp: Response, factor_id: str) -> None:
        """Remove it."""
        self._enrolment.remove(req.context.caller, factor_id)
        resp.status = falcon.HTTP_204


@requires(recent=True)
class NewAuthenticator:
    """An authenticator app that is to be confirmed."""

    def __init__(self, enrolment: Enrolment) -> None:
        self._enrolment = enrolment
        self._body = BodyReader("totp")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 201 with its secret, this once."""
        body = self._body.examine(req)
        if body.violations:
            raise body.refusal(self._enrolment.violations(name=body.text("name")))
        app = self._enrolment.add_app(req.context.caller, body.members["name"])
        resp.status = falcon.HTTP_201
        resp.media = {"id": app.id, "secret": app.secret, "uri": app.uri, "qr": app.qr}


@requires(recent=True)
class AuthenticatorConfirmation:
    """The first code of an authenticator app."""

    def __init__(self, enrolment: Enrolment) -> None:
        self._enrolment = enrolment
        self._body = BodyReader("totp_confirmation")

    def on_post(self, req: Request, resp: Response, factor_id: str) -> None:
        """Have the app count; answer 200 with recovery codes where there were none."""
        body = self._body.read(req)
        caller, client = req.context.caller, req.context.client
        added = self._enrolment.confirm_app(caller, factor_id, body["code"], client)
        resp.media = _codes(added.codes)


@requires(recent=True)
class NewPasskeyOptions:
    """What a browser makes a passkey with."""

    def __init__(self, enrolment: Enrolment) -> None:
        self._enrolment = enrolment

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 200 with `PublicKeyCredentialCreationOptionsJSON`."""
        resp.media = self._enrolment.passkey_options(req.context.caller)


@requires(recent=True)
class NewPasskey:
    """A passkey that a browser made."""

    def __init__(self, enrolment: Enrolment) -> None:
        self._enrolment = enrolment
        self._body = BodyReader("passkey")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 201 with the factor, and with recovery codes where there were none."""
        body = self._body.examine(req)
        if body.violations:
            raise body.refusal(self._enrolment.violations(name=body.text("name")))
        added = self._enrolment.add_passkey(
            req.context.caller,
            body.members["name"],
            body.members["credential"],
            req.context.client,
        )
        resp.status = falcon.HTTP_201
        resp.media = show_factor(added.factor) | _codes(added.codes)


@requires(recent=True)
class NewRecoveryCodes:
    """The caller's recovery codes."""

    def __init__(self, enrolment: Enrolment) -> None:
        self._enrolment = enrolment

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 200 with new ones; the former ones are void."""
        resp.media = _codes(self._enrolment.replace_codes(req.context.caller))


@public
class LoginFactor:
    """The second factor of a log-in."""

    def __init__(self, login: FactorLogin, cookie: RefreshCookie) -> None:
        self._login = login
        self._cookie = cookie
        self._body = BodyReader("login_factor")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 200 with tokens."""
        body = self._body.read(req)
        challenge, client = body["challenge"], req.context.client
        if "credential" in body:
            pair = self._login.log_in_by_passkey(challenge, body["credential"], client)
        else:
            pair = self._login.log_in_by_code(challenge, body["code"], client)
        resp.media = self._cookie.hand_out(resp, pair, in_cookie=wants_cookie(body))


@public
class LoginFactorOptions:
    """What a browser uses a passkey as second factor with."""

    def __init__(self, login: FactorLogin) -> None:
        self._login = login
        self._body = BodyReader("login_challenge")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 200 with `PublicKeyCredentialRequestOptionsJSON`."""
        resp.media = self._login.options(self._body.read(req)["challenge"])


@public
class PasskeyOptions:
    """What a browser uses any passkey with."""

    def __init__(self, login: FactorLogin) -> None:
        self._login = login

    def on_post(self, req: Request, resp: Response) -> None:  # noqa: ARG002 - nobody is known yet
        """Answer 200 with `PublicKeyCredentialRequestOptionsJSON`."""
        resp.media = self._login.passkey_options()


@public
class PasskeyLogin:
    """A log-in by a passkey alone."""

    def __init__(self, login: FactorLogin, cookie: RefreshCookie) -> None:
        self._login = login
        self._cookie = cookie
        self._body = BodyReader("passkey_login")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 200 with tokens."""
        body = self._body.read(req)
        pair = self._login.log_in_with_passkey_alone(body["credential"], req.context.client)
        resp.media = self._cookie.hand_out(resp, pair, in_cookie=wants_cookie(body))


class ConfirmOptions:
    """What a browser confirms with by a passkey."""

    def __init__(self, confirmation: Confirmation) -> None:
        self._confirmation = confirmation

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 200 with `PublicKeyCredentialRequestOptionsJSON`."""
        resp.media = self._confirmation.options(req.context.caller)


class Confirm:
    """A further proof of who is asking (RFC 9470)."""

    def __init__(self, confirmation: Confirmation) -> None:
        self._confirmation = confirmation
        self._body = BodyReader("confirm")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 200 with a new access token of the same session."""
        body = self._body.read(req)
        caller, client = req.context.caller, req.context.client
        if "password" in body:
            token = self._confirmation.confirm_by_password(
                caller, body["password"], client, hung_up(req)
            )
        elif "code" in body:
            token = self._confirmation.confirm_by_code(caller, body["code"], client)
        else:
            token = self._confirmation.confirm_by_passkey(caller, body["credential"], client)
        resp.media = show_access(token)


def _codes(codes: list[str] | None) -> dict[str, Any]:
    return {} if codes is None else {"recovery_codes": codes}
