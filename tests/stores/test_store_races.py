"""Races on every store, by threads of two processes' worth of connections.

The rounds are many and short: a race that is lost rarely has many chances.
"""

# ruff: noqa: B023 - the actions of a race have run before its loop goes on

import itertools
import random
import uuid

import pytest
from databases import race
from store_records import DAY, NOW, log_in, new_session, new_user

from falcon_auth.errors import DuplicateEmailError, DuplicateUsernameError
from falcon_auth.models import Login

THREADS = 12  # Fewer than the connections of both processes.
ROUNDS = 12


def by_turns(stores, action, count=THREADS):
    """Return *count* actions, each on the next store."""
    turns = itertools.islice(itertools.cycle(stores), count)
    return [
        lambda store=store, number=number: action(store, number)
        for number, store in enumerate(turns)
    ]


def test_one_of_many_registrations_gets_the_address(stores):
    for number in range(ROUNDS):
        users = [new_user(f"user{number}") for _ in range(THREADS)]
        sessions = [new_session(user) for user in users]

        results = race(*by_turns(stores, lambda store, n: store.users.add(users[n], sessions[n])))

        winners = [n for n, result in enumerate(results) if result is None]
        assert len(winners) == 1
        assert sum(isinstance(each, DuplicateEmailError) for each in results) == THREADS - 1
        assert stores[0].users.find_by_email(users[0].email_key) == users[winners[0]]
        assert [n for n in range(THREADS) if stores[1].sessions.find(sessions[n].id)] == winners


def test_one_of_many_registrations_gets_the_user_name(stores):
    users = [new_user(f"user{n}", username="ada") for n in range(THREADS)]

    results = race(*by_turns(stores, lambda store, n: store.users.add(users[n])))

    assert results.count(None) == 1
    assert sum(isinstance(each, DuplicateUsernameError) for each in results) == THREADS - 1


def test_one_of_many_rotations_wins_and_the_others_see_its_successor(stores):
    user = new_user()
    session = new_session(user)
    stores[0].users.add(user, session)
    for generation in range(ROUNDS):
        at = NOW + generation

        rotations = race(
            *by_turns(
                stores,
                lambda store, n: store.sessions.rotate(
                    session.id,
                    expected=generation,
                    now=at + n / 100,
                    expires_at=at + DAY,
                ),
            )
        )

        assert [each.won for each in rotations].count(True) == 1
        assert {each.session.generation for each in rotations} == {generation + 1}
        assert len({each.session for each in rotations}) == 1


def test_many_log_ins_at_once_keep_to_the_limit(stores):
    user = new_user()
    stores[0].users.add(user)

    for number in range(ROUNDS):
        results = race(
            *by_turns(stores, lambda store, n: log_in(store, user, at=NOW + number, limit=3)[1])
        )

        assert all(found is not None for found in results), results
        assert len(stores[0].sessions.list_live(user.id, now=NOW)) == 3


def test_no_session_of_the_old_password_outlives_its_change(stores):
    """A log-in that checked the old password is refused, or its session ended by the change."""
    for number in range(ROUNDS):
        user = new_user(f"user{number}")
        kept = new_session(user)
        stores[0].users.add(user, kept)

        race(
            *by_turns(stores, lambda store, n: log_in(store, user), 6),
            lambda: stores[1].users.change_password(user, "new", keep_session=kept.id, now=NOW),
        )

        assert stores[0].users.find_by_email(user.email_key).password_hash == "new"
        assert [each.id for each in stores[0].sessions.list_live(user.id, now=NOW)] == [kept.id]


def test_a_password_is_changed_once_from_one_reading(stores):
    user = new_user()
    sessions = [new_session(user) for _ in range(THREADS)]
    stores[0].users.add(user)
    for session in sessions:
        stores[0].sessions.open(session, login=Login(user), limit=100)

    changed = race(
        *by_turns(
            stores,
            lambda store, n: store.users.change_password(
                user, f"hash-{n}", keep_session=sessions[n].id, now=NOW
            ),
        )
    )

    (winner,) = [n for n, change in enumerate(changed) if change]
    assert stores[0].users.find_by_email(user.email_key).password_hash == f"hash-{winner}"
    live = stores[0].sessions.list_live(user.id, now=NOW)
    assert [each.id for each in live] == [sessions[winner].id]


