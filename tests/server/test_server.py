"""The server, over real sockets. Deadlines come by a clock that the tests move."""

import errno
import http.client
import itertools
import logging
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import pytest
from stopwatch import timed

from falcon_auth.server import Limits, Server, serve
from falcon_auth.server.limits import affordable_connections
from falcon_auth.server.refusals import plain_refusal

PATIENCE = 20.0  # Real seconds until something that never comes counts as missing.
HELLO = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
HOLD = b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"
BIG_CHUNK = bytes(1 << 20)
CHUNKS_IN_SOCKETS = 14  # More than both ends' buffers take, less than waitress holds (16 MiB).


class Clock:
    """A monotonic clock that stands still until it is told to move."""

    def __init__(self) -> None:
        self._now = 1_000.0

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds


class Application:
    """Answers `/hello`, `/echo` and `/nothing`; other paths misbehave in one way each."""

    def __init__(self) -> None:
        self.held = Event()  # A request for /hold is running,
        self.release = Event()  # and ends when this is set.
        self.noticed = Event()  # A client's going away was seen.

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read()
        if environ["PATH_INFO"] == "/nothing":
            start_response("204 No Content", [("X-Request-ID", "1")])
            return []
        answers = {
            "/echo": lambda: [body],
            "/hold": self._hold,
            "/fail": self._fail,
            "/flood": self._flood,
            "/gone": lambda: self._until_gone(environ),
            "/unanswerable": lambda: start_response("200 OK", [("Connection", "close")]),
        }
        answer = answers.get(environ["PATH_INFO"], lambda: [b"hello"])()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return answer

    def _hold(self):
        self.held.set()
        self.release.wait(PATIENCE)
        return [b"held"]

    def _fail(self):
        message = "the application's own fault"
        raise OSError(message)

    def _flood(self):
        try:
            for number in itertools.count():
                if number == CHUNKS_IN_SOCKETS:
                    self.held.set()
                yield BIG_CHUNK
        finally:
            self.noticed.set()

    def _until_gone(self, environ):
        self.held.set()
        if eventually(environ["waitress.client_disconnected"]):
            self.noticed.set()
        return [b"too late"]


def answer_at_length(_environ, start_response):
    start_response("200 OK", [])
    return [BIG_CHUNK * 10]


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Client:
    """One connection to the server."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), timeout=PATIENCE)
        self._file = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> Answer:
        """Read one answer; answers without a length are not for this reader."""
        _, status, _ = self._file.readline().split(b" ", 2)
        headers = http.client.parse_headers(self._file)
        return Answer(int(status), headers, self._file.read(int(headers["Content-Length"] or 0)))

    def ask(self, request: bytes) -> Answer:
        self.send(request)
        return self.answer()

    def is_cut(self) -> bool:
        """Wait until the server ends the connection; False where it sends something instead."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def reset(self) -> None:
        """Go away as a killed process does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self._file.close()
        self.socket.close()


class House:
    """A server that runs in a thread of its own, with its clients."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._thread = Thread(target=server.run)
        self._clients = ExitStack()

    def open(self) -> None:
        self._thread.start()

    def client(self, sends: bytes = b"", host: str = "127.0.0.1") -> Client:
        client = Client(self.server.port, host)
        self._clients.callback(client.close)
        client.send(sends)
        return client

    def settle(self) -> None:
        """Return when the loop has read all that was sent, and has looked at its deadlines.

        What lay in the sockets before this request's connection is read no later than it.
        """
        assert self.client().ask(HELLO).status == 200

    def has_ended(self) -> bool:
        self._thread.join(PATIENCE)
        return not self._thread.is_alive()

    def is_refusing(self) -> bool:
        return is_refused(("127.0.0.1", self.server.port))

    def is_idle(self) -> bool:
        """Tell whether no request runs: a client has its answer a moment before its thread ends."""
        connections = list(self.server._listener.active_channels.values())  # noqa: SLF001
        return all(connection.is_idle for connection in connections)

    def close(self) -> None:
        self.server.stop()
        self.server.stop()
        self._clients.close()
        assert self.has_ended()


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    pause = Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.005)
    return True


