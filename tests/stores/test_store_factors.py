"""What every store owes the second factors; once means once, in twenty threads too."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from factor_records import LIMIT, activate, new_codes, new_factor, new_passkey, with_app
from store_records import NOW, log_in, new_session, new_user

from falcon_auth.errors import FactorInvalidError, FactorRequiredError
from falcon_auth.models import (
    Effects,
    FactorUse,
    Login,
    Message,
    SpentChallenge,
)
from falcon_auth.store.directory import UserChange

THREADS = 20


def notice(user):
    return Effects(
        messages=(
            Message(
                id=str(uuid.uuid4()),
                channel="mail",
                topic="factor_added",
                user_id=user.id,
                payload={},
                created_at=NOW,
                due_at=NOW,
            ),
        )
    )


def messages_in(store):
    return store.outbox.list_waiting(limit=10)


@pytest.fixture
def ada(store):
    """Ada, with a live session: both as the store has them."""
    user = new_user()
    store.users.add(user)
    session, _ = log_in(store, user)
    return user, session


def user_in(store, user):
    return store.factors.find_holder(user.id).user


def use_of(factor, **proof):
    return FactorUse(factor_id=factor.id, at=NOW + 1, **proof)


def open_with(store, user, use):
    login = Login(user_in(store, user), methods=("pwd", "otp", "mfa"), use=use)
    return store.sessions.open(new_session(user, amr=login.methods), login=login, limit=100)


def test_a_holder_has_all_factors_in_the_order_of_their_creation(store, ada):
    user, session = ada
    app = with_app(store, user, session)
    passkey = new_passkey(user, created_at=NOW + 1)
    activate(store, user_in(store, user), session, passkey)

    holder = store.factors.find_holder(user.id)

    assert {each.id for each in holder.factors} >= {app.id, passkey.id}
    assert holder.of_kind("totp") == [app]
    assert holder.of_kind("passkey") == [passkey]
    assert holder.code_hashes == {"hash-1", "hash-2"}
    assert (holder.user.factor_count, holder.user.factors_version) == (2, 2)


def test_a_user_without_factors_and_nobody(store, ada):
    holder = store.factors.find_holder(ada[0].id)

    assert (holder.factors, holder.code_hashes) == ((), frozenset())
    assert store.factors.find_holder("not-an-id") is None
    assert store.factors.find_holder(str(uuid.uuid4())) is None


def test_one_pending_app_at_a_time_counts_nothing(store, ada):
    user, _ = ada
    first, second = new_factor(user), new_factor(user)
    store.factors.add_pending(first, limit=LIMIT)
    store.factors.add_pending(second, limit=LIMIT)

    holder = store.factors.find_holder(user.id)

    assert [each.id for each in holder.factors] == [second.id]
    assert holder.of_kind("totp") == []
    assert holder.user.factor_count == 0
    assert not store.factors.add_pending(new_factor(user), limit=0)
    assert not store.factors.add_pending(new_factor(new_user("eve")), limit=LIMIT)


def test_a_pending_app_leaves_those_that_count(store, ada):
    user, session = ada
    app = with_app(store, user, session)
    pending = new_factor(user)

    assert store.factors.add_pending(pending, limit=LIMIT)

    holder = store.factors.find_holder(user.id)
    assert {app.id, pending.id} <= {each.id for each in holder.factors}
    assert holder.of_kind("totp") == [app]
    assert holder.code_hashes == {"hash-1", "hash-2"}


def test_the_first_factor_ends_the_other_sessions_and_marks_the_one_that_added_it(store, ada):
    user, session = ada
    other, _ = log_in(store, user)

    with_app(store, user, session)

    kept, _ = store.sessions.find(session.id)
    assert kept.amr == ("pwd", "otp", "mfa")
    assert kept.ended_at is None
    assert store.sessions.find(other.id)[0].ended_at == NOW


def test_a_further_factor_ends_no_session(store, ada):
    user, session = ada
    with_app(store, user, session)
    other, _ = log_in(store, user_in(store, user))

    change = activate(store, user_in(store, user), session, new_passkey(user))

    assert change.ended == 0
    assert store.sessions.find(other.id)[0].ended_at is None


@pytest.mark.parametrize(
    "obstacle",
    ["version", "disabled", "session", "limit", "pending", "credential", "challenge"],
)
def test_a_factor_that_cannot_count_changes_nothing(store, ada, obstacle):
    user, session = ada
    eve = new_user("eve")
    store.users.add(eve)
    eve_session, _ = log_in(store, eve)
    spent = SpentChallenge("spent", NOW + 300)
    activate(store, eve, eve_session, new_passkey(eve, "theirs"), challenge=spent)
    factor, limit, challenge = new_passkey(user), LIMIT, SpentChallenge("fresh", NOW + 300)
    if obstacle == "version":
        with_app(store, user, session)
    if obstacle == "disabled":
        store.users.set_active(user.id, active=False, now=NOW)
    if obstacle == "session":
        store.sessions.end(session.id, now=NOW)
    if obstacle == "limit":
        limit = 0
    if obstacle == "pending":
        factor, challenge = new_factor(user, confirmed_at=NOW), None
    if obstacle == "credential":
        factor = new_passkey(user, "theirs")
    if obstacle == "challenge":
        challenge = spent
    before = store.factors.find_holder(user.id)

    change = activate(
        store, user, session, factor, challenge=challenge, limit=limit, effects=notice(user)
    )

    assert change is None
    assert store.factors.find_holder(user.id) == before
    assert messages_in(store) == []
    if obstacle == "credential":  # The challenge is not spent either.
        assert activate(store, user, session, new_passkey(user), challenge=challenge) is not None


def test_effects_are_written_with_a_change(store, ada):
    user, session = ada

    activate(store, user, session, new_passkey(user), effects=notice(user))

    assert len(messages_in(store)) == 1


def test_a_step_is_spent_with_every_earlier_one(store, ada):
    user, session = ada
    app = with_app(store, user, session, step=100)

    assert open_with(store, user, use_of(app, step=102)) is not None

    for step in (99, 100, 101, 102):
        with pytest.raises(FactorInvalidError):
            open_with(store, user, use_of(app, step=step))
    assert store.factors.find_holder(user.id).of_kind("totp")[0].last_used_at == NOW + 1


def test_an_app_that_waits_to_be_confirmed_proves_nothing(store, ada):
    user, _ = ada
    pending = new_factor(user)
    store.factors.add_pending(pending, limit=LIMIT)

    with pytest.raises(FactorInvalidError):
        open_with(store, user, use_of(pending, step=100))


@pytest.mark.parametrize(
    ("stored", "shown", "passes"),
    [(0, 0, True), (0, 1, True), (5, 6, True), (5, 5, False), (5, 4, False), (5, 0, False)],
)
def test_a_passkeys_sign_count_only_increases(store, ada, stored, shown, passes):
    user, session = ada
    passkey = new_passkey(user, sign_count=stored)
    activate(store, user, session, passkey)

    if passes:
        assert open_with(store, user, use_of(passkey, sign_count=shown, backed_up=True))
        kept = store.factors.find_credential("credential")[0]
        assert (kept.sign_count, kept.backed_up) == (shown, True)
    else:
        with pytest.raises(FactorInvalidError):
            open_with(store, user, use_of(passkey, sign_count=shown))


def test_a_recovery_code_is_spent_and_the_others_stay(store, ada):
    user, session = ada
    with_app(store, user, session)
    codes = store.factors.find_holder(user.id).of_kind("recovery_code")[0]

    assert open_with(store, user, use_of(codes, code_hash="hash-1"))

    assert store.factors.find_holder(user.id).code_hashes == {"hash-2"}
    for code in ("hash-1", "unknown"):
        with pytest.raises(FactorInvalidError):
            open_with(store, user, use_of(codes, code_hash=code))


def test_a_spent_challenge_opens_nothing_and_spends_nothing(store, ada):
    user, session = ada
    app = with_app(store, user, session)
    challenge = SpentChallenge("c1", NOW + 300)
    open_with(store, user, use_of(app, step=101, challenges=(challenge,)))

    with pytest.raises(FactorInvalidError):
        open_with(store, user, use_of(app, step=102, challenges=(challenge,)))

    assert open_with(store, user, use_of(app, step=102)) is not None


def test_a_log_in_of_before_a_change_of_factors_opens_nothing(store, ada):
    user, session = ada
    login = Login(user)
    with_app(store, user, session)

    assert store.sessions.open(new_session(user), login=login, limit=100) is None


def test_a_session_is_confirmed_with_what_proved_it(store, ada):
    user, session = ada
    app = with_app(store, user, session)

    def confirm(name, use):
        return store.factors.confirm(name, auth_time=NOW + 5, amr=("pwd", "mfa"), use=use)

    confirmed = confirm(session.id, use_of(app, step=101))

    assert (confirmed.auth_time, confirmed.amr) == (NOW + 5, ("pwd", "mfa"))
    assert store.sessions.find(session.id)[0] == confirmed
    with pytest.raises(FactorInvalidError):
        confirm(session.id, use_of(app, step=101))
    assert confirm(session.id, None) is not None
    store.sessions.end(session.id, now=NOW)
    assert confirm(session.id, use_of(app, step=102)) is None
    assert open_with(store, user, use_of(app, step=102)) is not None


def test_removing_the_last_factor_removes_the_recovery_codes_unless_it_must_be_kept(store, ada):
    user, session = ada
    app = with_app(store, user, session)

    def remove(factor_id, *, keep_last=False, owner=user.id):
        return store.factors.remove(
            owner, factor_id, keep_last=keep_last, now=NOW, effects=notice(user)
        )

    with pytest.raises(FactorRequiredError):
        remove(app.id, keep_last=True)
    codes = store.factors.find_holder(user.id).of_kind("recovery_code")[0]
    assert remove(codes.id) is None
    assert remove(app.id, owner=str(uuid.uuid4())) is None
    assert remove("not-an-id") is None
    assert messages_in(store) == []

    assert remove(app.id) == app

    holder = store.factors.find_holder(user.id)
    assert (holder.factors, holder.code_hashes) == ((), frozenset())
    assert (holder.user.factor_count, holder.user.factors_version) == (0, 2)
    assert len(messages_in(store)) == 1


def test_removing_one_of_two_keeps_the_codes(store, ada):
    user, session = ada
    app = with_app(store, user, session)
    activate(store, user_in(store, user), session, new_passkey(user))

    store.factors.remove(user.id, app.id, keep_last=True, now=NOW)

    assert user_in(store, user).factor_count == 1
    assert store.factors.find_holder(user.id).code_hashes == {"hash-1", "hash-2"}


def test_removing_a_pending_app_sends_no_notice(store, ada):
    user, _ = ada
    pending = new_factor(user)
    store.factors.add_pending(pending, limit=LIMIT)

    removed = store.factors.remove(
        user.id, pending.id, keep_last=True, now=NOW, effects=notice(user)
    )

    assert removed == pending
    assert messages_in(store) == []
    assert user_in(store, user).factors_version == 0


def test_all_factors_are_removed_at_once(store, ada):
    user, session = ada
    with_app(store, user, session)
    activate(store, user_in(store, user), session, new_passkey(user))

    changed = store.directory.change(user.id, UserChange(remove_factors=True), now=NOW)

    assert (changed.before.factor_count, changed.after.factor_count) == (2, 0)
    assert store.factors.find_holder(user.id).factors == ()
    assert store.factors.find_credential("credential") is None


def test_codes_are_replaced_where_there_is_a_factor_and_nothing_changed(store, ada):
    user, session = ada
    assert not store.factors.replace_codes(user, new_codes(user, "n1"), now=NOW)
    with_app(store, user, session)
    assert not store.factors.replace_codes(user, new_codes(user, "n1"), now=NOW)

    current = user_in(store, user)
    assert store.factors.replace_codes(current, new_codes(user, "n1"), now=NOW)

    assert store.factors.find_holder(user.id).code_hashes == {"n1"}


def test_secrets_are_listed_in_pages_and_replaced_if_they_are_the_same(store, ada):
    user, session = ada
    app = with_app(store, user, session)
    activate(store, user_in(store, user), session, new_passkey(user))

    first = store.factors.list_secrets(after="", limit=1)
    rest = store.factors.list_secrets(after=first[0].id, limit=10)

    assert {each.kind for each in [*first, *rest]} == {"totp", "recovery_code"}
    assert store.factors.replace_secret(app.id, old="sealed", new="anew")
    assert not store.factors.replace_secret(app.id, old="sealed", new="again")
    assert not store.factors.replace_secret(str(uuid.uuid4()), old="sealed", new="again")
    assert store.factors.find_holder(user.id).of_kind("totp")[0].secret == "anew"


def test_spent_challenges_are_swept_once_they_expire(store, ada):
    user, session = ada
    app = with_app(store, user, session)
    for number in range(3):
        challenge = SpentChallenge(f"c{number}", NOW + number)
        open_with(store, user, use_of(app, step=101 + number, challenges=(challenge,)))

    assert store.factors.sweep(expired_before=NOW + 2, limit=1)
    assert store.factors.sweep(expired_before=NOW + 2, limit=1)
    assert not store.factors.sweep(expired_before=NOW + 2, limit=1)

    again = use_of(app, step=200, challenges=(SpentChallenge("c2", NOW + 2),))
    with pytest.raises(FactorInvalidError):
        open_with(store, user, again)
    assert open_with(store, user, replace(again, challenges=(SpentChallenge("c0", NOW),)))


def test_a_hash_is_upgraded_if_it_is_still_the_one_that_was_checked(store, ada):
    user, _ = ada

    store.users.upgrade_hash(Login(user, "$2b$12$dearer"))
    store.users.upgrade_hash(Login(user, "$2b$12$dearest"))

    assert store.users.find_by_email(user.email_key).password_hash == "$2b$12$dearer"


# --- Races


def at_once(job, count=THREADS):
    barrier = Barrier(count)

    def run(number):
        barrier.wait()
        try:
            return job(number)
        except FactorInvalidError:
            return None

    with ThreadPoolExecutor(count) as pool:
        return [each for each in pool.map(run, range(count)) if each is not None]


@pytest.mark.parametrize("proof", ["step", "code_hash", "challenge", "counter"])
def test_of_twenty_log_ins_with_one_proof_one_succeeds(store, ada, proof):
    user, session = ada
    app = with_app(store, user, session)
    codes = store.factors.find_holder(user.id).of_kind("recovery_code")[0]
    passkey = new_passkey(user)
    activate(store, user_in(store, user), session, passkey)
    challenge = (SpentChallenge("one", NOW + 300),)
    uses = {
        "step": lambda _: use_of(app, step=101),
        "code_hash": lambda _: use_of(codes, code_hash="hash-1"),
        # Different codes, the same challenge; and a passkey without a counter.
        "challenge": lambda _: use_of(passkey, sign_count=0, challenges=challenge),
        "counter": lambda _: use_of(passkey, sign_count=7),
    }

    won = at_once(lambda number: open_with(store, user, uses[proof](number)))

    assert len(won) == 1


def test_of_twenty_confirmations_with_one_code_one_succeeds(store, ada):
    user, session = ada
    app = with_app(store, user, session)

    won = at_once(
        lambda _: store.factors.confirm(
            session.id, auth_time=NOW, amr=(), use=use_of(app, step=101)
        )
    )

    assert len(won) == 1


def test_of_twenty_activations_one_makes_the_app_count(store, ada):
    user, session = ada
    pending = new_factor(user)
    store.factors.add_pending(pending, limit=LIMIT)
    app = replace(pending, confirmed_at=NOW, last_step=100)

    won = at_once(lambda _: activate(store, user, session, app))

    assert len(won) == 1
    holder = store.factors.find_holder(user.id)
    assert holder.user.factor_count == 1
    assert len(holder.of_kind("recovery_code")) == 1


def test_of_two_factors_removed_at_once_one_stays_where_one_is_needed(store, ada):
    user, session = ada
    app = with_app(store, user, session)
    passkey = new_passkey(user)
    activate(store, user_in(store, user), session, passkey)
    ids = (app.id, passkey.id)

    def remove(number):
        try:
            return store.factors.remove(user.id, ids[number], keep_last=True, now=NOW)
        except FactorRequiredError:
            return None

    assert len(at_once(remove, 2)) == 1
    assert user_in(store, user).factor_count == 1
