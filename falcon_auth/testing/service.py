"""A whole service for one test: in this process, on the cheapest hash, by a clock that is told."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from threading import Thread
from types import TracebackType
from typing import Any, Self

from falcon import testing

from falcon_auth.api.app import AuthApp
from falcon_auth.api.contract import Answer, check
from falcon_auth.serving import Server
from falcon_auth.settings import Settings
from falcon_auth.stores.memory import MemoryStore
from falcon_auth.testing.checks import path_of
from falcon_auth.wiring import FalconAuth, create_app

START = 1_800_000_000.0  # Where the clock stands, in epoch seconds, until it is moved.
CHEAPEST_BCRYPT = 4
SECRET_BYTES = 48  # 64 characters: as long as the largest digest that the forge signs with.
URL_THREADS = 4  # Of the server behind `url`: a test has no crowd.
PASSWORD = "correct horse battery"  # noqa: S105 - made up


@dataclass
class Clock:
    """A clock that only moves when told. It shows epoch seconds."""

    now: float = START

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def advance(self, **parts: float) -> None:
        """Move on by `days`, `hours`, `minutes`, `seconds`, as `timedelta` takes them."""
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
    """Falcon's test client, every answer held against the contract.

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
        """Send one request, and return what came back unchecked."""
        return super().simulate_request(*args, **kwargs)


def settings_of(values: Mapping[str, Any]) -> Settings:
    """Return settings of a test: *values*, else the cheapest, else the defaults.

    Nothing is taken from the environment, which may be that of a real service.
    """
    defaults = {name: each.default for name, each in Settings.model_fields.items()}
    kit = {"environment": "testing", "bcrypt_rounds": CHEAPEST_BCRYPT, "hash_workers": 1}
    return Settings(_env_file=None, **(defaults | kit | dict(values)))


class TestService:
    """A service in memory. Use it in a `with` statement, or call `close`."""

    __test__ = False  # Not a test, whatever its name begins with.

    def __init__(self, settings: Mapping[str, Any], clock: Clock) -> None:
        self.clock = clock
        self.secret = secrets.token_urlsafe(SECRET_BYTES)
        self.app: FalconAuth = create_app(
            settings_of({"jwt_secret_key": self.secret, **settings}),
            clock=clock,
            store=MemoryStore(),
        )
        self.client = AuthClient(self.app)
        self._open = ExitStack()
        self._open.callback(self.app.service.close)

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Stop the server, if one runs, and the threads."""
        self._open.close()

    @cached_property
    def url(self) -> str:
        """The service's address on a real port of 127.0.0.1; served from the first use on."""
        server = Server(self.app, host="127.0.0.1", port=0, threads=URL_THREADS)
        thread = Thread(target=server.run, name="falcon-auth-kit")
        thread.start()
        self._open.callback(thread.join)
        self._open.callback(server.stop)
        return f"http://127.0.0.1:{server.port}"

    def new_user(self, email: str, password: str = PASSWORD) -> LoggedIn:
        """Register a user, which also logs it in."""
        body = {"email": email, "password": password}
        answer = self.client.simulate_post("/api/v1/auth/register", json=body).json
        return LoggedIn(
            id=answer["user"]["id"],
            email=answer["email"],
            password=password,
            access_token=answer["access_token"],
            refresh_token=answer["refresh_token"],
        )

    def log_out(self, user: LoggedIn) -> None:
        """End the user's session: its tokens are refused from now on."""
        body = {"refresh_token": user.refresh_token}
        self.client.simulate_post("/api/v1/auth/logout", json=body)
