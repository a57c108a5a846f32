"""Migrations: up and down with data in place, on both engines, and the command around them."""

import os
import re
import secrets
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict

import pytest
from click.testing import CliRunner
from conftest import EMAIL, SECRET_KEY, settings_for
from databases import database_for, race
from processes import eventually
from sqlalchemy import MetaData, Table, create_engine, inspect, make_url, text
from stopwatch import timed
from store_records import new_session, new_user

from falcon_auth.__main__ import cli
from falcon_auth.errors import ConfigurationError
from falcon_auth.service import create_app
from falcon_auth.stores.sql import migrate
from falcon_auth.stores.sql.database import DatabaseUrlError, open_engine
from falcon_auth.stores.sql.opening import current_revision
from falcon_auth.stores.sql.sqlite import write_ahead
from falcon_auth.stores.sql.store import SqlStore
from falcon_auth.stores.sql.tables import REVISIONS, SEARCH_INDEX, metadata

SECRET = "hunter2"  # In URLs, and nowhere else.
BEFORE_SEARCH = "0008"  # The version before the directory.


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request, tmp_path):
    """A database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    return request.getfixturevalue("empty_postgres_url")


@pytest.fixture
def engine(empty_url):
    engine = open_engine(empty_url, pool_size=4, patient=True)
    yield engine
    engine.dispose()


def name_of(url):
    """The name that going down from the first version asks for."""
    return make_url(url).database.rpartition("/")[2]


def test_the_migrations_make_the_tables_that_the_store_works_with(engine):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    migrate.upgrade(engine)

    with engine.connect() as connection:
        options = {"compare_type": True, "include_name": lambda name, *_: name != SEARCH_INDEX}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_the_migrations_make_the_indexes_with_their_conditions(engine):
    """Alembic's comparison does not look at what a partial index leaves out."""
    migrate.upgrade(engine)
    copy = create_engine("sqlite://") if engine.dialect.name == "sqlite" else None
    if copy is None:  # PostgreSQL: the same tables from the models, in a schema of their own.
        with engine.begin() as connection:
            connection.execute(text("CREATE SCHEMA model"))
            connection.execute(text("SET LOCAL search_path TO model"))
            metadata.create_all(connection, checkfirst=False)
            definitions = [
                sorted(
                    row.indexdef.replace(f"{schema}.", "")
                    for row in connection.execute(
                        text("SELECT indexdef FROM pg_indexes WHERE schemaname = :schema"),
                        {"schema": schema},
                    )
                    if "alembic" not in row.indexdef and SEARCH_INDEX not in row.indexdef
                )
                for schema in ("model", "public")
            ]
    else:
        metadata.create_all(copy)
        definitions = []
        for each in (copy, engine):
            with each.connect() as connection:
                rows = connection.scalars(
                    text("SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
                )
                definitions.append(
                    sorted(re.sub(r"\w+\.(?=(ended|failed)_at)", "", sql) for sql in rows)
                )
        copy.dispose()

    assert definitions[0] == definitions[1]
    assert any("WHERE" in each for each in definitions[0])


def test_data_outlives_going_down_and_up_again(engine):
    migrate.upgrade(engine)
    store = SqlStore(database_for(engine))
    users = [new_user(f"user{n}", username=f"user{n}") for n in range(20)]
    sessions = [new_session(user) for user in users]
    for user, session in zip(users, sessions, strict=True):
        store.users.add(user, session)

    chained = {"position", "previous", "digest", "salt", "client"}
    assert chained <= {each["name"] for each in inspect(engine).get_columns("audit_events")}
    migrate.downgrade(engine)
    assert current_revision(engine) == REVISIONS[-2]
    assert not chained & {each["name"] for each in inspect(engine).get_columns("audit_events")}
    migrate.downgrade(engine)
    indexes = {each["name"] for each in inspect(engine).get_indexes("users")}
    assert not indexes & {"users_created_at_idx", SEARCH_INDEX}
    migrate.upgrade(engine)

    found = [store.sessions.find(session.id) for session in sessions]
    assert found == list(zip(sessions, users, strict=True))


def test_data_moves_up_from_every_version(engine):
    """An upgrade of a database in use: rows first, then each further migration."""
    migrate.upgrade(engine, to=REVISIONS[0])
    user = new_user()
    first_users = Table("users", MetaData(), autoload_with=engine)
    values = asdict(user) | {"username_key": None}
    row = {name: values[name] for name in first_users.columns.keys()}  # noqa: SIM118 - names
    with engine.begin() as connection:
        connection.execute(first_users.insert(), row)

    for revision in REVISIONS[1:]:
        migrate.upgrade(engine, to=revision)

    assert SqlStore(database_for(engine)).users.find_by_email(user.email_key) == user


def test_going_all_the_way_down_leaves_no_table(engine):
    migrate.upgrade(engine)

    for _ in REVISIONS:
        migrate.downgrade(engine, database=name_of(engine.url))

    assert inspect(engine).get_table_names() == ["alembic_version"]
    assert current_revision(engine) is None


def test_two_processes_may_migrate_at_once(empty_url):
    engines = [open_engine(empty_url, pool_size=1, patient=True) for _ in range(4)]

    results = race(*[lambda engine=engine: migrate.upgrade(engine) for engine in engines])

    assert results == [None] * 4
    assert current_revision(engines[0]) == REVISIONS[-1]
    for engine in engines:
        engine.dispose()


def test_a_migration_that_fails_changes_nothing(engine):
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE sessions (id TEXT)"))  # In the way.

    with pytest.raises(Exception, match="already exists"):
        migrate.upgrade(engine)

    assert inspect(engine).get_table_names() == ["sessions"]


def test_the_printed_sql_makes_the_same_tables(engine):
    statements = re.sub("(?m)^(BEGIN|COMMIT);$", "", migrate.upgrade_sql(engine.dialect.name))

    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(statements)
        else:  # Takes one statement at a time.
            for statement in statements.split(";"):
                connection.execute(text(statement))

    assert current_revision(engine) == REVISIONS[-1]
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}


