"""What every store owes identities and one-time codes; once means once, in twenty threads too."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Barrier

import pytest
from factor_records import activate, new_passkey, with_app
from identity_records import new_identity
from store_records import NOW, log_in, new_session, new_user

from falcon_auth.errors import (
    DuplicateEmailError,
    IdentityTakenError,
    LastWayInError,
    RevokedTokenError,
)
from falcon_auth.models import (
    NO_PASSWORD,
    IdentityUse,
    Login,
    SpentChallenge,
)

THREADS = 20
LIMIT = 3


def new_code():
    return SpentChallenge(str(uuid.uuid4()), NOW + 60)


def link(store, user, identity, *, session=None, spends=None, limit=LIMIT):
    session = session or log_in(store, user)[0]
    return store.identities.link(
        identity, session=session, spends=spends or new_code(), limit=limit
    )


@pytest.fixture
def ada(store):
    """Ada, who came by a provider and has no password."""
    user = new_user(password_hash=NO_PASSWORD, email_verified=True)
    identity = new_identity(user)
    store.identities.register(user, identity)
    return user, identity


def open_by(store, user, identity, code):
    use = IdentityUse(identity.id, NOW + 5, code)
    login = Login(user, methods=("fed",), identity=use)
    return store.sessions.open(new_session(user), login=login, limit=100)


def test_a_user_who_registers_by_a_provider_is_found_by_issuer_and_subject(store, ada):
    user, identity = ada

    assert store.identities.find("https://idp.example", "subject") == (identity, user)
    assert store.identities.find_by_id(identity.id) == (identity, user)
    assert store.identities.list_of(user.id) == [identity]
    assert store.identities.find("https://idp.example", "another") is None
    assert store.identities.find("https://other.example", "subject") is None
    assert store.identities.find_by_id("not-an-id") is None
    assert store.identities.find_by_id(str(uuid.uuid4())) is None
    assert store.identities.list_of("not-an-id") == []


def test_neither_user_nor_identity_is_kept_where_one_of_them_is_taken(store, ada):
    user, identity = ada
    eve = new_user("eve")

    with pytest.raises(DuplicateEmailError):
        store.identities.register(new_user(), new_identity(new_user(), "another"))
    with pytest.raises(IdentityTakenError):
        store.identities.register(eve, new_identity(eve))

    assert store.users.find(eve.id) is None
    assert store.identities.find("https://idp.example", "another") is None
    assert store.identities.list_of(user.id) == [identity]


def test_a_linked_identity_is_one_users_only(store, ada):
    user, identity = ada
    second = new_identity(user, "second", created_at=NOW + 1)
    eve = new_user("eve")
    store.users.add(eve)

    assert link(store, user, second)
    with pytest.raises(IdentityTakenError):
        link(store, eve, new_identity(eve, "second"))

    assert store.identities.list_of(user.id) == [identity, second]
    assert store.identities.list_of(eve.id) == []


def test_a_token_for_linking_works_once_and_a_refused_link_spends_nothing(store, ada):
    user, _ = ada
    token = new_code()
    with pytest.raises(IdentityTakenError):
        link(store, user, new_identity(user), spends=token)

    assert link(store, user, new_identity(user, "second"), spends=token)
    assert not link(store, user, new_identity(user, "third"), spends=token)
    assert store.identities.find("https://idp.example", "third") is None


@pytest.mark.parametrize(
    "reason", ["gone", "disabled", "full", "session over", "another's session"]
)
def test_nothing_is_linked_to_whoever_may_not_have_it(store, ada, reason):
    user, _ = ada
    session, _ = log_in(store, user)
    limit = LIMIT
    if reason == "gone":
        user = new_user("nobody")
    if reason == "disabled":
        store.users.set_active(user.id, active=False, now=NOW)
    if reason == "full":
        limit = 1
    if reason == "session over":
        store.sessions.end(session.id, now=NOW)
    if reason == "another's session":
        eve = new_user("eve")
        store.users.add(eve)
        session, _ = log_in(store, eve)
    token = new_code()

    identity = new_identity(user, "second")
    assert not link(store, user, identity, session=session, spends=token, limit=limit)

    assert store.identities.find("https://idp.example", "second") is None
    assert store.identities.spend(token)


def test_a_login_notes_the_use_and_spends_its_code(store, ada):
    user, identity = ada
    code = new_code()

    opening = open_by(store, user, identity, code)
    with pytest.raises(RevokedTokenError):
        open_by(store, user, identity, code)

    assert opening.user.last_login_at == NOW
    assert store.identities.list_of(user.id) == [replace(identity, last_used_at=NOW + 5)]
    assert not store.identities.spend(code)
    assert len(store.sessions.list_live(user.id, now=NOW)) == 1


def test_no_session_is_opened_by_an_identity_that_was_unlinked(store, ada):
    user, identity = ada
    link(store, user, new_identity(user, "second"))
    assert store.identities.unlink(user.id, identity.id) == identity
    code = new_code()
    before = len(store.sessions.list_live(user.id, now=NOW))

    with pytest.raises(RevokedTokenError):
        open_by(store, user, identity, code)
    with pytest.raises(RevokedTokenError):
        store.identities.use(IdentityUse(identity.id, NOW, code))

    assert store.identities.spend(code)
    assert len(store.sessions.list_live(user.id, now=NOW)) == before


def test_a_use_without_a_session_spends_as_well(store, ada):
    user, identity = ada
    code = new_code()

    store.identities.use(IdentityUse(identity.id, NOW + 7, code))
    with pytest.raises(RevokedTokenError):
        store.identities.use(IdentityUse(identity.id, NOW + 8, code))

    assert store.identities.list_of(user.id)[0].last_used_at == NOW + 7


def test_of_many_exchanges_of_one_code_one_succeeds(store, ada):
    user, identity = ada
    code, ready = new_code(), Barrier(THREADS)

    def exchange(number):
        ready.wait()
        try:
            if number % 2:
                store.identities.use(IdentityUse(identity.id, NOW, code))
            else:
                open_by(store, user, identity, code)
        except RevokedTokenError:
            return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        won = list(pool.map(exchange, range(THREADS)))

    assert won.count(True) == 1


def test_of_many_callbacks_with_one_state_one_goes_on(store):
    state, ready = new_code(), Barrier(THREADS)

    def spend(_):
        ready.wait()
        return store.identities.spend(state)

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(spend, range(THREADS))).count(True) == 1


def test_the_last_way_in_stays(store, ada):
    user, identity = ada

    with pytest.raises(LastWayInError):
        store.identities.unlink(user.id, identity.id)

    assert store.identities.list_of(user.id) == [identity]
    assert store.identities.unlink(str(uuid.uuid4()), identity.id) is None
    assert store.identities.unlink(user.id, str(uuid.uuid4())) is None


def test_a_password_or_a_passkey_is_another_way_in(store, ada):
    user, identity = ada
    store.users.set_password(user.id, "$2b$12$a-hash", now=NOW)
    assert store.identities.unlink(user.id, identity.id) == identity

    bob = new_user("bob", password_hash=NO_PASSWORD)
    of_bob = new_identity(bob, "bob")
    store.identities.register(bob, of_bob)
    session, _ = log_in(store, bob)
    activate(store, bob, session, new_passkey(bob))
    assert store.identities.unlink(bob.id, of_bob.id) == of_bob


def remove_factor(store, user, factor):
    return store.factors.remove(user.id, factor.id, keep_last=False, now=NOW)


def test_the_last_passkey_of_a_user_without_a_password_or_an_identity_stays(store, ada):
    """An app is no way in: it is asked for after a password or an identity."""
    user, identity = ada
    session, _ = log_in(store, user)
    first, second = new_passkey(user, "first"), new_passkey(user, "second")
    for factor in (first, second):
        activate(store, store.users.find(user.id), session, factor)
    app = with_app(store, store.users.find(user.id), session)
    store.identities.unlink(user.id, identity.id)

    assert remove_factor(store, user, second) == second
    with pytest.raises(LastWayInError):
        remove_factor(store, user, first)

    holder = store.factors.find_holder(user.id)
    assert holder.user.factor_count == 2
    assert holder.code_hashes == {"hash-1", "hash-2"}
    assert remove_factor(store, user, app) == app
    with pytest.raises(LastWayInError):
        remove_factor(store, user, first)
    assert store.factors.find_holder(user.id).code_hashes == {"hash-1", "hash-2"}
    store.users.set_password(user.id, "$2b$12$a-hash", now=NOW)
    assert remove_factor(store, user, first) == first


def test_the_last_passkey_goes_where_an_identity_is_left(store, ada):
    user, _ = ada
    session, _ = log_in(store, user)
    passkey = new_passkey(user)
    activate(store, user, session, passkey)

    assert remove_factor(store, user, passkey) == passkey


def test_a_passkey_and_an_identity_are_not_both_taken_away_at_once(store, ada):
    user, identity = ada
    session, _ = log_in(store, user)
    passkey = new_passkey(user)
    activate(store, user, session, passkey)
    ready = Barrier(2)

    def give_up(remove):
        ready.wait()
        try:
            remove()
        except LastWayInError:
            return False
        return True

    ways = [
        partial(store.identities.unlink, user.id, identity.id),
        partial(remove_factor, store, user, passkey),
    ]
    with ThreadPoolExecutor(2) as pool:
        gone = list(pool.map(give_up, ways))

    assert sorted(gone) == [False, True]
    left = len(store.identities.list_of(user.id)) + store.users.find(user.id).factor_count
    assert left == 1


def test_two_ways_in_are_not_both_taken_away_at_once(store, ada):
    user, identity = ada
    second = new_identity(user, "second")
    link(store, user, second)
    ready = Barrier(2)

    def unlink(identity_id):
        ready.wait()
        try:
            return store.identities.unlink(user.id, identity_id)
        except LastWayInError:
            return None

    with ThreadPoolExecutor(2) as pool:
        gone = list(pool.map(unlink, [identity.id, second.id]))

    assert gone.count(None) == 1
    assert len(store.identities.list_of(user.id)) == 1


def test_a_deleted_users_identities_are_free(store, ada):
    user, identity = ada
    store.users.delete(user.id)

    assert store.identities.find("https://idp.example", "subject") is None
    again = new_user()
    store.identities.register(again, replace(identity, user_id=again.id, id=str(uuid.uuid4())))


@pytest.mark.parametrize("verified", [False, True])
def test_only_the_first_proof_of_an_address_ends_identities(store, verified):
    """Whoever registered somebody else's address must not wait in it with a provider's account."""
    user = new_user(email_verified=verified)
    store.users.add(user)
    link(store, user, new_identity(user))

    store.users.reset_password(user, "$2b$12$new", now=NOW)

    assert len(store.identities.list_of(user.id)) == int(verified)
