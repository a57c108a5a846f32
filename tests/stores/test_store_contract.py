"""What every store owes, by the protocols' own words. Each test runs on every store."""

import uuid
from dataclasses import replace

import pytest
from store_records import DAY, NOW, log_in, new_session, new_user

from falcon_auth.errors import DuplicateEmailError, DuplicateUsernameError
from falcon_auth.models import AuditEvent, Effects, Login, Message


@pytest.fixture
def user(store):
    user = new_user()
    store.users.add(user)
    return user


@pytest.fixture
def session(store, user):
    return log_in(store, user)[0]


# --- Users


def test_a_user_comes_back_as_it_went_in(store):
    user = new_user(
        username="Ada_L",
        email="Ādá.東京+x'\";--@example.com",
        password_version=3,
        is_active=False,
        last_login_at=NOW / 3,
    )

    store.users.add(user)

    assert store.users.find_by_email(user.email_key) == user


def test_no_user_is_found_by_an_unknown_email(store, user):
    assert store.users.find_by_email("nobody@example.com") is None
    assert store.users.find_by_email("") is None


def test_an_email_is_registered_once(store, user):
    with pytest.raises(DuplicateEmailError):
        store.users.add(new_user(email="ADA@example.com"))

    assert store.users.find_by_email(user.email_key) == user


def test_a_username_is_unique_without_regard_to_case(store):
    store.users.add(new_user("ada", username="Ada"))

    with pytest.raises(DuplicateUsernameError):
        store.users.add(new_user("eve", username="aDA"))

    assert store.users.find_by_email("eve@example.com") is None


def test_any_number_of_users_have_no_username(store):
    for name in ("ada", "eve", "joe"):
        store.users.add(new_user(name))

    assert store.users.find_by_email("joe@example.com").username is None


def test_where_both_are_taken_the_email_is_named(store):
    store.users.add(new_user("ada", username="ada"))

    with pytest.raises(DuplicateEmailError):
        store.users.add(new_user("ada", username="ada"))


def test_a_refused_registration_leaves_no_session(store, user):
    twin = new_user()
    session = new_session(twin)

    with pytest.raises(DuplicateEmailError):
        store.users.add(twin, session)

    assert store.sessions.find(session.id) is None


def test_registering_opens_its_session(store):
    user = new_user()
    session = new_session(user, user_agent="Mozilla/5.0 (ä)", ip="2001:db8::1")

    store.users.add(user, session)

    assert store.sessions.find(session.id) == (session, user)


# --- Logging in


def test_a_log_in_is_remembered_with_the_user(store, user):
    session, found = log_in(store, user, at=NOW + 5)

    assert found == replace(user, last_login_at=NOW + 5)
    assert store.sessions.find(session.id) == (session, found)


def test_a_log_in_of_an_unknown_user_is_refused(store):
    session, found = log_in(store, new_user())

    assert found is None
    assert store.sessions.find(session.id) is None


def test_a_disabled_user_gets_no_session(store, user):
    store.users.set_active(user.id, active=False, now=NOW)

    session, found = log_in(store, user)

    assert found is None
    assert store.sessions.find(session.id) is None


def test_a_password_changed_after_it_was_checked_opens_nothing(store, user, session):
    store.users.change_password(user, "new-hash", keep_session=session.id, now=NOW)

    late, found = log_in(store, user)

    assert found is None
    assert store.sessions.find(late.id) is None


def test_an_older_hash_is_replaced_at_log_in(store, user):
    _, found = log_in(store, user, upgraded="newer-hash")

    assert found.password_hash == "newer-hash"
    assert found.password_version == user.password_version
    assert store.users.find_by_email(user.email_key).password_hash == "newer-hash"


def test_a_hash_is_only_replaced_where_it_is_the_one_that_was_checked(store, user):
    log_in(store, user, upgraded="newer-hash")

    _, found = log_in(store, user, upgraded="another-hash")

    assert found.password_hash == "newer-hash"