@pytest.mark.parametrize("ending", ["disable", "end_all"])
def test_no_session_slips_past_the_end_of_all(stores, ending):
    """Sessions that were open before the end are over after it, refreshed meanwhile or not."""
    for number in range(ROUNDS):
        user = new_user(f"user{number}")
        stores[0].users.add(user)
        before = [log_in(stores[0], user)[0] for _ in range(4)]

        def end(user=user):
            if ending == "disable":
                return stores[1].users.set_active(user.id, active=False, now=NOW)
            return stores[1].sessions.end_all_of(user.id, now=NOW)

        *logins, ended = race(
            *by_turns(stores, lambda store, n: log_in(store, user), 4),
            *by_turns(
                stores,
                lambda store, n: store.sessions.rotate(
                    before[n].id, expected=0, now=NOW, expires_at=NOW + DAY
                ),
                4,
            ),
            end,
        )

        assert not isinstance(ended, Exception)
        assert all(stores[0].sessions.find(each.id)[0].ended_at == NOW for each in before)
        live = {each.id for each in stores[0].sessions.list_live(user.id, now=NOW)}
        if ending == "disable":
            assert live == set()
        else:  # Those that logged in after the end stay.
            assert len(live) + ended == 8
        assert not any(isinstance(each, Exception) for each in logins)


def test_a_session_is_ended_by_one_caller(stores):
    user = new_user()
    session = new_session(user)
    stores[0].users.add(user, session)

    ended = race(*by_turns(stores, lambda store, n: store.sessions.end(session.id, now=NOW + n)))

    assert ended.count(True) == 1
    assert stores[0].sessions.find(session.id)[0].ended_at == NOW + ended.index(True)


def test_sweeping_at_once_forgets_each_session_once_and_fails_nobody(stores):
    user = new_user()
    stores[0].users.add(user)
    for _ in range(60):
        log_in(stores[0], user, expires_at=NOW + 1)
    live, _ = log_in(stores[0], user)

    def sweep(store, _number):
        while store.sessions.sweep(expired_before=NOW + 2, ended_before=NOW, limit=5):
            pass

    results = race(
        *by_turns(stores, sweep, 4),
        *by_turns(
            stores,
            lambda store, n: store.sessions.rotate(
                live.id, expected=n, now=NOW, expires_at=NOW + DAY
            ),
            4,
        ),
    )

    assert not [each for each in results if isinstance(each, Exception)]
    sweep(stores[0], 0)
    assert [each.id for each in stores[0].sessions.list_live(user.id, now=NOW)] == [live.id]


def test_everything_at_once_on_one_user_neither_locks_up_nor_contradicts_itself(stores):
    """Above all no deadlock: each method takes its locks in one order."""
    user = new_user()
    stores[0].users.add(user)
    seeds = range(8)

    def live_around(store, seed):
        choose = random.Random(seed)  # noqa: S311 - a test's dice
        mine, _ = log_in(store, user)
        for step in range(15):
            match choose.randrange(6):
                case 0:
                    fresh = store.users.find_by_email(user.email_key)
                    mine, _ = log_in(store, fresh, limit=4)
                case 1:
                    store.sessions.rotate(mine.id, expected=0, now=NOW + step, expires_at=NOW + DAY)
                case 2:
                    store.sessions.end(mine.id, now=NOW + step)
                case 3:
                    store.sessions.end_all_of(user.id, now=NOW + step)
                case 4:
                    fresh = store.users.find_by_email(user.email_key)
                    store.users.change_password(
                        fresh, str(uuid.uuid4()), keep_session=mine.id, now=NOW
                    )
                case _:
                    store.sessions.sweep(expired_before=NOW, ended_before=NOW + step, limit=3)

    results = race(*by_turns(stores, live_around, len(seeds)))

    assert results == [None] * len(seeds)
    assert len(stores[0].sessions.list_live(user.id, now=NOW)) <= len(seeds)
