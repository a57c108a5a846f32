"""One client of the soak: it rolls dice, and knows which answers each request allows."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

AUTH = "/api/v1/auth"
PROFILE = "/api/v1/protected/profile"
PASSWORDS = ("correct horse battery", "staple correct horse")
TIMEOUT_SECONDS = 60


class Client:
    """Has two accounts of its own, and one that it only guesses at. For one thread."""

    def __init__(self, port: int, name: str, dice: random.Random) -> None:
        self._port, self._dice = port, dice
        # An address of its own, told as a proxy would: else all clients share one limit.
        self._address = str(ipaddress.ip_address(dice.getrandbits(32)))
        self._guesser = str(ipaddress.ip_address(dice.getrandbits(32)))
        self._connection: http.client.HTTPConnection | None = None
        self._accounts = [f"soak.{name}.{letter}@example.com" for letter in "ab"]
        self._victim = f"soak.{name}.victim@example.com"
        self._email = self._accounts[0]
        self._passwords = dict.fromkeys(self._accounts, PASSWORDS[0])
        self._pair: dict[str, Any] | None = None
        self.answers: Counter[tuple[str, int]] = Counter()
        self.unexpected: Counter[str] = Counter()
        self._actions: list[tuple[int, Callable[[], None]]] = [
            (300, self._read_profile),
            (80, self._refresh),
            (15, self._refresh_twice),
            (2, self._replay_an_old_token),
            (10, self._list_sessions),
            (3, self._log_out),
            (3, self._register_again),
            (2, self._change_password),
            (3, self._guess),
            (60, self._send_nonsense),
            (30, self._ask_openly),
            (4, self._hang_up),
        ]

    def run(self, ended: threading.Event) -> None:
        """Act until told to end."""
        weights, actions = zip(*self._actions, strict=True)
        while not ended.is_set():
            try:
                if self._pair is None:
                    self._enter()
                else:
                    self._dice.choices(actions, weights)[0]()
            except (OSError, http.client.HTTPException) as error:
                self._close()
                if not ended.is_set():
                    self.unexpected[f"connection: {type(error).__name__}"] += 1

    def _enter(self) -> None:
        self._email = self._dice.choice(self._accounts)
        body = {"email": self._email, "password": self._passwords[self._email]}
        status, answer = self._post("register", f"{AUTH}/register", body, {201, 409})
        if status == http.HTTPStatus.CONFLICT:
            status, answer = self._post("login", f"{AUTH}/login", body, {200})
        if status in {200, 201}:
            self._pair = answer

    def _read_profile(self) -> None:
        self._ask("profile", "GET", PROFILE, {200}, token=self._token)

    def _refresh(self) -> None:
        body = {"refresh_token": self._pair["refresh_token"]}
        status, answer = self._post("refresh", f"{AUTH}/refresh", body, {200})
        self._pair = answer if status == http.HTTPStatus.OK else None

    def _refresh_twice(self) -> None:
        """Lose an answer: within the grace the same successor comes again."""
        body = {"refresh_token": self._pair["refresh_token"]}
        before, first = self._post("refresh", f"{AUTH}/refresh", body, {200})
        status, again = self._post("refresh again", f"{AUTH}/refresh", body, {200})
        both = before == status == http.HTTPStatus.OK
        if both and first["refresh_token"] != again["refresh_token"]:
            self.unexpected["two successors"] += 1
        self._pair = again if status == http.HTTPStatus.OK else None

    def _replay_an_old_token(self) -> None:
        stolen = {"refresh_token": self._pair["refresh_token"]}
        self._refresh()
        if self._pair is not None:
            self._refresh()
        if self._pair is not None:
            token = self._token
            self._post("replay", f"{AUTH}/refresh", stolen, {401})
            self._ask("profile after a replay", "GET", PROFILE, {401}, token=token)
        self._pair = None

    def _list_sessions(self) -> None:
        self._ask("sessions", "GET", f"{AUTH}/sessions", {200}, token=self._token)

    def _log_out(self) -> None:
        token, body = self._token, {"refresh_token": self._pair["refresh_token"]}
        self._post("logout", f"{AUTH}/logout", body, {204})
        self._post("logout again", f"{AUTH}/logout", body, {204})
        self._ask("profile after a logout", "GET", PROFILE, {401}, token=token)
        self._pair = None

    def _register_again(self) -> None:
        body = {
            "email": self._email.upper().replace("EXAMPLE", "Example"),
            "password": PASSWORDS[0],
        }
        self._post("register again", f"{AUTH}/register", body, {409})

    def _change_password(self) -> None:
        current = self._passwords[self._email]
        new = PASSWORDS[current == PASSWORDS[0]]
        body = {"current_password": current, "new_password": new}
        status, _ = self._ask(
            "change password", "PUT", f"{AUTH}/password", {204}, body=body, token=self._token
        )
        if status == http.HTTPStatus.NO_CONTENT:
            self._passwords[self._email] = new

    def _guess(self) -> None:
        body = {"email": self._victim, "password": f"guess {self._dice.random()}"}
        own, self._address = self._address, self._guesser
        try:
            self._post("guess", f"{AUTH}/login", body, {401, 429})
        finally:
            self._address = own

    def _send_nonsense(self) -> None:
        method, path, allowed, data, kind = self._dice.choice(_NONSENSE)
        headers = {"Content-Type": kind} if kind else {}
        self._exchange(f"nonsense {min(allowed)}", method, path, allowed, data, headers)

    def _ask_openly(self) -> None:
        path = self._dice.choice(("/health", "/health/ready", "/protected", "/nowhere"))
        allowed = {"/protected": {401}, "/nowhere": {404}}.get(path, {200})
        self._ask(path, "GET", path, allowed)

    def _hang_up(self) -> None:
        """Leave in the middle of a request, or before its answer."""
        request = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        whole = request + b"Content-Length: 2\r\n\r\n{}"
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self._port)) as raw,
        ):
            raw.settimeout(TIMEOUT_SECONDS)
            raw.sendall(whole[: self._dice.randrange(1, len(whole) + 1)])
        self.answers["hang up", 0] += 1

    @property
    def _token(self) -> str:
        return str(self._pair["access_token"])

    def _post(self, name: str, path: str, body: object, allowed: set[int]) -> tuple[int, Any]:
        return self._ask(name, "POST", path, allowed, body=body)

    def _ask(
        self,
        name: str,
        method: str,
        path: str,
        allowed: set[int],
        *,
        body: object = None,
        token: str | None = None,
    ) -> tuple[int, Any]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        return self._exchange(name, method, path, allowed, data, headers)

    def _exchange(
        self,
        name: str,
        method: str,
        path: str,
        allowed: set[int],
        data: bytes | None,
        headers: dict[str, str],
    ) -> tuple[int, Any]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                "127.0.0.1", self._port, timeout=TIMEOUT_SECONDS
            )
        self._connection.request(method, path, data, headers | {"X-Forwarded-For": self._address})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.will_close:
            self._close()
        self.answers[name, answer.status] += 1
        if answer.status not in allowed:
            self.unexpected[f"{name}: {answer.status} {text[:60]!r}"] += 1
            if answer.status == http.HTTPStatus.UNAUTHORIZED:
                self._pair = None
        is_json = (answer.headers.get_content_type() or "").endswith("json")
        return answer.status, json.loads(text) if is_json and text else {}

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_JSON = "application/json"
_NONSENSE: tuple[tuple[str, str, set[int], bytes | None, str], ...] = (
    ("POST", "/login", {400}, b"{", _JSON),
    ("POST", "/login", {400}, b"", _JSON),
    ("POST", "/login", {400}, b"[" * 9000, _JSON),
    ("POST", "/login", {400}, b'{"email": NaN}', _JSON),
    ("POST", "/login", {413}, b" " * 20_000, _JSON),
    ("POST", "/login", {415}, b"email=a&password=b", "application/x-www-form-urlencoded"),
    ("POST", "/login", {415}, b"{}", ""),
    ("POST", "/login", {422}, b"{}", _JSON),
    ("POST", "/register", {422}, b'{"email": "@", "password": "short", "x": 1}', _JSON),
    ("POST", "/register", {422}, b'{"email": "a@example.com", "password": "password"}', _JSON),
    ("POST", "/refresh", {401}, b'{"refresh_token": "a.b.c"}', _JSON),
    ("POST", f"{AUTH}/logout", {401}, b'{"refresh_token": "a.b.c"}', _JSON),
    ("GET", PROFILE, {401}, None, ""),
    ("DELETE", PROFILE, {405}, None, ""),
    ("BREW", "/health", {405}, None, ""),
    ("OPTIONS", PROFILE, {204}, None, ""),
    ("HEAD", "/health", {200}, None, ""),
    ("GET", "/%00/../etc/passwd", {404}, None, ""),
)
