"""The document, both ways: against the routes, the catalogue of codes and the schemas."""

import json
import re

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from processes import run_python

from falcon_auth.api.openapi import FRAGMENTS, build_document
from falcon_auth.api.routes import ALIASES
from falcon_auth.api.schemas import SCHEMA_FOLDER, SCHEMAS, find_folder
from falcon_auth.api.validators import compile_schema, validator_of
from falcon_auth.delivery.webhook_url import make_secret
from falcon_auth.errors import CATALOGUE

MEDIA_PROBLEM = "application/problem+json"


@pytest.fixture
def client(mailing, some_providers):
    """A service of every capability that there is."""
    webhook = {"webhook_url": "https://hooks.example.com", "webhook_secret": make_secret()}
    issuer = "https://auth.example.com"
    return mailing(pages=True, jwt_issuer=issuer, providers_file=some_providers, **webhook)


@pytest.fixture
def document():
    return build_document()


def operations_of(document):
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def answers_of(document):
    everywhere = [("", "", extra) for extra in document["x-every-path"].values()]
    for method, path, operation in [*operations_of(document), *everywhere]:
        for status, answer in operation["responses"].items():
            name = answer.get("$ref", "").removeprefix("#/components/responses/")
            shared = document["components"]["responses"]
            yield f"{method} {path} {status}", int(status), shared[name] if name else answer


def test_the_document_is_openapi(document):
    OpenAPIV31SpecValidator(document).validate()


def test_every_fragment_is_part_of_the_document():
    files = {path.stem for path in (SCHEMA_FOLDER / "openapi").glob("*.json")}

    assert files == {"document", *FRAGMENTS}


@pytest.mark.parametrize("missing", FRAGMENTS)
def test_the_document_of_fewer_fragments_is_openapi_too(missing):
    """No link leads to an operation that is not there."""
    fewer = build_document([name for name in FRAGMENTS if name != missing])

    OpenAPIV31SpecValidator(fewer).validate()
    names = {operation["operationId"] for _, _, operation in operations_of(fewer)}
    targets = {
        link["operationId"]
        for _, _, answer in answers_of(fewer)
        for link in answer.get("links", {}).values()
    }
    assert targets <= names


def test_a_path_in_two_fragments_is_refused():
    with pytest.raises(ValueError, match="/api/v1/auth/login"):
        build_document(["accounts", "accounts"])


def test_every_operation_says_what_its_summary_does_not(document):
    for method, path, operation in operations_of(document):
        assert len(operation["description"]) > len("None."), (method, path)
        assert operation["description"] != operation["summary"], (method, path)


def test_a_problem_lists_every_code_where_generators_look(document):
    schemas = document["components"]["schemas"]
    problem = schemas["problem"]["properties"]
    name = {"$ref": "#/components/schemas/error_code"}

    assert problem["code"] == problem["errors"]["items"]["properties"]["code"] == name
    assert set(schemas["error_code"]["enum"]) == set(CATALOGUE)


def test_violations_are_listed_with_422_and_no_other_status(document):
    for where, status, answer in answers_of(document):
        problem = answer.get("content", {}).get(MEDIA_PROBLEM)
        if problem is not None:
            schema = problem["schema"]
            assert (schema.get("required") == ["errors"]) == (status == 422), where
            assert (schema["properties"].get("errors") is False) == (status != 422), where


def test_titles_are_plain_words(document):
    """Generators make the names of classes of them."""
    for name, schema in document["components"]["schemas"].items():
        assert re.fullmatch("[A-Z][a-z]+( [a-z]+)*", schema["title"]), name


def times_of(node):
    if isinstance(node, dict):
        if node.get("pattern", "").startswith("^[0-9]{4}-"):
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from times_of(each)


def test_times_are_declared_as_such():
    times = list(times_of(SCHEMAS))

    assert len(times) > 5
    assert {each.get("format") for each in times} == {"date-time"}


def test_the_document_is_served_and_printed(client, document, tmp_path):
    served = client.simulate_get("/openapi.json")
    printed = run_python("-m", "falcon_auth", "openapi", cwd=tmp_path)

    assert served.json == document
    assert served.headers["Content-Type"] == "application/json"
    assert json.loads(printed.stdout) == document, printed.stderr


def test_every_route_is_documented_and_every_operation_is_routed(client, document):
    documented = {(path, method.upper()) for method, path, _ in operations_of(document)}
    routed = {
        (template.replace(":path}", "}"), method)
        for template, methods in client.app.methods.items()
        for method in methods - {"OPTIONS"}
        if template not in ALIASES
    }

    assert documented == routed


def test_path_parameters_are_those_of_the_template(document):
    for _, path, operation in operations_of(document):
        given = operation.get("parameters", ())
        declared = [each["name"] for each in given if each.get("in") == "path"]

        assert declared == re.findall(r"\{(\w+)\}", path)


def test_every_code_is_documented_at_its_status_and_no_other_is(document):
    documented = set()
    for where, status, answer in answers_of(document):
        problem = answer.get("content", {}).get(MEDIA_PROBLEM)
        if problem is not None:
            codes = problem["schema"]["properties"]["code"]["enum"]
            documented.update(codes)
            for code in codes:
                assert CATALOGUE[code].status == status, where
                assert problem["examples"][code]["value"]["code"] == code

    in_fragments = set(CATALOGUE) - documented
    assert in_fragments == {"IDENTITY_NOT_LINKED", "PROVIDER_EMAIL_UNVERIFIED"}
    callback = document["paths"]["/api/v1/auth/providers/{name}/callback"]["get"]
    assert all(code in callback["description"] for code in in_fragments)


def test_each_operation_has_a_name_of_its_own(document):
    names = [operation["operationId"] for _, _, operation in operations_of(document)]

    assert len(set(names)) == len(names)


def test_guarded_operations_and_those_alone_ask_for_a_token(client, document):
    for method, path, operation in operations_of(document):
        answer = client.simulate_request(method.upper(), path)
        code = answer.json.get("code") if answer.content.startswith(b"{") else None

        asked = operation.get("security", [{"bearer": []}])[:1]
        assert (code == "MISSING_TOKEN") == (asked == [{"bearer": []}]), path
        assert (code == "INVALID_CLIENT") == (asked == [{"service": []}]), path


def test_errors_have_the_headers_that_say_what_to_do(document):
    wanted = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After"}
    for where, status, answer in answers_of(document):
        assert "X-Request-ID" in answer["headers"], where
        assert status not in wanted or wanted[status] in answer["headers"], where


def test_every_example_satisfies_its_schema(document):
    for where, _, answer in answers_of(document):
        for content in answer.get("content", {}).values():
            examples = [content["example"]] if "example" in content else []
            examples += [each["value"] for each in content.get("examples", {}).values()]
            schema = json.loads(
                json.dumps(content.get("schema", {})).replace('"#/', '"urn:document#/')
            )
            for example in examples:
                compile_schema(schema, {"urn:document": document}).validate(example), where


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_each_schema_is_one_and_has_an_example_that_satisfies_it(name):
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"] == f"{name}.json"
    for example in SCHEMAS[name]["examples"]:
        validator_of(name).validate(example)


def test_an_installed_package_has_its_schemas_inside(tmp_path):
    package = tmp_path / "falcon_auth"
    package.mkdir()

    assert find_folder(package) == tmp_path / "schemas"
    (package / "schemas").mkdir()
    assert find_folder(package) == package / "schemas"
