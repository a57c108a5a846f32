"""The words of the tests of log-ins by others: a provider, a service that knows it, a browser."""

import pytest
from lying_provider import Browser, entry, running_provider, write_entries

RETURN_TO = "https://app.example.com/signed-in"
EXCHANGE = "/api/v1/auth/providers/exchange"
IDENTITIES = "/api/v1/auth/identities"


@pytest.fixture
def idp(clock):
    """A provider, which can be made to lie."""
    with running_provider(clock) as provider:
        yield provider


@pytest.fixture
def knowing(make_client, idp, tmp_path):
    """Make a client of a service that knows the provider, or others by their entries."""

    def make(*entries, **values):
        file = write_entries(tmp_path, *(entries or [entry(idp)]))
        return make_client(providers_file=file, **{"return_urls": (RETURN_TO,), **values})

    return make


@pytest.fixture
def some_providers(tmp_path):
    """A PROVIDERS_FILE whose provider nobody asks anything."""
    google = {"name": "google", "preset": "google", "client_id": "id", "client_secret": "secret"}
    return write_entries(tmp_path, google)


@pytest.fixture
def service(knowing):
    return knowing()


@pytest.fixture
def surfer(service):
    """The browser of somebody with an account at the provider."""
    return Browser(service)


def exchange(service, found):
    """Exchange the code that a callback led to; return the answer."""
    return service.post(EXCHANGE, {"code": found["code"]})
