"""The real PostgreSQL and Redis of the tests, and a store of every kind.

TEST_DATABASE_URL and TEST_REDIS_URL name the servers. Where one is missing its tests are
skipped, saying so; where CI is set they fail.
"""

from __future__ import annotations

import os
import secrets
import shutil
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from urllib.parse import urlsplit

import pytest

from falcon_auth.breaker import Breaker
from falcon_auth.stores.memory.store import MemoryStore

POSTGRES_URL = os.environ.get(
    "TEST_DATABASE_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
)


def redis_of_this_process():
    """A Redis database that no other process of the run has: its keys are deleted between tests."""
    url = urlsplit(os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/15"))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    number = (int(url.path.strip("/") or 0) - worker) % 16  # As many as a Redis has by default.
    return url._replace(path=f"/{number}").geturl()


REDIS_URL = redis_of_this_process()
STORES = ("memory", "sqlite", "postgresql")


def missing(what):
    """Skip the test, or fail where everything has to be tested."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} cannot be reached, and CI asks for it")
    pytest.skip(f"{what} cannot be reached")


def database_for(engine, *, threshold=5, timeout=30, chained=False):
    from falcon_auth.stores.sql.audit_chain import CHAINED
    from falcon_auth.stores.sql.database import Database

    if chained:
        engine = engine.execution_options(**{CHAINED: True})
    return Database(engine, Breaker("database", threshold=threshold, timeout=timeout))


@pytest.fixture(scope="session")
def create_database():
    """Make databases of this test run; they are dropped at its end."""
    from sqlalchemy import create_engine, exc, make_url, text

    server = create_engine(
        make_url(POSTGRES_URL),
        isolation_level="AUTOCOMMIT",
        connect_args={"connect_timeout": 2},
        hide_parameters=True,
    )
    made = []

    def create():
        name = f"falcon_auth_test_{secrets.token_hex(6)}"
        try:
            with server.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {name}"))
        except exc.OperationalError:
            missing("PostgreSQL")
        made.append(name)
        url = make_url(POSTGRES_URL).set(database=name)
        return url.render_as_string(hide_password=False)

    yield create
    for name in made:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture(scope="session")
def migrated_postgres_url(create_database):
    """One database with tables, for the whole run."""
    from falcon_auth.stores.sql.migrate import migrate

    url = create_database()
    migrate(url, "up")
    return url


@pytest.fixture(scope="session")
def scratch_postgres_url(create_database):
    """One database for the tests that make the tables themselves."""
    return create_database()


@pytest.fixture
def empty_postgres_url(scratch_postgres_url):
    """A database without any table. (Making and dropping one each time takes seconds.)"""
    from sqlalchemy import create_engine, text

    engine = create_engine(scratch_postgres_url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA IF EXISTS model CASCADE"))
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return scratch_postgres_url


@pytest.fixture
def postgres_url(migrated_postgres_url):
    """A database with empty tables."""
    from sqlalchemy import create_engine, text

    engine = create_engine(migrated_postgres_url)
    with engine.begin() as connection:
        for table in (
            "sessions",
            "users",
            "counters",
            "audit_events",
            "audit_failures",
            "audit_erasures",
            "outbox",
            "spent_challenges",
        ):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - names from above
        connection.execute(text("DELETE FROM roles WHERE name <> 'admin'"))
        connection.execute(text("UPDATE audit_head SET position = 0, digest = '', swept_to = 0"))
    engine.dispose()
    return migrated_postgres_url


@pytest.fixture(scope="session")
def migrated_sqlite_file(tmp_path_factory):
    """One file with empty tables, to be copied."""
    from falcon_auth.stores.sql.migrate import migrate

    path = tmp_path_factory.mktemp("sqlite") / "empty.db"
    migrate(f"sqlite:///{path}", "up")
    return path


@pytest.fixture
def sqlite_url(migrated_sqlite_file, tmp_path):
    """A file with empty tables."""
    path = tmp_path / "auth.db"
    shutil.copy(migrated_sqlite_file, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=STORES[1:])
def database_url(request):
    """The URL of a database with empty tables: the test runs on SQLite and on PostgreSQL."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")


@pytest.fixture
def database(database_url):
    from falcon_auth.stores.sql.database import open_engine

    opened = database_for(open_engine(database_url, pool_size=8))
    yield opened
    opened.close()


@pytest.fixture(params=STORES)
def store(request):
    """An empty store: the test runs on every one there is."""
    if request.param == "memory":
        yield MemoryStore()
        return
    from falcon_auth.stores.sql.database import open_engine
    from falcon_auth.stores.sql.store import SqlStore

    url = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    opened = database_for(open_engine(url, pool_size=8))
    yield SqlStore(opened)
    opened.close()


@pytest.fixture
def redis_prefix():
    """A prefix for keys that no other test has; they are deleted at the end."""
    import redis

    prefix = f"falcon-auth-test-{secrets.token_hex(6)}"
    yield prefix
    client = redis.Redis.from_url(REDIS_URL)
    for key in client.scan_iter(f"{prefix}:*"):
        client.delete(key)
    client.close()


@pytest.fixture
def redis_url():
    import redis

    client = redis.Redis.from_url(REDIS_URL, socket_connect_timeout=2)
    try:
        for key in client.scan_iter("falcon-auth:*"):  # What an earlier run counted.
            client.delete(key)
    except redis.RedisError:
        missing("Redis")
    finally:
        client.close()
    return REDIS_URL


@pytest.fixture(params=STORES)
def stores(request):
    """One store as two processes have it: two objects, each with connections of its own."""
    if request.param == "memory":
        store = MemoryStore()
        yield [store, store]
        return
    from falcon_auth.stores.sql.database import open_engine
    from falcon_auth.stores.sql.store import SqlStore

    url = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    opened = [database_for(open_engine(url, pool_size=8)) for _ in range(2)]
    yield [SqlStore(each) for each in opened]
    for each in opened:
        each.close()


def race(*actions):
    """Start every action at the same moment on a thread of its own; return what each gave.

    An exception counts as what it gave.
    """
    barrier = Barrier(len(actions))

    def run(action):
        barrier.wait()
        try:
            return action()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))
