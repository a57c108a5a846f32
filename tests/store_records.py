"""Records for tests of stores, and a memory store of which a part is replaced."""

import uuid

from falcon_auth.models import Login, Session, User
from falcon_auth.stores.memory.sessions import MemorySessions
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.stores.memory.users import MemoryUsers

NOW = 1_800_000_000.123456  # A fraction that a column of less precision would change.
DAY = 86400.0


def new_user(name="ada", **more):
    values = {
        "id": str(uuid.uuid4()),
        "email": f"{name}@example.com",
        "email_key": f"{name}@example.com",
        "username": None,
        "password_hash": "$2b$12$a-hash",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return User(**(values | more))


def new_session(user, at=NOW, **more):
    values = {
        "id": str(uuid.uuid4()),
        "user_id": user.id,
        "created_at": at,
        "last_used_at": at,
        "expires_at": at + DAY,
    }
    return Session(**(values | more))


def log_in(store, user, *, at=NOW, limit=100, upgraded=None, **more):
    """Open a session; return it, and the user as it is then, or None."""
    session = new_session(user, at, **more)
    opening = store.sessions.open(session, login=Login(user, upgraded), limit=limit)
    return session, opening and opening.user


def store_with(users=MemoryUsers, sessions=MemorySessions):
    """Build a memory store with other classes for its parts."""
    store = MemoryStore()
    store.users = users(store._state)  # noqa: SLF001 - the parts share it
    store.sessions = sessions(store._state)  # noqa: SLF001 - likewise
    return store
