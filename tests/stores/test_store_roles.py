"""Roles on every store: definitions, grants, authority, and the last administrator."""

# ruff: noqa: B023 - the actions of a race have run before its loop goes on

import pytest
from databases import race
from store_records import NOW, log_in, new_session, new_user

from falcon_auth.errors import (
    InsufficientScopeError,
    LastAdministratorError,
    NotFoundError,
    RevokedTokenError,
)
from falcon_auth.models import AuditEvent, Effects, Role
from falcon_auth.store import Authority

ADMIN = Role("admin", ("admin",))
EDITOR = Role("editor", ("notes:read", "notes:write"))
READER = Role("reader", ("notes:read",))
CLERK = Role("clerk", ("notes:read", "roles:write", "users:write"))


def event(name):
    return Effects(events=(AuditEvent(id=new_user().id, at=NOW, event=name),))


def events(store):
    return [each.event for each in store.audit.list_newest(limit=100)]


@pytest.fixture
def defined(store):
    for role in (EDITOR, READER, CLERK):
        store.roles.define(role)
    return store


@pytest.fixture
def add(defined):
    def add(name, *roles, **more):
        user = new_user(name, roles=roles, **more)
        defined.users.add(user)
        return defined.users.find(user.id)

    return add


def grant(store, user, *roles, **more):
    return store.roles.change(user.id, grant=roles, now=NOW + 1, **more)


def revoke(store, user, *roles, **more):
    return store.roles.change(user.id, revoke=roles, now=NOW + 1, **more)


def in_name_of(actor, scope="users:write"):
    return Authority(actor.id, scope)


# --- Definitions


def test_there_is_a_role_for_administrators(store):
    assert store.roles.list() == [ADMIN]


def test_a_definition_is_listed_by_name(store):
    assert store.roles.define(READER)
    assert store.roles.define(EDITOR)
    assert store.roles.define(Role("nothing", ()))

    assert store.roles.list() == [ADMIN, EDITOR, Role("nothing", ()), READER]


def test_the_same_definition_again_changes_nothing(store):
    store.roles.define(READER, effects=event("first"))

    assert not store.roles.define(READER, effects=event("again"))
    assert events(store) == ["first"]


def test_a_definition_counts_at_once_for_who_has_the_role(defined, add):
    user = add("ada", "reader", "clerk")
    session, _ = log_in(defined, user)

    defined.roles.define(Role("reader", ("notes:delete",)))

    found = defined.sessions.find(session.id)[1]
    assert found.roles == ("clerk", "reader")
    assert found.scopes == {"notes:delete", *CLERK.scopes}


def test_a_deleted_role_is_nobodys(defined, add):
    user = add("ada", "reader", "clerk")
    other = add("eve", "reader")

    assert defined.roles.delete("reader", effects=event("role.changed"))

    assert defined.users.find(user.id).roles == ("clerk",)
    assert defined.users.find(other.id).roles == ()
    assert defined.users.find(other.id).scopes == frozenset()
    assert READER not in defined.roles.list()
    assert events(defined) == ["role.changed"]


def test_what_is_not_defined_cannot_be_deleted(store):
    assert not store.roles.delete("reader", effects=event("role.changed"))
    assert events(store) == []


# --- Grants


def test_a_user_has_the_scopes_of_all_roles_wherever_it_is_read(defined, add):
    user = add("ada")
    session, _ = log_in(defined, user)

    change = grant(defined, user, "editor", "clerk")

    scopes = {*EDITOR.scopes, *CLERK.scopes}
    assert (change.granted, change.revoked) == (("clerk", "editor"), ())
    found = [
        change.user,
        defined.users.find(user.id),
        defined.users.find_by_email(user.email_key),
        defined.users.list_by_email(after="", limit=1)[0],
        defined.sessions.find(session.id)[1],
        defined.factors.find_holder(user.id).user,
        log_in(defined, user)[1],
        defined.users.rename(user.id, "ada", now=NOW),
    ]
    assert [each.roles for each in found] == [("clerk", "editor")] * len(found)
    assert [each.scopes for each in found] == [scopes] * len(found)
    assert change.user.updated_at == NOW + 1


