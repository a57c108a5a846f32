"""The recommended rules of two linters for OpenAPI, without a finding that is not listed here."""

from __future__ import annotations

import json

import pytest
from third_parties import document_file, node_tools, run

__all__ = ["document_file", "node_tools"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # The first one installs the tools.

# What redocly finds and is meant so: a redirect is the success of these, and the pages stand in a
# folder of their own, which their links are relative to. Which members a second factor needs hangs
# on the members that are there: `if` and `else` name them without saying again what they are.
FACTOR = "#/components/schemas/login_factor/allOf"
PROVIDER = "#/paths/~1api~1v1~1auth~1providers~1{name}"
MEANT_SO = {
    ("operation-2xx-response", "#/paths/~1/get/responses"),
    ("operation-2xx-response", "#/paths/~1account/get/responses"),
    ("operation-2xx-response", f"{PROVIDER}~1login/get/responses"),
    ("operation-2xx-response", f"{PROVIDER}~1callback/get/responses"),
    ("operation-2xx-response", f"{PROVIDER}~1callback/post/responses"),
    ("no-path-trailing-slash", "#/paths/~1account~1"),
    ("no-required-schema-properties-undefined", f"{FACTOR}/0/if/required/0"),
    ("no-required-schema-properties-undefined", f"{FACTOR}/0/else/required/0"),
    ("no-required-schema-properties-undefined", f"{FACTOR}/1/if/required/0"),
}


def test_redocly_finds_nothing(node_tools, document_file):
    ran = run(
        *(node_tools / "redocly", "lint", document_file, "--extends=recommended"),
        *("--format=json", "--max-problems=1000"),
        cwd=document_file.parent,
    )

    found = {
        (each["ruleId"], each["location"][0]["pointer"])
        for each in json.loads(ran.stdout)["problems"]
    }
    assert found == MEANT_SO


def test_spectral_finds_nothing(node_tools, document_file):
    rules = document_file.with_name("rules.json")
    rules.write_text(json.dumps({"extends": ["spectral:oas"]}))

    ran = run(
        *(node_tools / "spectral", "lint", document_file, "--ruleset", rules),
        *("--format=json", "--quiet"),
        cwd=document_file.parent,
    )

    found = {(each["code"], tuple(each["path"])) for each in json.loads(ran.stdout)}
    assert found == {("path-keys-no-trailing-slash", ("paths", "/account/"))}