def test_beyond_the_limit_the_least_recently_refreshed_end(store, user):
    old, _ = log_in(store, user, at=NOW)
    refreshed, _ = log_in(store, user, at=NOW - 1)
    store.sessions.rotate(refreshed.id, expected=0, now=NOW + 1, expires_at=NOW + DAY)

    new, _ = log_in(store, user, at=NOW + 2, limit=2)

    assert store.sessions.find(old.id)[0].ended_at == NOW + 2
    assert [each.id for each in store.sessions.list_live(user.id, now=NOW + 3)] == [
        new.id,
        refreshed.id,
    ]


def test_a_limit_of_one_leaves_the_new_session(store, user):
    for second in range(3):
        log_in(store, user, at=NOW + second)

    new, _ = log_in(store, user, at=NOW + 9, limit=1)

    assert [each.id for each in store.sessions.list_live(user.id, now=NOW + 9)] == [new.id]


def test_the_limit_is_a_users_own(store, user, session):
    other = new_user("eve")
    store.users.add(other)

    log_in(store, other, at=NOW + 1, limit=1)

    assert store.sessions.find(session.id)[0].ended_at is None


# --- Rotation


def test_advancing_moves_the_session_on(store, user, session):
    rotation = store.sessions.rotate(session.id, expected=0, now=NOW + 7, expires_at=NOW + 99)

    moved = replace(session, generation=1, last_used_at=NOW + 7, expires_at=NOW + 99)
    assert rotation == (moved, True)
    assert store.sessions.find(session.id)[0] == moved


def test_the_second_to_advance_sees_what_the_first_left(store, session):
    first = store.sessions.rotate(session.id, expected=0, now=NOW + 7, expires_at=NOW + DAY)

    second = store.sessions.rotate(session.id, expected=0, now=NOW + 8, expires_at=NOW + 2 * DAY)

    assert second == (first.session, False)


@pytest.mark.parametrize(
    "session_id",
    ["6f1c3c7e-2f0e-4b52-9d55-0d2a6f1a9a41", "nonsense", "", "\0", "\ud800", "x" * 9999],
)
def test_an_unknown_session_is_nowhere(store, session, session_id):
    assert store.sessions.find(session_id) is None
    assert store.sessions.rotate(session_id, expected=0, now=NOW, expires_at=NOW) is None
    assert store.sessions.end(session_id, now=NOW) is False


def test_an_id_is_known_in_one_spelling_only(store, session):
    for spelling in (session.id.upper(), session.id.replace("-", ""), f"{{{session.id}}}"):
        assert store.sessions.find(spelling) is None
        assert store.sessions.end(spelling, now=NOW) is False


def test_an_ended_session_cannot_be_advanced(store, session):
    store.sessions.end(session.id, now=NOW)

    assert store.sessions.rotate(session.id, expected=0, now=NOW, expires_at=NOW) is None


# --- Ending


def test_a_session_ends_once(store, session):
    assert store.sessions.end(session.id, now=NOW + 1) is True
    assert store.sessions.end(session.id, now=NOW + 2) is False
    assert store.sessions.find(session.id)[0].ended_at == NOW + 1


def test_ending_all_ends_the_users_own(store, user, session):
    log_in(store, user)
    other = new_user("eve")
    others, _ = new_session(other), store.users.add(other)
    store.sessions.open(others, login=Login(other), limit=9)

    assert store.sessions.end_all_of(user.id, now=NOW + 1) == 2
    assert store.sessions.end_all_of(user.id, now=NOW + 2) == 0
    assert store.sessions.list_live(user.id, now=NOW + 3) == []
    assert store.sessions.find(others.id)[0].ended_at is None


@pytest.mark.parametrize("user_id", ["6f1c3c7e-2f0e-4b52-9d55-0d2a6f1a9a41", "nonsense", "\0"])
def test_an_unknown_user_has_nothing(store, session, user_id):
    assert store.sessions.end_all_of(user_id, now=NOW) == 0
    assert store.sessions.list_live(user_id, now=NOW) == []
    assert store.users.set_active(user_id, active=False, now=NOW) is None


def test_live_sessions_are_listed_newest_first(store, user):
    first, _ = log_in(store, user, at=NOW)
    second, _ = log_in(store, user, at=NOW + 1)
    log_in(store, user, at=NOW + 2, expires_at=NOW + 4)
    ended, _ = log_in(store, user, at=NOW + 3)
    store.sessions.end(ended.id, now=NOW + 3)

    listed = store.sessions.list_live(user.id, now=NOW + 4)

    assert [each.id for each in listed] == [second.id, first.id]


