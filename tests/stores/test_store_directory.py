"""The directory, by the protocol's own words. Each test runs on every store."""

import uuid
from dataclasses import replace
from itertools import product

import pytest
from databases import database_for
from delivery_words import new_message
from factor_records import activate, new_passkey
from store_records import NOW, log_in, new_user

from falcon_auth.errors import (
    DuplicateUsernameError,
    InsufficientScopeError,
    LastAdministratorError,
    NotFoundError,
    RevokedTokenError,
)
from falcon_auth.models import Effects, Role
from falcon_auth.store import Authority
from falcon_auth.store.directory import NEWEST, Changed, Position, Search, UserChange
from falcon_auth.stores.sql.database import open_engine
from falcon_auth.stores.sql.directory import SqlDirectory
from falcon_auth.stores.sql.store import SqlStore

UNKNOWN = "6f1c3c7e-2f0e-4b52-9d55-0d2a6f1a9a41"
EVERYBODY = Search()
UNHURRIED = 9999  # More than any test has.


def add(store, name, **more):
    user = new_user(name, **more)
    store.users.add(user)
    return store.users.find(user.id)


def find(store, search=EVERYBODY, *, after=NEWEST, limit=UNHURRIED):
    return store.directory.find_page(search, after=after, limit=limit)


def follow(store, search=EVERYBODY, *, limit=3, between=lambda: None):
    """Go from page to page; return everybody who was shown."""
    shown, after = [], NEWEST
    while after is not None:
        page = find(store, search, after=after, limit=limit)
        assert len(page.users) <= limit
        shown += page.users
        after = page.next
        between()
    return shown


def names(users):
    return [user.email.partition("@")[0] for user in users]


@pytest.fixture
def narrow(store):
    """The same store, with a directory that looks at three users for a page."""
    store.directory._examined = 3  # noqa: SLF001 - ten thousand users would take long to add
    return store


# --- In order, page by page


