"""A wire between the service and a server, which a test can cut, freeze or take away."""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import threading

import pytest
from databases import POSTGRES_URL
from sqlalchemy import make_url

LINGER_ZERO = b"\1\0\0\0\0\0\0\0"  # struct linger: close with a reset.


class Wire:
    """Forwards a local port to *target*; each method has happened when it returns.

    `freeze` keeps connections open and passes nothing on, `thaw` goes on; `cut` ends them with
    a reset; `unplug` refuses new ones as well, `plug` takes them again. `lose_answer` and
    `lose_request` are about the next message to the target that holds some bytes.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._frozen = self._closed = False
        self._peers: dict[socket.socket, socket.socket] = {}
        self._targets: set[socket.socket] = set()  # Those of the peers that lead to the target.
        self._to_lose: tuple[bytes, str, object] | None = None
        self._stranded: list[socket.socket] = []
        self._answers: dict[socket.socket, object] = {}  # What to do instead of passing it on.
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        # All is done on one thread: a socket closed by another would live until it looked up.
        self._commands: queue.Queue = queue.Queue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def freeze(self):
        self._do(lambda: setattr(self, "_frozen", True))

    def thaw(self):
        self._do(lambda: setattr(self, "_frozen", False))

    def cut(self):
        self._do(self._reset_all)

    def unplug(self):
        self._do(self._refuse)

    def plug(self):
        listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self._do(lambda: setattr(self, "_listener", listener))

    def lose_answer(self, to: bytes, *, then: str = "hang") -> None:
        """Pass that message on, and not what the target answers.

        The connection then hangs; or, where *then* is `cut` or `unplug`, that happens.
        """
        act = {"hang": lambda: None, "cut": self._reset_all, "unplug": self._refuse}[then]
        self._do(lambda: setattr(self, "_to_lose", (to, "answer", act)))

    def lose_request(self, holding: bytes) -> None:
        """Do not pass that message on, nor that the client hangs up then."""
        self._do(lambda: setattr(self, "_to_lose", (holding, "request", lambda: None)))

    def close(self):
        self.unplug()
        self._do(lambda: setattr(self, "_closed", True))
        self._thread.join()
        for far in self._stranded:
            far.close()

    def _do(self, command):
        done = threading.Event()
        self._commands.put((command, done))
        assert done.wait(5)

    def _run(self):
        while not self._closed:
            with contextlib.suppress(queue.Empty):
                command, done = self._commands.get_nowait()
                command()
                done.set()
                continue
            watched = [] if self._frozen else list(self._peers)
            if self._listener.fileno() >= 0:
                watched.append(self._listener)
            for ready in select.select(watched, [], [], 0.002)[0]:
                if ready is self._listener:
                    self._accept()
                elif ready in self._peers:
                    self._pass_on(ready)

    def _accept(self):
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(self._target)
        except OSError:
            near.close()
            return
        self._peers |= {near: far, far: near}
        self._targets.add(far)

    def _pass_on(self, source):
        with contextlib.suppress(OSError):
            data = source.recv(65536)
            if data:
                if not self._loses(source, data):
                    self._peers[source].sendall(data)
                return
        if self._peers.get(source) in self._answers:
            self._strand(source)
        elif source in self._peers:
            self._close(source)

    def _loses(self, source, data):
        """Return whether *data* is not to be passed on."""
        if source in self._answers:
            self._answers[source]()
            return True
        if self._peers[source] in self._answers:
            return True
        if self._to_lose is None or source in self._targets or self._to_lose[0] not in data:
            return False
        _, what, act = self._to_lose
        self._to_lose = None
        self._answers[self._peers[source]] = act
        return what == "request"

    def _strand(self, near):
        """Close the client's end alone: the target goes on waiting."""
        far = self._peers.pop(near)
        del self._peers[far], self._answers[far]
        self._stranded.append(far)
        near.close()

    def _close(self, source):
        sink = self._peers.pop(source)
        del self._peers[sink]
        for each in (source, sink):
            self._targets.discard(each)
            self._answers.pop(each, None)
        source.close()
        sink.close()

    def _refuse(self):
        self._listener.close()
        self._reset_all()

    def _reset_all(self):
        for each in list(self._peers):
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        while self._peers:
            self._close(next(iter(self._peers)))


@pytest.fixture
def wire_to():
    """Lay wires to servers; they are closed at the end of the test."""
    laid = []

    def lay(host, port):
        laid.append(Wire((host, port)))
        return laid[-1]

    yield lay
    for wire in laid:
        wire.close()


@pytest.fixture
def wire(wire_to):
    """A wire to the PostgreSQL of the tests."""
    server = make_url(POSTGRES_URL)
    return wire_to(server.host, server.port or 5432)


@pytest.fixture
def remote(make_client, wire, postgres_url):
    """A client of a service whose PostgreSQL is at the other end of the wire."""
    url = make_url(postgres_url).set(host="127.0.0.1", port=wire.port)
    return make_client(
        database_url=url.render_as_string(hide_password=False),
        circuit_breaker_timeout=1,
        rate_limit_enabled=False,
    )