def test_a_new_user_can_have_roles(defined):
    user = new_user(roles=("reader", "editor"))
    session = new_session(user)

    defined.users.add(user, session)

    found = defined.sessions.find(session.id)[1]
    assert (found.roles, found.scopes) == (("editor", "reader"), {*EDITOR.scopes})


def test_many_users_can_have_roles_and_those_that_are_not_defined_are_left_out(defined):
    users = [new_user("ada", roles=("reader", "unheard-of")), new_user("eve"), new_user("ada")]

    assert [*defined.users.add_many(users)] == [users[2].id]

    assert defined.users.find(users[0].id).roles == ("reader",)
    assert defined.users.find(users[0].id).scopes == {*READER.scopes}
    assert defined.users.find(users[1].id) == users[1]


def test_a_revoked_role_is_gone(defined, add):
    user = add("ada", "reader", "clerk")

    change = revoke(defined, user, "reader", "editor")

    assert (change.granted, change.revoked) == ((), ("reader",))
    assert change.user == defined.users.find(user.id)
    assert (change.user.roles, change.user.scopes) == (("clerk",), {*CLERK.scopes})
    assert revoke(defined, user, "clerk").user.scopes == frozenset()


def test_the_effects_of_each_role_are_written_where_it_changed(defined, add):
    user = add("ada", "reader")
    effects = {"reader": event("granted reader"), "clerk": event("granted clerk")}

    grant(defined, user, "reader", "clerk", effects=effects)
    revoke(defined, user, "editor", "reader", effects={"editor": event("revoked editor")})

    assert events(defined) == ["granted clerk"]


def test_nothing_changes_where_nothing_is_to_be_changed(defined, add):
    user = add("ada", "reader")

    change = grant(defined, user, "reader", effects={"reader": event("role.granted")})

    assert change == (user, (), ())
    assert defined.users.find(user.id) == user
    assert events(defined) == []


def test_granting_is_stronger_than_revoking(defined, add):
    user = add("ada")

    change = defined.roles.change(user.id, grant=["reader"], revoke=["reader"], now=NOW)

    assert (change.granted, change.revoked) == (("reader",), ())


def test_an_unknown_role_is_refused(defined, add):
    user = add("ada")

    with pytest.raises(NotFoundError):
        grant(defined, user, "reader", "unheard-of")
    with pytest.raises(NotFoundError):
        defined.users.add(new_user("eve", roles=("unheard-of",)))

    assert defined.users.find(user.id) == user
    assert defined.users.find_by_email("eve@example.com") is None


def test_an_unknown_user_has_no_roles(defined):
    assert grant(defined, new_user(), "reader") is None


def test_a_deleted_user_leaves_no_role(defined, add):
    user = add("ada", "reader")
    add("eve", "reader")

    defined.users.delete(user.id)
    defined.users.add(user)

    assert defined.users.find(user.id).roles == ("reader",)
    assert defined.roles.delete("reader")
    assert defined.users.find(user.id).roles == ()


# --- Authority


def test_nobody_grants_a_scope_that_they_lack(defined, add):
    actor, user = add("clerk", "clerk"), add("ada")

    grant(defined, user, "reader", by=in_name_of(actor))
    with pytest.raises(InsufficientScopeError) as refused:
        grant(defined, user, "editor", by=in_name_of(actor))

    assert refused.value.scopes == ("notes:write",)
    assert defined.users.find(user.id).roles == ("reader",)


def test_nobody_grants_a_scope_that_they_lack_to_a_new_user(defined, add):
    actor = add("clerk", "clerk")

    defined.users.add(new_user("ada", roles=("reader",)), by=in_name_of(actor))
    with pytest.raises(InsufficientScopeError):
        defined.users.add(new_user("eve", roles=("editor",)), by=in_name_of(actor))

    assert defined.users.find_by_email("eve@example.com") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda store, user, by: grant(store, user, "reader", by=by),
        lambda store, user, by: revoke(store, user, "editor", by=by),
        lambda store, user, by: store.users.set_active(user.id, active=False, now=NOW, by=by),
        lambda store, user, by: store.users.delete(user.id, by=by),
    ],
    ids=["grant", "revoke", "disable", "delete"],
)
def test_nobody_changes_who_has_a_scope_that_they_lack(defined, add, change):
    actor, user = add("clerk", "clerk"), add("ada", "editor")

    with pytest.raises(InsufficientScopeError):
        change(defined, user, in_name_of(actor))
    assert defined.users.find(user.id) == user

    assert change(defined, user, in_name_of(add("root", "admin"))) is not None


