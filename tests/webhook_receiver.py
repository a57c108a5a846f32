"""A real HTTP server that receives webhooks, and answers as it is told."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Delivered:
    """One request as it came."""

    path: str
    headers: dict
    body: bytes


@dataclass
class Receiver:
    """What came, and the statuses that are answered: one each time, then 204."""

    url: str = ""
    statuses: list = field(default_factory=list)
    delivered: list = field(default_factory=list)
    interim: int = 0  # How many 100 (Continue) precede each answer.
    drips: threading.Event | None = None  # Where it is set, answers never end before it is.


@pytest.fixture
def receiver_with():
    """Start a receiver, over TLS where a context is given."""
    servers = []

    def start(tls=None):
        receiver = Receiver()
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(receiver))
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        receiver.url = f"{scheme}://localhost:{server.server_address[1]}/hooks?tenant=1"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return receiver

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def receiver(receiver_with):
    return receiver_with()


def handler_of(receiver):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.delivered.append(Delivered(self.path, dict(self.headers), body))
            status = receiver.statuses.pop(0) if receiver.statuses else 204
            with contextlib.suppress(OSError):
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * receiver.interim)
            self.send_response_only(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            with contextlib.suppress(OSError):  # A client that has hung up.
                self.flush_headers()
                while receiver.drips is not None and not receiver.drips.wait(0.01):
                    self.wfile.write(b"X-Drip: drop\r\n")
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_):
            """Write nothing."""

    return Handler
