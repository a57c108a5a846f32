"""A wire between the service and a server, which a test can cut, freeze or take away."""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import threading

LINGER_ZERO = b"\1\0\0\0\0\0\0\0"  # struct linger: close with a reset.


class Wire:
    """Forwards a local port to *target*; each method has happened when it returns.

    `freeze` keeps connections open and passes nothing on, `thaw` goes on; `cut` ends them with
    a reset; `unplug` refuses new ones as well, `plug` takes them again.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._frozen = self._closed = False
        self._peers: dict[socket.socket, socket.socket] = {}
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
        self._do(self._listener.close)
        self.cut()

    def plug(self):
        listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self._do(lambda: setattr(self, "_listener", listener))

    def close(self):
        self.unplug()
        self._do(lambda: setattr(self, "_closed", True))
        self._thread.join()

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
        far = socket.create_connection(self._target)
        self._peers |= {near: far, far: near}

    def _pass_on(self, source):
        with contextlib.suppress(OSError):
            data = source.recv(65536)
            if data:
                self._peers[source].sendall(data)
                return
        self._close(source)

    def _close(self, source):
        sink = self._peers.pop(source)
        del self._peers[sink]
        source.close()
        sink.close()

    def _reset_all(self):
        for each in list(self._peers):
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        while self._peers:
            self._close(next(iter(self._peers)))
