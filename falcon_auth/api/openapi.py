"""The OpenAPI document: assembled from the schemas, the catalogue of errors and one skeleton.

`schemas/openapi.skeleton.json` is OpenAPI 3.1 with five words more, which save repetition:

- `x-json: name` in a request body or an answer: JSON that satisfies `schemas/<name>.json`;
- `x-form: name` in a request body: a form whose parameters satisfy that schema;
- `x-file: [type, …]` in an answer: a file of one of these types, with ETag and 304;
- `x-links: [operation, …]` in an answer that holds tokens: where they can be used;
- `x-problems: [code, …]` in an operation: the errors it can answer. Those of every operation,
  of every body and of every guarded operation are added here.

`x-optional` stays in the document: the path is there only where the settings say so.

A new operation is one entry in its `paths`. What all answers share is under `x-every-response`,
and what a path answers beyond its operations under `x-every-path`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from falcon_auth import __version__
from falcon_auth.api.bodies import MEDIA_JSON
from falcon_auth.api.forms import MEDIA_FORM
from falcon_auth.api.problems import MEDIA_PROBLEM, problem_of
from falcon_auth.api.schemas import SCHEMAS, SKELETON, read_json
from falcon_auth.errors import (
    AuthError,
    MethodNotAllowedError,
    TryAgainError,
    UnauthorizedError,
    catalogue,
)

PROBLEMS_OF_ALL = ("INTERNAL_ERROR",)
PROBLEMS_OF_BODIES = (
    "MALFORMED_JSON",
    "PAYLOAD_TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE",
    "VALIDATION_FAILED",
)
PROBLEMS_OF_FORMS = ("PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE", "VALIDATION_FAILED")
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
EXAMPLE_ID = "order-42"  # A client may send its own.

Node = dict[str, Any]


def build_document() -> Node:
    """Return the whole document. Raises `KeyError` where the skeleton names what is not there."""
    document = read_json(SKELETON)
    document["info"]["version"] = __version__
    document["components"]["schemas"] = {
        name: _component(schema) for name, schema in SCHEMAS.items()
    }
    operations = [
        (path, operation)
        for path, methods in document["paths"].items()
        for operation in methods.values()
    ]
    takes_body = {each["operationId"]: "requestBody" in each for _, each in operations}
    for _path, operation in operations:
        _expand(operation, takes_body)
    for extra in document["x-every-path"].values():
        _expand(extra, takes_body)
    return document


def _component(schema: Any) -> Any:
    """Return a schema as a part of the document: without an identity, references turned."""
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
    """Replace the skeleton's short words in *operation* by what they stand for."""
    codes = [*PROBLEMS_OF_ALL, *operation.pop("x-problems", ())]
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
            }
        if "x-file" in answer:
            files: Node = {media: {} for media in answer.pop("x-file")}
            answer["content"] = files | answer.get("content", {})
            answer["headers"] = {**_FILE_HEADERS, **answer.get("headers", {})}
            answers["304"] = {"description": "It is as it was.", "headers": answer["headers"]}
    _add_problems(answers, codes)
    for answer in answers.values():
        answer["headers"] = {**_headers(["X-Request-ID"]), **answer.get("headers", {})}
    operation["responses"] = dict(sorted(answers.items()))


def _json_content(name: str) -> Node:
    return {MEDIA_JSON: _media(name)}


def _media(name: str) -> Node:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"schema": schema, "example": SCHEMAS[name]["examples"][0]}


def _add_problems(answers: Node, codes: Iterable[str]) -> None:
    kinds = catalogue()
    by_status: defaultdict[int, list[type[AuthError]]] = defaultdict(list)
    for code in sorted(set(codes)):
        by_status[kinds[code].status].append(kinds[code])
    for status, of_status in by_status.items():
        answer = answers.setdefault(str(status), {"description": _describe(status, of_status)})
        answer.setdefault("content", {})[MEDIA_PROBLEM] = _problem_content(of_status)
        answer["headers"] = {**_problem_headers(of_status), **answer.get("headers", {})}


def _describe(status: int, kinds: Iterable[type[AuthError]]) -> str:
    return f"{HTTPStatus(status).phrase}: {', '.join(f'`{kind.code}`' for kind in kinds)}."


def _problem_content(kinds: list[type[AuthError]]) -> Node:
    return {
        "schema": {
            "$ref": "#/components/schemas/problem",
            "properties": {
                "status": {"const": kinds[0].status},
                "code": {"enum": [kind.code for kind in kinds]},
            },
        },
        "examples": {kind.code: {"summary": kind.title, "value": _example(kind)} for kind in kinds},
    }


def _example(kind: type[AuthError]) -> Node:
    # As a client sees it: only the class's words are needed, not what an instance adds.
    problem = problem_of(kind, EXAMPLE_ID)
    if kind.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        problem["errors"] = [
            {"pointer": "/email", "code": kind.code, "detail": kind.default_detail}
        ]
    return problem


def _problem_headers(kinds: list[type[AuthError]]) -> Node:
    names = []
    if issubclass(kinds[0], UnauthorizedError):
        names.append("WWW-Authenticate")
    if issubclass(kinds[0], TryAgainError):
        names.append("Retry-After")
    if issubclass(kinds[0], MethodNotAllowedError):
        names.append("Allow")
    return _headers(names)


def _headers(names: Iterable[str]) -> Node:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
