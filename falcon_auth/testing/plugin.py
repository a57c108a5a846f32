"""The pytest plugin: fixtures, which import what they need only when a test asks for them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from falcon_auth.testing.forge import Forge
    from falcon_auth.testing.response_check import ResponseCheck
    from falcon_auth.testing.service import AuthClient, Clock, LoggedIn, TestService


@pytest.fixture
def auth_settings() -> Mapping[str, Any]:
    """Return settings that differ from the kit's; override it to change some."""
    return {}


@pytest.fixture
def auth_clock() -> Clock:
    """Return the service's clock, which starts now and moves only when told to.

    `auth_clock.advance(minutes=16)`; a verifier elsewhere, by the machine's clock, takes the
    tokens of a test as well.
    """
    from falcon_auth.testing.service import Clock  # noqa: PLC0415 - loaded only when asked for

    return Clock(float(int(time.time())))


@pytest.fixture
def auth_service(auth_settings: Mapping[str, Any], auth_clock: Clock) -> Iterator[TestService]:
    """Give a service of its own to each test, in this process and empty.

    `auth_service.app` is its WSGI application, `auth_service.url` its address on a real port.
    """
    from falcon_auth.testing.service import TestService  # noqa: PLC0415 - loaded when asked for

    with TestService(auth_settings, auth_clock) as service:
        yield service


@pytest.fixture
def auth_client(auth_service: TestService) -> AuthClient:
    """Return a client that needs no network; every response is validated."""
    return auth_service.client


@pytest.fixture
def auth_user(auth_service: TestService) -> LoggedIn:
    """Return a user who has just logged in."""
    return auth_service.new_user("ada@example.com")


@pytest.fixture
def auth_forge(auth_service: TestService) -> Forge:
    """Return a forge, which makes tokens of every kind: expired, foreign, of the wrong type."""
    from falcon_auth.testing.forge import Forge  # noqa: PLC0415 - loaded only when asked for

    return Forge(auth_service)


@pytest.fixture
def auth_contract() -> ResponseCheck:
    """Return the response check: a response hook for a client of one's own."""
    from falcon_auth.testing.response_check import ResponseCheck  # noqa: PLC0415 - loaded when asked for

    return ResponseCheck()