def test_changing_the_password_keeps_one_session(store, user, session):
    other, _ = log_in(store, user)

    assert store.users.change_password(user, "new-hash", keep_session=session.id, now=NOW + 1)

    changed = store.users.find_by_email(user.email_key)
    assert changed.password_hash == "new-hash"
    assert changed.password_version == user.password_version + 1
    assert changed.updated_at == NOW + 1
    assert store.sessions.find(session.id)[0].ended_at is None
    assert store.sessions.find(other.id)[0].ended_at == NOW + 1


def test_a_password_changes_once_from_one_reading(store, user, session):
    other, _ = log_in(store, user)
    assert store.users.change_password(user, "first", keep_session=session.id, now=NOW + 1)

    assert not store.users.change_password(user, "second", keep_session=other.id, now=NOW + 2)

    assert store.users.find_by_email(user.email_key).password_hash == "first"
    assert store.sessions.find(session.id)[0].ended_at is None


def test_a_password_change_does_not_win_over_a_log_out_or_a_disabling(store, user, session):
    """Whoever holds a stolen token may be hashing while the owner ends it."""
    other, _ = log_in(store, user)
    store.sessions.end(session.id, now=NOW)
    assert not store.users.change_password(user, "new", keep_session=session.id, now=NOW + 1)
    assert not store.users.change_password(user, "new", keep_session=str(uuid.uuid4()), now=NOW + 1)

    store.users.set_active(user.id, active=False, now=NOW)

    assert not store.users.change_password(user, "new", keep_session=other.id, now=NOW + 1)
    assert store.users.find_by_email(user.email_key).password_hash == user.password_hash


def test_the_password_of_an_unknown_user_cannot_be_changed(store):
    assert not store.users.change_password(new_user(), "x", keep_session=str(uuid.uuid4()), now=NOW)


def test_ending_all_sessions_returns_how_many_there_were(store, user, session):
    """By a further log-in, by a password change, and by disabling: on every store."""
    opened = [
        store.sessions.open(new_session(user, NOW + n), login=Login(user), limit=3)
        for n in range(1, 4)
    ]
    assert [opening.evicted for opening in opened] == [0, 0, 1]

    kept = store.sessions.list_live(user.id, now=NOW)[0].id
    changed = store.users.change_password(user, "new-hash", keep_session=kept, now=NOW)
    assert changed.ended == 2

    assert store.users.set_active(user.id, active=False, now=NOW).ended == 1
    assert store.users.set_active(user.id, active=True, now=NOW).ended == 0


def test_disabling_ends_all_and_enabling_brings_none_back(store, user, session):
    assert store.users.set_active(user.id, active=False, now=NOW + 1)

    stored, holder = store.sessions.find(session.id)
    assert (stored.ended_at, holder.is_active, holder.updated_at) == (NOW + 1, False, NOW + 1)
    assert store.users.set_active(user.id, active=True, now=NOW + 2)
    assert store.users.find_by_email(user.email_key).is_active
    assert store.sessions.list_live(user.id, now=NOW + 2) == []


# --- Sweeping


def sweep_all(store, **before):
    rounds = 0
    while store.sessions.sweep(**before):
        rounds += 1
        assert rounds < 50
    return rounds


def test_sweeping_forgets_what_expired_or_ended_before(store, user):
    live, _ = log_in(store, user, at=NOW)
    expired, _ = log_in(store, user, at=NOW, expires_at=NOW + 10)
    at_the_edge, _ = log_in(store, user, at=NOW, expires_at=NOW + 20)
    ended, _ = log_in(store, user, at=NOW)
    store.sessions.end(ended.id, now=NOW + 10)
    ended_late, _ = log_in(store, user, at=NOW)
    store.sessions.end(ended_late.id, now=NOW + 20)

    sweep_all(store, expired_before=NOW + 20, ended_before=NOW + 20, limit=100)

    kept = [
        each
        for each in (live, expired, at_the_edge, ended, ended_late)
        if store.sessions.find(each.id)
    ]
    assert kept == [live, at_the_edge, ended_late]
    assert store.users.find_by_email(user.email_key) is not None


