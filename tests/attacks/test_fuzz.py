"""Requests made from the OpenAPI document, good and bad ones, against the running service."""

import os
import re
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path

import pytest
from processes import UNMEASURED, clean_environment

from falcon_auth.keys.service_credentials import make_credential

FOLDER = Path(__file__).with_name("fuzz")
# `make fuzz` goes on with chance for so many seconds. Elsewhere the same few requests of each
# kind are sent, so that neither chance nor a busy machine decides what is tried.
SECONDS = int(os.environ.get("FUZZ_SECONDS", "0"))
AMOUNT = ("--max-time", str(SECONDS)) if SECONDS else ("--max-examples", "8", "--seed", "1")
PATIENCE = SECONDS + 200  # Seconds to start and to finish what was begun.
# What no generated request comes to: it takes a token of a mail, a code, or a passkey.
OUT_OF_REACH = {
    ("POST", "/api/v1/auth/password/reset"),
    ("POST", "/api/v1/auth/login/factor"),
    ("POST", "/api/v1/auth/login/factor/options"),
    ("POST", "/api/v1/auth/passkey/login"),
    ("POST", "/api/v1/auth/confirm/options"),
    ("POST", "/api/v1/auth/factors/passkeys"),
    ("POST", "/api/v1/auth/factors/recovery-codes"),
    ("POST", "/api/v1/auth/factors/totp/{factor_id}/confirm"),
    ("DELETE", "/api/v1/auth/factors/{factor_id}"),
}
ADMINISTRATION = "/api/v1/admin/"  # It takes a role.


def run_schemathesis(service, folder, *, phases, token):
    """Run it against a service; return what it printed, which `make fuzz` shows."""
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(FOLDER / "schemathesis.toml")),
            *("run", f"{service.url}/openapi.json"),
            *("--checks", "all", "--mode", "all", "--continue-on-failure"),
            *("--suppress-health-check", "too_slow"),  # That is the machine's affair.
            *("--phases", phases),
            *AMOUNT,
        ],
        cwd=folder,
        env=clean_environment(
            PYTHONPATH=str(FOLDER), SCHEMATHESIS_HOOKS="hooks", SERVICE_TOKEN=token, **UNMEASURED
        ),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    sys.stdout.write(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
    assert not service.events("response_breaks_contract")
    assert not service.events("internal_error")
    return run.stdout


@pytest.mark.timeout(PATIENCE + 20)
def test_no_request_gets_what_the_document_does_not_say(start_service, tmp_path):
    """All of Schemathesis's checks, on positive and negative data and along the links."""
    token, credential = make_credential("fuzz")
    service = start_service(
        RATE_LIMIT_ENABLED="false",
        VALIDATE_RESPONSES="true",
        INTROSPECTION_TOKENS=credential,
        **UNMEASURED,
    )

    printed = run_schemathesis(service, tmp_path, phases="examples,fuzzing,stateful", token=token)

    operations = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", printed)
    assert operations, printed
    assert len(set(operations.groups())) == 1
    links = re.search(r"API Links: +(\d+) covered / (\d+) selected", printed)
    assert links, printed
    assert int(links[1]) > 0
    document = service.request("GET", "/openapi.json").json
    succeeded = {
        (line["method"], line["route"])
        for line in service.events("request")
        if line["status"] < HTTPStatus.BAD_REQUEST
    }
    assert {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if not methods[method].get("x-any-method") and not path.startswith(ADMINISTRATION)
    } - OUT_OF_REACH <= succeeded


@pytest.mark.timeout(PATIENCE + 20)
def test_with_every_capability_on_no_request_gets_what_the_document_does_not_say(
    start_service, tmp_path
):
    """The document's examples, and every keyword of every schema kept and broken."""
    token, credential = make_credential("fuzz")
    mails = tmp_path / "mails"
    mails.mkdir()
    service = start_service(
        RATE_LIMIT_ENABLED="false",
        VALIDATE_RESPONSES="true",
        INTROSPECTION_TOKENS=credential,
        MAIL_URL=f"file://{mails}",
        MAIL_FROM="auth@example.com",
        PAGES="true",
        JWT_ISSUER="https://auth.example.com",
        **UNMEASURED,
    )

    run_schemathesis(service, tmp_path, phases="examples,coverage", token=token)