# --- The command


def run(url, *arguments, **kwargs):
    environment = {"DATABASE_URL": url, "JWT_SECRET_KEY": SECRET_KEY}
    return CliRunner().invoke(cli, ["migrate", *arguments], env=environment, **kwargs)


def test_the_migrate_command_goes_up_and_says_so(empty_url):
    first, second = run(empty_url), run(empty_url, "up")

    assert first.output == f"The database went from base to {REVISIONS[-1]}.\n"
    assert second.output == f"The database is at {REVISIONS[-1]} already.\n"


def test_the_migrate_command_asks_before_it_goes_down(empty_url):
    run(empty_url)

    assert run(empty_url, "down", input="n\n").exit_code == 1
    went = run(empty_url, "down", input="y\n")
    assert went.output.endswith(f"from {REVISIONS[-1]} to {REVISIONS[-2]}.\n")


def at_first_version(url):
    run(url)
    for _ in REVISIONS[1:]:
        assert run(url, "down", "--yes").exit_code == 0


def test_dropping_every_table_asks_for_the_databases_name(empty_url):
    at_first_version(empty_url)
    name = name_of(empty_url)

    no_name = run(empty_url, "down", "--yes")
    other_name = run(empty_url, "down", "--yes", "--database", "other")
    asked_and_wrong = run(empty_url, "down", input="y\nother\n")
    asked_and_silent = run(empty_url, "down", input="y\n")

    for refused in (no_name, other_name, asked_and_wrong, asked_and_silent):
        assert refused.exit_code == 1
        assert name not in refused.output  # Whoever has to type it has to know it.
    assert "confirm it with --database" in no_name.output
    assert "not the database's name" in other_name.output
    went = run(empty_url, "down", input=f"y\n{name}\n")
    assert went.output.endswith(f"from {REVISIONS[0]} to base.\n")


def test_a_script_drops_every_table_by_naming_the_database(empty_url):
    at_first_version(empty_url)

    went = run(empty_url, "down", "--yes", "--database", name_of(empty_url))

    assert went.output == f"The database went from {REVISIONS[0]} to base.\n"


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_name_that_is_given_has_to_be_the_databases_at_every_step(empty_url, direction):
    run(empty_url)

    refused = run(empty_url, direction, "--yes", "--database", "other")
    went = run(empty_url, direction, "--yes", "--database", name_of(empty_url))

    assert (refused.exit_code, went.exit_code) == (1, 0)


# --- The index of the directory's search


def users_of(url, count):
    """Fill a database of the version before with users."""
    engine = open_engine(url, pool_size=1, patient=True)
    migrate.upgrade(engine, to=BEFORE_SEARCH)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO users (id, email, email_key, password_hash, password_version,"
                " is_active, created_at, updated_at)"
                " SELECT gen_random_uuid(), n, n, '!', 0, true, n, n"
                " FROM generate_series(1, :count) AS n"
            ),
            {"count": count},
        )
    return engine


def has_search_index(engine):
    with engine.connect() as connection:
        name = connection.scalar(text("SELECT to_regclass(:name)"), {"name": SEARCH_INDEX})
    return name is not None


@pytest.mark.parametrize(("count", "expected"), [(5, True), (10_000, False)])
def test_the_search_index_of_many_users_is_left_to_an_administrator(
    empty_postgres_url, count, expected
):
    """Nobody could log in while the migration makes it."""
    engine = users_of(empty_postgres_url, count)

    migrate.upgrade(engine)

    assert has_search_index(engine) is expected
    engine.dispose()