def test_users_are_in_order_newest_first_and_by_id_where_they_are_as_old(store):
    users = [add(store, f"user{n}", created_at=NOW + n // 4) for n in range(12)]

    expected = sorted(users, key=lambda user: (user.created_at, user.id), reverse=True)
    assert find(store).users == expected
    assert follow(store) == expected
    assert follow(store, limit=1) == expected


def test_the_last_page_says_so(store):
    for n in range(4):
        add(store, f"user{n}")

    assert find(store, limit=4).next is None
    assert find(store, limit=3).next is not None


def test_an_empty_directory_has_one_empty_page(store):
    assert find(store) == ([], None)


def test_users_who_come_and_go_neither_repeat_nor_hide_others(store):
    users = [add(store, f"user{n:02}", created_at=NOW + n) for n in range(30)]
    staying, going = users[::2], iter(users[1::2])
    coming = iter(range(99))

    def between():
        """One goes, one comes as the newest, one as the oldest, and one has another name."""
        store.users.delete(next(going).id)
        for created_at in (NOW + 99, NOW - 99):
            add(store, f"new{next(coming)}", created_at=created_at)
        store.users.rename(staying[next(coming) % 15].id, f"renamed{next(coming)}", now=NOW)

    shown = [user.id for user in follow(store, limit=3, between=between)][:40]

    assert len(set(shown)) == len(shown)
    assert {user.id for user in staying} <= {*shown}


def test_a_user_keeps_the_place_through_a_change_of_address(store):
    users = [add(store, f"user{n}", created_at=NOW + n) for n in range(3)]
    session, _ = log_in(store, users[1])

    store.users.change_email(
        users[1], email="zoe@example.com", email_key="zoe@example.com",
        keep_session=session.id, now=NOW,
    )  # fmt: skip

    assert names(find(store).users) == ["user2", "zoe", "user0"]


def test_a_place_need_not_be_anybodys(store):
    for n in range(4):
        add(store, f"user{n}", created_at=NOW + n)

    assert names(find(store, after=Position(NOW + 1.5, UNKNOWN)).users) == ["user1", "user0"]
    assert find(store, after=Position(-1e300, UNKNOWN)) == ([], None)


# --- Searching


@pytest.fixture
def people(store):
    store.roles.define(Role("support", ("users:read",)))
    return [
        add(store, "ada", username="Countess", created_at=NOW, roles=("admin",)),
        add(store, "grace", created_at=NOW + 1, is_active=False, roles=("support",)),
        add(store, "alan_t", username="a_t", created_at=NOW + 2),
        add(store, "alanxt", username="axt", created_at=NOW + 3, roles=("admin", "support")),
        add(store, "müller", created_at=NOW + 4),
    ]


EVERYONE = ["müller", "alanxt", "alan_t", "grace", "ada"]
TEXTS = [
    ("ada", ["ada"]),
    ("a", EVERYONE),
    ("countess", ["ada"]),  # Keys are in lower case; the name is not.
    ("example.com", EVERYONE),
    ("alan_t", ["alan_t"]),
    ("a_t", ["alan_t"]),  # In the name.
    ("_", ["alan_t"]),
    ("%", []),
    ("\\", []),
    ("a%", []),
    ("'", []),
    ("ülle", ["müller"]),
    ("nobody", []),
    ("x" * 5000, []),
]


def test_a_part_of_address_or_name_is_found_as_it_is(store, people):
    """No character is a wildcard."""
    found = [(text, names(find(store, Search(text=text)).users)) for text, _ in TEXTS]

    assert found == TEXTS


CONDITIONS = [
    (Search(role="admin"), ["alanxt", "ada"]),
    (Search(role="support"), ["alanxt", "grace"]),
    (Search(role="none"), []),
    (Search(role="admin\0"), []),  # Which PostgreSQL refuses as a text.
    (Search(role="\ud800"), []),
    (Search(active=False), ["grace"]),
    (Search(active=True), ["müller", "alanxt", "alan_t", "ada"]),
    (Search(role="support", active=True), ["alanxt"]),
    (Search(text="alan", role="admin"), ["alanxt"]),
    (Search(text="alan", role="admin", active=False), []),
]


def test_conditions_hold_together(store, people):
    found = [(search, names(follow(store, search, limit=1))) for search, _ in CONDITIONS]

    assert found == CONDITIONS


def test_a_user_who_is_found_is_complete(store, people):
    (found,) = find(store, Search(text="grace")).users

    assert found == store.users.find(found.id)
    assert (found.roles, found.scopes) == (("support",), {"users:read"})


def test_a_page_ends_where_enough_was_looked_at(narrow):
    """Whoever goes on from there misses nobody."""
    for n in range(10):
        add(narrow, f"user{n}", created_at=NOW + n, is_active=n != 0)

    page = find(narrow, Search(active=False))

    assert (page.users, page.next.created_at) == ([], NOW + 7)
    assert names(follow(narrow, Search(active=False))) == ["user0"]
    assert names(find(narrow, limit=2).users) == ["user9", "user8"]
    assert len(follow(narrow)) == 10


@pytest.fixture
def on_postgresql(postgres_url):
    """A store with ada, the oldest of many, of whom a page looks at three."""
    database = database_for(open_engine(postgres_url, pool_size=2))
    store = SqlStore(database)
    store.directory = SqlDirectory(database, examined=3)
    add(store, "ada", created_at=NOW, roles=("admin",))
    for n in range(10):
        add(store, f"user{n}", created_at=NOW + 1 + n)
    yield store
    database.close()


def test_postgresql_finds_the_rare_by_an_index(on_postgresql):
    """However many others come before them."""
    for search in (Search(text="ada"), Search(role="admin")):
        page = find(on_postgresql, search)

        assert (names(page.users), page.next) == (["ada"], None)


def test_postgresql_goes_through_users_where_the_index_does_not_help(on_postgresql):
    """It is of three letters in a row."""
    assert find(on_postgresql, Search(text="ad")).users == []
    assert names(follow(on_postgresql, Search(text="ad"))) == ["ada"]


def test_postgresql_does_without_the_index(on_postgresql):
    """The extension may not be there."""
    database = on_postgresql.directory._database  # noqa: SLF001 - to set the index aside
    with database.transaction() as connection:
        connection.exec_driver_sql("ALTER INDEX users_search_idx RENAME TO set_aside")
    try:
        assert find(on_postgresql, Search(text="ada")).users == []
        assert names(follow(on_postgresql, Search(text="ada"))) == ["ada"]
    finally:
        with database.transaction() as connection:
            connection.exec_driver_sql("ALTER INDEX set_aside RENAME TO users_search_idx")


# --- Changing


@pytest.fixture
def user(store, people):
    """Somebody without roles, with a session, a passkey and recovery codes."""
    session, user = log_in(store, people[2])
    assert activate(store, user, session, new_passkey(user))
    return store.users.find(user.id)


@pytest.fixture
def by(store, people):
    """In the name of an administrator."""
    return Authority(people[0].id, "users:write")


@pytest.fixture
def by_support(store, people):
    """In the name of somebody who may write users, and no more."""
    store.roles.define(Role("writer", ("users:write",)))
    return Authority(add(store, "writer", roles=("writer",)).id, "users:write")


def change(store, user, effects=None, by=None, **what):
    more = {} if effects is None else {"effects": effects}
    return store.directory.change(user.id, UserChange(**what), by=by, now=NOW + 9, **more)


def test_everything_changes_at_once(store, user, by):
    changed = change(
        store,
        user,
        by=by,
        is_active=False,
        username="turing",
        roles=frozenset({"support"}),
        email_verified=True,
        remove_factors=True,
    )

    assert changed == Changed(user, store.users.find(user.id), 1)
    assert changed.after == replace(
        user,
        is_active=False,
        username="turing",
        roles=("support",),
        scopes=frozenset({"users:read"}),
        email_verified=True,
        email_version=user.email_version + 1,
        factor_count=0,
        factors_version=user.factors_version + 1,
        updated_at=NOW + 9,
    )
    assert store.sessions.list_live(user.id, now=NOW) == []
    holder = store.factors.find_holder(user.id)
    assert (holder.factors, holder.code_hashes) == ((), frozenset())


def test_what_is_so_already_changes_nothing(store, user, by):
    for what in (
        {},
        {"is_active": True},
        {"username": "a_t"},
        {"roles": frozenset()},
        {"email_verified": False},
    ):
        assert change(store, user, by=by, **what) == (user, user, 0)

    assert store.users.find(user.id) == user
    assert len(store.sessions.list_live(user.id, now=NOW)) == 1


def test_removing_factors_that_are_not_there_is_no_change(store, people):
    assert change(store, people[3], remove_factors=True).after == people[3]


def test_sessions_end_without_any_other_change(store, user):
    assert change(store, user, end_sessions=True) == (user, user, 1)

    assert store.sessions.list_live(user.id, now=NOW) == []
    assert change(store, user, end_sessions=True).ended == 0


def test_a_name_is_taken_away_and_can_be_had_by_another(store, user, people):
    assert change(store, user, username=None).after.username is None

    assert change(store, people[4], username="A_T").after.username == "A_T"


def test_a_role_is_replaced(store, people):
    changed = change(store, people[3], roles=frozenset({"admin"}))

    assert changed.after.roles == ("admin",)
    assert store.users.find(people[3].id).scopes == {"admin"}
    assert change(store, people[3], roles=frozenset()).after.scopes == frozenset()


def test_an_unknown_user_is_not_changed(store, by):
    for user_id in (UNKNOWN, "nonsense", "", "\0"):
        assert store.directory.change(user_id, UserChange(is_active=False), by=by, now=NOW) is None


REFUSED = [
    (DuplicateUsernameError, {"username": "COUNTESS"}),
    (NotFoundError, {"roles": frozenset({"support", "unheard-of"})}),
]


@pytest.mark.parametrize(("refusal", "what"), REFUSED)
def test_what_is_refused_changes_nothing_at_all(store, user, by, refusal, what):
    everything = {
        "is_active": False,
        "email_verified": True,
        "remove_factors": True,
        "roles": frozenset({"support"}),
        "effects": lambda _: Effects(messages=(new_message(user),)),
    }

    with pytest.raises(refusal):
        change(store, user, by=by, **(everything | what))

    assert store.users.find(user.id) == user
    assert len(store.sessions.list_live(user.id, now=NOW)) == 1
    assert store.factors.find_holder(user.id).code_hashes
    assert store.outbox.list_waiting(limit=9) == []


def test_effects_are_made_of_the_change_and_written_with_it(store, user, people):
    message = new_message(user)
    seen = []

    def effects(changed):
        seen.append(changed)
        return Effects(messages=(message,))

    changed = change(store, user, effects, roles=frozenset({"support"}), end_sessions=True)

    assert seen == [changed]
    assert [each.id for each in store.outbox.list_waiting(limit=9)] == [message.id]


def test_effects_that_refuse_undo_the_change(store, user):
    def refuse(_changed):
        raise NotFoundError

    with pytest.raises(NotFoundError):
        change(store, user, refuse, is_active=False, username=None, remove_factors=True)

    assert store.users.find(user.id) == user
    assert len(store.sessions.list_live(user.id, now=NOW)) == 1


# --- Who may


WHATEVER = [
    {},
    {"is_active": False},
    {"username": None},
    {"roles": frozenset()},
    {"email_verified": True},
    {"end_sessions": True},
    {"remove_factors": True},
]


def test_nobody_changes_a_user_who_may_do_more(store, people, by_support):
    for user, what in product(people[:2], WHATEVER):
        with pytest.raises(InsufficientScopeError) as raised:
            change(store, user, by=by_support, **what)

        assert raised.value.scopes == tuple(user.scopes)
        assert store.users.find(user.id) == user


def test_nobody_gives_a_role_that_allows_more(store, user, by_support):
    for role in ("admin", "support"):
        with pytest.raises(InsufficientScopeError):
            change(store, user, by=by_support, roles=frozenset({role}))

    assert change(store, user, by=by_support, roles=frozenset({"writer"})).after.roles


def test_nobody_gives_themselves_more(store, by_support):
    actor = store.users.find(by_support.actor_id)

    with pytest.raises(InsufficientScopeError):
        change(store, actor, by=by_support, roles=frozenset({"writer", "admin"}))

    assert store.users.find(actor.id) == actor


def test_who_may_not_write_users_changes_nobody(store, user, people):
    by = Authority(people[1].id, "users:write")
    store.users.set_active(people[1].id, active=True, now=NOW)

    with pytest.raises(InsufficientScopeError):
        change(store, user, by=by, username=None)


def test_who_is_gone_changes_nobody(store, user, people):
    disabled = people[1].id
    for actor_id in (disabled, str(uuid.uuid4())):
        with pytest.raises(RevokedTokenError):
            change(store, user, by=Authority(actor_id, "users:write"), username=None)


def test_the_last_administrator_stays(store, people, by):
    change(store, people[3], by=by, is_active=False)

    for what in ({"is_active": False}, {"roles": frozenset({"support"})}):
        with pytest.raises(LastAdministratorError):
            change(store, people[0], by=by, **what)

        assert store.users.find(people[0].id) == people[0]
