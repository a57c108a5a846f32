"""A driver's error quotes the row that was refused: nothing of it leaves the database module."""

import traceback

import pytest
from conftest import EMAIL, PASSWORD, outcome
from databases import database_for
from sqlalchemy import create_engine, text

from falcon_auth.errors import StoreUnavailableError
from falcon_auth.stores.sql.database import StatementRefusedError, open_engine

SECRET = "$2b$04$a-hash-that-nobody-may-read"
INSERT = text("INSERT INTO attacked (value) VALUES (:value)")

QUOTE = """
CREATE TABLE attacked (value text);
CREATE FUNCTION quote_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'refused: %%', NEW.value USING ERRCODE = '{code}', HINT = NEW.value; END $$;
CREATE CONSTRAINT TRIGGER quotes AFTER INSERT ON attacked {when}
FOR EACH ROW EXECUTE FUNCTION quote_row()
"""
OPEN = "CREATE TABLE attacked (value text CONSTRAINT is_short CHECK (length(value) < 9))"
POSTGRES_FAULTS = {
    "CHECK": OPEN,
    "NOT NULL": "CREATE TABLE attacked (value text, more text NOT NULL)",
    "UNIQUE": "CREATE TABLE attacked (value text, n int UNIQUE DEFAULT 1);"
    " INSERT INTO attacked VALUES ('first')",
    "a cast": "CREATE TABLE attacked (value text, n int GENERATED ALWAYS AS (value::int) STORED)",
    "a trigger": QUOTE.format(code="P0001", when=""),
    "a trigger that claims a violation": QUOTE.format(code="23514", when=""),
    "a trigger that claims a full disk": QUOTE.format(code="53100", when=""),
    "a trigger that claims a shutdown": QUOTE.format(code="57P01", when=""),
    "a trigger at COMMIT": QUOTE.format(code="P0001", when="DEFERRABLE INITIALLY DEFERRED"),
}
SQLITE_FAULTS = {
    "CHECK": OPEN,
    "NOT NULL": "CREATE TABLE attacked (value TEXT, more TEXT NOT NULL)",
    "UNIQUE": "CREATE TABLE attacked (value TEXT, n INT UNIQUE DEFAULT 1);"
    " INSERT INTO attacked (value) VALUES ('first')",
    "STRICT": "CREATE TABLE attacked (value INTEGER) STRICT",
    "malformed JSON": "CREATE TABLE attacked (value TEXT, n AS (value -> '$.a') STORED)",
    "a trigger": "CREATE TABLE attacked (value TEXT);"
    " CREATE TRIGGER quotes BEFORE INSERT ON attacked BEGIN SELECT RAISE(ABORT, 'refused'); END",
}
UNDO = """
DROP TABLE IF EXISTS attacked;
DROP FUNCTION IF EXISTS quote_row
"""


def everything_about(error):
    """All that a log could take from an exception and those that it came from."""
    told = []
    while error is not None:
        told += [repr(error), *traceback.format_exception(error), *getattr(error, "__notes__", [])]
        error = error.__cause__ or error.__context__
    return "\n".join(told)


def attack(database):
    """Insert the secret in every way there is; return the errors."""

    def in_a_transaction():
        with database.transaction() as connection:
            connection.execute(INSERT, {"value": SECRET})

    errors = []
    for way in (
        in_a_transaction,
        lambda: database.one(INSERT, {"value": SECRET}),
        lambda: database.all(INSERT, {"value": SECRET}),
        lambda: database.change(INSERT, {"value": SECRET}),
    ):
        with pytest.raises((StatementRefusedError, StoreUnavailableError)) as raised:
            way()
        errors.append(raised.value)
    return errors


def check_nothing_is_told(errors, logged):
    for error in errors:
        assert error.__cause__ is None
        assert error.__context__ is None
        assert SECRET not in everything_about(error)
    assert SECRET not in logged.text
    assert "INSERT" not in logged.text


@pytest.mark.parametrize("fault", POSTGRES_FAULTS)
def test_values_that_postgresql_quotes_are_not_disclosed(postgres_url, logged, fault):
    database = database_for(open_engine(postgres_url, pool_size=2))
    with database.single() as connection:
        connection.exec_driver_sql(POSTGRES_FAULTS[fault])
    try:
        check_nothing_is_told(attack(database), logged)
        assert database.breaker.state == "closed"
    finally:
        with database.single() as connection:
            connection.exec_driver_sql(UNDO)
        database.close()


@pytest.mark.parametrize("fault", SQLITE_FAULTS)
def test_values_that_sqlite_quotes_are_not_disclosed(sqlite_url, logged, fault):
    database = database_for(open_engine(sqlite_url, pool_size=2))
    with database.single() as connection:
        connection.connection.driver_connection.executescript(SQLITE_FAULTS[fault])

    check_nothing_is_told(attack(database), logged)

    database.close()


def test_a_refused_statement_says_which_constraint_it_violates(postgres_url):
    database = database_for(open_engine(postgres_url, pool_size=2))
    with database.single() as connection:
        connection.exec_driver_sql(OPEN)
    try:
        assert {str(error) for error in attack(database)} == {"CheckViolation 23514: is_short"}
    finally:
        with database.single() as connection:
            connection.exec_driver_sql(UNDO)
        database.close()


def test_a_misused_connection_is_a_fault_of_ours_without_details(database):
    """SQLAlchemy's own errors show the statement, and what was bound to it."""
    with pytest.raises(StatementRefusedError) as refused:
        database.all(INSERT, {})

    assert str(refused.value) == "StatementError"
    assert refused.value.__context__ is None


def test_a_user_that_the_database_refuses_is_500_and_not_in_the_log(
    make_client, database_url, logged
):
    """The error has the whole row in its message on PostgreSQL: the hash, the address."""
    client = make_client(database_url=database_url)
    refuse = {
        "postgresql": "ALTER TABLE users ADD CONSTRAINT nobody CHECK (false) NOT VALID",
        "sqlite": "CREATE TRIGGER nobody BEFORE INSERT ON users"
        " BEGIN SELECT RAISE(ABORT, 'nobody'); END",
    }
    undo = {
        "postgresql": "ALTER TABLE users DROP CONSTRAINT nobody",
        "sqlite": "DROP TRIGGER nobody",
    }
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(refuse[engine.dialect.name])
    try:
        answer = client.register()
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(undo[engine.dialect.name])
        engine.dispose()

    assert outcome(answer) == (500, "INTERNAL_ERROR")
    (fault,) = logged.events("internal_error")
    assert "StatementRefusedError" in fault["exception"]
    for secret in (EMAIL, PASSWORD, "$2b$", "Failing row", "INSERT"):
        assert secret not in logged.text