def test_a_search_index_that_is_there_stays(empty_postgres_url):
    engine = users_of(empty_postgres_url, 5)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE INDEX {SEARCH_INDEX} ON users (email_key)"))

    migrate.upgrade(engine)

    assert has_search_index(engine)
    while current_revision(engine) != BEFORE_SEARCH:
        migrate.downgrade(engine)
    assert not has_search_index(engine)
    engine.dispose()


def test_a_role_that_may_not_add_the_extension_migrates_without_the_index(empty_postgres_url):
    """Its database is made by somebody else, as hosted ones are."""
    role, password = f"falcon_auth_test_{secrets.token_hex(6)}", secrets.token_hex(16)
    owner = create_engine(empty_postgres_url)
    with owner.begin() as connection:
        connection.execute(text("DROP EXTENSION IF EXISTS pg_trgm"))
        connection.execute(text(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'"))
        connection.execute(text(f"GRANT ALL ON SCHEMA public TO {role}"))
    try:
        url = make_url(empty_postgres_url).set(username=role, password=password)
        engine = users_of(url.render_as_string(hide_password=False), 5)
        migrate.upgrade(engine)

        assert (current_revision(engine), has_search_index(engine)) == (REVISIONS[-1], False)
        engine.dispose()
    finally:
        with owner.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))
        owner.dispose()


# --- A PostgreSQL in use


@contextmanager
def long_transaction(url):
    """Hold a lock on tables as a backup does; gives the function that lets go of them."""
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(text("SELECT * FROM users, outbox, audit_events"))
        yield connection.rollback
    engine.dispose()


def test_a_migration_that_waits_for_a_table_lock_does_not_block_requests(empty_postgres_url):
    """Whoever wants a table queues behind the migration; it gives way at once, and comes back."""
    migrate.migrate(empty_postgres_url, "up")
    engine = create_engine(empty_postgres_url)
    waits_for_lock = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with (
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as user,
        long_transaction(empty_postgres_url) as let_go,
        ThreadPoolExecutor(1) as pool,
    ):
        migration = pool.submit(migrate.migrate, empty_postgres_url, "down")
        waits = []
        for _ in range(2):  # It gives way, and tries again.
            assert eventually(lambda: user.scalar(waits_for_lock))
            _, took = timed(lambda: user.execute(text("SELECT * FROM audit_events")))
            waits.append(took.had)
        let_go()
        done = migration.result(20)
    engine.dispose()

    assert max(waits) < 1
    assert done.endswith(f"from {REVISIONS[-1]} to {REVISIONS[-2]}.\n")


def test_a_migration_gives_up_where_the_tables_are_never_free(empty_postgres_url):
    migrate.migrate(empty_postgres_url, "up")

    with (
        long_transaction(empty_postgres_url),
        pytest.raises(
            migrate.MigrationError, match="locked the tables for 0 s; nothing was changed"
        ),
    ):
        migrate.migrate(empty_postgres_url, "down", patience_seconds=0)

    assert f"at {REVISIONS[-1]} already" in migrate.migrate(empty_postgres_url, "up")


def test_there_is_nothing_below_the_bottom(empty_url):
    answer = run(empty_url, "down", "--yes")

    assert answer.exit_code == 1
    assert answer.output.startswith("Error: DATABASE_URL: ")


def test_the_command_prints_sql_without_touching_the_database():
    nowhere = f"postgresql+psycopg://user:{SECRET}@127.0.0.1:1/nowhere"

    up, down = run(nowhere, "--sql"), run(nowhere, "down", "--sql")

    assert "CREATE UNLOGGED TABLE counters" in up.output
    assert "DROP TABLE audit_head" in down.output
    assert SECRET not in up.output + down.output


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "DATABASE_URL: is not set"),
        ("mysql://root@db/x", "DATABASE_URL: begins with sqlite:/// or postgresql+psycopg://"),
        (f"postgresql://u:{SECRET}@127.0.0.1:1/x", "DATABASE_URL: OperationalError"),
        ("sqlite:////no/such/folder/auth.db", "names a file that cannot be written"),
    ],
)
def test_the_command_says_what_is_wrong_and_no_password(url, says):
    answer = run(url)

    assert answer.exit_code in {1, 2}
    assert says in answer.output
    assert SECRET not in answer.output


def test_the_command_leaves_a_newer_database_alone(empty_url):
    run(empty_url)
    set_revision(empty_url, "9999")

    for direction in ("up", "down"):
        answer = run(empty_url, direction, "--yes")
        assert "newer version of this service" in answer.output
        assert answer.exit_code == 1


