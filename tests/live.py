"""Serve an application for real, in a thread, and talk to it over sockets."""

import socket
import threading
from contextlib import contextmanager

from falcon_auth.api.refusals import refusals_of
from falcon_auth.server import Server


@contextmanager
def serving(app, threads=2, port=0):
    """Serve *app* on a port of 127.0.0.1, by default a free one; the value is the port."""
    server = Server(
        app, host="127.0.0.1", port=port, threads=threads, word_refusal=refusals_of(app)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.port
    finally:
        server.stop()
        thread.join(10)


def send_head(port, *lines, path="/health", method="GET"):
    """Send a request with these header lines, byte by byte as given; return the answer's text."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        head = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *lines, "", ""]
        connection.sendall("\r\n".join(head).encode("latin-1"))
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode("latin-1")
