"""docs/tokens.md: its claims are those of a token, and its examples refuse what they have to."""

import re
import shutil
import subprocess
import time

import jwt
import pytest
from conftest import Clock
from fastapi import HTTPException
from fastapi.security import HTTPAuthorizationCredentials
from processes import ROOT

from falcon_auth.testing.forge import Forge
from falcon_auth.testing.service import TestService

PAGE = (ROOT / "docs" / "tokens.md").read_text(encoding="utf-8")
NAMES = {"jwt_issuer": "https://auth.example.com", "jwt_audience": "orders"}


@pytest.fixture(scope="module")
def service():
    """A service by the real clock, which verifiers elsewhere go by."""
    settings = {"jwt_algorithm": "ES256", **NAMES}
    with TestService(settings, Clock(time.time())) as service:
        yield service


def example(language):
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


@pytest.fixture(scope="module")
def fastapi_example(service):
    names = {}
    url = f"{service.url}/.well-known/jwks.json"
    text = example("python").replace(f"{NAMES['jwt_issuer']}/.well-known/jwks.json", url)
    exec(text, names)  # noqa: S102 - the documentation's own text

    def verify(token):
        return names["access_claims"](
            HTTPAuthorizationCredentials(scheme="Bearer", credentials=token)
        )

    return verify


def test_the_table_of_claims_is_what_a_token_says(service):
    user = service.new_user("claims@example.com")

    rows = re.findall(r"^\| ([a-z_, ]+) \|", PAGE, re.MULTILINE)
    listed = {name for row in rows for name in row.split(", ")} - {"claim"}
    said = jwt.decode(user.access_token, options={"verify_signature": False})
    assert listed == set(said)


def test_the_fastapi_example_takes_an_access_token(service, fastapi_example):
    user = service.new_user("good@example.com")

    assert fastapi_example(user.access_token)["uid"] == user.id


KINDS = [
    "expired",
    "from_the_future",
    "foreign",
    "of_unknown_key",
    "unsigned",
    "of_other_algorithm",
    "wrong_type",
    "refresh_token",
    "for_another_audience",
    "tampered",
    "without_expiry",
    "malformed",
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_fastapi_example_refuses_each_forgery(kind, service, fastapi_example):
    user = service.new_user(f"{kind}@example.com")
    forged = Forge(service).refused_elsewhere()
    assert set(forged) == set(KINDS)

    with pytest.raises(HTTPException) as refusal:
        fastapi_example(forged[kind][0](user))

    assert refusal.value.status_code == 401


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_the_node_example_is_well_formed(tmp_path):
    """jose itself is not among the requirements of these tests."""
    file = tmp_path / "verify.mjs"
    file.write_text(example("js"))

    subprocess.run(["node", "--check", str(file)], check=True, timeout=30, capture_output=True)