def test_sessions_are_swept_slice_by_slice(store, user):
    for _ in range(7):
        log_in(store, user, expires_at=NOW + 1)

    assert store.sessions.sweep(expired_before=NOW + 2, ended_before=NOW, limit=3) is True
    assert len(store.sessions.list_live(user.id, now=NOW)) == 4
    assert sweep_all(store, expired_before=NOW + 2, ended_before=NOW, limit=3) >= 1
    assert store.sessions.list_live(user.id, now=NOW) == []


def test_a_refreshed_session_is_not_swept_by_its_old_expiry(store, user, session):
    store.sessions.rotate(session.id, expected=0, now=NOW, expires_at=NOW + 9 * DAY)

    sweep_all(store, expired_before=NOW + 2 * DAY, ended_before=NOW, limit=100)

    assert store.sessions.find(session.id) is not None


def test_an_empty_store_has_nothing_to_sweep(store):
    assert store.sessions.sweep(expired_before=NOW, ended_before=NOW, limit=1) is False


def test_a_password_that_an_operator_sets_ends_every_session(store, user, session):
    change = store.users.set_password(user.id, "set-hash", now=NOW + 3)

    stored = store.users.find_by_email(user.email_key)
    assert change.ended == 1
    assert (stored.password_hash, stored.password_version) == ("set-hash", 1)
    assert store.sessions.list_live(user.id, now=NOW + 3) == []


@pytest.mark.parametrize("user_id", ["6f1c3c7e-2f0e-4b52-9d55-0d2a6f1a9a41", "nonsense"])
def test_setting_the_password_of_an_unknown_user_changes_nothing(store, user, user_id):
    assert store.users.set_password(user_id, "set-hash", now=NOW) is None


# --- Effects: written with the change, or not at all


def effects_of(name):
    event = AuditEvent(id=str(uuid.uuid4()), at=NOW, event=name, details={"text": "\0 \ud800 ä"})
    message = Message(
        id=str(uuid.uuid4()),
        channel="mail",
        topic=name,
        user_id=None,
        payload={"text": "\0 \ud800 ä", "number": 7},
        created_at=NOW,
        due_at=NOW,
    )
    return Effects((event,), (message,))


def written(store):
    events = {event.event: event for event in store.audit.list_newest(limit=99)}
    messages = {message.topic: message for message in store.outbox.list_waiting(limit=99)}
    assert events.keys() == messages.keys()
    return {name: Effects((events[name],), (messages[name],)) for name in events}


def changes_of(store, user, session):
    """Each change by its name, as a function of its effects that returns whether it took place."""
    return {
        "open": lambda effects: store.sessions.open(
            new_session(user), login=Login(user), limit=9, effects=effects
        ),
        "end": lambda effects: store.sessions.end(session.id, now=NOW, effects=effects),
        "end_all": lambda effects: store.sessions.end_all_of(user.id, now=NOW, effects=effects),
        "password": lambda effects: store.users.change_password(
            user, "new", keep_session=session.id, now=NOW, effects=effects
        ),
        "active": lambda effects: store.users.set_active(
            user.id, active=False, now=NOW, effects=effects
        ),
    }


@pytest.mark.parametrize("name", ["open", "end", "end_all", "password", "active"])
def test_the_effects_of_a_change_are_written_with_it(store, user, session, name):
    effects = effects_of(name)

    assert changes_of(store, user, session)[name](effects)

    assert written(store) == {name: effects}


@pytest.mark.parametrize("name", ["open", "end", "end_all", "password", "active"])
def test_a_change_that_does_not_take_place_has_no_effects(store, name):
    stranger = new_user("nobody")

    assert not changes_of(store, stranger, new_session(stranger))[name](effects_of(name))

    assert written(store) == {}


def test_a_registration_and_its_effects_are_one(store):
    effects = effects_of("registered")
    store.users.add(new_user(), effects=effects)

    with pytest.raises(DuplicateEmailError):
        store.users.add(new_user(), effects=effects_of("refused"))

    assert written(store) == {"registered": effects}


def test_effects_without_a_change_are_written_too(store):
    effects = effects_of("alone")

    store.audit.append(effects.events)
    store.outbox.add(effects.messages)

    assert written(store) == {"alone": effects}
