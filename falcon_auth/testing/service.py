"""A complete service for one test: in this process, with the cheapest hash and a manual clock."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from falcon import testing
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from falcon_auth.api.app import AuthApp
from falcon_auth.api.response_contract import Answer, check
from falcon_auth.factors.setup import relying_party
from falcon_auth.keys import ASYMMETRIC
from falcon_auth.keys.pem import make_pem, write_secret
from falcon_auth.server import Server
from falcon_auth.service import FalconAuth, create_app
from falcon_auth.settings import Settings
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.testing.authenticator import Authenticator
from falcon_auth.testing.factors import App
from falcon_auth.testing.response_check import path_of

if TYPE_CHECKING:
    from falcon_auth.testing.mails import Mailbox

START = 1_800_000_000.0  # The clock's initial time, in epoch seconds.
CHEAPEST_BCRYPT = 4
SECRET_BYTES = 48  # 64 characters: as long as the largest digest, that of HS512.
URL_THREADS = 4  # Of the server behind `url`: a test has few clients.
PASSWORD = "correct horse battery"  # noqa: S105 - made up


@dataclass
class Clock:
    """A clock that only moves by `advance`. It returns epoch seconds."""

    now: float = START

    def __call__(self) -> float:
        """Return the current time in epoch seconds."""
        return self.now

    def advance(self, **parts: float) -> None:
        """Advance by `days`, `hours`, `minutes`, `seconds`, as in `timedelta`."""
        self.now += timedelta(**parts).total_seconds()


@dataclass(frozen=True)
class LoggedIn:
    """A user with a live session."""

    id: str
    email: str
    password: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """Headers that make a request this user's."""
        return {"Authorization": f"Bearer {self.access_token}"}


class AuthClient(testing.TestClient):
    """Falcon's test client; every response is validated against the contract.

    Routes that were added to the application are not the contract's, and pass.
    """

    def simulate_request(self, *args: Any, **kwargs: Any) -> testing.Result:
        """Send one request. Raises `ContractBrokenError`."""
        result = self.send(*args, **kwargs)
        method, path = (*args, *("GET", "/")[len(args) :])[:2]
        method, path = kwargs.get("method", method), path_of(kwargs.get("path", path))
        if not (isinstance(self.app, AuthApp) and self.app.has_own_route(path)):
            headers = dict(result.headers)
            check(Answer(method, path, result.status_code, headers, result.content))
        return result

    def send(self, *args: Any, **kwargs: Any) -> testing.Result:
        """Send one request, and return the response without validating it."""
        return super().simulate_request(*args, **kwargs)


class _GivenSettings(Settings):
    """Settings that are read from nowhere, which a test need not wait for."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's shape, as all but one are
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the one source: what was passed."""
        return (init_settings,)