def is_refused(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # The listening socket closed just then: look again.
    return False


def post(body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = ["POST /echo HTTP/1.1", "Host: x", *headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def application():
    application = Application()
    yield application
    application.release.set()


@pytest.fixture
def house_of(application) -> Iterator[Callable[..., House]]:
    """Open a house for the application; the keywords are the server's."""
    with ExitStack() as houses:

        def open_house(**options) -> House:
            options = {"host": "127.0.0.1", "port": 0, "threads": 4} | options
            house = House(Server(application, **options))
            house.open()
            houses.callback(house.close)
            return house

        yield open_house


@pytest.fixture
def house(house_of, clock):
    return house_of(clock=clock)


@pytest.fixture
def descriptor_limit():
    """Put the limit of open files back after the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield soft, hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# HTTP


def test_a_connection_serves_one_request_after_another_and_names_no_server(house):
    client = house.client()

    answers = [client.ask(HELLO), client.ask(post(b"abc", length=3))]

    assert [(a.status, a.body) for a in answers] == [(200, b"hello"), (200, b"abc")]
    assert not {"Server", "Via", "Connection"} & set(answers[0].headers)


def test_an_answer_without_a_body_leaves_the_connection_open(house):
    client = house.client()

    nothing, hello = client.ask(HELLO.replace(b"hello", b"nothing")), client.ask(HELLO)

    assert (nothing.status, nothing.body, hello.status, hello.body) == (204, b"", 200, b"hello")
    assert set(nothing.headers) == {"Date", "X-Request-Id"}


def test_a_client_of_http_1_0_is_answered_and_let_go(house):
    client = house.client()

    answer = client.ask(b"GET /hello HTTP/1.0\r\n\r\n")

    assert answer.body == b"hello"
    assert client.is_cut()


def test_a_chunked_body_reaches_the_application_whole(house):
    chunked = post(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "Transfer-Encoding: chunked")

    assert house.client().ask(chunked).body == b"abcde"


def test_pipelined_requests_are_answered_in_order(house):
    bodies = [f"body {number}".encode() for number in range(20)]
    client = house.client(b"".join(post(body, length=len(body)) for body in bodies))

    assert [client.answer().body for _ in bodies] == bodies


def test_expect_100_continue_is_answered(house):
    client = house.client()

    assert client.ask(post(b"", "Expect: 100-continue", length=3)).status == 100
    assert client.ask(b"abc").body == b"abc"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (post(bytes(64 * 1_024), length=64 * 1_024), 200),
        (post(bytes(64 * 1_024), length=64 * 1_024 + 1), 413),
        (post(b"10400\r\n" + bytes(0x10400), "Transfer-Encoding: chunked"), 413),
        (post(b"", "X: " + "y" * (15 * 1_024)), 200),
        (post(b"", "X: " + "y" * (16 * 1_024)), 431),
    ],
)
def test_bodies_end_at_64_kib_and_heads_at_16(house, request_bytes, status):
    assert house.client().ask(request_bytes).status == status


# Refusals


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\x00\xff\x16\x03 garbage\r\n\r\n", 400),
        (b"GET http://[secret]/ HTTP/1.1\r\n\r\n", 400),  # urllib refuses it with a ValueError,
        (post(b"", "Content-Length: " + "1" * 5_000), 400),  # and so does int().
        (post(b"zz\r\n", "Transfer-Encoding: chunked"), 400),
        (post(b"", length=1 << 20), 413),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 16 * 1_024, 431),
        (post(b"", "Transfer-Encoding: gzip"), 501),
        (b"GET /unanswerable HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 500),
    ],
)
def test_a_refusal_is_worded_by_its_renderer_and_closes_the_connection(
    house_of, caplog, request_bytes, status
):
    asked = []

    def word(status, environ):
        asked.append((status, environ["wsgi.input"].read(), "CONTENT_LENGTH" in environ))
        return f"{status} No", [("Content-Length", "4"), ("X-Request-ID", "1")], b"word"

    client = house_of(word_refusal=word).client()

    answer = client.ask(request_bytes)

    assert (answer.status, answer.body, answer.headers["X-Request-ID"]) == (status, b"word", "1")
    assert answer.headers.get_all("Connection") == ["close"]
    assert asked == [(status, b"", False)]
    assert client.is_cut()
    assert "secret" not in caplog.text


def test_a_renderer_sees_as_much_of_the_request_as_could_be_read(house_of):
    seen = []

    def word(status, environ):
        seen.append({name: environ.get(name) for name in ("REQUEST_METHOD", "HTTP_X")})
        return plain_refusal(status, environ)

    house = house_of(word_refusal=word)
    for request in (post(b"", "X: y", length=1 << 20), b"\x00\r\n\r\n"):
        house.client().ask(request)

    assert seen == [
        {"REQUEST_METHOD": "POST", "HTTP_X": "y"},
        {"REQUEST_METHOD": "UNKNOWN", "HTTP_X": None},
    ]


def test_without_a_renderer_or_where_it_fails_a_refusal_is_plain_text(house, house_of, caplog):
    """A connection whose refusal nobody could word would stay open for good."""

    def fail(_status, _environ):
        raise RuntimeError("the renderer's own fault")

    for each in (house, house_of(word_refusal=fail)):
        client = each.client()

        answer = client.ask(post(b"", "Transfer-Encoding: gzip"))

        assert (answer.status, answer.body) == (501, b"501 Not Implemented\n")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert client.is_cut()
    assert [r.message for r in caplog.records].count("refusal_not_rendered") == 1


def test_a_client_that_is_still_sending_receives_its_refusal(house):
    """Not a reset in its place: what it goes on sending is read and thrown away."""
    client = house.client(post(b"", length=500_000))
    assert client.socket.recv(1, socket.MSG_PEEK)
    house.settle()  # The server is done with its refusal, and not a byte of the body has come.

    for _ in range(50):
        client.send(bytes(10_000))

    assert client.answer().status == 413
    assert client.is_cut()
    client.close()
    assert eventually(lambda: open_connections(house) == 1)  # The one that settled.


@pytest.mark.parametrize("why", ["time", "bytes", "reset"])
def test_a_refused_client_cannot_hold_its_connection(house, clock, why):
    client = house.client(post(b"", length=1 << 30))
    assert client.answer().status == 413
    assert client.is_cut()
    assert eventually(lambda: open_connections(house) == 1)

    if why == "time":
        clock.advance(2.1)
    if why == "bytes":
        with suppress(OSError):
            for _ in range(1_000):
                client.send(bytes(10_000))
    if why == "reset":
        client.reset()

    assert eventually(lambda: open_connections(house) == 0)


def test_a_refused_client_that_is_gone_already_leaves_nothing_behind(house, application):
    client = house.client(HOLD + post(b"", length=1 << 20))
    assert application.held.wait(PATIENCE)
    client.reset()
    application.release.set()

    assert eventually(lambda: open_connections(house) == 0)
    house.settle()


def test_an_error_of_the_application_is_answered_500_and_logged_without_the_path(house, caplog):
    """An OSError too, which waitress would swallow under `log_socket_errors=False`."""
    answer = house.client().ask(b"GET /fail?secret HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer.status == 500
    assert b"fault" not in answer.body
    assert eventually(lambda: "the application's own fault" in caplog.text)
    assert "/fail" not in caplog.text


def test_a_client_that_hangs_up_in_its_answer_ends_only_itself(house, application, caplog):
    caplog.set_level(logging.INFO)
    client = house.client(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.socket.recv(1_000)

    client.close()

    assert application.noticed.wait(PATIENCE)
    assert eventually(lambda: "Client disconnected" in caplog.text)
    assert "/flood" not in caplog.text
    house.settle()


def test_the_application_can_see_that_its_client_has_gone(house, application):
    client = house.client(b"GET /gone HTTP/1.1\r\nHost: x\r\n\r\n")
    assert application.held.wait(PATIENCE)

    client.close()

    assert application.noticed.wait(PATIENCE)


# Deadlines


@pytest.mark.parametrize(
    ("begun", "drop"),
    [
        (b"", b""),  # Connected, and not a byte.
        (b"G", b"E"),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
        (post(b"", length=100), b"y"),
        (post(b"10\r\n", "Transfer-Encoding: chunked"), b"y"),
        (b"GET / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", b"y"),
    ],
)
def test_a_request_that_is_not_complete_30_seconds_after_its_first_byte_is_cut(
    house, clock, begun, drop
):
    """However it drips, and not a second earlier."""
    client = house.client(begun)
    house.settle()
    if b"Expect" in begun:
        assert client.answer().status == 100
    for _ in range(3):
        clock.advance(9.8)
        client.send(drop)
        house.settle()

    clock.advance(1.1)

    assert client.is_cut()


def test_a_request_may_take_29_seconds(house, clock):
    client = house.client(HELLO[:10])
    house.settle()
    clock.advance(29)
    house.settle()

    assert client.ask(HELLO[10:]).status == 200


def test_every_request_has_30_seconds_of_its_own(house, clock):
    """The next one's deadline starts at its own first byte, not where the last one's did."""
    client = house.client()
    for _ in range(3):
        client.send(HELLO[:10])
        house.settle()
        clock.advance(20)
        house.settle()
        assert client.ask(HELLO[10:]).status == 200
        assert eventually(house.is_idle)

    client.send(HELLO[:10])
    house.settle()
    clock.advance(31)

    assert client.is_cut()


def test_an_idle_connection_is_kept_for_two_minutes(house, clock):
    client = house.client()
    client.ask(HELLO)
    assert eventually(house.is_idle)
    clock.advance(119)
    house.settle()
    assert client.ask(HELLO).status == 200
    assert eventually(house.is_idle)

    clock.advance(121)

    assert client.is_cut()


def test_blank_lines_do_not_keep_a_connection(house, clock):
    client = house.client()
    client.ask(HELLO)
    assert eventually(house.is_idle)
    clock.advance(100)
    client.send(b"\r\n\r\n")
    house.settle()

    clock.advance(21)

    assert client.is_cut()


def test_time_in_the_application_is_not_the_clients(house, clock, application):
    """Nor is it for a request that was begun behind the running one."""
    client = house.client(HOLD + HELLO[:10])
    assert application.held.wait(PATIENCE)
    clock.advance(1_000)
    house.settle()

    application.release.set()

    assert client.answer().body == b"held"
    clock.advance(29)
    house.settle()
    assert client.ask(HELLO[10:]).body == b"hello"


def test_an_answer_that_is_not_read_is_cut_after_a_minute(house, clock, application):
    """Reading a little wins no time, and the thread that was writing is free again."""
    client = house.client(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
    assert application.held.wait(PATIENCE)
    for _ in range(2):
        clock.advance(29.4)
        assert client.socket.recv(1_000)
        house.settle()
    assert not application.noticed.is_set()

    clock.advance(1.3)

    assert application.noticed.wait(PATIENCE)


def test_an_answer_that_is_read_late_but_in_time_leaves_no_deadline(clock):
    house = House(Server(answer_at_length, host="127.0.0.1", port=0, threads=2, clock=clock))
    house.open()
    client = house.client(HELLO)
    house.client(HELLO).socket.recv(1)  # The loop has turned: the first answer is on its way.

    clock.advance(50)

    assert len(client.answer().body) == 10 * len(BIG_CHUNK)
    clock.advance(50)
    assert client.ask(HELLO).status == 200
    house.close()


# Room for newcomers


def test_a_full_house_makes_room_by_its_oldest_silent_connection(house_of, clock):
    """A client that was served before is spared."""
    house = house_of(limits=Limits(connections=3), clock=clock)
    served = house.client()
    served.ask(HELLO)
    assert eventually(house.is_idle)
    clock.advance(0.1)
    oldest = house.client()
    assert eventually(lambda: open_connections(house) == 2)
    clock.advance(0.1)
    younger = house.client()
    assert eventually(lambda: open_connections(house) == 3)

    newcomer = house.client().ask(HELLO)

    assert newcomer.status == 200
    assert oldest.is_cut()
    assert served.ask(HELLO).status == 200
    assert younger.ask(HELLO).status == 200


def test_where_every_connection_is_busy_a_newcomer_waits_its_turn(house_of, clock, application):
    house = house_of(limits=Limits(connections=1), clock=clock)
    busy = house.client(HOLD)
    assert application.held.wait(PATIENCE)
    newcomer = house.client(HELLO)

    application.release.set()

    assert busy.answer().body == b"held"
    assert eventually(house.is_idle)
    clock.advance(1)  # The next look.
    assert newcomer.answer().body == b"hello"


def test_without_descriptors_idle_connections_make_room_and_then_newcomers_wait(
    house, clock, application, descriptor_limit, caplog
):
    """The loop does not spin meanwhile: a failure is logged once a look."""
    idle = house.client()
    assert eventually(lambda: open_connections(house) == 1)
    address = ("127.0.0.1", house.server.port)
    with ExitStack() as taken:
        busy, waiting = (taken.enter_context(socket.socket()) for _ in range(2))
        exhaust_descriptors(taken, descriptor_limit)
        busy.connect(address)
        busy.sendall(HOLD)
        assert idle.is_cut()
        assert application.held.wait(PATIENCE)

        waiting.connect(address)
        waiting.sendall(HOLD)

        assert eventually(lambda: failures(caplog) == [errno.EMFILE])
        application.release.set()
        busy.settimeout(PATIENCE)
        assert busy.recv(100).startswith(b"HTTP/1.1 200")
        assert failures(caplog) == [errno.EMFILE]
        assert eventually(house.is_idle)
        clock.advance(1)
        waiting.settimeout(PATIENCE)
        assert waiting.recv(100).startswith(b"HTTP/1.1 200")


def test_an_error_on_the_listening_socket_leaves_the_rest_at_work(house):
    client = house.client()
    client.ask(HELLO)

    house.server._listener.socket.shutdown(socket.SHUT_RDWR)  # noqa: SLF001 - No client can.

    assert eventually(lambda: client.ask(HELLO).status == 200)


def test_a_thousand_silent_and_two_hundred_dripping_clients_delay_nobody(house_of):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4_000:
        pytest.skip("needs 4,000 open files: the clients live in this process as well")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4_000, hard))
    house = house_of(threads=16)
    for _ in range(1_000):
        house.client()
    drippers = [house.client(b"GET / HTTP/1.1\r\n") for _ in range(200)]
    enough = Event()
    dripping = Thread(target=drip, args=(drippers, enough))
    dripping.start()

    durations = []
    for _ in range(10):
        answer, took = timed(lambda: house.client().ask(HELLO))
        assert answer.status == 200
        durations.append(took.had)
    enough.set()
    dripping.join()

    assert max(durations) < 1


def open_connections(house: House) -> int:
    return len(house.server._listener.active_channels)  # noqa: SLF001 - Clients cannot see it.


def failures(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.errno for record in caplog.records if record.message == "accept_failed"]


def exhaust_descriptors(taken: ExitStack, limit: tuple[int, int]) -> None:
    """Open files until the process may open no more."""
    _, hard = limit
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 20, hard))
    with suppress(OSError):
        while True:
            taken.callback(os.close, os.dup(0))


def drip(clients: list[Client], enough: Event) -> None:
    while not enough.is_set():
        for client in clients:
            client.send(b"X: y\r\n")
        enough.wait(0.05)


# Shutdown


def test_a_running_request_is_answered_after_stop_and_newcomers_are_refused(house, application):
    busy = house.client(HOLD)
    idle = house.client()
    idle.ask(HELLO)
    unfinished = house.client(HELLO[:10])
    assert application.held.wait(PATIENCE)

    house.server.stop()

    assert idle.is_cut()
    assert unfinished.is_cut()
    assert eventually(house.is_refusing)
    application.release.set()
    answer = busy.answer()
    assert (answer.body, answer.headers["Connection"]) == (b"held", "close")
    assert busy.is_cut()
    assert house.has_ended()


def test_queued_and_pipelined_requests_are_answered_too(house_of, application):
    house = house_of(threads=1)
    busy = house.client(HOLD + HELLO)
    assert application.held.wait(PATIENCE)
    queued = house.client(HELLO)
    assert eventually(lambda: open_connections(house) == 2)

    house.server.stop()
    assert eventually(house.is_refusing)
    application.release.set()

    answers = [busy.answer(), busy.answer(), queued.answer()]
    assert [a.body for a in answers] == [b"held", b"hello", b"hello"]
    assert [a.headers["Connection"] for a in answers] == [None, "close", "close"]
    assert house.has_ended()


def test_a_request_that_arrived_before_stop_is_answered(application):
    """Even where it still lies in the kernel, behind a connection that is not accepted yet."""
    house = House(Server(application, host="127.0.0.1", port=0, threads=1))
    client = house.client(HELLO)
    house.server.stop()

    house.open()

    assert client.answer().body == b"hello"
    house.close()


def test_two_hundred_requests_in_the_kernels_queue_are_answered_after_stop(application):
    """More than one turn of the loop accepts, and more than a few reads take in."""
    house = House(Server(application, host="127.0.0.1", port=0, threads=4))
    body = bytes(60_000)
    clients = [house.client(HELLO) for _ in range(190)]
    large = [house.client(post(body, length=len(body))) for _ in range(10)]
    house.server.stop()

    house.open()

    assert [client.answer().body for client in clients] == [b"hello"] * 190
    assert [client.answer().body for client in large] == [body] * 10
    assert house.has_ended()
    house.close()


def test_requests_in_the_kernels_queue_are_answered_where_there_is_room_for_two(application):
    """Those that are answered make room for the rest; the idle ones go first."""
    limits = Limits(connections=2)
    house = House(Server(application, host="127.0.0.1", port=0, threads=2, limits=limits))
    clients = [house.client()] + [house.client(HELLO) for _ in range(20)]
    house.server.stop()

    house.open()

    assert clients[0].is_cut()
    assert [client.answer().body for client in clients[1:]] == [b"hello"] * 20
    assert house.has_ended()
    house.close()


def test_a_connection_that_is_reset_in_the_queue_does_not_hide_those_behind_it(application):
    house = House(Server(application, host="127.0.0.1", port=0, threads=1))
    house.client(HELLO).reset()
    client = house.client(HELLO)
    house.server.stop()

    house.open()

    assert client.answer().body == b"hello"
    assert house.has_ended()
    house.close()


def test_a_long_answer_is_delivered_whole():
    house = House(Server(answer_at_length, host="127.0.0.1", port=0, threads=1))
    house.open()
    client = house.client(HELLO)
    house.server.stop()
    assert eventually(house.is_refusing)

    assert len(client.answer().body) == 10 * len(BIG_CHUNK)
    house.close()


def test_during_the_delay_everybody_is_answered_and_let_go(house_of, clock):
    announced = Event()
    house = house_of(clock=clock, limits=Limits(shutdown_delay_seconds=5), on_drain=announced.set)
    old = house.client()
    assert old.ask(HELLO).headers["Connection"] is None

    house.server.stop()

    assert announced.wait(PATIENCE)
    assert old.ask(HELLO).headers["Connection"] == "close"
    for version, keep in ((b"1.1", b""), (b"1.0", b"Connection: keep-alive\r\n")):
        newcomer = house.client()
        answer = newcomer.ask(b"GET / HTTP/%b\r\n%b\r\n" % (version, keep))
        assert answer.headers.get_all("Connection") == ["close"]
        assert newcomer.is_cut()
    clock.advance(5)
    assert house.has_ended()
    assert house.is_refusing()


def test_the_drain_ends_at_its_limit_whatever_still_runs(house, clock, application):
    busy = house.client(HOLD)
    assert application.held.wait(PATIENCE)
    house.server.stop()
    assert eventually(house.is_refusing)

    clock.advance(31)

    assert busy.is_cut()
    assert house.has_ended()


def test_a_request_whose_client_has_gone_is_finished_as_well(house, application):
    """It may be about to commit."""
    client = house.client(HOLD)
    assert application.held.wait(PATIENCE)
    client.close()
    house.settle()
    house.server.stop()
    assert eventually(house.is_refusing)
    assert house._thread.is_alive()  # noqa: SLF001 - The test's own class.

    application.release.set()

    assert house.has_ended()


def test_a_second_stop_ends_the_drain_at_once(house, application):
    busy = house.client(HOLD)
    assert application.held.wait(PATIENCE)
    house.server.stop()
    assert eventually(house.is_refusing)

    house.server.stop()

    assert busy.is_cut()
    assert house.has_ended()
    house.server.stop()  # Harmless, now that nothing is left to wake.


def test_a_failing_announcement_does_not_keep_requests_from_finishing(
    house_of, application, caplog
):
    def fail() -> None:
        message = "no"
        raise RuntimeError(message)

    house = house_of(on_drain=fail)
    busy = house.client(HOLD)
    assert application.held.wait(PATIENCE)

    house.server.stop()
    assert eventually(house.is_refusing)
    application.release.set()

    assert busy.answer().body == b"held"
    assert house.has_ended()
    assert "on_drain_failed" in caplog.text


# Signals


@pytest.fixture
def signal_handlers():
    """Put the handlers back, which `serve` leaves in place."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("signal_handlers")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_returns_0_after_a_signal(application, number):
    server = Server(application, host="127.0.0.1", port=0, threads=1)
    answers = []

    def visit() -> None:
        client = Client(server.port)
        answers.append(client.ask(HELLO))
        client.close()
        os.kill(os.getpid(), number)

    visitor = Thread(target=visit)
    visitor.start()

    assert serve(server) == 0
    visitor.join()
    assert answers[0].status == 200


SCRIPT = """
import os
import sys
from falcon_auth.server import Server, serve

def application(environ, start_response):
    print("held", flush=True)
    body = os.read(0, 100)  # Not by sys.stdin, whose lock a thread must not hold at exit.
    start_response("200 OK", [])
    return [body]

server = Server(application, host="127.0.0.1", port=0, threads=2)
print(server.port, flush=True)
sys.exit(serve(server))
"""


@pytest.fixture
def process():
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        yield process
        process.kill()


def test_after_sigterm_the_process_answers_what_runs_and_exits_with_0(process):
    client = Client(int(process.stdout.readline()))
    client.send(HELLO)
    assert process.stdout.readline() == b"held\n"

    process.send_signal(signal.SIGTERM)
    assert eventually(lambda: is_refused(client.socket.getpeername()))
    process.stdin.write(b"done\n")
    process.stdin.flush()

    assert client.answer().body == b"done\n"
    assert process.wait(PATIENCE) == 0
    client.close()


def test_a_second_signal_ends_the_process_at_once(process):
    client = Client(int(process.stdout.readline()))
    client.send(HELLO)
    assert process.stdout.readline() == b"held\n"

    process.send_signal(signal.SIGTERM)
    assert eventually(lambda: is_refused(client.socket.getpeername()))
    process.send_signal(signal.SIGTERM)

    assert client.is_cut()
    assert process.wait(PATIENCE) == 0
    client.close()


# Start


def test_a_port_in_use_and_a_foreign_address_are_os_errors(house, application):
    with pytest.raises(OSError, match="in use"):
        Server(application, host="127.0.0.1", port=house.server.port, threads=1)
    with pytest.raises(OSError, match="assign"):
        Server(application, host="203.0.113.1", port=0, threads=1)


def test_a_host_may_be_an_ipv6_address(house_of):
    try:
        house = house_of(host="::1")
    except OSError:
        pytest.skip("no IPv6 here")

    assert house.client(host="::1").ask(HELLO).status == 200


def test_the_limit_of_open_files_is_raised_as_far_as_needed(descriptor_limit):
    _, hard = descriptor_limit
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))

    assert affordable_connections(100) == 100
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (100 + 256, hard)
    assert affordable_connections(50) == 50


@pytest.mark.usefixtures("descriptor_limit")
def test_connections_that_no_limit_allows_are_given_up_with_a_warning(caplog):
    affordable = affordable_connections(10**12)

    assert affordable < resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert "connections_limited" in caplog.text
