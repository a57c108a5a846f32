"""The response contract: responses validated against the OpenAPI document.

Tests hold every response against it, `VALIDATE_RESPONSES` does so in a running service, and
`falcon_auth.testing` for the teams that use one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

from falcon_auth.api.app import template_pattern
from falcon_auth.api.openapi import build_document
from falcon_auth.api.routes import ALIASES
from falcon_auth.api.validators import compile_schema

DOCUMENT_URI = "urn:falcon-auth:openapi"
# Header fields of the transfer belong to the server, not to the contract.
_TRANSPORT = {"connection", "content-length", "content-type", "date", "transfer-encoding", "via"}

Node = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """One response, and the request that it answers. The path is decoded, without a query."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes


class Contract:
    """The responses that an OpenAPI document allows. Safe to share between threads."""

    def __init__(self, document: Node, aliases: Mapping[str, str]) -> None:
        self._document = document
        self._aliases = aliases
        # Most literal first: `/docs` before `/docs/{name}`, a name before a placeholder.
        self._paths = [
            (template_pattern(template), methods)
            for template, methods in sorted(document["paths"].items(), key=_literally)
        ]
        self._every: Node = document["x-every-response"]
        self._compiled = cache(self._compile)

    def violations(self, answer: Answer) -> list[str]:
        """Return the violations in *answer*, one line each, without its values; empty if none."""
        documented = self._responses_for(answer).get(str(answer.status))
        if documented is None:
            return [f"status {answer.status} is not documented"]
        promised = self._resolve(documented)
        return [
            *self._header_violations(promised, answer),
            *self._body_violations(promised, answer),
        ]

    def _methods_of(self, path: str) -> Node | None:
        path = self._aliases.get(path, path)
        for pattern, methods in self._paths:
            if pattern.fullmatch(path):
                found: Node = methods
                return found
        return None

    def _responses_for(self, answer: Answer) -> Node:
        """Return the responses that the document has for the request."""
        name = "get" if answer.method == "HEAD" else answer.method.lower()
        methods = self._methods_of(answer.path)
        if methods is not None and any(each.get("x-any-method") for each in methods.values()):
            name = "get"
        every = self._document["x-every-path"]
        others: Node = every["other"]["responses"]
        if methods is not None and name in methods:
            own: Node = methods[name]["responses"]
            return {**others, **own} if methods[name].get("x-optional") else own
        if methods is None:  # A path that is not there has no methods at all.
            return _without(others, "405")
        if name == "options":
            others = {**others, **every["options"]["responses"]}
        is_optional = any(method.get("x-optional") for method in methods.values())
        return others if is_optional else _without(others, "404")

    # --- Headers

    def _header_violations(self, promised: Node, answer: Answer) -> Iterator[str]:
        given = {name.lower(): value for name, value in answer.headers.items()}
        known = {name.lower(): header for name, header in self._every.items()}
        known |= {name.lower(): header for name, header in promised.get("headers", {}).items()}
        for name, header in known.items():
            yield from self._one_header(name, self._resolve(header), given.get(name))
        for name in given.keys() - known.keys() - _TRANSPORT:
            yield f"header {name} is not documented"

    def _one_header(self, name: str, header: Node, value: str | None) -> Iterator[str]:
        if value is None:
            if header.get("required"):
                yield f"header {name} is missing"
            return
        schema = header["schema"]
        is_number = schema.get("type") == "integer" and re.fullmatch("[0-9]+", value)
        if not self._validator(schema).is_valid(int(value) if is_number else value):
            yield f"header {name} breaks its schema"

    # --- Body

    def _body_violations(self, promised: Node, answer: Answer) -> Iterator[str]:
        content = promised.get("content")
        media_type = {name.lower(): value for name, value in answer.headers.items()}.get(
            "content-type"
        )
        if content is None:
            if answer.body or media_type is not None:
                yield "a body is not documented"
        elif media_type not in content:
            yield "the type of the body is not documented"
        elif answer.method == "HEAD":
            if answer.body:
                yield "an answer to HEAD has a body"
        elif "schema" in content[media_type]:
            yield from self._schema_violations(content[media_type]["schema"], answer.body)

    def _schema_violations(self, schema: Node, body: bytes) -> Iterator[str]:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            yield "the body is not JSON"
            return
        violations = (  # Several errors of one rule may name the same members.
            f"the body at /{'/'.join(map(str, error.absolute_path))} {_broken_rule(error)}"
            for error in self._validator(schema).iter_errors(value)
        )
        yield from dict.fromkeys(violations)

    # --- The document

    def _resolve(self, node: Node) -> Node:
        """Return what a reference into the document stands for."""
        while "$ref" in node:
            reference: str = node["$ref"]
            node = self._document
            for name in reference.removeprefix("#/").split("/"):
                node = node[name]
        return node

    def _validator(self, schema: Node) -> Validator:
        return self._compiled(json.dumps(schema))

    def _compile(self, schema: str) -> Validator:
        """Compile a schema whose references point into the document."""
        whole = schema.replace('"$ref": "#/', f'"$ref": "{DOCUMENT_URI}#/')
        return compile_schema(json.loads(whole), {DOCUMENT_URI: self._document})


def _broken_rule(error: ValidationError) -> str:
    """Describe which rule a part of a body violates, and by which members; never their values."""
    rule = str(error.validator)
    value: Any = error.validator_value
    instance: Any = error.instance
    if rule == "required":
        lacking = [name for name in value if name not in instance]
        return f"breaks the rule {rule}: without {', '.join(lacking)}"
    if rule == "additionalProperties" and isinstance(error.schema, dict):
        unknown = [name for name in instance if name not in error.schema.get("properties", {})]
        return f"breaks the rule {rule}: with {', '.join(sorted(unknown))}"
    return f"breaks the rule {rule}"


@cache
def service_contract() -> Contract:
    """Return the contract of this service."""
    return Contract(build_document(), ALIASES)


def _without(responses: Node, status: str) -> Node:
    return {each: response for each, response in responses.items() if each != status}


def _literally(item: tuple[str, Any]) -> tuple[int, str]:
    return item[0].count("{"), item[0]


def check(answer: Answer, contract: Contract | None = None) -> None:
    """Raise `ContractBrokenError` if *answer* violates *contract*, by default the service's."""
    violations = (contract or service_contract()).violations(answer)
    if violations:
        where = f"{answer.method} {answer.path}: {answer.status}"
        raise ContractBrokenError(f"{where}: {violation}" for violation in violations)


class ContractBrokenError(AssertionError):
    """An answer that the contract does not allow; the message has a line for each violation."""

    def __init__(self, violations: Iterable[str]) -> None:
        super().__init__("\n".join(violations))
