"""The steps of an account's life, by the protocol's own words. Each test runs on every store."""

import uuid
from dataclasses import replace

import pytest
from delivery_words import new_message
from factor_records import activate, new_passkey, with_app
from store_records import NOW, log_in, new_session, new_user

from falcon_auth.errors import DuplicateEmailError, DuplicateUsernameError
from falcon_auth.models import NO_EFFECTS, AuditEvent, Effects

QUIET = dict.fromkeys(("added", "unnamed", "taken"), NO_EFFECTS)
UNKNOWN = "6f1c3c7e-2f0e-4b52-9d55-0d2a6f1a9a41"


@pytest.fixture
def user(store):
    user = new_user(username="ada")
    store.users.add(user)
    return user


@pytest.fixture
def session(store, user):
    return log_in(store, user)[0]


def mail_to(user):
    return Effects(messages=(new_message(user),))


def topics(store):
    return [each.id for each in store.outbox.list_waiting(limit=99)]


def change_email(store, user, session, email="lovelace@example.com", **more):
    return store.users.change_email(
        user, email=email, email_key=email, keep_session=session.id, now=NOW + 1, **more
    )


# --- Looking up


def test_a_user_is_found_by_id(store, user):
    assert store.users.find(user.id) == user


@pytest.mark.parametrize("user_id", [UNKNOWN, "nonsense", "", "\0"])
def test_an_unknown_id_is_nobody(store, user, user_id):
    assert store.users.find(user_id) is None
    assert store.users.rename(user_id, "eve", now=NOW) is None
    assert store.users.delete(user_id) is None


# --- Adding quietly


def test_a_free_address_is_added(store):
    user = new_user(username="ada")

    assert store.users.add_quietly(user, effects=QUIET) == "added"

    assert store.users.find(user.id) == user


def test_a_taken_name_is_left_out(store, user):
    eve = new_user("eve", username="ADA")

    assert store.users.add_quietly(eve, effects=QUIET) == "unnamed"

    assert store.users.find(eve.id) == replace(eve, username=None)


@pytest.mark.parametrize("username", [None, "ada", "eve"])
def test_a_taken_address_adds_nobody(store, user, username):
    twin = new_user(username=username)

    assert store.users.add_quietly(twin, effects=QUIET) == "taken"

    assert store.users.find(twin.id) is None
    assert store.users.find(user.id) == user


@pytest.mark.parametrize(
    ("name", "username", "result"),
    [("eve", "eve", "added"), ("eve", "ada", "unnamed"), ("ada", None, "taken")],
)
def test_the_effects_of_what_happened_are_written(store, user, name, username, result):
    effects = {each: mail_to(user) for each in ("added", "unnamed", "taken")}

    store.users.add_quietly(new_user(name, username=username), effects=effects)

    assert topics(store) == [effects[result].messages[0].id]


# --- Changes by links: as the user was read, or not at all


def changes_of(store, user, session, effects=NO_EFFECTS):
    return {
        "tell": lambda: store.users.tell(user, effects),
        "verify": lambda: store.users.verify_email(user, now=NOW + 1, effects=effects),
        "reset": lambda: store.users.reset_password(user, "new", now=NOW + 1, effects=effects),
        "address": lambda: change_email(store, user, session, effects=effects),
    }


CHANGES = ["tell", "verify", "reset", "address"]


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_and_its_effects_are_one(store, user, session, name):
    effects = mail_to(user)

    assert changes_of(store, user, session, effects)[name]()

    assert topics(store) == [effects.messages[0].id]


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("meanwhile", ["password", "address", "verified", "disabled", "deleted"])
def test_a_user_who_changed_meanwhile_is_left_as_is(store, user, session, name, meanwhile):
    {
        "password": lambda: store.users.change_password(
            user, "theirs", keep_session=session.id, now=NOW
        ),
        "address": lambda: change_email(store, user, session, "other@example.com"),
        "verified": lambda: store.users.verify_email(user, now=NOW),
        "disabled": lambda: store.users.set_active(user.id, active=False, now=NOW),
        "deleted": lambda: store.users.delete(user.id),
    }[meanwhile]()
    before = store.users.find(user.id)

    assert not changes_of(store, user, session, mail_to(user))[name]()

    assert store.users.find(user.id) == before
    assert topics(store) == []


@pytest.mark.parametrize("name", ["verify", "reset", "address"])
def test_a_change_happens_once_from_one_reading(store, user, session, name):
    change = changes_of(store, user, session)[name]
    assert change()

    assert not change()


