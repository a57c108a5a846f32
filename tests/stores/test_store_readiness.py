"""Ready means: it can write, to tables of the right version. A read-only server is left."""

from contextlib import ExitStack, contextmanager

import pytest
from conftest import outcome
from databases import POSTGRES_URL
from postgres import PostgresServer
from processes import eventually
from sqlalchemy import create_engine, event, make_url, text

from falcon_auth.stores.sql.migrate import migrate
from falcon_auth.stores.sql.tables import REVISIONS

UNAVAILABLE = (503, "STORE_UNAVAILABLE")


def readiness(client):
    answer = client.simulate_get("/health/ready")
    return answer.status_code, answer.json["checks"]["store"].get("reason")


@contextmanager
def changed(url, statement, undo):
    """Change a database for the length of a block, from a connection to it."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    yield
    with engine.begin() as connection:
        connection.execute(text(undo))
    engine.dispose()


def test_ready_says_ok_where_the_store_can_be_written_to(make_client, database_url):
    assert readiness(make_client(database_url=database_url)) == (200, None)


def test_ready_says_503_without_tables(make_client, database_url):
    client = make_client(database_url=database_url)

    with changed(
        database_url,
        "ALTER TABLE alembic_version RENAME TO away",
        "ALTER TABLE away RENAME TO alembic_version",
    ):
        assert readiness(client) == (503, "no_tables")
    assert readiness(client) == (200, None)


def set_revision(revision):
    return f"UPDATE alembic_version SET version_num = '{revision}'"  # noqa: S608 - one of ours


def test_ready_says_503_where_the_tables_are_behind_this_version(make_client, database_url):
    client = make_client(database_url=database_url)

    with changed(database_url, set_revision(REVISIONS[0]), set_revision(REVISIONS[-1])):
        assert readiness(client) == (503, "behind")


def test_ready_stays_ok_while_a_newer_version_is_rolled_out(make_client, database_url):
    """Its migration runs first, and processes of this version serve until they are replaced."""
    client = make_client(database_url=database_url)

    with changed(database_url, set_revision("9999"), set_revision(REVISIONS[-1])):
        assert readiness(client) == (200, None)


def test_ready_says_503_where_a_table_is_missing(make_client, database_url):
    client = make_client(database_url=database_url)

    with changed(
        database_url,
        "ALTER TABLE sessions RENAME TO away",
        "ALTER TABLE away RENAME TO sessions",
    ):
        status, _ = readiness(client)
    assert status == 503


def test_ready_says_503_where_a_sqlite_file_cannot_be_written_to(make_client, sqlite_url):
    client = make_client(database_url=sqlite_url)
    database = client.app.service.store.users._database  # noqa: SLF001 - to make it read-only
    database.close()
    event.listen(
        database.engine, "connect", lambda opened, _: opened.execute("PRAGMA query_only = ON")
    )

    assert readiness(client) == (503, None)


def test_ready_says_503_while_another_process_keeps_the_files_lock(make_client, sqlite_url):
    client = make_client(database_url=sqlite_url)
    engine = create_engine(sqlite_url)
    with engine.connect() as other:
        other.exec_driver_sql("BEGIN IMMEDIATE")
        assert readiness(client) == (503, None)
    engine.dispose()

    assert readiness(client) == (200, None)


def test_a_read_only_postgresql_is_not_ready_and_is_left_once_it_takes_writes(
    make_client, postgres_url
):
    """Its connections stay read-only, as those to a demoted primary do: they are thrown away."""
    client = make_client(database_url=postgres_url, rate_limit_enabled=False)
    name = make_url(postgres_url).database
    server = create_engine(make_url(POSTGRES_URL), isolation_level="AUTOCOMMIT")
    with server.connect() as operator:
        user = client.register()
        operator.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
        client.app.service.store.users._database.close()  # noqa: SLF001 - new connections obey it
        try:
            assert readiness(client) == (503, "read_only")
            for _ in range(7):
                assert outcome(client.refresh(user)) == UNAVAILABLE
            assert client.profile(user).status_code == 200  # Reading goes on, no breaker is open.
        finally:
            operator.execute(text(f"ALTER DATABASE {name} RESET default_transaction_read_only"))
    server.dispose()

    assert readiness(client) == (503, "read_only")  # What the open connection says, for the last
    assert readiness(client) == (200, None)  # time: another takes its place.
    assert client.refresh(user).status_code == 200


@pytest.fixture
def primary_and_standby():
    with ExitStack() as stack:
        primary = PostgresServer()
        primary.start()
        stack.callback(primary.remove)
        migrate(primary.url, "up")
        standby = PostgresServer(standby_of=primary)
        standby.start()
        stack.callback(standby.remove)
        yield primary, standby


def test_of_several_hosts_the_primary_is_found_and_found_again_after_it_was_demoted(
    make_client, primary_and_standby
):
    primary, standby = primary_and_standby
    hosts = f"host=127.0.0.1:{standby.port}&host=127.0.0.1:{primary.port}"
    client = make_client(database_url=f"postgresql+psycopg://postgres@/postgres?{hosts}")
    user = client.register()
    assert user.status_code == 201
    assert readiness(client) == (200, None)
    assert eventually(lambda: standby.run_sql("SELECT count(*) FROM users") == "1")

    # The old primary still answers, and takes no more writes.
    primary.run_sql(
        "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"
    )
    assert eventually(lambda: primary.run_sql("SHOW default_transaction_read_only") == "on")
    standby.promote()

    first = client.refresh(user)
    assert outcome(first) in {(200, None), UNAVAILABLE}
    assert client.refresh(user).status_code == 200
    assert standby.run_sql("SELECT generation FROM sessions") == "1"
    assert readiness(client) == (200, None)
