"""SQLite with a write-ahead log, a sync for every commit, and one writer at a time."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL

BUSY_SECONDS = 2.0  # For another writer to finish.
RETRY_SECONDS = 0.01
POOL_SECONDS = 1.0  # For one of the pool's connections.
OWNER_ONLY = 0o600  # The file holds password hashes; the log beside it gets the same mode.


def open_sqlite(url: URL, *, pool_size: int) -> Engine:
    """Return an engine for the file of *url*, which is created if it is missing.

    Raises `OSError` if it cannot be created.
    """
    path = Path(url.database or "")
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY))
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        connect_args={"timeout": BUSY_SECONDS},
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: Any, _record: Any) -> None:
    write_ahead(connection, time.monotonic() + BUSY_SECONDS)
    connection.execute("PRAGMA synchronous = FULL")  # NORMAL loses commits in a power cut.
    connection.execute("PRAGMA foreign_keys = ON")


def write_ahead(connection: Any, deadline: float) -> None:
    """Switch the file to write-ahead mode, waiting for others that do so, as SQLite does not."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(RETRY_SECONDS)
        else:
            return


def _begin(connection: Connection) -> None:
    """Begin as a writer, because a transaction that began as a reader cannot wait to write."""
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
