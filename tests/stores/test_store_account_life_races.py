"""Races in the life of an account, on every store, as in test_store_races.py."""

import random
import uuid

from databases import race
from delivery_words import new_message
from store_records import DAY, NOW, log_in, new_session, new_user
from test_store_races import ROUNDS, THREADS, by_turns

from falcon_auth.errors import DuplicateEmailError, DuplicateUsernameError
from falcon_auth.models import NO_EFFECTS, Effects

QUIET = dict.fromkeys(("added", "unnamed", "taken"), NO_EFFECTS)


def failures(results):
    return [each for each in results if isinstance(each, Exception)]


def test_a_link_used_many_times_at_once_works_once(stores):
    for number in range(ROUNDS):
        user = new_user(f"user{number}")
        stores[0].users.add(user)

        results = race(
            *by_turns(
                stores,
                lambda store, n, user=user: store.users.reset_password(user, f"hash-{n}", now=NOW),
            )
        )

        winners = [n for n, result in enumerate(results) if result is not None]
        assert len(winners) == 1
        assert stores[1].users.find(user.id).password_hash == f"hash-{winners[0]}"


def test_a_reset_and_a_password_change_from_one_reading_are_one(stores):
    for number in range(ROUNDS):
        user = new_user(f"user{number}")
        session = new_session(user)
        stores[0].users.add(user, session)

        def change(store, n, user=user, session=session):
            if n % 2:
                return store.users.reset_password(user, f"hash-{n}", now=NOW)
            return store.users.change_password(user, f"hash-{n}", keep_session=session.id, now=NOW)

        results = race(*by_turns(stores, change))

        assert sum(each is not None for each in results) == 1
        assert not failures(results)


def test_one_of_many_users_gets_the_new_address(stores):
    for number in range(ROUNDS):
        users = [new_user(f"user{number}_{n}") for n in range(THREADS)]
        sessions = [new_session(user) for user in users]
        for user, session in zip(users, sessions, strict=True):
            stores[0].users.add(user, session)
        wanted = f"wanted{number}@example.com"

        def change(store, n, users=users, sessions=sessions, wanted=wanted):
            return store.users.change_email(
                users[n], email=wanted, email_key=wanted, keep_session=sessions[n].id, now=NOW
            )

        results = race(*by_turns(stores, change))

        assert sum(isinstance(each, DuplicateEmailError) for each in results) == THREADS - 1
        (winner,) = [n for n, each in enumerate(results) if not isinstance(each, Exception)]
        assert stores[1].users.find_by_email(wanted).id == users[winner].id


def test_one_of_many_users_gets_the_new_name(stores):
    users = [new_user(f"user{n}") for n in range(THREADS)]
    for user in users:
        stores[0].users.add(user)

    results = race(
        *by_turns(stores, lambda store, n: store.users.rename(users[n].id, "Wanted", now=NOW))
    )

    assert sum(isinstance(each, DuplicateUsernameError) for each in results) == THREADS - 1


def test_two_users_who_swap_addresses_do_not_lock_each_other_up(stores):
    for number in range(ROUNDS):
        pair = [new_user(f"{name}{number}") for name in ("ada", "eve")]
        sessions = [new_session(user) for user in pair]
        for user, session in zip(pair, sessions, strict=True):
            stores[0].users.add(user, session)

        def swap(store, n, pair=pair, sessions=sessions):
            other = pair[1 - n].email
            return store.users.change_email(
                pair[n], email=other, email_key=other, keep_session=sessions[n].id, now=NOW
            )

        results = race(*by_turns(stores, swap, 2))

        assert [type(each) for each in results] == [DuplicateEmailError] * 2


def test_of_quiet_registrations_at_once_one_gets_the_address_and_one_the_name(stores):
    for number in range(ROUNDS):
        same_address = [new_user(f"user{number}") for _ in range(THREADS // 2)]
        same_name = [
            new_user(f"other{number}_{n}", username=f"name{number}") for n in range(THREADS // 2)
        ]
        users = same_address + same_name

        results = race(
            *by_turns(
                stores,
                lambda store, n, users=users: store.users.add_quietly(users[n], effects=QUIET),
            )
        )

        assert sorted(results[: THREADS // 2]) == ["added"] + ["taken"] * (THREADS // 2 - 1)
        assert sorted(results[THREADS // 2 :]) == ["added"] + ["unnamed"] * (THREADS // 2 - 1)


def test_a_deletion_wins_over_everything_that_runs_beside_it(stores):
    """No deadlock, no broken reference, and nothing of the user is left afterwards."""
    for number in range(ROUNDS):
        user = new_user(f"user{number}")
        session = new_session(user)
        stores[0].users.add(user, session)
        mail = Effects(messages=(new_message(user),))

        def live(store, n, user=user, session=session, mail=mail):
            choose = random.Random(n)  # noqa: S311 - a test's dice
            for _ in range(4):
                match choose.randrange(7):
                    case 0:
                        log_in(store, user, limit=3)
                    case 1:
                        store.sessions.rotate(session.id, expected=0, now=NOW, expires_at=NOW + DAY)
                    case 2:
                        store.sessions.end_all_of(user.id, now=NOW)
                    case 3:
                        store.users.change_password(
                            user, str(uuid.uuid4()), keep_session=session.id, now=NOW, effects=mail
                        )
                    case 4:
                        store.users.tell(user, Effects(messages=(new_message(user),)))
                    case 5:
                        store.users.verify_email(user, now=NOW)
                    case _:
                        store.sessions.sweep(expired_before=NOW, ended_before=NOW + 1, limit=3)

        *others, deleted = race(
            *by_turns(stores, live, 6),
            lambda user=user: stores[1].users.delete(user.id),
        )

        assert not failures(others)
        assert deleted is not None
        assert stores[0].users.find(user.id) is None
        assert stores[0].sessions.find(session.id) is None
        assert stores[0].sessions.list_live(user.id, now=NOW) == []
        assert stores[0].outbox.list_waiting(limit=9) == []