# --- At start-up


def set_revision(url, revision):
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
    engine.dispose()


def test_sqlite_is_migrated_at_start_up(make_client, tmp_path):
    client = make_client(database_url=f"sqlite:///{tmp_path}/new.db")

    assert client.register().status_code == 201


def test_a_postgresql_that_is_behind_refuses_the_start_and_names_the_command(empty_postgres_url):
    with pytest.raises(ConfigurationError) as raised:
        create_app(settings_for(database_url=empty_postgres_url))

    assert "python -m falcon_auth migrate" in str(raised.value)


def test_a_database_of_a_newer_version_refuses_the_start(empty_url):
    run(empty_url)
    set_revision(empty_url, "9999")

    with pytest.raises(ConfigurationError, match="newer version of this service"):
        create_app(settings_for(database_url=empty_url))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"postgresql+psycopg://ada:{SECRET}@127.0.0.1:1/x", "the database cannot be used"),
        (f"postgresql+psycopg://ada:{SECRET}@127.0.0.1:port/x", "is not a database URL"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////no/such/folder/auth.db", "cannot be written: No such file or directory"),
    ],
)
def test_a_database_that_cannot_be_used_refuses_the_start(url, says):
    with pytest.raises(ConfigurationError) as raised:
        create_app(settings_for(database_url=url))

    assert str(raised.value).startswith("DATABASE_URL: ")
    assert says in str(raised.value)
    assert SECRET not in str(raised.value)


def test_other_databases_are_not_tried():
    with pytest.raises(DatabaseUrlError, match="must begin with sqlite or postgresql"):
        open_engine(f"mysql://root:{SECRET}@127.0.0.1/x", pool_size=1)


def test_a_file_that_is_not_a_database_refuses_the_start(tmp_path):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(b"\xff\xd8\xff" * 500)

    with pytest.raises(ConfigurationError, match="file is not a database"):
        create_app(settings_for(database_url=f"sqlite:///{path}"))

    assert path.read_bytes() == b"\xff\xd8\xff" * 500


@pytest.mark.parametrize("url", ["redis://127.0.0.1:port/", "redis://127.0.0.1:99999999/"])
def test_a_redis_url_that_makes_no_sense_refuses_the_start(url):
    with pytest.raises(ConfigurationError, match=r"^REDIS_URL: is not a Redis URL$"):
        create_app(settings_for(redis_url=url))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"database_url": f"mysql://x:{SECRET}@y/z"}, "DATABASE_URL: begins with"),
        ({"redis_url": f"http://x:{SECRET}@y"}, "REDIS_URL: begins with"),
    ],
)
def test_an_unknown_kind_of_url_is_a_fault_of_the_settings(values, says):
    with pytest.raises(ValueError, match=says) as raised:
        settings_for(**values)

    assert SECRET not in str(raised.value)


def test_a_new_sqlite_file_is_its_owners_alone(tmp_path):
    path = tmp_path / "auth.db"

    app = create_app(settings_for(database_url=f"sqlite:///{path}"))
    app.service.store.users.find_by_email(EMAIL)  # With the write-ahead log open.
    modes = {each.name: oct(each.stat().st_mode & 0o777) for each in tmp_path.iterdir()}
    app.service.close()

    assert set(modes.values()) == {"0o600"}
    assert len(modes) >= 2


def test_nothing_of_the_databases_is_loaded_where_none_is_used():
    """The default starts in well under a second: it does not pay for what it does not use."""
    code = (
        "import sys; from falcon_auth.settings import Settings\n"
        "from falcon_auth.service import create_app\n"
        "create_app(Settings(_env_file=None))\n"
        "heavy = {'sqlalchemy', 'alembic', 'psycopg', 'redis'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or None)"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_seeding_fills_a_database(database_url):
    environment = {
        "DATABASE_URL": database_url,
        "ENVIRONMENT": "testing",
        "BCRYPT_ROUNDS": "4",
        "JWT_SECRET_KEY": SECRET_KEY,
    }

    first = CliRunner().invoke(cli, ["seed", "30"], env=environment)
    again = CliRunner().invoke(cli, ["seed", "40"], env=environment)

    assert "30 users created, 0 existed already." in first.output
    assert "10 users created, 30 existed already." in again.output


class Busy:
    """A connection to a file that others are switching to write-ahead, for *times* attempts."""

    def __init__(self, times):
        self.times = times

    def execute(self, _statement):
        self.times -= 1
        if self.times >= 0:
            raise sqlite3.OperationalError("database is locked")


def test_switching_to_write_ahead_waits_for_others_but_not_for_ever():
    write_ahead(Busy(times=2), deadline=time.monotonic() + 10)

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        write_ahead(Busy(times=2), deadline=time.monotonic())
