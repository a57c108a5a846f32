"""`users` invite, delete, export, remove-unverified, on SQLite."""

import re
import time

import pytest
from store_records import DAY, new_session, new_user
from test_users_command import HASH, start, store, users

from falcon_auth.models import NO_PASSWORD

__all__ = ["start", "store", "users"]

EMAIL = "ada@example.com"


@pytest.fixture
def stored(store):
    """Store a user; it was made so many days ago."""

    def add(name, *, days, session=False, **more):
        made_at = time.time() - days * DAY
        user = new_user(name, created_at=made_at, updated_at=made_at, **more)
        store.users.add(user, new_session(user, time.time()) if session else None)
        return user

    return add


def test_an_invited_user_sets_a_password_by_the_printed_link(users, start):
    """Where the service sends no mail, whoever invites hands the link over."""
    invited = users("invite", EMAIL, "--username", "ada")
    _, link = invited.stdout.decode().splitlines()
    token = re.fullmatch(r"http://localhost:8000/account/invitation#token=(\S+)", link)[1]
    service = start()
    assert service.login().json["code"] == "INVALID_CREDENTIALS"

    body = {"token": token, "new_password": "correct horse battery"}
    answer = service.request("POST", "/api/v1/auth/password/reset", body)

    assert answer.status == 204
    user = service.login().json["user"]
    assert (user["username"], user["email_verified"]) == ("ada", True)
    assert users("invite", EMAIL).returncode == 1


def test_an_invitation_goes_by_mail_where_there_is_any(users, store, tmp_path):
    mail = {"MAIL_URL": f"file://{tmp_path}", "MAIL_FROM": "auth@example.com"}

    ran = users("invite", EMAIL, **mail)

    assert (ran.returncode, ran.stdout.count(b"\n")) == (0, 1)
    waiting = store.outbox.list_waiting(limit=9)
    assert [each.topic for each in waiting] == ["invitation"] or list(tmp_path.glob("*.eml"))


def test_who_has_not_come_yet_is_invited_again_as_they_are(users):
    first, again = users("invite", EMAIL), users("invite", EMAIL.upper())

    assert again.stdout.splitlines()[0] == first.stdout.splitlines()[0]


@pytest.mark.parametrize("state", [{"is_active": False}, {"email_verified": True}])
def test_who_is_disabled_or_came_already_is_not_invited(users, stored, state):
    stored("ada", days=1, password_hash=NO_PASSWORD, **state)

    ran = users("invite", EMAIL)

    assert (ran.returncode, b"exists already" in ran.stderr) == (1, True)


def test_a_deletion_is_asked_for(users, store, stored):
    user = stored("ada", days=1)

    assert users("delete", EMAIL, stdin=b"n\n").returncode == 1
    assert store.users.find(user.id)
    assert users("delete", EMAIL, stdin=b"y\n").returncode == 0
    assert store.users.find(user.id) is None


def test_a_deletion_can_be_made_by_a_script(users, store, stored):
    user = stored("ada", days=1, session=True)

    assert users("delete", EMAIL, "--yes").returncode == 0

    assert store.users.find(user.id) is None
    assert users("delete", EMAIL, "--yes").returncode == 1


def test_what_is_exported_can_be_imported_elsewhere(users, store, stored, tmp_path):
    known = [
        stored("ada", days=9, username="Ada", password_hash=HASH, email_verified=True),
        stored("eve", days=3, password_hash=NO_PASSWORD, password_version=2, email_version=1),
    ]
    file = tmp_path / "users.jsonl"
    file.write_bytes(users("export").stdout)
    for user in known:
        users("delete", user.email, "--yes")

    ran = users("import", file)

    assert b"2 users imported, 0 lines refused" in ran.stdout
    assert [store.users.find(user.id) for user in known] == known


def test_only_those_who_never_came_are_removed(users, store, stored):
    gone = stored("gone", days=31)
    kept = [
        stored("young", days=29),
        stored("verified", days=31, email_verified=True),
        stored("seen", days=31, last_login_at=time.time()),
        stored("online", days=31, session=True),
    ]

    listed = users("remove-unverified", "--dry-run")
    assert (listed.stdout.decode().split(), store.users.find(gone.id)) == ([gone.id], gone)
    removed = users("remove-unverified")

    assert removed.stdout.decode().split() == [gone.id]
    assert store.users.find(gone.id) is None
    assert all(store.users.find(user.id) for user in kept)
    young = users("remove-unverified", "--older-than", "28").stdout.decode().split()
    assert young == [kept[0].id]
