"""A provider that others wrote, the npm package oidc-provider, and a service that knows it twice.

Once as it is, and once as if it were Apple. The provider is at 127.0.0.1 and the service at
localhost, so that they are two sites to a browser.
"""

import json
import subprocess
import time

import jwt
import pytest
from conftest import Clock
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lying_provider import write_entries
from processes import PATIENCE, free_port
from third_parties import FOLDER, node_tools

from falcon_auth.testing.service import TestService

__all__ = ["node_tools"]  # A fixture.

SECRET = "a secret of the tests"
TEAM, KEY_ID, SERVICES_ID = "TEAM567890", "KEY4567890", "com.example.web"


class OtherProvider:
    """A process of `provider.mjs`."""

    def __init__(self, process, url):
        self._process, self.url = process, url
        self.wait()

    def wait(self):
        """Wait until it says that it is ready, after whatever else it has to say."""
        assert "ready\n" in iter(self._process.stdout.readline, "")

    def rotate(self):
        """Have it sign with a new key; the old one is gone."""
        self._process.stdin.write("rotate\n")
        self._process.stdin.flush()
        self.wait()


def start(address, name="idp"):
    """Where a log-in by a provider begins."""
    return f"{address}/api/v1/auth/providers/{name}/login"


@pytest.fixture(scope="module")
def address():
    """The service's."""
    return f"http://localhost:{free_port()}"


@pytest.fixture(scope="module")
def apple_key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def provider(node_tools, address, apple_key):
    port = free_port()
    callback = f"{address}/api/v1/auth/providers/{{}}/callback"
    key = jwt.algorithms.ECAlgorithm.to_jwk(apple_key.public_key(), as_dict=True)
    told = {
        "port": port,
        "client": {
            "client_id": "falcon",
            "client_secret": SECRET,
            "redirect_uris": [callback.format("idp")],
        },
        "apple": {
            "team": TEAM,
            "key": key | {"kid": KEY_ID},
            "client": {
                "client_id": SERVICES_ID,
                "client_secret": "is not asked for",
                "redirect_uris": [callback.format("apple")],
            },
        },
    }
    with subprocess.Popen(
        ["node", "provider.mjs", json.dumps(told)],
        cwd=FOLDER / "provider",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield OtherProvider(process, f"http://127.0.0.1:{port}")
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


@pytest.fixture(scope="module")
def service(provider, address, apple_key, tmp_path_factory):
    """A service with the provider, once as it is and once as Apple would be."""
    folder = tmp_path_factory.mktemp("providers")
    pem = apple_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.p8").write_bytes(pem)
    entries = [
        {"name": "idp", "title": "The Provider", "client_id": "falcon", "client_secret": SECRET},
        {
            "name": "apple",
            "preset": "apple",
            "client_id": SERVICES_ID,
            "team_id": TEAM,
            "key_id": KEY_ID,
            "private_key_file": str(folder / "key.p8"),
        },
    ]
    settings = {
        "port": int(address.rpartition(":")[2]),
        "public_url": address,
        "pages": True,
        "providers_file": write_entries(
            folder, *(each | {"issuer": provider.url} for each in entries)
        ),
    }
    with TestService(settings, Clock(time.time())) as service:
        assert service.url  # Starts its server.
        yield service