def test_the_scope_of_the_operation_is_asked_for(defined, add):
    actor, user = add("reader", "reader"), add("ada")

    with pytest.raises(InsufficientScopeError) as refused:
        defined.users.set_active(user.id, active=False, now=NOW, by=in_name_of(actor))

    assert refused.value.scopes == ("users:write",)


@pytest.mark.parametrize("end", ["disabled", "deleted", "revoked"])
def test_authority_ends_with_the_actors_own(defined, add, end):
    actor, user = add("clerk", "clerk"), add("ada")
    if end == "disabled":
        defined.users.set_active(actor.id, active=False, now=NOW)
    elif end == "deleted":
        defined.users.delete(actor.id)
    else:
        revoke(defined, actor, "clerk")

    with pytest.raises(InsufficientScopeError if end == "revoked" else RevokedTokenError):
        grant(defined, user, "reader", by=in_name_of(actor))
    assert defined.users.find(user.id).roles == ()


def test_a_definition_is_changed_by_who_has_all_of_it(defined, add):
    actor = add("clerk", "clerk")
    by = in_name_of(actor, "roles:write")

    with pytest.raises(InsufficientScopeError):
        defined.roles.define(Role("reader", ("notes:write",)), by=by)
    with pytest.raises(InsufficientScopeError):
        defined.roles.define(Role("editor", ("notes:read",)), by=by)
    with pytest.raises(InsufficientScopeError):
        defined.roles.delete("editor", by=by)
    assert defined.roles.list() == [ADMIN, CLERK, EDITOR, READER]

    assert defined.roles.define(Role("reader", ("users:write",)), by=by)
    assert defined.roles.delete("reader", by=by)


def test_a_definition_is_not_changed_by_who_lacks_a_scope_of_a_user_with_that_role(defined, add):
    """It would change that user, who has more than the actor."""
    actor = add("clerk", "clerk")
    by = in_name_of(actor, "roles:write")
    add("eve", "reader")
    add("ada", "reader", "editor")

    with pytest.raises(InsufficientScopeError) as refused:
        defined.roles.define(Role("reader", ()), by=by)
    with pytest.raises(InsufficientScopeError):
        defined.roles.delete("reader", by=by)

    assert refused.value.scopes == ("notes:write",)
    assert defined.roles.delete("reader", by=in_name_of(add("root", "admin"), "roles:write"))


@pytest.mark.parametrize("name", ["unheard-of", "\0", "\ud800"])
def test_what_is_not_there_is_not_deleted_in_somebodys_name_either(defined, add, name):
    """The name comes from a URL, so that it need not be one that a database takes."""
    assert not defined.roles.delete(name, by=in_name_of(add("clerk", "clerk")))


# --- The last administrator

TAKE_AWAY = {
    "revoke": lambda store, user, **more: revoke(store, user, "admin", **more),
    "disable": lambda store, user, **more: store.users.set_active(
        user.id, active=False, now=NOW, **more
    ),
    "delete": lambda store, user, **more: store.users.delete(user.id, **more),
}


@pytest.mark.parametrize("take_away", TAKE_AWAY.values(), ids=TAKE_AWAY)
def test_the_last_administrator_stays(defined, add, take_away):
    user = add("root", "admin", "reader")
    add("disabled", "admin", is_active=False)

    with pytest.raises(LastAdministratorError):
        take_away(defined, user)
    assert defined.users.find(user.id) == user

    other = add("other", "admin")
    assert take_away(defined, user) is not None
    with pytest.raises(LastAdministratorError):
        take_away(defined, other)


@pytest.mark.parametrize("take_away", TAKE_AWAY.values(), ids=TAKE_AWAY)
def test_a_disabled_administrator_is_none(defined, add, take_away):
    add("root", "admin")

    assert take_away(defined, add("disabled", "admin", is_active=False)) is not None


