"""Memory and time by the number of users, each with one session, in the memory store.

    python -m benchmarks.growth USERS

Prints one JSON object. Hashing is left out: it takes the same time whatever the store holds.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import uuid
from collections.abc import Callable

import psutil

from falcon_auth.accounts.login import PasswordLogin
from falcon_auth.accounts.password_check import PasswordCheck
from falcon_auth.audit.trail import Trail
from falcon_auth.models import Client, Session, User
from falcon_auth.observability.logs import configure_logging
from falcon_auth.passwords import Verdict
from falcon_auth.service import create_app
from falcon_auth.settings import Settings
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.throttle.attempts import NoThrottle

REPEATS = 2_000
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 no. {}"
HASH = "$2b$12$" + "abcdefghijklmnopqrstuO" + "{:031d}"
WEEK = 7 * 24 * 3600


class InstantPasswords:
    """Passwords that are right at once."""

    def check(self, *_args: object, **_kwargs: object) -> Verdict:
        """Find them right."""
        return Verdict(matches=True)


def fill(store: MemoryStore, users: int) -> list[str]:
    """Register users as the service does, strings of their own each; return their session ids."""
    now = time.time()
    sessions = []
    for number in range(users):
        user = User(
            id=str(uuid.uuid4()),
            email=f"some.body.{number}@example.com",
            email_key=f"some.body.{number}@example.com",
            username=f"some_body_{number}",
            password_hash=HASH.format(number),
            created_at=now + number * 1e-6,
            updated_at=now + number * 1e-6,
        )
        session = Session(
            id=str(uuid.uuid4()),
            user_id=user.id,
            created_at=now + number * 1e-6,
            last_used_at=now + number * 1e-6,
            expires_at=now + WEEK + number * 1e-6,
            user_agent=USER_AGENT.format(number),
            ip=f"192.0.2.{number % 250}",
        )
        store.users.add(user, session)
        sessions.append(session.id)
    return sessions


def microseconds(step: Callable[[int], object]) -> float:
    """Return the median duration of a step."""
    taken = []
    for number in range(REPEATS):
        started = time.perf_counter()
        step(number)
        taken.append(time.perf_counter() - started)
    return sorted(taken)[REPEATS // 2] * 1e6


def main() -> None:
    """Measure."""
    users = int(sys.argv[1])
    with open("/dev/null", "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - no file
        configure_logging(level="WARNING", form="json", stream=nowhere)
        store = MemoryStore()
        settings = Settings(_env_file=None, environment="testing", jwt_secret_key="k" * 48)
        app = create_app(settings, store=store)
        process = psutil.Process()
        gc.collect()
        before = process.memory_info().rss
        started = time.perf_counter()
        names = fill(store, users)
        filled = time.perf_counter() - started
        resident = process.memory_info().rss
        sessions = app.service.sessions
        trail = Trail(store.audit, clock=time.time)
        check = PasswordCheck(InstantPasswords(), NoThrottle(), trail)
        login = PasswordLogin(store.users, sessions, check, trail)
        client = Client("192.0.2.1", USER_AGENT.format("x"))
        step = max(1, users // REPEATS)
        gc.freeze()

        def log_in(number: int) -> object:
            email = f"some.body.{number * step % users}@example.com"
            return login.log_in(email=email, password="", client=client)

        login_us = microseconds(log_in)
        tokens = [log_in(number).refresh.text for number in range(REPEATS)]
        access = [sessions.refresh(token).access.text for token in tokens]
        tokens = [log_in(number).refresh.text for number in range(REPEATS)]
        figures = {
            "users": users,
            "resident_mib": resident / 2**20,
            "bytes_a_user": (resident - before) / users,
            "fill_seconds": filled,
            "login_us": login_us,
            "refresh_us": microseconds(lambda number: sessions.refresh(tokens[number])),
            "authenticate_us": microseconds(lambda number: sessions.authenticate(access[number])),
            "sweep_us": microseconds(lambda _number: sessions.sweep()),
            "sessions": len(names),
        }
        app.service.close()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