def settings_of(values: Mapping[str, Any]) -> Settings:
    """Return the settings of a test: *values*, the cheapest ones, and the defaults, in this order.

    The environment is ignored, because it may be that of a real service. Raises `ValueError` for a
    name that is not a setting, since the test would not get what it asks for.
    """
    for name in values:
        if name not in Settings.model_fields:
            nearest = get_close_matches(name, Settings.model_fields, n=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            message = f"{name!r} is not a setting{hint}"
            raise ValueError(message)
    given: dict[str, Any] = {
        "environment": "testing",
        "bcrypt_rounds": CHEAPEST_BCRYPT,
        "hash_workers": 1,
        **values,
    }
    return _GivenSettings(**given)


class TestService:
    """A service in memory. Use it in a `with` statement, or call `close`.

    If the settings name an asymmetric `jwt_algorithm` but no key, it creates one; if they name
    `mail_from` or `email_verification` but no server, `mailbox` receives the mails.
    """

    __test__ = False  # Not a test class, despite its name.

    def __init__(self, settings: Mapping[str, Any], clock: Clock) -> None:
        self.clock = clock
        self._port = int(settings.get("port", 0))  # Of `url`; 0 is any that is free.
        self.secret = secrets.token_urlsafe(SECRET_BYTES)
        self._open = ExitStack()
        self._mail_folder = Path(self._open.enter_context(TemporaryDirectory()))
        self.app: FalconAuth = create_app(
            settings_of(
                {
                    "jwt_secret_key": self.secret,
                    **self._key_of(settings),
                    **self._mail_of(settings),
                    **settings,
                }
            ),
            clock=clock,
            store=MemoryStore(),
        )
        self.client = AuthClient(self.app)
        self._open.callback(self.app.service.close)

    def __enter__(self) -> Self:
        """Return the service itself."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Close the service."""
        self.close()

    def close(self) -> None:
        """Stop the server, if one runs, and the threads."""
        self._open.close()

    @cached_property
    def mailbox(self) -> Mailbox:
        """The mails that the service has sent; `read`, `only` or `recipients` them."""
        from falcon_auth.testing.mails import Mailbox  # noqa: PLC0415 - only where there are any

        return Mailbox(self.app.service, self._mail_folder)

    @cached_property
    def url(self) -> str:
        """The service's address on a real port of 127.0.0.1; served from the first use on."""
        server = Server(self.app, host="127.0.0.1", port=self._port, threads=URL_THREADS)
        thread = Thread(target=server.run, name="falcon-auth-kit")
        thread.start()
        self._open.callback(thread.join)
        self._open.callback(server.stop)
        return f"http://127.0.0.1:{server.port}"

    def _mail_of(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the settings of a folder for mails, where any are asked for and go nowhere."""
        asks = settings.keys() & {"mail_from", "email_verification"}
        if not asks or "mail_url" in settings:
            return {}
        return {"mail_url": f"file://{self._mail_folder}", "mail_from": "auth@example.com"}

    def _key_of(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the setting of a fresh key, where the algorithm needs one and none is named."""
        algorithm = settings.get("jwt_algorithm")
        named = {"jwt_private_key_file", "jwt_key_directory"} & settings.keys()
        if algorithm not in ASYMMETRIC or named:
            return {}
        file = Path(self._open.enter_context(TemporaryDirectory())) / "signing.pem"
        write_secret(file, make_pem(algorithm))
        return {"jwt_private_key_file": file}

    def new_user(
        self, email: str, password: str = PASSWORD, *, scopes: Collection[str] = ()
    ) -> LoggedIn:
        """Register a user, which also logs it in; with *scopes*, by a role made for it.

        Raises `InvalidBodyError` for scopes that the setting `scopes` does not declare.
        """
        body = {"email": email, "password": password}
        answer = self.client.simulate_post("/api/v1/auth/register", json=body).json
        if scopes:
            service, user_id = self.app.service, answer["user"]["id"]
            role = service.roles.define(f"of-{user_id}", [*scopes])
            service.roles.grant(service.administration.find(email), role.name)
            # The tokens from before say nothing of it.
            body = {"refresh_token": answer["refresh_token"]}
            answer |= self.client.simulate_post("/api/v1/auth/refresh", json=body).json
        return LoggedIn(
            id=answer["user"]["id"],
            email=answer["email"],
            password=password,
            access_token=answer["access_token"],
            refresh_token=answer["refresh_token"],
        )

    def add_app(self, user: LoggedIn) -> App:
        """Give the user an authenticator app, which is confirmed, with the code of now spent."""
        path = "/api/v1/auth/factors/totp"
        made = self._as(user, path, {"name": "App"})
        app = App(made["id"], made["secret"], self.clock)
        confirmed = self._as(user, f"{path}/{app.id}/confirm", {"code": app.code()})
        app.recovery_codes = confirmed.get("recovery_codes", [])
        return app

    def add_passkey(
        self, user: LoggedIn, authenticator: Authenticator | None = None
    ) -> Authenticator:
        """Give the user a passkey; return the *authenticator* that has it, by default a new one."""
        authenticator = authenticator or Authenticator(
            origin=relying_party(self.app.service.settings).origins[0],
            rp_id=relying_party(self.app.service.settings).id,
        )
        path = "/api/v1/auth/factors/passkeys"
        credential = authenticator.create(self._as(user, f"{path}/options", None))
        self._as(user, path, {"name": "Passkey", "credential": credential})
        return authenticator

    def _as(self, user: LoggedIn, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        answer = self.client.simulate_post(path, headers=user.headers, json=body)
        assert answer.status_code < HTTPStatus.BAD_REQUEST, answer.json["code"]  # noqa: S101 - a test's
        members: dict[str, Any] = answer.json
        return members

    def log_out(self, user: LoggedIn) -> None:
        """End the user's session: its tokens are refused from now on."""
        body = {"refresh_token": user.refresh_token}
        self.client.simulate_post("/api/v1/auth/logout", json=body)