def test_the_scope_makes_the_administrator_not_the_name_of_the_role(defined, add):
    defined.roles.define(Role("root", ("admin", "notes:read")))
    defined.roles.define(Role("almost", ("admin2", "notes:admin")))
    user = add("ada", "root", "reader")
    add("eve", "almost")

    with pytest.raises(LastAdministratorError):
        revoke(defined, user, "root")
    with pytest.raises(LastAdministratorError):
        defined.roles.delete("root")
    with pytest.raises(LastAdministratorError):
        defined.roles.define(Role("root", ("notes:read",)))
    assert defined.users.find(user.id) == user

    assert defined.roles.define(Role("root", ("admin",)))
    assert grant(defined, user, "admin").granted == ("admin",)
    assert revoke(defined, user, "root").revoked == ("root",)
    assert defined.roles.delete("root")


def test_one_role_can_take_the_place_of_another_at_once(defined, add):
    defined.roles.define(Role("root", ("admin",)))
    user = add("ada", "admin")

    change = defined.roles.change(user.id, grant=["root"], revoke=["admin"], now=NOW)

    assert change.user.roles == ("root",)


def test_without_an_administrator_all_can_be_changed(defined, add):
    user = add("ada", "reader")

    assert defined.roles.define(Role("root", ("admin",)))
    assert defined.roles.delete("root")
    assert defined.users.set_active(user.id, active=False, now=NOW) is not None
    assert defined.users.delete(user.id) is not None


# --- Races

ROUNDS = 6


def administrators(store, users):
    found = [store.users.find(user.id) for user in users]
    return [each for each in found if each and each.is_active and "admin" in each.scopes]


@pytest.mark.parametrize("take_away", TAKE_AWAY.values(), ids=TAKE_AWAY)
def test_of_two_administrators_who_remove_each_other_one_stays(stores, take_away):
    left = []
    for number in range(ROUNDS):
        users = left + [new_user(f"{number}-{each}", roles=("admin",)) for each in range(2)]
        first, second = users[:2]
        for user in users[len(left) : 2]:
            stores[0].users.add(user)

        results = race(
            lambda: take_away(stores[0], second, by=in_name_of(first)),
            lambda: take_away(stores[1], first, by=in_name_of(second)),
        )

        refusals = [each for each in results if isinstance(each, Exception)]
        assert len(refusals) == 1, results
        assert isinstance(refusals[0], InsufficientScopeError | RevokedTokenError)
        left = administrators(stores[1], [first, second])
        assert len(left) == 1


def test_of_several_ways_to_take_administrators_away_the_last_is_refused(stores):
    """Nobody's authority is compared: it is whoever runs the service."""
    left = []
    for number in range(ROUNDS):
        stores[0].roles.define(Role("root", ("admin",)))
        for user in left:
            stores[0].roles.change(user.id, grant=["admin"], revoke=["root"], now=NOW)
        added = [new_user(f"{number}-{each}", roles=("admin",)) for each in range(3 - len(left))]
        added.append(new_user(f"{number}-root", roles=("root",)))
        for user in added:
            stores[0].users.add(user)
        users = left + added

        results = race(
            lambda: TAKE_AWAY["revoke"](stores[0], users[0]),
            lambda: TAKE_AWAY["disable"](stores[1], users[1]),
            lambda: TAKE_AWAY["delete"](stores[0], users[2]),
            lambda: stores[1].roles.delete("root"),
        )

        refusals = [each for each in results if isinstance(each, Exception)]
        assert [type(each) for each in refusals] == [LastAdministratorError], results
        left = administrators(stores[0], users)
        assert len(left) == 1


def test_a_grant_does_not_win_over_the_revocation_of_its_actor(stores):
    """Either the actor's role goes first, and the grant is refused, or it took place before."""
    stores[0].users.add(new_user("root", roles=("admin",)))
    for number in range(ROUNDS):
        actor, user = new_user(f"actor{number}", roles=("admin",)), new_user(f"user{number}")
        for each in (actor, user):
            stores[0].users.add(each)

        granted, revoked = race(
            lambda: grant(stores[0], user, "admin", by=in_name_of(actor)),
            lambda: revoke(stores[1], actor, "admin"),
        )

        assert revoked.revoked == ("admin",)
        is_refused = isinstance(granted, InsufficientScopeError)
        assert stores[1].users.find(user.id).roles == (() if is_refused else ("admin",))
        with pytest.raises(InsufficientScopeError):
            grant(stores[0], user, "admin", by=in_name_of(actor))
