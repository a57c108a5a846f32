"""Counters of every kind, as two processes have them."""

import pytest
from databases import database_for

from falcon_auth.stores.memory.counters import MemoryCounters

KINDS = ("memory", "sqlite", "postgresql", "redis")


@pytest.fixture(params=KINDS)
def counters(request, clock):
    """The same counters as two processes have them."""
    if request.param == "memory":
        both = [MemoryCounters(clock=clock)] * 2
    elif request.param == "redis":
        both = list(redis_pair(request, clock))
    else:
        both = list(sql_pair(request, clock))
    yield both
    for each in set(both):
        if hasattr(each, "close"):
            each.close()


def sql_pair(request, clock):
    from falcon_auth.stores.sql.counters import SqlCounters
    from falcon_auth.stores.sql.database import open_engine

    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url = request.getfixturevalue(name)
    for _ in range(2):
        database = database_for(open_engine(url, pool_size=8))
        request.addfinalizer(database.close)
        yield SqlCounters(database, clock=clock)


def redis_pair(request, clock):
    from falcon_auth.stores.redis_counters import RedisCounters

    url = request.getfixturevalue("redis_url")
    prefix = request.getfixturevalue("redis_prefix")
    for _ in range(2):
        yield RedisCounters(url, clock=clock, prefix=prefix)
