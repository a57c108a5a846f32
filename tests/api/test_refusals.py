"""What the server refuses before the application sees a request, over raw sockets.

Every answer is a problem like any other: with its id, the headers of every response, a line in
the log and a count.
"""

import http.client
import json
import socket

import pytest
from live import serving
from processes import eventually

from falcon_auth.testing.response_check import ResponseCheck

PAGE = "http://page.example"
LOGIN = "POST /api/v1/auth/login HTTP/1.1"
LENGTH_OF_70_KIB = f"Content-Length: {70 * 1024}"
CHUNKED = "Transfer-Encoding: chunked"
REFUSED = [
    (["\0\x01 garbage"], b"", 400, "MALFORMED_REQUEST"),
    (["get /health HTTP/1.1"], b"", 400, "MALFORMED_REQUEST"),
    (["GET http://[ HTTP/1.1"], b"", 400, "MALFORMED_REQUEST"),
    (["GET /health HTTP/1.1", "no field"], b"", 400, "MALFORMED_REQUEST"),
    ([LOGIN, "Content-Length: -1"], b"", 400, "MALFORMED_REQUEST"),
    ([LOGIN, "Content-Length: 3, 4"], b"abc", 400, "MALFORMED_REQUEST"),
    ([LOGIN, "Content-Length: " + "9" * 5_000], b"", 400, "MALFORMED_REQUEST"),
    ([LOGIN, CHUNKED], b"hunter2\r\n", 400, "MALFORMED_REQUEST"),
    ([LOGIN, CHUNKED], b"3\r\nabcdef\r\n", 400, "MALFORMED_REQUEST"),
    ([LOGIN, LENGTH_OF_70_KIB], b"", 413, "PAYLOAD_TOO_LARGE"),
    ([LOGIN, LENGTH_OF_70_KIB], bytes(70 * 1024), 413, "PAYLOAD_TOO_LARGE"),
    ([LOGIN, CHUNKED], b"11800\r\n" + bytes(0x11800), 413, "PAYLOAD_TOO_LARGE"),
    (["GET /health HTTP/1.1", LENGTH_OF_70_KIB], b"", 413, "PAYLOAD_TOO_LARGE"),
    (["GET /health HTTP/1.1", "Cookie: " + "hunter2" * 3_000], b"", 431, "HEADERS_TOO_LARGE"),
    (["GET /" + "x" * 17_000 + " HTTP/1.1"], b"", 431, "HEADERS_TOO_LARGE"),
    ([LOGIN, "Transfer-Encoding: gzip, chunked"], b"", 501, "NOT_IMPLEMENTED"),
]


@pytest.fixture
def service(make_client):
    return make_client(cors_origins=[PAGE], trusted_proxies=["127.0.0.1"])


@pytest.fixture
def port(service):
    with serving(service.app) as port:
        yield port


def exchange(port, lines, body=b"", **fields):
    """Send a request byte by byte as given; return the response and its body."""
    more = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        head = "\r\n".join([*lines, "Host: x", *more, "", ""])
        connection.sendall(head.encode("latin-1") + body)
        response = http.client.HTTPResponse(connection, method=lines[0].partition(" ")[0])
        response.begin()
        content = response.read()
        assert connection.recv(1) == b"", "the connection stays open"
    return response, content


@pytest.mark.parametrize(("lines", "body", "status", "code"), REFUSED)
def test_what_the_server_refuses_is_a_problem_with_the_headers_of_every_response(
    port, logged, lines, body, status, code
):
    response, content = exchange(port, lines, body)

    problem = json.loads(content)
    assert (response.status, problem["status"], problem["code"]) == (status, status, code)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Request-ID"] == problem["request_id"]
    assert response.headers["Connection"] == "close"
    assert response.headers["Vary"] == "Origin"
    method, path = lines[0].split(" ")[:2]
    path = path if path.startswith("/") else "/"  # A URL of its own, or none.
    ResponseCheck().check_parts(method, path, status, dict(response.headers), content)
    assert eventually(lambda: logged.events("request"))
    (line,) = logged.events("request")
    assert (line["status"], line["code"]) == (status, code)
    assert line["request_id"] == problem["request_id"]
    assert "hunter2" not in logged.text


def test_a_refused_request_keeps_its_id_and_its_page_may_read_the_answer(port):
    fields = {"X_Request_ID": "order-42", "Origin": PAGE, "X_Forwarded_Proto": "https"}

    response, content = exchange(port, [LOGIN, LENGTH_OF_70_KIB], **fields)

    assert json.loads(content)["request_id"] == "order-42"
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert response.headers["Strict-Transport-Security"].startswith("max-age=")


def test_a_refused_head_has_no_body(port):
    response, content = exchange(port, ["HEAD /health HTTP/1.1", LENGTH_OF_70_KIB])

    assert (response.status, content) == (413, b"")
    assert int(response.headers["Content-Length"]) > 0


def test_refusals_are_counted(port, service):
    exchange(port, [LOGIN, "Transfer-Encoding: gzip"])

    metrics = service.simulate_get("/metrics").text
    assert 'falcon_auth_problems_total{code="NOT_IMPLEMENTED"} 1.0' in metrics


def test_a_request_that_the_application_cannot_answer_is_an_internal_error(service):
    """Whatever breaks above Falcon, whose own errors are answered below it."""
    answers = iter([])

    def broken(environ, start_response):
        if "falcon_auth.refused" in environ:
            return service.app(environ, start_response)
        return next(answers)

    with serving(broken) as port:
        response, content = exchange(port, ["GET /health HTTP/1.1"])

    assert (response.status, json.loads(content)["code"]) == (500, "INTERNAL_ERROR")