def test_verifying_counts_a_version_and_ends_no_session(store, user, session):
    assert store.users.verify_email(user, now=NOW + 1)

    verified = store.users.find(user.id)
    assert (verified.email_verified, verified.email_version) == (True, 1)
    assert (verified.updated_at, verified.password_version) == (NOW + 1, 0)
    assert store.sessions.find(session.id)[0].ended_at is None


def test_a_reset_verifies_the_address_and_ends_every_session(store, user, session):
    log_in(store, user)

    assert store.users.reset_password(user, "new-hash", now=NOW + 1).ended == 2

    reset = store.users.find(user.id)
    assert (reset.password_hash, reset.password_version) == ("new-hash", 1)
    assert (reset.email_verified, reset.email_version) == (True, 1)
    assert store.sessions.list_live(user.id, now=NOW + 1) == []


def test_a_reset_of_a_verified_user_leaves_the_version_of_the_address(store, user):
    store.users.verify_email(user, now=NOW)

    store.users.reset_password(store.users.find(user.id), "new-hash", now=NOW + 1)

    assert store.users.find(user.id).email_version == 1


def with_passkey_and_codes(store, user, session):
    passkey = new_passkey(user)
    assert activate(store, user, session, passkey) is not None
    holder = store.factors.find_holder(user.id)
    assert (holder.user.factor_count, len(holder.factors), len(holder.code_hashes)) == (1, 2, 2)
    return holder.user


def test_a_reset_that_proves_the_address_first_forgets_the_factors_from_before(
    store, user, session
):
    """Who registered it may have been somebody else."""
    before = with_passkey_and_codes(store, user, session)

    assert store.users.reset_password(before, "new-hash", now=NOW)

    after = store.factors.find_holder(user.id)
    assert (after.user.factor_count, after.factors, after.code_hashes) == (0, (), frozenset())
    assert after.user.factors_version == before.factors_version + 1
    assert store.factors.find_credential("credential") is None


def test_a_reset_of_a_verified_user_leaves_the_factors(store, user, session):
    store.users.verify_email(user, now=NOW)
    before = with_passkey_and_codes(store, store.users.find(user.id), session)
    kept = store.factors.find_holder(user.id)

    assert store.users.reset_password(before, "new-hash", now=NOW)

    after = store.factors.find_holder(user.id)
    assert after[1:] == kept[1:]
    assert after.user.factors_version == before.factors_version


def test_another_address_is_verified_and_keeps_one_session(store, user, session):
    other, _ = log_in(store, user)

    assert change_email(store, user, session).ended == 1

    changed = store.users.find_by_email("lovelace@example.com")
    assert (changed.id, changed.email, changed.email_verified, changed.email_version) == (
        user.id,
        "lovelace@example.com",
        True,
        1,
    )
    assert store.users.find_by_email(user.email_key) is None
    assert store.sessions.find(session.id)[0].ended_at is None
    assert store.sessions.find(other.id)[0].ended_at == NOW + 1
    store.users.add(new_user())  # The former address is free.


def test_an_address_that_another_user_has_is_refused(store, user, session):
    store.users.add(new_user("eve"))

    with pytest.raises(DuplicateEmailError):
        change_email(store, user, session, "eve@example.com", effects=mail_to(user))

    assert store.users.find(user.id).email == user.email
    assert topics(store) == []


def test_an_address_can_be_changed_to_itself(store, user, session):
    assert change_email(store, user, session, user.email)


def test_an_address_is_not_changed_for_a_session_that_is_over(store, user, session):
    eve = new_user("eve")
    store.users.add(eve, others := new_session(eve))
    assert change_email(store, user, others) is None
    store.sessions.end(session.id, now=NOW)

    assert change_email(store, user, session) is None
    assert store.users.find(user.id).email == user.email


# --- Renaming


def test_a_name_is_changed_and_the_former_one_is_free(store, user):
    renamed = store.users.rename(user.id, "Lovelace", now=NOW + 1, effects=mail_to(user))

    assert renamed == store.users.find(user.id)
    assert (renamed.username, renamed.updated_at) == ("Lovelace", NOW + 1)
    assert len(topics(store)) == 1
    store.users.add(new_user("eve", username="ADA"))


def test_a_user_name_can_be_respelt_or_released(store, user):
    assert store.users.rename(user.id, "ADA", now=NOW).username == "ADA"

    assert store.users.rename(user.id, None, now=NOW).username is None
    assert store.users.rename(user.id, None, now=NOW).username is None


