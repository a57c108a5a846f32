"""Requests made from the OpenAPI document, good and bad ones, against the running service."""

import os
import re
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path

import pytest
from processes import clean_environment

from falcon_auth.api.openapi import build_document
from falcon_auth.credentials import make_credential

FOLDER = Path(__file__).with_name("fuzz")
SECONDS = int(os.environ.get("FUZZ_SECONDS", "20"))  # `make fuzz` sets it to run long.
SLACK = 60  # Seconds to start and to finish what was begun.


def expected_successes():
    return {
        (method.upper(), path)
        for path, methods in build_document()["paths"].items()
        for method in methods
    }


@pytest.mark.timeout(SECONDS + 2 * SLACK)
def test_no_request_gets_what_the_document_does_not_say(start_service, tmp_path):
    """All of Schemathesis's checks, on positive and negative data and along the links."""
    token, credential = make_credential("fuzz")
    service = start_service(
        RATE_LIMIT_ENABLED="false", VALIDATE_RESPONSES="true", INTROSPECTION_TOKENS=credential
    )

    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(FOLDER / "schemathesis.toml")),
            *("run", f"{service.url}/openapi.json"),
            *("--checks", "all", "--mode", "all", "--continue-on-failure"),
            *("--suppress-health-check", "too_slow"),  # That is the machine's affair.
            *("--phases", "examples,coverage,fuzzing,stateful"),
            *("--max-time", str(SECONDS)),
        ],
        cwd=tmp_path,
        env=clean_environment(
            PYTHONPATH=str(FOLDER), SCHEMATHESIS_HOOKS="hooks", SERVICE_TOKEN=token
        ),
        capture_output=True,
        text=True,
        timeout=SECONDS + SLACK,
        check=False,
    )

    sys.stdout.write(run.stdout)  # For `make fuzz`, which shows it: what was tried, and the seed.
    assert run.returncode == 0, run.stdout + run.stderr
    operations = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", run.stdout)
    assert operations, run.stdout
    assert len(set(operations.groups())) == 1
    links = re.search(r"API Links: +(\d+) covered / (\d+) selected", run.stdout)
    assert links, run.stdout
    assert int(links[1]) > 0
    succeeded = {
        (line["method"], line["route"])
        for line in service.events("request")
        if line["status"] < HTTPStatus.BAD_REQUEST
    }
    assert expected_successes() <= succeeded
    assert not service.events("response_breaks_contract")
    assert not service.events("internal_error")
