"""Nobody can give what they do not have: random roles, actors and actions, on every store.

The machine compares the users before and after each action. It knows nothing of the rules by which
an action is refused: only what may never come of one.
"""

import pytest
from databases import STORES, database_for
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text
from store_records import NOW, new_user

from falcon_auth.errors import (
    DuplicateEmailError,
    InsufficientScopeError,
    LastAdministratorError,
    NotFoundError,
    RevokedTokenError,
)
from falcon_auth.models import Role
from falcon_auth.store import Authority
from falcon_auth.stores.memory.store import MemoryStore

SCOPES = ["admin", "users:write", "roles:write", "notes:read", "notes:write"]
NAMES = ["admin", "a", "b", "c"]
USERS = 4
REFUSALS = (
    DuplicateEmailError,
    InsufficientScopeError,
    LastAdministratorError,
    NotFoundError,
    RevokedTokenError,
)
people = st.integers(0, USERS - 1)
names = st.sampled_from(NAMES)
some_names = st.sets(names, max_size=2)
some_scopes = st.sets(st.sampled_from(SCOPES), max_size=3)


def has_all(held, wanted):
    return "admin" in held or wanted <= held


class Machine(RuleBasedStateMachine):
    """The rules; `fresh` is set by the test and returns an empty store."""

    fresh = staticmethod(MemoryStore)

    @initialize(
        definitions=st.lists(some_scopes, min_size=3, max_size=3),
        held=st.lists(some_names, min_size=USERS, max_size=USERS),
    )
    def begin(self, definitions, held):
        self.store = self.fresh()
        for name, scopes in zip(NAMES[1:], definitions, strict=True):
            self.store.roles.define(Role(name, tuple(sorted(scopes))))
        self.users = [new_user(f"user{n}", roles=tuple(sorted(held[n]))) for n in range(USERS)]
        for user in self.users:
            self.store.users.add(user)

    @rule(actor=people, user=people, grant=some_names, revoke=some_names)
    def change_roles(self, actor, user, grant, revoke):
        self.act(
            actor,
            "users:write",
            lambda by: self.store.roles.change(
                self.users[user].id, grant=grant, revoke=revoke, by=by, now=NOW
            ),
        )

    @rule(actor=people, name=names.filter(lambda name: name != "admin"), scopes=some_scopes)
    def define(self, actor, name, scopes):
        role = Role(name, tuple(sorted(scopes)))
        self.act(actor, "roles:write", lambda by: self.store.roles.define(role, by=by))

    @rule(actor=people, name=names.filter(lambda name: name != "admin"))
    def delete_role(self, actor, name):
        self.act(actor, "roles:write", lambda by: self.store.roles.delete(name, by=by))

    @rule(actor=people, user=people, active=st.booleans())
    def enable_or_disable(self, actor, user, active):
        self.act(
            actor,
            "users:write",
            lambda by: self.store.users.set_active(
                self.users[user].id, active=active, now=NOW, by=by
            ),
        )

    @rule(actor=people, user=people)
    def delete_user(self, actor, user):
        self.act(
            actor, "users:write", lambda by: self.store.users.delete(self.users[user].id, by=by)
        )

    @rule(actor=people, place=people, roles=some_names)
    def add_user(self, actor, place, roles):
        """Add a user of an address that is free, or taken."""
        user = new_user(f"user{place}", roles=tuple(sorted(roles)))
        if self.act(actor, "users:write", lambda by: self.store.users.add(user, by=by)):
            self.users[place] = user

    @rule(user=people)
    def leave(self, user):
        """Users delete themselves."""
        before = self.look()
        try:
            self.store.users.delete(self.users[user].id)
        except LastAdministratorError:
            assert self.look() == before
        self.check_administrators(before, self.look())

    def act(self, actor, scope, action):
        """Run an action in an actor's name; return whether it took place."""
        before = self.look()
        try:
            action(Authority(self.users[actor].id, scope))
        except REFUSALS:
            assert self.look() == before
            return False
        after = self.look()
        changed = [each for each in {*before, *after} if before.get(each) != after.get(each)]
        nobody = new_user("nobody")
        held = before.get(self.users[actor].id, nobody).scopes
        for each in changed:
            assert before[self.users[actor].id].is_active
            assert has_all(held, {scope})
            had = before.get(each, nobody).scopes
            has = after.get(each, nobody).scopes
            assert has_all(held, had)  # Nobody changes a user who has more,
            assert has_all(held, has - had)  # and nobody gives what they do not have.
        self.check_administrators(before, after)
        return True

    def look(self):
        return {user.id: user for user in self.store.users.list_by_email(after="", limit=9)}

    def check_administrators(self, before, after):
        def any_in(users):
            return any(user.is_active and "admin" in user.scopes for user in users.values())

        assert any_in(after) or not any_in(before)
        definitions = {role.name: {*role.scopes} for role in self.store.roles.list()}
        for user in after.values():
            assert user.scopes == {scope for name in user.roles for scope in definitions[name]}


def empty_sql_store(database):
    from falcon_auth.stores.sql.store import SqlStore

    with database.transaction() as connection:
        connection.execute(text("DELETE FROM users"))
        connection.execute(text("DELETE FROM roles WHERE name <> 'admin'"))
    return SqlStore(database)


@pytest.mark.parametrize("kind", STORES)
def test_no_sequence_of_actions_gives_more_than_somebody_had(kind, request):
    examples, steps, fresh = 60, 25, MemoryStore
    database = None
    if kind != "memory":
        from falcon_auth.stores.sql.database import open_engine

        url = request.getfixturevalue("sqlite_url" if kind == "sqlite" else "postgres_url")
        database = database_for(open_engine(url, pool_size=2))
        examples, steps, fresh = 3, 12, lambda: empty_sql_store(database)

    machine = type("Machine", (Machine,), {"fresh": staticmethod(fresh)})
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None),
        )
    finally:
        if database is not None:
            database.close()