def test_a_name_that_another_user_has_is_refused(store, user):
    eve = new_user("eve", username="eve")
    store.users.add(eve)

    with pytest.raises(DuplicateUsernameError):
        store.users.rename(user.id, "EVE", now=NOW, effects=mail_to(user))

    assert store.users.find(user.id) == user
    assert topics(store) == []


# --- Deleting


def test_deleting_a_user_deletes_everything_of_that_user_only(store, user, session):
    eve = new_user("eve")
    store.users.add(eve, others := new_session(eve), effects=mail_to(eve))
    ended, _ = log_in(store, user)
    store.sessions.end(ended.id, now=NOW)
    store.outbox.add([new_message(user), new_message(user, failed_at=NOW)])

    assert store.users.delete(user.id, effects=Effects(events=(deletion_of(user),))).ended == 1

    assert store.users.find(user.id) is None
    assert store.users.find_by_email(user.email_key) is None
    assert [store.sessions.find(each.id) for each in (session, ended)] == [None, None]
    waiting = store.outbox.list_waiting(limit=9) + store.outbox.list_failed(limit=9)
    assert [each.user_id for each in waiting] == [eve.id]
    assert [each.subject for each in store.audit.list_newest(limit=9)] == [user.id]
    assert store.sessions.find(others.id) == (others, eve)
    store.users.add(new_user(username="ada"))  # Address and name are free.


def test_deleting_a_user_deletes_the_factors_of_that_user_only(store, user, session):
    with_passkey_and_codes(store, user, session)
    eve = new_user("eve")
    store.users.add(eve, others := new_session(eve))
    with_app(store, eve, others)

    store.users.delete(user.id)

    assert store.factors.find_holder(user.id) is None
    assert store.factors.find_credential("credential") is None
    assert [each.user_id for each in store.factors.list_secrets(after="", limit=9)] == [eve.id] * 2


def deletion_of(user):
    return AuditEvent(id=str(uuid.uuid4()), at=NOW, event="user.deleted", subject=user.id)


def test_a_user_is_deleted_once(store, user):
    assert store.users.delete(user.id)

    assert store.users.delete(user.id, effects=mail_to(user)) is None
    assert topics(store) == []


def test_a_deletion_by_version_spares_who_verified_meanwhile(store, user):
    store.users.verify_email(user, now=NOW)

    assert store.users.delete(user.id, only_version=0) is None
    assert store.users.delete(user.id, only_version=1)


def test_sessions_are_swept_after_a_deletion_as_before(store, user):
    eve = new_user("eve")
    store.users.add(eve)
    for each in (user, eve):
        for _ in range(3):
            session, _ = log_in(store, each, expires_at=NOW + 1)
            store.sessions.end(session.id, now=NOW)
        log_in(store, each, expires_at=NOW + 1)

    store.users.delete(user.id)

    while store.sessions.sweep(expired_before=NOW + 2, ended_before=NOW + 2, limit=2):
        pass
    assert store.sessions.list_live(eve.id, now=NOW) == []


def test_nothing_is_left_of_a_deleted_user_in_any_column(database):
    """But ids in the audit trail: every table is walked, those of later versions too."""
    from sqlalchemy import inspect, text

    from falcon_auth.stores.sql.store import SqlStore

    store = SqlStore(database)
    user = new_user("ada_the_deleted", username="ada_the_deleted", password_hash="her-hash")
    session = new_session(user, user_agent="her-browser", ip="192.0.2.77")
    store.users.add(user, session, effects=Effects((deletion_of(user),), (new_message(user),)))
    ended, _ = log_in(store, user, user_agent="her-browser")
    store.sessions.end(ended.id, now=NOW)
    passkey = new_passkey(user, "her-credential", public_key="her-key", name="her-phone")
    assert activate(store, user, session, passkey)
    marks = (
        *("ada_the_deleted", "her-hash", "her-browser", "192.0.2.77", session.id, ended.id),
        *("her-credential", "her-key", "her-phone", "hash-1", passkey.id),
    )

    def found_in(marks):
        with database.engine.connect() as connection:
            return {
                (table, mark)
                for table in inspect(connection).get_table_names()
                for row in connection.execute(text(f"SELECT * FROM {table}"))  # noqa: S608
                for value in row
                for mark in marks
                if mark.replace("-", "") in str(value).replace("-", "")
            }

    assert {mark for _, mark in found_in(marks)} == set(marks)

    store.users.delete(user.id)

    assert found_in(marks) == set()
    assert found_in([user.id]) == {("audit_events", user.id)}
