"""The OpenAPI document: assembled from the schemas, the catalogue of errors, and fragments.

`schemas/openapi/document.json` holds what all operations share, and each capability has a fragment
beside it: its tags, its paths, and the components that only it needs. A fragment is OpenAPI 3.1
with six additional keywords, which avoid repetition:

- `x-query: name` in an operation: a query string whose parameters satisfy that schema;
- `x-json: name` in a request body or an answer: JSON that satisfies `schemas/<name>.json`;
- `x-form: name` in a request body: a form whose parameters satisfy that schema;
- `x-file: [type, …]` in an answer: a file of one of these types, with ETag and 304;
- `x-links: [operation, …]` in an answer that holds tokens: where they can be used;
- `x-problems: [code, …]` in an operation: the errors it can answer. Those of every operation,
  of every body and of every guarded operation are added here.

Two stay in the document: `x-optional`, where the path is there only if the settings say so, and
`x-any-method`, where every method of a path is answered as this one is.

`x-webhook` in a fragment is what all webhooks share; there is one for each type of event.

A new operation is one entry in the `paths` of its fragment; a new capability is a new file, named
in `FRAGMENTS`. What all answers share is under `x-every-response` of `document.json`, and what a
path answers beyond its operations under `x-every-path`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from falcon_auth import __version__
from falcon_auth.api.bodies import MEDIA_JSON
from falcon_auth.api.forms import MEDIA_FORM
from falcon_auth.api.openapi_webhooks import webhooks
from falcon_auth.api.problems import MEDIA_PROBLEM, problem_of
from falcon_auth.api.schemas import SCHEMAS, read_schema_file
from falcon_auth.errors import (
    CATALOGUE,
    AuthError,
    InsufficientScopeError,
    SecondFactorRequiredError,
    TryAgainError,
    UnauthorizedError,
)

# In the order in which the documentation page shows them.
FRAGMENTS = (
    "accounts",
    "account",
    "mail",
    "sessions",
    "factors",
    "providers",
    "roles",
    "audit",
    "administration",
    "guarded",
    "services",
    "metadata",
    "operation",
    "contract",
    "pages",
    "webhooks",
)
PROBLEMS_OF_ALL = (
    "INTERNAL_ERROR",
    # What the server refuses before it looks for the operation.
    "HEADERS_TOO_LARGE",
    "MALFORMED_REQUEST",
    "NOT_IMPLEMENTED",
    "PAYLOAD_TOO_LARGE",
)
PROBLEMS_OF_BODIES = ("MALFORMED_JSON", "UNSUPPORTED_MEDIA_TYPE", "VALIDATION_FAILED")
PROBLEMS_OF_FORMS = ("UNSUPPORTED_MEDIA_TYPE", "VALIDATION_FAILED")
PROBLEMS_OF_GUARDED = (
    "MISSING_TOKEN",
    "TOKEN_EXPIRED",
    "TOKEN_INVALID",
    "TOKEN_REVOKED",
    "STORE_UNAVAILABLE",
)
_FILE_HEADERS = {
    "ETag": {"$ref": "#/components/headers/ETag"},
    "Cache-Control": {"$ref": "#/components/headers/Revalidate"},
}
# How the tokens in an answer reach another operation.
_BEARER = {"parameters": {"header.Authorization": "Bearer {$response.body#/access_token}"}}
_SPENT = {"requestBody": {"refresh_token": "$response.body#/refresh_token"}}
QUERY = "_query"  # How the names of schemas of query strings end.
ERROR_CODE = "error_code"  # The component that lists every code.
EXAMPLE_ID = "order-42"  # A client may send its own.

Node = dict[str, Any]


def build_document(fragments: Sequence[str] = FRAGMENTS) -> Node:
    """Return the OpenAPI document built from *fragments*, by default from all of them.

    Links to operations of other fragments are left out. Raises `KeyError` where a fragment names
    a schema or a code that is not there, and `ValueError` where two have the same path.
    """
    document = read_schema_file("openapi/document.json")
    document["info"]["version"] = __version__
    document["tags"], document["paths"] = [], {}
    for name in fragments:
        _merge(document, read_schema_file(f"openapi/{name}.json"))
    document["components"]["schemas"] = _schemas()
    shared = document["components"].setdefault("responses", {})
    shared.update({code: _refusal(code) for code in PROBLEMS_OF_ALL})
    operations = [
        operation for methods in document["paths"].values() for operation in methods.values()
    ]
    takes_body = {each["operationId"]: "requestBody" in each for each in operations}
    for operation in [*operations, *document["x-every-path"].values()]:
        _expand(operation, takes_body)
    return document


def _merge(document: Node, fragment: Node) -> None:
    """Add what a fragment holds. Raises `ValueError` for a path or component there already."""
    document["tags"] += fragment["tags"]
    if "x-webhook" in fragment:
        document["webhooks"] = webhooks(fragment["x-webhook"])
    parts = [(document["paths"], fragment["paths"])]
    for kind, named in fragment.get("components", {}).items():
        parts.append((document["components"].setdefault(kind, {}), named))
    for known, added in parts:
        if twice := known.keys() & added.keys():
            raise ValueError(f"in two fragments: {', '.join(sorted(twice))}")
        known.update(added)


def _schemas() -> Node:
    """Return the schemas as components, every error code by name in those of problems.

    Generators read the codes here only: they pass over what stands beside a reference.
    """
    schemas = {
        name: _component(schema)
        for name, schema in SCHEMAS.items()
        if not name.endswith(QUERY)  # Operations list their parameters.
    }
    problem = schemas["problem"]["properties"]
    for owner in (problem, problem["errors"]["items"]["properties"]):
        owner["code"] = {"$ref": f"#/components/schemas/{ERROR_CODE}"}
    schemas[ERROR_CODE] = {
        "title": "Error code",
        "description": "What went wrong, for programs to switch on. Codes may be added.",
        "type": "string",
        "enum": sorted(CATALOGUE),
    }
    return schemas


def _component(schema: Any) -> Any:
    """Return a schema as a component: without its identity, and with references to components."""
    if isinstance(schema, list):
        return [_component(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: f"#/components/schemas/{value.removesuffix('.json')}"
        if key == "$ref"
        else _component(value)
        for key, value in schema.items()
        if key not in {"$id", "$schema"}
    }


def _expand(operation: Node, takes_body: Mapping[str, bool]) -> None:
    """Replace the additional keywords in *operation* with what they stand for."""
    codes = [*PROBLEMS_OF_ALL, *operation.pop("x-problems", ()), *_expand_query(operation)]
    body = operation.get("requestBody")
    if body is not None and "x-form" in body:
        codes += PROBLEMS_OF_FORMS
        content = {MEDIA_FORM: _media(body["x-form"])}
        operation["requestBody"] = {"required": True, "content": content}
    elif body is not None:
        codes += PROBLEMS_OF_BODIES
        operation["requestBody"] = {"required": True, "content": _json_content(body["x-json"])}
    if "operationId" in operation and "security" not in operation:
        codes += PROBLEMS_OF_GUARDED
    answers: Node = operation.setdefault("responses", {})
    for answer in list(answers.values()):
        if "x-json" in answer:
            answer["content"] = _json_content(answer.pop("x-json"))
        if "x-links" in answer:
            answer["links"] = {
                target: {
                    "operationId": target,
                    **(_SPENT if takes_body[target] else _BEARER),
                }
                for target in answer.pop("x-links")
                if target in takes_body
            }
        if "x-file" in answer:
            files: Node = {media: {} for media in answer.pop("x-file")}
            answer["content"] = files | answer.get("content", {})
            answer["headers"] = {**_FILE_HEADERS, **answer.get("headers", {})}
            answers["304"] = {"description": "It is as it was.", "headers": answer["headers"]}
    _add_problems(answers, codes)
    for answer in answers.values():
        if "$ref" not in answer:
            answer["headers"] = {**_headers(["X-Request-ID"]), **answer.get("headers", {})}
    operation["responses"] = dict(sorted(answers.items()))


def _expand_query(operation: Node) -> tuple[str, ...]:
    """Write out the parameters of a query string, all optional; return the problems they add."""
    if "x-query" not in operation:
        return ()
    parameters = operation["parameters"] = list(operation.get("parameters", ()))
    for name, schema in SCHEMAS[operation.pop("x-query")]["properties"].items():
        rules = {word: value for word, value in schema.items() if word != "description"}
        described = {"name": name, "in": "query", "description": schema["description"]}
        parameters.append(described | {"schema": rules})
    return ("VALIDATION_FAILED",)


def _json_content(name: str) -> Node:
    return {MEDIA_JSON: _media(name)}


def _media(name: str) -> Node:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"schema": schema, "example": SCHEMAS[name]["examples"][0]}


def _add_problems(answers: Node, codes: Iterable[str]) -> None:
    by_status: defaultdict[int, list[type[AuthError]]] = defaultdict(list)
    for code in sorted(set(codes)):
        by_status[CATALOGUE[code].status].append(CATALOGUE[code])
    for status, of_status in by_status.items():
        if len(of_status) == 1 and of_status[0].code in PROBLEMS_OF_ALL:
            answers[str(status)] = {"$ref": f"#/components/responses/{of_status[0].code}"}
            continue
        answer = answers.setdefault(str(status), {"description": _describe(status, of_status)})
        answer.setdefault("content", {})[MEDIA_PROBLEM] = _problem_content(of_status)
        answer["headers"] = {**_problem_headers(of_status), **answer.get("headers", {})}


def _refusal(code: str) -> Node:
    """Return the answer with one problem that every operation can give."""
    kind = CATALOGUE[code]
    return {
        "description": _describe(kind.status, [kind]),
        "headers": _headers(["X-Request-ID"]),
        "content": {MEDIA_PROBLEM: _problem_content([kind])},
    }


def _describe(status: int, kinds: Iterable[type[AuthError]]) -> str:
    return f"{HTTPStatus(status).phrase}: {', '.join(f'`{kind.code}`' for kind in kinds)}."


def _problem_content(kinds: list[type[AuthError]]) -> Node:
    schema: Node = {
        "$ref": "#/components/schemas/problem",
        "properties": {
            "status": {"const": kinds[0].status},
            "code": {"enum": [kind.code for kind in kinds]},
        },
    }
    if kinds[0].status == HTTPStatus.UNPROCESSABLE_ENTITY:
        schema["required"] = ["errors"]
    else:
        schema["properties"]["errors"] = False
    return {
        "schema": schema,
        "examples": {kind.code: {"summary": kind.title, "value": _example(kind)} for kind in kinds},
    }


def _example(kind: type[AuthError]) -> Node:
    # As a client sees it, with the default words of the class.
    problem = problem_of(kind, EXAMPLE_ID)
    if kind is SecondFactorRequiredError:
        problem |= {"challenge": "<challenge>", "factors": ["totp", "recovery_code"]}
    if kind.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        problem["errors"] = [
            {"pointer": "/email", "code": kind.code, "detail": kind.default_detail}
        ]
    return problem


def _problem_headers(kinds: list[type[AuthError]]) -> Node:
    headers = _headers(["Retry-After"] if issubclass(kinds[0], TryAgainError) else [])
    challenges = [issubclass(kind, UnauthorizedError | InsufficientScopeError) for kind in kinds]
    if any(challenges):
        name = "WWW-Authenticate" if all(challenges) else "ChallengeOfSome"
        headers["WWW-Authenticate"] = {"$ref": f"#/components/headers/{name}"}
    return headers


def _headers(names: Iterable[str]) -> Node:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
